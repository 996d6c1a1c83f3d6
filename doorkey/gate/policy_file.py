"""The policy file, read again when it changes: a broken one changes nothing, and is complained about until then.

Somebody looks at the file twice a second at most: a watcher (lifespan.py), or `current()`, which every check asks.
"""

import contextlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from doorkey import events
from doorkey.clock import Clock
from doorkey.gate.policy import Policy
from doorkey.gate.policy_text import LARGEST_FILE, PolicyError, load_policy
from doorkey.paths import make_private_folder

LOOK_SECONDS = 0.5
SETTLED_SECONDS = 0.5
"""A file that was written less than this ago may be half of one: fewer rules, which let more people in."""

Ticks = Callable[[], float]
"""Seconds that only grow."""


class PolicyFile:
    """`path` "" means that there are no rules. Reads at once; raises `PolicyError`.

    `spare` is where the text of the last good policy is kept; with `from_spare` that will do for a start. A worker that
    takes the place of another must not fail because somebody is just editing the file.
    """

    def __init__(
        self,
        path: str,
        *,
        providers: frozenset[str],
        ticks: Ticks,
        clock: Clock,
        spare: Path | None = None,
        from_spare: bool = False,
    ):
        self._path = Path(path) if path else None
        self._providers = providers
        self._ticks = ticks
        self._clock = clock
        self._spare = spare
        self._guard = threading.Lock()
        self._next_look = ticks() + LOOK_SECONDS
        self._state = _state(self._path) if self._path else None
        self._policy = Policy()
        self.problems: list[str] = []
        self.reads = 0
        self.is_watched = False
        if self._path:
            self._begin(self._path, from_spare)

    @property
    def is_stale(self) -> bool:
        """Whether the file says something else by now, that cannot be read."""
        return bool(self.problems)

    def look_now(self) -> None:
        """At the next request, whatever the time."""
        self._state, self._next_look = None, 0.0

    def current(self) -> Policy:
        """The last policy that could be read; looks at the file itself unless it `is_watched`."""
        if not self.is_watched:
            self.look()
        return self._policy

    def look(self) -> None:
        """Read the file again if it is time to, and it has changed."""
        if self._path and self._ticks() >= self._next_look and self._guard.acquire(blocking=False):
            try:
                self._look(self._path)
            finally:
                self._guard.release()

    def _begin(self, path: Path, from_spare: bool) -> None:
        try:
            self._take(path)
        except PolicyError as error:
            if not (from_spare and self._spare):
                raise
            self._complain(path, error)
            self._policy = read_policy(self._spare, self._providers)

    def _look(self, path: Path) -> None:
        self._next_look = self._ticks() + LOOK_SECONDS
        state = _state(path)
        hurried = self._state is None
        if state == self._state or (state and not hurried and 0 <= self._clock() - state[0] / 1e9 < SETTLED_SECONDS):
            return
        self._state = state
        try:
            self._take(path)
        except PolicyError as error:
            self._complain(path, error)
            return
        events.log(events.POLICY_READ, file=str(path), rules=len(self._policy.rules.rules))

    def _take(self, path: Path) -> None:
        """Raises `PolicyError`."""
        text = _text(path)
        self._policy = load_policy(text, source=str(path), providers=self._providers)
        self.problems, self.reads = [], self.reads + 1
        if self._spare:
            _keep(text, self._spare)

    def _complain(self, path: Path, error: PolicyError) -> None:
        self.problems = error.problems
        events.log(events.POLICY_BROKEN, level=logging.ERROR, file=str(path), problems=error.problems)


def _state(path: Path) -> tuple[int, ...]:
    """Differs when the file was written or replaced; a missing one is a state too."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


def read_policy(path: Path, providers: frozenset[str] | None = None) -> Policy:
    """Raises `PolicyError`, also when there is no file that can be read."""
    return load_policy(_text(path), source=str(path), providers=providers)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PolicyError([f"{path} is larger than {LARGEST_FILE} bytes"])
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError([f"{path} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise PolicyError([f"{path} is not UTF-8 text"]) from None


def _keep(text: str, spare: Path) -> None:
    """Whole or not at all; whether it works is no concern of those who are served."""
    with contextlib.suppress(OSError):
        make_private_folder(spare.parent)
        handle, name = tempfile.mkstemp(dir=spare.parent, prefix=".policy-")
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, spare)
