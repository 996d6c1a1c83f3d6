"""Session fixation, the two ends of a session, and requests that are slower than a sign-out."""

import base64
import os
import threading

import pytest

from doorkey.sessions.sqlite_store import SqliteStore
from tests.support.attack_asserts import rows
from tests.support.person import Person

HOUR = 3600


def plant(person: Person, value: str, name: str = "doorkey") -> None:
    person.client.set_cookie(name, value, domain="127.0.0.1")


def test_an_id_chosen_by_the_client_is_never_adopted(person):
    chosen = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    plant(person, chosen)
    assert not person.is_signed_in()
    person.sign_in()
    assert person.cookies()["doorkey"] != chosen
    victim = Person(person.client.application)
    plant(victim, chosen)
    assert not victim.is_signed_in()


def test_the_id_changes_with_each_sign_in_and_the_old_one_is_dead(app, person):
    seen = []
    for _ in range(3):
        person.sign_in()
        seen.append(person.cookies()["doorkey"])
    assert len(set(seen)) == 3
    for old, alive in zip(seen, (False, False, True), strict=True):
        other = Person(app)
        plant(other, old)
        assert other.is_signed_in() is alive


def test_a_new_sign_in_ends_the_record_of_the_old_one_even_for_another_user(person, stub, settings):
    person.sign_in()
    stub.answer("/userinfo", {"sub": "otto"})
    person.sign_in()
    assert rows(settings.instance / "sessions.sqlite3")["sessions"] == 1
    assert person.session()["user"] == "otto"


def test_ids_and_form_tokens_are_all_different(app):
    people = [Person(app) for _ in range(8)]
    for person in people:
        person.sign_in()
    values = [person.cookies()["doorkey"] for person in people]
    tokens = [person.form_token("/logout") for person in people]
    assert len({*values, *tokens}) == 16


@pytest.mark.parametrize(("pause", "alive"), [(HOUR - 1, True), (HOUR, False), (HOUR + 1, False), (90 * HOUR, False)])
def test_an_unused_session_ends_after_the_idle_time(pause, alive, person, clock):
    person.sign_in()
    clock.advance(pause)
    assert person.is_signed_in() is alive


def test_use_extends_the_idle_end_and_never_the_absolute_one(person, clock):
    person.sign_in()
    started = clock.now
    absolute = person.session()["session_ends_at"]
    while clock.now < started + 12 * HOUR - 600:
        clock.advance(600)
        if clock.now >= started + 12 * HOUR:
            break
        session = person.session()
        assert session["active"]
        assert session["session_ends_at"] == absolute == started + 12 * HOUR
    assert clock.now == started + 12 * HOUR - 600
    clock.advance(600)
    assert not person.is_signed_in()


def test_the_shown_idle_end_is_kept_after_the_clock_went_back(person, clock):
    person.sign_in()
    clock.advance(-300)
    assert person.is_signed_in()
    clock.advance(300 + 12 * HOUR)
    assert not person.is_signed_in()


def test_ended_sessions_of_people_who_never_came_back_are_swept(app, clock, settings):
    for _ in range(4):
        Person(app).sign_in()
    clock.advance(13 * HOUR)
    Person(app).sign_in()
    clock.advance(HOUR / 6)
    Person(app).sign_in()
    found = rows(settings.instance / "sessions.sqlite3")
    assert found["sessions"] == 2
    assert found["marks"] <= 2


class SlowStore(SqliteStore):
    """Holds a reader between reading and writing until the test lets it go."""

    def __init__(self, path):
        super().__init__(path)
        self.slow_thread: threading.Thread | None = None
        self.has_read, self.may_go_on = threading.Event(), threading.Event()

    def read(self, record_id):
        found = super().read(record_id)
        if threading.current_thread() is self.slow_thread:
            self.has_read.set()
            assert self.may_go_on.wait(10)
        return found


@pytest.mark.parametrize("ending", ["sign-out", "new-sign-in", "deleted-by-operator"])
def test_a_slow_request_does_not_bring_an_ended_session_back(ending, environ, clock, tmp_path, transport):
    from doorkey.factory import create_app
    from doorkey.settings import load

    store = SlowStore(tmp_path / "slow" / "sessions.sqlite3")
    app = create_app(load(environ), store=store, clock=clock, transport=transport)
    person, slow, other = Person(app), Person(app), Person(app)
    person.sign_in()
    cookie = person.cookies()["doorkey"]
    plant(slow, cookie)
    plant(other, cookie)
    token = person.form_token("/logout")
    clock.advance(120)
    answers: list = []
    store.slow_thread = threading.Thread(target=lambda: answers.append(slow.get("/")))
    store.slow_thread.start()
    assert store.has_read.wait(10)
    if ending == "sign-out":
        assert person.post("/logout", data={"csrf_token": token}).status_code == 303
    elif ending == "new-sign-in":
        assert person.sign_in().status_code == 303
    else:
        store.sweep(clock.now + 24 * HOUR)
    store.may_go_on.set()
    store.slow_thread.join()
    assert answers[0].status_code == 200, "it had been let in before"
    assert not other.is_signed_in()
    assert answers[0].headers.getlist("Set-Cookie") == []
    left = rows(tmp_path / "slow" / "sessions.sqlite3")["sessions"]
    assert left == (1 if ending == "new-sign-in" else 0)


def test_a_failed_callback_leaves_no_half_session(person, stub, settings):
    stub.answer("/userinfo", {}, 500)
    person.sign_in()
    assert rows(settings.instance / "sessions.sqlite3")["sessions"] == 0


def test_another_server_key_opens_no_old_session_or_transaction(make_app, clock):
    first = Person(make_app())
    first.sign_in()
    state = first.begin().state
    second = Person(make_app(DOORKEY_SECRET_KEY="quite-another-key-0123456789-zyxwvutsrq"))
    for name, value in first.cookies().items():
        plant(second, value, name)
    assert second.session() == {"active": False}
    assert second.come_back(f"code=c&state={state}").status_code == 400


def test_a_key_put_in_front_signs_nobody_out(make_app, environ):
    first = Person(make_app())
    first.sign_in()
    both = "quite-another-key-0123456789-zyxwvutsrq," + environ["DOORKEY_SECRET_KEY"]
    second = Person(make_app(DOORKEY_SECRET_KEY=both))
    plant(second, first.cookies()["doorkey"])
    assert second.is_signed_in()
