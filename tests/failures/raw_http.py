"""HTTP by hand: one request and all of its reply, over a connection that is kept.

Nothing is followed, stored or decoded unasked. Used by relying_party.py and the tests beside it.
"""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"
PATIENCE = 20.0


@dataclass(frozen=True)
class Reply:
    """Header names are in lower case, in the order they came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        found = [value for known, value in self.headers if known == name]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else ""

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """Requests to one host. A connection that nobody used for a while is not used again: the server may close it."""

    def __init__(self, url: str):
        self.url = url
        self._host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self._host, timeout=PATIENCE)
        self._used = 0.0

    def close(self) -> None:
        self._connection.close()

    def get(self, url: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        return self.send("GET", url + ("?" + urlencode(query) if query else ""), None, headers)

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        body = urlencode(form).encode()
        return self.send("POST", url, body, {"Content-Type": FORM, **(headers or {})})

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One of `/dev/*`; what it answers, which has to be a success."""
        content = b"" if body is None else json.dumps(body).encode()
        reply = self.send(method, self.url + path, content, {"Content-Type": "application/json"})
        assert reply.status < 300, reply
        return reply.json() if reply.body else None

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str] | None = None) -> Reply:
        parts = urlsplit(url)
        assert parts.netloc == self._host, url
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection = self._connection
        if time.monotonic() - self._used > 1:
            connection.close()
        self._used = time.monotonic()
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            content = response.read()
        except (http.client.HTTPException, OSError):
            connection.close()  # so that the next request begins anew
            raise
        names = tuple((name.lower(), value) for name, value in response.getheaders())
        return Reply(response.status, names, content)
