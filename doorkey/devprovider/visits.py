"""One Flask request as a `Visit` of the realm: begun before a view, logged after it.

app.py hooks this in; the views read `visit()`. Who may ask at all is decided here too: this machine, under a
loopback name (or the configured address), so that no web page can reach the provider by DNS rebinding.
"""

import hmac
import json
import time
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from doorkey.devprovider.consent import PageError
from doorkey.devprovider.realm import DevProvider, Realm, Visit
from doorkey.devprovider.request_log import Fields, LoggedRequest
from doorkey.devprovider.script import Early
from doorkey.devprovider.token_request import OAuthError
from doorkey.devprovider.token_status import BearerError
from doorkey.devprovider.wire import EARLY
from doorkey.setting_urls import is_loopback

ENDPOINT_OF_PATH = {
    "/oauth/authorize": "authorize",
    "/oauth/token": "token",
    "/oauth/userinfo": "userinfo",
    "/oauth/introspect": "introspect",
    "/oauth/revoke": "revoke",
    "/oauth/device_authorization": "device_authorization",
    "/oauth/device": "device",
    "/oauth/par": "par",
    "/oauth/jwks": "jwks",
    "/oauth/logout": "logout",
    "/.well-known/openid-configuration": "metadata",
    "/.well-known/oauth-authorization-server": "metadata",
}
UNLOGGED = ("/dev/", "/static/", "/openapi.json")
STATUS_OF_ERROR = {"invalid_client": 401, "invalid_token": 401, "server_error": 500, "temporarily_unavailable": 503}


def realm() -> Realm:
    """The realm of the app that serves this request."""
    found: Realm = current_app.extensions["realm"]
    return found


def visit() -> Visit:
    """This request."""
    found: Visit = g.visit
    return found


def own_address() -> str:
    """What this issuer's addresses begin with."""
    own = realm().config.issuer or f"{request.scheme}://{request.host}"
    return own.rstrip("/") + request.script_root


def own_origin() -> str:
    """As browsers say it in Origin."""
    parts = urlsplit(own_address())
    return f"{parts.scheme}://{parts.netloc}"


def is_own_name(config: DevProvider, host: str) -> bool:
    """A loopback name, or that of the configured address: no web page gets here by a name of its own."""
    try:
        name = (urlsplit("//" + host).hostname or "").lower()
    except ValueError:  # brackets that are none
        return False
    return is_loopback(name) or (bool(config.issuer) and name == urlsplit(config.issuer).hostname)


def guard() -> None:
    """This machine, under a loopback name; anything else is told nothing."""
    config = realm().config
    if config.anywhere:
        return
    if not is_own_name(config, request.host):
        raise PageError("The development provider answers under loopback names only.", "Use http://127.0.0.1.")
    if not is_loopback(request.remote_addr or ""):
        raise PageError("The development provider answers this machine only.", "Use http://127.0.0.1.", 403)


def guard_control() -> None:
    """`/dev/` is for this machine only, even where the provider answers others, or for who has the control token.

    A web page of another site may send a form or an empty POST here without being asked; it changes nothing.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    own_page = site == "same-origin" or (site in (None, "none") and origin in (None, own_origin()))
    if request.method not in ("GET", "HEAD") and not own_page:
        raise PageError("This came from another site.", "Use the page here, or a program.", 403)
    wanted = realm().config.control_token.encode()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and wanted and hmac.compare_digest(token.encode("utf-8", "replace"), wanted):
        return
    if not is_loopback(request.remote_addr or "") or not is_own_name(realm().config, request.host):
        raise PageError("The controls answer this machine only.", "Set DOORKEY_DEV_CONTROL_TOKEN, and send it.", 403)


def endpoint() -> str:
    """The name of the endpoint that is asked; empty for what is none.

    A decision on the consent page is `consent`: the request that it answers was met before.
    """
    path = request.path
    if path == "/oauth/authorize" and request.method == "POST" and "ticket" in request.form:
        return "consent"
    return "jwks" if path.startswith("/oauth/jwks/") else ENDPOINT_OF_PATH.get(path, "")


def begin() -> Response | None:
    """Open the visit; the answer, when a failure gives one instead of the endpoint's."""
    here = realm()
    g.began, g.endpoint = time.perf_counter(), endpoint()
    if request.method == "OPTIONS":
        return None  # a browser asks before it asks; that is no use of anything
    # Who followed the failure token-endpoint-redirect finds a right answer there, whatever else is to come.
    followed = g.endpoint == "token" and "followed" in request.args
    play = here.script.enter("" if followed else g.endpoint, request.path)
    g.visit = Visit(here, own_address(), play, here.clock())
    if play.refused:
        raise OAuthError("invalid_request", play.refused)
    return _instead(play.early, g.endpoint) if play.early else None


def _instead(early: Early, asked: str) -> Response | None:
    request.environ[EARLY] = early
    if not early.replaces_answer:
        return None
    if early.error and asked != "authorize":
        raise _scripted_error(early, asked)
    if early.error and not early.status:
        return None  # authorize: goes back to the client, once it is known where that is
    status = early.status or 200
    response = Response(early.body if early.body is not None else "", status)
    response.headers.update({"Content-Type": "text/plain; charset=utf-8", **early.headers})
    if early.redirect:
        response.headers["Location"] = own_address() + request.path + early.redirect
    return response


def _scripted_error(early: Early, asked: str) -> Exception:
    status = early.status or STATUS_OF_ERROR.get(early.error, 400)
    description = early.error_description or "This error was asked for."
    if asked == "logout":
        return PageError(f"The provider says {early.error}.", description, status)
    if asked == "userinfo":
        return BearerError(early.error, description, early.status or 401)
    return OAuthError(early.error, description, status)


def log(response: Response) -> Response:
    """Keep the request; the controls and static files are not what anybody asserts on."""
    found: Visit | None = g.get("visit")
    if found is None or request.path.startswith(UNLOGGED):
        return response
    headers, query, form = Fields(dict(request.headers)), Fields(request.args), Fields(_form())
    said: dict[str, str] = g.get("said", {})
    milliseconds = round((time.perf_counter() - g.began) * 1000, 1)
    client_id = found.client.client_id if found.client else ""
    status = 0 if found.play.early and found.play.early.wire == "closed" else response.status_code
    found.realm.log.add(
        lambda number: LoggedRequest(
            number,
            found.now,
            g.endpoint or "other",
            request.method,
            request.script_root + request.path,
            headers,
            query,
            form,
            status,
            client_id,
            found.client_auth,
            tuple(found.play.names),
            milliseconds,
            said,
        )
    )
    return response


READABLE = frozenset(("token", "userinfo", "introspect", "revoke", "device_authorization", "par", "jwks", "metadata"))


def let_pages_read(response: Response) -> Response:
    """CORS for the origins that a client is registered with, at the endpoints that programs ask; never credentials."""
    origin = request.headers.get("Origin", "")
    if g.get("endpoint") not in READABLE or not any(origin in c.web_origins for c in realm().clients.values()):
        return response
    response.headers.update({"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = "600"
    else:
        response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate"
    return response


def say(**facts: str) -> None:
    """Something about the answer that the log should hold."""
    g.said = {**g.get("said", {}), **{name: value for name, value in facts.items() if value}}


def _form() -> dict[str, str]:
    try:
        return request.form.to_dict()
    except HTTPException:  # too much of it
        return {}


def init_app(app: Flask, here: Realm) -> None:
    """Hook the visits of `here` into `app`."""
    app.extensions["realm"] = here
    app.before_request(guard)
    app.before_request(begin)
    app.after_request(log)
    app.after_request(let_pages_read)


def body_object() -> dict[str, Any]:
    """The JSON object of a control call. Raises `ValueError` with what is wrong."""
    if not request.get_data():
        return {}
    if request.mimetype != "application/json":
        raise ValueError("The body must be application/json.")
    try:
        found = json.loads(request.get_data())
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # also for what Python alone calls JSON: NaN, half a surrogate pair
        raise ValueError("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise ValueError("The body must be a JSON object.")
    return found
