"""The same answers under ASGI and WSGI, and behind a real server: odd names, methods and bodies.

`python app.py` with uvicorn runs once for all requests; several workers: test_gate_workers.py.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from doorkey.gate import asgi as gate_asgi
from doorkey.gate.answer import Answer
from doorkey.gate.asgi import GateAsgi
from doorkey.gate.echo import Echo
from doorkey.gate.gate_request import CheckRequest
from tests.proxies.raw_client import Answer as Got
from tests.proxies.raw_client import Connection, request, send
from tests.support import servers
from tests.support.asgi_check import ask_by_asgi
from tests.support.gate_desk import HOST, PAGE, URL, GateDesk, Raw, desk_at, said
from tests.support.servers import Running

POLICY = """
[[rule]]
name = "static"
path = "/static"
allow = "anyone"

[[rule]]
name = "admins"
path = "/admin"
allow = { groups = ["admins"] }
"""
CHANGES_EVERY_TIME = ("x-doorkey-request-id", "date", "server")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> GateDesk:
    return desk_at(tmp_path_factory.mktemp("gate"), POLICY)


@pytest.fixture(scope="module")
def bob(desk: GateDesk) -> str:
    return desk.cookie(desk.sign_in(sub="bob"))


# ---- in process ----


def gate_of(app: Flask) -> GateAsgi:
    parts = app.extensions["doorkey"].gate
    return GateAsgi(parts.checkpoint, Echo(parts.probe_keys))


def by_asgi(gate: GateAsgi, method: str, path: str, raw: Raw, query: str = "") -> tuple[int, dict[str, str], bytes]:
    check = CheckRequest(method, path.encode("latin-1"), query.encode("latin-1"), raw, "127.0.0.1")
    start, body = asyncio.run(ask_by_asgi(gate, check))
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body["body"]


def by_wsgi(app: Flask, method: str, path: str, raw: Raw, query: str = "") -> tuple[int, dict[str, str], bytes]:
    headers = [(name.decode(), value.decode("latin-1")) for name, value in raw]
    target = path + (f"?{query}" if query else "")
    with app.test_client(use_cookies=False) as client:
        answer = client.open(target, method=method, base_url="http://127.0.0.1:8000", headers=headers)
        return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.data


def alike(found: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str]]:
    """Without what differs from one answer to the next; a sealed ticket does."""
    headers = {name: value for name, value in found[1].items() if name not in CHANGES_EVERY_TIME}
    cut = ("location", "x-doorkey-page", "x-doorkey-body", "content-length")
    return found[0], {
        name: value.partition("?")[0] if name in cut[:2] else value
        for name, value in headers.items()
        if name not in cut[2:]
    }


TABLE = [
    ("/check/nginx", URL, "GET"),
    ("/check/forward", URL, "GET"),
    ("/check/nginx", f"https://{HOST}/static/x", "GET"),
    ("/check/nginx", f"https://{HOST}/static/%2e%2e/admin", "GET"),
    ("/check/forward", f"https://{HOST}/admin?a=b", "POST"),
    ("/check/nginx", "https://evil.example/", "GET"),
    ("/check/nginx/none", URL, "GET"),
    ("/check/none", URL, "GET"),
    ("/check/", URL, "GET"),
    ("/check/nginx", "nonsense", "GET"),
]


@pytest.mark.parametrize(("path", "url", "method"), TABLE)
@pytest.mark.parametrize("as_page", [True, False])
@pytest.mark.parametrize("signed_in", [True, False])
def test_asgi_and_wsgi_give_the_same_answers(
    desk: GateDesk, bob: str, path: str, url: str, method: str, as_page: bool, signed_in: bool
) -> None:
    dialect = "forward" if "forward" in path else "nginx"
    raw = [*said(dialect, url, method), *(PAGE if as_page else ()), *([(b"cookie", bob.encode())] if signed_in else [])]
    gate = gate_of(desk.app)
    for way in ("GET", "OPTIONS", "POST"):
        assert alike(by_asgi(gate, way, path, raw)) == alike(by_wsgi(desk.app, way, path, raw))


def test_envoy_is_told_the_same_of_a_raw_path_by_both(desk: GateDesk, bob: str) -> None:
    gate = gate_of(desk.app)
    for path, signed_in in (
        ("/check/envoy/a%2Fb", True),
        ("/check/envoy/static/..%2Fadmin", True),
        ("/check/envoy/static/x", False),
    ):
        asgi_raw = [
            (b"host", HOST.encode()),
            (b"x-forwarded-proto", b"https"),
            *([(b"cookie", bob.encode())] if signed_in else []),
        ]
        wsgi_raw = [pair for pair in asgi_raw if pair[0] != b"host"]
        headers = [(name.decode(), value.decode()) for name, value in wsgi_raw]
        client = desk.app.test_client(use_cookies=False)
        found = client.get(
            path + "?c=d", base_url=f"https://{HOST}", headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"}
        )
        assert found.status_code == by_asgi(gate, "GET", path, asgi_raw, "c=d")[0]


def test_an_answer_to_head_has_no_body_under_wsgi(desk: GateDesk) -> None:
    status, headers, body = by_wsgi(desk.app, "HEAD", "/check/nginx", said("nginx", URL))
    assert (status, body) == (401, b"")
    assert int(headers["content-length"]) > 0


def test_more_checks_than_can_wait_are_told_so(desk: GateDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_asgi, "MOST_WAITING", 0)
    gate, stranger = gate_of(desk.app), desk.cookie(desk.sign_in(sub="nobody knows them yet"))
    status, headers, _ = by_asgi(gate, "GET", "/check/nginx", [*said("nginx", URL), (b"cookie", stranger.encode())])
    assert (status, headers["x-doorkey-reason"]) == (503, "overloaded")
    assert int(headers["retry-after"]) > 0
    assert by_asgi(gate, "GET", "/check/nginx", said("nginx", f"https://{HOST}/static/x"))[0] == 200


def test_a_check_that_breaks_is_a_503_under_both(desk: GateDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Answer:
        raise RuntimeError("canary")

    monkeypatch.setattr(desk.checkpoint._cookies, "read", broken)
    raw = said("nginx", URL)
    for status, headers, body in (
        by_asgi(gate_of(desk.app), "GET", "/check/nginx", raw),
        by_wsgi(desk.app, "GET", "/check/nginx", raw),
    ):
        assert status == 503
        assert "canary" not in str(headers) + str(body)


# ---- a real server ----


def gate_server(folder: Path, **settings: str) -> Any:
    """At its own origin, which guards every loopback host."""
    (folder / "policy.toml").write_text(POLICY)
    return servers.app_server(folder, DOORKEY_POLICY_FILE=str(folder / "policy.toml"), **settings)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gate_server(tmp_path_factory.mktemp("one")) as server:
        yield server
        assert "Traceback" not in server.log


NGINX = [("X-Original-Method", "GET"), ("X-Original-URL", "http://127.0.0.1:3000/x")]
PUBLIC = [("X-Original-Method", "GET"), ("X-Original-URL", "http://127.0.0.1:3000/static/x")]


def ask(
    server: Running, headers: list[tuple[str, str]], method: str = "GET", target: str = "/check/nginx", **more: Any
) -> Got:
    return send(server.port, request(method, target, headers, **more))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PROPFIND", "TRACE", "PATCH", "DELETE"])
def test_every_method_of_the_check_is_answered_alike(running: Running, method: str) -> None:
    """A page of Flask would answer OPTIONS with 200 by itself, and POST with 405."""
    assert ask(running, NGINX, method).status == 401
    assert ask(running, PUBLIC, method).status == 200
    assert ask(running, NGINX, method, "/oauth2/auth").status in (400, 404, 405)


@pytest.mark.parametrize(
    "raw",
    [
        b"CONNECT /check/nginx HTTP/1.1",
        b"CONNECT 127.0.0.1:80 HTTP/1.1",
        b"G" * 5000 + b" /check/nginx HTTP/1.1",
        b"get /check/nginx HTTP/1.1",
    ],
)
def test_methods_that_a_server_does_not_know_get_nobody_in(running: Running, raw: bytes) -> None:
    answer = send(
        running.port, raw + b"\r\nHost: x\r\nX-Original-Method: GET\r\nX-Original-URL: http://127.0.0.1:3000/x\r\n\r\n"
    )
    assert answer.status in (0, 400, 401, 403, 404, 405)


def test_an_original_method_of_five_kilobytes_is_refused(running: Running) -> None:
    assert ask(running, [("X-Original-Method", "G" * 5000), NGINX[1]]).status == 403


def test_names_with_underscores_and_capitals_are_what_they_are(running: Running) -> None:
    assert ask(running, [("x-ORIGINAL-method", "GET"), ("X-OrIgInAl-UrL", PUBLIC[1][1])]).status == 200
    assert ask(running, [("X_Original_Method", "GET"), ("X_Original_URL", PUBLIC[1][1])]).status == 403
    assert ask(running, [*NGINX, ("X_Original_URL", PUBLIC[1][1])]).status == 401
    assert ask(running, [("X-Original_URL", PUBLIC[1][1]), *NGINX]).status == 401


def test_headers_that_come_twice_are_refused(running: Running) -> None:
    assert ask(running, [*NGINX, PUBLIC[1]]).status == 403
    assert ask(running, [PUBLIC[1], *NGINX]).status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Content-Length: 99999999\r\n\r\n",
        b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"Content-Length: 5\r\n\r\nhel",
        b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        b"Connection: close, X-Original-URL, Cookie\r\n\r\n",
    ],
)
def test_no_body_and_no_upgrade_keeps_a_check_waiting(running: Running, body: bytes) -> None:
    head = b"POST /check/nginx HTTP/1.1\r\nHost: x\r\nX-Original-Method: GET\r\nX-Original-URL: http://127.0.0.1:3000/x\r\n"
    assert send(running.port, head + body).status == 401


SMUGGLED = [
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n",
    b"X-Original-URL : http://127.0.0.1:3000/static\r\n\r\n",
    b"X-A: b\r\n X-Original-URL: http://127.0.0.1:3000/static\r\n\r\n",
    b"X-A: b\nX-Original-URL: http://127.0.0.1:3000/static\r\n\r\n",
    b"X-A: b\rX-Original-URL: http://127.0.0.1:3000/static\r\n\r\n",
    b"X-A: b\0c\r\n\r\n",
    b": x\r\n\r\n",
    b"\xff\xfe: x\r\n\r\n",
]


@pytest.mark.parametrize("rest", SMUGGLED)
def test_a_head_that_can_be_read_in_two_ways_opens_nothing(running: Running, rest: bytes) -> None:
    head = (
        b"GET /check/nginx HTTP/1.1\r\nHost: x\r\nX-Original-Method: GET\r\nX-Original-URL: http://127.0.0.1:3000/x\r\n"
    )
    assert send(running.port, head + rest).status in (0, 400, 401, 403, 501)


TARGETS = [
    "http://evil.example/check/nginx",
    "//check/nginx",
    "/check/../check/nginx",
    "/%63heck/nginx",
    "/check%2fnginx",
    "/CHECK/nginx",
    "/check",
    "/x/../check/nginx",
    "*",
]


@pytest.mark.parametrize("target", TARGETS)
def test_no_other_target_is_a_yes(running: Running, target: str) -> None:
    answer = ask(running, NGINX, "OPTIONS" if target == "*" else "GET", target)
    assert answer.status not in range(200, 300)
    assert "evil" not in str(answer.headers)


def test_two_host_lines_are_refused_where_the_host_counts(running: Running) -> None:
    raw = b"GET /check/envoy/static/x HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n%sX-Forwarded-Proto: http\r\n\r\n"
    assert send(running.port, raw % b"").status == 200
    assert send(running.port, raw % b"Host: evil.example\r\n").status == 400


def test_a_connection_that_is_kept_serves_one_check_after_the_other(running: Running) -> None:
    with Connection(running.port) as connection:
        for headers, status in ((NGINX, 401), (PUBLIC, 200), (NGINX, 401)):
            connection.send(request("GET", "/check/nginx", headers))
            assert connection.answer().status == status
        connection.send(request("HEAD", "/check/nginx", NGINX) + request("GET", "/check/nginx", PUBLIC))
        assert [connection.answer(head=True).status, connection.answer().status] == [401, 200]


def test_a_peer_is_not_believed_to_be_somebody_else(running: Running) -> None:
    for claim in (("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1")):
        assert ask(running, [*PUBLIC, claim]).status == 200
