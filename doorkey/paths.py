"""Where templates and static files are: beside the package in a checkout, inside it once installed."""

import functools
import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).parent


def _find(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


TEMPLATES = _find("templates")
STATIC = _find("static")


@functools.cache
def asset(name: str) -> str:
    """The URL path of a static file, with its content in the name so that it may be cached for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
