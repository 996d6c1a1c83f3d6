"""One provider as a value: where its endpoints are, who we are there, and what its answers mean.

`from_settings()` makes it at start; `described_by()` fills what settings leave open from the provider's
metadata when it is first needed (provider_directory.py). flow.py and everything below it get the value and
nothing else.
"""

from dataclasses import dataclass, fields, replace
from urllib.parse import urljoin

from doorkey.oauth.client_keys import ClientKey, read_private_keys
from doorkey.oauth.metadata import Metadata
from doorkey.settings import ProviderSettings

DISCOVERED = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
)
"""Settings that metadata fills in when they are empty."""

SECRET_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt")
"""In the order of choice, when settings do not choose; the first is what OpenID Connect registers by default."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """`client_secret` is the plain text; this object must not be logged, and its repr hides it.

    `described`: nothing is missing that metadata would have to tell. The fields after `private_keys`
    are named and explained like their settings, where there is one.
    """

    id: str
    label: str
    client_id: str
    client_secret: str
    client_auth: str
    private_keys: tuple[ClientKey, ...]
    assertion_audience: str
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    introspection_endpoint: str
    revocation_endpoint: str
    end_session_endpoint: str
    end_session: str
    post_logout_redirect_uri: str
    backchannel_logout: bool
    frontchannel_logout: bool
    pushed_authorization_request_endpoint: str
    email_endpoint: str
    endpoint_hosts: tuple[str, ...]
    userinfo: str
    scope: tuple[str, ...]
    scope_separator: str
    resource: tuple[str, ...]
    response_mode: str
    authorization_params: tuple[tuple[str, str], ...]
    pkce: bool
    push: bool
    id_token_algs: tuple[str, ...]
    trusted_audiences: tuple[str, ...]
    claim_user: str
    claim_name: str
    claim_email: str
    claim_groups: str
    described: bool
    iss_promised: bool = False
    id_token_algs_offered: tuple[str, ...] | None = None
    user_info_algs_offered: tuple[str, ...] | None = None
    assertion_algs_offered: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"Provider({self.id!r})"

    @classmethod
    def from_settings(cls, given: ProviderSettings) -> "Provider":
        """`given` has been checked by `settings.load()`."""
        own = {row.name for row in fields(cls)}
        same = {name: value for name, value in vars(given).items() if name in own}
        made = cls(
            **{
                **same,
                "label": given.label or given.id,
                "client_secret": given.client_secret.reveal(),
                "private_keys": read_private_keys(given.private_key.reveal()),
                "push": given.pushed_authorization == "always",
                "described": False,
            }
        )
        return replace(made, described=not made.issuer or not made.lacking)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Endpoints that it cannot do without and that nothing has named yet."""
        needs = {
            "authorization_endpoint": True,
            "token_endpoint": True,
            "jwks_uri": self.needs_keys,
            "userinfo_endpoint": self.userinfo == "always",
            "pushed_authorization_request_endpoint": self.push,
        }
        return tuple(name for name, needed in needs.items() if needed and not getattr(self, name))

    @property
    def is_openid(self) -> bool:
        """Whether an ID token is asked for."""
        return "openid" in self.scope

    @property
    def needs_keys(self) -> bool:
        """ID tokens may be signed with a key of the provider, and not with our secret alone."""
        return self.is_openid and not (self.id_token_algs and all(alg.startswith("HS") for alg in self.id_token_algs))

    @property
    def wants_user_info(self) -> bool:
        """`auto`: where there is an endpoint."""
        return self.userinfo != "never" and bool(self.userinfo_endpoint)

    def at(self, public_url: str) -> "Provider":
        """The same provider with an issuer given as a path put under `public_url`.

        Only the embedded development provider has such an issuer: it lives at Doorkey's own origin.
        """
        return replace(self, issuer=urljoin(public_url, self.issuer).rstrip("/")) if self.issuer == "/" else self

    def described_by(self, metadata: Metadata) -> "Provider":
        """The same provider, with what settings leave open taken from its metadata."""
        told = {name: getattr(self, name) or getattr(metadata, name) for name in DISCOVERED}
        return replace(
            self,
            **told,
            described=True,
            push=self.push or metadata.require_pushed_authorization_requests,
            client_auth=self.client_auth or self._secret_method(metadata.token_endpoint_auth_methods_supported),
            iss_promised=metadata.authorization_response_iss_parameter_supported,
            id_token_algs_offered=metadata.id_token_signing_alg_values_supported,
            user_info_algs_offered=metadata.userinfo_signing_alg_values_supported,
            assertion_algs_offered=metadata.token_endpoint_auth_signing_alg_values_supported,
        )

    @property
    def auth_method(self) -> str:
        """How the client proves itself: as set, else what fits the credentials there are."""
        return self.client_auth or self._secret_method(None)

    def _secret_method(self, offered: tuple[str, ...] | None) -> str:
        if self.private_keys:
            return "private_key_jwt"
        if not self.client_secret:
            return "none"
        return next((name for name in SECRET_METHODS if name in (offered or ())), SECRET_METHODS[0])
