"""Who signed in: `Identity`, and the request that asks the provider (OpenID Connect Core 5.3).

Plain OAuth 2.0 has no standard for this; a JSON object behind a bearer token is what everybody
offers. Which claims are read is the provider's setting, as dotted paths.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec

from doorkey.errors import UserInfoInvalid
from doorkey.events import clean_text
from doorkey.oauth.http import Transport, read_json_object
from doorkey.oauth.provider import Provider
from doorkey.oauth.token import Token, provider_words
from doorkey.oauth.trace import Trace

LONGEST_SUBJECT = 255
MOST_GROUPS = 1000


class Identity(msgspec.Struct, frozen=True):
    """The person behind a session. `sub` is empty when the provider does not tell."""

    provider: str
    sub: str = ""
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    claims: dict[str, Any] = {}


def identify(provider: Provider, token: Token, transport: Transport, trace: Trace) -> Identity:
    """Ask the UserInfo endpoint when the provider has one. Raises `ProviderError`."""
    if not provider.userinfo_endpoint:
        return Identity(provider=provider.id)
    with trace.step("user info") as step:
        step.sent = {"GET": provider.userinfo_endpoint}
        authorization = {"Authorization": f"Bearer {token.access_token}"}
        response = transport.get(provider.userinfo_endpoint, authorization, step.name)
        step.received = {"status": response.status_code}
        claims = _read_claims(response.status_code, response.content, token)
        identity = identity_from_claims(provider, claims)
        step.check("the user has an identifier", UserInfoInvalid.rfc, True)
        return identity


def _read_claims(status: int, body: bytes, token: Token) -> dict[str, Any]:
    try:
        claims = read_json_object(body)
    except ValueError as error:
        raise UserInfoInvalid(f"status {status}, {error}") from None
    if status != 200:
        raise UserInfoInvalid(f"status {status}", provider_error=provider_words(claims, (token.access_token,)))
    return claims


def identity_from_claims(provider: Provider, claims: Mapping[str, Any]) -> Identity:
    """The identity in `claims`. Raises `UserInfoInvalid` when the user claim is missing or odd."""
    subject = _at(claims, provider.claim_user)
    if isinstance(subject, int) and not isinstance(subject, bool):
        subject = str(subject)  # GitHub and others number their users
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not _is_text(subject):
        raise UserInfoInvalid(f"the claim {provider.claim_user} is missing or not an identifier")
    groups = _at(claims, provider.claim_groups)
    return Identity(
        provider=provider.id,
        sub=subject,
        name=_shown(_at(claims, "name")),
        email=_shown(_at(claims, provider.claim_email)),
        groups=_group_names(groups),
    )


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; a claim whose name has dots itself is found first."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _group_names(value: Any) -> tuple[str, ...]:
    """A list of names; anything else, and whatever in it is not a name, is no group."""
    names = value if isinstance(value, list) else []
    return tuple(name for name in names if isinstance(name, str) and name and _is_text(name))[:MOST_GROUPS]


def _is_text(value: str) -> bool:
    """No control characters and no half of a surrogate pair: neither can be stored or sent on as text."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def _shown(value: Any) -> str:
    return clean_text(value, limit=320) if isinstance(value, str) else ""
