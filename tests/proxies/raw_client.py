"""A client that sends exactly the bytes it is given and shows the answer as it came.

answer = send(port, request("GET", "/a%2Fb", [("Cookie", "a=b")]), tls=context)
answer.status, answer.header("Location"), answer.body

with Connection(port, tls=context) as connection:     # websockets, 100-continue, pipelining
    connection.send(b"...")
    connection.answer()
"""

import json
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

SECONDS = 5.0
APP_HOST = "app.example.com"
CLOSED = 0
"""Stands for a status when the connection was closed without an answer."""


@dataclass(frozen=True)
class Answer:
    status: int = CLOSED
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def values(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The one value of `name`, or empty; twice is a failure of its own."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, host: str = APP_HOST
) -> bytes:
    """The bytes of a request; `Host` comes first unless `host` is empty, `Content-Length` with a body."""
    pairs = [("Host", host)] if host else []
    pairs += headers
    if body:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def send(
    port: int, raw: bytes, *, tls: ssl.SSLContext | None = None, name: str = APP_HOST, seconds: float = SECONDS
) -> Answer:
    """The first final answer to `raw` (a 100 is passed over), on a connection of its own."""
    head = raw.startswith(b"HEAD ")
    with Connection(port, tls=tls, name=name, seconds=seconds) as connection:
        with suppress(OSError):  # refused before everything was sent: the answer tells
            connection.send(raw)
        while (answer := connection.answer(head=head)).status == 100:
            pass
        return answer


class Connection:
    """One connection; `name` is what TLS is told (SNI), whatever Host says later; `source` is its own address."""

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        name: str = APP_HOST,
        seconds: float = SECONDS,
        source: str = "127.0.0.1",
    ):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds, source_address=(source, 0))
        self._kept = b""
        if tls:
            try:
                self._socket = tls.wrap_socket(self._socket, server_hostname=name)
            except BaseException:
                self._socket.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def answer(self, *, head: bool = False) -> Answer:
        """The next answer; status 0 when the connection was closed instead. Waiting too long is an error."""
        try:
            first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        except EOFError:
            return Answer()
        pairs = [line.partition(":") for line in lines]
        answer = Answer(int(first.split(" ")[1]), tuple((name, value.strip()) for name, _, value in pairs))
        if head or answer.status < 200 or answer.status in (204, 304):
            return answer
        return Answer(answer.status, answer.headers, self._body(answer))

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        while len(self._kept) < count:
            self._more()
        found, self._kept = self._kept[:count], self._kept[count:]
        return found

    def _body(self, answer: Answer) -> bytes:
        if "chunked" in answer.header("Transfer-Encoding").lower():
            return self._chunks()
        if answer.values("Content-Length"):
            return self.read(int(answer.header("Content-Length")))
        with suppress(EOFError):
            while True:
                self._more()
        return self._kept

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            body += self.read(size)
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            pass
        return body

    def _until(self, end: bytes) -> bytes:
        while end not in self._kept:
            self._more()
        found, _, self._kept = self._kept.partition(end)
        return found

    def _more(self) -> None:
        try:
            part = self._socket.recv(65536)
        except (ConnectionError, ssl.SSLEOFError):
            part = b""
        if not part:
            raise EOFError
        self._kept += part
