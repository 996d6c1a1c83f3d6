"""Signing in: /login sends the browser away, /callback/<provider> takes it back.

Every decision is in oauth/flow.py; the order of the steps is here.
"""

import logging

from flask import Blueprint, Response, after_this_request, make_response, render_template, request

from doorkey import events
from doorkey.errors import DoorkeyError, LoginAlreadyUsed, StateMismatch
from doorkey.oauth.flow import (
    LOGIN_SECONDS,
    SignedIn,
    Transaction,
    begin,
    check_callback,
    finish,
    read_state,
    state_name,
)
from doorkey.oauth.provider import Provider
from doorkey.oauth.return_target import safe_return_target
from doorkey.oauth.trace import Trace
from doorkey.web.device_label import device_label
from doorkey.web.rate_limit import client_address
from doorkey.web.runtime import doorkey, public_url
from doorkey.web.security import redirect_to
from doorkey.web.session_interface import browser_session
from doorkey.web.sign_in_page import provider_buttons

bp = Blueprint("login", __name__)


@bp.get("/login")
def start() -> Response:
    """To the provider; to the choice of one when several are configured and none is named."""
    if request.method == "HEAD":
        return Response(status=204)
    _limit("login")
    return_to = _return_target(request.args.getlist("next"))
    providers = doorkey().providers
    if "provider" not in request.args and len(providers) > 1:
        return make_response(render_template("sign_in.html", providers=provider_buttons(return_to)))
    provider = doorkey().provider(request.args.get("provider", next(iter(providers))))
    begun = begin(
        provider,
        redirect_uri=f"{public_url()}/callback/{provider.id}",
        return_to=return_to,
        transport=doorkey().transport,
        now=doorkey().clock(),
        random=doorkey().random,
    )
    response = redirect_to(begun.url, 302)
    doorkey().transactions.remember(request, response, begun)
    events.log(events.LOGIN_STARTED, provider=provider.id)
    return response


@bp.get("/callback/<provider_id>")
def callback(provider_id: str) -> Response:
    """RFC 6749 section 4.1.2, in this order: state, spent once, iss, error, code, exchange, session."""
    if request.method == "HEAD":
        return Response(status=204)
    _limit("callback")
    provider = doorkey().provider(provider_id)
    state = read_state(request.args.getlist)
    transaction = doorkey().transactions.open(request, state)
    if transaction is None or transaction.provider != provider.id:
        raise StateMismatch("no pending sign-in of this browser and provider has this state")
    _spend(state)
    signed_in = _finish(provider, transaction)
    browser_session().begin(signed_in.identity, signed_in.token, label=device_label(request.user_agent.string))
    events.log(events.LOGIN_OK, provider=provider.id, user=signed_in.identity.sub, address=_address())
    return redirect_to(_checked_again(transaction.return_to))


def _limit(what: str) -> None:
    doorkey().rate_limit.spend(what, _address())


def _address() -> str:
    forwarded = request.headers.get("X-Forwarded-For", "")
    return client_address(request.remote_addr or "", forwarded, doorkey().settings.trusted_proxies)


def _spend(state: str) -> None:
    """Before anything the callback says is looked at; from here on its cookie is of no more use."""
    if not doorkey().sessions.spend("login " + state_name(state), seconds=LOGIN_SECONDS + 120):
        raise LoginAlreadyUsed()

    @after_this_request
    def forget(response: Response) -> Response:
        doorkey().transactions.forget(response, state)
        return response


def _finish(provider: Provider, transaction: Transaction) -> SignedIn:
    """Check, exchange, identify; a failure is logged with all steps before it goes on."""
    trace = Trace()
    try:
        checked = check_callback(provider, transaction, request.args.getlist, trace)
        return finish(checked, transport=doorkey().transport, trace=trace, clock=doorkey().clock)
    except DoorkeyError as error:
        events.log(
            events.LOGIN_FAILED,
            level=logging.WARNING,
            provider=provider.id,
            code=error.code,
            address=_address(),
            trace=trace.as_data(),
        )
        raise


def _return_target(given: list[str]) -> str:
    """The target asked for, or "" for none; a refused one is dropped and noted."""
    if not given:
        return ""
    target = _safe(given[0]) if len(given) == 1 else None
    if target is None:
        events.log(events.REDIRECT_REJECTED, level=logging.WARNING)
    return target or ""


def _checked_again(return_to: str) -> str:
    return (_safe(return_to) if return_to else None) or "/"


def _safe(target: str) -> str | None:
    return safe_return_target(target, own_origin=public_url(), allowed_hosts=doorkey().settings.allowed_hosts)
