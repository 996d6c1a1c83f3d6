"""Refresh races (security.md 2.13): several workers and requests want a newer token, or end the session, at once.

The provider rotates refresh tokens and ends the family of one that comes twice. Each desk is a worker; all of them
share one SQLite file. Stores that are away and workers that die: test_refresh_outages.py.
"""

import time

import pytest

from doorkey.sessions.refresh import BACK_OFF_SECONDS, WHEN_IT_ENDED
from tests.support.redis_servers import until
from tests.support.refresh_desk import (
    HOUR,
    all_at_once,
    open_desk,
    two_desks,
    with_an_ended_token,
    with_half_a_minute_left,
)
from tests.support.rotating_provider import rotating_provider
from tests.support.scripted_provider import Answer


@pytest.fixture
def rotating():
    with rotating_provider() as provider:
        yield provider


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sessions.sqlite3"


@pytest.fixture
def desks(file, rotating, clock, transport):
    """Two workers."""
    return two_desks(file, rotating.url, clock, transport)


@pytest.fixture
def desk(desks):
    return desks[0]


@pytest.fixture
def due(desk, clock):
    """A session whose token lives for half a minute more."""
    return with_half_a_minute_left(desk, clock)


@pytest.fixture
def ended(desk, clock):
    return with_an_ended_token(desk, clock)


def kept_token_works(desk, session, rotating):
    """The refresh token in the record is the one that the provider takes."""
    return [desk.now(session).record.token.refresh_token] == rotating.working() and not rotating.punished


# ---- one refresh, whoever asks (RFC 9700 section 4.14; Authlib has no lock) ----


def test_twenty_requests_at_two_workers_make_one_refresh_and_all_get_the_newer_token(desks, ended, rotating):
    found = all_at_once(20, lambda n: desks[n % 2].visit(ended))
    assert {each.record.token.access_token for each in found} == {"canary-access-f1-2"}
    assert len(rotating.refreshes) == 1
    assert kept_token_works(desks[0], ended, rotating)


def test_twenty_requests_while_the_old_token_lives_make_one_refresh_too(desks, due, rotating):
    all_at_once(20, lambda n: desks[n % 2].visit(due))
    until(lambda: kept_token_works(desks[1], due, rotating), "the newer token is kept")
    assert len(rotating.refreshes) == 1


def test_twenty_presses_of_the_button_at_two_workers_make_one_refresh(desks, desk, rotating):
    session = desk.sign_in()
    pressed = [desks[n % 2].asking(session, wanted=True) for n in range(20)]
    assert {each.access_token() for each in pressed} == {"canary-access-f1-2"}
    assert len(rotating.refreshes) == 1


def test_a_request_that_read_the_record_before_the_refresh_does_not_make_another(desks, ended, rotating):
    desks[0].visit(ended)
    assert desks[1].asking(ended).access_token() == "canary-access-f1-2"
    assert desks[0].asking(ended).access_token() == "canary-access-f1-2"
    assert len(rotating.refreshes) == 1


def test_others_go_on_with_the_old_token_while_it_lives(desks, due, rotating):
    with rotating.held():
        began = time.monotonic()
        found = all_at_once(8, lambda n: desks[n % 2].visit(due))
        assert time.monotonic() - began < WHEN_IT_ENDED / 2
        assert {each.record.token.access_token for each in found} == {"canary-access-f1-1"}
    assert len(rotating.refreshes) == 1


def test_others_wait_for_the_newer_token_when_the_old_one_has_ended(desks, ended, rotating):
    with rotating.held():
        asking = [desks[n % 2].asking(ended) for n in range(8)]
        rotating.wait_for_refreshes(1)
        assert not any(each.found for each in asking)
    assert {each.access_token() for each in asking} == {"canary-access-f1-2"}
    assert len(rotating.refreshes) == 1


def test_where_many_wait_already_the_next_goes_on_with_what_there_is(file, ended, rotating, clock, transport):
    """A provider that hangs must not take every thread that serves pages."""
    desk = open_desk(file, rotating.url, clock, transport=transport, most_waiting=2)
    with rotating.held():
        waiting = [desk.asking(ended) for _ in range(2)]
        rotating.wait_for_refreshes(1)
        began = time.monotonic()
        assert desk.fresh(ended) is ended
        assert time.monotonic() - began < WHEN_IT_ENDED / 2
    assert [each.access_token() for each in waiting] == ["canary-access-f1-2"] * 2


# ---- no other write undoes it (lua-resty-openidc 190 and 334) ----


def test_a_touch_during_a_refresh_loses_nothing_and_neither_does_the_refresh(desks, ended, rotating, clock):
    with rotating.held():
        asking = desks[0].asking(ended)
        rotating.wait_for_refreshes(1)
        clock.advance(600)
        desks[1].sessions.touch(desks[1].now(ended))
    assert asking.result().record.last_seen == clock.now
    record = desks[1].now(ended).record
    assert (record.last_seen, record.idle_ends) == (clock.now, clock.now + HOUR)
    assert kept_token_works(desks[1], ended, rotating)


def test_a_slow_request_does_not_write_the_old_token_back(desks, ended, rotating, clock):
    slow = desks[1].now(ended)
    desks[0].visit(ended)
    clock.advance(600)
    desks[1].sessions.touch(slow)
    assert kept_token_works(desks[1], ended, rotating)


# ---- failures (Authlib, oauth2-proxy 7.15.2, mod_auth_openidc 2026-01) ----


@pytest.mark.parametrize("status", [400, 401, 500])
def test_those_who_waited_do_not_try_again_after_a_failure(status, desks, ended, rotating, clock):
    rotating.instead = Answer(status, b'{"message": "no"}')
    with rotating.held():
        asking = [desks[n % 2].asking(ended) for n in range(10)]
        rotating.wait_for_refreshes(1)
    assert {each.access_token() for each in asking} == {"canary-access-f1-1"}
    clock.advance(BACK_OFF_SECONDS - 1)
    all_at_once(10, lambda n: desks[n % 2].visit(ended))
    assert len(rotating.refreshes) == 1
    rotating.instead = None
    clock.advance(1)
    all_at_once(10, lambda n: desks[n % 2].visit(ended))
    assert len(rotating.refreshes) == 2
    assert kept_token_works(desks[0], ended, rotating)


def test_a_back_off_counts_for_a_machine_whose_clock_is_behind(file, ended, desk, rotating, clock, transport):
    rotating.instead = Answer(500)
    desk.visit(ended)
    behind = open_desk(file, rotating.url, lambda: clock() - 2, transport=transport)
    for _ in range(5):
        behind.visit(ended)
    assert len(rotating.refreshes) == 1


def test_a_late_invalid_grant_does_not_take_a_newer_token_away(desks, ended, rotating, clock):
    """A worker lost its lease, such as by standing still; another one has renewed the token meanwhile."""
    rotating.instead = Answer(400, b'{"error": "invalid_grant"}')
    with rotating.held():
        late = desks[0].asking(ended)
        rotating.wait_for_refreshes(1)
        newer = desks[1].sessions.replace(
            desks[1].now(ended), lambda record: record.renewed(_another(record.token, clock.now))
        )
    late.result()
    assert desks[1].now(ended).record == newer.record


def _another(token, now):
    return type(token)("canary-access-x", now, now + HOUR, *((("read",),) * 2), True, refresh_token="canary-refresh-x")


# ---- sessions that end meanwhile ----

WAYS_TO_END = {
    "logout": lambda desk, session: desk.sessions.end(session.ids.session_secret),
    "all of a user": lambda desk, session: desk.store.delete_by_user(desk.store.read(session.ids.record_id).user_key),
    "by the provider": lambda desk, session: desk.store.delete_by_sid(desk.store.read(session.ids.record_id).sid_key),
}


@pytest.mark.parametrize("way", WAYS_TO_END)
@pytest.mark.parametrize("at", [0, 1], ids=["same worker", "other worker"])
def test_a_session_that_ends_during_a_refresh_stays_ended_and_the_newer_token_is_revoked(
    way, at, desks, ended, rotating
):
    with rotating.held():
        asking = desks[0].asking(ended)
        rotating.wait_for_refreshes(1)
        WAYS_TO_END[way](desks[at], ended)
    assert asking.result() is None
    assert desks[1].sessions.reopen(ended) is None
    rotating.wait_for_revocations(1)
    assert rotating.revoked == ["canary-refresh-f1-2"]
    assert rotating.working() == []


def test_a_session_that_ended_before_the_refresh_is_not_renewed(desks, ended, rotating):
    desks[1].sessions.end(ended.ids.session_secret)
    assert desks[0].fresh(ended) is None
    assert rotating.refreshes == []


def test_a_refresh_never_makes_a_session_live_longer(desk, ended, rotating, clock):
    """It was asked for in time, and answered after the absolute end."""
    with rotating.held():
        asking = desk.asking(ended)
        rotating.wait_for_refreshes(1)
        clock.advance(12 * HOUR)
    asking.result()
    assert desk.sessions.reopen(ended) is None
