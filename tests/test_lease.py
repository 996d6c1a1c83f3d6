"""A lease is held while its holder works, and no longer (sessions/lease.py)."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from doorkey.clock import system_random
from doorkey.errors import StoreUnavailable
from doorkey.sessions import lease as lease_module
from doorkey.sessions.lease import LEASE_SECONDS, Lease
from doorkey.sessions.sqlite_store import SqliteStore
from tests.conftest import MovedClock

PATIENCE = 20.0


class WatchedStore(SqliteStore):
    """Tells when a lease is asked for, and may be made to fail then."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.before_acquiring: Callable[[], None] = lambda: None
        self.before_releasing: Callable[[], None] = lambda: None

    def acquire_lease(self, name: bytes, owner: bytes, *, now: float, ends: float) -> bool:
        self.before_acquiring()
        return super().acquire_lease(name, owner, now=now, ends=ends)

    def release_lease(self, name: bytes, owner: bytes) -> None:
        self.before_releasing()
        super().release_lease(name, owner)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


@pytest.fixture
def store(path: Path) -> WatchedStore:
    return WatchedStore(path)


@pytest.fixture
def take(path: Path, clock: MovedClock) -> Callable[[], Lease | None]:
    """As another process would."""
    other = SqliteStore(path)
    return lambda: Lease.take(other, "work", owner=system_random(16), clock=clock)


def held(store: SqliteStore, clock: MovedClock) -> Lease:
    lease = Lease.take(store, "work", owner=b"one", clock=clock)
    assert lease
    return lease


def away() -> None:
    raise StoreUnavailable("away")


def test_one_has_it_and_then_the_next(store: WatchedStore, clock: MovedClock, take: Callable[[], Lease | None]) -> None:
    with held(store, clock):
        assert take() is None
        with Lease.take(store, "other work", owner=b"one", clock=clock) or pytest.fail("it is free"):
            assert take() is None
    with take() or pytest.fail("it was given back"):
        assert Lease.take(store, "work", owner=b"two", clock=clock) is None


def test_it_is_given_back_when_the_work_fails(
    store: WatchedStore, clock: MovedClock, take: Callable[[], Lease | None]
) -> None:
    with pytest.raises(ZeroDivisionError), held(store, clock):
        raise ZeroDivisionError
    assert take()


def test_it_is_renewed_while_its_holder_works(
    store: WatchedStore, clock: MovedClock, take: Callable[[], Lease | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through several of its lives, and though the store is away now and then."""
    monkeypatch.setattr(lease_module, "RENEWALS", 900)
    lease = held(store, clock)
    turns = iter(range(1000))
    renewed_often = threading.Event()

    def move_on() -> None:
        clock.advance(LEASE_SECONDS / 4)
        turn = next(turns)
        if turn % 3 == 1:
            away()
        if turn >= 20:
            renewed_often.set()

    store.before_acquiring = move_on
    with lease:
        assert renewed_often.wait(PATIENCE)
        store.before_acquiring = lambda: None
        assert take() is None


def test_who_was_killed_holds_it_for_seconds_only(
    store: WatchedStore, clock: MovedClock, take: Callable[[], Lease | None]
) -> None:
    held(store, clock)  # and nobody renews it
    clock.advance(LEASE_SECONDS - 0.1)
    assert take() is None
    clock.advance(0.1)
    assert take()


def test_who_lost_it_gives_nothing_back(
    store: WatchedStore, clock: MovedClock, take: Callable[[], Lease | None]
) -> None:
    late = held(store, clock)
    clock.advance(LEASE_SECONDS)
    assert take()
    late.release()
    assert take() is None


def test_giving_back_fails_nobody_and_it_ends_by_itself(
    store: WatchedStore, clock: MovedClock, take: Callable[[], Lease | None]
) -> None:
    store.before_releasing = away
    with held(store, clock):
        pass
    assert take() is None
    clock.advance(LEASE_SECONDS)
    assert take()


def test_a_process_takes_over_what_it_left_behind(
    store: WatchedStore, clock: MovedClock, take: Callable[[], Lease | None]
) -> None:
    """Its own lease, which it could not give back while the store was away, holds nobody up."""
    store.before_releasing = away
    with held(store, clock):
        pass
    with held(store, clock):
        assert take() is None


def test_no_thread_is_left_behind(store: WatchedStore, clock: MovedClock) -> None:
    before = threading.active_count()
    with held(store, clock):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_when_the_store_is_away_that_is_said(store: WatchedStore, clock: MovedClock) -> None:
    store.before_acquiring = away
    with pytest.raises(StoreUnavailable):
        held(store, clock)


def test_what_it_is_for_is_not_written_down(store: WatchedStore, clock: MovedClock, path: Path) -> None:
    with held(store, clock), closing(sqlite3.connect(path)) as db:
        ((name, owner),) = db.execute("SELECT name, owner FROM leases").fetchall()
    assert (len(name), owner) == (32, b"one")
    assert b"work" not in name
