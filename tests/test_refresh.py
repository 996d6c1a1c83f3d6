"""Renewing the token of a session: when, with what, and what comes of it (sessions/refresh.py).

What a failure does: test_refresh_failures.py. Several at the same moment: tests/attacks/test_refresh_races.py.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from doorkey.oauth.http import Transport
from doorkey.oauth.token import Token
from doorkey.sessions import refresh as refresh_module
from doorkey.sessions.lifecycle import OpenSession
from doorkey.sessions.record import Record
from doorkey.sessions.refresh import BACK_OFF_SECONDS, is_due
from tests.conftest import MovedClock
from tests.support.refresh_desk import HOUR, UNA, Desk, open_desk, with_half_a_minute_left
from tests.support.rotating_provider import RotatingProvider, rotating_provider

NOW = 1_800_000_000.0


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


def record(life: float | None, **changes: Any) -> Record:
    ends = None if life is None else NOW + life
    token = Token("at", NOW, ends, ("read",), ("read",), True, refresh_token="rt")
    token = msgspec.structs.replace(token, **{n: changes.pop(n) for n in list(changes) if n == "refresh_token"})
    return Record(UNA, token, NOW, NOW, NOW, NOW + HOUR, NOW + 12 * HOUR, **changes)


# ---- when ----


@pytest.mark.parametrize(
    ("life", "left", "due"),
    [
        pytest.param(3600, 60, False, id="a minute is enough"),
        pytest.param(3600, 59.9, True, id="less than a minute"),
        pytest.param(3600, -5, True, id="ended"),
        pytest.param(120, 60, False, id="two minutes, first half"),
        pytest.param(120, 59.9, True, id="two minutes, second half"),
        pytest.param(20, 10, False, id="short, first half"),
        pytest.param(20, 9.9, True, id="short, second half"),
        pytest.param(0, -1, True, id="no life at all"),
        pytest.param(-30, -31, True, id="ended before it came"),
    ],
)
def test_a_token_is_due_in_its_last_minute_or_the_second_half_of_a_short_life(
    life: float, left: float, due: bool
) -> None:
    assert is_due(record(life), NOW + life - left) is due


def test_without_an_expiry_or_a_refresh_token_nothing_is_ever_due() -> None:
    assert not is_due(record(None), NOW + 11 * HOUR)
    assert not is_due(record(60, refresh_token=None), NOW + 3600)
    assert not is_due(record(60, refresh_token=None), NOW + 3600, wanted=True)
    assert is_due(record(None), NOW, wanted=True)


def test_a_back_off_holds_for_the_button_too_and_not_after_the_clock_was_put_back() -> None:
    backed_off = record(60, refresh_after=NOW + 100 + BACK_OFF_SECONDS)
    for wanted in (False, True):
        assert not is_due(backed_off, NOW + 100, wanted=wanted)
        assert not is_due(backed_off, NOW + 129.9, wanted=wanted)
        assert is_due(backed_off, NOW + 130, wanted=wanted)
        assert is_due(record(60, refresh_after=NOW + 5000), NOW + 59, wanted=wanted)


def test_a_token_with_more_than_a_minute_left_is_left_alone(
    desk: Desk, rotating: RotatingProvider, clock: MovedClock
) -> None:
    session = desk.sign_in()
    clock.advance(HOUR - 60)
    assert desk.fresh(session) is session
    assert rotating.refreshes == []


def test_with_less_than_a_minute_left_it_is_renewed_once(
    desk: Desk, due: OpenSession, rotating: RotatingProvider, clock: MovedClock
) -> None:
    token = desk.visit(due).record.token
    assert (token.access_token, token.refresh_token) == ("canary-access-f1-2", "canary-refresh-f1-2")
    assert (token.received_at, token.expires_at) == (clock.now, clock.now + HOUR)
    assert [desk.visit(due).record.token for _ in range(3)] == [token] * 3
    assert desk.now(due).record.token == token
    assert len(rotating.refreshes) == 1


@pytest.mark.parametrize("expires_in", [0, -1, -3600, "0"])
def test_a_newer_token_that_is_over_at_once_makes_no_loop(
    desk: Desk, due: OpenSession, rotating: RotatingProvider, clock: MovedClock, expires_in: Any
) -> None:
    rotating.members["expires_in"] = expires_in
    for _ in range(29):
        desk.visit(due)
        clock.advance(1)
    assert len(rotating.refreshes) == 1
    clock.advance(1)
    desk.visit(due)
    assert len(rotating.refreshes) == 2


@pytest.mark.parametrize("expires_in", [None, "soon", True, []])
def test_a_newer_token_without_an_expiry_is_not_renewed_any_more(
    desk: Desk, due: OpenSession, rotating: RotatingProvider, clock: MovedClock, expires_in: Any
) -> None:
    rotating.members["expires_in"] = expires_in
    for _ in range(20):
        assert desk.visit(due).record.token.access_token == "canary-access-f1-2"
        clock.advance(100)
    assert len(rotating.refreshes) == 1


# ---- with what, and what is kept ----


def test_the_scope_that_was_granted_is_sent_and_not_the_one_that_was_asked(
    desk: Desk, rotating: RotatingProvider, clock: MovedClock
) -> None:
    rotating.members["scope"] = "read"
    session = desk.sign_in()
    clock.advance(HOUR - 30)
    desk.visit(session)
    (form,) = rotating.refreshes
    assert form == {"grant_type": "refresh_token", "refresh_token": "canary-refresh-f1-1", "scope": "read"}
    assert rotating.seen[-1].headers["Authorization"].startswith("Basic ")


def test_what_the_answer_leaves_out_is_kept(desk: Desk, rotating: RotatingProvider, clock: MovedClock) -> None:
    rotating.members |= {"scope": "read", "id_token": "a.canary-id.c"}
    rotating.rotates = False
    session = desk.sign_in()
    clock.advance(HOUR - 30)
    rotating.members |= {"scope": None, "id_token": None}
    before, after = session.record.token, desk.visit(session).record.token
    assert after.access_token == "canary-access-f1-2"
    for name in ("refresh_token", "id_token", "scope_granted", "scope_asked", "scope_confirmed"):
        assert getattr(after, name) == getattr(before, name), name


def test_a_narrower_scope_is_believed_and_asked_for_next_time(
    desk: Desk, due: OpenSession, rotating: RotatingProvider, clock: MovedClock
) -> None:
    rotating.members["scope"] = "write"
    assert desk.visit(due).record.token.scope_granted == ("write",)
    clock.advance(HOUR - 30)
    desk.sessions.touch(desk.now(due))
    desk.visit(due)
    assert [form["scope"] for form in rotating.refreshes] == ["read write", "write"]


def test_an_id_token_that_nobody_asked_for_is_not_kept(
    desk: Desk, due: OpenSession, rotating: RotatingProvider
) -> None:
    rotating.members["id_token"] = "a.canary-id.c"
    token = desk.visit(due).record.token
    assert (token.access_token, token.id_token) == ("canary-access-f1-2", None)


# ---- more than was granted, and the ends of the session ----


def test_more_scope_than_was_granted_is_kept_in_sight_and_logged(
    desk: Desk, due: OpenSession, rotating: RotatingProvider, caplog: pytest.LogCaptureFixture
) -> None:
    rotating.members["scope"] = "read write admin"
    with caplog.at_level(logging.INFO):
        token = desk.visit(due).record.token
    assert (token.scope_asked, token.scope_granted) == (("read", "write"), ("read", "write", "admin"))
    (line,) = [line for line in caplog.records if line.message == "token_refreshed"]
    assert vars(line)["fields"]["more_scope"] == ["admin"]
    assert "canary" not in str(vars(line))


def test_renewals_move_neither_end_of_the_session(desk: Desk, rotating: RotatingProvider, clock: MovedClock) -> None:
    session = desk.sign_in()
    for _ in range(12):
        before = desk.now(session).record
        after = desk.visit(session).record
        assert (after.idle_ends, after.absolute_ends) == (before.idle_ends, NOW + 12 * HOUR)
        clock.advance(HOUR - 30)
        desk.sessions.touch(desk.now(session))
    assert len(rotating.refreshes) == 11
    desk.visit(session)
    clock.advance(NOW + 12 * HOUR - clock.now)
    assert desk.fresh(session) is None
    assert len(rotating.refreshes) == 12


# ---- the button ----


def test_who_wants_it_gets_a_newer_token_however_long_the_old_one_would_live(
    desk: Desk, rotating: RotatingProvider, clock: MovedClock
) -> None:
    session = desk.sign_in()
    assert desk.visit(session, wanted=True).record.token.access_token == "canary-access-f1-2"
    clock.advance(1)
    assert desk.visit(session, wanted=True).record.token.access_token == "canary-access-f1-3"
