"""The people and the clients that the development provider knows, and how long things live, as values.

The fields have the names of RFC 7591 (client metadata) and of OpenID Connect Core section 5.1
(claims). The users file, `/dev/*` and Python use the same names: see definitions.py.
"""

import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doorkey.presets import WATSONWORK_SCOPES
from doorkey.settings import Settings

SCOPES = tuple(WATSONWORK_SCOPES.split())
OPENID_SCOPES = ("openid", "profile", "email", "address", "phone", "groups", "offline_access")
"""Allowed to every client beside its own, and never given unasked."""

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
SIGNING_ALGS = ("RS256", "PS256", "ES256", "EdDSA")

_SCOPE = re.compile(r"[A-Za-z0-9_.:/-]{1,60}")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?(/.*)?")
_ANY = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,4}|:[1-5][0-9]{4})?(?:[/?][!-~]*)?")
_CONTROL = re.compile(r"#|%(?:0[0-9a-f]|1[0-9a-f]|7f)", re.I)
_LOCAL = re.compile(r"https?://(localhost|testserver|127\.0\.0\.1|\[::1\]|[a-z0-9.-]+\.test)(:[0-9]{1,5})?(/[^#]*)?")


@dataclass(frozen=True)
class User:
    """`more` are further claims, released with the scope `profile` unless a standard scope covers them."""

    sub: str
    name: str
    email: str = ""
    groups: tuple[str, ...] = ()
    about: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    def claims(self) -> dict[str, Any]:
        """Everything that is known; a claim without a value is left out."""
        claims = {"sub": self.sub, "name": self.name, "email": self.email, "groups": list(self.groups), **self.more}
        return {name: value for name, value in claims.items() if value not in ("", [], None)}


USERS = (
    User("alice", "Alice Archer", "alice@example.com", ("admins", "staff"), "Administrator"),
    User("bob", "Bob Baker", "bob@example.com", ("staff",), "Member"),
    User("carol", "Carol Chandler", "", ("staff",), "Has no e-mail address"),
    User("dana", "Dana Dyer", "dana@example.com", tuple(f"group-{n:02}" for n in range(1, 41)), "Is in 40 groups"),
)


@dataclass(frozen=True)
class Lifetimes:
    """In seconds."""

    access_token: int = 3600
    refresh_token: int = 24 * 3600
    id_token: int = 3600
    code: int = 60
    device_code: int = 600
    pushed_request: int = 60


@dataclass(frozen=True)
class Client:
    """A registered client; `scopes` are those it may have, and gets when it asks for none.

    `redirect_check` is "exact" unless a test says otherwise: "local" takes any path on this
    machine or under `.test`, "any" takes anything. `jwks` are the public keys of a client
    that authenticates with private_key_jwt; `web_origins` are those of its pages in a browser, which may
    read answers (CORS).
    """

    client_id: str
    client_secret: str = field(default="", repr=False)
    redirect_uris: tuple[str, ...] = ()
    client_name: str = "Doorkey"
    scopes: tuple[str, ...] = SCOPES
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105
    access_token_format: str = "opaque"  # noqa: S105
    id_token_signed_response_alg: str = "RS256"  # noqa: S105
    userinfo_signed_response_alg: str = ""
    require_pkce: bool = False
    require_pushed_authorization_requests: bool = False
    post_logout_redirect_uris: tuple[str, ...] = ()
    frontchannel_logout_uri: str = ""
    frontchannel_logout_session_required: bool = False
    backchannel_logout_uri: str = ""
    initiate_login_uri: str = ""
    jwks: tuple[Mapping[str, Any], ...] = ()
    redirect_check: str = "exact"
    web_origins: tuple[str, ...] = ()

    @property
    def app_id(self) -> str:
        """What client_credentials answers call `id`."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "doorkey-dev/" + self.client_id))

    @property
    def is_public(self) -> bool:
        return self.token_endpoint_auth_method == "none"  # noqa: S105

    @property
    def allowed_scopes(self) -> frozenset[str]:
        return frozenset((*self.scopes, *OPENID_SCOPES))

    def allows_redirect_to(self, uri: str) -> bool:
        """Exactly as registered (RFC 9700 section 2.1); on a loopback IP any port (RFC 8252 section 7.3)."""
        if is_registered(uri, self.redirect_uris):
            return True
        if not _ANY.fullmatch(uri) or _CONTROL.search(uri):
            return False
        if self.redirect_check == "any":
            return True
        return self.redirect_check == "local" and _LOCAL.fullmatch(uri) is not None


def not_registered_for(client: Client, asked: Iterable[str]) -> str:
    """The sentence for scopes that the client may not have; what is no scope token is not said again."""
    named = [name for name in asked if name not in client.allowed_scopes and _SCOPE.fullmatch(name)]
    return f"The client is not registered for {' '.join(named)[:100] or 'one of the scopes'}."


def own_client(settings: Settings, *redirect_uris: str, leave_to: tuple[str, ...] = (), **more: Any) -> Client:
    """The client that is there without being registered; its secret is made now unless it is set.

    `more` are further fields of it.
    """
    secret = settings.dev_client_secret.reveal() or secrets.token_urlsafe(32)
    uris = (*redirect_uris, *settings.dev_redirect_uris)
    return Client(settings.dev_client_id, secret, uris, post_logout_redirect_uris=leave_to, **more)


def is_registered(uri: str, known_uris: tuple[str, ...]) -> bool:
    """Character by character, and on a loopback IP literal with any port."""
    return any(uri == known or _same_but_port(uri, known) for known in known_uris)


def _same_but_port(uri: str, known: str) -> bool:
    given, registered = _LOOPBACK.fullmatch(uri), _LOOPBACK.fullmatch(known)
    if not given or not registered or int(given[2] or 80) > 65535:
        return False
    return (given[1], given[3]) == (registered[1], registered[3])
