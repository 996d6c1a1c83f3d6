"""Documents of providers, fetched when first needed and kept for a while: metadata and keys.

One request at a time for each document, in a thread of its own: whoever needs it meanwhile waits for that one, as
long as they can, and takes its result. So a provider that hangs costs its own sign-ins time and nobody else.
`metadata.py` and `keys.py` say where a document is and how it is read.
"""

import contextvars
import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, ProviderUnreachable

T = TypeVar("T")

RETRY_SECONDS = 30.0
"""After a failure an old copy serves for this long before the next attempt; also the least time between renewals."""

PROBE_SECONDS = 10.0
PATIENCE_SECONDS = 10.0
OLD_COPY_SECONDS = 1.0
"""How long somebody waits who could use an old copy."""

SLOW_SECONDS = 1.0
"""A flight that takes longer is one that no more than `CROWD` wait for; its failure is remembered for a moment."""

CROWD = 8
MOST_DOCUMENTS = 256


class _Flight(Generic[T]):
    """One request under way. `value` or `error` is there once `done` is set."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.done = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None
        self.waiting = 0

    @property
    def age(self) -> float:
        return time.monotonic() - self.began


@dataclass
class _Entry(Generic[T]):
    value: T | None = None
    fetched_at: float = float("-inf")
    renewed_at: float = float("-inf")
    failed_at: float = float("-inf")
    failed_slowly: bool = False
    error: BaseException | None = None
    flights: int = 0
    flight: _Flight[T] | None = field(default=None)


class Documents(Generic[T]):
    """`ttl` seconds a copy counts as fresh; 0: every use fetches. Keys are whatever names a document.

    `keeps_stale(error)` says for which failures an old copy goes on serving.
    """

    def __init__(self, ttl: float, clock: Clock, keeps_stale: Callable[[DoorkeyError], bool] = lambda error: False):
        self._ttl = ttl
        self._clock = clock
        self._keeps_stale = keeps_stale
        self._entries: dict[str, _Entry[T]] = {}
        self._guard = threading.Lock()

    def get(
        self, key: str, fetch: Callable[[], T], *, max_age: float | None = None, patience: float = PATIENCE_SECONDS
    ) -> T:
        """The document; a copy younger than the time to live, or than `max_age` seconds, will do.

        Raises what `fetch` raises (a `DoorkeyError`), unless an old copy may serve; `ProviderUnreachable` when
        `patience` seconds were not enough, or many wait already.
        """
        with self._guard:
            entry = self._entry(key)
            if entry.value is not None and self._is_younger(entry, max(self._ttl, max_age or 0.0)):
                return entry.value
            if entry.value is not None and self._rests_on_old_copy(entry):
                return entry.value
            if entry.error is not None and not self._may_serve(entry) and self._failed_slowly_just_now(entry):
                raise _own(entry.error)
            flight = self._board(entry, fetch)
            old = entry.value if self._may_serve(entry) else None
        return self._await(flight, old, patience)

    def renew(self, key: str, fetch: Callable[[], T], *, known: T, patience: float = PATIENCE_SECONDS) -> T:
        """A newer document than `known`, asked for at most every 30 seconds; otherwise the copy there is."""
        with self._guard:
            entry = self._entry(key)
            if entry.value is not known:
                return entry.value if entry.value is not None else known
            if entry.flight is None:
                if 0 <= self._clock() - entry.renewed_at < RETRY_SECONDS:
                    return known
                entry.renewed_at = self._clock()
            flight = self._board(entry, fetch)
        return self._await(flight, None, patience)

    def look(self, key: str, fetch: Callable[[], T]) -> threading.Event | None:
        """Ask in the background when that is due; what to wait for when nothing good is known yet."""
        with self._guard:
            entry = self._entry(key)
            if entry.flight is None and not self._is_due(entry):
                return None
            was_good = entry.value is not None and entry.error is None
            flight = self._board(entry, fetch)
            return None if was_good else flight.done

    def peek(self, key: str) -> T | None:
        """The copy there is, however old."""
        with self._guard:
            return self._entry(key).value

    def failure(self, key: str) -> DoorkeyError | None:
        """What the last attempt failed with; None when it worked or there was none."""
        with self._guard:
            error = self._entry(key).error
        return error if isinstance(error, DoorkeyError) else None

    def flights(self, key: str) -> int:
        """How often the document has been asked for so far."""
        with self._guard:
            return self._entry(key).flights

    def _entry(self, key: str) -> _Entry[T]:
        if key not in self._entries:
            while len(self._entries) >= MOST_DOCUMENTS:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = _Entry()
        return self._entries[key]

    def _is_due(self, entry: _Entry[T]) -> bool:
        if entry.error is not None:
            return not self._failed_within(entry, PROBE_SECONDS)
        return not self._is_younger(entry, RETRY_SECONDS)

    def _is_younger(self, entry: _Entry[T], seconds: float) -> bool:
        return 0 <= self._clock() - entry.fetched_at < seconds

    def _failed_within(self, entry: _Entry[T], seconds: float) -> bool:
        return 0 <= self._clock() - entry.failed_at < seconds

    def _failed_slowly_just_now(self, entry: _Entry[T]) -> bool:
        """Then the next ones need not find out for themselves."""
        return entry.failed_slowly and self._failed_within(entry, PROBE_SECONDS)

    def _may_serve(self, entry: _Entry[T]) -> bool:
        """Whether an old copy may stand in: nothing is known against it."""
        error = entry.error if isinstance(entry.error, DoorkeyError) else ProviderUnreachable()
        return entry.value is not None and self._keeps_stale(error)

    def _rests_on_old_copy(self, entry: _Entry[T]) -> bool:
        """Asking again at once would make every sign-in wait for a provider that is down."""
        return entry.error is not None and self._may_serve(entry) and self._failed_within(entry, RETRY_SECONDS)

    def _board(self, entry: _Entry[T], fetch: Callable[[], T]) -> _Flight[T]:
        """The flight under way, or a new one."""
        if entry.flight is None:
            flight: _Flight[T] = _Flight()
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._fly, entry, flight, fetch), name="flight", daemon=True).start()
            entry.flight = flight  # after the start, which may fail; landing needs the guard that is held here
        return entry.flight

    def _fly(self, entry: _Entry[T], flight: _Flight[T], fetch: Callable[[], T]) -> None:
        try:
            flight.value = fetch()
        except BaseException as error:  # whoever waits gets it
            flight.error = error
        with self._guard:
            entry.flights += 1
            entry.flight = None
            entry.error = flight.error
            if flight.error is None:
                entry.value, entry.fetched_at = flight.value, self._clock()
            else:
                entry.failed_at, entry.failed_slowly = self._clock(), flight.age > SLOW_SECONDS
        flight.done.set()

    def _await(self, flight: _Flight[T], old: T | None, patience: float) -> T:
        with self._guard:
            crowded = flight.waiting >= CROWD
            flight.waiting += 1
        if crowded:
            patience = min(patience, max(0.0, SLOW_SECONDS - flight.age))
        landed = flight.done.wait(min(patience, OLD_COPY_SECONDS) if old is not None else patience)
        with self._guard:
            flight.waiting -= 1
        if not landed and old is not None:
            return old
        if not landed:
            raise ProviderUnreachable("many wait for it already" if crowded else "it did not answer in time")
        error = flight.error
        if error is None and flight.value is not None:
            return flight.value
        if old is not None and isinstance(error, DoorkeyError) and self._keeps_stale(error):
            return old
        raise _own(error)


def _own(error: BaseException | None) -> BaseException:
    """Each thread its own, because raising writes into it."""
    assert error is not None
    return copy.copy(error) if isinstance(error, DoorkeyError) else error
