"""A provider over a real socket that rotates refresh tokens and punishes whoever sends one twice (RFC 9700 4.14.2).

    provider.members["expires_in"] = -1      # what token answers say; None leaves a member out
    provider.instead = Answer(500)           # what refreshes get in place of a token; nothing is rotated then
    with provider.held():                    # refreshes are carried out, and answered at the end of the block
        provider.wait_for_refreshes(1)

It remembers every refresh and revocation, and knows which tokens are worth something now.
"""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.conftest import provider_settings
from tests.support.scripted_provider import Answer, ScriptedProvider, Seen

PATIENCE = 20.0
"""Seconds that a test waits for what must come, and a held answer for its release."""


@dataclass
class Family:
    """What came of one sign-in: `number` counts the refreshes, `current` is the one refresh token that works."""

    name: str
    number: int = 0
    current: str = ""
    alive: bool = True


class RotatingProvider(ScriptedProvider):
    """`refreshes` are the forms that came, `revoked` the tokens; `punished` counts refresh tokens that came again."""

    def __init__(self) -> None:
        super().__init__()
        self._server.socket.listen(512)  # many come at once
        self.members: dict[str, Any] = {"token_type": "bearer", "expires_in": 3600, "scope": "read write"}
        self.instead: Answer | None = None
        self.rotates = True
        self.refreshes: list[dict[str, str]] = []
        self.revoked: list[str] = []
        self.punished = 0
        self.families: list[Family] = []
        self._changed = threading.Condition()
        self._open = threading.Event()
        self._open.set()

    @contextlib.contextmanager
    def held(self, *, before: bool = False) -> Iterator[None]:
        """Refreshes that come now are answered at the end of the block; `before`: and carried out only then."""
        self._before = before
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def wait_for_refreshes(self, count: int) -> None:
        """Until so many have come in all."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.refreshes) >= count, PATIENCE)
        assert came, f"{len(self.refreshes)} refreshes came"

    def wait_for_revocations(self, count: int) -> None:
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.revoked) >= count, PATIENCE)
        assert came, f"{len(self.revoked)} revocations came"

    def working(self) -> list[str]:
        """The refresh tokens that are good for something."""
        return [family.current for family in self.families if family.alive and family.current]

    def close(self) -> None:
        self._open.set()
        super().close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        if path not in ("/token", "/revoke"):
            super()._serve(handler)
            return
        length = int(handler.headers.get("Content-Length") or 0)
        form = dict(parse_qsl(handler.rfile.read(length).decode()))
        self.seen.append(Seen(handler.command, path, dict(handler.headers.items()), form))
        answer = self._revoke(form) if path == "/revoke" else self._token(form)
        if answer.raw:
            handler.close_connection = True
            answer.raw(handler)
            return
        with contextlib.suppress(OSError):  # whoever asked may be tired of waiting
            handler.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body)

    def _token(self, form: dict[str, str]) -> Answer:
        if form.get("grant_type") != "refresh_token":
            with self._changed:
                family = Family(f"f{len(self.families) + 1}")
                self.families.append(family)
                return self._issue(family)
        with self._changed:
            self.refreshes.append(form)
            self._changed.notify_all()
        if not self._open.is_set() and self._before:
            self._open.wait(PATIENCE)
        with self._changed:
            answer = self.instead or self._rotate(form.get("refresh_token", ""))
        self._open.wait(PATIENCE)
        return answer

    def _rotate(self, refresh_token: str) -> Answer:
        for family in self.families:
            if family.alive and refresh_token and refresh_token == family.current:
                return self._issue(family)
            if refresh_token.startswith(f"canary-refresh-{family.name}-"):
                self.punished += family.alive
                family.alive = False
        return Answer(400, b'{"error": "invalid_grant", "error_description": "used or revoked"}')

    def _issue(self, family: Family) -> Answer:
        family.number += 1
        tokens = {"access_token": f"canary-access-{family.name}-{family.number}"}
        if self.rotates or not family.current:
            family.current = tokens["refresh_token"] = f"canary-refresh-{family.name}-{family.number}"
        members = {name: value for name, value in (tokens | self.members).items() if value is not None}
        return Answer(200, json.dumps(members).encode())

    def _revoke(self, form: dict[str, str]) -> Answer:
        """RFC 7009: a refresh token that works takes its family along, anything else is fine too."""
        with self._changed:
            self.revoked.append(form.get("token", ""))
            for family in self.families:
                if form.get("token") == family.current:
                    family.alive = False
            self._changed.notify_all()
        return Answer(200)


@contextlib.contextmanager
def rotating_provider() -> Iterator[RotatingProvider]:
    provider = RotatingProvider()
    try:
        yield provider
    finally:
        provider.close()


def rotating_settings(url: str, id: str = "stub") -> dict[str, str]:
    """The environment of one provider that is a `RotatingProvider`, with its revocation."""
    prefix = f"DOORKEY_PROVIDER_{id.upper()}_"
    return {"DOORKEY_PROVIDERS": id, **provider_settings(id, url), prefix + "REVOCATION_ENDPOINT": f"{url}/revoke"}


def rotating_environ(environ: Mapping[str, str], url: str, id: str = "stub") -> dict[str, str]:
    """`environ` with that provider in place of its own."""
    others = {name: value for name, value in environ.items() if not name.startswith("DOORKEY_PROVIDER")}
    return others | rotating_settings(url, id)
