"""The paths of oauth2-proxy, for whoever moves over (`DOORKEY_OAUTH2_PROXY_PATHS=on`): they lead to ours.

/oauth2/auth is the gate's (gate/oauth2_proxy_dialect.py). The others may be asked for at any host behind the gate,
because that is where its proxies send them.
"""

from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request

from doorkey.gate.tickets import LONGEST_URL, Ticket
from doorkey.oauth.return_target import safe_return_target
from doorkey.web import login
from doorkey.web.fresh_session import fresh_session
from doorkey.web.runtime import doorkey, public_url, request_host
from doorkey.web.security import behind_gate, redirect_to

bp = Blueprint("oauth2_proxy_paths", __name__, url_prefix="/oauth2")


@bp.get("/start")
@bp.get("/sign_in")
def start() -> Response:
    """To sign in and come back to `rd=`, as far as it is a path of this host, or a host behind the gate."""
    ticket = doorkey().gate.return_tickets.seal(_ticket(_target()))
    return redirect_to(f"{public_url()}/login?rt={ticket}", 302)


def _ticket(url: str) -> Ticket:
    authority, now = urlsplit(url).netloc, doorkey().clock()
    return Ticket(url=url, authority=authority, method="GET", reason="no_session", issued=now, dialect="oauth2-proxy")


def _target() -> str:
    """An absolute URL of a host behind the gate; the start of this one for anything else."""
    here = _this_origin()
    given = request.args.get("rd") or request.headers.get("X-Auth-Request-Redirect") or "/"
    target = safe_return_target(given, own_origin=here, allowed_hosts=doorkey().settings.allowed_hosts) or "/"
    url = here + target if target.startswith("/") else target
    return url if len(url) <= LONGEST_URL else here + "/"


def _this_origin() -> str:
    """Where the browser is: Doorkey's own origin, or the host behind the gate that hands on these paths."""
    name, port = request_host()
    authority = behind_gate(name, port)
    own = urlsplit(public_url())
    return public_url() if authority is None or authority == own.netloc else f"{own.scheme}://{authority}"


@bp.get("/sign_out")
def sign_out() -> Response:
    """To the page with the button: a link alone signs nobody out."""
    return redirect_to(f"{public_url()}/logout", 302)


@bp.get("/callback")
def callback() -> Response:
    """Of the only provider: the redirect URI that is registered there may stay."""
    return login.callback(_only_provider())


@bp.post("/callback")
def posted() -> Response:
    return login.posted(_only_provider())


def _only_provider() -> str:
    return next(iter(doorkey().providers)) if len(doorkey().providers) == 1 else ""


@bp.get("/userinfo")
def user_info() -> Response:
    """Who is signed in; 401 for nobody."""
    current = fresh_session()
    if current is None:
        response = jsonify({"error": "login_required"})
        response.status_code = 401
        return response
    identity = current.record.identity
    told = {"user": identity.user, "email": identity.email, "groups": identity.groups}
    return jsonify(told | {"preferredUsername": identity.name})
