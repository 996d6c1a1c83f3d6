"""What holds for every request and every answer: request id, host, headers, forged forms."""

import hmac
import logging
import secrets
import time
from urllib.parse import quote, urlsplit

from flask import Flask, Response, g, request

from doorkey import events
from doorkey.errors import ForeignHost, ForgedRequest
from doorkey.http_headers import BARE_CSP, FOREVER, missing_of, page_csp, security_headers
from doorkey.oauth.rp_logout import ways_out
from doorkey.sessions.ids import SessionIds
from doorkey.setting_urls import is_loopback
from doorkey.web.runtime import doorkey, public_url, request_host

ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
"""Probes come by address, not by name."""

ACCEPT_PATH = "/.doorkey/accept"
"""The one page of ours at the hosts behind the gate."""

OAUTH2_PROXY_PATHS = frozenset({"/oauth2/start", "/oauth2/sign_in", "/oauth2/sign_out"})


def init_app(app: Flask) -> None:
    """Runs before and after every view, errors included."""
    app.before_request(_name_request)
    app.before_request(_check_host)
    app.after_request(_finish)


def _name_request() -> None:
    g.started = time.monotonic()
    events.request_id.set(secrets.token_hex(8))


def _check_host() -> Response | None:
    """Only the public URL's host, and on loopback its other names by a redirect."""
    if request.path in ANY_HOST or request.path.startswith("/static/"):
        return None
    canonical = urlsplit(public_url())
    default = 443 if canonical.scheme == "https" else 80
    name, port = request_host()
    wanted, given = (canonical.hostname or "", canonical.port or default), (name.strip("[]"), port or default)
    if given == wanted or (request.path in _at_other_hosts() and behind_gate(*given)):
        return None
    if request.method == "GET" and given[1] == wanted[1] and is_loopback(given[0]) and is_loopback(wanted[0]):
        query = "?" + quote(request.query_string, safe="/%:@!$&'()*+,;=~-._?") if request.query_string else ""
        return redirect_to(public_url() + quote(request.path) + query, 302)
    detail = f"Host is {events.clean_text(request.environ.get('HTTP_HOST', ''))}"
    raise ForeignHost(detail, hint=f"Open it as {public_url()} (DOORKEY_PUBLIC_URL).")


def _at_other_hosts() -> frozenset[str]:
    return OAUTH2_PROXY_PATHS | {ACCEPT_PATH} if doorkey().settings.oauth2_proxy_paths else frozenset({ACCEPT_PATH})


def behind_gate(name: str, port: int | None) -> str | None:
    """The host behind the gate that this is, perhaps with its port; the port in a Host header may be a proxy's own."""
    host = f"[{name}]" if ":" in name and not name.startswith("[") else name
    authorities = (host, f"{host}:{port}") if port else (host,)
    return next(filter(doorkey().gate.guarded.has, authorities), None)


def redirect_to(location: str, status: int = 303) -> Response:
    """A redirect to a URL that Doorkey made; werkzeug's own would rewrite it."""
    response = Response(status=status, mimetype="text/plain")
    response.headers["Location"] = location
    return response


def may_leave_to_provider(response: Response, provider_id: str) -> Response:
    """For a page with a form that signs out: Chromium holds the redirects after a form against form-action too."""
    if provider_id in doorkey().providers:
        provider = doorkey().provider(provider_id)
        origins = ways_out(doorkey().directory.known(provider) or provider)
        secure = doorkey().settings.public_url.startswith("https://")
        response.headers["Content-Security-Policy"] = page_csp(secure=secure, form_target=" ".join(origins))
    return response


def may_be_framed(response: Response, origins: tuple[str, ...]) -> Response:
    """By pages of these origins only; for an answer without any content of its own."""
    g.framed = True
    ancestors = f"frame-ancestors {' '.join(origins)}" if origins else "frame-ancestors 'none'"
    response.headers["Content-Security-Policy"] = BARE_CSP.replace("frame-ancestors 'none'", ancestors)
    return response


def refuse_forged_form(ids: SessionIds) -> None:
    """For every POST that changes something. Raises `ForgedRequest`.

    The token proves a page of this session; Origin and Sec-Fetch-Site are what browsers add. Origin
    is `null` on our own forms, because our pages have the referrer policy no-referrer.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin not in (None, "null", public_url()) or site not in (None, "same-origin", "none"):
        raise ForgedRequest("the form comes from another site")
    given = request.form.get("csrf_token", "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), ids.csrf_token.encode()):
        raise ForgedRequest("the form has no or another token")


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = events.request_id.get()
    is_asset = request.path.startswith("/static/") and response.status_code in (200, 304)
    secure = doorkey().settings.public_url.startswith("https://")
    common = security_headers(response.content_type or "", secure=secure)
    response.headers.extend(missing_of(common, response.headers))
    if g.get("framed"):
        del response.headers["X-Frame-Options"]  # it knows no origins; frame-ancestors does
    if is_asset:
        response.headers["Cache-Control"] = FOREVER if "v" in request.args else "no-cache"
    else:
        response.headers["Cache-Control"] = "no-store"
        response.vary.add("Cookie")
    if not is_asset and request.path not in ANY_HOST:
        _log_request(response)
    return response


def _log_request(response: Response) -> None:
    """Path without query: codes and states travel there."""
    events.log(
        events.REQUEST,
        level=logging.INFO,
        method=request.method,
        path=request.path,
        status=response.status_code,
        milliseconds=round((time.monotonic() - g.started) * 1000, 1),
    )
