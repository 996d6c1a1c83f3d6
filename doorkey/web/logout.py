"""Signing out: a page that asks, a POST that ends the session here and revokes its token, a page that says so."""

import logging
from math import inf

from flask import Blueprint, Response, make_response, render_template

from doorkey import events
from doorkey.errors import DoorkeyError
from doorkey.oauth.revocation import revoke
from doorkey.sessions.record import Record
from doorkey.web.runtime import doorkey
from doorkey.web.security import redirect_to, refuse_forged_form
from doorkey.web.session_interface import browser_session

bp = Blueprint("logout", __name__)

CLEAR = '"cache", "storage"'
"""Not "cookies": that would take those of every site under the same registrable domain."""


@bp.get("/logout")
def ask() -> Response:
    """A link or an image can only ever ask."""
    current = browser_session().current
    token = current.ids.csrf_token if current else ""
    return make_response(render_template("sign_out.html", signed_in=current is not None, csrf_token=token))


@bp.post("/logout")
def sign_out() -> Response:
    """Raises `ForgedRequest`; without a session there is nothing to end and nothing to protect."""
    session = browser_session()
    current = session.current
    if current:
        refuse_forged_form(current.ids)
    session.end()  # without a live session: only the cookie of one that is over goes
    if current:
        identity = current.record.identity
        events.log(events.LOGOUT, provider=identity.provider, user=identity.user, session=current.ids.public_id)
        _revoke(current.record)
    response = redirect_to("/logged-out")
    response.headers["Clear-Site-Data"] = CLEAR
    return response


def _revoke(record: Record) -> None:
    """At the provider, where it offers that; the session has ended here whatever comes of it."""
    provider = record.identity.provider
    if provider not in doorkey().providers:
        return
    try:
        described = doorkey().directory.describe(doorkey().provider(provider), max_age=inf)
        if revoke(described, record.token, transport=doorkey().transport, clock=doorkey().clock):
            events.log(events.TOKEN_REVOKED, provider=provider)
    except DoorkeyError as error:
        events.log(
            events.REVOCATION_FAILED, level=logging.WARNING, provider=provider, code=error.code, detail=error.detail
        )


@bp.get("/logged-out")
def signed_out() -> Response:
    return make_response(render_template("signed_out.html"))


@bp.get("/logged-out/forget.css")
def forget() -> Response:
    """Asked for by the signed-out page, when the page before it has already gone into the back/forward cache.

    The header on the answer to the POST comes too early to empty that.
    """
    return Response(headers={"Clear-Site-Data": CLEAR}, mimetype="text/css")
