"""For whoever runs Doorkey, and for providers: is it alive, can it serve, and which keys are its own."""

from flask import Blueprint, Response, jsonify

from doorkey.errors import StoreUnavailable
from doorkey.oauth.client_keys import published
from doorkey.web.runtime import doorkey

bp = Blueprint("ops", __name__)


@bp.get("/healthz")
def alive() -> Response:
    """The process answers; says nothing about anything else."""
    return Response("ok\n", mimetype="text/plain")


@bp.get("/readyz")
def ready() -> Response:
    """Sessions can be read and written; 503 otherwise. A provider that is down makes nobody unready: sessions go on."""
    providers = {id: _state(id) for id in doorkey().providers}
    try:
        doorkey().sessions.check_store()
    except StoreUnavailable as error:
        response = jsonify({"ready": False, "store": error.code, "providers": providers})
        response.status_code = 503
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return jsonify({"ready": True, "store": "ok", "providers": providers})


def _state(id: str) -> str:
    """`ok` (as far as is known), or the code of what went wrong when its metadata was last asked for."""
    failure = doorkey().directory.failure(doorkey().provider(id))
    return failure.code if failure else "ok"


@bp.get("/.well-known/jwks.json")
def client_keys() -> Response:
    """The public halves of the keys that Doorkey proves itself with (private_key_jwt), for providers to fetch."""
    return jsonify(published(key for provider in doorkey().providers.values() for key in provider.private_keys))
