"""Every implementation of `SessionStore`, by name, and a process that drives one.

`python -m tests.contract.stores KIND WHERE` reads calls as Python literals, one a line, and answers
each with the literal of its result; `OtherProcess` is its other end. Without arguments (or with `--table`)
it runs the suite and prints what holds for which implementation: store_table.py.
"""

import ast
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from doorkey.errors import StoreUnavailable
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import SessionStore, StoredRecord
from doorkey.setting_stores import session_store
from tests.contract.store_samples import NOW


def _redis(where: str) -> SessionStore:
    return RedisStore(session_store(where), clock=lambda: NOW)


STORES: dict[str, Callable[[str], SessionStore]] = {
    "sqlite": lambda where: SqliteStore(Path(where)),
    "redis": _redis,
    "redis-tls": _redis,
    "valkey": _redis,
    "sentinel": _redis,
    "cluster": _redis,
}
"""Opens a store at a place: a file here; a URL for others. store_places.py makes the places."""


class OtherProcess:
    """A second process with a store of its own at the same place."""

    def __init__(self, kind: str, where: str):
        self.waiting = 0
        """Calls that nobody asked for the result of yet."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, kind, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=Path(__file__).parents[2],
        )

    def send(self, method: str, *args: Any, at: float = 0.0, where: str = "", **options: Any) -> None:
        """Have it call `method`, not before the time `at`; `where` opens the store anew there first."""
        assert self._process.stdin
        self._process.stdin.write(repr((method, args, options, at, where)) + "\n")
        self.waiting += 1

    def result(self) -> Any:
        """What the oldest call gave that was not asked for yet; the string "unavailable" for `StoreUnavailable`.

        A record is a tuple of its parts; several are a list of such tuples.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the other process ended"
        self.waiting -= 1
        return ast.literal_eval(line)

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        self.send(method, *args, **options)
        return self.result()

    def close(self) -> None:
        """It has nothing that anybody would miss."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream
            stream.close()


class ProcessPool:
    """Processes that the next test uses again: starting one costs more than most tests."""

    def __init__(self) -> None:
        self._kept: dict[str, list[OtherProcess]] = {}

    def take(self, kind: str, where: str, count: int = 1) -> list[OtherProcess]:
        """Processes whose stores were opened anew at `where`."""
        kept = self._kept.setdefault(kind, [])
        kept[:] = [process for process in kept if not (process.waiting and _closed(process))]
        while len(kept) < count:
            kept.append(OtherProcess(kind, where))
        for process in kept[:count]:
            process.send("ping", where=where)
        for process in kept[:count]:
            assert process.result() is None
        return kept[:count]

    def close(self) -> None:
        for kept in self._kept.values():
            for process in kept:
                process.close()


def _closed(process: OtherProcess) -> bool:
    """A test that failed left results behind, which the next one must not get."""
    process.close()
    return True


def _serve(kind: str, where: str) -> None:
    store = STORES[kind](where)
    for line in sys.stdin:
        method, args, options, at, elsewhere = ast.literal_eval(line)
        if elsewhere:
            store = STORES[kind](elsewhere)
        time.sleep(max(0.0, at - time.time()))
        given = [StoredRecord(*arg) if isinstance(arg, tuple) else arg for arg in args]
        try:
            found = _plain(getattr(store, method)(*given, **options))
        except StoreUnavailable:
            found = "unavailable"
        sys.stdout.write(repr(found) + "\n")
        sys.stdout.flush()


def _plain(found: Any) -> Any:
    if isinstance(found, StoredRecord):
        return tuple(vars(found).values())
    return [_plain(one) for one in found] if isinstance(found, list | Iterator) else found


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["--table"]):
        from tests.contract.store_table import main

        sys.exit(main())
    _serve(*sys.argv[1:])
