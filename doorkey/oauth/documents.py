"""Documents of providers, fetched when first needed and kept for a while: metadata and keys.

One request at a time for each document, whoever waits for it shares its result. `metadata.py`
and `keys.py` say where a document is and how it is read.
"""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError

T = TypeVar("T")

RETRY_SECONDS = 30.0
"""After a failure an old copy serves for this long before the next attempt; also the least time between renewals."""
PROBE_SECONDS = 10.0


@dataclass
class _Entry(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: T | None = None
    fetched_at: float = float("-inf")
    renewed_at: float = float("-inf")
    failed_at: float = float("-inf")
    error: DoorkeyError | None = None
    flights: int = 0


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

    def get(self, key: str, fetch: Callable[[], T], *, max_age: float | None = None) -> T:
        """The document; a copy younger than `max_age` seconds (default: the time to live) will do.

        Raises what `fetch` raises (a `DoorkeyError`), unless an old copy may serve.
        """
        entry = self._entry(key)
        seen = entry.flights
        if entry.value is not None and self._is_younger(entry, self._ttl if max_age is None else max_age):
            return entry.value
        with entry.lock:
            if entry.flights == seen and not self._rests_on_old_copy(entry):
                self._fly(entry, fetch)
            return self._landed(entry)

    def renew(self, key: str, fetch: Callable[[], T], *, known: T) -> T:
        """A newer document than `known`, asked for at most every 30 seconds; otherwise the copy there is."""
        entry = self._entry(key)
        with entry.lock:
            now = self._clock()
            if entry.value is not known or 0 <= now - entry.renewed_at < RETRY_SECONDS:
                return entry.value or known
            entry.renewed_at = now
            self._fly(entry, fetch)
            return self._landed(entry)

    def failure(self, key: str) -> DoorkeyError | None:
        """What the last attempt failed with; None when it worked or there was none."""
        return self._entry(key).error

    def flights(self, key: str) -> int:
        """How often the document has been asked for so far."""
        return self._entry(key).flights

    def is_due(self, key: str) -> bool:
        """Whether nothing is known, or the last attempt failed some seconds ago."""
        entry = self._entry(key)
        return not entry.flights or (entry.error is not None and not self._failed_within(entry, PROBE_SECONDS))

    def _entry(self, key: str) -> _Entry[T]:
        with self._guard:
            return self._entries.setdefault(key, _Entry())

    def _is_younger(self, entry: _Entry[T], seconds: float) -> bool:
        return 0 <= self._clock() - entry.fetched_at < seconds

    def _failed_within(self, entry: _Entry[T], seconds: float) -> bool:
        return 0 <= self._clock() - entry.failed_at < seconds

    def _rests_on_old_copy(self, entry: _Entry[T]) -> bool:
        """Asking again at once would make every sign-in wait for a provider that is down."""
        stale = entry.value is not None and entry.error is not None and self._keeps_stale(entry.error)
        return stale and self._failed_within(entry, RETRY_SECONDS)

    def _fly(self, entry: _Entry[T], fetch: Callable[[], T]) -> None:
        try:
            entry.value, entry.error = fetch(), None
            entry.fetched_at = self._clock()
        except DoorkeyError as error:
            entry.error, entry.failed_at = error, self._clock()
        finally:
            entry.flights += 1

    def _landed(self, entry: _Entry[T]) -> T:
        error = entry.error
        if error is not None and (entry.value is None or not self._keeps_stale(error)):
            raise copy.copy(error)  # each thread its own, because raising writes into it
        assert entry.value is not None
        return entry.value
