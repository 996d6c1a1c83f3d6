"""The stand-in for Doorkey once more, over FastCGI: what Apache asks is answered and recorded by a `StubCheck`.

with StubFastCgi(stub) as fastcgi:
    fastcgi.port, stub.checks         # a check's method and URL are those that Apache named
"""

import asyncio
import threading
from types import TracebackType
from typing import Self

from doorkey.gate.fastcgi import FastCgiServer, FcgiAnswer, Params
from tests.proxies.raw_server import HOST, Received
from tests.proxies.stub_check import StubCheck, decide, gate_cookie


class StubFastCgi:
    def __init__(self, stub: StubCheck):
        self._stub = stub
        self._loop = asyncio.new_event_loop()
        self._server = FastCgiServer(self._answer)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, again on the same port when it did before."""
        self._server = FastCgiServer(self._answer)
        asyncio.run_coroutine_threadsafe(self._server.start((HOST, self.port)), self._loop).result()
        self.port = self._server.addresses[0][1]

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _answer(self, params: Params) -> FcgiAnswer:
        received = as_request(params)
        self._stub.requests.append(received)
        await asyncio.to_thread(self._stub.wait_for_permission)
        browser = "text/html" in received.header("Accept")
        method, url = received.method, received.header("X-Original-URL")
        status, headers, body = decide(gate_cookie(received), nginx=False, browser=browser, method=method, url=url)
        pairs = tuple((name.encode(), value.encode("latin-1")) for name, value in headers.items())
        return FcgiAnswer(status, pairs, body)


def as_request(params: Params) -> Received:
    """The check as it would have come over HTTP in the dialect of nginx."""
    url = f"{params['REQUEST_SCHEME']}://{params.get('HTTP_HOST', '')}{params['REQUEST_URI']}"
    method = params["REQUEST_METHOD"]
    names = {name[5:].replace("_", "-"): value for name, value in params.items() if name.startswith("HTTP_")}
    headers = {**names, "X-ORIGINAL-URL": url, "X-ORIGINAL-METHOD": method}  # whatever a client called so is gone
    return Received(method, "/check/fastcgi", "FastCGI", tuple(headers.items()))
