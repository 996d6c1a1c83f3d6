"""The session store for commands that work beside the app: the one that the settings name, with the same server keys.

Makes neither a store nor a key, except where a command is meant to. Exits with 2 for settings, with 5 when it is away.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from doorkey.cli.settings_errors import fail, load_settings
from doorkey.errors import SettingsError, StoreUnavailable
from doorkey.events import clean_text
from doorkey.factory import open_store, server_keys
from doorkey.sessions.key_file import KEY_FILE
from doorkey.sessions.seal import Keyring
from doorkey.sessions.store import SessionStore
from doorkey.settings import Settings

AWAY = 5


@dataclass(frozen=True)
class Access:
    """`name` is how to call the store."""

    store: SessionStore
    keyring: Keyring
    name: str


def existing_store() -> Access:
    """What the app has made."""
    settings = load_settings()
    file = _file(settings)
    name = f"sqlite:{file}" if file else str(settings.session_store)
    try:
        if file and not os.path.exists(file):
            raise StoreUnavailable("there is no such file yet, or this user may not see it")
        if not settings.secret_key and not os.path.exists(settings.instance / KEY_FILE):
            raise SettingsError([f"DOORKEY_SECRET_KEY is not set, and there is no {settings.instance / KEY_FILE}"])
        return _opened(settings, name)
    except SettingsError as error:
        fail(error)
    except StoreUnavailable as error:
        away(name, error)


def own_store() -> Access:
    """As the app would have it, made where it is not there yet."""
    settings = load_settings()
    file = _file(settings)
    name = f"sqlite:{file}" if file else str(settings.session_store)
    try:
        return _opened(settings, name)
    except SettingsError as error:
        fail(error)
    except StoreUnavailable as error:
        away(name, error)


def _opened(settings: Settings, name: str) -> Access:
    store = open_store(settings)
    access = Access(store, Keyring(server_keys(settings)), name)
    store.concerns()  # one node of a Cluster would show a part of what there is, as if it were all
    return access


def _file(settings: Settings) -> Path | None:
    address = settings.session_store
    if address.kind != "sqlite":
        return None
    return Path(address.path) if address.path else settings.instance / "sessions.sqlite3"


def away(store: str, error: StoreUnavailable) -> NoReturn:
    """Say so, and exit with 5."""
    detail = clean_text(error.detail)
    click.echo(f"doorkey: cannot use the session store {store} (DOORKEY_SESSION_STORE): {detail}", err=True)
    raise SystemExit(AWAY)
