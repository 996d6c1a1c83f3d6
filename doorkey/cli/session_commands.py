"""`doorkey sessions list | revoke | revoke-user`: who is signed in, for operators, without anybody's cookie.

    list          one line for each live session: id, user, provider, device, signed in, last seen
    revoke ID     end the sessions with these ids
    revoke-user   end all sessions of a user

It opens the store that the settings name, with the same server keys; it can show no token and no secret. Exit codes:
0 done, 1 nothing was ended, 2 settings, 5 the store is away.
"""

import json
from collections.abc import Iterator
from typing import NoReturn

import click

from doorkey.cli.settings_errors import fail, load_settings
from doorkey.clock import iso, system_clock
from doorkey.errors import SettingsError, StoreUnavailable
from doorkey.events import clean_text
from doorkey.factory import open_store, server_keys
from doorkey.sessions.roster import Entry, Roster
from doorkey.sessions.seal import Keyring
from doorkey.sessions.summary import Summary

NOTHING, AWAY = 1, 5
COLUMNS = ("ID", "USER", "PROVIDER", "DEVICE", "SIGNED IN", "LAST SEEN")


@click.group("sessions")
def command() -> None:
    """List the sessions in the store, and end them."""


@command.command("list")
@click.option("--user", help="Only those of this user.")
@click.option("--provider", help="Only those of this provider.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each session.")
def list_sessions(user: str | None, provider: str | None, as_json: bool) -> None:
    """Who is signed in, newest first."""
    live = [(entry, summary) for entry, summary in _live(_roster()) if _fits(summary, user, provider)]
    live.sort(key=lambda found: -found[1].created)
    rows = [_row(entry, summary) for entry, summary in live]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    if not rows:
        click.echo("Nobody is signed in." if not (user or provider) else "There is no such session.", err=True)
        return
    lines = [COLUMNS, *(tuple(row.values())[: len(COLUMNS)] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


@command.command("revoke")
@click.argument("id", nargs=-1, required=True)
def revoke(id: tuple[str, ...]) -> None:
    """End the sessions with these ids (from `list`)."""
    roster = _roster()
    found = [entry for entry, _ in _every(roster) if entry.public_id in id]
    _end(roster, found)
    missing = [one for one in id if one not in {entry.public_id for entry in found}]
    for one in missing:
        click.echo(f"There is no session {clean_text(one)}.", err=True)
    raise SystemExit(NOTHING if missing else 0)


@command.command("revoke-user")
@click.argument("user")
@click.option("--provider", help="Only at this provider.")
def revoke_user(user: str, provider: str | None) -> None:
    """End all sessions of USER, as `list` shows it, or as the provider calls it (sub)."""
    roster = _roster()
    found = [entry for entry, summary in _every(roster) if summary and _fits(summary, user, provider)]
    ended = _end(roster, found)
    raise SystemExit(0 if ended else NOTHING)


def _roster() -> Roster:
    settings = load_settings()
    try:
        return Roster(open_store(settings), Keyring(server_keys(settings)))
    except SettingsError as error:
        fail(error)


def _every(roster: Roster) -> Iterator[tuple[Entry, Summary | None]]:
    """Reading many takes a while, so a terminal is told how far it is."""
    try:
        for number, entry in enumerate(roster.all(), start=1):
            if number % 1000 == 0:
                click.echo(f"{number} sessions read ...", err=True)
            yield entry, entry.summary
    except StoreUnavailable as error:
        _away(error)


def _live(roster: Roster) -> Iterator[tuple[Entry, Summary]]:
    now = system_clock()
    return ((entry, summary) for entry, summary in _every(roster) if summary and now < entry.ends)


def _fits(summary: Summary, user: str | None, provider: str | None) -> bool:
    return (user is None or user in (summary.user, summary.sub)) and provider in (None, summary.provider)


def _end(roster: Roster, entries: list[Entry]) -> int:
    try:
        ended = sum(roster.end(entry) for entry in entries)
    except StoreUnavailable as error:
        _away(error)
    click.echo(f"{ended} session{'' if ended == 1 else 's'} ended.")
    return ended


def _away(error: StoreUnavailable) -> NoReturn:
    click.echo(f"{error.message} ({error.detail}) See DOORKEY_SESSION_STORE.", err=True)
    raise SystemExit(AWAY)


def _row(entry: Entry, summary: Summary) -> dict[str, str]:
    """A terminal obeys what is not text."""
    return {
        "id": entry.public_id,
        "user": clean_text(summary.user),
        "provider": summary.provider,
        "device": clean_text(summary.label),
        "signed_in": iso(summary.created),
        "last_seen": iso(summary.last_seen),
        "ends": iso(entry.ends),
    }
