"""Tokens of our own for API clients: made by an operator, kept as a hash, scoped, and over after a while.

They lie in the session store under the hash of their secret, sealed under a server key, so nobody can read them from
there, and ending one is deleting it. Made and listed by `doorkey gate-token`, opened by bearer.py.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from doorkey.base64url import decode, encode
from doorkey.clock import Clock, RandomBytes, iso
from doorkey.gate.decide import Caller
from doorkey.oauth.return_target import host_matches
from doorkey.oauth.user_info import Identity
from doorkey.sessions.ids import public_id
from doorkey.sessions.roster import GATE_TOKENS
from doorkey.sessions.seal import Keyring
from doorkey.sessions.store import SessionStore, StoredRecord

PREFIX = "dkgt_"
PROVIDER = "doorkey.token"
"""What applications are told in place of a provider; no provider's id has a dot."""

PURPOSE = "gate token"
HOST_SCOPE = "host:"


class GateToken(msgspec.Struct, frozen=True, array_like=True):
    """`user` is whom it stands for. A scope `host:NAME` (or `host:*.suffix`) confines it there."""

    user: str
    scopes: tuple[str, ...]
    groups: tuple[str, ...]
    created: float
    ends: float

    def reaches(self, authority: str) -> bool:
        """Whether its `host:` scopes, if any, name this host."""
        hosts = [scope.removeprefix(HOST_SCOPE) for scope in self.scopes if scope.startswith(HOST_SCOPE)]
        return not hosts or host_matches(authority, hosts)


_TOKEN = msgspec.msgpack.Decoder(GateToken)


@dataclass(frozen=True)
class Listed:
    """A token as an operator sees it; `id` names it and opens nothing."""

    id: str
    token: GateToken


class GateTokens:
    """Every method may raise `StoreUnavailable`."""

    def __init__(self, store: SessionStore, keyring: Keyring, clock: Clock, random: RandomBytes):
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._random = random

    def new(
        self, user: str, *, scopes: tuple[str, ...] = (), groups: tuple[str, ...] = (), seconds: int
    ) -> tuple[str, Listed]:
        """The secret, which is shown once and kept nowhere, and the token."""
        now, secret = self._clock(), self._random(32)
        token = GateToken(user, scopes, groups, now, now + seconds)
        record_id = _record_id(secret)
        self._store.create(
            StoredRecord(
                record_id=record_id,
                version=0,
                sealed=self._keyring.seal(msgspec.msgpack.encode(token), purpose=PURPOSE, bound_to=record_id),
                ends=token.ends,
                user_key=self._keyring.index_key(GATE_TOKENS),
            )
        )
        return PREFIX + encode(secret), Listed(public_id(record_id), token)

    def open(self, text: str) -> tuple[Listed | None, str]:
        """The token of this secret, and why it is not to be accepted: "" for one that lives."""
        secret = decode(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
        stored = self._store.read(_record_id(secret)) if secret and len(secret) == 32 else None
        token = self._unseal(stored) if stored else None
        if stored is None or token is None:
            return None, "it is unknown, or was revoked"
        why = "" if self._clock() < token.ends else f"it ended at {iso(token.ends)}"
        return Listed(public_id(stored.record_id), token), why

    def all(self) -> list[Listed]:
        """The live ones, oldest first."""
        now = self._clock()
        found = [listed for _, listed in self._stored() if now < listed.token.ends]
        return sorted(found, key=lambda listed: listed.token.created)

    def revoke(self, id: str) -> bool:
        """Whether there was one of this id."""
        found = [record_id for record_id, listed in self._stored() if listed.id == id]
        return sum(self._store.delete(record_id) is not None for record_id in found) > 0

    def _stored(self) -> Iterator[tuple[bytes, Listed]]:
        for key in self._keyring.index_keys(GATE_TOKENS):
            for stored in self._store.list_by_user(key):
                if token := self._unseal(stored):
                    yield stored.record_id, Listed(public_id(stored.record_id), token)

    def _unseal(self, stored: StoredRecord) -> GateToken | None:
        content = self._keyring.open(stored.sealed, purpose=PURPOSE, bound_to=stored.record_id)
        try:
            return _TOKEN.decode(content) if content is not None else None
        except (msgspec.MsgspecError, ValueError):
            return None


def caller_of(token: GateToken) -> Caller:
    identity = Identity(provider=PROVIDER, sub=token.user, groups=token.groups)
    return Caller(identity, token.ends, token.scopes)


def _record_id(secret: bytes) -> bytes:
    return hashlib.sha256(b"doorkey gate token" + secret).digest()
