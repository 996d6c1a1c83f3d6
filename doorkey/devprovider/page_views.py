"""The pages where a person decides: sign in and consent, a device's code, and leaving.

Each page's form carries a ticket bound to the browser it was shown in (consent.py), so that no other
page can decide. Ways without a page (`prompt=none`, an ID token hint) are here too.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, make_response, render_template, request
from werkzeug.datastructures import MultiDict

from doorkey.devprovider import consent, end_session
from doorkey.devprovider.consent import TICKET_SECONDS, AuthorizationRequest, PageError, Tickets
from doorkey.devprovider.drafts import AuthorizationDraft
from doorkey.devprovider.failures import FAILURES
from doorkey.devprovider.provider_sessions import SESSION_SECONDS, ProviderSession
from doorkey.devprovider.provider_store import Grant
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.script import ScriptFull
from doorkey.devprovider.scripted_responses import read_response
from doorkey.devprovider.visits import own_origin, say, visit
from doorkey.http_headers import security_headers

PAGE_PREFIX = "doorkey-dev-consent-"
PAGE_COOKIE = re.compile(PAGE_PREFIX + "[0-9a-f]+-[0-9a-f]{16}")
MOST_PAGES = 10
"""Pages that one browser may have open; each has a cookie of its own, so that tabs do not disturb one another."""
LOCAL_PROGRAMS = "http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*"
"""Where a client's callback may send the browser on to: Chromium holds the whole chain of redirects to form-action."""
SESSION_COOKIE = "doorkey-dev-session"

bp = Blueprint("pages", __name__)


@bp.route("/oauth/authorize", methods=["GET", "POST"])
def authorize() -> Response:
    """A request by GET or POST (OpenID Connect Core section 3.1.2.1), or the decision on its page."""
    if request.method == "GET":
        return show_consent(request.args)
    return decide() if "ticket" in request.form or "client_id" not in request.form else show_consent(request.form)


def show_consent(args: MultiDict[str, str]) -> Response:
    here = visit()
    wanted = consent.read_authorization_request(here, args.to_dict(flat=False))
    early = here.play.early
    if early and early.error:
        asked = early.error_description or "This error was asked for."
        return respond(here, wanted.answer(here.issuer, error=early.error, error_description=asked))
    if wanted.prompt == "none":
        return _without_page(here, wanted)
    return _decision_page(here, wanted.client_id, "authorize", wanted.scope, consent.content_of(wanted), wanted)


def decide() -> Response:
    here = visit()
    ticket = _ticket()
    wanted = consent.request_of(ticket.opened_by(_page_cookie(ticket.name), "authorize"))
    here.client = here.realm.clients.get(wanted.client_id)
    if here.client is None:
        raise PageError("This client is no longer registered here.", "Start again at the program you came from.")
    user, scope = _choice(here, wanted.scope)
    _spend(here, ticket.name)
    _arm(here, request.form.get("failure", ""))
    if user is None:
        return respond(here, wanted.answer(here.issuer, error="access_denied", error_description="The user said no."))
    return _allow(here, wanted, user, scope, fresh=True)


def _without_page(here: Visit, wanted: AuthorizationRequest) -> Response:
    """`prompt=none`: as `login_hint`, else as who is signed in, else an error (OpenID Connect Core 3.1.2.1)."""
    if request.headers.get("Sec-Fetch-Mode") == "no-cors":  # an image or a script of another page: nobody is there
        return respond(here, wanted.answer(here.issuer, error="interaction_required"))
    if wanted.login_hint in here.realm.users and not _is_another(here, wanted, wanted.login_hint):
        return _allow(here, wanted, wanted.login_hint, wanted.scope, fresh=True)
    session = here.realm.sessions.of_browser(request.cookies.get(SESSION_COOKIE, ""), here.now)
    known = session is not None and session.sub in here.realm.users and not wanted.login_hint
    if session is None or not known or _too_old(here, wanted, session) or _is_another(here, wanted, session.sub):
        return respond(here, wanted.answer(here.issuer, error="login_required"))
    return _allow(here, wanted, session.sub, wanted.scope, fresh=False)


def _is_another(here: Visit, wanted: AuthorizationRequest, sub: str) -> bool:
    """The client hints at somebody, and it is not `sub` (OpenID Connect Core section 3.1.2.1)."""
    return bool(wanted.id_token_hint) and end_session.hinted(here, wanted.id_token_hint).get("sub") != sub


def _too_old(here: Visit, wanted: AuthorizationRequest, session: ProviderSession) -> bool:
    return wanted.max_age is not None and here.now - session.auth_time >= wanted.max_age


def _allow(here: Visit, wanted: AuthorizationRequest, sub: str, scope: tuple[str, ...], *, fresh: bool) -> Response:
    session = None
    if "openid" in scope:
        cookie = request.cookies.get(SESSION_COOKIE, "")
        session = here.realm.sessions.sign_in(sub, wanted.client_id, cookie, here.now, fresh=fresh)
    grant = Grant(
        wanted.client_id,
        scope,
        sub,
        wanted.redirect_uri,
        wanted.challenge,
        nonce=wanted.nonce,
        acr=wanted.acr,
        sid=session.sid if session else "",
        auth_time=session.auth_time if session else int(here.now),
        openid="openid" in wanted.scope,
        resource=wanted.resource,
    )
    code = here.realm.store.new_code(grant, here.now)
    response = respond(here, wanted.answer(here.issuer, code=code))
    if session:
        _set_cookie(response, SESSION_COOKIE, session.cookie, SESSION_SECONDS)
    return response


def respond(here: Visit, draft: AuthorizationDraft) -> Response:
    """Send the browser back, by redirect or by a form that sends itself (form_post)."""
    draft = here.change("authorize", draft)
    if "error" in draft.fields:
        say(error=draft.fields["error"], error_description=draft.fields.get("error_description", ""))
    if draft.mode != "form_post":
        return redirect_to(consent.location(draft))
    response = make_response(render_template("dev_form_post.html", target=draft.target, fields=draft.fields))
    return _with_policy(response, form_target=f"{_origin(draft.target)} {LOCAL_PROGRAMS}")


@bp.get("/oauth/device")
def show_device() -> Response:
    here, user_code = visit(), request.args.get("user_code", "")
    device = here.realm.devices.waiting(user_code, here.now) if user_code else None
    if device is None or device.grant is None or device.client_id not in here.realm.clients:
        problem = "No device waits for this code." if user_code else ""
        response = make_response(render_template("dev_device.html", user_code=user_code[:40], problem=problem))
        response.status_code = 404 if user_code else 200
        return response
    content = {"user_code": device.user_code, "scope": device.grant.scope}
    return _decision_page(here, device.client_id, "device", device.grant.scope, content)


@bp.post("/oauth/device")
def decide_device() -> Response:
    here = visit()
    ticket = _ticket()
    content = ticket.opened_by(_page_cookie(ticket.name), "device")
    user, scope = _choice(here, tuple(content["scope"]))
    _spend(here, ticket.name)
    if not here.realm.devices.decide(content["user_code"], here.now, sub=user or "", scope=scope):
        raise PageError("This device no longer waits.", "Start again on the device.")
    return done("The device may go on." if user else "The device was denied.", "You can close this page.")


@bp.route("/oauth/logout", methods=["GET", "POST"])
def leave() -> Response:
    here = visit()
    values = (request.form if request.method == "POST" else request.args).to_dict()
    ticket = _ticket()
    confirmed = bool(ticket.name)
    if confirmed:
        values = dict(ticket.opened_by(_page_cookie(ticket.name), "logout"))
    wanted = end_session.read_logout_request(here, values)
    here.client = wanted.client
    session = here.realm.sessions.of_browser(request.cookies.get(SESSION_COOKIE, ""), here.now)
    sessions = here.realm.sessions.matching(here.now, sid=wanted.sid) if wanted.sid else [session] if session else []
    hinted_at = bool(wanted.hint) and all(session.sub == wanted.sub for session in sessions)
    if sessions and not hinted_at and not confirmed:
        return _logout_question(here, values, sessions[0], wanted.target)
    frames = [frame for session in sessions for frame in end_session.frames(here, session)]
    for session in sessions:
        end_session.end(here, session, current_app.extensions["deliver"])
    back = end_session.way_back(here, wanted)
    return _signed_out(frames, consent.location(back).rstrip("?&") if back else "")


def _logout_question(here: Visit, values: Mapping[str, str], session: ProviderSession, target: str) -> Response:
    ticket, name, browser = _new_ticket(here, "logout", values)
    user = here.realm.users.get(session.sub)
    response = make_response(render_template("dev_logout.html", ticket=ticket, user=user.name if user else session.sub))
    if target:
        response = _with_policy(response, form_target=_origin(target))
    return _page_with_cookie(response, name, browser)


def _signed_out(frames: list[str], target: str) -> Response:
    if target and not frames:
        response = redirect_to(target)
    else:
        response = make_response(render_template("dev_signed_out.html", frames=frames, target=target))
        origins = " ".join(dict.fromkeys(_origin(frame) for frame in frames))
        response = _with_policy(response, frame_sources=origins)
    _set_cookie(response, SESSION_COOKIE, "", 0)
    return response


def _decision_page(
    here: Visit,
    client_id: str,
    subject: str,
    scope: tuple[str, ...],
    content: Mapping[str, Any],
    wanted: AuthorizationRequest | None = None,
) -> Response:
    ticket, name, browser = _new_ticket(here, subject, content)
    client = here.realm.clients[client_id]
    view = {
        "action": f"{request.script_root}/oauth/{subject}",
        "client_name": client.client_name,
        "redirect_origin": wanted.redirect_origin if wanted else "",
        "user_code": content.get("user_code", ""),
        "scopes": scope,
        "ticket": ticket,
        "users": list(here.realm.users.values()),
        "hinted": wanted.login_hint if wanted else "",
        "failures": [f for f in FAILURES.values() if f.kind != "transport" and not f.until_cleared and wanted],
    }
    response = make_response(render_template("dev_authorize.html", request_view=view))
    if wanted:
        response = _with_policy(response, form_target=f"{wanted.redirect_origin} {LOCAL_PROGRAMS}")
    return _page_with_cookie(response, name, browser)


def _choice(here: Visit, asked: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Who was chosen (None: denied) and which of the scopes."""
    scope = tuple(name for name in asked if name in request.form.getlist("scope"))
    user = request.form.get("user")
    if "deny" in request.form:
        return None, scope
    if user not in here.realm.users:
        raise PageError("No user was chosen.", "Go back and choose one.")
    return user, scope


def _arm(here: Visit, failure: str) -> None:
    """What was chosen under "answer with": it happens next, which is to this sign-in unless others are under way."""
    if not failure:
        return
    known = FAILURES.get(failure)
    if known is None or known.kind == "transport" or known.until_cleared:
        raise PageError("There is no such failure to choose here.", "Choose one of the list.")
    try:
        here.realm.script.add(read_response({"failure": failure}))
    except ScriptFull as error:
        raise PageError("Too much is to fail already.", str(error)) from None


def _tickets() -> Tickets:
    found: Tickets = current_app.extensions["tickets"]
    return found


def _new_ticket(here: Visit, subject: str, content: Mapping[str, Any]) -> tuple[str, str, str]:
    """The ticket, its name, and the cookie value that it is bound to."""
    browser = secrets.token_urlsafe(32)
    name = f"{int(here.now):x}-{secrets.token_hex(8)}"
    return _tickets().issue(subject, content, browser=browser, name=name, now=here.now), name, browser


def _ticket() -> consent.Ticket:
    """The ticket of the form that was sent; only from this site."""
    if request.method != "POST" or "ticket" not in request.form:
        if request.method == "POST" and request.path != "/oauth/logout":
            raise PageError("This decision did not come from a page that was shown here.", "Start again.", 403)
        return consent.Ticket()
    same_origin()
    return _tickets().read(request.form["ticket"], visit().now)


def same_origin() -> None:
    """Raises `PageError` for a form that another site sent."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin not in (None, "null", own_origin()) or site not in (None, "same-origin", "none"):
        raise PageError("This decision came from another site.", "Start again at the program you came from.", 403)


def _page_cookie(name: str) -> str:
    return request.cookies.get(PAGE_PREFIX + name, "")


def _spend(here: Visit, name: str) -> None:
    if not here.realm.store.spend(name, here.now):
        raise PageError("This decision was already made.", "Start again at the program you came from.")


def _page_with_cookie(response: Response, name: str, browser: str) -> Response:
    for old in sorted(n for n in request.cookies if PAGE_COOKIE.fullmatch(n))[: -MOST_PAGES + 1]:
        _set_cookie(response, old, "", 0)
    _set_cookie(response, PAGE_PREFIX + name, browser, TICKET_SECONDS)
    return response


def _set_cookie(response: Response, name: str, value: str, seconds: int) -> None:
    path = f"{request.script_root}/oauth/"
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="Lax", path=path)


def _with_policy(response: Response, *, form_target: str = "", frame_sources: str = "") -> Response:
    headers = security_headers(
        response.content_type or "", secure=False, form_target=form_target, frame_sources=frame_sources
    )
    response.headers.update(headers)
    return response


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def redirect_to(target: str) -> Response:
    response = Response(status=302)
    response.headers["Location"] = target
    return response


def done(message: str, hint: str) -> Response:
    return make_response(render_template("dev_done.html", message=message, hint=hint))
