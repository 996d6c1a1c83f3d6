"""API clients: a bearer token becomes a `Caller`, or nobody (RFC 6750).

Each `Reader` knows one kind of token; the first that takes a token for its own decides. Gate tokens are always known;
JWTs and introspected tokens only when settings name their issuer and audience.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from doorkey import events
from doorkey.gate.decide import Caller
from doorkey.gate.gate_tokens import PREFIX, GateTokens, caller_of
from doorkey.gate.original_request import Original

LONGEST = 16 * 1024


class Reader(Protocol):
    """Raises `StoreUnavailable` or another `DoorkeyError` when it cannot tell now.

    `asks_others`: it may have to wait for somebody else's server.
    """

    asks_others: bool

    def knows(self, token: str) -> bool:
        """Whether `token` is of its kind, by its form."""

    def read(self, token: str, original: Original) -> Caller | None:
        """Whoever the token stands for; None when it is not accepted."""


class OwnTokens:
    """Reads gate tokens."""

    asks_others = False

    def __init__(self, tokens: GateTokens):
        self._tokens = tokens

    def knows(self, token: str) -> bool:
        return token.startswith(PREFIX)

    def read(self, token: str, original: Original) -> Caller | None:
        found, why = self._tokens.open(token)
        if found and not found.token.reaches(original.authority):
            why = f"its scopes do not name {original.authority}"
        if found is None or why:
            id = found.id if found else ""
            events.log(events.GATE_REFUSED, level=logging.WARNING, code="invalid_token", token=id, detail=why)
            return None
        return caller_of(found.token)


class Bearers:
    """All readers, in order."""

    def __init__(self, readers: Sequence[Reader]):
        self._readers = readers

    def caller(self, token: str, original: Original) -> Caller | None:
        """Raises `StoreUnavailable` or another `DoorkeyError`."""
        reader = self._reader(token)
        return reader.read(token, original) if reader else None

    def asks_others(self, token: str) -> bool:
        """Whether `caller()` may have to wait for somebody else's server."""
        reader = self._reader(token)
        return reader is not None and reader.asks_others

    def _reader(self, token: str) -> Reader | None:
        if not token or len(token) > LONGEST or not token.isascii():
            return None
        return next((reader for reader in self._readers if reader.knows(token)), None)
