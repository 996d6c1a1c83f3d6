"""Signing out as the browser and the provider see it: what ends, where it leads, the way back (web/logout.py).

The revocation by itself is in test_revocation.py, what pages allow in test_ways_out.py; forged forms are in
attacks/test_forged_forms.py, and the states that come back in attacks/test_logout_returns.py.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.factory import create_app
from doorkey.oauth.http import Transport
from doorkey.sessions.ids import SessionIds, decode_secret
from doorkey.settings import Settings, load
from tests.conftest import MovedClock
from tests.support.leaving import ORIGIN, Leaving, describe, held, leaving
from tests.support.person import Person

CLEAR = '"cache", "storage"'
TOLD = "was told to end its own"


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def here(environ: dict[str, str], clock: MovedClock, transport: Transport) -> Iterator[Leaving]:
    with leaving(environ, clock, transport=transport, LABEL="Example Works") as found:
        yield found


@pytest.fixture
def una(here: Leaving) -> Person:
    person = here.sign_in("user-1", "sid-1")
    here.forget_requests()
    return person


def copy_of(person: Person, app: Flask | None = None) -> Person:
    """Somebody who copied the cookies, which the original may lose."""
    thief = Person(app or person.client.application, person.origin)
    for name, value in person.cookies().items():
        thief.client.set_cookie(name, value, domain="127.0.0.1")
    return thief


def location(answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def query_of(url: str) -> dict[str, str]:
    found = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


# ---- what ends ----


def by_button(here: Leaving, una: Person) -> None:
    una.sign_out()


def by_my_sessions(here: Leaving, una: Person) -> None:
    revoke(una, una)


def from_another_browser(here: Leaving, una: Person) -> None:
    revoke(here.sign_in("user-1", "sid-2"), una)


def revoke(person: Person, whose: Person) -> None:
    secret = decode_secret(whose.cookies()["doorkey"])
    assert secret
    path = f"/account/sessions/{SessionIds.of(secret).public_id}/revoke"
    assert person.post(path, data={"csrf_token": person.form_token("/account/sessions")}).status_code == 303


def everywhere(here: Leaving, una: Person) -> None:
    other = here.sign_in("user-1", "sid-2")
    other.post("/account/sessions/revoke-all", data={"csrf_token": other.form_token("/account/sessions")})


def by_back_channel(here: Leaving, una: Person) -> None:
    assert here.deliver(here.token(sid="sid-1")).status_code == 200


def by_frame(here: Leaving, una: Person) -> None:
    query = {"iss": here.stub.issuer, "sid": "sid-1"}
    assert (
        here.app.test_client().get("/frontchannel-logout/stub", base_url=ORIGIN, query_string=query).status_code == 200
    )


ENDINGS = (by_button, by_my_sessions, from_another_browser, everywhere, by_back_channel, by_frame)


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_the_old_cookie_opens_nothing(
    here: Leaving, una: Person, end: Callable[[Leaving, Person], None], clock: MovedClock
) -> None:
    thief, process = copy_of(una), copy_of(una, here.new_process())
    assert thief.is_signed_in()
    assert process.is_signed_in()
    clock.advance(61)  # so that a request that comes later would note that it was there
    end(here, una)
    for other in (thief, process):
        assert other.session() == {"active": False}
        assert "user-1" not in other.get("/").text
        assert location(other.get("/account/sessions")) == "/"
        assert "You are not signed in" in other.get("/logout").text
        assert not other.is_signed_in()


def test_the_session_ends_first_then_the_token_and_only_then_the_browser_goes_there(here: Leaving, una: Person) -> None:
    """While the provider is slow to take the token back, the session is over already."""
    thief, token = copy_of(una), una.form_token()
    answers: list[TestResponse] = []
    with held(here.stub, "/revoke") as kept:
        leaving_now = threading.Thread(target=lambda: answers.append(una.post("/logout", data={"csrf_token": token})))
        leaving_now.start()
        assert kept.reached.wait(10)
        assert not thief.is_signed_in()
        assert answers == []
    leaving_now.join()
    assert location(answers[0]).startswith(f"{here.stub.url}/leave?")
    assert here.asked() == ["/revoke"], "the rest is the browser's"


def test_the_answer_takes_back_the_cookie_and_what_the_browser_kept(here: Leaving, una: Person) -> None:
    answer = una.sign_out()
    assert answer.headers["Clear-Site-Data"] == CLEAR
    assert answer.headers["Cache-Control"] == "no-store"
    cookies = {line.partition("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}
    assert cookies.keys() == {"doorkey", *(name for name in cookies if name.startswith("doorkey-logout-"))}
    assert "Max-Age=0" in cookies["doorkey"]
    assert una.get("/logged-out/forget.css").headers["Clear-Site-Data"] == CLEAR


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/logout", "/logout?csrf_token={token}", "/logged-out", "/logged-out?state=x"])
def test_looking_at_a_page_ends_nothing_and_tells_nobody(here: Leaving, una: Person, method: str, path: str) -> None:
    answer = una.client.open(path.format(token=una.form_token()), method=method, base_url=ORIGIN)
    assert answer.status_code == 200
    assert answer.headers.getlist("Set-Cookie") == []
    assert una.is_signed_in()
    assert here.asked() == []


def test_a_sign_out_while_the_store_is_locked_has_not_happened(here: Leaving, una: Person, settings: Settings) -> None:
    """Nobody is told of what was not done; the cookie stays, and the next click does it."""
    token = una.form_token()
    database = sqlite3.connect(settings.instance / "sessions.sqlite3", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    answer = una.post("/logout", data={"csrf_token": token})
    database.execute("ROLLBACK")
    database.close()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers.getlist("Set-Cookie") == []
    assert "Clear-Site-Data" not in answer.headers
    assert here.asked() == []
    assert una.is_signed_in()
    assert location(una.sign_out()).startswith(here.stub.url)


# ---- where it leads ----


def test_the_provider_is_told_exactly_this(here: Leaving, una: Person) -> None:
    id_token = str(
        here.app.extensions["doorkey"].sessions.open(decode_secret(una.cookies()["doorkey"])).record.token.id_token
    )
    url = location(una.sign_out())
    assert url.partition("?")[0] == f"{here.stub.url}/leave"
    sent = query_of(url)
    assert len(sent.pop("state")) == 22
    assert sent == {
        "id_token_hint": id_token,
        "client_id": "client-of-stub",
        "post_logout_redirect_uri": f"{ORIGIN}/logged-out",
    }


def test_each_sign_out_has_a_state_of_its_own(here: Leaving) -> None:
    states = {query_of(location(here.sign_in().sign_out()))["state"] for _ in range(3)}
    assert len(states) == 3


@pytest.mark.parametrize("where", ["query", "form"])
def test_the_address_for_afterwards_comes_from_settings_only(here: Leaving, una: Person, where: str) -> None:
    evil = {"post_logout_redirect_uri": "https://evil.example/", "next": "https://evil.example/", "state": "chosen"}
    form = {"csrf_token": una.form_token(), **(evil if where == "form" else {})}
    url = location(una.post("/logout", data=form, query_string=evil if where == "query" else {}))
    assert "evil" not in url
    assert query_of(url)["state"] != "chosen"


def leads_to(here: Leaving) -> str:
    return location(here.sign_in("user-1", "sid-1").sign_out())


def test_settings_may_name_another_address_for_afterwards(environ: dict[str, str], clock: MovedClock) -> None:
    with leaving(environ, clock, POST_LOGOUT_REDIRECT_URI="https://www.example.com/bye?a=b") as here:
        assert query_of(leads_to(here))["post_logout_redirect_uri"] == "https://www.example.com/bye?a=b"


def test_settings_may_name_another_endpoint(environ: dict[str, str], clock: MovedClock) -> None:
    with leaving(environ, clock, END_SESSION_ENDPOINT="https://sso.example.com/out?p=1") as here:
        assert leads_to(here).startswith("https://sso.example.com/out?p=1&id_token_hint=")


def test_settings_may_keep_the_browser_here(environ: dict[str, str], clock: MovedClock) -> None:
    with leaving(environ, clock, END_SESSION="never") as here:
        assert leads_to(here) == "/logged-out"
        assert "/revoke" in here.asked()


def test_a_provider_without_such_an_endpoint_keeps_the_browser_here(here: Leaving) -> None:
    describe(here.stub, end_session_endpoint=None)
    assert leads_to(here) == "/logged-out"


def test_without_an_id_token_there_is_nothing_to_say(person: Person) -> None:
    """Plain OAuth."""
    person.sign_in()
    assert location(person.sign_out()) == "/logged-out"


def test_a_provider_that_is_no_longer_configured_is_not_asked(here: Leaving, una: Person, transport: Transport) -> None:
    left = {name: value for name, value in here.environ.items() if not name.startswith("DOORKEY_PROVIDER_STUB")}
    app = create_app(
        load({**left, "DOORKEY_PROVIDERS": "other"}), clock=here.app.extensions["doorkey"].clock, transport=transport
    )
    later = copy_of(una, app)
    assert location(later.sign_out()) == "/logged-out"
    assert not una.is_signed_in()
    assert here.asked() == []


def test_a_provider_that_cannot_be_reached_keeps_nobody_signed_in(here: Leaving, una: Person) -> None:
    """In a process that never heard of its endpoints."""
    later = copy_of(una, here.new_process())
    token = later.form_token()
    here.stub.stop()
    began = time.monotonic()
    assert location(later.post("/logout", data={"csrf_token": token})) == "/logged-out"
    assert time.monotonic() - began < 5
    assert not una.is_signed_in()


@pytest.mark.parametrize("status", [400, 500])
def test_a_token_that_is_not_taken_back_changes_nothing_about_the_rest(here: Leaving, una: Person, status: int) -> None:
    here.stub.answer("/revoke", {"error": "no"}, status)
    assert location(una.sign_out()).startswith(f"{here.stub.url}/leave?")
    assert not una.is_signed_in()


def test_a_provider_that_hangs_is_not_waited_for_long(environ: dict[str, str], clock: MovedClock) -> None:
    with leaving(environ, clock, transport=Transport(connect=0.5, answer=0.5)) as here:
        una = here.sign_in("user-1", "sid-1")
        token = una.form_token()
        with held(here.stub, "/revoke"):
            began = time.monotonic()
            answer = una.post("/logout", data={"csrf_token": token})
            assert time.monotonic() - began < 5
        assert location(answer).startswith(f"{here.stub.url}/leave?")


def test_an_id_token_that_is_too_long_for_an_address_is_left_out(here: Leaving) -> None:
    url = location(here.sign_in(groups=["g" * 90] * 90).sign_out())
    assert query_of(url).keys() == {"client_id", "post_logout_redirect_uri", "state"}
    assert len(url) < 1000


@pytest.mark.parametrize("form", ["by_my_sessions", "everywhere"])
def test_leaving_by_my_sessions_leads_there_too(here: Leaving, una: Person, form: str) -> None:
    token, path = una.form_token("/account/sessions"), "/account/sessions/revoke-all"
    if form == "by_my_sessions":
        secret = decode_secret(una.cookies()["doorkey"])
        assert secret
        path = f"/account/sessions/{SessionIds.of(secret).public_id}/revoke"
    answer = una.post(path, data={"csrf_token": token})
    assert query_of(location(answer)).keys() == {"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}
    assert answer.headers["Clear-Site-Data"] == CLEAR
    assert here.asked() == ["/revoke"]


# ---- the way back ----


def test_who_comes_back_is_told_that_the_provider_knows(here: Leaving, una: Person) -> None:
    state = query_of(location(una.sign_out()))["state"]
    page = una.get(f"/logged-out?state={state}")
    assert page.status_code == 200
    assert f"Example Works {TOLD}" in page.text
    assert una.cookies() == {}
    assert state not in page.text


def test_who_just_opens_the_page_is_told_less(here: Leaving, una: Person) -> None:
    una.sign_out()
    page = una.get("/logged-out").text
    assert "You are signed out" in page
    assert TOLD not in page


def test_a_link_to_that_page_does_not_say_that_a_live_session_has_ended(una: Person) -> None:
    page = una.get("/logged-out").text
    assert "You are still signed in" in page
    assert 'href="/logout"' in page
    assert una.is_signed_in()
