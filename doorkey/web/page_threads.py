"""A WSGI app in a pool of threads, for pages_asgi.py: the request goes there whole, and so does its answer come back.

a2wsgi's own middleware goes to the event loop and back for the head, for the body and for the end of each answer. An
answer that says how long it is, and is there at once, needs that once; one that comes in pieces is sent as it comes.
How a scope of ASGI reads as an environ of WSGI is a2wsgi's.
"""

import asyncio
import contextvars
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from a2wsgi.wsgi import build_environ

from doorkey.gate.asgi import Message, Send
from doorkey.gate.wsgi import Wsgi


class PageThreads:
    """`app` answers as many requests at the same moment as there are `threads`."""

    def __init__(self, app: Wsgi, *, threads: int):
        self._app = app
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="WSGI")

    async def __call__(self, scope: Message, body: bytes, send: Send) -> None:
        """Answer the request of `scope`. Raises what the app raises."""
        loop = asyncio.get_running_loop()
        environ = cast("dict[str, Any]", build_environ(cast(Any, scope), cast(Any, io.BytesIO(body))))
        answer = _Answer(lambda message: asyncio.run_coroutine_threadsafe(cast(Any, send(message)), loop).result())
        run = contextvars.copy_context().run
        for message in await loop.run_in_executor(self._pool, run, answer.run, self._app, environ):
            await send(message)


class _Answer:
    """One answer while the app makes it, in its thread; `send` gets a message out and comes back when that is done."""

    def __init__(self, send: Callable[[Message], None]):
        self._send = send
        self._head: Message | None = None
        self._sent = False

    def run(self, app: Wsgi, environ: dict[str, Any]) -> list[Message]:
        """What is still to be sent when the app is done: nearly always everything."""
        chunks = app(environ, self._start)
        whole = b""
        try:
            for chunk in chunks:
                if self._is_whole(chunk):
                    whole = chunk
                else:
                    self._write(chunk)
        finally:
            getattr(chunks, "close", lambda: None)()
        head = [self._head] if self._head and not self._sent else []
        return [*head, {"type": "http.response.body", "body": whole}]

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """PEP 3333: the head waits for the first bytes, and an error may replace it until then."""
        if self._sent and exc_info:
            raise exc_info[1].with_traceback(exc_info[2])
        fields = [(name.strip().encode("latin-1").lower(), value.strip().encode("latin-1")) for name, value in headers]
        self._head = {"type": "http.response.start", "status": int(status.split(" ", 1)[0]), "headers": fields}
        return self._write

    def _is_whole(self, chunk: bytes) -> bool:
        """Whether nothing more can come; else the bytes should not wait for it."""
        head = self._head if not self._sent else None
        return head is not None and dict(head["headers"]).get(b"content-length") == str(len(chunk)).encode()

    def _write(self, chunk: bytes) -> None:
        """An empty piece sends the head alone, so that it is there whatever becomes of the rest."""
        if not self._sent and self._head:
            self._sent = True
            self._send(self._head)
        if chunk:
            self._send({"type": "http.response.body", "body": chunk, "more_body": True})
