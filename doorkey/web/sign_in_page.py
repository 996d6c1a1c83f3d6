"""The buttons of the sign-in page, which two routes show: / and /login without a provider."""

from dataclasses import dataclass
from urllib.parse import urlencode

from doorkey.web.runtime import doorkey


@dataclass(frozen=True)
class ProviderButton:
    id: str
    label: str
    login_url: str


def provider_buttons(return_to: str = "") -> list[ProviderButton]:
    """One for each provider; `return_to` must have been checked."""
    extra = {"next": return_to} if return_to else {}
    return [
        ProviderButton(provider.id, provider.label, "/login?" + urlencode({"provider": provider.id, **extra}))
        for provider in doorkey().providers.values()
    ]
