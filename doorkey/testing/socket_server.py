"""The provider behind a real socket, for browsers and for programs of other kinds: a server in a thread.

One server serves one test after another; the port is known as soon as it is made. Signal handlers and
the environment stay as they are. Used by oauth_provider.py and pytest_plugin.py.
"""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from flask import Flask

from doorkey.cli.uvicorn_server import server_config
from doorkey.devprovider.wire import SLEEP, Wsgi
from doorkey.web.pages_asgi import DoorkeyAsgi

THREADS = 16
PATIENCE = 10.0


class SocketServer:
    """Serves what `serving()` was given, and 503 at other times."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._app: Wsgi | None = None
        self._over = threading.Event()
        app = DoorkeyAsgi(cast(Flask, self._dispatch), threads=THREADS)
        self._server = uvicorn.Server(server_config(app, grace=1))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="doorkey-provider", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Back when the port is closed."""
        self._over.set()
        self._server.should_exit = True
        if self._thread.ident:
            self._thread.join(PATIENCE)
        self._socket.close()

    @contextmanager
    def serving(self, app: Wsgi) -> Iterator[None]:
        """`app` until the end; an answer that is still being delayed then is not waited for."""
        self._app, self._over = app, threading.Event()
        try:
            yield
        finally:
            self._app = None
            self._over.set()

    def _dispatch(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        app = self._app
        if app is None:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]
        return app({**environ, SLEEP: self._over.wait}, start_response)
