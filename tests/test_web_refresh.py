"""Renewing the token as people meet it: by itself on the pages that show it, and by a button (web/account.py)."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.factory import create_app
from doorkey.oauth.http import Transport
from doorkey.sessions import refresh as refresh_module
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.support.person import Person
from tests.support.redis_servers import until
from tests.support.refresh_desk import HOUR, locked
from tests.support.refresh_pages import BUTTON, other_sessions, press, refresh_under_way, tab_of, words_of
from tests.support.rotating_provider import RotatingProvider, rotating_environ, rotating_provider
from tests.support.scripted_provider import Answer

SERVER_ERROR = Answer(500, b'{"message": "no"}')
INVALID_GRANT = Answer(400, b'{"error": "invalid_grant", "error_description": "canary-refresh-f1-1 is used"}')


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need more than a second for a refresh, and then every page would go on without it."""
    monkeypatch.setattr(refresh_module, "WHILE_IT_LIVES", 20.0)


@pytest.fixture
def rotating() -> Iterator[RotatingProvider]:
    with rotating_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def app(environ: dict[str, str], rotating: RotatingProvider, clock: MovedClock, transport: Transport) -> Flask:
    return create_app(load(rotating_environ(environ, rotating.url)), clock=clock, transport=transport)


@pytest.fixture
def una(app: Flask) -> Person:
    person = Person(app)
    assert person.sign_in().status_code == 303
    return person


@pytest.fixture
def due(una: Person, clock: MovedClock) -> Person:
    """Una, with half a minute left of her token."""
    clock.advance(HOUR - 60)
    assert una.get("/logout").status_code == 200
    clock.advance(30)
    return una


# ---- by itself ----


@pytest.mark.parametrize("path", ["/", "/session"])
def test_the_pages_that_show_the_token_renew_it_in_its_last_minute(
    path: str, due: Person, rotating: RotatingProvider, clock: MovedClock
) -> None:
    answer = due.get(path)
    assert answer.status_code == 200
    assert len(rotating.refreshes) == 1
    assert due.session()["expires_at"] == clock.now + HOUR
    assert "1 hour" in words_of(due.get("/"))
    assert len(rotating.refreshes) == 1


@pytest.mark.parametrize("path", ["/logout", "/account/sessions", "/logged-out", "/healthz", "/static/app.css"])
def test_other_pages_do_not(path: str, due: Person, rotating: RotatingProvider) -> None:
    due.get(path)
    assert rotating.refreshes == []


def test_strangers_and_people_whose_session_is_over_renew_nothing(
    due: Person, app: Flask, rotating: RotatingProvider, clock: MovedClock
) -> None:
    clock.advance(HOUR)
    for person in (due, Person(app)):
        assert not person.is_signed_in()
        assert (answer := person.post("/account/refresh")).status_code == 303
        assert answer.headers["Location"] == "/"
    assert rotating.refreshes == []


def test_a_session_of_a_provider_that_is_no_longer_configured_goes_on_with_what_it_has(
    due: Person, environ: dict[str, str], rotating: RotatingProvider, clock: MovedClock, transport: Transport
) -> None:
    today = create_app(load(rotating_environ(environ, rotating.url, "new")), clock=clock, transport=transport)
    person = Person(today)
    person.client.set_cookie("doorkey", due.cookies()["doorkey"], domain="127.0.0.1")
    assert person.session()["expires_at"] == clock.now + 30
    assert press(person).status_code == 303
    assert rotating.refreshes == []


def test_more_scope_than_was_granted_is_shown(due: Person, rotating: RotatingProvider) -> None:
    rotating.members["scope"] = "read write admin"
    assert due.session()["scope"] == "read write admin"
    assert due.session()["requested_scope"] == "read write"
    assert "1 more unasked" in words_of(due.get("/"))


def test_a_renewal_moves_no_end_of_the_session(due: Person, rotating: RotatingProvider) -> None:
    ends = re.findall(r"Session ends[^<]*</dt><dd>(.*?)</dd>", due.get("/").text, re.DOTALL)
    rotating.members["expires_in"] = 30 * 24 * HOUR
    press(due)
    assert len(rotating.refreshes) == 2
    assert re.findall(r"Session ends[^<]*</dt><dd>(.*?)</dd>", due.get("/").text, re.DOTALL) == ends != []


# ---- failures ----


def test_a_failure_that_may_pass_is_said_on_the_page_and_tried_again_later(
    due: Person, rotating: RotatingProvider, clock: MovedClock
) -> None:
    rotating.instead = SERVER_ERROR
    page = due.get("/")
    assert page.status_code == 200
    assert "(token_response_invalid)" in words_of(page)
    assert "in 30 seconds" in words_of(page).partition("(token_response_invalid)")[2]
    assert BUTTON in page.text
    assert due.session()["refresh_error"] == "token_response_invalid"
    rotating.instead = None
    clock.advance(30)
    page = due.get("/")
    assert "token_response_invalid" not in words_of(page)
    assert due.session()["refresh_error"] is None
    assert len(rotating.refreshes) == 2


def test_invalid_grant_ends_the_renewals_at_once_and_the_session_not_before_its_time(
    due: Person, rotating: RotatingProvider, clock: MovedClock
) -> None:
    """The rule for a session that outlives its token (security.md 2.6): it says that the token has expired."""
    rotating.instead = INVALID_GRANT
    page = due.get("/")
    assert "no more (token_refused). Sign in again" in words_of(page)
    assert BUTTON not in page.text
    assert [due.session()[name] for name in ("active", "expired", "refresh_error")] == [True, False, "token_refused"]
    rotating.instead = None
    for _ in range(3):
        clock.advance(600)
        assert [due.session()[name] for name in ("active", "expired")] == [True, True]
        assert press(due).status_code == 303
    assert "expired" in words_of(due.get("/"))
    assert len(rotating.refreshes) == 1


def test_signing_in_again_brings_renewals_back(due: Person, rotating: RotatingProvider) -> None:
    rotating.instead = INVALID_GRANT
    due.get("/")
    rotating.instead = None
    due.sign_in()
    assert press(due).status_code == 303
    assert due.session()["refresh_error"] is None
    assert rotating.working()[-1] == "canary-refresh-f2-2"


def test_while_the_store_is_away_the_page_says_so_and_nothing_is_lost(
    due: Person, rotating: RotatingProvider, environ: dict[str, str]
) -> None:
    cookies = due.cookies()
    with ExitStack() as away:
        with refresh_under_way(tab_of(due), rotating, "/") as waiting:
            away.enter_context(locked(load(environ).instance / "sessions.sqlite3"))
        assert waiting.answer().status_code == 503
        assert waiting.answer().headers["Retry-After"]
        assert waiting.answer().headers.getlist("Set-Cookie") == []
    until(lambda: due.get("/session").status_code == 200, "the store is back")
    assert due.session()["refresh_error"] is None
    assert due.cookies() == cookies
    assert len(rotating.refreshes) == 1
    assert (press(due).status_code, rotating.punished) == (303, 0)


# ---- the button ----


def test_the_button_renews_a_token_with_much_life_left(
    una: Person, rotating: RotatingProvider, clock: MovedClock
) -> None:
    clock.advance(600)
    assert BUTTON in una.get("/").text
    answer = press(una)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert len(rotating.refreshes) == 1
    assert una.session()["expires_at"] == clock.now + HOUR


@pytest.mark.parametrize(
    "options",
    [
        {"data": {"csrf_token": ""}},
        {"data": {"csrf_token": "wrong"}},
        {"headers": {"Origin": "https://evil.test"}},
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"headers": {"Sec-Fetch-Site": "same-site"}},
    ],
)
def test_a_forged_form_renews_nothing(options: dict[str, Any], una: Person, rotating: RotatingProvider) -> None:
    assert press(una, **options).status_code == 403
    assert una.get("/account/refresh").status_code == 405
    assert rotating.refreshes == []


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (INVALID_GRANT, 502, "The provider refused to renew the token."),
        (SERVER_ERROR, 502, "token_response_invalid"),
        (Answer(200, b"<html>"), 502, "token_response_invalid"),
    ],
)
def test_the_button_shows_what_the_provider_failed_with(
    answer: Answer, status: int, words: str, una: Person, rotating: RotatingProvider
) -> None:
    rotating.instead = answer
    page = press(una)
    assert page.status_code == status
    assert words in words_of(page)
    assert "canary" not in page.text
    assert una.is_signed_in()


def test_a_program_is_told_the_same_as_json(una: Person, rotating: RotatingProvider) -> None:
    rotating.instead = INVALID_GRANT
    answer = press(una, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()["error"]) == (502, "token_refused")
    assert answer.get_json()["provider_error"] == {"error": "invalid_grant", "error_description": "**** is used"}


def test_the_button_waits_like_everybody_after_a_failure(
    una: Person, rotating: RotatingProvider, clock: MovedClock
) -> None:
    rotating.instead = SERVER_ERROR
    assert press(una).status_code == 502
    for _ in range(3):
        assert press(una).status_code == 303
        clock.advance(9)
    assert "in 3 seconds" in words_of(una.get("/"))
    assert len(rotating.refreshes) == 1
    clock.advance(3)
    rotating.instead = None
    assert press(una).status_code == 303
    assert len(rotating.refreshes) == 2


def test_without_a_refresh_token_there_is_no_button(app: Flask, rotating: RotatingProvider) -> None:
    rotating.members["refresh_token"] = None
    person = Person(app)
    person.sign_in()
    assert BUTTON not in person.get("/").text
    assert press(person).status_code == 303
    assert rotating.refreshes == []


# ---- sessions that end meanwhile ----


def sign_out(person: Person, other: Person) -> TestResponse:
    return person.post("/logout", data={"csrf_token": person.form_token("/logout")})


def revoke(person: Person, other: Person) -> TestResponse:
    (path,) = other_sessions(other)
    return other.post(path, data={"csrf_token": other.form_token("/logout")})


def revoke_all(person: Person, other: Person) -> TestResponse:
    return other.post("/account/sessions/revoke-all", data={"csrf_token": other.form_token("/logout")})


@pytest.mark.parametrize("end", [sign_out, revoke, revoke_all])
def test_a_session_that_ends_during_a_refresh_stays_ended_and_the_newer_token_is_revoked(
    end: Callable[[Person, Person], TestResponse], due: Person, app: Flask, rotating: RotatingProvider
) -> None:
    other = Person(app)
    other.sign_in()
    with refresh_under_way(tab_of(due), rotating) as waiting:
        assert end(tab_of(due), other).status_code == 303
    assert waiting.answer().get_json() == {"active": False}
    assert waiting.answer().headers.getlist("Set-Cookie") == []
    assert not due.is_signed_in()
    until(lambda: "canary-refresh-f1-2" in rotating.revoked, "the newer token is revoked")
    assert "canary-refresh-f1-2" not in rotating.working()


# ---- what nobody may see ----


def test_no_token_is_in_a_page_an_error_or_the_log(
    due: Person, rotating: RotatingProvider, clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it works or not, and though the provider repeats what it was sent."""
    with caplog.at_level(logging.DEBUG):
        seen = [due.get("/"), press(due), due.get("/session")]
        (sent,) = rotating.working()
        for status, error in ((500, "server_error"), (400, "invalid_grant")):
            clock.advance(600)
            words = {"error": error, "error_description": f"{sent} of canary-client-secret", "message": sent}
            rotating.instead = Answer(status, json.dumps(words).encode())
            seen += [press(due, headers={"Accept": accept}) for accept in ("text/html", "application/json")]
            seen += [due.get("/"), due.get("/session")]
        sign_out(due, due)
    assert len(rotating.refreshes) == 4
    shown = "".join(answer.text + str(answer.headers) for answer in seen)
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert "token_refused" in shown
    assert "refresh_failed" in logged
    for secret in ("canary-access", "canary-refresh", "canary-client-secret"):
        assert secret not in shown
        assert secret not in logged
