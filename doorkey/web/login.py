"""Signing in: /login sends the browser away, /callback/<provider> takes it back.

Every decision is in oauth/flow.py; the order of the steps is here.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from flask import Blueprint, Response, after_this_request, make_response, render_template, request
from werkzeug.exceptions import MethodNotAllowed

from doorkey import events
from doorkey.errors import DoorkeyError, LoginAlreadyUsed, SessionOver, StateMismatch, UnknownProvider
from doorkey.gate.tickets import Ticket
from doorkey.oauth.flow import (
    LOGIN_SECONDS,
    Params,
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
from doorkey.setting_urls import LONGEST_URL
from doorkey.web import gate_return
from doorkey.web.device_label import device_label
from doorkey.web.posted_callbacks import PARAMETER
from doorkey.web.provider_logout import logged_out
from doorkey.web.runtime import doorkey, public_url, visitor_address
from doorkey.web.security import redirect_to
from doorkey.web.session_interface import browser_session
from doorkey.web.sign_in_page import provider_buttons

bp = Blueprint("login", __name__)

PROMPTS = ("none", "login", "consent", "select_account")
LONGEST_HINT = 255
ELSEWHERE = ("iss", "login_hint", "target_link_uri")


@bp.get("/login")
def start() -> Response:
    """To the provider; to the choice of one when several are configured and none is named."""
    if request.method == "HEAD":
        return Response(status=204)
    _limit("login")
    ticket = gate_return.asked_ticket()
    back = gate_return.shortcut(ticket) if ticket else None
    if back:
        return back
    return_to = _return_target(request.args.getlist("next") or request.args.getlist("target_link_uri"))
    provider = _chosen_provider(ticket.provider if ticket else "")
    if provider is None:
        rt = request.args["rt"] if ticket else ""
        buttons = provider_buttons(return_to, rt=rt, hints=_hints())
        return make_response(render_template("sign_in.html", providers=buttons))
    trace = Trace()
    with _failures_logged(provider, trace):
        begun = begin(
            doorkey().directory.describe(provider),
            redirect_uri=public_url() + doorkey().settings.callback_path(provider.id),
            return_to=return_to,
            transport=doorkey().transport,
            trace=trace,
            clock=doorkey().clock,
            random=doorkey().random,
            hints=_hints(),
            gate=ticket.to_bytes() if ticket else b"",
        )
    response = redirect_to(begun.url, 302)
    doorkey().transactions.remember(request, response, begun)
    events.log(events.LOGIN_STARTED, provider=provider.id)
    return response


@bp.post("/login")
def start_elsewhere() -> Response:
    """A sign-in that another site begins may come as a form (OpenID Connect Core 1.0 section 4); it goes on by GET."""
    given = {name: value[:LONGEST_URL] for name in ELSEWHERE for value in request.form.getlist(name)[:1]}
    return redirect_to(f"{public_url()}/login?{urlencode(given)}")


def _chosen_provider(demanded: str) -> Provider | None:
    """The one that the gate demands; else by id, or by issuer, as sign-ins that begin elsewhere name it.

    None when the person has to choose.
    """
    providers, issuer = doorkey().providers, request.args.get("iss")
    if demanded in providers:
        return doorkey().provider(demanded)
    if issuer is not None and "provider" not in request.args:
        found = [id for id in providers if doorkey().provider(id).issuer == issuer]
        if not issuer or not found:
            raise UnknownProvider("no provider has this issuer")
        return doorkey().provider(found[0]) if len(found) == 1 else None
    if "provider" not in request.args and len(providers) > 1:
        return None
    return doorkey().provider(request.args.get("provider", next(iter(providers))))


@bp.get("/callback/<provider_id>")
def callback(provider_id: str) -> Response:
    """RFC 6749 section 4.1.2, in this order: state, spent once, iss, error, code, exchange, session."""
    if request.method == "HEAD":
        return Response(status=204)
    _limit("callback")
    provider = doorkey().provider(provider_id)
    params = _params()
    state = read_state(params)
    transaction = doorkey().transactions.open(request, state)
    if transaction is None or transaction.provider != provider.id:
        raise StateMismatch("no pending sign-in of this browser and provider has this state")
    described = doorkey().directory.describe(provider, max_age=LOGIN_SECONDS)
    _spend(state)
    signed_in = _finish(described, transaction, params)
    browser_session().begin(
        signed_in.identity,
        signed_in.token,
        label=device_label(request.user_agent.string),
        provider_sid=signed_in.sid,
        check=lambda: _refuse_if_over(provider, signed_in.sid),
    )
    events.log(events.LOGIN_OK, provider=provider.id, user=signed_in.identity.user, address=visitor_address())
    return _sent_back(transaction)


def _sent_back(transaction: Transaction) -> Response:
    """To where the gate, or a link, wanted the person to come back to."""
    current, ticket = browser_session().current, Ticket.from_bytes(transaction.gate)
    if ticket is None or current is None:
        return gate_return.leave_for(_checked_again(transaction.return_to))
    response = gate_return.leave_for(gate_return.back_to(ticket, current.ids))
    doorkey().circles.count(request, response, ticket)
    return response


def _refuse_if_over(provider: Provider, sid: str) -> None:
    """The provider may have ended its session while we asked for the token."""
    if sid and doorkey().sessions.is_spent(logged_out(provider.id, sid)):
        raise SessionOver(f"the session at {provider.id} was logged out meanwhile")


@bp.post("/callback/<provider_id>")
def posted(provider_id: str) -> Response:
    """Park what a provider with `RESPONSE_MODE=form_post` has the browser post, and go on by GET."""
    _limit("callback")
    provider = doorkey().provider(provider_id)
    if provider.response_mode != "form_post":
        raise MethodNotAllowed(valid_methods=["GET", "HEAD"])
    state = read_state(request.form.getlist)
    response = redirect_to("")
    name = doorkey().posted_callbacks.park(request, response, state)
    response.headers["Location"] = f"{public_url()}/callback/{provider.id}?{PARAMETER}={name}"
    return response


def _params() -> Params:
    """The parameters of this callback: those in the address, or those that were posted just before."""
    names = request.args.getlist(PARAMETER)
    if not names:
        return request.args.getlist
    name = names[0] if len(names) == 1 and re.fullmatch("[0-9a-f]{32}", names[0]) else ""
    found = doorkey().posted_callbacks.take(request, name) if name else None
    if found is None:
        raise StateMismatch("no parked answer has this name")

    @after_this_request
    def forget(response: Response) -> Response:
        doorkey().posted_callbacks.forget(response, name)
        return response

    return found


def _hints() -> dict[str, str]:
    """What a link to /login may ask of the provider, where settings say nothing else: whom to sign in, and how."""
    hints = {name: request.args.getlist(name) for name in ("login_hint", "prompt")}
    given = {name: values[0] for name, values in hints.items() if len(values) == 1}
    if given.get("prompt") not in PROMPTS:
        given.pop("prompt", None)
    if not 0 < len(given.get("login_hint", "")) <= LONGEST_HINT or not given["login_hint"].isprintable():
        given.pop("login_hint", None)
    return given


def _limit(what: str) -> None:
    doorkey().rate_limit.spend(what, visitor_address())


def _spend(state: str) -> None:
    """Before anything the callback says is looked at; from here on its cookie is of no more use."""
    if not doorkey().sessions.spend("login " + state_name(state), seconds=LOGIN_SECONDS + 120):
        raise LoginAlreadyUsed()

    @after_this_request
    def forget(response: Response) -> Response:
        doorkey().transactions.forget(response, state)
        return response


def _finish(provider: Provider, transaction: Transaction, params: Params) -> SignedIn:
    """Check, exchange, identify."""
    trace = Trace()
    with _failures_logged(provider, trace):
        checked = check_callback(provider, transaction, params, trace)
        return finish(checked, checks=doorkey().checks, transport=doorkey().transport, trace=trace)


@contextmanager
def _failures_logged(provider: Provider, trace: Trace) -> Iterator[None]:
    """A failure is logged with all steps before it goes on."""
    try:
        yield
    except DoorkeyError as error:
        events.log(
            events.LOGIN_FAILED,
            level=logging.WARNING,
            provider=provider.id,
            code=error.code,
            address=visitor_address(),
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
