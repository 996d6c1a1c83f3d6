"""The development provider as a Flask app of its own: the wiring, and how its errors are said.

    protocol_views.py  what programs ask: tokens, introspection, metadata, keys
    page_views.py      what people see: sign in, device, leaving
    control_views.py   /dev/*: the controls and the dashboard
    visits.py          around each of them: who may ask, failures, the log

Mounted inside Doorkey when nothing is configured, or alone by `doorkey dev-provider`. It answers
this machine only unless `anywhere` says otherwise.
"""

import logging
import secrets

import requests
from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from doorkey import events, paths
from doorkey.clock import Clock, system_clock
from doorkey.devprovider import control_views, page_views, protocol_views, visits
from doorkey.devprovider.consent import PageError, RedirectError, Tickets
from doorkey.devprovider.drafts import CannotFail
from doorkey.devprovider.end_session import Deliver
from doorkey.devprovider.issuers import Issuers
from doorkey.devprovider.realm import DevProvider, Realm
from doorkey.devprovider.token_request import REALM, OAuthError
from doorkey.devprovider.token_status import BearerError
from doorkey.devprovider.wire import Wire
from doorkey.http_headers import FOREVER, missing_of, security_headers

PAGES = ("/oauth/authorize", "/oauth/device", "/oauth/logout", "/dev/")
DELIVERY_SECONDS = 3


def post_logout_token(uri: str, token: str) -> int:
    """The usual `Deliver`: over HTTP, without redirects or help from the environment."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            form = {"logout_token": token}
            answer = session.post(uri, data=form, timeout=DELIVERY_SECONDS, allow_redirects=False, stream=True)
        except (requests.RequestException, ValueError):  # a host name that cannot be one is a ValueError
            return 0
        return answer.status_code


def create_provider_app(
    config: DevProvider, *, clock: Clock = system_clock, realm: Realm | None = None, deliver: Deliver | None = None
) -> Flask:
    """The WSGI app, which answers for the other issuers at this address too.

    `realm` may be given to share it with a test; `deliver` is how logout tokens go out.
    """
    deliver = deliver or post_logout_token
    app = _issuer_app(realm or Realm(config, clock=clock), deliver)
    app.wsgi_app = Issuers(  # type: ignore[method-assign]
        app.wsgi_app,
        lambda: _issuer_app(Realm(config, clock=clock), deliver).wsgi_app,
        lambda environ: config.anywhere or visits.is_own_name(config, environ.get("HTTP_HOST", "")),
    )
    return app


def _issuer_app(realm: Realm, deliver: Deliver) -> Flask:
    app = Flask(__name__, template_folder=str(paths.TEMPLATES), static_folder=str(paths.STATIC))
    app.config.update(MAX_CONTENT_LENGTH=64 * 1024)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.globals.update(asset=paths.asset, development=True)
    app.extensions.update(tickets=Tickets(secrets.token_bytes(32)), deliver=deliver, csrf=secrets.token_urlsafe(32))
    visits.init_app(app, realm)
    app.after_request(_add_headers)
    for views in (protocol_views.bp, page_views.bp, control_views.bp):
        app.register_blueprint(views)
    app.register_error_handler(PageError, _page)
    app.register_error_handler(
        CannotFail, lambda error: _page(PageError(str(error), "Register it, or choose another."))
    )
    app.register_error_handler(RedirectError, lambda error: page_views.respond(visits.visit(), error.draft))
    app.register_error_handler(OAuthError, _oauth_error)
    app.register_error_handler(BearerError, _bearer_error)
    app.register_error_handler(Exception, _other_error)
    app.wsgi_app = Wire(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _is_for_people() -> bool:
    return (request.path in PAGES or request.path.startswith("/static/")) and not request.is_json


def _page(error: PageError) -> Response:
    if not _is_for_people():
        return _oauth_error(OAuthError("invalid_request", f"{error.message} {error.hint}", error.status))
    return make_response(render_template("dev_problem.html", message=error.message, hint=error.hint), error.status)


def _oauth_error(error: OAuthError) -> Response:
    visits.say(error=error.error, error_description=error.description, reason=error.reason)
    response = jsonify(error.body(request.path, visits.realm().clock()))
    response.status_code = error.status
    if not request.path.startswith("/dev/"):
        response.headers.update(error.headers())
    return response


def _bearer_error(error: BearerError) -> Response:
    """RFC 6750 section 3: a challenge that names the error only when a token came at all."""
    response = _oauth_error(OAuthError(error.error or "invalid_token", error.description, error.status))
    code = f', error="{error.error}", error_description="{error.description}"' if error.error else ""
    response.headers["WWW-Authenticate"] = f'Bearer realm="{REALM}"{code}'
    return response


def _other_error(error: Exception) -> Response:
    """Errors of HTTP itself and our own mistakes, in the shape the caller can read."""
    status = (error.code or 500) if isinstance(error, HTTPException) else 500
    if status >= 500:
        events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, where="development provider")
    response = _said_of(status)
    allowed = getattr(error, "valid_methods", None)
    if status == 405 and allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _said_of(status: int) -> Response:
    if _is_for_people():
        return _page(PageError("The development provider cannot do this.", "Check the address and the method.", status))
    if status == 413:
        return _oauth_error(OAuthError("invalid_request", "The body is too large."))
    if status >= 500:
        return _oauth_error(OAuthError("server_error", "The development provider failed.", 500))
    words = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    return _oauth_error(OAuthError("invalid_request", words.get(status, "The request cannot be read."), status))


def _add_headers(response: Response) -> Response:
    if request.path.startswith("/static/") and response.status_code == 200:
        response.headers["Cache-Control"] = FOREVER
        return response
    common = security_headers(response.content_type or "", secure=False)
    response.headers.extend(missing_of(common, response.headers))
    if request.path == "/oauth/authorize":  # a program may open it in a window of its own, and wants that one back
        response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    response.headers["Pragma"] = "no-cache"
    return response
