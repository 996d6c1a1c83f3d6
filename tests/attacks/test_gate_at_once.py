"""What a socket may send to the way by which the gate answers at once, and that its answers are everybody's.

`python app.py` serves; people are signed in from here (`World` of tests/gate/test_nobody_waits.py). Who fills a
server up, or stops it, has one alone.
"""

import itertools
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.gate.test_nobody_waits import World, check, world
from tests.proxies.raw_client import CLOSED, Answer, Connection, request, send
from tests.support import servers
from tests.support.redis_servers import until
from tests.support.servers import PATIENCE

PAGE = request("GET", "/", host="login.example.com")
ALIVE = request("GET", "/healthz", host="login.example.com")
OPEN = check("/static/x")
NASTY = "a\r\nSet-Cookie: canary=1\r\n\r\n<b>\x00\x7f\x85\u2028é😀%0d%0a"
FIELD = re.compile(rb"[a-z-]+: [\x20-\x7e]*")
CHUNKED, LONG = ("Transfer-Encoding", "chunked"), ("Content-Length", "9" * 15)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all requests below; none of them may make it fail."""
    with world(tmp_path_factory.mktemp("gate")) as found:
        yield found
        assert not re.search("unexpected_error|Traceback", found.server.log)


def heard(answer: Answer) -> str:
    """Whom or what an answer is about."""
    if "text/html" in answer.header("Content-Type"):
        return "page"
    return answer.body.decode() or answer.header("X-Doorkey-User") or answer.header("X-Doorkey-Reason")


def in_order(gate: World, asked: Sequence[tuple[bytes, str]]) -> None:
    """All at once over one connection; each is answered with what it is about."""
    with Connection(gate.port, seconds=PATIENCE) as connection:
        connection.send(b"".join(raw for raw, _ in asked))
        assert [heard(connection.answer()) for _ in asked] == [expected for _, expected in asked]


@pytest.mark.parametrize("count", [2, 200])
def test_pipelined_checks_are_answered_in_their_order(gate: World, count: int) -> None:
    people = [(check(cookie=gate.known(f"person-{number}")), f"person-{number}") for number in range(20)]
    in_order(gate, [people[number * 7 % 20] for number in range(count)])


def test_checks_of_strangers_pages_and_probes_between_them_keep_the_order(gate: World) -> None:
    chance = random.Random(7)
    asked = [(OPEN, "anyone"), (PAGE, "page"), (ALIVE, "ok\n")]
    for number in range(20):
        asked.append((check(cookie=gate.known(f"known-{number}")), f"known-{number}"))
        asked.append((check(cookie=gate.cookie(f"stranger-{number}")), f"stranger-{number}"))
    in_order(gate, chance.sample(asked + asked[:3] * 5, 58))


def test_a_check_does_not_overtake_the_slow_page_before_it(gate: World) -> None:
    with Connection(gate.port, seconds=PATIENCE) as connection:
        connection.send(gate.hanging_callback() + check(cookie=gate.known("alice")) * 3 + OPEN)
        gate.provider.accept()[0].close()
        answers = [connection.answer() for _ in range(5)]
    assert [heard(answer) for answer in answers] == ["page", *["alice"] * 3, "anyone"]
    assert answers[0].status >= 400


def test_http_1_0_and_close_end_the_connection_and_nothing_behind_is_answered(gate: World) -> None:
    for first in (OPEN.replace(b"HTTP/1.1", b"HTTP/1.0"), check("/static/x", more=[("Connection", "close")])):
        with Connection(gate.port, seconds=PATIENCE) as connection:
            connection.send(first + OPEN * 2000)
            answer = connection.answer()
            assert (answer.status, answer.header("Connection")) == (200, "close")
            assert connection.answer().status == CLOSED


def test_a_body_in_any_form_is_passed_over_and_the_next_check_is_read_right(gate: World) -> None:
    length, chunked = ("Content-Length", "5"), CHUNKED
    bodies = [
        ([length], b"GET /"),
        ([chunked], b"5\r\nGET /\r\n0\r\n\r\n"),
        ([chunked], b"5;name=value\r\nGET /\r\n0\r\nX-Trailer: 1\r\n\r\n"),
        ([length, ("Expect", "100-continue")], b"GET /"),
        ([chunked, ("Expect", "100-continue")], b"5\r\nGET /\r\n0\r\n\r\n"),
    ]
    for headers, body in bodies:
        for at in (0, 2, len(body)):
            head = check("/static/x", method="POST", more=headers)
            with Connection(gate.port, seconds=PATIENCE) as connection:
                connection.send(head + body[:at])
                assert heard(connection.answer()) == "anyone"
                connection.send(body[at:] + check(cookie=gate.known("alice")))
                assert heard(connection.answer()) == "alice"


def test_names_in_a_trailer_are_headers_of_no_request(gate: World) -> None:
    known = gate.known("alice")
    claims = f"Cookie: {known}\r\nX-Original-URL: https://app.example.com/static/x\r\nUpgrade: h2c\r\n"
    trailer = b"0\r\n" + claims.encode() + b"\r\n"
    head = check(method="POST", more=[CHUNKED])
    with Connection(gate.port, seconds=PATIENCE) as connection:
        connection.send(head + trailer + check() + head)
        assert [connection.answer().header("X-Doorkey-Reason") for _ in range(3)] == ["no_session"] * 3
        connection.send(trailer + check(cookie=known))
        assert heard(connection.answer()) == "alice"


@pytest.mark.parametrize("line", [b"Connection: close", b"Content-Length: 500", b"Transfer-Encoding: chunked"])
def test_a_trailer_that_would_end_or_move_the_request_ends_the_connection(gate: World, line: bytes) -> None:
    with Connection(gate.port, seconds=PATIENCE) as connection:
        connection.send(check("/static/x", method="POST", more=[CHUNKED]))
        assert heard(connection.answer()) == "anyone"
        connection.send(b"0\r\n" + line + b"\r\n\r\n" + OPEN)
        assert connection.answer().status in (CLOSED, 400)


def test_the_answer_to_head_has_no_body_and_the_next_one_is_read_right(gate: World) -> None:
    with Connection(gate.port, seconds=PATIENCE) as connection:
        connection.send(check(method="HEAD") + check())
        head, whole = connection.answer(head=True), connection.answer()
    assert (head.status, whole.status) == (401, 401)
    assert head.header("Content-Length") == whole.header("Content-Length") == str(len(whole.body))


def test_whoever_has_said_everything_still_hears_the_answer(gate: World) -> None:
    with socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE) as half:
        half.sendall(OPEN + OPEN)
        half.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: half.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_upgrade_that_nobody_offers_changes_nothing(gate: World, protocol: str) -> None:
    """What stands behind it is answered, or the connection ends: the answer to another would be taken for its own."""
    wish = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", protocol), ("HTTP2-Settings", "AAMAAABkAAQ")]
    with Connection(gate.port, seconds=PATIENCE) as connection:
        connection.send(check("/static/x", more=wish) + check(cookie=gate.known("alice")))
        assert heard(connection.answer()) == "anyone"
        with suppress(OSError):
            connection.send(OPEN)
        assert heard(connection.answer()) in ("alice", "")


def test_idle_connections_are_closed_whatever_was_sent_before(gate: World) -> None:
    posted = check("/static/x", method="POST", more=[("Content-Length", "4")])
    before = {
        "a check": [OPEN],
        "a stranger's check": [check(cookie=gate.cookie("stranger"))],
        "a body behind the answer": [posted, b"abcd"],
        "a body and half a head behind the answer": [posted, b"abcdGET /check/ng"],
        "half a body": [posted, b"ab"],
    }
    opened = {name: Connection(gate.port, seconds=PATIENCE) for name in before}
    for name, connection in opened.items():
        first, *rest = before[name]
        connection.send(first)
        assert connection.answer().status == 200
        for part in rest:
            connection.send(part)
    ends = time.monotonic() + PATIENCE
    assert [name for name, connection in opened.items() if not is_closed(connection, ends)] == []


def is_closed(connection: Connection, ends: float) -> bool:
    """By the server, before `ends`; by us now."""
    with connection, suppress(TimeoutError):
        connection._socket.settimeout(max(0.1, ends - time.monotonic()))
        return connection.answer().status == CLOSED
    return False


def test_the_date_is_told_and_moves_on(gate: World) -> None:
    first = send(gate.port, OPEN).header("Date")
    assert first
    until(lambda: send(gate.port, OPEN).header("Date") not in (first, ""), "another date")


FIRST_LINES = (
    b"GET /check/nginx HTTP/9.9|GET /check/nginx|GET http://a/check/nginx HTTP/1.1|GET //check/nginx HTTP/1.1|"
    b"GET /check/nginx#x HTTP/1.1|GET /check/\xff HTTP/1.1|OPTIONS * HTTP/1.1|CONNECT /check/nginx HTTP/1.1|"
    b"CONNECT a:443 HTTP/1.1|PRI * HTTP/2.0|GET /check/%2e%2e/nginx HTTP/1.1|\x16\x03\x01\x02\x00\x01\x00\x01\xfc"
)
LINES = b": a|A\x00: a|A: \x00|A: a\r b|A: a\r\n b|Content-Length: 1\r\nTransfer-Encoding: chunked".split(b"|")
LINES += [b"a: b\r\n" * 9000, b"Cookie: " + b"a=b; " * 20_000]
HEADS = [line + b"\r\nHost: a" for line in FIRST_LINES.split(b"|")]
HEADS += [b"POST /check/nginx HTTP/1.1\r\n" + line for line in LINES]


@pytest.mark.parametrize("head", HEADS)
def test_a_head_that_makes_no_sense_lets_nobody_in_and_harms_nobody(gate: World, head: bytes) -> None:
    answer = send(gate.port, head + b"\r\n\r\n", seconds=PATIENCE)
    assert answer.status == CLOSED or 400 <= answer.status < 500
    assert heard(send(gate.port, check(cookie=gate.known("alice")))) == "alice"


@pytest.mark.parametrize("path", ["/x", "/told", "/a%0d%0aSet-Cookie:%20x=y", "/\xe9\xff?b=%0d%0a", "/'\"<>\\\x85"])
def test_nothing_that_is_told_or_asked_for_can_end_a_header(gate: World, path: str) -> None:
    nasty = gate.cookie(NASTY, alias=NASTY, name=NASTY, email=NASTY, groups=(NASTY, "staff"))
    for cookie in ("", nasty, nasty, gate.known("alice")):
        for more in ([], [("Accept", "text/html")]):
            assert_is_one_answer(raw_answer(gate.port, check(path, cookie=cookie, more=more)))
            assert_is_one_answer(raw_answer(gate.port, check("/admin" + path, cookie=cookie, more=more)))


def raw_answer(port: int, raw: bytes) -> bytes:
    """As it came; its connection is closed behind it."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return b"".join(iter(lambda: connection.recv(65536), b""))


def assert_is_one_answer(received: bytes) -> None:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    assert re.fullmatch(rb"HTTP/1\.1 (200|401|403) [A-Za-z]+", first)
    assert [field for field in fields if not FIELD.fullmatch(field)] == []
    assert b"\nset-cookie:" not in head.lower()
    assert b"content-length: %d" % len(body) in fields


@pytest.mark.parametrize("protocol", ["httptools", "h11"])
def test_answers_at_once_and_by_asgi_are_the_same_bytes(gate: World, protocol: str, tmp_path: Path) -> None:
    more = ("--no-server-header", "--no-proxy-headers", "--http", protocol)
    known, browser = gate.known("alice"), [("Accept", "text/html")]
    asked = [
        check(path, method=method, cookie=cookie, more=accepts)
        for path in ("/x", "/static/x", "/admin", "/told")
        for method in ("GET", "HEAD", "POST")
        for cookie in ("", known)
        for accepts in ([], browser)
    ]
    asked += [check("/x").replace(b"app.example.com", b"evil.example.com"), check("/x").replace(b"X-Orig", b"X-Aorig")]
    asked += [request("GET", path) for path in ("/check/x", "/check/nginx/nobody", "/.doorkey/echo")]
    with servers.server(lambda port: (*servers.uvicorn(port), *more), tmp_path, gate.settings) as other:
        send(other.port, check(cookie=known))
        for raw in asked:
            assert bare(raw_answer(gate.port, raw)) == bare(raw_answer(other.port, raw))


def bare(received: bytes) -> bytes:
    """Without what is another one each time: date, request ids, tickets, the rest of an assertion."""
    received = re.sub(rb"\r\ndate: [^\r]*", b"", received, count=1, flags=re.IGNORECASE)
    if b"rt=" in received:  # a ticket is compressed, and not always of one length
        received = re.sub(rb"content-length: [0-9]+", b"content-length: N", received)
    received = re.sub(rb"x-doorkey-assertion: [^\r]+", b"x-doorkey-assertion: A", received)
    received = received.replace(b"\r\nConnection: close", b"\r\nconnection: close")
    return re.sub(rb"rt=[A-Za-z0-9_-]+", b"rt=T", re.sub(rb"\b[0-9a-f]{16}\b", b"ID", received))


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[World]:
    """One whose memory nobody has used yet."""
    with world(tmp_path) as found:
        send(found.port, OPEN)
        yield found
        assert "Traceback" not in found.server.log


def megabytes(world: World) -> int:
    """Of memory that the server has now."""
    status = Path(f"/proc/{world.server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@pytest.mark.parametrize(
    ("header", "begin", "part"),
    [
        pytest.param(CHUNKED, b"0\r\nx: ", b"1\r\nx: " * 10_000, id="trailers"),
        pytest.param(CHUNKED, b"0\r\nx: ", b"x" * 60_000, id="one trailer"),
        pytest.param(CHUNKED, b"1;", b"x" * 60_000, id="a chunk's extension"),
        pytest.param(CHUNKED, b"", b"1\r\nx\r\n" * 10_000, id="chunks"),
        pytest.param(LONG, b"", b"x" * 60_000, id="a body"),
    ],
)
def test_what_comes_without_end_behind_an_answer_takes_no_memory(
    alone: World, header: tuple[str, str], begin: bytes, part: bytes
) -> None:
    before = megabytes(alone)
    with Connection(alone.port, seconds=PATIENCE) as connection:
        connection.send(check("/static/x", method="POST", more=[header]) + begin)
        assert connection.answer().status == 200
        with suppress(OSError):  # cut off
            for _ in range(500):
                connection.send(part)
        assert heard(send(alone.port, OPEN, seconds=PATIENCE)) == "anyone"
        assert megabytes(alone) - before < 15


def test_sixty_thousand_checks_whose_answers_nobody_reads_harm_nobody(alone: World) -> None:
    before = megabytes(alone)
    with Connection(alone.port, seconds=4.0) as connection:
        with suppress(TimeoutError):  # not all of them are taken
            connection.send(OPEN * 60_000)
        assert heard(send(alone.port, OPEN, seconds=PATIENCE)) == "anyone"
        assert megabytes(alone) - before < 15
        assert {connection.answer().status for _ in range(500)} == {200}


def test_checks_behind_a_page_are_read_no_faster_than_they_are_answered(alone: World) -> None:
    """Each that waits takes kilobytes, and costs whoever sends it 130 bytes."""
    before, most = megabytes(alone), 0
    with Connection(alone.port, seconds=PATIENCE) as connection:
        threading.Thread(target=connection.send, args=(PAGE + OPEN * 30_000,), daemon=True).start()
        for number in range(30_001):
            assert connection.answer().status == 200
            most = most if number % 1000 else max(most, megabytes(alone))
    assert most - before < 20


def test_a_server_that_is_to_stop_cuts_no_answer(alone: World) -> None:
    begun, rests = threading.Barrier(9), []
    asked = [check(cookie=alone.known("alice")), OPEN, check(cookie=alone.cookie("bob")), PAGE]

    def ask() -> None:
        with Connection(alone.port, seconds=PATIENCE) as connection, suppress(OSError):
            for number in itertools.count():
                connection.send(asked[number % 4])
                if connection.answer().status == CLOSED:
                    break
                if number == 8:
                    begun.wait(PATIENCE)
        rests.append(connection._kept)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    with Connection(alone.port, seconds=2 * PATIENCE) as slow:
        slow.send(check(more=[("Authorization", "Bearer opaque")]))
        at_provider = alone.provider.accept()[0]
        for thread in threads:
            thread.start()
        begun.wait(PATIENCE)
        alone.server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(PATIENCE)
        at_provider.close()
        assert slow.answer().status == 503
    assert alone.server.process.wait(PATIENCE) == 0
    assert rests == [b""] * 8
