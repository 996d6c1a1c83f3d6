"""The pages behind uvicorn: Flask in a pool of threads (page_threads.py).

A thread is taken only for a request that is complete: the body is read here first, bounded in
size and time, so that a client that never finishes sending holds no thread. Header names with an
underscore are dropped (WSGI cannot tell them from the hyphened ones), and what no server should
pass on is refused before a WSGI environ is made of it.
"""

import asyncio
import gc
import logging
import secrets
import sys
from urllib.parse import quote

from flask import Flask

from doorkey import events
from doorkey.gate.asgi import GateAsgi, Message, Receive, Send
from doorkey.gate.lifespan import GateLifespan
from doorkey.http_headers import security_headers
from doorkey.web.page_threads import PageThreads

LARGEST_BODY = 64 * 1024
LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100
LONGEST_TARGET = 8190
BODY_SECONDS = 10.0
SWITCH_SECONDS = 0.0005
"""How long a thread computes while another waits. Python's own 5 ms are what a check would wait for a page."""


class Refused(Exception):
    """Answered here, in plain text, because what is wrong is the request as HTTP."""

    def __init__(self, status: int, code: str, words: str):
        super().__init__(words)
        self.status = status
        self.code = code
        self.words = words


TOO_LARGE = (413, "too_large", "The request is too large.")


class DoorkeyAsgi:
    """`flask` is the part that any WSGI server can run on its own; `gate` answers what reverse proxies ask."""

    def __init__(
        self, flask: Flask, gate: GateAsgi | None = None, lifespan: GateLifespan | None = None, *, threads: int
    ):
        self.flask = flask
        self._gate = gate
        self._lifespan = lifespan
        self.at_once = gate.at_once if gate else None
        """What the gate answers without asking anybody: for a server that can send that without a task."""
        self._pages = PageThreads(flask, threads=threads)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        if self._gate and self._gate.takes(scope):
            await self._gate(scope, receive, send)
            return
        if scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
            await _answer(send, 200, b"ok\n")  # here, because all threads may be waiting for a provider
            return
        try:
            _check(scope)
            body = await asyncio.wait_for(_read_body(receive), BODY_SECONDS) if _has_body(scope) else b""
        except Refused as refused:
            await _refuse(send, scope, refused)
        except TimeoutError:
            await _refuse(send, scope, Refused(408, "too_slow", "The request did not arrive in time."))
        else:
            await self._pages(_for_wsgi(scope, body), body, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server (the lifespan protocol of ASGI)."""
        await receive()
        try:
            if self._lifespan:
                await self._lifespan.start()
        except OSError as error:
            await send({"type": "lifespan.startup.failed", "message": f"DOORKEY_FASTCGI: {error.strerror or error}"})
            return
        _make_room_for_checks()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._lifespan:
            await self._lifespan.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _make_room_for_checks() -> None:
    """A page that computes gives way soon, and what is there from the start is never looked through for garbage."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()


def _check(scope: Message) -> None:
    """What no server should pass on. Raises `Refused`."""
    headers = scope["headers"]
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET:
        raise Refused(414, "address_too_long", "The address is too long.")
    if len(headers) > MOST_HEADERS or sum(len(n) + len(v) for n, v in headers) > LARGEST_HEAD:
        raise Refused(431, "headers_too_large", "The request has too many or too large headers.")
    if sum(name == b"host" for name, _ in headers) > 1:
        raise Refused(400, "several_hosts", "The request has more than one Host.")
    lengths = [value for name, value in headers if name == b"content-length"]
    if any(len(value) > 9 or int(value) > LARGEST_BODY for value in lengths if value.isdigit()):
        raise Refused(*TOO_LARGE)


def _for_wsgi(scope: Message, body: bytes) -> Message:
    """The scope that an environ can be made of: the body has a length, a chunked one too."""
    replaced = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name and name not in replaced]
    if _has_body(scope):
        headers.append((b"content-length", str(len(body)).encode()))
    query = quote(scope["query_string"], safe=bytes(range(0x21, 0x7F)))
    return {**scope, "headers": headers, "query_string": query.encode("ascii")}


def _has_body(scope: Message) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "client_gone", "The client went away.")
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise Refused(*TOO_LARGE)
        if not message.get("more_body"):
            return bytes(body)


async def _refuse(send: Send, scope: Message, refused: Refused) -> None:
    request_id = secrets.token_hex(8)
    events.request_id.set(request_id)
    path = scope["path"][:200]
    events.log(events.REQUEST_REFUSED, level=logging.WARNING, code=refused.code, method=scope["method"], path=path)
    body = f"{refused.words}\n{refused.code}, request id {request_id}\n".encode()
    await _answer(send, refused.status, body, (b"x-request-id", request_id.encode()), (b"connection", b"close"))


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """A short text with the headers that every answer has."""
    common = [(name.lower().encode(), value.encode()) for name, value in security_headers("", secure=False).items()]
    length = (b"content-length", str(len(body)).encode())
    start = [*common, (b"content-type", b"text/plain; charset=utf-8"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
