"""Short-lived values that travel in the browser only: sealed, each in a cookie of its own.

A value opens only under the cookie name it was sealed for; with `secure` the name has the `__Host-` prefix, which
keeps sibling sites from planting one. Used by transactions.py and posted_callbacks.py.
"""

import re
import zlib
from typing import Generic, TypeVar

import msgspec
from flask import Request, Response

from doorkey.base64url import decode, encode
from doorkey.sessions.seal import Keyring

T = TypeVar("T", bound=msgspec.Struct)

LARGEST = 4000
"""Bytes of name and value; browsers drop cookies of more than 4,096."""


class SealedCookies(Generic[T]):
    """Cookies named `prefix` and a name of 32 hexadecimal digits, holding values of type `kind`."""

    def __init__(self, keyring: Keyring, prefix: str, kind: type[T], *, purpose: str, secure: bool):
        self._keyring = keyring
        self._prefix = ("__Host-" if secure else "") + prefix
        self._pattern = re.compile(re.escape(self._prefix) + "([0-9a-f]{32})")
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._purpose = purpose
        self._secure = secure

    def set(self, response: Response, name: str, value: T, seconds: int) -> int:
        """Set the cookie; how many bytes it takes. Raises `ValueError` when it is larger than browsers take."""
        cookie = self._prefix + name
        content = zlib.compress(msgspec.msgpack.encode(value), 9, wbits=-15)
        sealed = encode(self._keyring.seal(content, purpose=self._purpose, bound_to=cookie.encode()))
        if len(cookie) + len(sealed) > LARGEST:
            raise ValueError("too large for a cookie")
        self._write(response, cookie, sealed, seconds)
        return len(cookie) + len(sealed)

    def open(self, request: Request, name: str) -> T | None:
        """The value that came along under `name`; None when there is none, or several, or it was altered."""
        values = request.cookies.getlist(self._prefix + name)
        return self._unseal(self._prefix + name, values[0]) if len(values) == 1 else None

    def forget(self, response: Response, name: str) -> None:
        self._write(response, self._prefix + name, "", 0)

    def all(self, request: Request) -> list[tuple[str, int, T | None]]:
        """Name, size and value of every such cookie that came along; None: it cannot be read."""
        found = ((self._pattern.fullmatch(cookie), value) for cookie, value in request.cookies.items())
        return [
            (match[1], len(match[0]) + len(value), self._unseal(match[0], value)) for match, value in found if match
        ]

    def _unseal(self, cookie: str, value: str) -> T | None:
        sealed = decode(value)
        if sealed is None:
            return None
        content = self._keyring.open(sealed, purpose=self._purpose, bound_to=cookie.encode())
        if content is None:
            return None
        try:
            return self._decoder.decode(zlib.decompress(content, wbits=-15))
        except (zlib.error, msgspec.DecodeError):  # sealed by another version of Doorkey
            return None

    def _write(self, response: Response, cookie: str, value: str, seconds: int) -> None:
        response.set_cookie(
            cookie, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="Lax"
        )
