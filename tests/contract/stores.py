"""Every implementation of `SessionStore`, by name, and a process that drives one.

`python -m tests.contract.stores KIND WHERE` reads calls as Python literals, one a line, and answers
each with the literal of its result; `OtherProcess` is its other end.
"""

import ast
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doorkey.errors import StoreUnavailable
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import SessionStore, StoredRecord

STORES: dict[str, Callable[[str], SessionStore]] = {
    "sqlite": lambda where: SqliteStore(Path(where)),
}
"""Opens a store at a place: a file here; a URL for others."""


class OtherProcess:
    """A second process with a store of its own at the same place."""

    def __init__(self, kind: str, where: str):
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

    def result(self) -> Any:
        """What the oldest call gave that was not asked for yet; the string "unavailable" for `StoreUnavailable`."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the other process ended"
        return ast.literal_eval(line)

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        self.send(method, *args, **options)
        return self.result()

    def close(self) -> None:
        self._process.communicate(timeout=10)


def _serve(kind: str, where: str) -> None:
    store = STORES[kind](where)
    for line in sys.stdin:
        method, args, options, at, elsewhere = ast.literal_eval(line)
        if elsewhere:
            store = STORES[kind](elsewhere)
        time.sleep(max(0.0, at - time.time()))
        given = [StoredRecord(*arg) if isinstance(arg, tuple) else arg for arg in args]
        try:
            found = getattr(store, method)(*given, **options)
        except StoreUnavailable:
            found = "unavailable"
        sys.stdout.write(repr(tuple(vars(found).values()) if isinstance(found, StoredRecord) else found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
