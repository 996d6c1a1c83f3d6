"""Somebody who keeps records in memory, and the stores whose changes should reach them (sessions/redis_tracking.py)."""

import contextlib
import time
from collections.abc import Iterator

from doorkey.sessions.generations import slot_of
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.redis_tracking import RedisGenerations
from doorkey.sessions.store import StoredRecord
from doorkey.setting_stores import session_store
from tests.contract.store_samples import NOW, record
from tests.support.redis_servers import until

OTHERS = [record(f"{number}") for number in range(10, 60)]
"""With a counter of its own each, for their ids differ in the first two bytes."""


@contextlib.contextmanager
def told(url: str) -> Iterator[RedisGenerations]:
    """Trusted already; its thread ends at the end."""
    generations = RedisStore(session_store(url), lambda: NOW).changes()
    generations.look()
    try:
        until_trusted(generations)
        yield generations
    finally:
        generations.close()


def until_trusted(generations: RedisGenerations) -> None:
    until(lambda: generations.trusted, "it is trusted")


def until_given_up(generations: RedisGenerations) -> None:
    """It will open its links anew. One that only was silent for a while has lost nothing, and goes on."""
    doubts = generations._doubts
    until(lambda: generations._doubts > doubts, "it has given up")
    assert not generations.trusted


def counter(generations: RedisGenerations, of: StoredRecord) -> int:
    return generations.counters[slot_of(of.record_id)]


def until_counted(generations: RedisGenerations, of: StoredRecord, before: int) -> None:
    until(lambda: counter(generations, of) != before, "the change is counted")


@contextlib.contextmanager
def everything_moves(generations: RedisGenerations) -> Iterator[None]:
    """All counters, before it is trusted at the end: nothing that was kept before is used after."""
    before = generations.counters.tobytes()
    yield
    until(lambda: generations.counters[-1] != memoryview(before).cast("I")[-1], "the last counter moves")
    until_trusted(generations)
    assert not any(map(int.__eq__, generations.counters, memoryview(before).cast("I")))


class Reader:
    """Keeps one record by the rules of generations.py. `latest` is the longest time that it was wrong."""

    def __init__(self, generations: RedisGenerations, store: RedisStore, of: StoredRecord):
        self.latest = 0.0
        self.hits = 0
        self._generations = generations
        self._store = store
        self._of = of
        self._noted = -1
        self._version = -1

    def use(self, acknowledged: list[float]) -> None:
        """`acknowledged` are the times at which each version was there."""
        now = time.monotonic()
        if self._generations.trusted and counter(self._generations, self._of) == self._noted:
            self.hits += 1
            if len(acknowledged) > self._version + 1:
                self.latest = max(self.latest, now - acknowledged[self._version + 1])
            return
        self._noted = counter(self._generations, self._of) if self._generations.trusted else -1
        found = self._store.read(self._of.record_id)
        assert found is not None
        self._version = found.version
