"""The pages behind uvicorn: Flask through a2wsgi, in a pool of threads.

A thread is taken only for a request that is complete: the body is read here first, bounded in
size and time, so that a client that never finishes sending holds no thread. Header names with an
underscore are dropped (WSGI cannot tell them from the hyphened ones), and what no server should
pass on is refused before a WSGI environ is made of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast
from urllib.parse import quote

from a2wsgi import WSGIMiddleware
from flask import Flask

from doorkey.http_headers import BARE_CSP

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_BODY = 64 * 1024
LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100
LONGEST_TARGET = 8190
BODY_SECONDS = 10.0


class Refused(Exception):
    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status = status
        self.words = words


class DoorkeyAsgi:
    """`flask` is the part that any WSGI server can run on its own."""

    def __init__(self, flask: Flask, *, threads: int):
        self.flask = flask
        self._pages = WSGIMiddleware(cast(Any, flask), workers=threads)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(cast(Any, scope), cast(Any, receive), cast(Any, send))
            return
        try:
            checked = _checked(scope)
            body = await asyncio.wait_for(_read_body(receive), BODY_SECONDS) if _has_body(scope) else b""
        except Refused as refused:
            await _refuse(send, refused)
            return
        except TimeoutError:
            await _refuse(send, Refused(408, "The request did not arrive in time."))
            return
        await self._pages(cast(Any, checked), cast(Any, _replay(body)), cast(Any, send))


def _checked(scope: Message) -> Message:
    """The scope that the pages get. Raises `Refused`."""
    headers, target = scope["headers"], scope["raw_path"] + scope["query_string"]
    if len(target) > LONGEST_TARGET:
        raise Refused(414, "The address is too long.")
    if len(headers) > MOST_HEADERS or sum(len(n) + len(v) for n, v in headers) > LARGEST_HEAD:
        raise Refused(431, "The request has too many or too large headers.")
    if sum(name == b"host" for name, _ in headers) > 1:
        raise Refused(400, "The request has more than one Host.")
    kept = [(name, value) for name, value in headers if b"_" not in name]
    query = quote(scope["query_string"], safe=bytes(range(0x21, 0x7F)))
    return {**scope, "headers": kept, "query_string": query.encode("ascii")}


def _has_body(scope: Message) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The client went away.")
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise Refused(413, "The request is too large.")
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _refuse(send: Send, refused: Refused) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-security-policy", BARE_CSP.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": refused.words.encode() + b"\n"})
