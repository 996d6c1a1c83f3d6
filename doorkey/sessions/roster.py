"""Sessions found without their cookie: my other ones, those that a provider logs out, those an operator looks at.

Called by web/my_sessions.py, web/provider_logout.py and cli/session_commands.py. Nothing here can open a record;
what is known of a session is its summary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from doorkey.sessions.ids import public_id
from doorkey.sessions.lifecycle import OpenSession
from doorkey.sessions.seal import Keyring
from doorkey.sessions.store import SessionStore, StoredRecord
from doorkey.sessions.summary import Summary

GATE_TOKENS = "gate tokens"
"""Kept beside the sessions (gate/gate_tokens.py), under this name in place of a user."""


@dataclass(frozen=True)
class Entry:
    """One session; `has_sid`: its provider told the name of its own.

    `summary` is None when no server key of today opens it (then no cookie opens the session either).
    """

    record_id: bytes
    ends: float
    summary: Summary | None
    has_sid: bool = False

    @property
    def public_id(self) -> str:
        return public_id(self.record_id)


class Roster:
    """Every method may raise `StoreUnavailable`."""

    def __init__(self, store: SessionStore, keyring: Keyring):
        self._store = store
        self._keyring = keyring

    def same_person(self, session: OpenSession) -> list[Entry]:
        """All sessions of whoever has this one, at the same provider; the unnamed have this one only."""
        identity = session.record.identity
        found = self.of_user(identity.provider, identity.sub) if identity.sub else []
        if not any(entry.record_id == session.ids.record_id for entry in found):
            stored = self._store.read(session.ids.record_id)
            found += [self._entry(stored)] if stored else []
        return found

    def of_user(self, provider: str, sub: str) -> list[Entry]:
        """Also those whose summary cannot be read; never one that says it is somebody else's."""
        found = self._found(self._store.list_by_user(key) for key in self._user_keys(provider, sub))
        return [one for one in found if not one.summary or (one.summary.provider, one.summary.sub) == (provider, sub)]

    def of_provider_session(self, provider: str, sid: str) -> list[Entry]:
        """Those that were started in one session at the provider (`sid` of its ID tokens)."""
        return self._found(self._store.list_by_sid(key) for key in self._sid_keys(provider, sid))

    def all(self) -> Iterator[Entry]:
        others = set(self._keyring.index_keys(GATE_TOKENS))
        return (self._entry(stored) for stored in self._store.all() if stored.user_key not in others)

    def end(self, entry: Entry) -> bool:
        """Whether it was still there."""
        return self._store.delete(entry.record_id) is not None

    def end_user(self, provider: str, sub: str) -> int:
        """How many sessions ended."""
        return sum(self._store.delete_by_user(key) for key in self._user_keys(provider, sub))

    def end_provider_session(self, provider: str, sid: str) -> int:
        """How many sessions ended."""
        return sum(self._store.delete_by_sid(key) for key in self._sid_keys(provider, sid))

    def _user_keys(self, provider: str, sub: str) -> list[bytes]:
        return self._keyring.index_keys("user", provider, sub)

    def _sid_keys(self, provider: str, sid: str) -> list[bytes]:
        return self._keyring.index_keys("sid", provider, sid)

    def _found(self, lists: Iterator[list[StoredRecord]]) -> list[Entry]:
        return [self._entry(stored) for found in lists for stored in found]

    def _entry(self, stored: StoredRecord) -> Entry:
        summary = Summary.open(stored.summary, self._keyring, stored.record_id)
        return Entry(stored.record_id, stored.ends, summary, has_sid=stored.sid_key is not None)
