"""A FastCGI authorizer: the way in for Apache's mod_authnz_fcgi, which speaks no HTTP to what it asks.

`FastCgiServer` listens, `_Connection` serves one peer record by record, and a handler that is given
to the server decides: params in, one `FcgiAnswer` out. Nothing here knows what the answer is about,
only that a 200 of an authorizer carries variables for the web server and no headers for the browser.
FastCGI 1.0 with one request at a time per connection. Everything is bounded: params, time, peers.
"""

import asyncio
import contextlib
import http.client
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from doorkey import events

LONGEST_PARAMS = 64 * 1024
"""Bytes of params that are kept. Apache may send more when a client fills its headers: that request gets 431."""
MOST_INPUT = 2 * 1024 * 1024
"""Bytes of one request (params, and a body that nobody reads) until the connection is closed."""
MOST_CONNECTIONS = 1024
SECONDS = 10.0
"""For one request, from its first record to the answer; a connection that is kept may be idle as long."""

_BEGIN, _ABORT, _END, _PARAMS, _STDIN, _STDOUT, _DATA = 1, 2, 3, 4, 5, 6, 8
_GET_VALUES, _GET_VALUES_RESULT, _UNKNOWN_TYPE = 9, 10, 11
_AUTHORIZER = 2
_KEEP_CONNECTION = 1
_COMPLETE, _CANNOT_MULTIPLEX, _UNKNOWN_ROLE = 0, 1, 3
_LONGEST_RECORD = 32 * 1024
_HEADER = struct.Struct(">BBHHBx")
_CAPABILITIES = {b"FCGI_MAX_CONNS": b"%d" % MOST_CONNECTIONS, b"FCGI_MAX_REQS": b"%d" % MOST_CONNECTIONS}
_CAPABILITIES[b"FCGI_MPXS_CONNS"] = b"0"


Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class FcgiAnswer:
    """What the handler decided, as it would be over HTTP."""

    status: int
    headers: Headers = ()
    body: bytes = b""


Params = dict[str, str]
"""Names and values as they came, decoded as Latin-1: every byte is still there."""
Handler = Callable[[Params], Awaitable[FcgiAnswer]]

_TOO_LARGE = FcgiAnswer(431, ((b"Content-Type", b"text/plain"),), b"The headers of this request are too large.\n")
_FAILED = FcgiAnswer(500)
_TOO_SLOW = FcgiAnswer(503, ((b"Retry-After", b"5"),))


class Malformed(Exception):
    """The peer does not speak FastCGI as it is written; there is no way to go on with it."""


@dataclass(slots=True)
class _Request:
    id: int
    keep: bool
    ends_at: float
    params: bytearray = field(default_factory=bytearray)
    received: int = 0
    complete: bool = False
    answering: asyncio.Task[None] | None = None


class FastCgiServer:
    """Listens until closed. `admits` is asked about the address of each peer ("" behind a Unix socket)."""

    def __init__(self, handler: Handler, *, admits: Callable[[str], bool] = lambda peer: True):
        self._handler = handler
        self._admits = admits
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._closed = False

    async def start(self, where: tuple[str, int] | Sequence[socket.socket], *, reuse_port: bool = False) -> None:
        """Listen on (host, port), or on sockets that are bound already."""
        if isinstance(where, tuple) and isinstance(where[0], str):
            host, port = where
            options = {"reuse_port": True} if reuse_port else {}
            self._servers.append(await asyncio.start_server(self._connected, host, port, **options))
            return
        for listening in where:
            assert isinstance(listening, socket.socket)
            self._servers.append(await asyncio.start_server(self._connected, sock=listening))

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, once started: with port 0 the system has chosen one."""
        return [listening.getsockname()[:2] for server in self._servers for listening in server.sockets]

    async def close(self) -> None:
        """Stop listening, let running requests have their answers, and return when every connection is closed."""
        self._closed = True  # also for a connection that was accepted at this moment
        for server in self._servers:
            server.close()
        for connection in self._connections.values():
            connection.finish()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._servers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("peername")
        peer = name[0] if isinstance(name, tuple) else ""
        task = asyncio.current_task()
        assert task is not None
        if self._closed or len(self._connections) >= MOST_CONNECTIONS or not self._admits(peer):
            events.log(events.REQUEST_REFUSED, level=logging.WARNING, where="fastcgi", peer=peer)
            writer.close()
            return
        connection = _Connection(reader, writer, self._handler)
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)
        try:
            await connection.serve()
        except Malformed as error:
            events.log(events.REQUEST_REFUSED, level=logging.WARNING, where="fastcgi", peer=peer, detail=str(error))
        except (OSError, EOFError, TimeoutError):
            pass  # the peer went away, or kept us waiting: nobody to answer
        finally:
            await connection.close()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler):
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._request: _Request | None = None
        self._limit = asyncio.timeout(None)
        self._finishing = False

    async def serve(self) -> None:
        """One record after the other, while a handler runs too: the peer may abort it."""
        async with asyncio.timeout(SECONDS) as self._limit:
            while not self._writer.is_closing():
                await self._take(*await self._record())

    def finish(self) -> None:
        """Close now when idle, else after the answer."""
        self._finishing = True
        if self._request is None:
            self._writer.close()

    async def close(self) -> None:
        request, self._request = self._request, None
        if request and request.answering:
            request.answering.cancel()
            await asyncio.gather(request.answering, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                await self._writer.wait_closed()

    async def _record(self) -> tuple[int, int, bytes]:
        version, kind, id, length, padding = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
        if version != 1:
            raise Malformed(f"version {version}")
        content = await self._reader.readexactly(length)
        await self._reader.readexactly(padding)
        return kind, id, content

    async def _take(self, kind: int, id: int, content: bytes) -> None:
        if id == 0:
            await self._manage(kind, content)
        elif kind == _BEGIN:
            await self._begin(id, content)
        elif kind not in (_ABORT, _PARAMS, _STDIN, _DATA):
            raise Malformed(f"type {kind} in a request")
        elif self._request and self._request.id == id:
            await self._go_on(self._request, kind, content)
        # else a request that is over or was refused: its remaining records mean nothing

    async def _manage(self, kind: int, content: bytes) -> None:
        if kind == _GET_VALUES:
            asked = [name for name, _ in _pairs(content)]
            found = b"".join(_pair(name, _CAPABILITIES[name]) for name in dict.fromkeys(asked) if name in _CAPABILITIES)
            await self._send(_GET_VALUES_RESULT, 0, found)
        elif kind in range(_BEGIN, _DATA + 1):
            raise Malformed(f"type {kind} outside of a request")
        else:
            await self._send(_UNKNOWN_TYPE, 0, struct.pack(">B7x", kind))

    async def _begin(self, id: int, content: bytes) -> None:
        if len(content) != 8:
            raise Malformed("length of a begin record")
        role, flags = struct.unpack(">HB5x", content)
        if self._request is not None:
            if self._request.id == id:
                raise Malformed("a request that began twice")
            await self._end(id, _CANNOT_MULTIPLEX)
        elif role != _AUTHORIZER:
            await self._end(id, _UNKNOWN_ROLE)
            if not flags & _KEEP_CONNECTION:
                self._writer.close()
        else:
            self._request = _Request(id, bool(flags & _KEEP_CONNECTION), self._time_left(SECONDS))

    async def _go_on(self, request: _Request, kind: int, content: bytes) -> None:
        request.received += len(content)
        if request.received > MOST_INPUT:
            raise Malformed("too much input")
        if kind == _ABORT:
            await self._abort(request)
        elif kind == _PARAMS and request.complete:
            raise Malformed("params after their end")
        elif kind == _PARAMS and content:
            if len(request.params) <= LONGEST_PARAMS:
                request.params += content
        elif kind == _PARAMS:
            request.complete = True
            self._time_left(2 * SECONDS)  # the handler is stopped in time by itself; the rest is for sending the answer
            request.answering = asyncio.create_task(self._answer(request))

    async def _abort(self, request: _Request) -> None:
        if request.answering:
            request.answering.cancel()
            await asyncio.gather(request.answering, return_exceptions=True)
        if self._request is request:  # else it was answered just before
            await self._end(request.id, _COMPLETE)
            self._done(request)

    async def _answer(self, request: _Request) -> None:
        try:
            output = await self._ask(request)
            for start in range(0, len(output), _LONGEST_RECORD):
                await self._send(_STDOUT, request.id, output[start : start + _LONGEST_RECORD])
            await self._send(_STDOUT, request.id, b"")
            await self._end(request.id, _COMPLETE)
            self._done(request)
        except (OSError, Malformed) as error:
            if isinstance(error, Malformed):
                events.log(events.REQUEST_REFUSED, level=logging.WARNING, where="fastcgi", detail=str(error))
            self._writer.close()

    async def _ask(self, request: _Request) -> bytes:
        if len(request.params) > LONGEST_PARAMS:
            return _as_output(_TOO_LARGE)
        params = _decoded(request.params)
        try:
            async with asyncio.timeout_at(request.ends_at) as limit:
                return _as_output(await self._handler(params))
        except Exception as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, where="fastcgi", late=late)
            return _as_output(_TOO_SLOW if late else _FAILED)

    def _done(self, request: _Request) -> None:
        self._request = None
        self._time_left(SECONDS)
        if self._finishing or not request.keep:
            self._writer.close()

    def _time_left(self, seconds: float) -> float:
        """Give the peer so long from now; the moment when that is over."""
        moment = asyncio.get_running_loop().time() + seconds
        if not self._limit.expired():
            self._limit.reschedule(moment)
        return moment

    async def _end(self, id: int, status: int) -> None:
        await self._send(_END, id, struct.pack(">IB3x", 0, status))

    async def _send(self, kind: int, id: int, content: bytes) -> None:
        self._writer.write(_HEADER.pack(1, kind, id, len(content), 0) + content)
        await self._writer.drain()


def _decoded(content: bytes | bytearray) -> Params:
    params: Params = {}
    for name, value in _pairs(bytes(content)):
        key = name.decode("latin-1")
        if not name or key in params:
            raise Malformed("a param without a name" if not name else "a param that came twice")
        params[key] = value.decode("latin-1")
    return params


def _pairs(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        name_length, at = _length(content, at)
        value_length, at = _length(content, at)
        middle, end = at + name_length, at + name_length + value_length
        if end > len(content):
            raise Malformed("a pair longer than what was sent")
        yield content[at:middle], content[middle:end]
        at = end


def _length(content: bytes, at: int) -> tuple[int, int]:
    """One byte, or four when the first bit is set; and where the next thing begins."""
    size = 4 if at < len(content) and content[at] & 0x80 else 1
    if at + size > len(content):
        raise Malformed("a length that was cut off")
    return int.from_bytes(content[at : at + size]) & 0x7FFFFFFF, at + size


def _pair(name: bytes, value: bytes) -> bytes:
    return bytes([len(name), len(value)]) + name + value


def _as_output(answer: FcgiAnswer) -> bytes:
    """The answer as a CGI program would print it. On 200 variables only: a header would end up in the app's answer."""
    allowed = answer.status == 200
    headers = _variables(answer.headers) if allowed else _with_type(answer.headers)
    lines = [b"Status: %d %s" % (answer.status, _phrase(answer.status))]
    for name, value in headers:
        if any(byte in name + value for byte in b"\r\n\0") or b":" in name:
            raise ValueError(f"header {name!r} cannot be sent")
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if allowed else answer.body)


def _phrase(status: int) -> bytes:
    """Apache shows it to people, and says "Unknown Reason" when there is none."""
    return http.client.responses.get(status, "Answer").encode("ascii")


def _with_type(headers: Headers) -> Headers:
    """mod_authnz_fcgi makes every body text/html; deploy/apache/ puts the type back from a header that survives.

    It also cuts a body after about 8000 bytes, so a length of ours could be wrong.
    """
    kept = tuple(header for header in headers if header[0].lower() != b"content-length")
    types = tuple((b"X-Doorkey-Type", value) for name, value in headers if name.lower() == b"content-type")
    return (*kept, *types)


def _variables(headers: Headers) -> Headers:
    """`x-doorkey-user` becomes DK_USER, `x-auth-request-user` DK_AUTH_REQUEST_USER; other headers are left out."""
    found = []
    for name, value in headers:
        plain = name.lower().replace(b"-", b"_").upper()
        if plain.startswith(b"X_DOORKEY_"):
            found.append((b"Variable-DK_" + plain.removeprefix(b"X_DOORKEY_"), value))
        elif plain.startswith(b"X_AUTH_REQUEST_"):
            found.append((b"Variable-DK_" + plain.removeprefix(b"X_"), value))
    return tuple(found)
