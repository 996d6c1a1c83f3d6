"""What starts and stops with the server: the policy listens to SIGHUP, and Apache's authorizer to its port.

Driven by the lifespan of ASGI (web/pages_asgi.py); a server that has none serves without both.
"""

import asyncio
import contextlib
import multiprocessing
import signal

from doorkey.gate.asgi import GateAsgi
from doorkey.gate.authorizer import Authorizer
from doorkey.gate.fastcgi import FastCgiServer
from doorkey.gate.policy_file import PolicyFile


class GateLifespan:
    """`fastcgi` is an address such as `127.0.0.1:9001`, "" for none."""

    def __init__(self, gate: GateAsgi, policy: PolicyFile, fastcgi: str):
        self._policy = policy
        self._address = fastcgi
        self._server = FastCgiServer(Authorizer(gate), admits=gate.admits)

    async def start(self) -> None:
        """Raises `OSError` when the address is taken."""
        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread: somebody else's server
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._policy.look_now)
        if self._address:
            host, _, port = self._address.rpartition(":")
            is_one_of_many = multiprocessing.parent_process() is not None
            await self._server.start((host.strip("[]"), int(port)), reuse_port=is_one_of_many)

    async def stop(self) -> None:
        await self._server.close()
