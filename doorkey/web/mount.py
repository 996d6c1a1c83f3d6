"""Two WSGI apps at one origin: the development provider's paths, and everything else."""

from collections.abc import Callable, Iterable
from typing import Any

PROVIDER_PATHS = ("/oauth/", "/.well-known/", "/dev/")
OWN_PATHS = ("/.well-known/jwks.json", "/.well-known/doorkey-identity.json")

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def mount(app: Wsgi, provider: Wsgi) -> Wsgi:
    """`provider` for its own paths, which stay whole; `app` for the others."""

    def choose(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        chosen = provider if path.startswith(PROVIDER_PATHS) and path not in OWN_PATHS else app
        return chosen(environ, start_response)

    return choose
