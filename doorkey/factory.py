"""The wiring: every collaborator in start order, each with only what it needs.

`create_app()` is the Flask part, for any WSGI server; `create_asgi()` is what uvicorn runs.
"""

import logging
from pathlib import Path
from typing import Any

from flask import Flask

from doorkey import events, paths
from doorkey import settings as settings_module
from doorkey.clock import Clock, RandomBytes, system_clock, system_random
from doorkey.errors import SettingsError, StoreUnavailable
from doorkey.gate.asgi import GateAsgi
from doorkey.gate.echo import Echo
from doorkey.gate.foreign_tokens import foreign_readers
from doorkey.gate.lifespan import GateLifespan
from doorkey.gate.parts import GateParts, gate_parts
from doorkey.gate.wsgi import GateWsgi
from doorkey.oauth.flow import Checks
from doorkey.oauth.http import Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.sessions.key_file import KEY_FILE, load_or_make_key
from doorkey.sessions.lifecycle import Sessions
from doorkey.sessions.refresh import Refresher
from doorkey.sessions.roster import Roster
from doorkey.sessions.seal import Keyring
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import SessionStore
from doorkey.settings import Settings
from doorkey.web import (
    account,
    gate_pages,
    login,
    logout,
    my_sessions,
    oauth2_proxy_paths,
    ops,
    problems,
    provider_logout,
    security,
)
from doorkey.web.login_circles import Circles
from doorkey.web.logout_states import LogoutStates
from doorkey.web.pages_asgi import DoorkeyAsgi
from doorkey.web.posted_callbacks import PostedCallbacks
from doorkey.web.rate_limit import RateLimit
from doorkey.web.runtime import Doorkey
from doorkey.web.session_interface import SealedSessionInterface
from doorkey.web.transactions import Transactions


def create_app(
    settings: Settings | None = None,
    *,
    store: SessionStore | None = None,
    transport: Transport | None = None,
    clock: Clock = system_clock,
    random: RandomBytes = system_random,
) -> Flask:
    """The Flask app. `settings` are read from the environment when not given.

    The keyword arguments replace collaborators, for tests. Raises `SettingsError`.
    """
    settings = settings or settings_module.load()
    events.quiet_libraries()

    app = _bare_app(settings)
    doorkey = _collaborators(settings, app, store or open_store(settings, clock), transport, clock, random)
    app.extensions["doorkey"] = doorkey
    secure, gate_domain = settings.public_url.startswith("https://"), settings.cookie_domain
    app.session_interface = SealedSessionInterface(app, doorkey.sessions, secure=secure, gate_domain=gate_domain)

    security.init_app(app)
    problems.init_app(app)
    for blueprint in (account.bp, my_sessions.bp, login.bp, logout.bp, provider_logout.bp, gate_pages.bp, ops.bp):
        app.register_blueprint(blueprint)
    if settings.oauth2_proxy_paths:
        app.register_blueprint(oauth2_proxy_paths.bp)
    app.wsgi_app = GateWsgi(app.wsgi_app, doorkey.gate.checkpoint)  # type: ignore[method-assign]
    return app


def _collaborators(
    settings: Settings,
    app: Flask,
    store: SessionStore,
    transport: Transport | None,
    clock: Clock,
    random: RandomBytes,
) -> Doorkey:
    """Everything that the routes work with."""
    keyring = Keyring(server_keys(settings), random)
    lives = {"idle": settings.session_idle, "absolute": settings.session_absolute}
    sessions = Sessions(store, keyring, **lives, clock=clock, random=random)
    providers, adapters = _providers(settings, app, clock)
    transport = transport or _transport(settings, adapters)
    directory = _directory(settings, providers, transport, clock)
    checks = Checks(directory.keys, clock, settings.clock_leeway)
    refresher = Refresher(sessions, directory, checks, transport, clock, most_waiting=max(1, settings.threads // 2))
    cookies: dict[str, Any] = {
        "keyring": keyring,
        "secure": settings.public_url.startswith("https://"),
        "clock": clock,
    }
    return Doorkey(
        settings=settings,
        directory=directory,
        checks=checks,
        transport=transport,
        sessions=sessions,
        roster=Roster(store, keyring),
        refresher=refresher,
        transactions=Transactions(**cookies),
        posted_callbacks=PostedCallbacks(**cookies),
        logout_states=LogoutStates(**cookies),
        gate=gate_parts(
            settings,
            store=store,
            keyring=keyring,
            sessions=sessions,
            refresher=refresher,
            directory=directory,
            readers=foreign_readers(settings, directory, transport, clock),
            clock=clock,
            random=random,
        ),
        circles=Circles(**cookies),
        rate_limit=RateLimit(settings.rate_limit, clock),
        clock=clock,
        random=random,
    )


def create_asgi(settings: Settings | None = None) -> DoorkeyAsgi:
    """The ASGI app; its `flask` attribute is the Flask part. Raises `SettingsError`."""
    settings = settings or settings_module.load()
    configure_logging(settings)
    app = create_app(settings)
    _look_at_store(app.extensions["doorkey"].sessions, settings)
    parts: GateParts = app.extensions["doorkey"].gate
    gate = GateAsgi(parts.checkpoint, Echo(parts.probe_keys))
    lifespan = GateLifespan(gate, parts.policy, settings.fastcgi)
    return DoorkeyAsgi(app, gate, lifespan, threads=settings.threads)


def _look_at_store(sessions: Sessions, settings: Settings) -> None:
    """Say what is wrong with it. Raises `SettingsError` when it is something else; one that is away may come back."""
    try:
        for concern in sessions.store_concerns():
            events.log(events.STORE_CONCERN, level=logging.WARNING, store=str(settings.session_store), what=concern)
        sessions.check_store()
    except StoreUnavailable as error:  # pages say so until it is back
        events.log(events.STORE_FAILED, level=logging.ERROR, store=str(settings.session_store), detail=error.detail)


def open_store(settings: Settings, clock: Clock = system_clock) -> SessionStore:
    """The store that `settings` name; nothing is opened yet."""
    address = settings.session_store
    if address.kind != "sqlite":
        from doorkey.sessions.redis_store import RedisStore  # here, because whoever has no Redis would wait for it too

        return RedisStore(address, clock)
    return SqliteStore(Path(address.path) if address.path else settings.instance / "sessions.sqlite3")


def _bare_app(settings: Settings) -> Flask:
    app = Flask("doorkey", template_folder=str(paths.TEMPLATES), static_folder=str(paths.STATIC))
    app.config.update(MAX_CONTENT_LENGTH=64 * 1024, MAX_FORM_PARTS=50, SESSION_REFRESH_EACH_REQUEST=False)
    app.url_map.merge_slashes = False  # its redirects would be built from whatever path was asked for
    app.jinja_env.globals.update(asset=paths.asset, development=settings.development)
    return app


def configure_logging(settings: Settings) -> None:
    """For the whole process; `auto` is text in development and JSON otherwise."""
    chosen = settings.log_format if settings.log_format != "auto" else "text" if settings.development else "json"
    events.configure("json" if chosen == "json" else "text")


def server_keys(settings: Settings) -> list[bytes]:
    if settings.secret_key:
        return [key.reveal().encode() for key in settings.secret_key]
    try:
        key = load_or_make_key(settings.instance)
    except OSError as error:
        problem = f"DOORKEY_INSTANCE: cannot keep a key in {settings.instance}: {error.strerror}"
        raise SettingsError([problem]) from error
    if len(key) < 32:
        path = settings.instance / KEY_FILE
        raise SettingsError([f"DOORKEY_INSTANCE: {path} is damaged; delete it to get a new key"])
    return [key]


def _transport(settings: Settings, adapters: dict[str, Any]) -> Transport:
    try:
        return Transport(ca_bundle=settings.ca_bundle, proxy=settings.http_proxy, adapters=adapters)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError([f"DOORKEY_CA_BUNDLE: {settings.ca_bundle} has no certificates in it"]) from error


def _directory(
    settings: Settings, providers: dict[str, Provider], transport: Transport, clock: Clock
) -> ProviderDirectory:
    """In development nothing is kept: asking in process is cheap, and a failure may be armed at any time."""
    ttl = 0 if settings.development else settings.metadata_ttl
    return ProviderDirectory(providers, transport, ttl=ttl, clock=clock)


def _providers(settings: Settings, app: Flask, clock: Clock) -> tuple[dict[str, Provider], dict[str, Any]]:
    """The configured providers; without any, the development provider (development.py)."""
    for given in settings.providers:
        if not given.client_secret and not given.private_key and not given.client_auth:
            events.log(events.PUBLIC_CLIENT, level=logging.WARNING, provider=given.id, reason="no CLIENT_SECRET is set")
    if not settings.development:
        return {given.id: Provider.from_settings(given) for given in settings.providers}, {}
    from doorkey.development import development_provider  # here, because nobody else should wait for it

    return development_provider(settings, app, clock)
