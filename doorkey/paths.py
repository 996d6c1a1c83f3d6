"""Files and folders: templates, static files, configurations of proxies, and how a private folder is made."""

import functools
import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).parent


def _find(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


# Beside the package in a checkout, inside it once installed.
TEMPLATES = _find("templates")
STATIC = _find("static")
DEPLOY = _find("deploy")


@functools.cache
def asset(name: str) -> str:
    """The URL path of a static file, with its content in the name so that it may be cached for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def make_private_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, for this user only. Raises `OSError`."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
