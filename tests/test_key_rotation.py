"""Another server key in front of the old one (DOORKEY_SECRET_KEY=NEW,OLD): nobody is signed out, everybody is found.

Three apps share one store: before the change, with both keys, and after the old one was dropped.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from flask import Flask

from doorkey.cli import main
from doorkey.oauth.http import Transport
from doorkey.settings import load
from tests.conftest import KEY as OLD
from tests.conftest import MovedClock
from tests.support.leaving import Leaving, leaving
from tests.support.person import Person
from tests.support.refresh_pages import other_sessions, press
from tests.support.scripted_provider import ScriptedProvider
from tests.support.servers import ROOT

NEW = "another-key-for-tests-9876543210-zyxwvut"
MakeApp = Callable[..., Flask]


@pytest.fixture
def before(make_app: MakeApp) -> Flask:
    return make_app(DOORKEY_SECRET_KEY=OLD)


@pytest.fixture
def both(make_app: MakeApp) -> Flask:
    return make_app(DOORKEY_SECRET_KEY=f"{NEW},{OLD}")


@pytest.fixture
def after(make_app: MakeApp) -> Flask:
    return make_app(DOORKEY_SECRET_KEY=NEW)


@pytest.fixture
def una(before: Flask) -> Person:
    """Signed in before the change."""
    return signed_in(before)


def signed_in(app: Flask) -> Person:
    person = Person(app)
    assert person.sign_in().status_code == 303
    return person


def at(app: Flask, person: Person) -> Person:
    """The same browser, when `app` serves."""
    moved = Person(app, person.origin)
    for name, value in person.cookies().items():
        moved.client.set_cookie(name, value, domain="127.0.0.1")
    return moved


def devices(person: Person) -> int:
    """How many sessions the list of mine has."""
    return len(set(re.findall(r"/account/sessions/([0-9a-f]{16})/revoke", person.get("/account/sessions").text)))


# ---- with both keys ----


def test_sessions_of_the_old_key_go_on(una: Person, both: Flask) -> None:
    moved = at(both, una)
    assert moved.session()["user"] == "user-1"
    assert "Una User" in moved.get("/").text
    assert moved.cookies() == una.cookies()


def test_a_form_that_was_open_during_the_change_is_accepted(una: Person, both: Flask) -> None:
    form = {"csrf_token": una.form_token()}
    moved = at(both, una)
    assert moved.post("/logout", data=form).status_code == 303
    assert not una.is_signed_in()


def test_what_is_written_from_now_on_is_sealed_under_the_new_key(
    una: Person, both: Flask, after: Flask, clock: MovedClock
) -> None:
    """A session in use needs the old key no longer than until its next touch or renewal."""
    assert at(after, signed_in(both)).is_signed_in()
    assert not at(after, una).is_signed_in()
    clock.advance(61)
    at(both, una).get("/")
    assert at(after, una).is_signed_in()
    assert devices(at(after, una)) == 2


def test_a_token_of_an_old_session_is_renewed(una: Person, both: Flask, after: Flask) -> None:
    assert press(at(both, una)).status_code == 303
    assert at(after, una).is_signed_in()


def test_a_sign_in_that_began_before_the_change_ends_well_and_only_once(before: Flask, both: Flask) -> None:
    person = Person(before)
    query = urlencode({"code": "canary-code", "state": person.begin().state})
    moved, again = at(both, person), at(before, person)
    assert moved.come_back(query).status_code == 303
    assert moved.is_signed_in()
    assert again.come_back(query).status_code == 400


def test_my_sessions_are_all_listed_and_each_can_be_ended(una: Person, both: Flask) -> None:
    newer = signed_in(both)
    assert devices(newer) == devices(at(both, una)) == 2
    (path,) = other_sessions(newer)
    assert newer.post(path, data={"csrf_token": newer.form_token()}).status_code == 303
    assert (at(both, una).is_signed_in(), newer.is_signed_in()) == (False, True)


@pytest.mark.parametrize("by_whom", ["old", "new"])
def test_sign_out_everywhere_means_sessions_of_both_keys(by_whom: str, una: Person, both: Flask) -> None:
    others = [signed_in(both), at(both, una)]
    leaver = others[by_whom == "old"]
    form = {"csrf_token": leaver.form_token()}
    assert leaver.post("/account/sessions/revoke-all", data=form).status_code == 303
    assert [person.is_signed_in() for person in others] == [False, False]
    assert not una.is_signed_in()


@pytest.fixture
def here(environ: dict[str, str], clock: MovedClock) -> Iterator[Leaving]:
    with leaving(environ, clock, transport=Transport()) as found:
        yield found


@pytest.mark.parametrize("whom", [{"sid": "sid-1"}, {"sub": "user-1"}])
def test_a_logout_by_the_provider_finds_sessions_of_both_keys(whom: dict[str, Any], here: Leaving) -> None:
    old, stranger = here.sign_in("user-1", "sid-1"), here.sign_in("user-2", "sid-2")
    here.environ["DOORKEY_SECRET_KEY"] = f"{NEW},{OLD}"
    here.app = here.new_process()
    new = here.sign_in("user-1", "sid-1")
    assert here.deliver(here.token(**whom)).status_code == 200
    assert [at(here.app, person).is_signed_in() for person in (old, new, stranger)] == [False, False, True]


def test_who_comes_back_from_the_provider_after_the_change_is_told_the_same(here: Leaving) -> None:
    una = here.sign_in("user-1", "sid-1")
    location = una.sign_out().headers["Location"]
    state = re.findall(r"[?&]state=([^&]+)", location)[0]
    expected = at(here.app, una).get(f"/logged-out?state={state}").text
    here.environ["DOORKEY_SECRET_KEY"] = f"{NEW},{OLD}"
    assert at(here.new_process(), una).get(f"/logged-out?state={state}").text == expected
    assert at(here.app, una).get("/logged-out?state=another").text != expected


# ---- after the old key was dropped ----


def test_sessions_of_a_dropped_key_are_signed_out_calmly(
    una: Person, after: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    moved = at(after, una)
    for path in ("/", "/logout", "/logged-out", "/session"):
        assert moved.get(path).status_code == 200
    assert moved.session() == {"active": False}
    assert moved.get("/account/sessions").headers["Location"] == "/"
    assert moved.post("/account/refresh").status_code == 303
    assert "unexpected_error" not in caplog.messages
    assert moved.sign_in().status_code == 303
    assert moved.is_signed_in()
    assert devices(moved) == 1


def test_a_sign_in_that_began_under_a_dropped_key_has_to_begin_again(before: Flask, after: Flask) -> None:
    person = Person(before)
    moved = at(after, person)
    answer = moved.come_back(urlencode({"code": "canary-code", "state": person.begin().state}))
    assert answer.status_code == 400
    assert "state_mismatch" in answer.text
    assert moved.sign_in().status_code == 303


def test_the_order_of_keys_says_which_one_seals(make_app: MakeApp, before: Flask, una: Person) -> None:
    """For several machines: first OLD,NEW everywhere, then NEW,OLD, so that each can read what any has written."""
    prepared = make_app(DOORKEY_SECRET_KEY=f"{OLD},{NEW}")
    changed = make_app(DOORKEY_SECRET_KEY=f"{NEW},{OLD}")
    assert at(before, signed_in(prepared)).is_signed_in()
    assert at(prepared, signed_in(changed)).is_signed_in()
    assert at(changed, una).is_signed_in()


# ---- doorkey keys new ----


def test_a_new_key_is_one_line_that_the_settings_take(environ: dict[str, str], stub: ScriptedProvider) -> None:
    made = [CliRunner().invoke(main, ["keys", "new"]) for _ in range(2)]
    keys = [result.stdout.removesuffix("\n") for result in made]
    assert [result.exit_code for result in made] == [0, 0]
    assert len(set(keys)) == 2
    for given in (keys[0], f"{keys[0]},{OLD}"):
        settings = load({**environ, "DOORKEY_SECRET_KEY": given})
        assert ",".join(key.reveal() for key in settings.secret_key) == given


def test_a_new_key_can_be_put_into_a_file_as_it_comes() -> None:
    """Words for people go to stderr; nothing is read but the program itself."""
    made = subprocess.run(
        [sys.executable, "-m", "doorkey", "keys", "new"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", made.stdout)
    assert "DOORKEY_SECRET_KEY=" in made.stderr
    assert made.stdout.strip() not in made.stderr
