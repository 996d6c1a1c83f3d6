"""Counters by which whoever keeps an opened record sees that it may have changed.

A record has the counter of its slot, which it shares with few others. A reader notes the counter, reads the record
from the store and keeps both; what it kept is good for as long as the counter stands where it stood. A writer
changes the store first and the counter then, so a counter that was noted too early costs one more reading, and
nothing is ever believed for too long.

Processes do not queue for a counter. It is set to a number that it never had (one in four thousand millions, at
random): a writer that added one to what it had read a while ago could put it back to where a reader had noted it.

    SharedGenerations    one machine: a file that all processes map (sqlite_store.py counts)
    redis_tracking.py    several machines: Redis says which records changed

Who dies between the change and the count leaves a counter that says nothing, also to whoever then ends all sessions
of that user and finds that one gone; therefore nobody keeps anything for longer than a while (`KEEP_SECONDS` of
gate/lookup.py).
"""

import mmap
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from doorkey.paths import make_private_folder

SLOTS = 1 << 20
_BYTES = 4
_NONE = memoryview(bytearray()).cast("I")

if TYPE_CHECKING:
    Counters = memoryview[int]
else:
    Counters = memoryview


def slot_of(record_id: bytes) -> int:
    """The place of its counter: record ids are hashes, so their first 20 bits are as good as any."""
    return int.from_bytes(record_id[:3]) >> 4


def _reserve(handle: int, size: int) -> None:
    """On the disk, where the system can do that; macOS only makes the file as long."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    elif os.fstat(handle).st_size < size:
        os.ftruncate(handle, size)


class Generations(Protocol):
    """`counters` has `SLOTS` numbers while it is `trusted`; otherwise nothing that was kept is good, nor to be kept.

    Counters of another object say nothing about what was noted from these.
    """

    @property
    def counters(self) -> Counters: ...

    @property
    def trusted(self) -> bool: ...

    def look(self) -> None:
        """See whether these are the counters that writers count on; every second or so, and never waiting."""


class SharedGenerations:
    """The counters in a file of 4 MB at `path`, readable by this user only; forks go on with the same."""

    def __init__(self, path: Path):
        self._path = path
        self._file: tuple[int, int] | None = None
        self.counters: Counters = _NONE
        self.trusted = False

    def open(self) -> None:
        """Map the file, a new one if it is gone. Raises `OSError`."""
        if self._file is None or self._found() != self._file:
            self._map()
        self.trusted = True

    def look(self) -> None:
        try:
            self.open()
        except OSError:
            self.trusted = False

    def count(self, record_ids: Iterable[bytes]) -> None:
        """The store has a change of these. Raises `OSError`."""
        self.open()
        counters = self.counters
        for record_id in record_ids:
            counters[slot_of(record_id)] = secrets.randbits(8 * _BYTES)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _map(self) -> None:
        """Space is reserved at once: a full disk must fail here, and not when a counter is written."""
        make_private_folder(self._path.parent)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _reserve(handle, SLOTS * _BYTES)
            found = os.fstat(handle)
            self.counters = memoryview(mmap.mmap(handle, SLOTS * _BYTES)).cast("I")
            self._file = (found.st_dev, found.st_ino)
        finally:
            os.close(handle)
