"""`doorkey keys new`: a server key, and how to put it before the old one without signing anybody out."""

import secrets

import click

HINT = """\
Put it before the key in use (DOORKEY_SECRET_KEY=NEW,OLD) and restart: the first key seals, all of them open.
With several machines, start all of them with OLD,NEW before that, so that each can open what another seals.
Leave OLD out once DOORKEY_SESSION_ABSOLUTE has passed."""


@click.group("keys")
def command() -> None:
    """Make a new server key (DOORKEY_SECRET_KEY)."""


@command.command("new")
def new() -> None:
    """Print a new server key; what to do with it goes to stderr."""
    click.echo(secrets.token_urlsafe(32))
    click.echo(HINT, err=True)
