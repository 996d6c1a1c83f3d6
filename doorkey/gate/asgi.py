"""The gate as an ASGI callable, in front of everything else: no Flask on this path.

Most answers need no waiting, and a server that can send them without a task of their own gets them by `at_once()`.
The rest is found out in threads: one pool for sessions, another for tokens, because whom those are asked of may be
slow, and neither shared with the pages. More checks than can wait are refused: a proxy that is told so at once can
say so.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from doorkey.gate.answer import Answer
from doorkey.gate.checkpoint import Checkpoint
from doorkey.gate.echo import ECHO_PATH, Echo
from doorkey.gate.gate_request import CheckRequest
from doorkey.gate.replies import Pending

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

THREADS = 24
"""More than may wait for a newer token at the same moment (sessions/refresh.py)."""

MOST_WAITING = 500
BEGUN = "doorkey.begun"
"""In the scope: what `at_once()` found out, so that nobody does it twice."""


class _Pool:
    """Threads, how many checks are with them or wait, and how many seconds one waits before it is given up."""

    def __init__(self, name: str, patience: float):
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)
        self.patience = patience
        self.waiting = 0


class GateAsgi:
    """`checkpoint` behind ASGI; one for each process."""

    def __init__(self, checkpoint: Checkpoint, echo: Echo):
        self._checkpoint = checkpoint
        self._echo = echo
        self.admits = checkpoint.admits
        self._for_sessions = _Pool("gate", patience=1.0)
        self._for_tokens = _Pool("gate-tokens", patience=5.0)

    def takes(self, scope: Message) -> bool:
        """Whether this request is the gate's."""
        return self._checkpoint.takes(scope["raw_path"]) or scope["raw_path"] == ECHO_PATH

    def at_once(self, scope: Message) -> Answer | None:
        """The answer, when the request is the gate's and nobody has to be asked for it."""
        path, client = scope["raw_path"], scope.get("client")
        is_check = self._checkpoint.takes(path)
        if not is_check and path != ECHO_PATH:
            return None
        peer = client[0] if client else ""
        check = CheckRequest(scope["method"], path, scope["query_string"], scope["headers"], peer)
        if not is_check:
            return self._echo.answer(check)
        begun = self._checkpoint.begin(check)
        if isinstance(begun, Answer):
            return begun
        scope[BEGUN] = begun
        return None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        answer = None if BEGUN in scope else self.at_once(scope)
        answer = answer or await self._finished(scope[BEGUN])
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        await send({"type": "http.response.body", "body": answer.body})

    async def answer(self, check: CheckRequest) -> Answer:
        """For servers of another kind."""
        return await self._finished(self._checkpoint.begin(check))

    async def _finished(self, begun: Answer | Pending) -> Answer:
        while not isinstance(begun, Answer):
            begun = await self._in_a_thread(begun)
        return begun

    async def _in_a_thread(self, pending: Pending) -> Answer | Pending:
        pool = self._for_tokens if pending.asks_others else self._for_sessions
        if pool.waiting >= MOST_WAITING:
            return self._checkpoint.overloaded(pending)
        pool.waiting += 1
        try:
            finish = partial(self._finish, pending, time.monotonic() + pool.patience)
            return await asyncio.get_running_loop().run_in_executor(pool.threads, finish)
        finally:
            pool.waiting -= 1

    def _finish(self, pending: Pending, latest: float) -> Answer | Pending:
        """Where all threads wait for a store that hangs, those behind them hear that soon."""
        if time.monotonic() > latest:
            return self._checkpoint.overloaded(pending)
        return self._checkpoint.finish(pending)
