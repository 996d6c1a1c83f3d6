"""One request exactly as it is written, because what has to be tried no HTTP library would send."""

import http.client
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

SECONDS = 10.0
LARGEST = 256 * 1024


@dataclass(frozen=True)
class RawAnswer:
    """`headers` by lower-case name; the first of several values counts."""

    status: int
    headers: dict[str, str]
    body: bytes


class Target:
    """`url` names scheme, host and port; `connect` another address (host, port) for it. Certificates are verified."""

    def __init__(self, url: str, connect: tuple[str, int] | None, ca_bundle: str):
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self.authority = parts.netloc
        self._given = connect, ca_bundle
        self._context = ssl.create_default_context(cafile=ca_bundle or None) if parts.scheme == "https" else None
        port = parts.port or (443 if self._context else 80)
        self._address = connect or (self._host, port)

    def at(self, url: str) -> "Target":
        """Another site, at the same address when one was given."""
        return Target(url, *self._given)

    def ask(
        self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), *, host: str = ""
    ) -> RawAnswer | None:
        """The answer; None when the connection was closed without one. `host` is sent as Host, and not to TLS.

        Raises `TimeoutError` when nothing comes, and `OSError` when there is no connection.
        """
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {host or self.authority}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        if not any(name.lower() == "connection" for name, _ in headers):
            lines.append("Connection: close")
        request = "\r\n".join([*lines, "", ""]).encode("latin-1")
        with socket.create_connection(self._address, SECONDS) as plain:
            plain.settimeout(SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the end of the handshake is not waited for
            if self._context is None:
                return _exchange(plain, request, method)
            with self._context.wrap_socket(plain, server_hostname=self._host) as tls:
                return _exchange(tls, request, method)


def _exchange(connection: socket.socket, request: bytes, method: str) -> RawAnswer | None:
    try:
        connection.sendall(request)
        with http.client.HTTPResponse(connection, method=method) as response:
            response.begin()
            headers = {name.lower(): value for name, value in reversed(response.getheaders())}
            return RawAnswer(response.status, headers, response.read(LARGEST))
    except (http.client.HTTPException, ConnectionError, ssl.SSLError):
        return None
