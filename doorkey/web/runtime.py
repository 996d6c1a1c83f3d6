"""What the blueprints work with: one `Doorkey` per app, made by factory.py."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from flask import current_app, request

from doorkey.clock import Clock, RandomBytes
from doorkey.errors import UnknownProvider
from doorkey.gate.parts import GateParts
from doorkey.oauth.flow import Checks
from doorkey.oauth.http import Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.sessions.lifecycle import Sessions
from doorkey.sessions.refresh import Refresher
from doorkey.sessions.roster import Roster
from doorkey.setting_urls import local_url
from doorkey.settings import Settings
from doorkey.web.login_circles import Circles
from doorkey.web.logout_states import LogoutStates
from doorkey.web.posted_callbacks import PostedCallbacks
from doorkey.web.rate_limit import RateLimit, client_address
from doorkey.web.transactions import Transactions

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+?)\.?(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Doorkey:
    settings: Settings
    directory: ProviderDirectory
    checks: Checks
    transport: Transport
    sessions: Sessions
    roster: Roster
    refresher: Refresher
    transactions: Transactions
    posted_callbacks: PostedCallbacks
    logout_states: LogoutStates
    gate: GateParts
    circles: Circles
    rate_limit: RateLimit
    clock: Clock
    random: RandomBytes

    @property
    def providers(self) -> Mapping[str, Provider]:
        """As they were configured, by id."""
        return self.directory.configured

    def provider(self, id: str) -> Provider:
        """As it was configured; `directory.describe()` adds what its metadata says. Raises `UnknownProvider`."""
        if id not in self.providers:
            raise UnknownProvider()
        return self.providers[id].at(public_url())


def doorkey() -> Doorkey:
    """The collaborators of the app that serves this request."""
    return cast(Doorkey, current_app.extensions["doorkey"])


def request_host() -> tuple[str, int | None]:
    """Name (lower case, no trailing dot) and port of the Host header; an empty name when it is odd."""
    match = _HOST.fullmatch(request.environ.get("HTTP_HOST", ""))
    port = int(match["port"]) if match and match["port"] else None
    if not match or (port is not None and not 0 < port < 65536):
        return "", None
    return match["name"].lower(), port


def public_url() -> str:
    """The origin that every absolute URL is built from: a setting, never the Host header.

    In development it is loopback on whatever port the browser used, so that any server works.
    """
    settings = doorkey().settings
    return settings.public_url or local_url(settings.host, request_host()[1] or 80)


def visitor_address() -> str:
    """Who sent this request, as far as trusted proxies tell."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return client_address(request.remote_addr or "", forwarded, doorkey().settings.trusted_proxies)
