"""The life of a session: start, open, replace, touch, end.

Called by web/session_interface.py and refresh.py; calls the store and the keyring.
What a store holds is sealed under a key that needs both a server key and the cookie's secret,
with the record id as associated data, so records cannot be read or swapped in the store.
"""

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from doorkey import events
from doorkey.clock import Clock, RandomBytes, system_random
from doorkey.errors import StoreUnavailable
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.ids import SessionIds
from doorkey.sessions.lease import Lease
from doorkey.sessions.record import TOUCH_SECONDS, Record
from doorkey.sessions.seal import Keyring
from doorkey.sessions.store import SessionStore, StoredRecord
from doorkey.sessions.summary import Summary

SWEEP_SECONDS = 600
SWEEP_RECORDS = 1000
MOST_ATTEMPTS = 20
PURPOSE = "session record"


@dataclass(frozen=True)
class OpenSession:
    """A live session as it was read: `version` is what an update must still find."""

    ids: SessionIds
    record: Record
    version: int


class Sessions:
    """`idle` and `absolute` are seconds. Every method may raise `StoreUnavailable`."""

    def __init__(
        self, store: SessionStore, keyring: Keyring, *, idle: int, absolute: int, clock: Clock, random: RandomBytes
    ):
        self._store = store
        self._keyring = keyring
        self._idle = idle
        self._absolute = absolute
        self._clock = clock
        self._random = random
        self._name = system_random(16)
        self._next_sweep = -inf
        self._swept_before = inf
        self._checked_at = 0.0

    def start(self, identity: Identity, token: Token, *, label: str = "", provider_sid: str = "") -> OpenSession:
        """A new session under new ids."""
        now = self._clock()
        ids = SessionIds.of(self._random(32))
        record = Record(
            identity=identity,
            token=token,
            created=now,
            authenticated=now,
            last_seen=now,
            idle_ends=now + self._idle,
            absolute_ends=now + self._absolute,
            label=label,
            provider_sid=provider_sid,
        )
        self._store.create(self._stored(ids, record, version=0))
        return OpenSession(ids, record, 0)

    def open(self, session_secret: bytes) -> OpenSession | None:
        """The live session of this secret; None when there is none, or it ended, or cannot be read."""
        return self._open(SessionIds.of(session_secret))

    def open_at_gate(self, gate_secret: bytes) -> OpenSession | None:
        """As `open()`, by the secret of the domain cookie: for the gate alone."""
        return self._open(SessionIds.of_gate(gate_secret))

    def reopen(self, session: OpenSession) -> OpenSession | None:
        """The session as it is now; None when it ended meanwhile."""
        return self._open(session.ids)

    def _open(self, ids: SessionIds) -> OpenSession | None:
        stored = self._store.read(ids.record_id)
        if stored is None:
            return None
        record = self._record(ids, stored)
        if record is None:
            events.log(events.RECORD_UNREADABLE, level=logging.WARNING, session=ids.public_id)
            return None
        if not record.is_live(self._clock()):
            return None  # the sweep deletes it: by now another request may have made it live longer
        return OpenSession(ids, record, stored.version)

    def _record(self, ids: SessionIds, stored: StoredRecord) -> Record | None:
        content = self._keyring.open(stored.sealed, purpose=PURPOSE, bound_to=ids.record_id, secret=ids.gate_secret)
        return Record.from_bytes(content) if content is not None else None

    def touch(self, session: OpenSession, *, at_gate: bool = False) -> None:
        """Note that the session was used, at most once a minute (more often when it may idle for minutes only).

        `at_gate`: the gate let it through; that is noted at most as often.

        When another request changed or ended the session meanwhile nothing is written, which is right.
        A last-seen that lies ahead was written before the clock was put back.
        """
        now, record = self._clock(), session.record
        if now >= self.touch_due(record, now, at_gate=at_gate):
            record = record.seen(now, self._idle, at_gate=at_gate)
            self._store.update(self._stored(session.ids, record, session.version))

    def touch_due(self, record: Record, now: float, *, at_gate: bool = False) -> float:
        """From when on `touch()` has something to write."""
        noted = min(record.last_seen, record.gate_seen) if at_gate else record.last_seen
        return noted + min(TOUCH_SECONDS, self._idle / 10) if noted <= now else now

    def replace(self, session: OpenSession, change: Callable[[Record], Record]) -> OpenSession | None:
        """The session with `change` made to its record, whatever others changed meanwhile; None when it has ended."""
        current: OpenSession | None = session
        for _ in range(MOST_ATTEMPTS):
            if current is None:
                return None
            record = change(current.record)
            if self._store.update(self._stored(current.ids, record, current.version)):
                return OpenSession(current.ids, record, current.version + 1)
            current = self.reopen(current)
        raise StoreUnavailable("the record changes all the time")

    def lease(self, what: str) -> Lease | None:
        """The right of this process to do `what` alone; None when another has it."""
        owner = hashlib.sha256(self._name + str(os.getpid()).encode()).digest()[:16]  # a fork is another process
        return Lease.take(self._store, what, owner=owner, clock=self._clock)

    def end(self, session_secret: bytes) -> Record | None:
        """End the session of this secret, readable or not; its record as it was then, where that can be told."""
        ids = SessionIds.of(session_secret)
        stored = self._store.delete(ids.record_id)
        return self._record(ids, stored) if stored else None

    def spend(self, name: str, *, seconds: int) -> bool:
        """True exactly once for `name` within `seconds`.

        Every sign-in passes here, so this is also where ended records are swept now and then.
        """
        now = self._clock()
        self._sweep_when_due(now)
        return self._store.mark_once(_mark(name), now=now, ends=now + seconds)

    def is_spent(self, name: str) -> bool:
        """Whether `name` was spent, and its seconds are not over."""
        return self._store.is_marked(_mark(name), now=self._clock())

    def check_store(self) -> None:
        """Raise `StoreUnavailable` unless sessions can be read and written; asked at most once a second."""
        now = self._clock()
        if not self._checked_at <= now < self._checked_at + 1:
            self._store.ping()
            self._checked_at = now

    def store_concerns(self) -> list[str]:
        """What an operator should know of the store's set-up. Raises `SettingsError` for one that cannot serve."""
        return self._store.concerns()

    def _stored(self, ids: SessionIds, record: Record, version: int) -> StoredRecord:
        identity = record.identity
        sealed = self._keyring.seal(record.to_bytes(), purpose=PURPOSE, bound_to=ids.record_id, secret=ids.gate_secret)
        sid = record.provider_sid
        return StoredRecord(
            record_id=ids.record_id,
            version=version,
            sealed=sealed,
            ends=record.ends,
            user_key=self._user_key(ids, identity),
            sid_key=self._keyring.index_key("sid", identity.provider, sid) if sid else None,
            summary=Summary.of(record).seal(self._keyring, ids.record_id),
        )

    def _user_key(self, ids: SessionIds, identity: Identity) -> bytes:
        """People of whom nothing is known are not one person."""
        if not identity.sub:
            return self._keyring.index_key("nobody", ids.record_id.hex())
        return self._keyring.index_key("user", identity.provider, identity.sub)

    def _sweep_when_due(self, now: float) -> None:
        """A part at a time, so that nobody's sign-in waits for it; whether it works is not their concern.

        Only what had ended when this was last due goes: a clock that jumps ahead and is put back before it is due
        again costs nobody's session.
        """
        if self._next_sweep - SWEEP_SECONDS <= now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        try:
            if self._swept_before <= now and self._store.sweep(self._swept_before, most=SWEEP_RECORDS) == SWEEP_RECORDS:
                self._next_sweep = now + 1
                return
        except StoreUnavailable as error:
            events.log(events.STORE_FAILED, level=logging.WARNING, detail=error.detail)
        self._swept_before = now


def _mark(name: str) -> bytes:
    """Without a key: all processes must agree on it."""
    return hashlib.sha256(b"doorkey mark " + name.encode()).digest()
