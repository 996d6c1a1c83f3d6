"""The gate, put together: what the adapters, the pages and the command line need of it. Called by factory.py."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from doorkey.clock import Clock, RandomBytes
from doorkey.errors import SettingsError
from doorkey.gate.bearer import Bearers, OwnTokens, Reader
from doorkey.gate.behind import Behind
from doorkey.gate.checkpoint import Checkpoint, Gate
from doorkey.gate.gate_cookies import GateCookies
from doorkey.gate.gate_tokens import GateTokens
from doorkey.gate.lookup import Lookup
from doorkey.gate.policy import Guarded
from doorkey.gate.policy_file import PolicyFile
from doorkey.gate.policy_text import PolicyError
from doorkey.gate.replies import Replies
from doorkey.gate.tickets import AcceptTicket, ProbeKey, Ticket, Tickets
from doorkey.oauth.identity_assertion import Asserter
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.sessions.lifecycle import Sessions
from doorkey.sessions.refresh import Refresher
from doorkey.sessions.seal import Keyring
from doorkey.sessions.store import SessionStore
from doorkey.setting_rules import DEV_PROVIDER_ID
from doorkey.setting_urls import host_of, is_loopback
from doorkey.settings import Settings

SPARE_POLICY = "policy-in-use.toml"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True)
class GateParts:
    """`return_tickets` are made by checks and opened by pages, `accept_tickets` the other way round."""

    checkpoint: Checkpoint
    policy: PolicyFile
    guarded: Guarded
    cookies: GateCookies
    return_tickets: Tickets[Ticket]
    accept_tickets: Tickets[AcceptTicket]
    asserter: Asserter
    probe_keys: Tickets[ProbeKey]


def gate_parts(
    settings: Settings,
    *,
    store: SessionStore,
    keyring: Keyring,
    sessions: Sessions,
    refresher: Refresher,
    directory: ProviderDirectory,
    readers: Sequence[Reader],
    clock: Clock,
    random: RandomBytes,
) -> GateParts:
    """`readers` of foreign tokens, besides our own. Raises `SettingsError` for a policy that cannot be read."""
    own_url = settings.own_url
    cookies = GateCookies(
        keyring, own_host=host_of(own_url), domain=settings.cookie_domain, secure=own_url.startswith("https://")
    )
    tickets, asserter = Tickets(keyring, Ticket, clock), Asserter(keyring.derived("assertion"), own_url, clock)
    is_replacement = multiprocessing.parent_process() is not None or "gunicorn" in os.environ.get("SERVER_SOFTWARE", "")
    policy = open_policy(settings, spare=settings.instance / SPARE_POLICY, from_spare=is_replacement)
    guarded = guarded_hosts(settings)
    gate = Gate(
        own_url=own_url,
        guarded=guarded,
        trusted=settings.trusted_proxies or LOOPBACK,
        secret=settings.proxy_secret,
        like_oauth2_proxy=settings.gate_headers == "oauth2-proxy",
        oauth2_paths=settings.oauth2_proxy_paths,
    )
    bearers = Bearers([OwnTokens(GateTokens(store, keyring, clock, random)), *readers])
    replies = Replies(own_url, tickets, asserter, clock, like_oauth2_proxy=gate.like_oauth2_proxy)
    checkpoint = Checkpoint(
        gate,
        policy,
        sessions,
        refresher,
        directory.configured,
        bearers,
        cookies,
        replies,
        Lookup(store.changes()),
        Behind(),
        clock,
    )
    accept = Tickets(keyring, AcceptTicket, clock)
    probes = Tickets(keyring, ProbeKey, clock)
    return GateParts(checkpoint, policy, guarded, cookies, tickets, accept, asserter, probes)


def open_policy(settings: Settings, *, spare: Path | None = None, from_spare: bool = False) -> PolicyFile:
    """The policy that the settings name. Raises `SettingsError`."""
    providers = frozenset(provider.id for provider in settings.providers) or frozenset([DEV_PROVIDER_ID])
    try:
        return PolicyFile(
            settings.policy_file,
            providers=providers,
            ticks=time.monotonic,
            clock=time.time,
            spare=spare,
            from_spare=from_spare,
        )
    except PolicyError as error:
        raise SettingsError([f"DOORKEY_POLICY_FILE: {problem}" for problem in error.problems]) from error


def guarded_hosts(settings: Settings) -> Guarded:
    """The hosts behind the gate: those that are allowed, Doorkey's own, and on loopback every other loopback host."""
    own_url = settings.own_url
    return Guarded(
        own_authority=urlsplit(own_url).netloc,
        patterns=settings.allowed_hosts,
        loopback_too=is_loopback(host_of(own_url)),
    )
