"""The configured providers, each described by its metadata when that is first needed.

Doorkey starts and serves live sessions while a provider is down: nothing is fetched before somebody signs in
(or looks at the sign-in page, which `look_around()` serves without ever making it wait for long).
"""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from doorkey import events
from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, MetadataInvalid
from doorkey.oauth.documents import Documents
from doorkey.oauth.http import LOGIN_CALL_SECONDS, Transport
from doorkey.oauth.keys import KeySet
from doorkey.oauth.metadata import Metadata, fetch_metadata, is_outage
from doorkey.oauth.provider import DISCOVERED, Provider

LOOKING_AT_ONCE = 4


class ProviderDirectory:
    """`providers` are the configured ones by id; `ttl` is how many seconds metadata and keys are kept."""

    def __init__(self, providers: Mapping[str, Provider], transport: Transport, *, ttl: float, clock: Clock):
        self.configured = dict(providers)
        self.keys: Documents[KeySet] = Documents(ttl, clock)
        self._transport = transport
        self._metadata: Documents[Metadata] = Documents(ttl, clock, keeps_stale=is_outage)
        self._pool = ThreadPoolExecutor(LOOKING_AT_ONCE, thread_name_prefix="doorkey-metadata")
        self._looking: dict[str, Future[None]] = {}

    def describe(self, provider: Provider, *, max_age: float | None = None) -> Provider:
        """`provider` with nothing left open; metadata younger than `max_age` seconds (default: `ttl`) will do.

        Raises `MetadataInvalid`, `ProviderUnreachable` or another `ProviderError`.
        """
        if provider.described:
            return provider
        return provider.described_by(self.metadata(provider, max_age=max_age))

    def metadata(self, provider: Provider, *, max_age: float | None = None) -> Metadata:
        """What the provider says of itself. Raises as `describe()` does."""

        def fetch() -> Metadata:
            known = [name for name in DISCOVERED if getattr(provider, name)]
            try:
                found = fetch_metadata(
                    provider.issuer,
                    openid=provider.is_openid,
                    hosts=provider.endpoint_hosts,
                    known=known,
                    transport=self._transport.within(LOGIN_CALL_SECONDS),
                )
                _check_completeness(provider.described_by(found))
                return found
            except DoorkeyError as error:
                events.log(
                    events.METADATA_FAILED,
                    level=logging.WARNING,
                    provider=provider.id,
                    code=error.code,
                    detail=error.detail,
                )
                raise

        return self._metadata.get(_name(provider), fetch, max_age=max_age)

    def failure(self, provider: Provider) -> DoorkeyError | None:
        """Why the provider could not be described when that was last tried; None when it could, or was not tried."""
        return None if provider.described else self._metadata.failure(_name(provider))

    def look_around(self, providers: Iterable[Provider], *, seconds: float) -> None:
        """Find out about providers of which nothing is known: for `seconds` at most, then in the background."""
        due = []
        for provider in providers:
            name = _name(provider)
            running = self._looking.get(name)
            if not provider.described and (running is None or running.done()) and self._metadata.is_due(name):
                self._looking[name] = self._pool.submit(self._look, provider)
                due.append(self._looking[name])
        wait(due, timeout=seconds)

    def _look(self, provider: Provider) -> None:
        try:
            self.describe(provider)
        except DoorkeyError:
            return  # `failure()` has it now


def _name(provider: Provider) -> str:
    """Two clients at one issuer may differ in what they configure themselves."""
    return f"{provider.id} {provider.issuer}"


def _check_completeness(provider: Provider) -> None:
    needs = {
        "authorization_endpoint": True,
        "token_endpoint": True,
        "jwks_uri": provider.needs_keys,
        "userinfo_endpoint": provider.userinfo == "always",
        "pushed_authorization_request_endpoint": provider.push,
    }
    for name, needed in needs.items():
        if needed and not getattr(provider, name):
            raise MetadataInvalid(
                f"{name} is missing",
                message=f"The provider's metadata names no {name}.",
                hint="Configure it, or check the issuer.",
            )
