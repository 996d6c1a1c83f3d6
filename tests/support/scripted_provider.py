"""A provider over a real socket that answers exactly what a test tells it, and remembers what it got."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

GOOD_TOKEN = {
    "access_token": "canary-access-token",
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": "canary-refresh-token",
    "scope": "read write",
}

Raw = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Answer:
    """What one endpoint answers; `raw` takes over the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: Raw | None = None


@dataclass
class Seen:
    """One request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


class ScriptedProvider:
    """`answers` maps a path to an `Answer`; `seen` are the requests so far."""

    def __init__(self) -> None:
        provider = self
        self.seen: list[Seen] = []
        self.answers: dict[str, Answer] = {}
        self.connections = 0
        self.answer("/token", GOOD_TOKEN)
        self.answer("/userinfo", {"sub": "user-1", "name": "Una User", "email": "una@example.com", "groups": ["staff"]})

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                provider.connections += 1
                super().setup()

            def do_GET(self) -> None:
                provider._serve(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer `path` with `data`: bytes and str as they are, anything else as JSON."""
        body = (
            data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode()
        )
        self.answers[path] = Answer(status, body, {"Content-Type": "application/json", **(headers or {})})

    def answer_raw(self, path: str, raw: Raw) -> None:
        """Let `raw` write what it likes to the connection."""
        self.answers[path] = Answer(raw=raw)

    def requests_to(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length).decode()
        path = urlsplit(handler.path).path
        self.seen.append(Seen(handler.command, path, dict(handler.headers.items()), dict(parse_qsl(body))))
        answer = self.answers.get(path, Answer(404))
        if answer.raw:
            handler.close_connection = True
            answer.raw(handler)
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)
