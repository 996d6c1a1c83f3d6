"""Several issuers at one address: the first segment of the path names one, and each is a provider of its own.

`/tenant-a/oauth/authorize` belongs to the issuer `/tenant-a`, and so does
`/.well-known/oauth-authorization-server/tenant-a` (RFC 8414 section 3.1). They are made when they are first asked.
"""

import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from doorkey.devprovider.wire import Wsgi

MOST_ISSUERS = 50
SEGMENT = r"(?P<name>(?!(?:oauth|dev|static)(?:/|$))[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)"
OWN_PATH = re.compile(rf"/{SEGMENT}(?P<rest>/(?:oauth|dev|\.well-known)/.*|/openapi\.json)")
WELL_KNOWN = re.compile(rf"(?P<rest>/\.well-known/(?:openid-configuration|oauth-authorization-server))/{SEGMENT}")


class Issuers:
    """`main` answers what names no issuer; `make` makes the app of another one, for those who `may_ask`."""

    def __init__(self, main: Wsgi, make: Callable[[], Wsgi], may_ask: Callable[[dict[str, Any]], bool]):
        self._main = main
        self._may_ask = may_ask
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str, Wsgi] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        found = OWN_PATH.fullmatch(path) or WELL_KNOWN.fullmatch(path)
        app = self._app(found["name"]) if found and self._may_ask(environ) else None
        if found is None or app is None:
            return self._main(environ, start_response)
        root = f"{environ.get('SCRIPT_NAME', '')}/{found['name']}"
        return app({**environ, "SCRIPT_NAME": root, "PATH_INFO": found["rest"]}, start_response)

    def _app(self, name: str) -> Wsgi | None:
        with self._lock:
            if name not in self._made and len(self._made) < MOST_ISSUERS:
                self._made[name] = self._make()
            return self._made.get(name)
