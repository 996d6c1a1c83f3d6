"""A day of a thousand sign-ins an hour leaves what is alive, in a real SQLite file and (with fewer) in a real Redis.

The clock is moved, that of Redis too. Some people come from a provider that names its sessions, some sign out, some are
there all day, and now and then a process dies with a lease, or between an index and its record.
"""

import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from doorkey.oauth.user_info import Identity
from doorkey.sessions.ids import SessionIds
from doorkey.sessions.lifecycle import SWEEP_SECONDS, Sessions
from doorkey.sessions.redis_store import LINGER_SECONDS, RedisStore
from doorkey.sessions.seal import Keyring
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import SessionStore
from doorkey.setting_stores import session_store
from tests.conftest import MovedClock
from tests.support.redis_servers import RedisServer, redis_server, until
from tests.test_token import read

HOUR = 3600
IDLE = HOUR + 60
SIGN_INS = 1000
FEWER = 160
"""An hour in Redis, whose faked clock takes its time: nothing is swept there, every key ends on its own."""

STEPS = 20
"""Moves of the clock in an hour."""

PEOPLE = 700
STAYING = 20
KINDS = ("session", "user", "sid", "mark", "lease")
NAMED, LEAVES, DIES = 10, 50, 500
"""One in so many has a provider's session; signs out at once; has a process that dies with a lease."""

LOGIN_SECONDS = 720
MOST_BYTES = 16 * 1024 * 1024
TOKEN = read({"access_token": "at", "refresh_token": "rt"})


class Day:
    """Sign-ins at `store`; `staying` are the secrets of those who come back now and then."""

    def __init__(self, store: SessionStore, clock: MovedClock, move: Callable[[float], None], *, per_hour: int):
        lives = {"idle": IDLE, "absolute": 48 * HOUR}
        self.sessions = Sessions(store, Keyring([b"k" * 32]), **lives, clock=clock, random=os.urandom)
        self._store, self._clock, self._move, self._per_hour = store, clock, move, per_hour
        self._numbers = itertools.count()
        self.staying = [self.sign_in() for _ in range(STAYING)]

    def sign_in(self) -> bytes:
        number = next(self._numbers)
        assert self.sessions.spend(f"login {number}", seconds=LOGIN_SECONDS)
        identity = Identity(provider="acme", sub=f"u-{number % PEOPLE}")
        secret = self.sessions.start(
            identity, TOKEN, provider_sid="" if number % NAMED else f"s-{number}"
        ).ids.session_secret
        if number >= STAYING and number % LEAVES == 0:
            assert self.sessions.end(secret)
        if number % DIES == 0:
            now = self._clock()
            assert self._store.acquire_lease(b"lease %d" % number, b"died", now=now, ends=now + 9)
        return secret

    def hour(self) -> None:
        for _ in range(STEPS):
            for _ in range(self._per_hour // STEPS):
                self.sign_in()
            self._pass(HOUR / STEPS)
        self.come_back()

    def quiet(self, hours: int) -> None:
        """Nobody comes but those who are there, and one in ten minutes who is needed for the sweep."""
        for _ in range(hours * 6):
            self._pass(SWEEP_SECONDS + 1)
            self.come_back()
            self.sign_in()

    def come_back(self) -> None:
        for secret in self.staying:
            opened = self.sessions.open(secret)
            assert opened, "somebody who came back in time was signed out"
            self.sessions.touch(opened)

    def live(self) -> set[bytes]:
        """The ids of all who stay; those who came for the sweep come on top."""
        return {SessionIds.of(secret).record_id for secret in self.staying}

    def _pass(self, seconds: float) -> None:
        self._clock.advance(seconds)
        self._move(seconds)


def test_a_day_leaves_only_what_is_alive_in_a_file_that_does_not_grow(tmp_path: Path, clock: MovedClock) -> None:
    path = tmp_path / "sessions.sqlite3"
    day = Day(SqliteStore(path), clock, lambda seconds: None, per_hour=SIGN_INS)
    sizes = []
    for _ in range(24):
        day.hour()
        sizes.append(size(path))
    assert max(sizes) < MOST_BYTES
    assert max(sizes[12:]) <= 1.2 * max(sizes[2:12]), "the file grows all day"
    ended = count(path, "sessions", "ends <= ?", clock.now)
    assert ended <= 2 * (SWEEP_SECONDS / HOUR + 1 / STEPS) * SIGN_INS, (
        "what ended in the last two intervals may be there"
    )
    day.quiet(3)
    before_last_sweep = clock.now - SWEEP_SECONDS - 1
    for table in ("sessions", "marks", "leases"):
        assert count(path, table, "ends <= ?", before_last_sweep) == 0, table
    found = {row[0] for row in rows(path, "SELECT record_id FROM sessions")}
    assert day.live() <= found
    assert len(found) <= STAYING + IDLE / SWEEP_SECONDS + 2, "and those who came for the sweep"
    assert count(path, "leases", "1") == 0


def size(path: Path) -> int:
    return sum(found.stat().st_size for found in path.parent.glob(f"{path.name}*"))


def rows(path: Path, query: str, *values: float) -> list[tuple]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query, values).fetchall()


def count(path: Path, table: str, condition: str, *values: float) -> int:
    found: int = rows(path, f"SELECT count(*) FROM {table} WHERE {condition}", *values)[0][0]
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path, fake_time=True) as running:
        yield running


def test_a_day_leaves_only_what_is_alive_in_redis(server: RedisServer) -> None:
    """A record stays there ten minutes after its end."""
    clock = MovedClock(time.time())
    day = Day(RedisStore(session_store(server.url), clock), clock, server.move_clock, per_hour=FEWER)
    for _ in range(24):
        day.hour()
    with server.client() as client:
        assert client.dbsize() < 5 * FEWER
        day.quiet(3)
        until(lambda: client.dbsize() == sum(len(keys(client, kind)) for kind in KINDS), "what has ended is gone")
        sessions = keys(client, "session")
        assert {f"doorkey:session:{id.hex()}" for id in day.live()} <= sessions
        assert len(sessions) <= STAYING + (IDLE + LINGER_SECONDS) / SWEEP_SECONDS + 2
        assert len(keys(client, "user")) + len(keys(client, "sid")) <= 2 * len(sessions)
        assert len(keys(client, "mark")) <= (LOGIN_SECONDS + LINGER_SECONDS) / SWEEP_SECONDS + 2
        assert keys(client, "lease") == set()


def keys(client: redis.Redis, kind: str) -> set[str]:
    """As the server shows them: what has ended and is still in memory does not count."""
    return set(client.scan_iter(f"doorkey:{kind}:*", count=1000))


def test_entries_of_an_index_without_a_record_are_taken_out(server: RedisServer) -> None:
    """A process died between the two, or a record was evicted; the next sign-in of that person tidies up."""
    clock = MovedClock(time.time())
    sessions = Day(RedisStore(session_store(server.url), clock), clock, server.move_clock, per_hour=FEWER).sessions
    una = Identity(provider="acme", sub="una")
    first = sessions.start(una, TOKEN).ids.record_id
    with server.client(decode_responses=False) as client:
        index = index_with(client, first)
        orphans = {bytes([number]) * 32: clock.now - 1 - number for number in range(15)}
        client.zadd(index, orphans)
        alive = sessions.start(una, TOKEN).ids.record_id
        found = set(client.zrange(index, 0, -1))
        assert alive in found
        assert not found & set(orphans)
        assert len(found) == 2


def index_with(client: redis.Redis, record_id: bytes) -> bytes:
    """The index of the user whose session this is."""
    indexes: list[bytes] = list(client.scan_iter("doorkey:user:*"))
    return next(index for index in indexes if client.zscore(index, record_id) is not None)
