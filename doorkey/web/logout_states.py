"""What must come back from a provider that was asked to end its session: one sealed cookie for each sign-out.

Used by logout.py. Whoever comes back without it sees a page that claims less, and nothing else.
"""

import hashlib

import msgspec
from flask import Request, Response

from doorkey.clock import Clock
from doorkey.sessions.seal import Keyring
from doorkey.web.sealed_cookies import SealedCookies

PREFIX = "doorkey-logout-"
SECONDS = 600
MOST = 3
"""Cookies at once: a provider that sends nobody back must not make the Cookie header grow until servers refuse it."""
MOST_DROPPED = 10


class LeftFor(msgspec.Struct, frozen=True, array_like=True):
    """Where the browser was sent, and when."""

    provider: str
    at: float


class LogoutStates:
    """`secure`: the cookies have the `__Host-` prefix and Secure."""

    def __init__(self, keyring: Keyring, *, secure: bool, clock: Clock):
        self._cookies = SealedCookies(keyring, PREFIX, LeftFor, purpose="logout state", secure=secure)
        self._clock = clock

    def remember(self, request: Request, response: Response, state: str, provider: str) -> None:
        """Set the cookie of `state`, and drop the oldest others."""
        self._cookies.set(response, _name(state), LeftFor(provider, self._clock()), SECONDS)
        others = [(found.at if found else 0.0, name) for name, _, found in self._cookies.all(request)]
        for _, name in sorted(others, reverse=True)[MOST - 1 :][:MOST_DROPPED]:
            self._cookies.forget(response, name)

    def take(self, request: Request, response: Response, state: str) -> str:
        """The provider that was left for with `state`, once; "" when this browser did not."""
        found = self._cookies.open(request, _name(state))
        if found is None:
            return ""
        self._cookies.forget(response, _name(state))
        return found.provider if 0 <= self._clock() - found.at + 60 < SECONDS + 60 else ""


def _name(state: str) -> str:
    return hashlib.sha256(b"doorkey logout " + state.encode("utf-8", "surrogatepass")).hexdigest()[:32]
