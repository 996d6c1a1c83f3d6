"""WSGI answers on their way to the event loop: whole ones at once, others piece by piece (web/page_threads.py)."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from doorkey.gate.asgi import Message
from doorkey.gate.wsgi import Wsgi
from doorkey.web.page_threads import PageThreads

SCOPE = {
    "type": "http", "method": "GET", "path": "/page", "query_string": b"a=1", "http_version": "1.1", "scheme": "http",
    "headers": [(b"host", b"here")], "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 5), "root_path": "",
}  # fmt: skip
PATIENCE = 30


def messages(app: Wsgi, *, body: bytes = b"", seen: Callable[[Message], None] = lambda message: None) -> list[Message]:
    """What `app` has sent, in order."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        seen(message)

    asyncio.run(PageThreads(app, threads=2)(SCOPE, body, send))
    return sent


def text(found: Iterable[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in found)


def saying(*chunks: bytes, length: int | None = None) -> Wsgi:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(length))] if length is not None else [("X-A", "b")])
        return iter(chunks)

    return app


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every time that a thread had the loop do something."""
    counted: list[object] = []
    real = asyncio.run_coroutine_threadsafe

    def counting(coroutine: Any, loop: Any) -> Any:
        counted.append(loop)
        return real(coroutine, loop)

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", counting)
    return counted


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(saying(b"hello", length=5), id="a page"),
        pytest.param(saying(length=0), id="nothing"),
        pytest.param(saying(length=5), id="the head of a page"),
        pytest.param(saying(), id="of no length, and nothing"),
    ],
)
def test_a_whole_answer_needs_the_loop_once(page: Wsgi, hops: list[object]) -> None:
    found = messages(page)
    assert [message["type"] for message in found] == ["http.response.start", "http.response.body"]
    assert not found[-1].get("more_body")
    assert hops == []


@pytest.mark.parametrize("length", [None, 10])
def test_a_piece_does_not_wait_for_the_next_one(length: int | None) -> None:
    first = threading.Event()
    waited: list[bool] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(length))] if length else [])
        yield b"first"
        waited.append(first.wait(PATIENCE))
        yield b"later"

    found = messages(app, seen=lambda message: first.set() if message.get("body") == b"first" else None)
    assert waited == [True]
    assert text(found) == b"firstlater"
    assert [message.get("more_body") for message in found] == [None, True, True, None]


def test_an_empty_piece_sends_the_head_before_the_app_goes_on() -> None:
    """A provider that is to break off an empty answer closes the connection then (devprovider/wire.py)."""
    sent: list[Message] = []
    known: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "1")])
        yield b""
        known.append(len(sent))

    messages(app, seen=sent.append)
    assert known == [1]


def test_the_app_is_told_what_was_asked() -> None:
    asked: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asked.update(environ, body=environ["wsgi.input"].read())
        return saying(length=0)(environ, start_response)

    messages(app, body=b"form")
    wanted = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/page",
        "QUERY_STRING": "a=1",
        "HTTP_HOST": "here",
        "body": b"form",
    }
    assert wanted == {name: asked[name] for name in wanted}
    assert asked["asgi.scope"] is SCOPE


@pytest.mark.parametrize("chunks", [(), (b"half",)], ids=["before it began", "in the middle"])
def test_what_fails_in_the_app_fails_here_and_the_app_is_closed(chunks: tuple[bytes, ...]) -> None:
    class Failing:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            yield from chunks
            raise LookupError("in the app")

        def close(self) -> None:
            self.closed += 1

    body = Failing()
    sent: list[Message] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "8")])
        return body

    with pytest.raises(LookupError):
        messages(app, seen=sent.append)
    assert body.closed == 1
    assert text(sent) == b"".join(chunks)
    assert len(sent) == 2 * len(chunks)


def test_an_error_replaces_the_head_until_it_is_sent() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise LookupError
        except LookupError:
            start_response("500 Internal Server Error", [("Content-Length", "2")], sys.exc_info())
        return [b"no"]

    found = messages(app)
    assert (found[0]["status"], found[0]["headers"]) == (500, [(b"content-length", b"2")])


def test_an_error_after_the_head_was_sent_is_raised() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"begun")
        try:
            raise LookupError
        except LookupError:
            start_response("500 Internal Server Error", [], sys.exc_info())
        return []

    with pytest.raises(LookupError):
        messages(app)
