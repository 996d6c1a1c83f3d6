"""How often a browser was sent back to a host, in a sealed cookie of that host's name. Used by gate_return.py."""

import hashlib

from flask import Request, Response

from doorkey.clock import Clock
from doorkey.gate.login_loop import WITHIN_SECONDS, Circle, after_return
from doorkey.gate.tickets import Ticket
from doorkey.sessions.seal import Keyring
from doorkey.web.sealed_cookies import SealedCookies

PREFIX = "doorkey-round-"


class Circles:
    """One cookie for each host, for a minute."""

    def __init__(self, keyring: Keyring, *, secure: bool, clock: Clock):
        self._cookies = SealedCookies(keyring, PREFIX, Circle, purpose="login circle", secure=secure)
        self._clock = clock

    def of(self, request: Request, ticket: Ticket) -> Circle | None:
        return self._cookies.open(request, _name(ticket.authority))

    def count(self, request: Request, response: Response, ticket: Ticket) -> None:
        """The browser is sent back now."""
        circle = after_return(self.of(request, ticket), ticket, self._clock())
        self._cookies.set(response, _name(ticket.authority), circle, int(WITHIN_SECONDS))

    def forget(self, response: Response, ticket: Ticket) -> None:
        self._cookies.forget(response, _name(ticket.authority))


def _name(authority: str) -> str:
    return hashlib.sha256(authority.encode()).hexdigest()[:32]
