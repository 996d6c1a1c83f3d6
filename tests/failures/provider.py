"""The provider as a process, with clients for every purpose, and the relying party's own mailbox.

with running_provider(folder) as provider: ...   # python -m doorkey dev-provider
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import ec

from tests.failures.raw_http import Http
from tests.failures.raw_jose import public_jwk
from tests.failures.relying_party import Registered, RelyingParty
from tests.support import servers

SECRET = "s%41+x:/ &=?k-0123456789-0123456789"
"""Everything that goes wrong when one side encodes and the other does not; long enough for HS256."""
APP = "http://rp.test"
ALGS = {"rp-ps256": "PS256", "rp-es256": "ES256", "rp-eddsa": "EdDSA"}


class Mailbox:
    """Where logout tokens come in: the path and the token of each."""

    def __init__(self) -> None:
        self._letters: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self) -> list[tuple[str, str]]:
        found, self._letters = self._letters, []
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mailbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
                mailbox._letters += [(self.path, token) for token in form["logout_token"]]
                assert list(form) == ["logout_token"]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler


@dataclass
class Provider:
    """A running one, as the tests see it."""

    url: str
    mailbox: Mailbox
    key: ec.EllipticCurvePrivateKey
    process_id: int = 0
    http: Http = field(init=False)

    def __post_init__(self) -> None:
        self.http = Http(self.url)

    def reset(self) -> None:
        self.http.control("POST", "/dev/reset")
        self.mailbox.take()

    def fail(self, name: str, **fields: Any) -> None:
        self.http.control("POST", "/dev/responses", {"failure": name, **fields})

    def clear(self) -> None:
        self.http.control("DELETE", "/dev/responses")

    def failures_seen(self) -> set[str]:
        """Which failures the provider says had a part in what was asked; it forgets the requests."""
        found = self.http.control("GET", "/dev/requests")["requests"]
        self.http.control("DELETE", "/dev/requests")
        return {name for request in found for name in request["failures"]}

    def relying_party(self, client_id: str = "rp", **options: Any) -> RelyingParty:
        client = Registered(client_id, SECRET, f"{APP}/callback", f"{APP}/bye", self.key)
        return RelyingParty(self.http, client, letters=self.mailbox.take, **options)


def clients(mailbox: Mailbox, key: ec.EllipticCurvePrivateKey) -> Mapping[str, Mapping[str, Any]]:
    usual = {
        "client_secret": SECRET,
        "redirect_uris": [f"{APP}/callback"],
        "post_logout_redirect_uris": [f"{APP}/bye"],
    }
    return {
        "rp": {**usual, "backchannel_logout_uri": f"{mailbox.url}/rp", "initiate_login_uri": f"{APP}/start"},
        "rp-frames": {
            **usual,
            "frontchannel_logout_uri": f"{APP}/frame",
            "frontchannel_logout_session_required": True,
        },
        "rp-key": {**usual, "jwks": {"keys": [public_jwk(key, "rp-key-1")]}},
        **{name: {**usual, "id_token_signed_response_alg": alg} for name, alg in ALGS.items()},
    }


def toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """The clients of a users file. TOML writes strings, lists and booleans as JSON does, tables do not."""
    lines = []
    for name, keys in tables.items():
        lines.append(f"[clients.{name}]")
        for key, value in keys.items():
            text = json.dumps(value)
            lines.append(f"{key} = " + (text.replace('": ', '" = ') if isinstance(value, dict) else text))
    return "\n".join(lines)


@contextmanager
def running_provider(folder: Path, arguments: Sequence[str] = ()) -> Iterator[Provider]:
    """A process of its own, which stops at once in the end, whatever it was made to do, and complains of nothing."""
    mailbox, key = Mailbox(), ec.generate_private_key(ec.SECP256R1())
    users_file = folder / "users.toml"
    users_file.write_text(toml(clients(mailbox, key)))

    def command(port: int) -> Sequence[str]:
        return (*servers.dev_provider(port), "--users-file", str(users_file), *arguments)

    try:
        with servers.server(command, folder) as running:
            provider = Provider(running.url, mailbox, key, running.process.pid)
            yield provider
            provider.http.close()
            began = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - began < 5
            assert "Traceback" not in running.log
            assert "unexpected_error" not in running.log
    finally:
        mailbox.close()
