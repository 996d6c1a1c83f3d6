"""What the suites of the session stores have in common: records, keys, and many threads at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from doorkey.sessions.store import StoredRecord

NOW = 1_800_000_000.0
"""The moment of the whole suite."""

THREADS = 20
USER, OTHER_USER, SID = b"u" * 32, b"o" * 32, b"s" * 32


def record(name: str = "a", *, version: int = 0, user: bytes = USER, sid: bytes | None = None) -> StoredRecord:
    """Different for each name, and with every byte that could be taken for something else."""
    return StoredRecord(
        name.encode().ljust(32, b"."),
        version,
        b"sealed \x00\xff\r\n " + name.encode(),
        NOW + 60,
        user,
        sid,
        b"summary \x00\xfe " + name.encode(),
    )


def names(found: list[StoredRecord]) -> list[str]:
    """Which of the records made by `record()` these are, in order."""
    return sorted(one.record_id.rstrip(b".").decode() for one in found)


def at_once(call: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """The results of `call` in many threads that start together."""
    barrier = Barrier(threads)

    def wait_and_call(number: int) -> Any:
        barrier.wait(10)
        return call(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_call, range(threads)))
