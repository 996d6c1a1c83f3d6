"""What stands between a provider's server and Doorkey: takes plain http on this machine, hands it on as the public URL.

    with reverse_proxy(origin) as proxy:
        proxy.app = app                 # whoever serves from now on
        proxy.url                       # what a provider is told
        proxy.passed                    # what was asked of whom, and how it was answered

Providers call Doorkey by themselves when somebody leaves (back-channel logout); visits.py says which Doorkey is there.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

StartResponse = Any


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing on the terminal."""


@dataclass(frozen=True)
class Passed:
    """A request that came by, and the status of its answer."""

    method: str
    path: str
    status: int


@dataclass
class ReverseProxy:
    """`app` is the Doorkey that answers; `origin` its public URL."""

    origin: str
    url: str = ""
    app: Flask | None = None
    passed: list[Passed] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        assert self.app, "no Doorkey is there yet"
        public = urlsplit(self.origin)
        asked = {**environ, "HTTP_HOST": public.netloc, "wsgi.url_scheme": public.scheme}

        def noted(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.passed.append(Passed(environ["REQUEST_METHOD"], environ["PATH_INFO"], int(status.split()[0])))
            return start_response(status, headers, exc_info)

        return self.app.wsgi_app(asked, noted)


@contextmanager
def reverse_proxy(origin: str) -> Iterator[ReverseProxy]:
    """Listens until the end of the block."""
    proxy = ReverseProxy(origin)
    server = make_server("127.0.0.1", 0, proxy, threaded=True, request_handler=_Quiet)
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
