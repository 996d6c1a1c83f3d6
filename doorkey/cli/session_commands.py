"""`doorkey sessions list | revoke | revoke-user`: who is signed in, for operators, without anybody's cookie.

    list          one line for each live session: id, user, provider, device, signed in, last seen
    revoke ID     end the sessions with these ids
    revoke-user   end all sessions of a user

It opens the store that the settings name, with the same server keys, beside the running app or without it; it can show
no token and no secret, and makes neither a store nor a key. Exit codes: 0 done, 1 nothing was ended, or not all of it,
2 settings (also when no session opens with these keys), 5 the store is away.
"""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import click

from doorkey.cli.store_access import away, existing_store
from doorkey.clock import iso, system_clock
from doorkey.errors import StoreUnavailable
from doorkey.events import clean_text
from doorkey.oauth.id_token import LONGEST_SUBJECT
from doorkey.sessions.roster import Entry, Roster
from doorkey.sessions.summary import Summary

NOTHING, UNREADABLE = 1, 2
COLUMNS = ("ID", "USER", "PROVIDER", "DEVICE", "SIGNED IN", "LAST SEEN")
STEP = 500
"""Sessions between two words about how far reading is."""


@dataclass
class Found:
    """The sessions of a store, each once, and how many of them no key of today opens."""

    roster: Roster
    store: str
    readable: int = 0
    unreadable: int = 0
    _met: set[bytes] = field(default_factory=set)

    def __iter__(self) -> Iterator[Entry]:
        """Reading many takes a while, so a terminal is told how far it is. Exits with 5."""
        shows = sys.stderr.isatty()
        now = system_clock()
        try:
            for entry in self.roster.all():
                if entry.record_id in self._met:  # Redis may name one twice
                    continue
                self._met.add(entry.record_id)
                if shows and len(self._met) % STEP == 0:
                    click.echo(f"\r{len(self._met)} sessions read ", nl=False, err=True)
                self.readable += entry.summary is not None
                self.unreadable += entry.summary is None and now < entry.ends
                yield entry
        except StoreUnavailable as error:
            away(self.store, error)
        if shows and len(self._met) >= STEP:
            click.echo("\r\033[K", nl=False, err=True)

    def tell_unreadable(self) -> None:
        if self.unreadable:
            click.echo(
                f"{_sessions(self.unreadable)} in the store cannot be read with these server keys"
                " (DOORKEY_SECRET_KEY): another key sealed them, or an older Doorkey.",
                err=True,
            )


@click.group("sessions")
def command() -> None:
    """List the sessions in the store, and end them."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may have letters that this terminal does not
        sys.stdout.reconfigure(errors="backslashreplace")


@command.command("list")
@click.option("--user", help="Only those of this user.")
@click.option("--provider", help="Only those of this provider.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each session.")
def list_sessions(user: str | None, provider: str | None, as_json: bool) -> None:
    """Who is signed in, newest first."""
    found, now = _found(), system_clock()
    live = [
        (entry, entry.summary)
        for entry in found
        if entry.summary and now < entry.ends and _fits(entry.summary, user, provider)
    ]
    live.sort(key=lambda one: -one[1].created)
    rows = [_row(entry, summary) for entry, summary in live]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    elif rows:
        _print_table(rows)
    if not rows and not found.unreadable:
        click.echo("There is no such session." if user or provider else "Nobody is signed in.", err=True)
    found.tell_unreadable()
    raise SystemExit(UNREADABLE if found.unreadable and not found.readable else 0)


@command.command("revoke")
@click.argument("id", nargs=-1, required=True)
def revoke(id: tuple[str, ...]) -> None:
    """End the sessions with these ids (from `list`)."""
    found = _found()
    entries = [entry for entry in found if entry.public_id in id]
    _end(found, entries)
    missing = [one for one in id if one not in {entry.public_id for entry in entries}]
    for one in missing:
        click.echo(f"There is no session {clean_text(one)}.", err=True)
    raise SystemExit(NOTHING if missing else 0)


@command.command("revoke-user")
@click.argument("user")
@click.option("--provider", help="Only at this provider.")
def revoke_user(user: str, provider: str | None) -> None:
    """End all sessions of USER, as `list` shows it, or as the provider calls it (sub)."""
    if not user.strip():
        raise click.UsageError("USER is empty; that would be everybody of whom nothing is known")
    found = _found()
    entries = [entry for entry in found if entry.summary and _fits(entry.summary, user, provider)]
    ended = _end(found, entries)
    found.tell_unreadable()
    raise SystemExit(0 if ended else NOTHING)


def _found() -> Found:
    """The store of the settings. Exits with 2, or with 5 when there is none."""
    access = existing_store()
    return Found(Roster(access.store, access.keyring), access.name)


def _fits(summary: Summary, user: str | None, provider: str | None) -> bool:
    names = (summary.user, summary.sub, _shown(summary.user))
    return (user is None or user in names) and provider in (None, summary.provider)


def _end(found: Found, entries: list[Entry]) -> int:
    """How many live ones there were; what is over and was not swept yet goes too, and counts for nobody."""
    ended, now = 0, system_clock()
    try:
        for entry in entries:
            ended += found.roster.end(entry) and now < entry.ends
    except StoreUnavailable as error:
        click.echo(f"{_sessions(ended)} ended, then the store was away.")
        away(found.store, error)
    click.echo(f"{_sessions(ended)} ended.")
    return ended


def _print_table(rows: list[dict[str, str]]) -> None:
    lines = [COLUMNS, *(tuple(text or "-" for text in row.values())[: len(COLUMNS)] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _row(entry: Entry, summary: Summary) -> dict[str, str]:
    return {
        "id": entry.public_id,
        "user": _shown(summary.user),
        "provider": summary.provider,
        "device": _shown(summary.label),
        "signed_in": iso(summary.created),
        "last_seen": iso(summary.last_seen),
        "ends": iso(entry.ends),
    }


def _shown(name: str) -> str:
    """A terminal obeys what is not text."""
    return clean_text(name, limit=LONGEST_SUBJECT)


def _sessions(count: int) -> str:
    return f"{count} session{'' if count == 1 else 's'}"
