"""The home page, and the same as JSON: who, provider, scope asked and granted, expiry, session ends."""

from flask import Blueprint, Response, jsonify, make_response, render_template

from doorkey.clock import iso
from doorkey.sessions.record import Record
from doorkey.web.account_view import account_view
from doorkey.web.fresh_session import fresh_session
from doorkey.web.runtime import doorkey, visitor_address
from doorkey.web.security import may_leave_to_provider, redirect_to, refuse_forged_form
from doorkey.web.session_interface import browser_session
from doorkey.web.sign_in_page import provider_buttons

bp = Blueprint("account", __name__)


@bp.get("/")
def home() -> Response:
    current = fresh_session()
    if current is None:
        return make_response(render_template("sign_in.html", providers=provider_buttons()))
    view = account_view(current.record, provider_label(current.record), doorkey().clock())
    response = make_response(render_template("home.html", account=view, csrf_token=current.ids.csrf_token))
    return may_leave_to_provider(response, current.record.identity.provider)


@bp.post("/account/refresh")
def refresh() -> Response:
    """The button that renews the token. Raises `ForgedRequest`, or what the provider failed with."""
    current = browser_session().current
    if current:
        refuse_forged_form(current.ids)
        doorkey().rate_limit.spend("refresh", visitor_address())
        fresh_session(wanted=True)
    return redirect_to("/")


@bp.get("/session")
def session_as_json() -> Response:
    """Never a token: a script of ours may read this, and so may anybody looking over a shoulder."""
    current = fresh_session()
    if current is None:
        return jsonify({"active": False})
    record, identity, token = current.record, current.record.identity, current.record.token
    return jsonify(
        {
            "active": True,
            "user": identity.user,
            "name": identity.name,
            "email": identity.email,
            "groups": identity.groups,
            "provider": identity.provider,
            "scope": " ".join(token.scope_granted),
            "requested_scope": " ".join(token.scope_asked),
            "scope_confirmed": token.scope_confirmed,
            "expires_at": None if token.expires_at is None else int(token.expires_at),
            "expires_at_utc": None if token.expires_at is None else iso(token.expires_at),
            "expired": token.is_expired(doorkey().clock()),
            "refresh_error": record.refresh_error or None,
            "session_idle_ends_at": int(record.idle_ends),
            "session_ends_at": int(record.absolute_ends),
        }
    )


def provider_label(record: Record) -> str:
    """The label of today's settings; the id when that provider is no longer configured."""
    provider = doorkey().providers.get(record.identity.provider)
    return provider.label if provider else record.identity.provider
