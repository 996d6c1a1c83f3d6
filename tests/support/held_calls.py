"""Calls that stand still in the middle, so that others may do something meanwhile.

    with places_to_stand(reads):
        held = Held("counting", lambda: sessions.end(secret))    # the store has it, and nobody was told
        held.go_on()                                             # or held.die()

Used by the model of several workers, tests/gate/lookup_model.py.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from doorkey.sessions.generations import SharedGenerations
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.sqlite_store import SqliteStore

PATIENCE = 20.0


class Died(BaseException):
    """The process of a call ended."""


class Held(threading.Thread):
    """A call that stands still when it comes to `place`, unless it is over before."""

    def __init__(self, place: str, call: Callable[[], Any]):
        super().__init__(daemon=True)
        self.result: Any = None
        self._place, self._call = place, call
        self._arrived, self._released = threading.Event(), threading.Event()
        self.stands = self._dies = False
        self._error: BaseException | None = None
        self.start()
        assert self._arrived.wait(PATIENCE)

    def run(self) -> None:
        try:
            self.result = self._call()
        except Died:
            """As was wanted."""
        except BaseException as error:
            self._error = error
        finally:
            self._arrived.set()

    def at(self, place: str) -> None:
        if place == self._place and not self._released.is_set():
            self.stands = True
            self._arrived.set()
            assert self._released.wait(PATIENCE)
            if self._dies:
                raise Died

    def go_on(self) -> Any:
        self._released.set()
        self.join(PATIENCE)
        assert not self.is_alive(), "it never came to its end"
        if self._error:
            raise self._error
        return self.result

    def die(self) -> None:
        self._dies = True
        self.go_on()


def passing(place: str) -> None:
    thread = threading.current_thread()
    if isinstance(thread, Held):
        thread.at(place)


@contextmanager
def places_to_stand(reads: Counter[str]) -> Iterator[None]:
    """Where a `Held` can be told to stand: "read" (and not kept yet), "counting" (not yet), "counted" (just now)."""
    count = SharedGenerations.count

    def reading(read: Any) -> Any:
        def slow_read(store: Any, record_id: bytes) -> Any:
            found = read(store, record_id)
            reads["reads"] += 1
            passing("read")
            return found

        return slow_read

    def slow_count(generations: SharedGenerations, record_ids: Any) -> None:
        passing("counting")
        count(generations, record_ids)
        passing("counted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteStore, "read", reading(SqliteStore.read))
        patch.setattr(RedisStore, "read", reading(RedisStore.read))
        patch.setattr(SharedGenerations, "count", slow_count)
        yield
