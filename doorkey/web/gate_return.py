"""The way back to where the gate sent somebody away from: used by login.py and gate_pages.py.

asked_ticket()  the ticket that came in ?rt=
shortcut()      back at once, because the browser is signed in already; or the page that explains a circle
back_to()       where the browser goes after a sign-in
leave_for()     how it gets there
"""

import logging

import msgspec
from flask import Response, make_response, render_template, request

from doorkey import events
from doorkey.gate.login_loop import Site, causes, is_closed
from doorkey.gate.tickets import AcceptTicket, Ticket
from doorkey.sessions.ids import SessionIds
from doorkey.web.runtime import doorkey, public_url
from doorkey.web.security import redirect_to
from doorkey.web.session_interface import browser_session


def asked_ticket() -> Ticket | None:
    """The live ticket of this request, for a host that is still behind the gate; None when there is none."""
    given = request.args.getlist("rt")
    if not given:
        return None
    ticket = doorkey().gate.return_tickets.open(given[0]) if len(given) == 1 else None
    if ticket is None or not doorkey().gate.guarded.has(ticket.authority):
        events.log(events.REDIRECT_REJECTED, level=logging.WARNING)
        return None
    return ticket


def shortcut(ticket: Ticket) -> Response | None:
    """Without another sign-in, where that can help; None when the browser has to go to the provider.

    Raises `StoreUnavailable`.
    """
    current = browser_session().current
    let_through = current.record.gate_seen if current else 0.0
    if is_closed(doorkey().circles.of(request, ticket), ticket, let_through, doorkey().clock()):
        return _explained(ticket)
    provider = current.record.identity.provider if current else ""
    if current is None or (ticket.provider or provider) != provider or "prompt" in request.args:
        return None
    browser_session().send_again()
    response = redirect_to(back_to(ticket, current.ids), 302)
    doorkey().circles.count(request, response, ticket)
    return response


def back_to(ticket: Ticket, ids: SessionIds) -> str:
    """The page that was asked for, by way of a cookie for a host that ours does not reach, or of a word on a form."""
    gate, now = doorkey().gate, doorkey().clock()
    if not gate.guarded.has(ticket.authority):
        return "/"
    if ticket.is_form:
        return f"/form-not-sent?rt={gate.return_tickets.seal(msgspec.structs.replace(ticket, issued=now))}"
    if not needs_accept(ticket):
        return ticket.url
    id = doorkey().random(16)
    accept = AcceptTicket(ticket.url, ticket.authority, ids.gate_secret, id, now)
    return f"{_origin(ticket.url)}/.doorkey/accept?t={gate.accept_tickets.seal(accept)}"


def leave_for(url: str) -> Response:
    """By 303; a browser that goes to another site by a page that goes on by itself.

    A sign-in is often a form at the provider, and Chromium holds every redirect after a form against the form-action
    of the page it was on: our callback is allowed there, and the site that we send the browser on to may not be.
    """
    site, dest = (request.headers.get(f"Sec-Fetch-{name}") for name in ("Site", "Dest"))
    comes_from_a_page = dest == "document" and site in ("cross-site", "same-site")
    if not comes_from_a_page or url.startswith(("/", public_url() + "/")):
        return redirect_to(url)
    response = make_response(render_template("going_on.html", url=url, site=_origin(url).partition("://")[2]))
    response.headers["Refresh"] = f"0; url={url}"
    return response


def needs_accept(ticket: Ticket) -> bool:
    """Whether the host needs a cookie of its own; over http none would be Secure, except where ours is not either."""
    host = _host(ticket.authority)
    would_be_sent = ticket.url.startswith("https://") or public_url().startswith("http://")
    return would_be_sent and not doorkey().gate.cookies.reaches(host)


def _host(authority: str) -> str:
    return authority if authority.endswith("]") else authority.rpartition(":")[0] or authority


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _explained(ticket: Ticket) -> Response:
    """Instead of another round: what is wrong, as far as can be told, and a way to try again."""
    settings = doorkey().settings
    site = Site(
        own_url=public_url(),
        secure=public_url().startswith("https://"),
        cookie_domain=settings.cookie_domain,
        needs_accept=needs_accept(ticket),
    )
    found = list(causes(ticket, site, doorkey().clock()))
    events.log(events.GATE_LOOP, level=logging.ERROR, host=ticket.authority, causes=[cause.code for cause in found])
    page = render_template(
        "login_loop.html", ticket=ticket, causes=found, request_id=events.request_id.get(), site=_origin(ticket.url)
    )
    response = make_response(page, 409)
    doorkey().circles.forget(response, ticket)
    return response
