"""The buttons of the sign-in page, which two routes show: / and /login without a provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode

from doorkey.web.runtime import doorkey

LOOKING_SECONDS = 1.0
"""How long the page may wait to find out whether providers can be reached."""


@dataclass(frozen=True)
class ProviderButton:
    """`trouble` is empty, or says why signing in with this provider would fail right now."""

    id: str
    label: str
    login_url: str
    trouble: str


def provider_buttons(
    return_to: str = "", *, rt: str = "", hints: Mapping[str, str] = MappingProxyType({})
) -> list[ProviderButton]:
    """One for each provider; `return_to`, the gate's ticket `rt`, and `hints` must have been checked."""
    extra = {**({"rt": rt} if rt else {"next": return_to} if return_to else {}), **hints}
    directory = doorkey().directory
    providers = [doorkey().provider(id) for id in doorkey().providers]
    directory.look_around(providers, seconds=LOOKING_SECONDS)
    return [
        ProviderButton(
            provider.id,
            provider.label,
            "/login?" + urlencode({"provider": provider.id, **extra}),
            trouble.message if (trouble := directory.failure(provider)) else "",
        )
        for provider in providers
    ]
