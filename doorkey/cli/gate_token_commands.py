"""`doorkey gate-token new | list | revoke`: tokens of our own for API clients that pass the gate.

    new         prints the token, once, on stdout; what it is good for goes to stderr
    list        one line for each live token, without its secret
    revoke ID   ends tokens at once

It opens the store that the settings name, with the same server keys. Exit codes: 0 done, 1 nothing was ended,
2 settings, 5 the store is away.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from doorkey.cli.settings_errors import load_settings
from doorkey.cli.store_access import Access, away, existing_store, own_store
from doorkey.clock import iso, system_clock, system_random
from doorkey.errors import StoreUnavailable
from doorkey.gate.gate_tokens import HOST_SCOPE, GateTokens, Listed
from doorkey.gate.parts import guarded_hosts
from doorkey.setting_values import SCOPE_TOKEN, duration

NOTHING = 1
MOST_SCOPES = 50


@click.group("gate-token")
def command() -> None:
    """Make, list and revoke tokens of API clients."""


def _expires(ctx: click.Context, param: click.Parameter, value: str) -> int:
    try:
        return duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for value in values for name in value.split()))
    if len(names) > MOST_SCOPES or not all(SCOPE_TOKEN.fullmatch(name) and len(name) <= 200 for name in names):
        raise click.BadParameter(f"at most {MOST_SCOPES} names of visible characters")
    return names


@command.command("new")
@click.option("--user", default="gate-token", show_default=True, help="Whom applications are told (X-Doorkey-User).")
@click.option("--scope", "scopes", multiple=True, callback=_names, help="What it may be used for: names that rules ask for (scopes), or host:NAME to confine it to hosts.")  # fmt: skip  # noqa: E501
@click.option("--group", "groups", multiple=True, callback=_names, help="A group that rules may ask for.")
@click.option(
    "--expires", default="30d", show_default=True, callback=_expires, help="How long it lives: 45m, 12h, 90d."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the token in it.")
def new(user: str, scopes: tuple[str, ...], groups: tuple[str, ...], expires: int, as_json: bool) -> None:
    """Make a token. It is shown now and never again."""
    if not re.fullmatch(r"[\x21-\x7e]{1,100}", user):
        raise click.BadParameter("1 to 100 visible ASCII characters", param_hint="--user")
    with _tokens(own_store()) as tokens:
        secret, listed = tokens.new(user, scopes=scopes, groups=groups, seconds=expires)
    if as_json:
        click.echo(json.dumps({"token": secret, **_facts(listed)}))
        return
    click.echo(secret)
    hosts = [scope.removeprefix(HOST_SCOPE) for scope in scopes if scope.startswith(HOST_SCOPE)]
    guarded = guarded_hosts(load_settings())
    for host in hosts:
        if not guarded.has(host) and not host.startswith("*."):
            click.echo(f"warning: {host} is not in DOORKEY_ALLOWED_HOSTS, so the token opens nothing there", err=True)
    where = f"at {', '.join(hosts)}" if hosts else "at every host behind the gate"
    click.echo(f"id {listed.id}, user {user}, {where}, until {iso(listed.token.ends)}", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each token.")
def list_tokens(as_json: bool) -> None:
    """The tokens that live, oldest first."""
    with _tokens(existing_store()) as tokens:
        found = tokens.all()
    if not as_json and not found:
        click.echo("There is no gate token.", err=True)
    for listed in found:
        token = listed.token
        words = [listed.id, token.user, " ".join(token.scopes) or "-", " ".join(token.groups) or "-", iso(token.ends)]
        click.echo(json.dumps(_facts(listed)) if as_json else "  ".join(words))


@command.command("revoke")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def revoke(ids: tuple[str, ...]) -> None:
    """End the tokens with these ids, as `list` shows them."""
    with _tokens(existing_store()) as tokens:
        unknown = [id for id in ids if not tokens.revoke(id)]
    for id in unknown:
        click.echo(f"doorkey: there is no gate token {id}", err=True)
    raise SystemExit(NOTHING if unknown else 0)


def _facts(listed: Listed) -> dict[str, object]:
    token = listed.token
    return {
        "id": listed.id,
        "user": token.user,
        "scopes": token.scopes,
        "groups": token.groups,
        "created_at": int(token.created),
        "expires_at": int(token.ends),
    }


@contextmanager
def _tokens(access: Access) -> Iterator[GateTokens]:
    """Exits with 5."""
    try:
        yield GateTokens(access.store, access.keyring, system_clock, system_random)
    except StoreUnavailable as error:
        away(access.name, error)
