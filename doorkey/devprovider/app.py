"""The development provider as a Flask app of its own.

    GET, POST /oauth/authorize   consent.py: one page to pick a user, narrow scopes, or deny
    POST /oauth/token            grants.py
    GET, POST /oauth/userinfo    who a token stands for

Mounted inside Doorkey when nothing is configured, or alone by `doorkey dev-provider`. It answers
this machine only, under loopback names only (so no web page can reach it by DNS rebinding),
unless `anywhere` says otherwise.
"""

import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from doorkey import events, paths
from doorkey.clock import Clock, system_clock
from doorkey.devprovider.consent import (
    TICKET_SECONDS,
    AuthorizationRequest,
    PageError,
    RedirectError,
    Tickets,
    read_authorization_request,
)
from doorkey.devprovider.grants import answer
from doorkey.devprovider.provider_store import Grant, ProviderStore
from doorkey.devprovider.token_request import REALM, OAuthError
from doorkey.devprovider.users import USERS, Client, User
from doorkey.http_headers import FOREVER, security_headers
from doorkey.setting_values import is_loopback

CONSENT_PREFIX = "doorkey-dev-consent-"
CONSENT_COOKIE = re.compile(CONSENT_PREFIX + "[0-9a-f]+-[0-9a-f]{16}")
MOST_CONSENTS = 10
"""Pages that one browser may have open; each has a cookie of its own, so that tabs do not disturb one another."""


@dataclass(frozen=True)
class DevProvider:
    """What the app works with."""

    clients: Sequence[Client]
    users: Sequence[User] = USERS
    anywhere: bool = False


def create_provider_app(
    config: DevProvider, *, clock: Clock = system_clock, store: ProviderStore | None = None
) -> Flask:
    """The WSGI app. `store` may be given to share it with a test."""
    app = Flask(__name__, template_folder=str(paths.TEMPLATES), static_folder=str(paths.STATIC))
    app.config.update(MAX_CONTENT_LENGTH=64 * 1024)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.globals.update(asset=paths.asset, development=True)
    provider = _Endpoints(config, store or ProviderStore(), Tickets(secrets.token_bytes(32)), clock)
    app.before_request(provider.guard)
    app.after_request(_add_headers)
    app.add_url_rule("/oauth/authorize", view_func=provider.show_consent, methods=["GET"])
    app.add_url_rule("/oauth/authorize", view_func=provider.decide, methods=["POST"])
    app.add_url_rule("/oauth/token", view_func=provider.token, methods=["POST"])
    app.add_url_rule("/oauth/userinfo", view_func=provider.user_info, methods=["GET", "POST"])
    app.register_error_handler(PageError, _page)
    app.register_error_handler(RedirectError, lambda error: _redirect(error.location))
    app.register_error_handler(OAuthError, provider.oauth_error)
    app.register_error_handler(Exception, provider.other_error)
    return app


class _Endpoints:
    def __init__(self, config: DevProvider, store: ProviderStore, tickets: Tickets, clock: Clock):
        self._clients = {client.client_id: client for client in config.clients}
        self._users = {user.sub: user for user in config.users}
        self._anywhere = config.anywhere
        self._store = store
        self._tickets = tickets
        self._clock = clock

    def guard(self) -> None:
        """This machine, under a loopback name; anything else is told nothing."""
        if self._anywhere:
            return
        host = urlsplit("//" + request.host).hostname or ""
        if not is_loopback(host):
            raise PageError("The development provider answers under loopback names only.", "Use http://127.0.0.1.")
        if not is_loopback(request.remote_addr or ""):
            raise PageError("The development provider answers this machine only.", "Use http://127.0.0.1.", 403)

    def show_consent(self) -> Response:
        wanted = read_authorization_request(request.args.to_dict(flat=False), self._clients, self._issuer)
        if wanted.prompt == "none":
            return self._without_page(wanted)
        browser = secrets.token_urlsafe(32)
        name = f"{int(self._clock()):x}-{secrets.token_hex(8)}"
        ticket = self._tickets.issue(wanted, browser=browser, name=name)
        view = {
            "client_name": wanted.client.name,
            "redirect_origin": wanted.redirect_origin,
            "scopes": wanted.scope,
            "ticket": ticket,
            "users": list(self._users.values()),
        }
        response = make_response(render_template("dev_authorize.html", request_view=view))
        response.headers.update(
            security_headers(response.content_type, secure=False, form_target=wanted.redirect_origin)
        )
        for old in sorted(n for n in request.cookies if CONSENT_COOKIE.fullmatch(n))[: -MOST_CONSENTS + 1]:
            _set_cookie(response, old, "", 0)
        _set_cookie(response, CONSENT_PREFIX + name, browser, TICKET_SECONDS)
        return response

    def _without_page(self, wanted: AuthorizationRequest) -> Response:
        """`prompt=none`: signed in as `login_hint`, or an error without a page (OpenID Connect Core 3.1.2.1)."""
        if wanted.login_hint not in self._users:
            return _redirect(wanted.redirect_back(error="login_required"))
        return self._allow(wanted, wanted.login_hint, wanted.scope)

    def decide(self) -> Response:
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin not in (None, "null", self._issuer) or site not in (None, "same-origin", "none"):
            raise PageError("This decision came from another site.", "Start again at the program you came from.", 403)
        ticket = self._tickets.read(request.form.get("ticket", ""))
        browser = request.cookies.get(CONSENT_PREFIX + ticket.name, "")
        wanted = ticket.opened_by(browser, self._clients, self._issuer)
        scope = tuple(s for s in wanted.scope if s in request.form.getlist("scope"))
        user, denied = request.form.get("user"), "deny" in request.form
        if not denied and user not in self._users:
            raise PageError("No user was chosen.", "Go back and choose one.")
        if not self._store.spend(ticket.name, self._clock()):
            raise PageError("This decision was already made.", "Start again at the program you came from.")
        if denied or user is None:
            return _redirect(wanted.redirect_back(error="access_denied", error_description="The user said no."))
        return self._allow(wanted, user, scope)

    def _allow(self, wanted: AuthorizationRequest, sub: str, scope: tuple[str, ...]) -> Response:
        grant = Grant(wanted.client.client_id, scope, sub, wanted.redirect_uri, wanted.challenge)
        return _redirect(wanted.redirect_back(code=self._store.new_code(grant, self._clock())))

    def token(self) -> Response:
        fields = answer(
            authorization=request.headers.get("Authorization", ""),
            content_type=request.headers.get("Content-Type", ""),
            body=request.get_data(),
            clients=self._clients,
            users=self._users,
            store=self._store,
            now=self._clock(),
        )
        return jsonify(fields)

    def user_info(self) -> Response:
        """RFC 6750: 401 with a challenge that names the error only when a token came at all."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = self._store.grant_of(token.strip(), self._clock()) if scheme.lower() == "bearer" else None
        user = self._users.get(grant.sub) if grant else None
        if user:
            return jsonify(user.claims())
        error = OAuthError("invalid_token", "The token is missing, unknown, expired or stands for no user.", 401)
        response = self.oauth_error(error)
        code = ', error="invalid_token"' if token else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="{REALM}"{code}'
        return response

    def oauth_error(self, error: OAuthError) -> Response:
        response = jsonify(error.body(request.path, self._clock()))
        response.status_code = error.status
        response.headers.update(error.headers())
        return response

    def other_error(self, error: Exception) -> Response:
        """Errors of HTTP itself and our own mistakes, in the shape the caller can read."""
        status = (error.code or 500) if isinstance(error, HTTPException) else 500
        if status >= 500:
            events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, where="development provider")
        if request.path != "/oauth/token":
            return _page(
                PageError("The development provider cannot do this.", "Check the address and the method.", status)
            )
        if status == 413:
            return self.oauth_error(OAuthError("invalid_request", "The body is too large."))
        if status < 500:
            response = self.oauth_error(OAuthError("invalid_request", "Use POST with a form body.", status))
            response.headers["Allow"] = "POST"
            return response
        return self.oauth_error(OAuthError("server_error", "The development provider failed.", 500))

    @property
    def _issuer(self) -> str:
        return f"{request.scheme}://{request.host}"


def _set_cookie(response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="Lax", path="/oauth/authorize")


def _redirect(location: str) -> Response:
    response = Response(status=302)
    response.headers["Location"] = location
    return response


def _page(error: PageError) -> Response:
    return make_response(render_template("dev_problem.html", message=error.message, hint=error.hint), error.status)


def _add_headers(response: Response) -> Response:
    if request.path.startswith("/static/") and response.status_code == 200:
        response.headers["Cache-Control"] = FOREVER
        return response
    for name, value in security_headers(response.content_type or "", secure=False).items():
        response.headers.setdefault(name, value)
    response.headers["Pragma"] = "no-cache"
    return response
