"""The gate without HTTP: what a proxy says, byte by byte, and people who are signed in without a provider.

    desk = GateDesk(app)
    desk.ask("nginx", cookie=desk.cookie(desk.sign_in(groups=("admins",))), url="https://app.example.com/admin")

For questions about the gate alone; whole visits with a browser are in gate_visits.py.
"""

import os
from pathlib import Path
from typing import Any

from flask import Flask

from doorkey.base64url import encode
from doorkey.factory import create_app
from doorkey.gate.answer import Answer
from doorkey.gate.checkpoint import Checkpoint
from doorkey.gate.gate_request import CheckRequest
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.settings import load

HOST = "app.example.com"
URL = f"https://{HOST}/x"
DOMAIN_COOKIE = "__Secure-doorkey-gate"
IDENTITY = tuple(f"x-doorkey-{name}" for name in ("user", "email", "name", "groups", "provider", "session"))
PAGE = ((b"accept", b"text/html,*/*;q=0.8"),)

SETTINGS = {
    "DOORKEY_CONFIG": os.devnull,
    "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
    "DOORKEY_RATE_LIMIT": "0",
    "DOORKEY_PUBLIC_URL": "https://login.example.com",
    "DOORKEY_COOKIE_DOMAIN": "example.com",
    "DOORKEY_ALLOWED_HOSTS": "app.example.com, public.example.com, *.apps.example.com, other.example.org",
    "DOORKEY_PROVIDERS": "stub",
    "DOORKEY_PROVIDER_STUB_AUTHORIZATION_ENDPOINT": "http://127.0.0.1:9/authorize",
    "DOORKEY_PROVIDER_STUB_TOKEN_ENDPOINT": "http://127.0.0.1:9/token",
    "DOORKEY_PROVIDER_STUB_USERINFO_ENDPOINT": "http://127.0.0.1:9/userinfo",
    "DOORKEY_PROVIDER_STUB_CLIENT_ID": "client",
    "DOORKEY_PROVIDER_STUB_CLIENT_SECRET": "canary-client-secret",
}
"""A Doorkey whose provider nobody can reach: nobody needs it here."""

Raw = list[tuple[bytes, bytes]]


def desk_at(folder: Path, policy: str = "", **changes: str) -> "GateDesk":
    """One for a whole module: its files are in `folder`."""
    settings = {**SETTINGS, "DOORKEY_INSTANCE": str(folder / "instance"), **changes}
    if policy:
        (folder / "policy.toml").write_text(policy)
        settings["DOORKEY_POLICY_FILE"] = str(folder / "policy.toml")
    return GateDesk(create_app(load(settings)))


class GateDesk:
    """Speaks to the checkpoint of `app` as a proxy at `peer` does."""

    def __init__(self, app: Flask, peer: str = "127.0.0.1"):
        self.app, self.peer = app, peer
        self.sessions: Sessions = app.extensions["doorkey"].sessions
        self.checkpoint: Checkpoint = app.extensions["doorkey"].gate.checkpoint

    def sign_in(self, **told: Any) -> OpenSession:
        token = Token("canary-access-token", self.sessions._clock(), None, ("read",), ("read",), True)
        identity = Identity(**{"provider": "stub", "sub": "user-1", **told})
        return self.sessions.start(identity, token)

    def cookie(self, session: OpenSession, name: str = DOMAIN_COOKIE) -> str:
        return f"{name}={encode(session.ids.gate_secret)}"

    def ask(
        self,
        dialect: str = "nginx",
        *,
        url: str = URL,
        method: str = "GET",
        cookie: str = "",
        more: Raw | tuple[tuple[bytes, bytes], ...] = PAGE,
    ) -> Answer:
        """An ordinary request of a visitor, in the words of a dialect."""
        raw = said(dialect.partition("/")[0], url, method) + list(more)
        if cookie:
            raw.append((b"cookie", cookie.encode("latin-1")))
        return self.send(f"/check/{dialect}", raw)

    def send(self, path: str, raw: Raw, *, method: str = "GET", query: bytes = b"", peer: str | None = None) -> Answer:
        """Whatever a proxy may send."""
        peer = self.peer if peer is None else peer
        answer = self.checkpoint.answer(CheckRequest(method, path.encode("latin-1"), query, raw, peer))
        self.checkpoint.behind.settle()
        return answer


def said(dialect: str, url: str, method: str = "GET") -> Raw:
    """What the proxies of a dialect say of a request."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if dialect == "nginx":
        return [(b"x-original-method", method.encode("latin-1")), (b"x-original-url", url.encode("latin-1"))]
    names = ("method", "proto", "host", "uri")
    values = (method, scheme, host, slash + path)
    return [(f"x-forwarded-{n}".encode(), v.encode("latin-1")) for n, v in zip(names, values, strict=True)]


def size(answer: Answer) -> int:
    """Bytes of the head as a server sends it, with a date."""
    return 80 + sum(len(name) + len(value) + 4 for name, value in answer.headers)


def is_a_no(answer: Answer) -> bool:
    """Refused, and nobody is told of; and the server is in order."""
    return answer.status in (400, 401, 403) and not any(answer.get(name) for name in IDENTITY)
