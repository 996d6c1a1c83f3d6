"""The gate as an ASGI callable, in front of everything else: no Flask on this path.

What needs no store is answered on the event loop; the rest in threads of the gate's own, so that pages that wait for a
provider hold up no check. More checks than can wait are refused: a proxy that is told so at once can say so.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from doorkey.gate.answer import Answer
from doorkey.gate.checkpoint import Checkpoint
from doorkey.gate.echo import ECHO_PATH, Echo
from doorkey.gate.gate_request import CheckRequest
from doorkey.sessions.lifecycle import OpenSession

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

THREADS = 32
MOST_WAITING = 500


class GateAsgi:
    """`checkpoint` behind ASGI; one for each process."""

    def __init__(self, checkpoint: Checkpoint, echo: Echo):
        self._checkpoint = checkpoint
        self._echo = echo
        self.admits = checkpoint.admits
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gate")
        self._waiting = 0

    def takes(self, scope: Message) -> bool:
        """Whether this request is the gate's."""
        return self._checkpoint.takes(scope["raw_path"]) or scope["raw_path"] == ECHO_PATH

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        peer = scope["client"][0] if scope.get("client") else ""
        check = CheckRequest(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], peer)
        if check.path == ECHO_PATH:
            await _send(send, self._echo.answer(check))
            return
        answer, session = await self.answer(check)
        await _send(send, answer)
        self.note(session)

    def note(self, session: OpenSession | None) -> None:
        """Beside the answer."""
        if session:
            self._threads.submit(self._checkpoint.note, session)

    async def answer(self, check: CheckRequest) -> tuple[Answer, OpenSession | None]:
        """The answer, and the session to be noted once it is sent."""
        begun = self._checkpoint.begin(check)
        if isinstance(begun, Answer):
            return begun, None
        if self._waiting >= MOST_WAITING:
            return self._checkpoint.overloaded(begun), None
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, partial(self._checkpoint.finish, begun))
        finally:
            self._waiting -= 1


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body})
