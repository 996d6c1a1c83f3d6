"""The endpoints that programs ask, each a few lines: read, call, answer in JSON."""

from flask import Blueprint, Response, jsonify, request

from doorkey.devprovider import device_grant, grants, provider_metadata, token_status
from doorkey.devprovider.client_proof import authenticate
from doorkey.devprovider.drafts import UserInfoDraft
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.signed_tokens import signed_user_info
from doorkey.devprovider.token_request import read_form
from doorkey.devprovider.users import Client
from doorkey.devprovider.visits import visit

bp = Blueprint("protocol", __name__)


def _form() -> dict[str, str]:
    return read_form(request.headers.get("Content-Type", ""), request.get_data())


def _authenticated(here: Visit, form: dict[str, str]) -> Client:
    authorization = request.headers.get("Authorization", "")
    return authenticate(here, authorization, form, endpoint=here.base + request.path)


@bp.post("/oauth/token")
def token() -> Response:
    here = visit()
    authorization = request.headers.get("Authorization", "")
    fields = grants.answer(here, authorization=authorization, form=_form(), endpoint=here.base + request.path)
    return jsonify(fields)


@bp.route("/oauth/userinfo", methods=["GET", "POST"])
def user_info() -> Response:
    here = visit()
    form = _form() if request.method == "POST" and request.get_data() else {}
    found = token_status.bearer_token(here, request.headers.get("Authorization", ""), form)
    return _said(here, token_status.user_info(here, found))


def _said(here: Visit, draft: UserInfoDraft) -> Response:
    if not draft.signed_with or here.client is None:
        return jsonify(draft.fields)
    signed = signed_user_info(here, here.client, draft.fields, draft.signed_with)
    return Response(signed, content_type="application/jwt")


@bp.post("/oauth/introspect")
def introspect() -> Response:
    here, form = visit(), _form()
    return jsonify(token_status.introspect(here, _authenticated(here, form), form))


@bp.post("/oauth/revoke")
def revoke() -> Response:
    here, form = visit(), _form()
    token_status.revoke(here, _authenticated(here, form), form)
    return Response(status=200)


@bp.post("/oauth/device_authorization")
def device_authorization() -> Response:
    here, form = visit(), _form()
    return jsonify(device_grant.authorize_device(here, _authenticated(here, form), form))


@bp.post("/oauth/par")
def pushed_authorization_request() -> tuple[Response, int]:
    here, form = visit(), _form()
    return jsonify(device_grant.push(here, _authenticated(here, form), form)), 201


@bp.get("/oauth/jwks")
@bp.get("/oauth/jwks/<suffix>")
def jwks(suffix: str = "") -> Response:
    here = visit()
    response = jsonify(provider_metadata.foreign_jwks(here) if suffix == "foreign" else provider_metadata.jwks(here))
    response.content_type = "application/jwk-set+json"
    return response


@bp.get("/.well-known/openid-configuration")
@bp.get("/.well-known/oauth-authorization-server")
def metadata() -> Response:
    return jsonify(provider_metadata.metadata(visit()))
