"""What a hostile socket may send to `python app.py`: never a failure, never a thread or memory held for long."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.support import servers
from tests.support.servers import Running


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One `python app.py` for all requests below; none of them may make it fail."""
    with servers.app_server(tmp_path_factory.mktemp("alone")) as running:
        yield running
        assert "unexpected_error" not in running.log
        assert "Traceback" not in running.log


CLOSED = 0
"""Stands for a status when the connection was closed without an answer."""


def connect(running: Running, seconds: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=seconds)


def status_on(connection: socket.socket) -> int:
    """The status of the next answer; a timeout is an error."""
    received = b""
    try:
        while len(received) < 12:
            part = connection.recv(65536)
            if not part:
                return CLOSED
            received += part
    except ConnectionError:
        return CLOSED
    return int(received[9:12])


def status_of(running: Running, *lines: bytes, body: bytes = b"", host: bytes | None = b"127.0.0.1:%d") -> int:
    """Send a request made of `lines`, with a Host unless it is None, and `body`."""
    hosts = [] if host is None else [b"Host: " + host.replace(b"%d", str(running.port).encode())]
    with connect(running) as connection:
        with suppress(ConnectionError):  # refused before the end; the answer may be there all the same
            connection.sendall(b"\r\n".join([lines[0], *hosts, *lines[1:], b"", b""]) + body)
        return status_on(connection)


def answers_at_once(running: Running) -> bool:
    began = time.monotonic()
    return status_of(running, b"GET /healthz HTTP/1.1") == 200 and time.monotonic() - began < 1.0


def test_a_plain_request_over_a_bare_socket_is_answered(alone: Running) -> None:
    assert status_of(alone, b"GET / HTTP/1.1") == 200


def test_a_cookie_of_60_kilobytes_is_refused_fast(alone: Running) -> None:
    began = time.monotonic()
    assert 400 <= status_of(alone, b"GET / HTTP/1.1", b"Cookie: a=" + b"x" * 60_000) < 500
    assert time.monotonic() - began < 1.0


def test_a_url_of_60_kilobytes_is_refused(alone: Running) -> None:
    assert 400 <= status_of(alone, b"GET /" + b"a" * 60_000 + b" HTTP/1.1") < 500
    assert 400 <= status_of(alone, b"GET /login?next=/" + b"a" * 60_000 + b" HTTP/1.1") < 500


def test_500_headers_are_refused(alone: Running) -> None:
    assert 400 <= status_of(alone, b"GET / HTTP/1.1", *[b"X-%d: 1" % n for n in range(500)]) < 500


@pytest.mark.parametrize(
    "target",
    [
        b"/\xff\xfe",
        b"/caf\xc3\xa9?name=\xff",
        b"/%",
        b"/%zz",
        b"/%ff%fe",
        b"/%00",
        b"/login?next=%",
        b"/login?next=%ff%zz&provider=%fe",
        b"/login?provider=\xff",
        b"/callback/dev?state=%ff&code=%zz",
        b"/callback/%ff",
        b"/static/%ff",
        b"/static/..%2f..%2fapp.py",
        b"/oauth/authorize?client_id=%ff&redirect_uri=%zz",
        b"//evil.example/",
        b"/?" + b"%" * 2000,
    ],
)
def test_odd_bytes_in_path_and_query_are_no_failure_of_ours(alone: Running, target: bytes) -> None:
    status = status_of(alone, b"GET " + target + b" HTTP/1.1")
    assert status == CLOSED or 200 <= status < 500


def test_a_head_without_an_end_is_cut_off(alone: Running) -> None:
    """Whatever is kept of it is memory that anybody could fill."""
    megabytes = b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 20_000_000
    with connect(alone) as connection, pytest.raises(ConnectionError):
        connection.sendall(megabytes)


def test_two_hosts_are_refused(alone: Running) -> None:
    assert status_of(alone, b"GET / HTTP/1.1", b"Host: evil.example") == 400


def test_a_foreign_or_missing_host_is_refused(alone: Running) -> None:
    assert status_of(alone, b"GET / HTTP/1.1", host=b"evil.example") == 400
    assert status_of(alone, b"GET / HTTP/1.1", host=None) in (400, CLOSED)


def test_a_body_of_10_megabytes_is_refused(alone: Running) -> None:
    body = b"x" * 10_000_000
    assert status_of(alone, b"POST /logout HTTP/1.1", b"Content-Length: 10000000", body=body) == 413


FORM = b"Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([b"Transfer-Encoding: chunked", b"Content-Length: 5"], id="both lengths"),
        pytest.param([b"Content-Length: 5", b"Transfer-Encoding: chunked"], id="both lengths, other order"),
        pytest.param([b"Content-Length: 5", b"Content-Length: 0"], id="two lengths"),
        pytest.param([b"Content-Length: 5, 0"], id="two lengths in one line"),
        pytest.param([b"Content-Length: +5"], id="a signed length"),
        pytest.param([b"Content-Length: 0", b"X-Folded: a", b" b"], id="a folded line"),
        pytest.param([b"Content-Length : 0"], id="a space before the colon"),
        pytest.param([b"Transfer-Encoding : chunked"], id="a space before the colon of an encoding"),
        pytest.param([b"Transfer-Encoding: xchunked"], id="an unknown encoding"),
    ],
)
def test_a_request_with_an_unclear_end_is_refused(alone: Running, headers: list[bytes]) -> None:
    assert status_of(alone, b"POST /logout HTTP/1.1", FORM, *headers, body=b"0\r\n\r\n") in (400, 501, CLOSED)
    assert answers_at_once(alone)


@pytest.fixture(scope="module")
def half_a_head(alone: Running) -> Iterator[socket.socket]:
    """Opened before the test of the bodies, so that both wait at the same time."""
    with connect(alone, 13) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHo")
        yield connection


@pytest.mark.usefixtures("half_a_head")
def test_bodies_that_never_come_block_nobody_and_are_given_up(alone: Running) -> None:
    """More of them than there are threads for pages."""
    request = b"POST /logout HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 100\r\n\r\na=" % alone.port
    began = time.monotonic()
    waiting = [connect(alone, 15) for _ in range(60)]
    try:
        for connection in waiting:
            connection.sendall(request)
        assert answers_at_once(alone)
        assert status_of(alone, b"GET / HTTP/1.1") == 200
        assert {status_on(connection) for connection in waiting} <= {408, CLOSED}
        assert time.monotonic() - began < 13
    finally:
        for connection in waiting:
            connection.close()
    assert answers_at_once(alone)


def test_a_head_that_never_comes_is_given_up(half_a_head: socket.socket) -> None:
    assert status_on(half_a_head) in (408, CLOSED)


def test_trailers_of_a_chunked_body_are_no_headers(alone: Running) -> None:
    """A proxy strips headers; what comes behind the body it may pass on unread."""
    body = b"0\r\nHost: 127.0.0.1:%d\r\n\r\n" % alone.port
    assert status_of(alone, b"POST /logout HTTP/1.1", b"Transfer-Encoding: chunked", body=body, host=None) == 400


def test_it_is_alive_while_every_thread_waits(tmp_path: Path) -> None:
    """A provider that hangs may hold all threads; a probe must not take that for death."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {
            "DOORKEY_PROVIDERS": "slow",
            "DOORKEY_PROVIDER_SLOW_AUTHORIZATION_ENDPOINT": f"{provider}/authorize",
            "DOORKEY_PROVIDER_SLOW_TOKEN_ENDPOINT": f"{provider}/token",
            "DOORKEY_PROVIDER_SLOW_CLIENT_ID": "c",
            "DOORKEY_THREADS": "2",
        }
        port = servers.free_port()
        settings["DOORKEY_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        with servers.server(servers.python_app, tmp_path, settings, port=port) as running:
            waiting = []
            for _ in range(3):
                visitor = requests.Session()
                begun = visitor.get(f"{running.url}/login", allow_redirects=False, timeout=10)
                state = begun.headers["Location"].partition("state=")[2].partition("&")[0]
                cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
                waiting.append(connect(running))
                lines = f"GET /callback/slow?code=c&state={state} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                waiting[-1].sendall(f"{lines}Cookie: {cookies}\r\n\r\n".encode())
            time.sleep(0.3)
            assert answers_at_once(running)
            silent.close()  # nobody waits any longer, and the server can stop
            for connection in waiting:
                connection.close()
