"""A FastCGI server in a thread, and a peer that sends it exactly the records that a test wants.

with serving(handler) as server, Peer(server.port) as peer:
    peer.send(begin(), params({"A": "1"}), params({}))
    peer.answer()                     # what came on stdout until the end of the request
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple, Self

from doorkey.gate.fastcgi import FastCgiServer, Handler

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN = 1, 2, 3, 4, 5, 6, 8, 9, 10, 11
AUTHORIZER = 2
PATIENCE = 5.0
"""Seconds until a test gives up on an answer."""


class Record(NamedTuple):
    kind: int
    id: int
    content: bytes


class Running(NamedTuple):
    server: FastCgiServer
    port: int
    close: Callable[[], None]


def record(kind: int, content: bytes = b"", *, id: int = 1, padding: int = 0, version: int = 1) -> bytes:
    return struct.pack(">BBHHBx", version, kind, id, len(content), padding) + content + b"\xff" * padding


def begin(*, id: int = 1, role: int = AUTHORIZER, keep: bool = False) -> bytes:
    return record(BEGIN, struct.pack(">HB5x", role, keep), id=id)


def pairs(values: Mapping[str, str]) -> bytes:
    """Names and values with the shortest lengths that hold them."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in values.items()]
    return b"".join(_length(name) + _length(value) + name + value for name, value in encoded)


def params(values: Mapping[str, str], *, id: int = 1) -> bytes:
    return record(PARAMS, pairs(values), id=id)


def whole(values: Mapping[str, str], *, id: int = 1, keep: bool = False) -> bytes:
    """All records of one request."""
    return begin(id=id, keep=keep) + (params(values, id=id) if values else b"") + params({}, id=id)


def _length(text: bytes) -> bytes:
    return bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 0x80000000)


class Peer:
    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._socket.close()

    def send(self, *records: bytes) -> None:
        self._socket.sendall(b"".join(records))

    def read(self) -> Record | None:
        """The next record; nothing when the connection was closed."""
        try:
            head = self._file.read(8)
        except ConnectionResetError:
            return None
        if not head:
            return None
        _, kind, id, length, padding = struct.unpack(">BBHHBx", head)
        content = self._file.read(length)
        self._file.read(padding)
        return Record(kind, id, content)

    def answer(self, *, id: int = 1) -> str:
        """What came on stdout, after which the request ended well."""
        output = b""
        while (found := self.read()) and found.kind == STDOUT:
            assert found.id == id
            output += found.content
        assert found == Record(END, id, bytes(8))
        return output.decode("latin-1")

    def is_closed(self) -> bool:
        """Closed without another record; a failure when it stays open."""
        return self.read() is None


@contextmanager
def serving(handler: Handler, *, admits: Callable[[str], bool] = lambda peer: True) -> Iterator[Running]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = FastCgiServer(handler, admits=admits)

    def close() -> None:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(PATIENCE)

    try:
        asyncio.run_coroutine_threadsafe(server.start(("127.0.0.1", 0)), loop).result(PATIENCE)
        yield Running(server, server.addresses[0][1], close)
    finally:
        close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
