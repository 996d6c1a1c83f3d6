"""One sealed cookie for each pending sign-in, so that every tab finishes on its own.

The cookie is named after its state and bound to that name; its `__Host-` prefix keeps sibling
sites from planting one. Nothing is stored on the server before a sign-in is finished.
"""

import re
import zlib

import msgspec
from flask import Request, Response

from doorkey.base64url import decode, encode
from doorkey.clock import Clock
from doorkey.oauth.flow import LOGIN_SECONDS, Begun, Transaction, state_name
from doorkey.sessions.seal import Keyring

PREFIX = "doorkey-login-"
MOST_PENDING = 5
MOST_DROPPED = 20
"""In one answer; somebody who planted more gets the rest dropped next time."""
MOST_BYTES = 4096
"""All pending cookies together: servers refuse requests whose Cookie header grows too long."""


class Transactions:
    """`secure`: the cookies have the `__Host-` prefix and Secure; false on plain-http loopback only."""

    def __init__(self, keyring: Keyring, *, secure: bool, clock: Clock):
        self._keyring = keyring
        self._secure = secure
        self._prefix = ("__Host-" if secure else "") + PREFIX
        self._name = re.compile(re.escape(self._prefix) + "[0-9a-f]{32}")
        self._clock = clock

    def remember(self, request: Request, response: Response, begun: Begun) -> None:
        """Set the cookie of `begun`, and drop the oldest others beyond the limits."""
        name = self._prefix + state_name(begun.state)
        value = self._seal(name, begun.transaction)
        self._set(response, name, value, LOGIN_SECONDS)
        left, dropped = MOST_BYTES - len(name) - len(value), []
        for number, (other, size) in enumerate(self._pending(request), start=2):
            left -= size
            if number > MOST_PENDING or left < 0:
                dropped.append(other)
        for other in dropped[:MOST_DROPPED]:
            self._set(response, other, "", 0)

    def open(self, request: Request, state: str) -> Transaction | None:
        """The live transaction of `state` in this browser; None when there is no such, or it was altered."""
        name = self._prefix + state_name(state)
        values = request.cookies.getlist(name)
        transaction = self._open(name, values[0]) if len(values) == 1 else None
        return transaction if transaction and transaction.is_live(self._clock()) else None

    def forget(self, response: Response, state: str) -> None:
        """Delete the cookie of a transaction that was used."""
        self._set(response, self._prefix + state_name(state), "", 0)

    def _pending(self, request: Request) -> list[tuple[str, int]]:
        """Name and size of the transaction cookies that came along, newest first, unreadable ones last."""
        ages: list[tuple[float, str, int]] = []
        for name, value in request.cookies.items():
            if self._name.fullmatch(name):
                found = self._open(name, value)
                live = found is not None and found.is_live(self._clock())
                size = len(name) + len(value) if live else MOST_BYTES
                ages.append((found.began_at if found and live else 0, name, size))
        return [(name, size) for _, name, size in sorted(ages, reverse=True)]

    def _seal(self, name: str, transaction: Transaction) -> str:
        content = zlib.compress(msgspec.msgpack.encode(transaction), 9, wbits=-15)
        sealed = self._keyring.seal(content, purpose="login transaction", bound_to=name.encode())
        return encode(sealed)

    def _open(self, name: str, value: str) -> Transaction | None:
        sealed = decode(value)
        if sealed is None:
            return None
        content = self._keyring.open(sealed, purpose="login transaction", bound_to=name.encode())
        if content is None:
            return None
        try:
            return msgspec.msgpack.decode(zlib.decompress(content, wbits=-15), type=Transaction)
        except (zlib.error, msgspec.DecodeError):  # sealed by another version of Doorkey
            return None

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="Lax")
