"""uvicorn's HTTP protocol with two limits it lacks: how large a request head may be, and how long it may take.

Without them somebody who never finishes a head holds memory and connections for ever. What a
head says is judged later, in web/pages_asgi.py, which has its own and smaller limit.

An app that has `at_once(scope)` is asked by it first: an answer (status, head as it goes over the wire, body) is sent
as it is. For the checks of the gate a task and the two messages of ASGI would cost more than the check.

An app in a thread can close its connection through `scope["doorkey.hang_up"]`, and wait with
`scope["doorkey.sleep"]`, which ends early and is true when the client has gone: the development provider
does, when it is to fail that way (devprovider/wire.py).
"""

import asyncio
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD = 64 * 1024
HEAD_SECONDS = 10.0
HANG_UP_SECONDS = 2.0


class ReadyAnswer(Protocol):
    """`head` are field lines, each with its end; `content-length` is among them."""

    @property
    def status(self) -> int: ...

    @property
    def head(self) -> bytes: ...

    @property
    def body(self) -> bytes: ...


class _Answered:
    """In place of the cycle of a request that was answered at once: whatever comes of its body is let pass."""

    response_complete = True
    message_event = asyncio.Event()


ANSWERED = _Answered()


def _path_and_query(target: bytes) -> tuple[bytes, bytes]:
    if target.startswith(b"/") and b"?" not in target and b"#" not in target:
        return target, b""
    url = httptools.parse_url(target)
    return url.path, url.query or b""


@lru_cache(maxsize=4)
def _field_lines(*headers: tuple[bytes, bytes]) -> bytes:
    """Once a second they are others: the date is among them."""
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Hangs up on a head of more than `LARGEST_HEAD` bytes or that is not complete within `HEAD_SECONDS`.

    Between two requests of a connection uvicorn's keep-alive time-out rules; the clock of a head
    starts with the connection, and later with the head's first byte.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._at_once: Callable[[Any], ReadyAnswer | None] | None = getattr(self.app, "at_once", None)
        self._under_way: RequestResponseCycle | None = None
        self._rests_since: float | None = None
        self._reads_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._gone = threading.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._stop_looking()
        if self._under_way is not None:  # uvicorn marks the newest request only, which may be waiting behind this one
            self._under_way.disconnected = True
        super().connection_lost(exc)
        self._gone.set()

    def data_received(self, data: bytes) -> None:
        """What follows a body counts like a head; it is thrown away, and must end too."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > LARGEST_HEAD:
            self.transport.abort()
        elif self._reads_head and self._head_bytes:
            self._start_clock()
        elif self._is_answered and self._rests_since is None:  # the rest of a body came
            self._rest()

    def _rest(self) -> None:
        """Nothing is under way: the keep-alive time-out runs. One timer looks now and then, not a new one each time."""
        self._rests_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        self._rests_since = None

    def _stop_looking(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._rests_since is not None:
            left = self._rests_since + self.timeout_keep_alive - self.loop.time()
            if left <= 0:
                super().timeout_keep_alive_handler()
            elif not self.transport.is_closing():
                self._look_again_in(left)

    @property
    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._reads_head, self._head_bytes = False, 0
        self._stop_clock()
        ready = self._ready_answer()
        if ready:
            self._send(ready)
        else:
            self.expect_100_continue = (b"expect", b"100-continue") in ((n, v.lower()) for n, v in self.headers)
            self.scope["doorkey.hang_up"] = self._hang_up  # type: ignore[typeddict-unknown-key]
            self.scope["doorkey.sleep"] = self._gone.wait  # type: ignore[typeddict-unknown-key]
            super().on_headers_complete()
            self.cycle.keep_alive = self.cycle.keep_alive and not self.parser.should_upgrade()
        self.headers = []  # what comes behind a chunked body is no header, whatever it is called

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._reads_head, self._head_bytes = True, 0
        if self._is_answered and not self.parser.should_keep_alive():
            self.transport.close()

    def on_response_complete(self) -> None:
        self._stop_looking()
        super().on_response_complete()
        self._rests_since = self.loop.time()
        if self.pipeline:
            self.flow.pause_reading()  # uvicorn reads on after each answer, whatever is waiting already

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    def _unsupported_upgrade_warning(self) -> None:
        """Anybody may ask for one. What they sent behind it is lost, so these connections are closed."""

    def _ready_answer(self) -> ReadyAnswer | None:
        """Not while the answer to another request is on its way, nor to a client that does not read."""
        is_busy = self.cycle is not None and not self._is_answered
        if self._at_once is None or is_busy or self.flow.write_paused:
            return None
        scope = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["raw_path"], scope["query_string"] = _path_and_query(self.url)
        return self._at_once(scope)

    def _send(self, ready: ReadyAnswer) -> None:
        """What a cycle does with the messages of an app, in one step."""
        parser = self.parser
        keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0" and not parser.should_upgrade()
        lines = _field_lines(*self.server_state.default_headers)
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        body = b"" if self.scope["method"] == "HEAD" else ready.body
        self.transport.write(b"".join((STATUS_LINE[ready.status], lines, ready.head, end, body)))
        self.cycle = cast(RequestResponseCycle, ANSWERED)
        if not keep_alive:
            self.transport.close()
        self.server_state.total_requests += 1
        self._rest()

    def _hang_up(self) -> None:
        """Close after what was written; called from a thread, and back when the connection is gone."""
        self.loop.call_soon_threadsafe(self.transport.close)
        self._gone.wait(HANG_UP_SECONDS)

    def _start_clock(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._head_timer is None and not answering:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
