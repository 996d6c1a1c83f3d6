"""One provider as a value: where its endpoints are and who we are there.

Made once at start from settings; flow.py and everything below it get the value and nothing else.
"""

from dataclasses import dataclass, replace
from urllib.parse import urljoin

from doorkey.settings import ProviderSettings

ENDPOINTS = ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """`client_secret` is the plain text; this object must not be logged, and its repr hides it."""

    id: str
    label: str
    client_id: str
    client_secret: str
    client_auth: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    issuer: str
    scope: tuple[str, ...]
    pkce: bool
    authorization_params: tuple[tuple[str, str], ...]
    claim_user: str
    claim_email: str
    claim_groups: str

    def __repr__(self) -> str:
        return f"Provider({self.id!r})"

    @classmethod
    def from_settings(cls, given: ProviderSettings) -> "Provider":
        """`given` has been checked by `settings.load()`."""
        return cls(
            id=given.id,
            label=given.label or given.id,
            client_id=given.client_id,
            client_secret=given.client_secret.reveal(),
            client_auth=given.client_auth or ("client_secret_basic" if given.client_secret else "none"),
            authorization_endpoint=given.authorization_endpoint,
            token_endpoint=given.token_endpoint,
            userinfo_endpoint="" if given.userinfo == "never" else given.userinfo_endpoint,
            issuer=given.issuer,
            scope=given.scope,
            pkce=given.pkce,
            authorization_params=given.authorization_params,
            claim_user=given.claim_user,
            claim_email=given.claim_email,
            claim_groups=given.claim_groups,
        )

    def at(self, public_url: str) -> "Provider":
        """The same provider with endpoints given as paths put under `public_url`.

        Only the embedded development provider has such endpoints: it lives at Doorkey's own origin.
        """
        if not self.token_endpoint.startswith("/"):
            return self
        return replace(self, **{name: urljoin(public_url, getattr(self, name)).rstrip("/") for name in ENDPOINTS})
