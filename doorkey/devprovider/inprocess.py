"""The provider without a socket: a requests adapter that calls its WSGI app directly.

The embedded provider lives in the process that asks it; over HTTP a small server could wait for
itself. Cookies and redirects are not followed; the answer is the app's, byte for byte.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from werkzeug.test import EnvironBuilder, run_wsgi_app


class InProcessAdapter(BaseAdapter):
    """`app` is a WSGI callable that answers every URL this adapter is mounted for."""

    def __init__(self, app: Callable[..., Any]):
        super().__init__()
        self._app = app

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = request.body or b""
        builder = EnvironBuilder(
            path=request.path_url,
            base_url=str(request.url).split("/oauth/")[0],
            method=request.method or "GET",
            headers=[(name, str(value)) for name, value in request.headers.items()],
            data=body if isinstance(body, bytes) else str(body).encode(),
            environ_base={"REMOTE_ADDR": "127.0.0.1"},
        )
        content, status, headers = run_wsgi_app(self._app, builder.get_environ(), buffered=True)
        raw = HTTPResponse(
            body=BytesIO(b"".join(content)),
            status=int(status.split()[0]),
            headers=HTTPHeaderDict(headers.items()),
            preload_content=False,
        )
        response = requests.Response()
        response.status_code = raw.status
        response.headers.update(dict(headers.items()))
        response.raw = raw
        response.url = str(request.url)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is held open."""
