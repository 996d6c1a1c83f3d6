"""`/dev/*` over HTTP: the JSON controls of control.py, and the dashboard page that shows and uses them."""

import hmac
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request

from doorkey.clock import utc
from doorkey.devprovider import control
from doorkey.devprovider.consent import PageError
from doorkey.devprovider.control import CONTROL, MISTAKES, Call, ControlError
from doorkey.devprovider.failures import ENDPOINTS, FAILURES
from doorkey.devprovider.openapi import document
from doorkey.devprovider.page_views import redirect_to, same_origin
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.scripted_responses import read_spec
from doorkey.devprovider.token_request import OAuthError
from doorkey.devprovider.visits import body_object, guard_control, own_address, visit

bp = Blueprint("control", __name__)
SHOWN_REQUESTS = 30
SHOWN_TOKENS = 20


@bp.before_request
def only_those_who_may() -> None:
    if request.path.startswith("/dev/"):
        guard_control()


def _view(act: Callable[[Call], control.Answer]) -> Callable[..., Response]:
    def view(name: str = "") -> Response:
        try:
            body = body_object() if request.method in ("POST", "PUT") else {}
            status, said = act(Call(visit(), body, name, current_app.extensions["deliver"], request.args))
        except (*MISTAKES, ValueError, RecursionError) as error:
            raise OAuthError("invalid_request", str(error), getattr(error, "status", 400)) from None
        response = Response(status=status) if said is None else jsonify(said)
        response.status_code = status
        return response

    return view


for (method, path), act in CONTROL.items():
    bp.add_url_rule(path, act.__name__, _view(act), methods=[method])


@bp.get("/openapi.json")
@bp.get("/dev/openapi.json")
def openapi() -> Response:
    return jsonify(document(own_address()))


@bp.get("/")
def front_page() -> Response:
    return redirect_to(f"{request.script_root}/dev/")


@bp.get("/dev/")
def dashboard() -> Response:
    return _dashboard(visit())


@bp.post("/dev/")
def use_dashboard() -> Response:
    """One of the page's buttons; afterwards the page again."""
    same_origin()
    if not hmac.compare_digest(request.form.get("csrf", "").encode(), current_app.extensions["csrf"].encode()):
        raise PageError("This did not come from the page.", "Open the page again.", 403)
    here, action = visit(), request.form.get("action", "")
    if action not in ACTIONS:
        raise PageError("There is no such action.", "Open the page again.")
    try:
        minted = ACTIONS[action](here)
    except (*MISTAKES, ValueError, RecursionError) as error:
        return _dashboard(here, problem=str(error))
    if minted:  # shown once, so not by way of a redirect
        return _dashboard(here, minted=minted)
    return redirect_to(f"{request.script_root}/dev/")


def _fail(here: Visit) -> None:
    """`spec` whole, or made of the selected `failure`, `endpoint` and `times`."""
    spec = request.form.get("spec", "").strip()
    if not spec:
        name, endpoint, times = (request.form.get(key, "").strip() for key in ("failure", "endpoint", "times"))
        transport = name in FAILURES and FAILURES[name].at == "*"
        spec = (f"{endpoint or 'token'}:" if transport else "") + name + (f"*{times}" if times else "")
    here.realm.script.add(read_spec(spec))


def _advance(here: Visit) -> None:
    try:
        seconds = int(request.form.get("seconds", ""))
    except ValueError:
        raise ControlError("The clock moves by whole seconds.") from None
    control.move_clock(_call(here, {"advance": seconds}))


def _mint(here: Visit) -> dict[str, Any]:
    given = {key: request.form.get(key, "").strip() for key in ("sub", "client_id", "scope", "format")}
    return control.issue_token(here, **{key: value for key, value in given.items() if value})  # type: ignore[arg-type]


def _log_out(here: Visit) -> None:
    control.log_out(_call(here, {"sub": request.form.get("sub", "")}))


def _revoke(here: Visit) -> None:
    here.realm.store.revoke_all(request.form.get("sub", ""), here.now)


def _call(here: Visit, body: dict[str, Any]) -> Call:
    return Call(here, body, "", current_app.extensions["deliver"])


ACTIONS: dict[str, Callable[[Visit], dict[str, Any] | None]] = {
    "fail": _fail,
    "clear": lambda here: here.realm.script.clear(),
    "advance": _advance,
    "rotate": lambda here: here.realm.keys.rotate(),
    "mint": _mint,
    "revoke": _revoke,
    "log-out": _log_out,
    "forget": lambda here: here.realm.log.clear(),
    "reset": lambda here: here.realm.reset(),
}


def _dashboard(here: Visit, problem: str = "", minted: dict[str, Any] | None = None) -> Response:
    """The page; with a problem it is 400. `minted` is an answer of the token endpoint."""
    realm = here.realm
    live = realm.store.live(here.now, most=SHOWN_TOKENS)
    requests = [entry.described() | {"text": _said(entry.described())} for entry in realm.log[-SHOWN_REQUESTS:]]
    view = {
        "issuer": here.base,
        "action": f"{request.script_root}/dev/",
        "csrf": current_app.extensions["csrf"],
        "problem": problem,
        "minted": minted or {},
        "users": list(realm.users.values()),
        "clients": list(realm.clients.values()),
        "tokens": [control.described_token(token, found) for token, found in live],
        "now": int(here.now),
        "now_text": utc(here.now).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "offset": int(realm.clock.offset),
        "requests": list(reversed(requests)),
        "waiting": [rule.described() for rule in realm.script.waiting()],
        "failures": list(FAILURES.values()),
        "endpoints": list(ENDPOINTS),
    }
    response = make_response(render_template("dev_dashboard.html", page=view))
    response.status_code = 400 if problem else 200
    return response


def _said(entry: dict[str, Any]) -> str:
    """What a request said, on one line."""
    return " ".join(f"{name}={value}" for name, value in {**entry["query"], **entry["form"]}.items())
