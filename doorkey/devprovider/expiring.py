"""A bounded dict whose entries end by themselves: what every store of the development provider is made of."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

MOST_ENTRIES = 20_000
"""The oldest goes first."""

T = TypeVar("T")


class Expiring(Generic[T]):
    """Not safe under threads by itself. `seconds` is how long an entry lives unless `put` says otherwise."""

    def __init__(self, seconds: float, *, most: int = MOST_ENTRIES):
        self._seconds = seconds
        self._most = most
        self._entries: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T, now: float, *, seconds: float | None = None) -> None:
        self._entries[key] = (now + (self._seconds if seconds is None else seconds), value)
        while self._entries and (len(self._entries) > self._most or next(iter(self._entries.values()))[0] <= now):
            self._entries.popitem(last=False)

    def get(self, key: str, now: float) -> T | None:
        ends, value = self._entries.get(key, (0.0, None))
        return value if ends > now else None

    def pop(self, key: str, now: float) -> T | None:
        value = self.get(key, now)
        self._entries.pop(key, None)
        return value

    def newest(self, now: float) -> Iterator[tuple[str, T]]:
        """What is alive, the newest first."""
        return ((key, value) for key, (ends, value) in reversed(self._entries.items()) if ends > now)

    def __len__(self) -> int:
        return len(self._entries)
