"""urllib3 connections whose whole answer, headers and body, must arrive before a deadline.

A plain read time-out starts again with every byte, so a peer that sends one byte a second
holds a thread for ever. Here the read time-out of a request is the time for all of its
answer. Used by http.py only.
"""

import http.client
import io
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any, cast

import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

IDLE_SECONDS = 4.0
"""Less than the keep-alive time of common servers, of which five seconds is the shortest."""


class _BeforeDeadline(io.RawIOBase):
    """Reads from `sock` with whatever time is left; raises `TimeoutError` when none is."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float):
        self._raw = raw
        self._sock = sock
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        return cast("int | None", cast(Any, self._raw).readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        seconds = sock.gettimeout()
        if seconds is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_BeforeDeadline(raw, sock, seconds))


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        """One connect time-out for all addresses of a name together, where urllib3 gives it to each.

        Asking for the addresses is outside of it: the system's resolver has a time-out of its own.
        """
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            failure = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(self.host, self, failure) from error
        try:
            return _connect(found, self.timeout, self.socket_options or ())
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error


class _HTTPSConnection(_HTTPConnection, urllib3.connection.HTTPSConnection):
    pass


def _connect(addresses: Sequence[Any], seconds: float | None, options: Iterable[Any]) -> socket.socket:
    """The first of `addresses` that answers; each has a fair share of what is left. Raises `OSError`."""
    ends = time.monotonic() + seconds if seconds is not None else None
    failure: OSError = OSError("the name has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            if ends is not None:
                sock.settimeout(max(0.01, (ends - time.monotonic()) / (len(addresses) - number)))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            # TLS has what is left.
            sock.settimeout(max(0.01, ends - time.monotonic()) if ends is not None else None)
            return sock
    raise failure


class _FreshPool(urllib3.HTTPConnectionPool):
    """Closes a connection that lay idle for long: the peer may be hanging up at this very moment,
    and a token request that fails so must not be sent twice."""

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn: Any = super()._get_conn(timeout)
        if time.monotonic() - getattr(conn, "idle_since", time.monotonic()) > IDLE_SECONDS:
            conn.close()
        return conn


class HTTPPool(_FreshPool):
    ConnectionCls = _HTTPConnection


class HTTPSPool(_FreshPool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection
