"""A program that is a client of the development provider, with an address of its own on this machine.

    with program() as mine:
        mine.register(page, provider_url)
        page.goto(mine.authorize(provider_url))
        mine.arrived("/callback")

Used by the tests of the provider's pages and by tour.py.
"""

import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import APIResponse, Page

PATIENCE = 10.0
WELCOME = b"<!doctype html><html lang='en'><title>A program</title><main><h1>Arrived</h1></main></html>"


@dataclass
class Arrival:
    """A request that came; `fields` are those of the form, or of the query."""

    method: str
    path: str
    fields: dict[str, str]


@dataclass
class Program:
    """Its pages all say "Arrived"; `arrivals` is what came to them."""

    url: str
    client_id: str = "a-program"
    secret: str = "a-secret-of-32-characters-or-more"
    arrivals: list[Arrival] = field(default_factory=list)

    def register(self, page: Page, provider: str, **metadata: Any) -> None:
        """As a client of the provider at `provider`."""
        usual = {
            "client_secret": self.secret,
            "client_name": "A program",
            "redirect_uris": [f"{self.url}/callback"],
            "scopes": ["message_read", "profile_read"],
        }
        answer = page.request.put(f"{provider}/dev/clients/{self.client_id}", data={**usual, **metadata})
        assert answer.ok, answer.text()

    def authorize(self, provider: str, **parameters: str) -> str:
        """Where it sends the browser."""
        usual = {
            "client_id": self.client_id,
            "redirect_uri": f"{self.url}/callback",
            "response_type": "code",
            "state": "state-of-the-program",
        }
        return f"{provider}/oauth/authorize?{urlencode({**usual, **parameters})}"

    def post(self, page: Page, url: str, **form: str) -> APIResponse:
        """Ask an endpoint, as the client that it is."""
        pair = b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return page.request.post(url, form={**form}, headers={"Authorization": f"Basic {pair}"})

    def arrived(self, path: str) -> Arrival:
        """What came to `path` first, once it has."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for arrival in list(self.arrivals):
                if arrival.path == path:
                    return arrival
            time.sleep(0.02)
        raise AssertionError(f"nothing came to {path}, only {self.arrivals}")


@contextmanager
def program(client_id: str = "a-program") -> Iterator[Program]:
    """Listens until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            mine.arrivals.append(Arrival(self.command, parts.path, dict(parse_qsl(body or parts.query))))
            self.send_response(200 if parts.path != "/favicon.ico" else 204)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(WELCOME if parts.path != "/favicon.ico" else b"")

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mine = Program(f"http://127.0.0.1:{server.server_port}", client_id)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield mine
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
