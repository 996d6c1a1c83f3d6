"""The policy file, read again when it changes: a broken one changes nothing, and is complained about until then.

`current()` is asked by every check and looks at the file twice a second at most; SIGHUP makes it look now.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from doorkey import events
from doorkey.clock import Clock
from doorkey.gate.policy import Policy
from doorkey.gate.policy_text import LARGEST_FILE, PolicyError, load_policy

LOOK_SECONDS = 0.5
SETTLED_SECONDS = 0.5
"""A file that was written less than this ago may be half of one: fewer rules, which let more people in."""

Ticks = Callable[[], float]
"""Seconds that only grow."""


class PolicyFile:
    """`path` "" means that there are no rules. Reads at once; raises `PolicyError`."""

    def __init__(self, path: str, *, providers: frozenset[str], ticks: Ticks, clock: Clock):
        self._path = Path(path) if path else None
        self._providers = providers
        self._ticks = ticks
        self._clock = clock
        self._guard = threading.Lock()
        self._next_look = ticks() + LOOK_SECONDS
        self._state = _state(self._path) if self._path else None
        self._policy = read_policy(self._path, providers) if self._path else Policy()
        self.problems: list[str] = []
        self.reads = 1

    @property
    def is_stale(self) -> bool:
        """Whether the file says something else by now, that cannot be read."""
        return bool(self.problems)

    def look_now(self) -> None:
        """At the next request, whatever the time."""
        self._state, self._next_look = None, 0.0

    def current(self) -> Policy:
        """The last policy that could be read."""
        if self._path and self._ticks() >= self._next_look and self._guard.acquire(blocking=False):
            try:
                self._look(self._path)
            finally:
                self._guard.release()
        return self._policy

    def _look(self, path: Path) -> None:
        self._next_look = self._ticks() + LOOK_SECONDS
        state = _state(path)
        hurried = self._state is None
        if state == self._state or (state and not hurried and 0 <= self._clock() - state[0] / 1e9 < SETTLED_SECONDS):
            return
        self._state = state
        try:
            self._policy = read_policy(path, self._providers)
        except PolicyError as error:
            self.problems = error.problems
            events.log(events.POLICY_BROKEN, level=logging.ERROR, file=str(path), problems=error.problems)
            return
        self.problems = []
        self.reads += 1
        events.log(events.POLICY_READ, file=str(path), rules=len(self._policy.rules.rules))


def _state(path: Path) -> tuple[int, ...]:
    """Differs when the file was written or replaced; a missing one is a state too."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


def read_policy(path: Path, providers: frozenset[str] | None = None) -> Policy:
    """Raises `PolicyError`, also when there is no file that can be read."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PolicyError([f"{path} is larger than {LARGEST_FILE} bytes"])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError([f"{path} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise PolicyError([f"{path} is not UTF-8 text"]) from None
    return load_policy(text, source=str(path), providers=providers)
