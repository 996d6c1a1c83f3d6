"""The gate under a plain WSGI server, in front of the Flask app and before its handling of methods and paths.

WSGI has one name for `X-A` and `X_A`, and joins values of headers that come twice with a comma; the servers that are
tested (gunicorn, Werkzeug's) drop names with an underscore, and joined values are refused by the dialects.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from doorkey.gate.checkpoint import Checkpoint
from doorkey.gate.gate_request import CheckRequest

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class GateWsgi:
    """`app` for everything that is not the gate's."""

    def __init__(self, app: Wsgi, checkpoint: Checkpoint):
        self._app = app
        self._checkpoint = checkpoint

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, query = _target(environ)
        if not self._checkpoint.takes(path):
            return self._app(environ, start_response)
        check = CheckRequest(environ["REQUEST_METHOD"], path, query, _headers(environ), environ.get("REMOTE_ADDR", ""))
        answer = self._checkpoint.answer(check)
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        start_response(status, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]


def _target(environ: dict[str, Any]) -> tuple[bytes, bytes]:
    """Path and query as they came: PATH_INFO has lost which slashes were escaped."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ.get("PATH_INFO", "")
    path, _, query = raw.partition("?")
    if not path.startswith("/"):  # RFC 9112 section 3.2.2: the absolute form
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path.encode("latin-1", "replace"), query.encode("latin-1", "replace")


def _headers(environ: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    found = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    found |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return [
        (name.lower().replace("_", "-").encode("latin-1"), str(value).encode("latin-1", "replace"))
        for name, value in found.items()
    ]
