"""Pushed authorization requests (RFC 9126): checked when they come, taken once by the browser."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from doorkey.devprovider.expiring import Expiring
from doorkey.devprovider.provider_store import new_token

MOST_REQUESTS = 1000
"""They are as large as a form may be."""
PREFIX = "urn:ietf:params:oauth:request_uri:"


@dataclass(frozen=True)
class PushedRequest:
    """The parameters as the client sent them."""

    client_id: str
    args: Mapping[str, Sequence[str]]


class PushedRequests:
    """Every method takes the time and is atomic."""

    def __init__(self, seconds: int):
        self.seconds = seconds
        self._lock = threading.Lock()
        self._requests: Expiring[PushedRequest] = Expiring(seconds, most=MOST_REQUESTS)

    def keep(self, request: PushedRequest, now: float) -> str:
        """The request_uri."""
        uri = PREFIX + new_token("par")
        with self._lock:
            self._requests.put(uri, request, now)
        return uri

    def take(self, uri: str, client_id: str, now: float) -> PushedRequest | None:
        """The request, once, for the client that pushed it."""
        with self._lock:
            request = self._requests.get(uri, now)
            if request is None or request.client_id != client_id:
                return None
            return self._requests.pop(uri, now)
