"""Refresh while stores are away and workers die or stand still: no newer token is lost, nobody asks the provider twice.

Each desk is a worker; both share one SQLite file. The provider ends the family of a refresh token that comes twice.
"""

import threading
import time
from contextlib import ExitStack

import pytest

from doorkey.errors import StoreUnavailable
from doorkey.sessions import lease as lease_module
from doorkey.sessions import refresh as refresh_module
from doorkey.sessions.lease import LEASE_SECONDS
from doorkey.sessions.refresh import BACK_OFF_SECONDS, KEEP_SECONDS
from doorkey.sessions.sqlite_store import SqliteStore
from tests.support.redis_servers import until
from tests.support.refresh_desk import HOUR, all_at_once, locked, open_desk, two_desks, with_an_ended_token
from tests.support.rotating_provider import rotating_provider


@pytest.fixture
def rotating():
    with rotating_provider() as provider:
        yield provider


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sessions.sqlite3"


@pytest.fixture
def desks(file, rotating, clock, transport):
    return two_desks(file, rotating.url, clock, transport)


@pytest.fixture
def desk(desks):
    return desks[0]


@pytest.fixture
def ended(desk, clock):
    return with_an_ended_token(desk, clock)


def newer_token_is_kept(desk, session, rotating):
    """The one refresh token that the provider takes, after one refresh."""
    assert len(rotating.refreshes) == 1
    return [desk.now(session).record.token.refresh_token] == rotating.working() == ["canary-refresh-f1-2"]


# ---- stores that go away, workers that stand still or make mistakes ----


def away_when_the_newer_token_comes(desk, session, file, rotating):
    """Everybody else may read meanwhile, and nobody can write before the returned stack is closed."""
    away = ExitStack()
    with rotating.held():
        asking = desk.asking(session)
        rotating.wait_for_refreshes(1)
        away.enter_context(locked(file))
    answered = time.monotonic()
    with pytest.raises(StoreUnavailable):
        asking.result()
    assert time.monotonic() - answered < KEEP_SECONDS / 10
    return away


def test_a_newer_token_is_kept_for_a_store_that_is_away(desk, desks, file, ended, rotating):
    with away_when_the_newer_token_comes(desk, ended, file, rotating):
        with pytest.raises(StoreUnavailable):
            desk.fresh(ended)
        assert desk.now(ended).record == ended.record
    until(lambda: desk.now(ended).record != ended.record, "the newer token is kept")
    found = all_at_once(8, lambda n: desks[1].visit(ended))
    assert {each.record.token.access_token for each in found} == {"canary-access-f1-2"}
    assert len(rotating.refreshes) == 1
    assert newer_token_is_kept(desk, ended, rotating)


def test_a_worker_does_not_ask_again_when_another_is_about_to_write_down_what_it_got(
    desks, file, ended, rotating, clock, monkeypatch
):
    """The store was away for longer than a lease lasts, so that the lease is free when it is back."""
    monkeypatch.setattr(refresh_module, "GRACE_SECONDS", 5)  # it need not be so long on a machine that is not busy
    with away_when_the_newer_token_comes(desks[0], ended, file, rotating):
        clock.advance(LEASE_SECONDS)
    found = all_at_once(8, lambda n: desks[1].visit(ended))
    assert {each.record.token.access_token for each in found} == {"canary-access-f1-2"}
    assert len(rotating.refreshes) == 1
    assert newer_token_is_kept(desks[1], ended, rotating)


def test_nobody_waits_for_a_store_for_ever(desk, file, ended, rotating, monkeypatch, caplog):
    monkeypatch.setattr(refresh_module, "KEEP_SECONDS", 0)
    with away_when_the_newer_token_comes(desk, ended, file, rotating):
        until(lambda: "refresh_failed" in caplog.messages, "the newer token is given up")
    assert desk.now(ended).record == ended.record


def test_the_lease_is_kept_while_a_slow_provider_works(file, rotating, transport, monkeypatch):
    """Otherwise the second worker would send the same refresh token."""
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", 1.2)
    monkeypatch.setattr(refresh_module, "GRACE_SECONDS", 0)
    rotating.members["expires_in"] = -1
    desks = [open_desk(file, rotating.url, time.time, transport=transport) for _ in range(2)]
    session = desks[0].sign_in()
    rotating.members["expires_in"] = HOUR
    with rotating.held():
        asking = [desks[0].asking(session)]
        rotating.wait_for_refreshes(1)
        asking.append(desks[1].asking(session))
        asking[1].thread.join(2.5)
        assert asking[1].thread.is_alive()
    assert {each.access_token() for each in asking} == {"canary-access-f1-2"}
    assert len(rotating.refreshes) == 1


def test_a_worker_that_stands_still_is_replaced_when_its_lease_has_ended(desks, ended, rotating, clock):
    """The provider had not got as far as its refresh token; the second worker does."""
    with rotating.held(before=True):
        still = desks[0].asking(ended)
        rotating.wait_for_refreshes(1)
        clock.advance(LEASE_SECONDS)
        other = desks[1].asking(ended)
        rotating.wait_for_refreshes(2)
    assert {form["refresh_token"] for form in rotating.refreshes} == {"canary-refresh-f1-1"}
    still.result()
    other.result()


class HalfAway(SqliteStore):
    """Fails to read once, when `fails` is set."""

    fails = False

    def read(self, record_id):
        fails, self.fails = self.fails, False
        if fails:
            raise StoreUnavailable("away")
        return super().read(record_id)


def test_a_lease_is_given_back_by_who_cannot_read_the_record(file, desks, ended, rotating, clock, transport):
    store = HalfAway(file)
    half = open_desk(file, rotating.url, clock, transport=transport, store=store)
    store.fails = True
    with pytest.raises(StoreUnavailable):
        half.fresh(ended)
    began = time.monotonic()
    assert desks[1].visit(ended).record.token.access_token == "canary-access-f1-2"
    assert time.monotonic() - began < LEASE_SECONDS / 2


def test_a_mistake_of_ours_costs_the_renewal_for_a_while_and_not_the_request(desk, ended, clock, monkeypatch, caplog):
    tried = []

    def mistaken(*args, **options):
        tried.append(args)
        raise KeyError("canary")

    with monkeypatch.context() as broken:
        broken.setattr(refresh_module, "renew", mistaken)
        for _ in range(3):
            assert desk.visit(ended).record.token == ended.record.token
    assert len(tried) == 1
    assert caplog.messages.count("unexpected_error") == 1
    clock.advance(BACK_OFF_SECONDS)
    assert desk.visit(ended).record.token.access_token == "canary-access-f1-2"


def test_without_a_thread_to_be_had_the_old_token_will_do(desk, ended, rotating, monkeypatch):
    def fails(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as busy:
        busy.setattr(threading.Thread, "start", fails)
        assert desk.fresh(ended) is ended
    assert desk.visit(ended).record.token.access_token == "canary-access-f1-2"


def test_with_many_refreshes_under_way_the_next_session_goes_on_with_the_old_token(desk, ended, rotating, monkeypatch):
    monkeypatch.setattr(refresh_module, "MOST_FLIGHTS", 1)
    rotating.members["expires_in"] = -1
    second = desk.sign_in()
    with rotating.held():
        first = desk.asking(ended)
        rotating.wait_for_refreshes(1)
        assert desk.fresh(second) is second
    assert first.result()
    assert len(rotating.refreshes) == 1
