"""An application behind the gate, and the reverse proxy in front of it: it does what deploy/nginx and deploy/caddy do.

    with front() as there:
        page.goto(there.guarded_by(doorkey) + "/admin")

Real proxies are in tests/proxies; this one starts at once, and can be made to lose cookies.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import requests

from tests.support.servers import Running

POLICY = """
[[rule]]
name = "the form"
path = "/form"
allow = "anyone"

[[rule]]
name = "admins only"
path = "/admin"
allow = { groups = ["admins"] }
"""

PAGE = """<!doctype html><html lang="en"><title>An application</title><main><h1>Arrived</h1><p>as {who}</p>
<form method="post" action="/save"><label>Note <input name="note"></label> <button>Save</button></form></main></html>"""
SAID_BY_BROWSERS = ("Accept", "Content-Type", "Cookie", "Sec-Fetch-Dest", "Sec-Fetch-Mode")


@dataclass
class Front:
    """`url` is the application's; `arrivals` are method and target of what was let through to it."""

    url: str
    doorkey: str = ""
    dialect: str = "nginx"
    loses_cookies: bool = False
    arrivals: list[tuple[str, str]] = field(default_factory=list)

    def guarded_by(self, doorkey: Running, *, dialect: str = "nginx", loses_cookies: bool = False) -> str:
        """From now on, until the next call; the application's URL."""
        self.doorkey, self.dialect, self.loses_cookies = doorkey.url, dialect, loses_cookies
        self.arrivals.clear()
        return self.url

    def ask(self, method: str, target: str, said: dict[str, str]) -> requests.Response:
        """What Doorkey answers; `said` is what the browser sent."""
        host = self.url.partition("://")[2]
        told = {
            "nginx": {"X-Original-Method": method, "X-Original-URL": self.url + target},
            "forward": {
                "X-Forwarded-Method": method,
                "X-Forwarded-Proto": "http",
                "X-Forwarded-Host": host,
                "X-Forwarded-Uri": target,
            },
        }
        if self.loses_cookies:
            said.pop("Cookie", None)
        with requests.Session() as asking:
            asking.trust_env = False
            url, headers = f"{self.doorkey}/check/{self.dialect}", {**said, **told[self.dialect]}
            return asking.get(url, headers=headers, allow_redirects=False, timeout=10)


@contextmanager
def front() -> Iterator[Front]:
    """Listens until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/favicon.ico":
                self.give(204, {})
                return
            said = {name: self.headers[name] for name in SAID_BY_BROWSERS if name in self.headers}
            answer = there.ask(self.command, self.path, said)
            away = answer.headers.get("Location") or answer.headers.get("X-Doorkey-Page")
            if answer.status_code == 200:
                there.arrivals.append((self.command, self.path))
                who = unquote(answer.headers["X-Doorkey-Name"]) or "nobody"
                self.give(200, {"Content-Type": "text/html; charset=utf-8"}, PAGE.format(who=escape(who)).encode())
            elif there.dialect == "nginx" and away:
                self.give(302, {"Location": away})
            else:
                self.give(answer.status_code, dict(answer.headers), answer.content)

        do_POST = do_GET  # noqa: N815

        def give(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Front(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
