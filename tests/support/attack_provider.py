"""Ways in which a provider misbehaves below HTTP; each is a `raw` of `ScriptedProvider.answer_raw`."""

import contextlib
import gzip
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

Raw = Callable[[BaseHTTPRequestHandler], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = b'{"access_token":"canary-access","token_type":"bearer","expires_in":3600,"sub":"u"}'
PATIENCE = 2.0
"""Longer than any test waits; a client that gave up is noticed by the next write."""


def _write(handler: BaseHTTPRequestHandler, *pieces: bytes, pause: float = 0.0, repeat: bool = False) -> None:
    """Write `pieces`, with a pause after each; over and over when `repeat`. Ends when the client is gone."""
    until = time.monotonic() + PATIENCE
    with contextlib.suppress(OSError):
        while True:
            for piece in pieces:
                handler.wfile.write(piece)
                handler.wfile.flush()
                if pause:
                    time.sleep(pause)
            if not repeat or time.monotonic() > until:
                return


def hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(PATIENCE)


def headers_only(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD + b"Content-Length: 80\r\n\r\n")
    time.sleep(PATIENCE)


def drip_status_line(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, b"HTTP/1.1 200 ", pause=0.05)
    _write(handler, b"O", pause=0.05, repeat=True)


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD)
    _write(handler, b"X-Drip: 1\r\n", pause=0.06, repeat=True)


def drip_continues(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.02, repeat=True)


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD + b"Content-Length: 9000\r\n\r\n")
    _write(handler, b" ", pause=0.05, repeat=True)


def drip_body_without_end(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD + b"\r\n")
    _write(handler, b" ", pause=0.05, repeat=True)


def drip_chunks(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    _write(handler, b"1\r\n \r\n", pause=0.05, repeat=True)


def drip_chunk_size(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    _write(handler, b"0", pause=0.05, repeat=True)


def flood(length: bytes) -> Raw:
    def raw(handler: BaseHTTPRequestHandler) -> None:
        _write(handler, HEAD + length + b"\r\n", *[b" " * 65536] * 1024)

    return raw


def flood_chunked(handler: BaseHTTPRequestHandler) -> None:
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    _write(handler, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[piece] * 1024)


def flood_headers(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD, *[b"X-Flood: " + b"x" * 60_000 + b"\r\n"] * 1000)


def flood_one_header(handler: BaseHTTPRequestHandler) -> None:
    _write(handler, HEAD + b"X-Flood: ", *[b"x" * 65536] * 1000)


def compressed(body: bytes, coding: str = "gzip") -> Raw:
    def raw(handler: BaseHTTPRequestHandler) -> None:
        length = f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        _write(handler, HEAD + length + body)

    return raw


BOMB = gzip.compress(b" " * (100 * 1024 * 1024), 1)
BOMB_OF_BOMBS = gzip.compress(gzip.compress(BOMB))


def says(answer: bytes) -> Raw:
    def raw(handler: BaseHTTPRequestHandler) -> None:
        _write(handler, answer)

    return raw
