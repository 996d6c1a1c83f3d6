"""What attackers of sessions and logouts found, each as it was tried."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis.exceptions import ResponseError

from doorkey.errors import StoreUnavailable
from doorkey.sessions.ids import SessionIds, decode_secret
from doorkey.sessions.redis_setup import words
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import StoredRecord
from doorkey.setting_stores import session_store
from doorkey.settings import Settings
from tests.conftest import MovedClock
from tests.support.leaving import ORIGIN, Leaving, eventually, held, leaving
from tests.support.person import Person


@pytest.fixture
def here(environ: dict[str, str], clock: MovedClock) -> Iterator[Leaving]:
    with leaving(environ, clock) as found:
        yield found


def store_of(app: Flask) -> SqliteStore:
    found: SqliteStore = app.extensions["doorkey"].sessions._store
    return found


def test_a_logout_token_that_met_a_store_that_went_away_may_come_again(
    here: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    una = here.sign_in("user-1", "sid-1")
    token = here.token(sid="sid-1")
    with monkeypatch.context() as broken:

        def away(self: SqliteStore, record_id: bytes) -> None:
            raise StoreUnavailable("by a test")

        broken.setattr(SqliteStore, "delete", away)
        assert here.deliver(token).status_code == 503
    assert una.is_signed_in()
    assert here.deliver(token).status_code == 200
    assert not una.is_signed_in()
    assert here.deliver(token).status_code == 400, "and no more often"


def test_a_replayed_token_ends_nothing_that_began_since(here: Leaving) -> None:
    here.sign_in("user-1", "sid-1")
    token = here.token(sub="user-1")
    assert here.deliver(token).status_code == 200
    again = here.sign_in("user-1", "sid-2")
    assert here.deliver(token).status_code == 400
    assert again.is_signed_in()


@pytest.mark.parametrize(("alg", "stays"), [("RS256", "ES256"), ("ES256", "RS256")])
def test_a_session_with_another_signature_does_not_save_the_others(here: Leaving, alg: str, stays: str) -> None:
    """As after a provider that changed its way of signing."""
    people = {name: here.sign_in("user-1", f"sid-{name}", alg=name) for name in ("RS256", "ES256")}
    assert here.deliver(here.token(sub="user-1", alg=alg)).status_code == 200
    assert {name: person.is_signed_in() for name, person in people.items()} == {alg: False, stays: True}


def test_a_sign_in_under_way_does_not_outlive_the_providers_session(here: Leaving, clock: MovedClock) -> None:
    """The provider logs its session out while we ask for the token of that very session."""
    late: list[int] = []
    deliver, start = here.deliver, here.app.extensions["doorkey"].sessions.start

    def logged_out_first(*args: Any, **options: Any) -> Any:
        late.append(deliver(here.token(sid="sid-1")).status_code)
        return start(*args, **options)

    here.app.extensions["doorkey"].sessions.start = logged_out_first
    person = Person(here.app, ORIGIN)
    with pytest.raises(AssertionError, match="signed you out while"):
        here.sign_in("user-1", "sid-1")
    assert late == [200]
    assert not person.is_signed_in()
    assert list(store_of(here.app).all()) == []
    here.app.extensions["doorkey"].sessions.start = start
    assert here.sign_in("user-1", "sid-2").is_signed_in(), "another session there"


def test_a_token_with_sub_and_sid_ends_sessions_of_which_no_sid_is_known(here: Leaving) -> None:
    without, other = here.sign_in("user-1", None), here.sign_in("user-1", "sid-2")
    assert here.deliver(here.token(sub="user-1", sid="sid-1")).status_code == 200
    assert not without.is_signed_in()
    assert other.is_signed_in()


@pytest.mark.parametrize("what", ["image", "script", "empty"])
def test_a_logout_as_a_part_of_somebody_elses_page_ends_nothing(here: Leaving, what: str) -> None:
    una = here.sign_in("user-1", "sid-1")
    query = {"iss": here.stub.issuer, "sid": "sid-1"}
    client = here.app.test_client(use_cookies=False)
    answer = client.get(
        "/frontchannel-logout/stub", query_string=query, base_url=ORIGIN, headers={"Sec-Fetch-Dest": what}
    )
    assert answer.status_code == 400
    assert una.is_signed_in()


def test_junk_costs_the_provider_nothing_and_few_threads(here: Leaving) -> None:
    fresh = here.new_process()
    here.forget_requests()
    for junk in ("x", "a.b.c", "{}", "." * 100):
        assert here.deliver(junk, app=fresh).status_code == 400
    assert here.asked() == []


def test_a_sign_out_that_cannot_tell_whether_it_happened_still_revokes_the_token(
    here: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    una = here.sign_in("user-1", "sid-1")
    token = una.form_token()
    delete = SqliteStore.delete

    def done_and_not_told(self: SqliteStore, record_id: bytes) -> None:
        delete(self, record_id)
        raise StoreUnavailable("by a test")

    here.forget_requests()
    with monkeypatch.context() as broken:
        broken.setattr(SqliteStore, "delete", done_and_not_told)
        assert una.post("/logout", data={"csrf_token": token}).status_code == 503
    eventually(lambda: "/revoke" in here.asked(), "the token is revoked")
    assert not una.is_signed_in()


def test_nobody_waits_for_a_hanging_provider_to_be_told_that_the_store_is_away(
    here: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    una = here.sign_in("user-1", "sid-1")
    token = una.form_token()
    delete = SqliteStore.delete

    def done_and_not_told(self: SqliteStore, record_id: bytes) -> None:
        delete(self, record_id)
        raise StoreUnavailable("by a test")

    monkeypatch.setattr(SqliteStore, "delete", done_and_not_told)
    with held(here.stub, "/revoke") as kept:
        assert una.post("/logout", data={"csrf_token": token}).status_code == 503, "while the provider still thinks"
        assert kept.reached.wait(10)


@pytest.mark.parametrize("ends", ["'text'", "x'00'", "9e18", "9e999", "-1"])
def test_an_end_that_no_clock_shows_is_an_unreadable_record(here: Leaving, settings: Settings, ends: str) -> None:
    una, other = here.sign_in("user-1", "sid-1"), here.sign_in("user-1", "sid-2")
    secret = decode_secret(una.cookies()["doorkey"])
    assert secret
    with closing(sqlite3.connect(settings.instance / "sessions.sqlite3")) as db, db:
        found = db.execute(f"UPDATE sessions SET ends = {ends} WHERE record_id = ?", (SessionIds.of(secret).record_id,))
        assert found.rowcount == 1
    assert not una.is_signed_in()
    assert other.get("/account/sessions").status_code == 200


def test_an_index_that_names_a_strangers_session_shows_it_to_nobody(here: Leaving, settings: Settings) -> None:
    """Whoever can write to the store but has no server key."""
    una, bob = here.sign_in("user-1", "sid-1", name="Una"), here.sign_in("user-2", "sid-2", name="Bob")
    assert bob.get("/account/sessions").text.count("/revoke") == 1, "their own"
    with closing(sqlite3.connect(settings.instance / "sessions.sqlite3")) as db, db:
        users = {row[0] for row in db.execute("SELECT user_key FROM sessions")}
        assert len(users) == 2
        for key in users:
            db.execute("UPDATE sessions SET user_key = ?", (key,))
            for person in (una, bob):
                assert person.get("/account/sessions").text.count("/revoke") == 1


def test_a_password_that_redis_repeats_goes_nowhere() -> None:
    said = "unknown command 'AUTH', with args beginning with: 'canary-user' 'canary-pass'"
    assert words(ResponseError(said)) == "ResponseError: unknown command 'AUTH'"


@pytest.mark.parametrize("query", ["sentinel_password=ca&nary=1", "canary", "canary=x"])
def test_a_password_with_an_ampersand_is_not_repeated(query: str) -> None:
    with pytest.raises(ValueError, match="%26") as caught:
        session_store(f"redis+sentinel://h/main?{query}")
    assert "nary" not in str(caught.value)


def test_a_plus_in_a_password_stays_one() -> None:
    assert session_store("redis+sentinel://h/main?sentinel_password=a+b%2Bc").option("sentinel_password") == "a+b+c"


def test_the_button_may_not_use_up_what_a_provider_allows(make_app: Any, stub: Any) -> None:
    app = make_app(DOORKEY_RATE_LIMIT="2")
    person = Person(app)
    stub.answer("/token", {"access_token": "a", "token_type": "bearer", "expires_in": 3600, "refresh_token": "r"})
    person.sign_in()
    token = person.form_token()
    answers = [person.post("/account/refresh", data={"csrf_token": token}).status_code for _ in range(6)]
    assert answers == [303] * 4 + [429] * 2
    assert person.is_signed_in()


def test_a_very_long_issuer_leads_nowhere_and_is_not_repeated(person: Person) -> None:
    answer = person.post("/login", data={"iss": "https://canary.example/" + "x" * 50_000})
    assert len(answer.headers.get("Location", "")) < 3000


def test_a_moved_session_is_still_listed_while_servers_have_different_first_keys(tmp_path: Path) -> None:
    """An index entry is never taken out by an update: another server may have made it just now."""
    store = SqliteStore(tmp_path / "sessions.sqlite3")
    record = StoredRecord(b"r" * 32, 0, b"s", 2e9, b"new key")
    store.create(record)
    assert store.update(replace(record, user_key=b"old key"))
    assert store.update(replace(record, version=1, user_key=b"new key"))
    assert len(store.list_by_user(b"new key")) == 1


def test_a_store_that_can_be_read_only_locks_nobody_out(
    here: Leaving, clock: MovedClock, stub: Any, make_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Redis that is full: the token cannot be renewed, and the session is there."""
    person = Person(make_app())
    stub.answer("/token", {"access_token": "a", "token_type": "bearer", "expires_in": 300, "refresh_token": "r"})
    person.sign_in()
    token = person.form_token()

    def full(self: SqliteStore, *args: Any, **options: Any) -> bool:
        raise StoreUnavailable("by a test")

    monkeypatch.setattr(SqliteStore, "acquire_lease", full)
    for later in (250, 100):
        clock.advance(later)
        assert person.get("/").status_code == 200
        assert person.is_signed_in()
    assert person.post("/account/refresh", data={"csrf_token": token}).status_code == 503
