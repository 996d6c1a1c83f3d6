"""Browsers that go round and round: signed in, sent back, and not let through again.

A circle counts the sign-ins that came one after the other for one host; those of several tabs at once are side by
side, because their tickets were all written before the first of them came back. Three within a minute, and no check in
between that let the session through, are a circle. What is wrong is told from the last ticket.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from doorkey.gate.tickets import Ticket

MOST_RETURNS = 3
WITHIN_SECONDS = 60.0
CLOCKS_SECONDS = 5.0
KNOWN = "not_allowed"
"""The reason of a ticket for somebody whom the gate knew and refused: they switch accounts as often as they like."""


class Circle(msgspec.Struct, frozen=True, array_like=True):
    """`returns` to `authority`, one after the other, between `first` and `last` (seconds since the epoch)."""

    authority: str
    returns: int
    first: float
    last: float


def after_return(circle: Circle | None, ticket: Ticket, now: float) -> Circle:
    """What is known once the browser is sent back with `ticket`."""
    is_over = circle is None or circle.authority != ticket.authority or now - circle.first > WITHIN_SECONDS
    if circle is None or is_over or ticket.reason == KNOWN:
        return Circle(ticket.authority, 1, now, now)
    if ticket.issued <= circle.last:
        return circle
    return Circle(circle.authority, circle.returns + 1, circle.first, now)


def is_closed(circle: Circle | None, ticket: Ticket, let_through: float, now: float) -> bool:
    """Whether another return would be one too many; `let_through`: when the gate last let the session pass, 0 never."""
    return (
        circle is not None
        and ticket.reason != KNOWN
        and circle.authority == ticket.authority
        and circle.returns >= MOST_RETURNS
        and now - circle.first <= WITHIN_SECONDS
        and ticket.issued > circle.last
        and not let_through >= circle.first
    )


@dataclass(frozen=True)
class Cause:
    """A stable `code`, what is wrong, and what to do about it."""

    code: str
    words: str
    hint: str


@dataclass(frozen=True)
class Site:
    """What is configured: `secure` cookies are never sent over plain http."""

    own_url: str
    secure: bool
    cookie_domain: str
    needs_accept: bool


def causes(ticket: Ticket, site: Site, now: float) -> Iterator[Cause]:
    """What may keep the session's cookie from coming back with `ticket`, the surest first."""
    host = ticket.authority.partition(":")[0]
    if site.secure and ticket.url.startswith("http://"):
        words = f"{host} was opened over http, and the cookie travels over https only (it is Secure)."
        yield Cause("secure_on_http", words, "Open it over https, and let the proxy hand on the right scheme.")
    if abs(now - ticket.issued) > CLOCKS_SECONDS and ticket.issued > now:
        words = "The clock of whoever answered the proxy is ahead of the one that answers here."
        yield Cause("clocks_differ", words, "Set the clocks of all machines by NTP.")
    if ticket.cookies == "unknown":
        words = f"A cookie came back, but no session was found for it when {host} asked."
        hint = "Do all Doorkeys behind this address have the same DOORKEY_SECRET_KEY and DOORKEY_SESSION_STORE?"
        yield Cause("session_not_found", words, hint)
    elif ticket.cookies == "several":
        words = "The cookie came back twice, with two values: another site of this domain sets it too."
        yield Cause(
            "several_cookies", words, "Delete the cookies of this domain in the browser, and find out who sets them."
        )
    elif site.needs_accept:
        domain = site.cookie_domain or "none is set"
        words = f"{host} is not under the cookie domain ({domain}), so it needs a cookie of its own."
        hint = f"Does the proxy send https://{ticket.authority}/.doorkey/accept to Doorkey? See docs/gate.md."
        yield Cause("domain_mismatch", words, hint)
    elif ticket.cookies == "none":
        words = f"No cookie at all came with the request for {host}."
        hint = "Does the proxy hand the Cookie header to Doorkey? Does the browser block cookies?"
        yield Cause("no_cookie", words, hint)
    else:
        words = f"Other cookies came with the request for {host}, but not the one that says who you are."
        domain = site.cookie_domain or "not set"
        hint = f"DOORKEY_COOKIE_DOMAIN is {domain}: is {host} under it? Does the browser block it?"
        yield Cause("cookie_missing", words, hint)
