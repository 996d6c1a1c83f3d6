"""Who signed in: `Identity`, from a checked ID token, the UserInfo endpoint (OpenID Connect Core 5.3), or both.

Plain OAuth 2.0 has no standard for this; a JSON object behind a bearer token is what everybody offers, and
some keep e-mail addresses at an endpoint of their own. Which claims are read is the provider's setting, as
dotted paths. Nobody is signed in when the ID token and the endpoint speak of different people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from doorkey.errors import SubjectMismatch, UserInfoInvalid
from doorkey.events import clean_text
from doorkey.oauth.http import Transport, read_json, read_json_object
from doorkey.oauth.id_token import (
    SIGNED_USER_INFO,
    Expected,
    accepted_algorithms,
    is_subject,
    is_text,
    validate,
)
from doorkey.oauth.keys import KeySource
from doorkey.oauth.provider import Provider
from doorkey.oauth.token import Token, provider_words
from doorkey.oauth.trace import Trace

MOST_GROUPS = 1000
MOST_ADDRESSES = 100
LARGEST_CLAIMS = 16 * 1024
"""Bytes of further claims that a session keeps; what does not fit is left out, the largest first."""

PROTOCOL_CLAIMS = frozenset(
    ["iss", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "_claim_names", "_claim_sources"]
)
"""These say nothing of the person; the last two point to claims of other parties, which are not fetched."""


class Identity(msgspec.Struct, frozen=True):
    """The person behind a session. `sub` is what the provider itself goes by; empty when it does not tell.

    `alias` is set when settings name another claim than `sub` for what people and applications are told.
    """

    provider: str
    sub: str = ""
    alias: str = ""
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    claims: dict[str, Any] = {}

    @property
    def user(self) -> str:
        """What people and applications are told."""
        return self.alias or self.sub


def identify(
    expected: Expected,
    token: Token,
    id_claims: Mapping[str, Any],
    *,
    keys: KeySource | None,
    transport: Transport,
    trace: Trace,
) -> Identity:
    """Who signed in; `id_claims` are those of the checked ID token, none without OpenID Connect.

    Asks the endpoints that the provider has. Raises `SubjectMismatch`, `UserInfoInvalid` or another `ProviderError`.
    """
    provider = expected.provider
    claims = dict(id_claims)
    if not (claims or provider.wants_user_info or provider.email_endpoint):
        return Identity(provider=provider.id)  # it does not tell
    if provider.wants_user_info:
        told = _ask(expected, token, id_claims, keys, transport, trace)
        if claims.get("email") != told.get("email", claims.get("email")):
            claims.pop("email_verified", None)  # it was said of another address
        claims |= told
    if provider.email_endpoint:
        claims |= _addresses(provider, token, transport, trace)
    return identity_from_claims(provider, claims, sub=id_claims.get("sub", ""))


def _ask(
    expected: Expected,
    token: Token,
    id_claims: Mapping[str, Any],
    keys: KeySource | None,
    transport: Transport,
    trace: Trace,
) -> dict[str, Any]:
    """The claims at the UserInfo endpoint, plain or signed, about the person of the ID token."""
    provider = expected.provider
    with trace.step("user info") as step:
        step.sent = {"GET": provider.userinfo_endpoint}
        response = transport.get(provider.userinfo_endpoint, _bearer(token), step.name)
        content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        step.received = {"status": response.status_code, "content_type": clean_text(content_type)}
        if response.status_code == 200 and content_type == "application/jwt":
            text = response.content.decode("ascii", "replace").strip()
            algorithms = accepted_algorithms(provider, provider.user_info_algs_offered)
            signed = replace(expected, algorithms=algorithms)
            told = validate(SIGNED_USER_INFO, text, signed, keys, step).claims
        else:
            told = _read_claims(response.status_code, response.content, token)
        if id_claims and not step.check("sub is the ID token's", SubjectMismatch.rfc, _same_subject(id_claims, told)):
            raise SubjectMismatch("sub differs" if "sub" in told else "sub is missing")
        return told


def _bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.access_token}"}


def _read_claims(status: int, body: bytes, token: Token) -> dict[str, Any]:
    try:
        claims = read_json_object(body)
    except ValueError as error:
        raise UserInfoInvalid(f"status {status}, {error}") from None
    if status != 200:
        raise UserInfoInvalid(f"status {status}", provider_error=provider_words(claims, (token.access_token,)))
    return claims


def _same_subject(id_claims: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    return isinstance(told.get("sub"), str) and bool(told["sub"] == id_claims["sub"])


def _addresses(provider: Provider, token: Token, transport: Transport, trace: Trace) -> dict[str, Any]:
    """The primary address that was verified, from a list of `{"email", "primary", "verified"}` (GitHub's form).

    No list, or none in it that is both, means no address, and never somebody else's choice of one.
    """
    with trace.step("e-mail addresses") as step:
        step.sent = {"GET": provider.email_endpoint}
        response = transport.get(provider.email_endpoint, _bearer(token), step.name)
        step.received = {"status": response.status_code}
        try:
            listed = read_json(response.content) if response.status_code == 200 else None
        except ValueError:
            listed = None
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        chosen = [
            entry["email"]
            for entry in entries[:MOST_ADDRESSES]
            if entry.get("primary") is True and entry.get("verified") is True and isinstance(entry.get("email"), str)
        ]
        step.check("one address is primary and verified", "", len(chosen) == 1)
        return {"email": chosen[0], "email_verified": True} if len(chosen) == 1 else {"email": None}


def identity_from_claims(provider: Provider, claims: Mapping[str, Any], *, sub: str = "") -> Identity:
    """The identity in `claims`; `sub` is the one of a checked ID token, if any.

    Raises `UserInfoInvalid` when the claim for the user is missing or odd, or is an address that was not verified.
    """
    user = _identifier(claim_at(claims, provider.claim_user))
    if not is_subject(user):
        raise UserInfoInvalid(f"the claim {provider.claim_user} is missing or not an identifier")
    verified = claims.get("email_verified", True)  # many that know their own people say nothing about it
    if provider.claim_user in ("email", provider.claim_email) and not (verified is True or verified == "true"):
        hint = "Let another claim name the user (CLAIM_USER), or let the provider verify addresses."
        message = "The provider does not vouch for your e-mail address, which is your user name here."
        raise UserInfoInvalid("email_verified is there and not true", message=message, hint=hint)
    names = (claim_at(claims, path.strip()) for path in provider.claim_name.split(","))
    return Identity(
        provider=provider.id,
        sub=sub or user,
        alias="" if user == (sub or user) else user,
        name=next((shown for shown in map(_shown, names) if shown), ""),
        email=_address(claim_at(claims, provider.claim_email)),
        groups=_group_names(claim_at(claims, provider.claim_groups)),
        claims=_further(claims),
    )


def _identifier(value: Any) -> Any:
    """GitHub and others number their users."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else value


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; a claim whose name has dots itself is found first."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _group_names(value: Any) -> tuple[str, ...]:
    """A list of names; anything else, and whatever in it is not a name, is no group."""
    names: Sequence[Any] = value if isinstance(value, list) else []
    return tuple(name for name in names if isinstance(name, str) and name and is_text(name))[:MOST_GROUPS]


def _address(value: Any) -> str:
    """As it came or not at all: what is repaired could be somebody else's."""
    return value if isinstance(value, str) and _shown(value) == value else ""


def _shown(value: Any) -> str:
    return clean_text(value, limit=320) if isinstance(value, str) else ""


def _further(claims: Mapping[str, Any]) -> dict[str, Any]:
    """What else is told of the person, as far as a record can hold it."""
    sizes: dict[str, int] = {}
    for name, value in claims.items():
        if name not in PROTOCOL_CLAIMS:
            try:
                sizes[name] = len(msgspec.msgpack.encode({name: value}))
            except (ValueError, OverflowError, RecursionError, TypeError):
                continue  # numbers and texts that msgpack does not know
    total = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
        if total <= LARGEST_CLAIMS:
            break
        total -= sizes.pop(name)
    return {name: claims[name] for name in sizes}
