"""What starts and stops with the server: a watcher of the policy file, and the port of Apache's authorizer.

Driven by the lifespan of ASGI (web/pages_asgi.py). A server that has none serves without the authorizer, and every
check looks at the file itself.
"""

import asyncio
import contextlib
import multiprocessing
import signal

from doorkey.gate.asgi import GateAsgi
from doorkey.gate.authorizer import Authorizer
from doorkey.gate.fastcgi import FastCgiServer
from doorkey.gate.policy_file import LOOK_SECONDS, PolicyFile


class GateLifespan:
    """`fastcgi` is an address such as `127.0.0.1:9001`, "" for none."""

    def __init__(self, gate: GateAsgi, policy: PolicyFile, fastcgi: str):
        self._policy = policy
        self._address = fastcgi
        self._server = FastCgiServer(Authorizer(gate), admits=gate.admits)
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises `OSError` when the address is taken."""
        if self._address:
            host, _, port = self._address.rpartition(":")
            is_one_of_many = multiprocessing.parent_process() is not None
            await self._server.start((host.strip("[]"), int(port)), reuse_port=is_one_of_many)
        self._watcher = asyncio.create_task(self._watch())
        self._policy.is_watched = True

    async def stop(self) -> None:
        self._policy.is_watched = False
        if self._watcher:
            self._watcher.cancel()
        await self._server.close()

    async def _watch(self) -> None:
        """Read in a thread: a policy of ten thousand rules takes a second, and no check waits for it."""
        loop, now = asyncio.get_running_loop(), asyncio.Event()

        def look_now() -> None:
            self._policy.look_now()
            now.set()

        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread: somebody else's server
            loop.add_signal_handler(signal.SIGHUP, look_now)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(now.wait(), LOOK_SECONDS)
            now.clear()
            await loop.run_in_executor(None, self._policy.look)
