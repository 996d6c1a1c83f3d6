"""For whoever runs Doorkey: is it alive, and can it serve."""

from flask import Blueprint, Response, jsonify

from doorkey.errors import StoreUnavailable
from doorkey.web.runtime import doorkey

bp = Blueprint("ops", __name__)


@bp.get("/healthz")
def alive() -> Response:
    """The process answers; says nothing about anything else."""
    return Response("ok\n", mimetype="text/plain")


@bp.get("/readyz")
def ready() -> Response:
    """Sessions can be read and written; 503 otherwise."""
    try:
        doorkey().sessions.check_store()
    except StoreUnavailable as error:
        response = jsonify({"ready": False, "store": error.code})
        response.status_code = 503
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return jsonify({"ready": True, "store": "ok"})
