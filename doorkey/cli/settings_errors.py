"""Settings for a command, or every mistake in them on stderr and exit code 2."""

from collections.abc import Mapping
from typing import NoReturn

import click

from doorkey import settings as settings_module
from doorkey.errors import SettingsError
from doorkey.settings import Settings


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Exits with 2 after saying what is wrong."""
    try:
        return settings_module.load(environ)
    except SettingsError as error:
        fail(error)


def fail(error: SettingsError) -> NoReturn:
    """Say what is wrong and exit with 2."""
    click.echo(f"doorkey: {error.message}", err=True)
    for problem in error.problems:
        click.echo(f"  - {problem}", err=True)
    click.echo(f"hint: {error.hint}", err=True)
    raise SystemExit(2)
