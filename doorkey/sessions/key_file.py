"""The server key that development makes for itself, so that a restart signs nobody out."""

import os
import secrets
from pathlib import Path

from doorkey.paths import make_private_folder

KEY_FILE = "secret_key"


def load_or_make_key(folder: Path) -> bytes:
    """The key in `folder`, made (0600) when it is not there; the first of several processes wins.

    Raises `OSError` when the folder cannot be written.
    """
    path = folder / KEY_FILE
    if not path.exists():
        make_private_folder(folder)
        draft = folder / f".{KEY_FILE}-{secrets.token_hex(8)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)  # fails when another process was first, and never shows half a key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
