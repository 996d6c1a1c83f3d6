"""The FastCGI authorizer record by record; with a real Apache: test_fastcgi_apache.py."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from doorkey.gate import fastcgi
from doorkey.gate.fastcgi import FastCgiServer, FcgiAnswer, Params
from tests.gate import fastcgi_peer as wire
from tests.gate.fastcgi_peer import Peer, Record, Running, begin, params, record, serving, whole

ALLOWED = FcgiAnswer(200, ((b"x-doorkey-user", b"alice"), (b"X-Doorkey-Name", b""), (b"Set-Cookie", b"a=b")), b"body")
ASKED = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/a%2Fb?c=\xff", "EMPTY": ""}


class Desk:
    """A handler that remembers what it was asked, and what came of it."""

    def __init__(self) -> None:
        self.asked: list[Params] = []
        self.answer = ALLOWED
        self.error: Exception | None = None
        self.waits = False
        self.entered, self.cancelled = threading.Event(), threading.Event()
        self._free = asyncio.Event()

    async def __call__(self, given: Params) -> FcgiAnswer:
        self.asked.append(given)
        self.entered.set()
        if self.error:
            raise self.error
        if self.waits:
            try:
                await self._free.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return self.answer

    def free(self, running: Running) -> None:
        """Let those who wait have their answers."""
        running.server._servers[0].get_loop().call_soon_threadsafe(self._free.set)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def running(desk: Desk) -> Iterator[Running]:
    with serving(desk) as server:
        yield server


@pytest.fixture
def peer(running: Running) -> Iterator[Peer]:
    with Peer(running.port) as connected:
        yield connected


def test_params_reach_the_handler_byte_by_byte_and_its_answer_becomes_variables(desk: Desk, peer: Peer) -> None:
    peer.send(whole(ASKED))
    assert peer.answer() == "Status: 200 OK\r\nVariable-DK_USER: alice\r\nVariable-DK_NAME: \r\n\r\n"
    assert desk.asked == [ASKED]
    assert peer.is_closed()


def test_no_header_or_body_of_a_200_can_end_up_in_the_answer_of_the_app(desk: Desk, peer: Peer) -> None:
    desk.answer = FcgiAnswer(200, ((b"Set-Cookie", b"a=b"), (b"x-auth-request-preferred-username", b"al")), b"<html>")
    peer.send(whole({}))
    assert peer.answer() == "Status: 200 OK\r\nVariable-DK_AUTH_REQUEST_PREFERRED_USERNAME: al\r\n\r\n"


def test_a_refusal_is_passed_on_with_its_headers_and_body(desk: Desk, peer: Peer) -> None:
    body = b'{"error":"login_required"}' + b" " * 100_000
    desk.answer = FcgiAnswer(
        401, ((b"Content-Type", b"application/json"), (b"X-Doorkey-User", b"x"), (b"content-length", b"9")), body
    )
    peer.send(whole({}))
    head, _, sent = peer.answer().partition("\r\n\r\n")
    assert head.split("\r\n") == [
        "Status: 401 Unauthorized",
        "Content-Type: application/json",
        "X-Doorkey-User: x",
        "X-Doorkey-Type: application/json",
    ]
    assert sent.encode() == body


def test_records_that_are_cut_up_and_padded_in_any_way_mean_the_same(desk: Desk, peer: Peer) -> None:
    values = {**ASKED, "LONG": "v" * 300, "N" * 200: "w" * 127, "M" * 127: "x" * 128}
    content = wire.pairs(values)
    pieces = [record(wire.PARAMS, content[at : at + 1], padding=at % 256) for at in range(len(content))]
    peer.send(begin(), *pieces, record(wire.PARAMS, padding=255))
    assert peer.answer().startswith("Status: 200")
    assert desk.asked == [values]


def test_records_that_come_byte_by_byte_are_waited_for(desk: Desk, peer: Peer) -> None:
    for byte in whole(ASKED):
        peer.send(bytes([byte]))
    assert peer.answer().startswith("Status: 200")
    assert desk.asked == [ASKED]


def test_a_connection_that_is_kept_serves_one_request_after_the_other(desk: Desk, peer: Peer) -> None:
    for id in (1, 7, 7):
        peer.send(whole({"ID": str(id)}, id=id, keep=True))
        assert peer.answer(id=id).startswith("Status: 200")
        peer.send(record(wire.STDIN, id=id))  # late, of a request that is over
    peer.send(whole({"ID": "last"}))
    peer.answer()
    assert peer.is_closed()
    assert [asked["ID"] for asked in desk.asked] == ["1", "7", "7", "last"]


def test_a_second_request_at_the_same_time_is_refused_and_the_first_is_not_disturbed(desk: Desk, peer: Peer) -> None:
    peer.send(begin(), params({"A": "1"}), begin(id=2))
    assert peer.read() == Record(wire.END, 2, b"\0\0\0\0\x01\0\0\0")
    peer.send(params({"B": "2"}, id=2), params({}, id=2), params({}))
    assert peer.answer().startswith("Status: 200")
    assert desk.asked == [{"A": "1"}]


@pytest.mark.parametrize("role", [0, 1, 3, 65535])
def test_only_an_authorizer_is_played(desk: Desk, peer: Peer, role: int) -> None:
    peer.send(begin(role=role), params({"A": "1"}), params({}))
    assert peer.read() == Record(wire.END, 1, b"\0\0\0\0\x03\0\0\0")
    assert peer.is_closed()
    assert desk.asked == []


def test_management_records_are_answered_at_any_time(peer: Peer) -> None:
    asked = wire.pairs({"FCGI_MPXS_CONNS": "", "FCGI_MAX_REQS": "", "NOBODY_KNOWS": ""})
    peer.send(begin(), record(wire.GET_VALUES, asked, id=0), record(99, b"?", id=0))
    values = wire.pairs({"FCGI_MPXS_CONNS": "0", "FCGI_MAX_REQS": str(fastcgi.MOST_CONNECTIONS)})
    assert peer.read() == Record(wire.GET_VALUES_RESULT, 0, values)
    assert peer.read() == Record(wire.UNKNOWN, 0, b"\x63" + bytes(7))
    peer.send(params({}))
    assert peer.answer().startswith("Status: 200")


def test_an_aborted_request_is_ended_without_an_answer(desk: Desk, peer: Peer) -> None:
    peer.send(begin(keep=True), params({"A": "1"}), record(wire.ABORT))
    assert peer.read() == Record(wire.END, 1, bytes(8))
    desk.waits = True
    peer.send(whole({}, keep=True))
    assert desk.entered.wait(wire.PATIENCE)
    peer.send(record(wire.ABORT))
    assert peer.read() == Record(wire.END, 1, bytes(8))
    assert desk.cancelled.is_set()
    desk.waits = False
    peer.send(whole({}))
    assert peer.answer().startswith("Status: 200")


def test_a_peer_that_goes_away_takes_its_request_with_it(desk: Desk, running: Running) -> None:
    desk.waits = True
    with Peer(running.port) as peer:
        peer.send(whole({}))
        assert desk.entered.wait(wire.PATIENCE)
    assert desk.cancelled.wait(wire.PATIENCE)


MALFORMED = {
    "another version": record(wire.BEGIN, b"\0\x02" + bytes(6), version=2),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a short begin": record(wire.BEGIN, b"\0\x02"),
    "a long begin": record(wire.BEGIN, b"\0\x02" + bytes(7)),
    "begun twice": begin() + begin(),
    "a begin outside": record(wire.BEGIN, b"\0\x02" + bytes(6), id=0),
    "params outside": begin() + record(wire.PARAMS, wire.pairs({"A": "1"}), id=0),
    "an answer": begin() + record(wire.STDOUT, b"Status: 200\r\n\r\n"),
    "management inside": begin() + record(wire.GET_VALUES),
    "an unknown type inside": begin() + record(12),
    "a value cut off": begin() + record(wire.PARAMS, b"\x01\x02AB") + params({}),
    "a length cut off": begin() + record(wire.PARAMS, b"\x01\x80\x00") + params({}),
    "no value length": begin() + record(wire.PARAMS, b"\x01") + params({}),
    "a huge length": begin() + record(wire.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xffA") + params({}),
    "no name": begin() + record(wire.PARAMS, b"\x00\x01A") + params({}),
    "a name twice": begin() + params({"A": "1"}) + params({"A": "2"}) + params({}),
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_fastcgi_closes_the_connection_and_asks_nobody(desk: Desk, peer: Peer, sent: bytes) -> None:
    peer.send(sent)
    assert peer.is_closed()
    assert desk.asked == []


def test_params_after_their_end_are_malformed(desk: Desk, peer: Peer) -> None:
    desk.waits = True
    peer.send(whole({}), params({"LATE": "1"}))
    assert peer.is_closed()


def test_a_visitor_who_fills_the_headers_gets_431_and_nobody_is_asked(desk: Desk, peer: Peer) -> None:
    piece = record(wire.PARAMS, b"\x01\x80\x00\xea\x60A" + b"v" * 60_000)
    peer.send(begin(), *[piece] * 20, params({}))
    assert peer.answer().startswith("Status: 431")
    assert desk.asked == []


def test_input_without_an_end_closes_the_connection(monkeypatch: pytest.MonkeyPatch, desk: Desk, peer: Peer) -> None:
    monkeypatch.setattr(fastcgi, "MOST_INPUT", 100_000)
    peer.send(begin(), record(wire.STDIN, b"x" * 60_000), record(wire.DATA, b"x" * 60_000))
    assert peer.is_closed()
    assert desk.asked == []


def test_a_handler_that_fails_is_a_500_that_tells_nothing(
    desk: Desk, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    desk.error = ValueError("canary")
    peer.send(whole({}))
    assert peer.answer() == "Status: 500 Internal Server Error\r\n\r\n"
    (line,) = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    assert "canary" in str(line.exc_info)


@pytest.mark.parametrize("header", [(b"X-A", b"b\r\nSet-Cookie: c=d"), (b"X-A\nB", b""), (b"X:A", b""), (b"A", b"\0")])
def test_a_header_that_would_be_two_is_not_sent(desk: Desk, peer: Peer, header: tuple[bytes, bytes]) -> None:
    desk.answer = FcgiAnswer(302, (header,))
    peer.send(whole({}))
    assert peer.answer() == "Status: 500 Internal Server Error\r\n\r\n"


def test_a_handler_that_takes_too_long_is_a_503(monkeypatch: pytest.MonkeyPatch, desk: Desk, peer: Peer) -> None:
    monkeypatch.setattr(fastcgi, "SECONDS", 0.2)
    desk.waits = True
    peer.send(whole({}))
    assert peer.answer() == "Status: 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n"
    assert desk.cancelled.is_set()


@pytest.mark.parametrize("sent", [b"", b"\x01", begin(), begin() + params({"A": "1"}), whole({}, keep=True)])
def test_a_peer_that_says_no_more_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, running: Running, sent: bytes
) -> None:
    monkeypatch.setattr(fastcgi, "SECONDS", 0.2)
    with Peer(running.port) as peer:
        peer.send(sent)
        if sent.endswith(params({})):
            peer.answer()
        assert peer.is_closed()


def test_one_connection_too_many_is_closed(monkeypatch: pytest.MonkeyPatch, running: Running, peer: Peer) -> None:
    monkeypatch.setattr(fastcgi, "MOST_CONNECTIONS", 1)
    peer.send(whole({}, keep=True))
    peer.answer()
    with Peer(running.port) as another:
        assert another.is_closed()
    peer.send(whole({}))
    assert peer.answer().startswith("Status: 200")


def test_a_stranger_is_not_served(desk: Desk) -> None:
    with serving(desk, admits=lambda address: address != "127.0.0.1") as running, Peer(running.port) as peer:
        assert peer.is_closed()
    assert desk.asked == []


def test_closing_lets_a_running_request_have_its_answer(desk: Desk, running: Running, peer: Peer) -> None:
    desk.waits = True
    peer.send(whole({}, keep=True))
    assert desk.entered.wait(wire.PATIENCE)
    with Peer(running.port) as idle:
        idle.send(record(99, id=0))
        assert idle.read()
        closing = threading.Thread(target=running.close)
        closing.start()
        assert idle.is_closed()
    desk.free(running)
    assert peer.answer().startswith("Status: 200")
    assert peer.is_closed()
    closing.join()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port)).close()


def test_sockets_of_somebody_else_and_shared_ports_are_listened_on() -> None:
    async def listen() -> tuple[int, list[tuple[str, int]]]:
        servers = [FastCgiServer(Desk()) for _ in range(3)]
        bound = socket.create_server(("127.0.0.1", 0))
        await servers[0].start([bound])
        await servers[1].start(("127.0.0.1", 0), reuse_port=True)
        await servers[2].start(servers[1].addresses[0], reuse_port=True)
        found = bound.getsockname()[1], [server.addresses[0] for server in servers]
        for server in servers:
            await server.close()
        return found

    port, addresses = asyncio.run(listen())
    assert addresses[0] == ("127.0.0.1", port)
    assert addresses[1] == addresses[2]
