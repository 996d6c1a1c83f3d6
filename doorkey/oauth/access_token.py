"""JWT access tokens of API clients (RFC 9068, RFC 8725): whose they are, by the same validator as ID tokens.

`AccessTokens` reads those of one issuer. What an access token may not look like, whom its claims name and what its
scopes are is the same for introspected ones (introspection.py), so `NOT_ANOTHER_KIND`, `identity_of()` and
`scopes_of()` serve both. Called by gate/foreign_tokens.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from doorkey.clock import Clock
from doorkey.errors import BearerInvalid, SignatureInvalid, TokenEncrypted
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import ISS, NBF, SUB, Claims, Expected, Kind, Rule, is_time, validate
from doorkey.oauth.jws import unchecked_claims
from doorkey.oauth.keys import KeySource
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.oauth.token import LONGEST_TOKEN
from doorkey.oauth.trace import Step
from doorkey.oauth.user_info import Identity, identity_from_claims
from doorkey.settings import provider_settings

STEP = "access token"
SECONDS = 5.0
"""For fetching keys: a visitor's request waits meanwhile."""

UNKNOWN_ISSUER = "doorkey.bearer"
"""What applications are told in place of a provider, when no configured one has this issuer."""

_DIRECTORY_NAME = "bearer tokens"
"""No provider can have this id, so what is known of a provider for sign-ins stays apart."""

OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "s_hash")
OF_ACCESS_TOKENS = ("scope", "scp", "client_id", "cid")
BEARER_TYPES = ("bearer", "jwt", "at+jwt", "access")
"""What a claim `typ` may say, where a server writes one (Keycloak: ID, Refresh, Logout, DPoP are others)."""

ACCESS_USES = ("access", "access_token")
"""The same for `token_use` (Cognito: id; Hydra: refresh_token)."""


def names_audience(claims: Claims, expected: Expected) -> bool:
    """Others may be named too: an access token is for every server that takes it."""
    found = claims.get("aud")
    return expected.provider.client_id in (found if isinstance(found, list) else [found])


def _issued_before_now(claims: Claims, expected: Expected) -> bool:
    issued = claims.get("iat", 0)
    return is_time(issued) and issued <= expected.now + expected.leeway


def _lives(claims: Claims, expected: Expected) -> bool:
    end = claims.get("exp")
    return is_time(end) and expected.now < end


def _says_only(name: str, allowed: Sequence[str]) -> Rule:
    def holds(claims: Claims, expected: Expected) -> bool:
        value = claims.get(name, allowed[0])
        return isinstance(value, str) and value.lower() in allowed

    return Rule(name, f"says that it is something else ({name}).", "RFC 8725 section 3.12", holds)


def _has_no(*names: str, why: str, rfc: str) -> tuple[Rule, ...]:
    def absent(name: str) -> Callable[[Claims, Expected], bool]:
        return lambda claims, expected: name not in claims

    return tuple(Rule(name, f"{why} ({name}).", rfc, absent(name)) for name in names)


NOT_ANOTHER_KIND = (
    *_has_no(*OF_ID_TOKENS, why="is an ID token", rfc="RFC 9068 section 5"),
    Rule(
        "auth_time",
        "is an ID token (auth_time).",
        "RFC 9068 section 5",
        lambda c, e: "auth_time" not in c or any(name in c for name in OF_ACCESS_TOKENS),
    ),
    _says_only("typ", BEARER_TYPES),
    _says_only("token_use", ACCESS_USES),
    *_has_no("events", why="tells of an event", rfc="RFC 8417 section 4.6"),
    *_has_no("cnf", why="works with a key of its client only", rfc="RFC 7800 section 3"),
)
"""An issuer signs much with the same keys; only an access token that anybody may bear opens the gate."""

AUDIENCE = Rule("aud", "is meant for somebody else (aud).", "RFC 9068 section 4", names_audience)
ISSUED = Rule("iat", "was issued later than now (iat).", "RFC 7519 section 4.1.6", _issued_before_now)

ACCESS_TOKEN = Kind(
    "access token", STEP, BearerInvalid, ("", "jwt", "at+jwt", "application/at+jwt"),
    (ISS, AUDIENCE, SUB,
     Rule("exp", "has expired, or does not say when it will (exp).", "RFC 9068 section 4", _lives),
     ISSUED, NBF, *NOT_ANOTHER_KIND),
)  # fmt: skip


class AccessTokens:
    """Those that `issuer` made for `audience`; `configured` is the provider whose issuer it is, if any.

    Keys are those at `jwks_uri`, or where the issuer's metadata says that they are.
    """

    def __init__(
        self,
        configured: Provider | None,
        *,
        issuer: str,
        audience: str,
        jwks_uri: str,
        algorithms: tuple[str, ...],
        directory: ProviderDirectory,
        transport: Transport,
        clock: Clock,
        leeway: float,
    ):
        base = configured or replace(_stranger(issuer), id=UNKNOWN_ISSUER)
        uri = jwks_uri or base.jwks_uri
        self.issuer = for_audience(base, audience)
        self._source = replace(_stranger(issuer), endpoint_hosts=base.endpoint_hosts, jwks_uri=uri, described=bool(uri))
        self._algorithms = algorithms
        self._directory = directory
        self._transport = transport
        self._clock = clock
        self._leeway = leeway

    def knows(self, token: str) -> bool:
        """Whether it is a JWT that says it is from this issuer; nothing is checked."""
        if token.count(".") != 2 or len(token) > LONGEST_TOKEN:
            return False
        try:
            return unchecked_claims(token).get("iss") == self.issuer.issuer
        except ValueError:
            return False

    def read(self, token: str) -> Claims:
        """Its claims. Raises `BearerInvalid`, or another `DoorkeyError` when that cannot be told now."""
        if len(token) > LONGEST_TOKEN:
            raise BearerInvalid(f"longer than {LONGEST_TOKEN} bytes")
        expected = Expected(provider=self.issuer, now=self._clock(), leeway=self._leeway, algorithms=self._algorithms)
        found = self._directory.describe(self._source)
        keys = KeySource(self._directory.keys, found.jwks_uri, self._transport.within(SECONDS))
        try:
            return validate(ACCESS_TOKEN, token, expected, keys, Step(STEP)).claims
        except (SignatureInvalid, TokenEncrypted) as error:
            raise BearerInvalid(f"{error.code} {error.detail}".strip()) from None


def for_audience(provider: Provider, audience: str) -> Provider:
    """`provider` as whoever takes its access tokens sees it: no client, and no secret that could sign."""
    return replace(provider, client_id=audience, client_secret="", private_keys=(), client_auth="none")


def _stranger(issuer: str) -> Provider:
    """An issuer that nobody signs in at: only its keys are of interest."""
    given = provider_settings(
        _DIRECTORY_NAME,
        issuer=issuer,
        client_id=_DIRECTORY_NAME,
        authorization_endpoint=issuer,
        token_endpoint=issuer,
        userinfo="never",
        scope="openid",
    )
    return Provider.from_settings(given)


def identity_of(provider: Provider, claims: Mapping[str, Any], sub: str) -> Identity:
    """Whom checked `claims` name; `sub` is whom the token is about. An address that was not verified is none.

    Raises `UserInfoInvalid` when the claim that settings choose for the user is not there.
    """
    verified = claims.get("email_verified", True)
    is_verified = verified is True or verified == "true"
    held_back = () if is_verified else ("email", provider.claim_email)
    told = {name: value for name, value in claims.items() if name not in held_back}
    found = identity_from_claims(provider, {**told, "sub": sub}, sub=sub)
    return found if is_verified else msgspec.structs.replace(found, email="")


def scopes_of(claims: Claims) -> tuple[str, ...]:
    """From `scope` (RFC 9068 section 2.2.3) or `scp` (Entra, Okta): words in a text, or a list."""
    given = claims["scope"] if "scope" in claims else claims.get("scp")
    names = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))
