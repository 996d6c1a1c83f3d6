"""Refreshes that fail: what may pass is tried again later, what is final ends the renewals (sessions/refresh.py)."""

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from doorkey.errors import ProviderError, TokenRefused, TokenResponseInvalid
from doorkey.oauth.http import Transport
from doorkey.sessions import refresh as refresh_module
from doorkey.sessions.lifecycle import OpenSession
from doorkey.sessions.refresh import BACK_OFF_SECONDS
from tests.conftest import MovedClock
from tests.support.refresh_desk import Desk, open_desk, with_half_a_minute_left
from tests.support.rotating_provider import RotatingProvider, rotating_provider
from tests.support.scripted_provider import Answer

TRANSIENT = {
    "500": Answer(500, b'{"message": "no"}'),
    "500 that says invalid_grant": Answer(500, b'{"error": "invalid_grant"}'),
    "502 with a page": Answer(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    "503": Answer(503, b"", {"Retry-After": "1"}),
    "401 without error": Answer(401, b'{"message": "no"}'),
    "a page": Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "half an answer": Answer(200, b'{"access_token": "canary-half'),
    "no token": Answer(200, b'{"token_type": "bearer"}'),
    "another kind of token": Answer(200, b'{"access_token": "canary-mac", "token_type": "mac"}'),
    "a list": Answer(200, b"[]"),
    "a redirect": Answer(302, b"", {"Location": "/elsewhere"}),
    "invalid_client": Answer(401, b'{"error": "invalid_client"}'),
    "invalid_request": Answer(400, b'{"error": "invalid_request"}'),
    "invalid_scope": Answer(400, b'{"error": "invalid_scope"}'),
    "unauthorized_client": Answer(400, b'{"error": "unauthorized_client"}'),
    "another case": Answer(400, b'{"error": "Invalid_Grant"}'),
    "closed": Answer(raw=lambda handler: None),
}
FATAL = {
    "invalid_grant": Answer(400, b'{"error": "invalid_grant"}'),
    "invalid_grant with 401": Answer(401, b'{"error": "invalid_grant"}'),
    "invalid_grant with 200": Answer(
        200, b'{"error": "invalid_grant", "access_token": "canary-no", "token_type": "b"}'
    ),
}


@pytest.fixture
def rotating() -> Iterator[RotatingProvider]:
    with rotating_provider() as provider:
        yield provider


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need more than a second for a refresh, and then every page would go on without it."""
    monkeypatch.setattr(refresh_module, "WHILE_IT_LIVES", 20.0)


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def desk(file: Path, rotating: RotatingProvider, clock: MovedClock, transport: Transport) -> Desk:
    return open_desk(file, rotating.url, clock, transport=transport)


@pytest.fixture
def due(desk: Desk, clock: MovedClock) -> OpenSession:
    """A session whose token has half a minute left."""
    return with_half_a_minute_left(desk, clock)


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_failure_that_may_pass_costs_nothing_and_is_tried_again_after_half_a_minute(
    name: str, desk: Desk, due: OpenSession, rotating: RotatingProvider, clock: MovedClock, file: Path
) -> None:
    """By this worker and by any other: the back-off is in the record."""
    other = open_desk(file, rotating.url, clock, transport=desk.transport)
    rotating.instead = TRANSIENT[name]
    for second in range(30):
        found = (desk, other)[second % 2].visit(due)
        assert found.record.token == due.record.token
        clock.advance(1)
    assert len(rotating.refreshes) == 1
    assert found.record.refresh_error
    rotating.instead = None
    renewed = other.visit(due).record
    assert renewed.token.access_token == "canary-access-f1-2"
    assert (renewed.refresh_error, renewed.refresh_after) == ("", 0.0)
    assert len(rotating.refreshes) == 2


@pytest.mark.parametrize("name", FATAL)
def test_invalid_grant_ends_the_renewals_and_neither_the_session_nor_the_token(
    name: str, desk: Desk, due: OpenSession, rotating: RotatingProvider, clock: MovedClock
) -> None:
    rotating.instead = FATAL[name]
    refused = desk.visit(due).record
    assert refused.refresh_error == "token_refused"
    assert refused.token == msgspec.structs.replace(due.record.token, refresh_token=None)
    rotating.instead = None
    for wanted in (False, True, False, True):
        clock.advance(BACK_OFF_SECONDS)
        assert desk.visit(due, wanted=wanted).record == refused
    assert len(rotating.refreshes) == 1


def test_a_provider_that_does_not_answer_is_a_failure_that_may_pass(
    file: Path, due: OpenSession, rotating: RotatingProvider, clock: MovedClock
) -> None:
    hasty = open_desk(file, rotating.url, clock, transport=Transport(answer=0.25))
    with rotating.held(before=True):
        for _ in range(3):
            found = hasty.visit(due).record
            assert found.token == due.record.token
            assert (found.refresh_error, found.refresh_after) == ("provider_unreachable", clock.now + BACK_OFF_SECONDS)
    assert len(rotating.refreshes) == 1


def test_a_failure_is_logged_without_a_token(
    desk: Desk, due: OpenSession, rotating: RotatingProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Even when the provider repeats what it was sent."""
    told = b'{"error": "invalid_grant", "error_description": "canary-refresh-f1-1 of canary-client-secret is used"}'
    rotating.instead = Answer(400, told)
    with caplog.at_level(logging.INFO):
        desk.visit(due)
    (line,) = [line for line in caplog.records if line.message == "refresh_failed"]
    assert vars(line)["fields"]["code"] == "token_refused"
    assert "canary" not in str(vars(line))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (FATAL["invalid_grant"], TokenRefused),
        (TRANSIENT["invalid_client"], TokenRefused),
        (TRANSIENT["500"], TokenResponseInvalid),
        (TRANSIENT["closed"], ProviderError),
    ],
)
def test_who_wants_it_is_told_why_not_and_then_waits_like_everybody(
    desk: Desk, rotating: RotatingProvider, answer: Answer, error: type[Exception]
) -> None:
    session = desk.sign_in()
    rotating.instead = answer
    with pytest.raises(error):
        desk.visit(session, wanted=True)
    assert desk.visit(session, wanted=True).record.refresh_error
    assert len(rotating.refreshes) == 1
