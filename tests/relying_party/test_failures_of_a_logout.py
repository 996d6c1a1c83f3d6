"""Sign-outs, from here and from the provider, and a sign-in that begins there (web/logout.py, web/provider_logout.py).

What Doorkey makes of each failure of `WAYS_BACK`, `LOGOUT_TOKENS`, `FRAMES` and `ELSEWHERE` in answers.py, and of a
connection that fails between the browser and the provider's logout page.
"""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import TestResponse

from tests.conftest import MovedClock
from tests.relying_party.answers import ELSEWHERE, FRAMES, KNOWN, LOGOUT_TOKENS, WAYS_BACK
from tests.relying_party.conftest import MakeFrontDoor
from tests.relying_party.front_door import CLIENT_ID, FRAMED, JSON, ORIGIN, PROVIDER, Browser, FrontDoor, leaked
from tests.support.person import Person

TOLD = "was told to end its own"


def signed_in(door: FrontDoor, user: str = "alice") -> Browser:
    browser = Browser(door)
    assert browser.sign_in(user).status == 303
    door.asked()
    return browser


def hint(browser: Browser) -> str:
    session = browser.session()
    assert session
    assert session.record.token.id_token
    return session.record.token.id_token


# ---- sign-outs that begin here ----


@pytest.mark.parametrize(("name", "told"), WAYS_BACK.items())
def test_the_way_back_changes_the_words_of_a_calm_page_only(name: str, told: bool, front_door: MakeFrontDoor):
    door = front_door()
    browser, bob = signed_in(door), signed_in(door, "bob")
    door.fail(name)

    seen = browser.leave()

    asked, failures = door.asked_with_failures()
    assert (asked, failures) == (("revoke", "logout"), {name})
    assert (seen.at, seen.status) == ("logged-out", 200)
    assert "You are signed out" in seen.text
    assert (TOLD in seen.text) is told
    assert (browser.user(), bob.user()) == ("", "bob")
    assert browser.sign_in().status == 303
    assert door.asked() == KNOWN


def test_the_provider_is_told_what_the_specification_says_and_nothing_else(front_door: MakeFrontDoor):
    door = front_door()
    browser = signed_in(door)
    id_token = hint(browser)

    browser.leave()

    (request,) = door.realm.log.of("logout")
    assert set(request.query) == {"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}
    assert request.query.reveal("id_token_hint") == id_token
    assert request.query["client_id"] == CLIENT_ID
    assert request.query["post_logout_redirect_uri"] == f"{ORIGIN}/logged-out"
    assert len(request.query["state"]) >= 22
    assert [answer.status_code for answer in door.delivered] == [200], "its own message, with nothing left to end"


AT_LOGOUT = {
    "status": (500, False),
    "garbage": (200, False),
    "huge": (200, False),
    "closed": (0, False),
    "delay": (200, True),
    "drip": (200, True),
    "truncated": (200, True),
}
"""What the browser gets in the end, and whether that is from Doorkey: a redirect is in the head, which came whole."""


@pytest.mark.parametrize("failure", AT_LOGOUT)
def test_a_provider_that_fails_when_somebody_leaves_does_not_keep_the_session_here(
    failure: str, front_door: MakeFrontDoor
):
    status, comes_back = AT_LOGOUT[failure]
    door = front_door()
    browser = signed_in(door)
    cookie = browser.person.cookies()["doorkey"]
    door.fail(failure, endpoint="logout")

    seen = browser.leave()

    assert (seen.status, seen.at) == (status, "logged-out" if comes_back else "provider")
    assert door.asked_with_failures() == (("revoke", "logout"), {failure})
    browser.person.client.set_cookie("doorkey", cookie, domain="127.0.0.1")
    assert browser.user() == ""
    assert browser.sign_in().status == 303


# ---- logout tokens ----


@pytest.mark.parametrize(("name", "why"), LOGOUT_TOKENS.items(), ids=LOGOUT_TOKENS)
def test_a_logout_token_ends_what_it_names_or_nothing(
    name: str, why: str, front_door: MakeFrontDoor, log_text: Callable[[], str]
):
    """And the provider is asked for nothing meanwhile: it may be waiting for the answer."""
    door = front_door()
    alice, bob = signed_in(door), signed_in(door, "bob")
    door.fail(name)

    (status,) = door.end_at_provider(sub="alice")

    (answer,) = door.delivered
    assert status == (400 if why else 200)
    assert (alice.user(), bob.user()) == ("alice" if why else "", "bob")
    assert door.asked() == ()
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.getlist("Set-Cookie") == []
    if why:
        said = answer.get_json()
        assert (said["error"], said["step"]) == ("logout_token_invalid", "logout token")
        assert re.search(why, said["message"]), said["message"]
    assert leaked(answer.text + log_text(), door.secrets()) == []


def test_the_same_logout_token_ends_something_once(front_door: MakeFrontDoor):
    """A new sign-in is not ended by what was sent before it; the next right token is."""
    door = front_door()
    signed_in(door)
    door.fail("backchannel-logout-replay", times=2)
    assert door.end_at_provider(sub="alice") == [200]
    browser = signed_in(door)
    assert door.end_at_provider(sub="alice") == [400]
    assert browser.user() == "alice"
    assert door.delivered[1].get_json()["message"].endswith("was used before.")

    browser = signed_in(door)
    assert door.end_at_provider(sub="alice") == [200]
    assert browser.user() == ""


def test_one_session_there_is_one_session_here(front_door: MakeFrontDoor):
    """Alice in two browsers: the logout token names the session of one."""
    door = front_door()
    first, second = signed_in(door), signed_in(door)
    session = second.session()
    assert session

    assert door.end_at_provider(sid=session.record.provider_sid) == [200]

    assert (first.user(), second.user()) == ("alice", "")


# ---- frames ----


def frames(page: TestResponse | None) -> list[str]:
    assert page
    return [unescape(found) for found in re.findall(r'<iframe[^>]* src="([^"]+)"', page.text)]


@pytest.mark.parametrize(("name", "ends"), FRAMES.items())
def test_a_frame_of_the_provider_ends_the_session_that_it_names(
    name: str, ends: bool, front_door: MakeFrontDoor, clock: MovedClock
):
    """In a browser that leaves at the provider; the frame is loaded without our cookies."""
    door = front_door(more={**FRAMED, "backchannel_logout_uri": ""})
    browser, other = signed_in(door), signed_in(door)
    door.fail(name)

    page = browser.at_provider(f"{PROVIDER}/oauth/logout?id_token_hint={hint(browser)}")

    (frame,) = frames(page)
    assert set(parse_qs(urlsplit(frame).query)) == {"iss", "sid"}
    answer = Person(door.app, ORIGIN).get(frame.removeprefix(ORIGIN))
    assert door.asked_with_failures() == (("logout",), {name})
    assert answer.status_code == (200 if ends else 400)
    assert (browser.user(), other.user()) == ("" if ends else "alice", "alice")


# ---- sign-ins that begin at the provider ----


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_sign_in_that_begins_at_the_provider(name: str, front_door: MakeFrontDoor):
    """It sends the browser to /login with its issuer; that is the beginning of a sign-in as any other."""
    door = front_door()
    browser = Browser(door)
    door.fail(name)
    begun = browser.person.get("/login", headers={"Accept": JSON})

    sent = browser.at_provider(begun.headers["Location"] + "&prompt=none&login_hint=alice")

    assert sent
    address = sent.headers["Location"]
    assert parse_qs(urlsplit(address).query) == {"iss": [PROVIDER]}
    assert address.startswith(f"{ORIGIN}/login?")
    again = browser.person.get(f"{address.removeprefix(ORIGIN)}&login_hint=alice&prompt=none")
    back = browser.at_provider(again.headers["Location"])
    assert back
    assert browser.person.get(back.headers["Location"].removeprefix(ORIGIN)).status_code == 303
    assert browser.user() == "alice"
    assert door.asked_with_failures() == (ELSEWHERE[name], {name})
    assert len(browser.pending()) == 1, "of the sign-in that never came back"
