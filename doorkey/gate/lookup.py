"""What is known of those who ask the gate again and again: kept in this process, and never for longer than it holds.

Kept is what a decision needs, and the headers for the application, ready to be sent; no token, and no secret of a
cookie. It is good while the counter of its record stands where it stood before the record was read
(sessions/generations.py), until the session ends, and for `KEEP_SECONDS` at most. Called by checkpoint.py.
"""

import sys
import threading

import msgspec
from msgspec.structs import replace

from doorkey.gate.decide import Caller, Decision
from doorkey.sessions.forks import in_a_fork
from doorkey.sessions.generations import Counters, Generations, slot_of

KEEP_SECONDS = 60.0
"""How long a change may go unseen whose writer died before it could count it."""

LOOK_SECONDS = 1.0
MOST_BYTES = 6_000_000
"""Of memory, about: three or four thousand people with seven groups each."""

OVERHEAD = 1_000
TEXT_FACTOR = 4
"""Measured: bytes that an entry takes besides its texts, and how much more these take than on the wire."""


class Noted(msgspec.Struct, frozen=True):
    """A counter as it stood before a record was read."""

    counters: Counters
    slot: int
    generation: int


class Kept(msgspec.Struct):
    """`caller` may be believed from `since` until `ends`; `lines` tell an application who it is.

    From `due` on the session has to be opened for its own sake: it was used, or its token is about to end. `decision`
    is the last one about them: it depends on them and its rule alone.
    """

    caller: Caller
    lines: bytes
    since: float
    ends: float
    due: float
    decision: Decision | None = None

    @property
    def size(self) -> int:
        """In bytes, about."""
        identity = replace(self.caller.identity, groups=())
        return len(self.lines) + TEXT_FACTOR * len(msgspec.msgpack.encode(identity)) + OVERHEAD


def compact(caller: Caller) -> Caller:
    """The same, with one text in memory for what many have in common."""
    identity = caller.identity
    shared = {"provider": sys.intern(identity.provider), "groups": tuple(map(sys.intern, identity.groups))}
    return replace(caller, identity=replace(identity, **shared), scopes=tuple(map(sys.intern, caller.scopes)))


class Lookup:
    """One for each process; any thread may call it. `generations` None: nothing is ever kept."""

    def __init__(self, generations: Generations | None, *, most_bytes: int = MOST_BYTES):
        self._generations = generations
        self._most_bytes = most_bytes
        self._kept: dict[bytes, tuple[Kept, Noted, int]] = {}
        self._bytes = 0
        self._next_look = 0.0
        self._start_afresh()
        in_a_fork(self._start_afresh)

    def _start_afresh(self) -> None:
        """A fork may find the lock taken by a thread that it does not have."""
        self._guard = threading.Lock()

    def find(self, record_id: bytes, now: float) -> Kept | None:
        """What is known of the record; None when the store has to be asked. No system call, and never waits."""
        generations = self._generations
        if generations is None:
            return None
        if not self._next_look - LOOK_SECONDS <= now < self._next_look:
            self._next_look = now + LOOK_SECONDS
            generations.look()
        found = self._kept.get(record_id)
        if found is None or not generations.trusted:
            return None
        kept, noted, _ = found
        counters = generations.counters
        if noted.counters is not counters or counters[noted.slot] != noted.generation:
            return None
        return kept if kept.since <= now < kept.ends else None

    def note(self, record_id: bytes) -> Noted | None:
        """For `keep()`, and to be called before the record is read; None when nothing may be kept now."""
        generations = self._generations
        if generations is None or not generations.trusted:
            return None
        counters, slot = generations.counters, slot_of(record_id)
        return Noted(counters, slot, counters[slot])

    def keep(self, record_id: bytes, kept: Kept, noted: Noted) -> None:
        """In place of what was kept longest, when there is not room for all."""
        size = kept.size
        with self._guard:
            self._drop(record_id)
            while self._kept and self._bytes + size > self._most_bytes:
                self._drop(next(iter(self._kept)))
            self._kept[record_id] = (kept, noted, size)
            self._bytes += size

    def _drop(self, record_id: bytes) -> None:
        _, _, size = self._kept.pop(record_id, (None, None, 0))
        self._bytes -= size
