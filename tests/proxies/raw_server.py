"""A small HTTP/1.1 server in threads that reads requests to the byte and changes nothing.

    server = RawServer(answer)         # answer(Received) -> bytes of a whole response
    server.port, server.requests       # where it listens; everything that arrived, in order
    server.stop(); server.start()      # again on the same port

A response that begins with 101 makes the connection an echo of bytes, as a websocket app would be.
"""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
MOST = 1 << 20
SWITCHING = b"HTTP/1.1 101 "


@dataclass(frozen=True)
class Received:
    """One request as it arrived: names in their case, values untouched, both latin-1."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        """All values of `name`, in any case but with these very dashes and underscores."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The one value of `name`, or empty; twice is a failure of its own."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else ""


Answer = Callable[[Received], bytes]


def response(status: int, headers: Mapping[str, str], body: bytes = b"", method: str = "") -> bytes:
    """The bytes of a response; to HEAD (`method`) it says how long the body would be and sends none."""
    lines = [f"HTTP/1.1 {status} Answer", *(f"{name}: {value}" for name, value in headers.items())]
    if status >= 200:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if method == "HEAD" else head + body


class RawServer:
    def __init__(self, answer: Answer):
        self.requests: list[Received] = []
        self.port = 0
        self._answer = answer
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.start()

    def start(self) -> None:
        """Listen, again on the same port when it did before."""
        assert self._listener is None, "it runs already"
        self._listener = socket.create_server((HOST, self.port), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, args=(self._listener,))]
        self._threads[0].start()

    def stop(self) -> None:
        """Close everything; a connection attempt is refused from now on."""
        if self._listener is None:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self._listener = None
        with self._guard:
            for connection in self._open:
                with suppress(OSError):  # being closed at this moment
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # stopped
                return
            with self._guard:
                self._open.add(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        reader = _Reader(connection)
        try:
            while self._serve_one(connection, reader):
                pass
        except (OSError, EOFError):
            """The client is gone."""
        finally:
            with self._guard:
                self._open.discard(connection)
            connection.close()

    def _serve_one(self, connection: socket.socket, reader: "_Reader") -> bool:
        """Answer one request; is there to be another on this connection?"""
        received = _read_request(reader)
        self.requests.append(received)
        answer = self._answer(received)
        connection.sendall(answer)
        if answer.startswith(SWITCHING):
            while part := connection.recv(65536):
                connection.sendall(part)
            return False
        return received.version == "HTTP/1.1" and "close" not in received.header("Connection").lower()


class _Reader:
    """Bytes of a connection, one after another; what is left over belongs to the next request."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self._kept = b""

    def until(self, end: bytes) -> bytes:
        while end not in self._kept:
            self._more()
        found, _, self._kept = self._kept.partition(end)
        return found

    def exactly(self, count: int) -> bytes:
        while len(self._kept) < count:
            self._more()
        found, self._kept = self._kept[:count], self._kept[count:]
        return found

    def _more(self) -> None:
        part = self.connection.recv(65536)
        if not part or len(self._kept) > MOST:
            raise EOFError
        self._kept += part


def _read_request(reader: _Reader) -> Received:
    first, *lines = reader.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.rpartition(" ")
    pairs = [line.partition(":") for line in lines]
    head = Received(method, target, version, tuple((name, value.strip(" \t")) for name, _, value in pairs))
    return Received(method, target, version, head.headers, _read_body(reader, head))


def _read_body(reader: _Reader, head: Received) -> bytes:
    chunked = "chunked" in head.header("Transfer-Encoding").lower()
    length = int(head.header("Content-Length") or 0)
    if "100-continue" in head.header("Expect").lower() and (chunked or length):
        reader.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if not chunked:
        return reader.exactly(length)
    body = b""
    while size := int(reader.until(b"\r\n").partition(b";")[0], 16):
        body += reader.exactly(size)
        reader.until(b"\r\n")
    while reader.until(b"\r\n"):
        """Trailers are no headers."""
    return body
