"""What people see of the gate: why they may not open something, a form that was not sent, a cookie for another host.

The checks themselves never come here (gate/asgi.py, gate/wsgi.py).
"""

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request

from doorkey import events
from doorkey.errors import AcceptInvalid
from doorkey.gate.tickets import ACCEPT_SECONDS
from doorkey.web.account_view import shown_name
from doorkey.web.gate_return import asked_ticket
from doorkey.web.runtime import doorkey, public_url, request_host
from doorkey.web.security import ACCEPT_PATH, redirect_to
from doorkey.web.session_interface import browser_session

bp = Blueprint("gate_pages", __name__)


@bp.get("/denied")
def denied() -> Response:
    """Who is signed in, which rule decided, and how to be somebody else."""
    ticket = asked_ticket()
    current = browser_session().current
    page = render_template(
        "denied.html",
        ticket=ticket,
        rt=request.args.get("rt", ""),
        account=current.record.identity if current else None,
        name=shown_name(current.record.identity) if current else "",
        request_id=ticket.request_id if ticket else events.request_id.get(),
    )
    return make_response(page, 403)


@bp.get("/form-not-sent")
def form_not_sent() -> Response:
    """A form that somebody sent without a session is never sent by us: they have to go back and send it themselves."""
    return make_response(render_template("form_not_sent.html", ticket=asked_ticket()))


@bp.get(ACCEPT_PATH)
def accept() -> Response:
    """Set the cookie of this host, once; whoever comes later is sent on to sign in. Raises `AcceptInvalid`."""
    if request.method == "HEAD":
        return Response(status=204)
    gate = doorkey().gate
    ticket = gate.accept_tickets.open(request.args.get("t", ""), over_too=True)
    name, _ = request_host()
    if ticket is None or (urlsplit(f"//{ticket.authority}").hostname or "") != name.strip("[]"):
        raise AcceptInvalid("no ticket for this host")
    if not gate.guarded.has(ticket.authority):
        raise AcceptInvalid("the host is not behind the gate any more")
    response = redirect_to(ticket.url)
    is_first = doorkey().sessions.spend("accept " + ticket.id.hex(), seconds=2 * ACCEPT_SECONDS)
    if is_first and gate.accept_tickets.is_live(ticket):
        response.set_cookie(
            gate.cookies.outside,
            gate.cookies.for_outside(ticket.secret, name),
            path="/",
            secure=public_url().startswith("https://"),
            httponly=True,
            samesite="Lax",
        )
    return response
