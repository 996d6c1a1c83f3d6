"""`doorkey dev-provider`: the development provider alone, for any program that is an OAuth client."""

import os
import secrets

import click

from doorkey.cli.settings_errors import load_settings
from doorkey.cli.uvicorn_server import run
from doorkey.devprovider.app import DevProvider, create_provider_app
from doorkey.devprovider.users import USERS, Client
from doorkey.factory import configure_logging, dev_client
from doorkey.setting_values import endpoint, is_loopback, local_url
from doorkey.web.asgi import DoorkeyAsgi

OWN_SETTINGS = ("DOORKEY_DEV_", "DOORKEY_INSECURE_DEV_PROVIDER", "DOORKEY_LOG_FORMAT")


@click.command("dev-provider")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=9000, show_default=True, help="Port to listen on.")
@click.option("--redirect-uri", "redirect_uris", multiple=True,
              help="Redirect URI of your program; may be given several times.")  # fmt: skip
def command(host: str, port: int, redirect_uris: tuple[str, ...]) -> None:
    """Run the development provider alone, for any OAuth client.

    The client is DOORKEY_DEV_CLIENT_ID with DOORKEY_DEV_CLIENT_SECRET, or a secret made now.
    """
    # Doorkey's own settings are another program's: only what is about this provider counts here.
    own = {name: value for name, value in os.environ.items() if name.startswith(OWN_SETTINGS)}
    settings = load_settings({**own, "DOORKEY_CONFIG": os.devnull})
    configure_logging(settings)
    if not is_loopback(host) and not settings.insecure_dev_provider:
        raise click.UsageError(
            f"{host} is reachable from other machines, and anybody can sign in here as anybody. "
            "Set DOORKEY_INSECURE_DEV_PROVIDER=on if that is what you want."
        )
    try:
        for uri in redirect_uris:
            endpoint(uri)
    except ValueError as error:
        raise click.UsageError(f"--redirect-uri {uri} {error}") from None
    client = dev_client(settings, "http://127.0.0.1:8000/callback/dev", *redirect_uris)
    app = create_provider_app(DevProvider([client], anywhere=settings.insecure_dev_provider))

    def announce() -> None:
        _say_how_to_use(local_url(host, port), client, made=not settings.dev_client_secret)

    run(DoorkeyAsgi(app, threads=16), host=host, port=port, announce=announce)


def _say_how_to_use(url: str, client: Client, *, made: bool) -> None:
    click.echo(f"The development provider is ready: {url}")
    click.echo("Users: " + ", ".join(user.sub for user in USERS) + ". No passwords. Never put this on a network.")
    click.echo("Redirect URIs: " + " ".join(client.redirect_uris) + " (on 127.0.0.1 any port)")
    click.echo("\nSettings for Doorkey (other programs: the same endpoints and client):\n")
    click.echo("DOORKEY_PUBLIC_URL=http://127.0.0.1:8000")
    click.echo("DOORKEY_PROVIDERS=dev")
    click.echo("DOORKEY_PROVIDER_DEV_LABEL=Development provider")
    click.echo("DOORKEY_PROVIDER_DEV_SCOPE=message_read space_read profile_read")
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
