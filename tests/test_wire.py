"""Failures of the connection, without one: what reaches the server that runs the provider, and when it hangs up."""

import json
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from doorkey.devprovider.script import Early
from doorkey.devprovider.wire import DRIP_SECONDS, EARLY, HANG_UP, HUGE_CHUNKS, SLEEP, HungUp, Wire, hang_up

BODY = b'{"access_token": "a", "token_type": "bearer"}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY))), ("Cache-Control", "no-store")]


class Body:
    """An iterable as a framework gives it: with an end that has to be told."""

    def __init__(self, *parts: bytes):
        self.parts = parts
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)

    def close(self) -> None:
        self.closed += 1


class Server:
    """What runs the provider. `sleeps` are the waits, `said` is what was done, in order."""

    def __init__(self, early: Early | None, *parts: bytes, status: str = "200 OK", more: dict[str, Any] | None = None):
        self.body = Body(*(parts or (BODY[:20], BODY[20:])))
        self.status = status
        self.said: list[str] = []
        self.sleeps: list[float] = []
        self.started: tuple[str, dict[str, str]] | None = None
        self.environ: dict[str, Any] = {HANG_UP: self._hang_up, SLEEP: self._sleep, EARLY: early, **(more or {})}

    def run(self) -> Iterable[bytes]:
        return Wire(self._app)(self.environ, self._start)

    def received(self) -> bytes:
        return b"".join(self.run())

    def header(self, name: str) -> str:
        assert self.started
        return self.started[1].get(name, "")

    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.said.append("asked")
        start_response(self.status, HEADERS)
        return self.body

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert self.started is None
        assert len(dict(headers)) == len(headers)
        self.said.append("started")
        self.started = status, dict(headers)
        return lambda chunk: None

    def _sleep(self, seconds: float) -> None:
        self.said.append("slept")
        self.sleeps.append(seconds)

    def _hang_up(self) -> None:
        self.said.append("hung up")


def test_without_a_failure_nothing_is_touched():
    server = Server(None)
    assert server.run() is server.body
    assert server.started == ("200 OK", dict(HEADERS))
    assert server.said == ["asked", "started"]
    assert server.body.closed == 0, "that is the server's part"


def test_a_delay_is_after_the_request_was_processed():
    server = Server(Early(delay=7.5))
    assert server.received() == BODY
    assert server.said == ["asked", "slept", "started"]
    assert server.sleeps == [7.5]
    assert server.started == ("200 OK", dict(HEADERS))
    assert server.body.closed == 1


def test_a_drip_is_byte_by_byte():
    server = Server(Early(wire="drip"))
    assert list(server.run()) == [bytes([byte]) for byte in BODY]
    assert server.sleeps == [DRIP_SECONDS] * len(BODY)
    assert server.header("Content-Length") == str(len(BODY))
    assert server.body.closed == 1


def test_a_long_drip_is_a_minute_long():
    server = Server(Early(wire="drip"), b"x" * 5000)
    assert server.received() == b"x" * 5000
    assert sum(server.sleeps) == pytest.approx(60)


def test_a_drip_ends_when_nobody_is_there_any_more():
    gone = iter([False, False, True])
    server = Server(Early(wire="drip"), more={SLEEP: lambda seconds: next(gone)})
    assert server.received() == BODY[:2]


def test_sleeping_is_the_servers_business_if_it_wants():
    slept: list[float] = []
    server = Server(Early(delay=3), more={SLEEP: None, "asgi.scope": {SLEEP: slept.append}})
    server.received()
    assert slept == [3]

    other = Server(Early(delay=4), more={SLEEP: None})
    list(Wire(other._app, sleep=slept.append)(other.environ, other._start))
    assert slept == [3, 4]


def test_garbage_is_said_to_be_json():
    server = Server(Early(wire="garbage"), status="500 Internal Server Error")
    garbage = server.received()
    assert server.started
    assert server.started[0] == "200 OK"
    assert server.started[1] == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    with pytest.raises(ValueError, match=r"."):
        json.loads(garbage)


def test_huge_is_made_as_it_is_sent():
    """The same mebibyte again and again."""
    server = Server(Early(wire="huge"))
    chunks = [chunk for chunk in server.run() if len(chunk) > 1000]
    assert len(chunks) == HUGE_CHUNKS
    assert len({id(chunk) for chunk in chunks}) == 1
    assert sum(map(len, chunks)) == 64 * 1024 * 1024
    assert server.header("Content-Length") == ""


@pytest.mark.parametrize(("body", "sent"), [(BODY, BODY[: len(BODY) // 2]), (b"ab", b"a"), (b"a", b""), (b"", b"")])
def test_half_of_an_answer_promises_all_of_it(body: bytes, sent: bytes):
    server = Server(Early(wire="truncated"), body)
    assert server.received() == sent
    assert server.header("Content-Length") == str(max(len(body), 1))
    assert server.said == ["asked", "started", "hung up"]


def test_closed_is_before_anything_is_sent():
    server = Server(Early(wire="closed"))
    assert server.received() == b""
    assert server.said == ["asked", "hung up", "started"]
    assert server.started
    assert server.started[0].startswith("500 "), "which goes to nobody"
    assert server.body.closed == 1


@pytest.mark.parametrize("wire", ["closed", "truncated", "drip", "garbage", "huge"])
def test_a_delay_comes_before_all_of_them(wire: str):
    server = Server(Early(wire=wire, delay=2))
    server.received()
    assert server.sleeps[0] == 2
    assert server.said[:2] == ["asked", "slept"]


def _fail() -> None:
    raise HungUp


def test_where_there_is_no_socket_it_is_an_exception():
    with pytest.raises(HungUp):
        Server(Early(wire="closed"), more={HANG_UP: _fail}).received()

    server = Server(Early(wire="truncated"), more={HANG_UP: _fail})
    pieces = iter(server.run())
    assert next(pieces) == BODY[: len(BODY) // 2]
    with pytest.raises(HungUp):
        next(pieces)


@pytest.mark.parametrize("name", ["werkzeug.socket", "gunicorn.socket"])
def test_the_sockets_of_other_servers_are_closed(name: str):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        hang_up({name: ours})
        assert theirs.recv(1) == b""
        hang_up({name: ours})  # and once more does no harm
        theirs.close()
        hang_up({name: ours})


def test_our_server_is_asked_through_the_scope():
    said: list[str] = []
    hang_up({"asgi.scope": {HANG_UP: lambda: said.append("scope")}})
    hang_up({HANG_UP: lambda: said.append("environ"), "asgi.scope": {HANG_UP: lambda: said.append("scope")}})
    assert said == ["scope", "environ"]


@pytest.mark.parametrize("environ", [{}, {"asgi.scope": {}}])
def test_a_server_that_cannot_hang_up_is_left_with_an_error(environ: dict[str, Any]):
    """Which most of them answer by closing the connection."""
    with pytest.raises(ConnectionError):
        hang_up(environ)
