"""What reaches an application through somebody's proxy: the page that `doorkey check --through` asks for.

It answers at /.doorkey/echo, where the proxy treats it as the application, and only to whoever has a `ProbeKey`: nobody
else learns what a proxy adds to requests. Secrets are named, never shown. A probe signs in as `PROBE_PROVIDER`, which
opens this page and nothing else (decide.py).
"""

import json

from doorkey.gate.answer import JSON, Answer, field_lines
from doorkey.gate.gate_request import CheckRequest
from doorkey.gate.tickets import ProbeKey, Tickets

ECHO_PATH = b"/.doorkey/echo"
PROBE_HEADER = b"gate-probe"
ECHO_HEADER = b"gate-echo"
SHOWN = ("x-doorkey-", "x-auth-request-", "x-forwarded-", "x-original-", "x-real-ip", "forwarded", "connection")
LONGEST_VALUE = 4096
"""The two names of its own are not like `doorkey`: proxies delete what is, from the requests of visitors."""


class Echo:
    """Opens keys with `keys`."""

    def __init__(self, keys: Tickets[ProbeKey]):
        self._keys = keys

    def answer(self, check: CheckRequest) -> Answer:
        """404 without a key; else what came, as JSON."""
        given = [value for name, value in check.headers if name == PROBE_HEADER]
        key = self._keys.open(given[0].decode("latin-1")) if len(given) == 1 else None
        if key is None:
            return _answer(404, b"{}")
        cookies = [value.decode("latin-1") for name, value in check.headers if name == b"cookie"]
        names = [part.strip().partition("=")[0] for cookie in cookies for part in cookie.split(";")]
        told = {
            "echo": key.nonce,
            "method": check.method,
            "host": next((value.decode("latin-1") for name, value in check.headers if name == b"host"), ""),
            "target": (check.path + (b"?" + check.query if check.query else b"")).decode("latin-1"),
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")[:LONGEST_VALUE]]
                for name, value in check.headers
                if name.decode("latin-1").replace("_", "-").startswith(SHOWN) and name != PROBE_HEADER
            ],
            "cookies": names,
            "authorization": any(name == b"authorization" for name, _ in check.headers),
        }
        return _answer(200, json.dumps(told).encode(), (ECHO_HEADER, key.nonce.encode()))


def _answer(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    length = (b"content-length", str(len(body)).encode())
    head = field_lines([(b"content-type", JSON), (b"cache-control", b"no-store"), length, *headers])
    return Answer(status, head, body)
