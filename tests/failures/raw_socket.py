"""One HTTP request over a bare socket, and what came of it, byte by byte. Used by test_transport.py."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

PATIENCE = 20.0


@dataclass(frozen=True)
class Received:
    """`ended` is true when the server closed the connection."""

    head: str = ""
    body: bytes = b""
    ended: bool = False
    seconds: float = 0.0

    @property
    def status(self) -> int:
        return int(self.head.split(" ", 2)[1]) if self.head else 0

    def header(self, name: str) -> str:
        lines = self.head.lower().split("\r\n")
        return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), "")


def message(method: str, url: str, form: Mapping[str, str] | None = None, **headers: str) -> bytes:
    """A request as it goes over the wire; `form` is the query of a GET."""
    parts = urlsplit(url)
    body = urlencode(form or {}) if method == "POST" else ""
    target = parts.path + (f"?{urlencode(form)}" if form and method == "GET" else "")
    lines = {"Host": parts.netloc, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if method == "POST":
        lines |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n{body}".encode()


@contextmanager
def sent(url: str, request: bytes, patience: float = PATIENCE) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), patience) as connection:
        connection.sendall(request)
        yield connection


def ask(url: str, request: bytes) -> Received:
    """The whole answer: to its announced end, or to that of the connection."""
    began = time.monotonic()
    with sent(url, request) as connection:
        text, ended = b"", False
        while not ended and not _is_whole(text):
            more = connection.recv(65536)
            text, ended = text + more, not more
    head, _, body = text.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        body = b"".join(_chunks(body))
    return Received(head.decode(), body, ended, time.monotonic() - began)


def arrivals(url: str, request: bytes, count: int, *, patience: float = PATIENCE) -> list[tuple[float, bytes]]:
    """The first `count` pieces of the body, as they arrive, and when; then the connection is left."""
    found: list[tuple[float, bytes]] = []
    with sent(url, request, patience) as connection:
        text = b""
        while b"\r\n\r\n" not in text:
            text += connection.recv(1)
        while len(found) < count:
            piece = connection.recv(65536)
            assert piece, "the answer ended"
            found.append((time.monotonic(), piece))
    return found


def counted(url: str, request: bytes, enough: int) -> tuple[str, int]:
    """The head, and how many bytes came after it, of which `enough` are read at most. Nothing is kept."""
    with sent(url, request) as connection:
        head, size = b"", 0
        buffer = bytearray(1 << 20)
        while size < enough:
            got = connection.recv_into(buffer)
            if not got:
                break
            if b"\r\n\r\n" in head:
                size += got
                continue
            head += buffer[:got]
            head, ended, rest = head.partition(b"\r\n\r\n")
            head, size = head + ended, len(rest)
    return head.decode(), size


def _is_whole(text: bytes) -> bool:
    head, ended, body = text.partition(b"\r\n\r\n")
    if not ended:
        return False
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        return body.endswith(b"0\r\n\r\n")
    length = lowered.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return bool(length) and len(body) >= int(length)


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, rest = body.partition(b"\r\n")
        yield rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
