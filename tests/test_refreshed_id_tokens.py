"""ID tokens that come with a newer token: of the same person, or the newer token is not taken (OpenID Connect 12.2)."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from doorkey.oauth.http import Transport
from doorkey.sessions import refresh as refresh_module
from tests.conftest import MovedClock
from tests.support.leaving import Leaving, eventually, held, key_of, leaving
from tests.support.person import Person
from tests.support.refresh_pages import asks, press, tab_of, words_of
from tests.support.signing_provider import signed

HOUR = 3600
NEWER = {"access_token": "canary-newer-access", "refresh_token": "canary-newer-refresh"}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_module, "WHILE_IT_LIVES", 20.0)


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def here(environ: dict[str, str], clock: MovedClock, transport: Transport) -> Iterator[Leaving]:
    with leaving(environ, clock, transport=transport) as found:
        yield found


@pytest.fixture
def una(here: Leaving, clock: MovedClock) -> Person:
    """Her token has half a minute left."""
    person = here.sign_in("user-1", "sid-1")
    clock.advance(HOUR - 60)
    person.get("/logout")
    clock.advance(30)
    here.forget_requests()
    return person


def newer_id_token(here: Leaving, clock: MovedClock, **changes: Any) -> str:
    now = int(clock())
    good = {"nonce": None, "iat": now, "exp": now + 300, "at_hash": None, "sid": "sid-1"}
    return signed(here.stub.claims(**{**good, **changes}), key_of("stub", "RS256"), kid="RS256")


def test_a_right_one_is_taken_and_is_the_hint_at_the_sign_out(here: Leaving, una: Person, clock: MovedClock) -> None:
    id_token = newer_id_token(here, clock)
    here.stub.hand_out(id_token, **NEWER)
    assert una.session()["expires_at"] == clock.now + HOUR
    assert una.session()["refresh_error"] is None
    assert f"id_token_hint={id_token}&" in una.sign_out().headers["Location"]


def test_without_one_the_first_is_kept(here: Leaving, una: Person, clock: MovedClock) -> None:
    here.stub.hand_out(None, **NEWER)
    assert una.session()["expires_at"] == clock.now + HOUR
    assert una.session()["user"] == "user-1"
    assert "id_token_hint=" in una.sign_out().headers["Location"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"sub": "user-2"}, id="sub"),
        pytest.param({"sub": None}, id="no sub"),
        pytest.param({"iss": "https://evil.test"}, id="iss"),
        pytest.param({"aud": "client-of-other"}, id="aud"),
        pytest.param({"aud": ["client-of-stub", "client-of-other"]}, id="one more aud"),
        pytest.param({"nonce": "another"}, id="nonce"),
    ],
)
def test_one_of_somebody_else_is_dropped_with_its_tokens_and_nobody_is_asked_again(
    changes: dict[str, Any], here: Leaving, una: Person, clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    here.stub.hand_out(newer_id_token(here, clock, **changes), **NEWER)
    with caplog.at_level(logging.INFO):
        session = una.session()
    assert (session["user"], session["active"]) == ("user-1", True)
    assert session["expires_at"] == clock.now + 30
    assert session["refresh_error"] == "id_token_invalid"
    assert "token_refreshed" not in caplog.messages
    for seconds in (1, 60, 600):
        clock.advance(seconds)
        assert una.session()["active"]
        assert press(una).status_code == 303
    assert "Sign in again" in words_of(una.get("/"))
    assert here.asked().count("/token") == 1
    assert "canary" not in "".join(str(vars(line)) for line in caplog.records)


def test_who_pressed_the_button_is_told_why(here: Leaving, una: Person, clock: MovedClock) -> None:
    here.stub.hand_out(newer_id_token(here, clock, sub="user-2"), **NEWER)
    answer = press(una)
    assert answer.status_code == 502
    assert "(sub)" in words_of(answer)
    assert "canary" not in answer.text
    assert una.session()["user"] == "user-1"


def test_a_logout_by_the_provider_during_a_refresh_is_final_and_the_newer_token_is_revoked(
    here: Leaving, una: Person, clock: MovedClock
) -> None:
    """The provider's own server says so while it is asked: it must be answered, and the session stays ended."""
    here.stub.hand_out(newer_id_token(here, clock), **NEWER)
    with held(here.stub, "/token") as token_answer:
        waiting = asks(tab_of(una))
        assert token_answer.reached.wait(10)
        assert here.deliver(here.token(sid="sid-1")).status_code == 200
    assert waiting.answer().get_json() == {"active": False}
    assert not una.is_signed_in()
    eventually(lambda: bool(here.stub.requests_to("/revoke")), "the newer token is revoked")
    assert [seen.form["token"] for seen in here.stub.requests_to("/revoke")] == ["canary-newer-refresh"]
