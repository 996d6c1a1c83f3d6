"""`doorkey serve`: the app under uvicorn, as `make run` and the container start it."""

import os

import click

from doorkey.cli.settings_errors import fail, load_settings
from doorkey.cli.uvicorn_server import run, wanted_workers
from doorkey.errors import SettingsError
from doorkey.factory import create_asgi


@click.command("serve")
@click.option("--host", help="Address to listen on (HOST).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (PORT).")
def command(host: str | None, port: int | None) -> None:
    """Run the login page (with the development provider when nothing is configured)."""
    overrides = {"DOORKEY_HOST": host, "DOORKEY_PORT": port}
    for name, value in overrides.items():
        if value is not None:
            os.environ[name] = str(value)  # the workers of a multi-process server read it too
    settings = load_settings()
    try:
        workers = wanted_workers()
    except ValueError as error:
        fail(SettingsError([str(error)]))
    if settings.development and workers > 1:
        click.echo("The development provider keeps its codes in memory: one worker instead of "
                   f"WEB_CONCURRENCY={workers}.", err=True)  # fmt: skip
        workers = 1
    url = settings.own_url

    def announce() -> None:
        click.echo(f"Doorkey is ready: {url}")
        if settings.public_url:
            click.echo(f"It listens on {settings.host} port {settings.port}.")
        if settings.development:
            click.echo("No provider is configured, so the built-in development provider is used:")
            click.echo("sign in as anybody, no password. Never put this on a network.")

    try:
        app = create_asgi(settings)  # with several workers too, so that what is wrong shows here and once
    except SettingsError as error:
        fail(error)
    run(
        app if workers == 1 else "doorkey.factory:create_asgi",
        host=settings.host,
        port=settings.port,
        announce=announce,
        workers=workers,
    )
