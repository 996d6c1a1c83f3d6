"""The provider without a socket: its WSGI app called directly, as `requests` would call it over HTTP.

`exchange()` is one request; `InProcessAdapter` is it for a requests session. The embedded provider lives
in the process that asks it: over HTTP a small server could wait for itself. Cookies and redirects are not
followed; the answer is the app's, byte for byte, and the failures of wire.py come out as the exceptions
that requests has for them.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import ProtocolError
from werkzeug.test import EnvironBuilder

from doorkey.devprovider.wire import HANG_UP, SLEEP, HungUp

Wsgi = Callable[..., Iterable[bytes]]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def exchange(app: Wsgi, request: requests.PreparedRequest, timeout: Any = None) -> Answer:
    """The answer of `app` to `request`. Raises what requests raises when a connection fails or is too slow."""
    body = request.body or b""
    parts = urlsplit(str(request.url))
    builder = EnvironBuilder(
        path=request.path_url,
        base_url=f"{parts.scheme}://{parts.netloc}/",
        method=request.method or "GET",
        headers=[(name, _text(value)) for name, value in request.headers.items()],
        data=body if isinstance(body, bytes) else str(body).encode(),
        environ_base={"REMOTE_ADDR": "127.0.0.1", HANG_UP: _hang_up, SLEEP: _sleep_within(request, timeout)},
    )
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [int(status.split()[0]), headers]
        return lambda chunk: None

    try:
        content = b"".join(app(builder.get_environ(), start_response))
    except HungUp:
        if started:
            raise requests.exceptions.ChunkedEncodingError("the answer ended early", request=request) from None
        closed = ProtocolError("the connection was closed")
        raise requests.exceptions.ConnectionError(closed, request=request) from None
    return Answer(started[0], started[1], content)


class InProcessAdapter(BaseAdapter):
    """`app` is a WSGI callable that answers every URL this adapter is mounted for."""

    def __init__(self, app: Wsgi):
        super().__init__()
        self._app = app

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, *args: Any, **kwargs: Any
    ) -> requests.Response:
        answer = exchange(self._app, request, timeout)
        raw = HTTPResponse(
            body=BytesIO(answer.body),
            status=answer.status,
            headers=HTTPHeaderDict(answer.headers),
            preload_content=False,
        )
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(dict(raw.headers.items()))
        response.raw = raw
        response.url = str(request.url)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is held open."""


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _hang_up() -> None:
    raise HungUp


def _sleep_within(request: requests.PreparedRequest, timeout: Any) -> Callable[[float], None]:
    """Sleeps; a wait longer than the read time-out is that time-out, at once, because nothing can change it."""
    read = timeout[1] if isinstance(timeout, tuple) else timeout

    def sleep(seconds: float) -> None:
        if isinstance(read, (int, float)) and seconds >= read:
            raise requests.exceptions.ReadTimeout("the answer took too long", request=request)
        time.sleep(seconds)

    return sleep
