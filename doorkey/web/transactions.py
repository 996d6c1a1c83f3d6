"""One sealed cookie for each pending sign-in, so that every tab finishes on its own.

The cookie is named after its state. Nothing is stored on the server before a sign-in is finished.
"""

import msgspec
from flask import Request, Response

from doorkey.clock import Clock
from doorkey.oauth.flow import LOGIN_SECONDS, Begun, Transaction, state_name
from doorkey.sessions.seal import Keyring
from doorkey.web.sealed_cookies import SealedCookies

PREFIX = "doorkey-login-"
MOST_PENDING = 5
MOST_DROPPED = 20
"""In one answer; somebody who planted more gets the rest dropped next time."""

MOST_BYTES = 4096
"""All pending cookies together: servers refuse requests whose Cookie header grows too long."""


class Transactions:
    """`secure`: the cookies have the `__Host-` prefix and Secure; false on plain-http loopback only."""

    def __init__(self, keyring: Keyring, *, secure: bool, clock: Clock):
        self._cookies = SealedCookies(keyring, PREFIX, Transaction, purpose="login transaction", secure=secure)
        self._clock = clock

    def remember(self, request: Request, response: Response, begun: Begun) -> None:
        """Set the cookie of `begun`, and drop the oldest others beyond the limits."""
        size = self._set(response, begun)
        left, dropped = MOST_BYTES - size, []
        for number, (other, size) in enumerate(self._pending(request), start=2):
            left -= size
            if number > MOST_PENDING or left < 0:
                dropped.append(other)
        for other in dropped[:MOST_DROPPED]:
            self._cookies.forget(response, other)

    def _set(self, response: Response, begun: Begun) -> int:
        name, transaction = state_name(begun.state), begun.transaction
        try:
            return self._cookies.set(response, name, transaction, LOGIN_SECONDS)
        except ValueError:  # better the home page in the end than no sign-in at all
            return self._cookies.set(
                response, name, msgspec.structs.replace(transaction, return_to="", gate=b""), LOGIN_SECONDS
            )

    def open(self, request: Request, state: str) -> Transaction | None:
        """The live transaction of `state` in this browser; None when there is no such, or it was altered."""
        transaction = self._cookies.open(request, state_name(state))
        return transaction if transaction and transaction.is_live(self._clock()) else None

    def forget(self, response: Response, state: str) -> None:
        """Delete the cookie of a transaction that was used."""
        self._cookies.forget(response, state_name(state))

    def _pending(self, request: Request) -> list[tuple[str, int]]:
        """Name and size of the transaction cookies that came along, newest first, unreadable ones last."""
        ages: list[tuple[float, str, int]] = []
        for name, size, found in self._cookies.all(request):
            live = found is not None and found.is_live(self._clock())
            ages.append((found.began_at if found and live else 0, name, size if live else MOST_BYTES))
        return [(name, size) for _, name, size in sorted(ages, reverse=True)]
