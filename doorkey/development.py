"""Without a configured provider: the development provider, mounted in the app and asked in process.

Imported by factory.py when it is wanted, so that nobody else waits for it and holds it in memory.
"""

from dataclasses import replace
from pathlib import Path

from flask import Flask

from doorkey import events
from doorkey.clock import Clock
from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.inprocess import InProcessAdapter
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.users import Client, own_client
from doorkey.devprovider.users_file import UsersFile, UsersFileError, read_users_file
from doorkey.errors import SettingsError
from doorkey.oauth.provider import Provider
from doorkey.presets import DEV_SCOPE
from doorkey.setting_rules import DEV_PROVIDER_ID
from doorkey.settings import Settings, provider_settings
from doorkey.web.mount import mount


def development_provider(
    settings: Settings, app: Flask, clock: Clock
) -> tuple[dict[str, Provider], dict[str, InProcessAdapter]]:
    """The one provider there is, and how it is reached. Raises `SettingsError`."""
    client = own_client(
        settings,
        f"{settings.own_url}/callback/{DEV_PROVIDER_ID}",
        *([f"{settings.own_url}/oauth2/callback"] if settings.oauth2_proxy_paths else []),
        leave_to=(f"{settings.own_url}/logged-out",),
        initiate_login_uri=f"{settings.own_url}/login",
        backchannel_logout_uri=f"{settings.own_url}/backchannel-logout/{DEV_PROVIDER_ID}",
    )
    provider_app = create_provider_app(_dev_provider_config(settings, client), clock=clock)
    app.wsgi_app = mount(app.wsgi_app, provider_app)  # type: ignore[method-assign, assignment]
    events.log(events.UNSAFE_DEFAULT, what="development provider", change="DOORKEY_PROVIDERS")
    return {DEV_PROVIDER_ID: _dev_provider(client)}, {"http://": InProcessAdapter(provider_app)}


def _dev_provider_config(settings: Settings, client: Client) -> DevProvider:
    """What `DOORKEY_DEV_*` say. Raises `SettingsError`."""
    try:
        given = read_users_file(Path(settings.dev_users_file)) if settings.dev_users_file else UsersFile()
    except UsersFileError as error:
        raise SettingsError([f"DOORKEY_DEV_USERS_FILE: {problem}" for problem in error.problems]) from error
    return DevProvider(
        [client, *given.clients],
        users=given.users,
        lifetimes=given.lifetimes,
        anywhere=settings.insecure_dev_provider,
        control_token=settings.dev_control_token.reveal(),
    )


def _dev_provider(client: Client) -> Provider:
    """The development provider as Doorkey's client half sees it: an issuer at Doorkey's own origin."""
    given = provider_settings(
        DEV_PROVIDER_ID,
        label="Development provider",
        client_id=client.client_id,
        client_secret=client.client_secret,
        scope=DEV_SCOPE,
    )
    return Provider.from_settings(replace(given, issuer="/"))
