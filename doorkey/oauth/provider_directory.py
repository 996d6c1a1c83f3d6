"""The configured providers, each described by its metadata when that is first needed.

Doorkey starts and serves live sessions while a provider is down: nothing is fetched before somebody signs in
(or looks at the sign-in page, which `look_around()` serves without ever making it wait for long).
"""

import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial

from doorkey import events
from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, MetadataInvalid, ProviderUnreachable
from doorkey.oauth.documents import Documents
from doorkey.oauth.http import LOGIN_CALL_SECONDS, Transport
from doorkey.oauth.keys import KeySet
from doorkey.oauth.metadata import STEP, Metadata, fetch_metadata, is_outage
from doorkey.oauth.provider import DISCOVERED, Provider


class ProviderDirectory:
    """`providers` are the configured ones by id; `ttl` is how many seconds metadata and keys are kept."""

    def __init__(self, providers: Mapping[str, Provider], transport: Transport, *, ttl: float, clock: Clock):
        self.configured = dict(providers)
        self.keys: Documents[KeySet] = Documents(ttl, clock)
        self._transport = transport
        self._metadata: Documents[Metadata] = Documents(ttl, clock, keeps_stale=is_outage)

    def describe(self, provider: Provider, *, max_age: float | None = None) -> Provider:
        """`provider` with nothing left open; metadata younger than `ttl`, or than `max_age` seconds, will do.

        Raises `MetadataInvalid`, `ProviderUnreachable` or another `ProviderError`.
        """
        if provider.described:
            return provider
        return provider.described_by(self.metadata(provider, max_age=max_age))

    def known(self, provider: Provider) -> Provider | None:
        """`provider` as far as it is known without asking anybody; None when its metadata was never read."""
        if provider.described:
            return provider
        found = self._metadata.peek(_name(provider))
        return provider.described_by(found) if found else None

    def metadata(self, provider: Provider, *, max_age: float | None = None) -> Metadata:
        """What the provider says of itself. Raises as `describe()` does."""
        try:
            return self._metadata.get(_name(provider), lambda: self._fetch(provider), max_age=max_age)
        except ProviderUnreachable as error:
            error.step = error.step or STEP
            raise

    def _fetch(self, provider: Provider) -> Metadata:
        try:
            found = fetch_metadata(
                provider.issuer,
                openid=provider.is_openid,
                hosts=provider.endpoint_hosts,
                known=[name for name in DISCOVERED if getattr(provider, name)],
                transport=self._transport.within(LOGIN_CALL_SECONDS),
            )
            _check_completeness(provider.described_by(found))
        except DoorkeyError as error:
            told = {"provider": provider.id, "code": error.code, "detail": error.detail}
            events.log(events.METADATA_FAILED, level=logging.WARNING, error=None, **told)
            raise
        return found

    def failure(self, provider: Provider) -> DoorkeyError | None:
        """Why the provider could not be described when that was last tried; None when it could, or was not tried."""
        return None if provider.described else self._metadata.failure(_name(provider))

    def look_around(self, providers: Iterable[Provider], *, seconds: float) -> None:
        """Ask again how it is with each, in the background; where nothing good is known, wait `seconds` at most."""
        unknown = [
            self._metadata.look(_name(provider), partial(self._fetch, provider))
            for provider in providers
            if not provider.described
        ]
        ends = time.monotonic() + seconds
        for landed in filter(None, unknown):
            landed.wait(max(0.0, ends - time.monotonic()))


def _name(provider: Provider) -> str:
    """Two clients at one issuer may differ in what they configure themselves."""
    return f"{provider.id} {provider.issuer}"


def _check_completeness(provider: Provider) -> None:
    for name in provider.lacking:
        raise MetadataInvalid(
            f"{name} is missing",
            message=f"The provider's metadata names no {name}.",
            hint="Configure it, or check the issuer.",
        )
