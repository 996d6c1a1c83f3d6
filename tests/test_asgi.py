"""What web/pages_asgi.py makes of a request before a page sees it."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask, request

from doorkey.web.pages_asgi import LARGEST_BODY, LARGEST_HEAD, LONGEST_TARGET, MOST_HEADERS, DoorkeyAsgi

Headers = Iterable[tuple[bytes, bytes]]


@pytest.fixture
def echo() -> DoorkeyAsgi:
    """A page that says what reached it."""
    app = Flask(__name__)

    @app.route("/", methods=["GET", "POST"])
    def page() -> dict[str, Any]:
        return {"form": request.form.to_dict(), "names": sorted(request.headers.keys()), "query": request.query_string}

    app.json.default = bytes.decode  # type: ignore[attr-defined]
    return DoorkeyAsgi(app, threads=2)


def call(app: DoorkeyAsgi, *chunks: bytes, headers: Headers = (), path: bytes = b"/", query: bytes = b"") -> Any:
    """Status and body of one request whose body comes in `chunks`."""
    parts = [{"type": "http.request", "body": c, "more_body": n < len(chunks)} for n, c in enumerate(chunks, start=1)]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST" if chunks else "GET",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 5),
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


FORM = (b"content-type", b"application/x-www-form-urlencoded")


def test_a_chunked_form_arrives_whole(echo: DoorkeyAsgi) -> None:
    status, body = call(echo, b"a=1&b", b"=2", headers=[FORM, (b"transfer-encoding", b"chunked")])
    assert status == 200
    assert b'"form":{"a":"1","b":"2"}' in body


def test_names_with_underscores_do_not_arrive(echo: DoorkeyAsgi) -> None:
    _, body = call(echo, headers=[(b"x_forwarded_for", b"192.0.2.1"), (b"x-other", b"1")])
    assert b"X-Other" in body
    assert b"Forwarded" not in body


def test_a_query_that_is_not_ascii_is_escaped(echo: DoorkeyAsgi) -> None:
    status, body = call(echo, query=b"a=\xff\xfe b")
    assert status == 200
    assert b"a=%FF%FE%20b" in body


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param({"path": b"/" + b"a" * LONGEST_TARGET}, 414, id="address"),
        pytest.param({"headers": [(b"cookie", b"a" * LARGEST_HEAD)]}, 431, id="one header"),
        pytest.param({"headers": [(b"x-%d" % n, b"") for n in range(MOST_HEADERS)]}, 431, id="many headers"),
        pytest.param({"headers": [(b"host", b"evil.test")]}, 400, id="two hosts"),
        pytest.param({"headers": [(b"content-length", b"%d" % (LARGEST_BODY + 1))]}, 413, id="announced body"),
        pytest.param({"headers": [(b"content-length", b"9" * 40)]}, 413, id="absurd length"),
    ],
)
def test_what_is_too_much_is_refused_with_a_code_and_a_request_id(
    echo: DoorkeyAsgi, options: dict[str, Any], status: int
) -> None:
    got, body = call(echo, **options)
    assert got == status
    assert b"request id" in body


def test_a_body_that_grows_beyond_the_limit_is_refused(echo: DoorkeyAsgi) -> None:
    assert call(echo, b"a" * LARGEST_BODY, b"b", headers=[FORM, (b"transfer-encoding", b"chunked")])[0] == 413
