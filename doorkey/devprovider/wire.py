"""Failures of the connection, carried out between the provider's app and whatever server runs it.

`Wire` wraps the app. What is to happen is found in the environ, where app.py put it. Closing a
connection needs the server's help: `hang_up()` knows ours, gunicorn's, Werkzeug's, and the caller
without a socket (inprocess.py).
"""

import contextlib
import itertools
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from doorkey.devprovider.script import Early

EARLY = "doorkey.dev.early"
HANG_UP = "doorkey.hang_up"  # cli/bounded_http.py knows it too
SLEEP = "doorkey.sleep"  # the same; takes seconds, and wakes with True when the connection is gone
DRIP_SECONDS = 0.5
DRIP_AT_MOST_SECONDS = 60.0
HUGE_CHUNK = b" " * 1024 * 1024
HUGE_CHUNKS = 64
GARBAGE = b'{"dk-dev-garbage": \xff\xfe\x00 <html>'

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
Headers = list[tuple[str, str]]


class HungUp(ConnectionError):
    """The connection is closed; raised through the app where there is no socket."""


class Wire:
    """`app` is the provider's WSGI app; `sleep` takes seconds."""

    def __init__(self, app: Wsgi, *, sleep: Callable[[float], bool | None] = time.sleep):
        self._app = app
        self._sleep = sleep

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: dict[str, Any] = {}

        def capture(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
            answer.update(status=status, headers=headers)
            return lambda chunk: None

        body = self._app(environ, capture)
        early: Early | None = environ.get(EARLY)
        if early is None:
            start_response(answer["status"], answer["headers"])
            return body
        sleep = environ.get(SLEEP) or environ.get("asgi.scope", {}).get(SLEEP) or self._sleep
        if early.delay:
            sleep(early.delay)
        if early.wire == "closed":
            _close(body)
            hang_up(environ)
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        content = _whole(body)
        if not early.wire:
            start_response(answer["status"], answer["headers"])
            return [content]
        return _spoiled(early.wire, content, environ, start_response, answer, sleep)


def _spoiled(
    wire: str, content: bytes, environ: dict[str, Any], start_response: Any, answer: dict[str, Any], sleep: Any
) -> Iterable[bytes]:
    headers: Headers = [pair for pair in answer["headers"] if pair[0].lower() != "content-length"]
    if wire in ("garbage", "huge"):
        headers = [pair for pair in headers if pair[0].lower() != "content-type"]
        headers.append(("Content-Type", "application/json"))
        start_response("200 OK", headers)
        return [GARBAGE] if wire == "garbage" else _huge()
    promised = len(content) if wire == "drip" else max(len(content), 1)  # of an empty body too something is missing
    start_response(answer["status"], [*headers, ("Content-Length", str(promised))])
    return _drip(content, sleep) if wire == "drip" else _half(content, environ)


def _huge() -> Iterator[bytes]:
    return itertools.chain([b'{"dk-dev-huge":"'], itertools.repeat(HUGE_CHUNK, HUGE_CHUNKS), [b'"}'])


def _drip(content: bytes, sleep: Callable[[float], bool | None]) -> Iterator[bytes]:
    pause = min(DRIP_SECONDS, DRIP_AT_MOST_SECONDS / max(len(content), 1))
    for position in range(len(content)):
        if sleep(pause):
            return
        yield content[position : position + 1]


def _half(content: bytes, environ: dict[str, Any]) -> Iterator[bytes]:
    yield content[: len(content) // 2]
    hang_up(environ)


def hang_up(environ: dict[str, Any]) -> None:
    """Close the connection. Raises `HungUp` under a server that gives no way to do it: let that one see to it."""
    ours = environ.get(HANG_UP) or environ.get("asgi.scope", {}).get(HANG_UP)
    if ours:
        ours()
        return
    known = next((environ[name] for name in ("werkzeug.socket", "gunicorn.socket") if name in environ), None)
    if known is None:
        raise HungUp("this server gives no way to close a connection")
    with contextlib.suppress(OSError):
        known.shutdown(socket.SHUT_RDWR)


def _whole(body: Iterable[bytes]) -> bytes:
    try:
        return b"".join(body)
    finally:
        _close(body)


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close:
        close()
