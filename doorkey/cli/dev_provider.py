"""`doorkey dev-provider`: the development provider alone, for any program that is an OAuth client."""

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from doorkey import events
from doorkey.cli.settings_errors import load_settings
from doorkey.cli.uvicorn_server import run
from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.control import LONGEST_MOVE
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.scripted_responses import read_spec
from doorkey.devprovider.users import own_client
from doorkey.devprovider.users_file import UsersFile, UsersFileError, read_users_file
from doorkey.presets import DEV_SCOPE
from doorkey.setting_urls import is_loopback, local_url
from doorkey.web.pages_asgi import DoorkeyAsgi

OWN_SETTINGS = ("DOORKEY_DEV_", "DOORKEY_INSECURE_DEV_PROVIDER", "DOORKEY_LOG_FORMAT")
THREADS = 32
"""More than a few failures that keep somebody waiting can hold."""

T = TypeVar("T")


@click.command("dev-provider")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=9000, show_default=True, help="Port to listen on.")
@click.option("--redirect-uri", "redirect_uris", multiple=True,
              help="Redirect URI of your program; may be given several times.")  # fmt: skip
@click.option("--post-logout-redirect-uri", "leave_to", multiple=True,
              help="Where it may send the browser after a logout; may be given several times.")  # fmt: skip
@click.option("--users-file", type=click.Path(path_type=Path), help="TOML file with users, clients and lifetimes.")
@click.option("--issuer", default="", help="Its address as clients know it, when that is not the one it listens on.")
@click.option("--fail", "failures", multiple=True, metavar="SPEC",
              help="[ENDPOINT:]NAME[=VALUE][*TIMES]: invalid-iss, token:status=503*2; may be repeated.")  # fmt: skip
@click.option("--advance-clock", type=click.IntRange(-LONGEST_MOVE, LONGEST_MOVE), default=0, metavar="SECONDS",
              help="Start with its clock ahead, or with a negative number behind.")  # fmt: skip
@click.option("--list-failures", is_flag=True, help="Print every name that --fail knows, and stop.")
def command(
    host: str,
    port: int,
    redirect_uris: tuple[str, ...],
    leave_to: tuple[str, ...],
    users_file: Path | None,
    issuer: str,
    failures: tuple[str, ...],
    advance_clock: int,
    list_failures: bool,
) -> None:
    """Run the development provider alone, for any OAuth or OpenID client.

    The client is DOORKEY_DEV_CLIENT_ID with DOORKEY_DEV_CLIENT_SECRET, or a secret made now.
    """
    if list_failures:
        _list_failures()
        return
    # Doorkey's own settings are another program's: only what is about this provider counts here.
    own = {name: value for name, value in os.environ.items() if name.startswith(OWN_SETTINGS)}
    settings = load_settings({**own, "DOORKEY_CONFIG": os.devnull})
    events.configure("json" if settings.log_format == "json" else "text")
    if not is_loopback(host) and not settings.insecure_dev_provider:
        raise click.UsageError(
            f"{host} is reachable from other machines, and anybody can sign in here as anybody. "
            "Set DOORKEY_INSECURE_DEV_PROVIDER=on if that is what you want."
        )
    for option, uris in (("--redirect-uri", redirect_uris), ("--post-logout-redirect-uri", leave_to)):
        for uri in uris:
            _checked(option, uri, _address)
    given = _users(users_file or settings.dev_users_file)
    client = own_client(settings, "http://127.0.0.1:8000/callback/dev", *redirect_uris, leave_to=leave_to)
    config = DevProvider(
        [client, *given.clients],
        users=given.users,
        lifetimes=given.lifetimes,
        script=[_checked("--fail", spec, read_spec) for spec in failures],
        anywhere=settings.insecure_dev_provider,
        issuer=_checked("--issuer", issuer, _address).rstrip("/") if issuer else "",
        control_token=settings.dev_control_token.reveal(),
        clock_offset=advance_clock,
    )
    app = create_provider_app(config)

    def announce() -> None:
        _say_how_to_use(issuer or local_url(host, port), config, made=not settings.dev_client_secret)

    run(DoorkeyAsgi(app, threads=THREADS), host=host, port=port, announce=announce)


def _checked(option: str, value: str, read: Callable[[str], T]) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise click.UsageError(f"{option} {value} {error}") from None


def _address(value: str) -> str:
    """Any host, plain http too: between containers there is no other."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(/[!-~]*)?", value) or "#" in value:
        raise ValueError("must be an absolute URL such as http://127.0.0.1:3000/callback, without a fragment")
    return value


def _users(path: Path | str) -> UsersFile:
    try:
        return read_users_file(Path(path)) if path else UsersFile()
    except UsersFileError as error:
        lines = "".join(f"\n  - {problem}" for problem in error.problems)
        raise click.UsageError(f"{path} cannot be used:{lines}") from None


def _list_failures() -> None:
    from doorkey.devprovider.failures import FAILURES

    for failure in FAILURES.values():
        click.echo(f"{failure.name:42} {failure.kind:9} {failure.at:18} {failure.summary}")


def _say_how_to_use(url: str, config: DevProvider, *, made: bool) -> None:
    client = config.clients[0]
    click.echo(f"The development provider is ready: {url}")
    click.echo(f"Look, and make it fail: {url}/dev/")
    click.echo(f"Metadata: {url}/.well-known/openid-configuration")
    click.echo(
        "Users: " + ", ".join(user.sub for user in config.users) + ". No passwords. Never put this on a network."
    )
    click.echo("Redirect URIs: " + " ".join(client.redirect_uris) + " (on 127.0.0.1 any port)")
    for rule in config.script:
        click.echo("Will fail: {spec} (left: {left})".format(**rule.described()))
    click.echo("\nSettings for Doorkey (other programs: the same endpoints and client):\n")
    click.echo("DOORKEY_PUBLIC_URL=http://127.0.0.1:8000")
    click.echo("DOORKEY_PROVIDERS=dev")
    click.echo("DOORKEY_PROVIDER_DEV_LABEL=Development provider")
    click.echo(f"DOORKEY_PROVIDER_DEV_SCOPE={DEV_SCOPE}")
    click.echo(f"DOORKEY_PROVIDER_DEV_ISSUER={url}")
    click.echo(f"DOORKEY_PROVIDER_DEV_AUTHORIZATION_ENDPOINT={url}/oauth/authorize")
    click.echo(f"DOORKEY_PROVIDER_DEV_TOKEN_ENDPOINT={url}/oauth/token")
    click.echo(f"DOORKEY_PROVIDER_DEV_USERINFO_ENDPOINT={url}/oauth/userinfo")
    click.echo(f"DOORKEY_PROVIDER_DEV_CLIENT_ID={client.client_id}")
    if made:
        click.echo("# made for this start; set DOORKEY_DEV_CLIENT_SECRET to keep one")
        click.echo(f"DOORKEY_PROVIDER_DEV_CLIENT_SECRET={client.client_secret}")
    else:
        click.echo("# DOORKEY_PROVIDER_DEV_CLIENT_SECRET is what you gave as DOORKEY_DEV_CLIENT_SECRET")
    click.echo("# any 32 random characters of your own")
    click.echo(f"DOORKEY_SECRET_KEY={secrets.token_urlsafe(32)}")
