"""Signing out: a page that asks, a POST that ends the session here, at the token endpoint and at the provider.

    POST /logout -> record deleted -> token revoked -> 303 to the provider, where it offers that, or to /logged-out

What comes after the record is deleted changes nothing about that. Logouts that begin at the provider are
provider_logout.py's.
"""

import contextvars
import threading
import time
from collections.abc import Callable
from math import inf

from flask import Blueprint, Response, make_response, render_template, request

from doorkey import events
from doorkey.base64url import encode
from doorkey.errors import DoorkeyError, StoreUnavailable
from doorkey.oauth.provider import Provider
from doorkey.oauth.revocation import note_failure, take_back
from doorkey.oauth.rp_logout import end_session_url
from doorkey.oauth.token import Token
from doorkey.sessions.lifecycle import OpenSession
from doorkey.sessions.record import Record
from doorkey.web.runtime import doorkey, public_url
from doorkey.web.security import may_leave_to_provider, redirect_to, refuse_forged_form
from doorkey.web.session_interface import browser_session

bp = Blueprint("logout", __name__)

CLEAR = '"cache", "storage"'
"""Not "cookies": that would take those of every site under the same registrable domain."""

LOOKS = 60
LOOK_SECONDS = 1.0


@bp.get("/logout")
def ask() -> Response:
    """A link or an image can only ever ask."""
    current = browser_session().current
    token = current.ids.csrf_token if current else ""
    response = make_response(render_template("sign_out.html", signed_in=current is not None, csrf_token=token))
    return may_leave_to_provider(response, current.record.identity.provider if current else "")


@bp.post("/logout")
def sign_out() -> Response:
    """Raises `ForgedRequest`; without a session there is nothing to end and nothing to protect."""
    current = browser_session().current
    if current:
        refuse_forged_form(current.ids)
        return leave(current)
    browser_session().end()  # only the cookie of one that is over goes
    return _goodbye()


def leave(current: OpenSession, *, also: Callable[[], None] = lambda: None) -> Response:
    """End the session of this browser, do what else there is to end, and go on to the provider."""
    record = current.record
    try:
        record = browser_session().end() or record  # a refresh may have renewed the token just now
        also()
    except StoreUnavailable:  # it may have ended all the same, and nobody would know the token any more
        _revoke_if_it_ended(current, record.token)
        raise
    identity = record.identity
    events.log(events.LOGOUT, provider=identity.provider, user=identity.user, session=current.ids.public_id)
    response = _goodbye()
    leave_provider(response, record)
    return response


def _goodbye() -> Response:
    response = redirect_to("/logged-out")
    response.headers["Clear-Site-Data"] = CLEAR
    return response


def leave_provider(response: Response, record: Record) -> None:
    """After the session of `record` has ended here: its token goes, and `response` leads on to the provider."""
    provider = _described(record.identity.provider)
    if provider is None:
        return
    take_back(provider, record.token, transport=doorkey().transport, clock=doorkey().clock)
    state = encode(doorkey().random(16))
    return_to = provider.post_logout_redirect_uri or f"{public_url()}/logged-out"
    url = end_session_url(provider, id_token=record.token.id_token or "", state=state, return_to=return_to)
    if url:
        response.headers["Location"] = url
        doorkey().logout_states.remember(request, response, state, provider.id)


def _described(id: str) -> Provider | None:
    """The provider with its endpoints; None when it is not configured any more, or cannot be asked what they are."""
    if id not in doorkey().providers:
        return None
    try:
        return doorkey().directory.describe(doorkey().provider(id), max_age=inf)
    except DoorkeyError as error:
        note_failure(id, error)
        return None


def _revoke_if_it_ended(session: OpenSession, token: Token) -> None:
    """In a thread of its own, once the store answers again: whoever is told that it is away is told at once."""
    here, id = doorkey(), session.record.identity.provider
    if id not in here.providers:
        return
    provider = here.provider(id)

    def look() -> None:
        for _ in range(LOOKS):
            try:
                if here.sessions.reopen(session) is None:
                    described = here.directory.describe(provider, max_age=inf)
                    take_back(described, token, transport=here.transport, clock=here.clock)
                return
            except StoreUnavailable:
                time.sleep(LOOK_SECONDS)
            except DoorkeyError as error:
                note_failure(id, error)
                return

    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(look,), name="revocation", daemon=True).start()


@bp.get("/logged-out")
def signed_out() -> Response:
    """Also where a provider sends the browser afterwards; a state that is not ours changes the words only."""
    states = request.args.getlist("state")
    response = Response(mimetype="text/html")
    provider = doorkey().logout_states.take(request, response, states[0]) if len(states) == 1 else ""
    label = doorkey().providers[provider].label if provider in doorkey().providers else ""
    still_in = browser_session().current is not None  # any link may lead here
    response.set_data(render_template("signed_out.html", provider_label=label, still_in=still_in))
    return response


@bp.get("/logged-out/forget.css")
def forget() -> Response:
    """Asked for by the signed-out page, when the page before it has already gone into the back/forward cache.

    The header on the answer to the POST comes too early to empty that.
    """
    return Response(headers={"Clear-Site-Data": CLEAR}, mimetype="text/css")
