"""Two WSGI apps at one origin: the development provider's paths, and everything else."""

from collections.abc import Callable, Iterable
from typing import Any

PROVIDER_PATHS = ("/oauth/", "/.well-known/", "/dev/")

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def mount(app: Wsgi, provider: Wsgi) -> Wsgi:
    """`provider` for its own paths, which stay whole; `app` for the others."""

    def choose(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chosen = provider if environ.get("PATH_INFO", "").startswith(PROVIDER_PATHS) else app
        return chosen(environ, start_response)

    return choose
