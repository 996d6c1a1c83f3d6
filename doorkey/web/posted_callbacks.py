"""Answers that a provider has the browser post (OAuth 2.0 Form Post Response Mode).

A form that another site posts comes without our Lax cookies, so the sign-in it belongs to cannot be found.
The fields are parked, sealed, in the browser for a minute, and the browser is sent to the same callback by GET,
where the cookies arrive.
"""

from collections.abc import Callable, Sequence

import msgspec
from flask import Request, Response

from doorkey.clock import Clock
from doorkey.errors import CallbackMalformed
from doorkey.oauth.flow import state_name
from doorkey.sessions.seal import Keyring
from doorkey.web.sealed_cookies import SealedCookies

PREFIX = "doorkey-posted-"
SECONDS = 60
FIELDS = ("code", "error", "error_description", "iss", "state")
LONGEST_DESCRIPTION = 500
PARAMETER = "posted"
"""What the address of the callback names a parked answer with."""


class Posted(msgspec.Struct, frozen=True, array_like=True):
    """The fields of one answer, each as often as it came, and when that was."""

    fields: dict[str, list[str]]
    at: float


class PostedCallbacks:
    """`secure` as for `Transactions`."""

    def __init__(self, keyring: Keyring, *, secure: bool, clock: Clock):
        self._cookies = SealedCookies(keyring, PREFIX, Posted, purpose="posted callback", secure=secure)
        self._clock = clock

    def park(self, request: Request, response: Response, state: str) -> str:
        """Set the cookie; the name of the parked answer. Raises `CallbackMalformed` when it is too large."""
        fields = {name: request.form.getlist(name) for name in FIELDS if name in request.form}
        fields["error_description"] = [text[:LONGEST_DESCRIPTION] for text in fields.get("error_description", [])]
        name = state_name(state)
        try:
            self._cookies.set(response, name, Posted(fields, self._clock()), SECONDS)
        except (ValueError, UnicodeEncodeError):
            hint = "Set RESPONSE_MODE=query for this provider."
            raise CallbackMalformed("the posted answer is too large", hint=hint) from None
        return name

    def take(self, request: Request, name: str) -> Callable[[str], Sequence[str]] | None:
        """The parameters of a parked answer; None when it is not there or is too old."""
        posted = self._cookies.open(request, name)
        if posted is None or not -60 <= self._clock() - posted.at < SECONDS:
            return None
        return lambda parameter: posted.fields.get(parameter, [])

    def forget(self, response: Response, name: str) -> None:
        self._cookies.forget(response, name)
