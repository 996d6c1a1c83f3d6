"""The one validator of signed tokens: ID tokens, refreshed ones, logout tokens and UserInfo, as tables of rules.

A `Kind` says which `typ` may stand in the header and which rules the claims must pass; a rule is a name,
a sentence, a section and a function. `validate()` opens the token (jws.py), goes through the rules in order and
notes each in the trace; the first that does not hold is the error that people see.
"""

import hmac
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from doorkey.errors import (
    DoorkeyError,
    IdTokenInvalid,
    LogoutTokenInvalid,
    ProviderError,
    SignatureInvalid,
    TokenEncrypted,
    UserInfoInvalid,
)
from doorkey.events import clean_text
from doorkey.oauth.jws import ASYMMETRIC, Signed, half_hash, open_signed
from doorkey.oauth.keys import Finder
from doorkey.oauth.provider import Provider
from doorkey.oauth.trace import Step

LONGEST_SUBJECT = 255
OLDEST = 600
"""Seconds since `iat`: the token was asked for just now."""
LONGEST_LIFE = 24 * 3600

Claims = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a token is held against. `first` are the claims of the ID token that a refresh must agree with.

    `algorithms` are those of a token that is not signed as ID tokens are; () otherwise.
    """

    provider: Provider
    now: float
    leeway: float
    nonce: str = ""
    access_token: str = ""
    alg: str = ""
    algorithms: tuple[str, ...] = ()
    first: Claims | None = None

    def asked(self, name: str) -> str:
        """A parameter of the authorization request that settings add; "" when it was not sent."""
        return dict(self.provider.authorization_params).get(name, "")


@dataclass(frozen=True)
class Rule:
    """`holds(claims, expected)` must be true; `why` ends the sentence that people read when it is not: the token …"""

    claim: str
    why: str
    rfc: str
    holds: Callable[[Claims, Expected], bool]
    hint: str | None = None


@dataclass(frozen=True)
class Kind:
    """`error` is what a broken rule raises, `types` what `typ` in the header may be, in lower case."""

    name: str
    step: str
    error: type[DoorkeyError]
    types: tuple[str, ...]
    rules: tuple[Rule, ...]


def is_subject(value: Any) -> TypeGuard[str]:
    """A text of 1 to 255 characters that can be stored and sent on (OpenID Connect Core 1.0 section 2)."""
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_SUBJECT
    return fits and is_text(value) and value == value.strip()


def is_text(value: str) -> bool:
    """No control characters and no half of a surrogate pair: neither can be stored or sent on as text."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def is_time(value: Any) -> TypeGuard[float]:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12 and math.isfinite(value)
    )


def _audience(claims: Claims) -> list[Any]:
    found = claims.get("aud")
    return found if isinstance(found, list) else [found]


def _is_for_us(claims: Claims, expected: Expected) -> bool:
    """Other audiences could use the token too, so that there are none but trusted ones."""
    found, us = _audience(claims), expected.provider.client_id
    return us in found and all(audience == us or audience in expected.provider.trusted_audiences for audience in found)


def _in_time(claims: Claims, expected: Expected) -> bool:
    end = claims.get("exp")
    latest = expected.now + LONGEST_LIFE + expected.leeway
    return is_time(end) and expected.now < end + expected.leeway and end <= latest


def _issued_lately(claims: Claims, expected: Expected) -> bool:
    issued = claims.get("iat")
    return is_time(issued) and expected.now - OLDEST - expected.leeway <= issued <= expected.now + expected.leeway


def _not_before(claims: Claims, expected: Expected) -> bool:
    start = claims.get("nbf", 0)
    return is_time(start) and start <= expected.now + expected.leeway


def _same_nonce(claims: Claims, expected: Expected) -> bool:
    nonce = claims.get("nonce")
    return isinstance(nonce, str) and hmac.compare_digest(nonce.encode("utf-8", "replace"), expected.nonce.encode())


def _fits_access_token(claims: Claims, expected: Expected) -> bool:
    return "at_hash" not in claims or claims["at_hash"] == half_hash(expected.access_token, expected.alg)


def _signed_in_lately(claims: Claims, expected: Expected) -> bool:
    allowed = expected.asked("max_age")
    at = claims.get("auth_time")
    return not allowed.isdecimal() or (is_time(at) and expected.now <= at + int(allowed) + expected.leeway)


def _strong_enough(claims: Claims, expected: Expected) -> bool:
    """`acr_values` asks for a voluntary claim: leaving it out is allowed, another value is not what was asked."""
    asked = expected.asked("acr_values").split()
    return not asked or "acr" not in claims or claims["acr"] in asked


def _is_logout(claims: Claims, expected: Expected) -> bool:
    events = claims.get("events")
    return isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict)


def _names_whom(claims: Claims, expected: Expected) -> bool:
    """Somebody, or one session of somebody; what is there must be a name."""
    given = [claims[name] for name in ("sub", "sid") if name in claims]
    return bool(given) and all(is_subject(name) for name in given)


def _same_as_first(name: str) -> Callable[[Claims, Expected], bool]:
    def same(claims: Claims, expected: Expected) -> bool:
        return name not in claims or claims[name] == (expected.first or {}).get(name)

    return same


_CORE = "OpenID Connect Core 1.0 section 3.1.3.7"
_REFRESH = "OpenID Connect Core 1.0 section 12.2"
_CLOCKS = "Compare the clocks of both sides; DOORKEY_CLOCK_LEEWAY sets what difference is allowed."
_ISSUER = "Compare the configured issuer with the provider's own, character by character."

ISS = Rule("iss", "comes from another issuer (iss).", _CORE, lambda c, e: c.get("iss") == e.provider.issuer, _ISSUER)
AUD = Rule("aud", "is meant for somebody else (aud).", _CORE, _is_for_us,
           "Check the client id. Audiences besides it that are right stand in TRUSTED_AUDIENCES.")  # fmt: skip
AZP = Rule("azp", "was given to another client (azp).", _CORE,
           lambda c, e: "azp" not in c or c["azp"] == e.provider.client_id)  # fmt: skip
SUB = Rule(
    "sub", "does not name a user (sub).", "OpenID Connect Core 1.0 section 2", lambda c, e: is_subject(c.get("sub"))
)
EXP = Rule("exp", "has expired, or does not say when it will (exp).", _CORE, _in_time, _CLOCKS)
NOT_OVER = Rule(
    "exp", "has expired (exp).", "RFC 7519 section 4.1.4", lambda c, e: "exp" not in c or _in_time(c, e), _CLOCKS
)
IAT = Rule("iat", "was not issued just now, or does not say when (iat).", _CORE, _issued_lately, _CLOCKS)
NBF = Rule("nbf", "is not valid yet (nbf).", "RFC 7519 section 4.1.5", _not_before, _CLOCKS)
NONCE = Rule("nonce", "belongs to another sign-in (nonce).", _CORE, _same_nonce, "Start again from the sign-in page.")
AT_HASH = Rule("at_hash", "belongs to another access token (at_hash).", "OpenID Connect Core 1.0 section 3.1.3.8",
               _fits_access_token)  # fmt: skip
AUTH_TIME = Rule("auth_time", "says that you signed in too long ago, or not when (auth_time).", _CORE,
                 _signed_in_lately, "Sign in again there. max_age in AUTHORIZATION_PARAMS sets the limit.")  # fmt: skip
ACR = Rule("acr", "says that you signed in in another way than was asked (acr).", _CORE, _strong_enough,
           "Sign in again with a second factor. acr_values in AUTHORIZATION_PARAMS sets what is asked.")  # fmt: skip

PLAIN = ("", "jwt")
ID_TOKEN = Kind(
    "ID token", "ID token", IdTokenInvalid, PLAIN,
    (ISS, AUD, AZP, SUB, EXP, IAT, NBF, NONCE, AT_HASH, AUTH_TIME, ACR),
)  # fmt: skip
REFRESHED_ID_TOKEN = Kind(
    "refreshed ID token", "refreshed ID token", IdTokenInvalid, PLAIN,
    (ISS, AUD, AZP, SUB, EXP, IAT, NBF, AT_HASH,
     *(Rule(name, f"differs from the first one ({name}).", _REFRESH, _same_as_first(name))
       for name in ("sub", "azp", "nonce"))),
)  # fmt: skip
SIGNED_USER_INFO = Kind("signed user info", "user info", UserInfoInvalid, PLAIN, (ISS, AUD, NOT_OVER, NBF))

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT = LogoutTokenInvalid.rfc
LOGOUT_TOKEN = Kind(
    "logout token", "logout token", LogoutTokenInvalid, (*PLAIN, "logout+jwt"),
    (ISS, AUD, EXP, IAT, NBF,
     Rule("jti", "has no name of its own (jti).", _LOGOUT, lambda c, e: is_subject(c.get("jti"))),
     Rule("events", "does not say that it is about a logout (events).", _LOGOUT, _is_logout),
     Rule("nonce", "has a nonce, as an ID token has (nonce).", _LOGOUT, lambda c, e: "nonce" not in c),
     Rule("sub", "names neither a user nor a session (sub or sid).", _LOGOUT, _names_whom)),
)  # fmt: skip

SAID_IN_THE_LOG = ("iss", "aud", "azp", "exp", "iat", "nbf", "auth_time", "acr")


def _expectation(claim: str, expected: Expected) -> str:
    """For the log: what would have been right, where that is one value."""
    right = {"iss": expected.provider.issuer, "aud": expected.provider.client_id, "azp": expected.provider.client_id}
    times = {"exp", "iat", "nbf", "auth_time"}
    return f", expected {right[claim]}" if claim in right else f", now is {expected.now:.0f}" if claim in times else ""


def accepted_algorithms(provider: Provider, offered: tuple[str, ...] | None) -> tuple[str, ...]:
    """What settings say; otherwise asymmetric ones, and of those only what the provider says it offers."""
    if provider.id_token_algs:
        return provider.id_token_algs
    return tuple(alg for alg in ASYMMETRIC if offered is None or alg in offered)


def validate(kind: Kind, token: str, expected: Expected, keys: Finder | None, step: Step) -> Signed:
    """The claims of `token`, which passed every rule of `kind`. Raises its `error` or a `ProviderError`."""
    provider = expected.provider
    try:
        signed = open_signed(
            token,
            algorithms=expected.algorithms or accepted_algorithms(provider, provider.id_token_algs_offered),
            keys=keys,
            secret=provider.client_secret,
            types=kind.types,
        )
    except ProviderError as error:
        step.check("signed by the provider, in an accepted way", "RFC 7515 section 5.2", False)
        if isinstance(error, IdTokenInvalid):
            raise kind.error(error.detail, message=error.message, hint=error.hint, step=kind.step) from None
        if isinstance(error, SignatureInvalid | TokenEncrypted):
            error.step = kind.step
        raise
    step.check("signed by the provider, in an accepted way", "RFC 7515 section 5.2", True)
    step.received |= {"alg": signed.alg, "claims": sorted(clean_text(name, limit=40) for name in signed.claims)[:50]}
    held = replace(expected, alg=signed.alg)
    for rule in kind.rules:
        if not step.check(rule.claim, rule.rfc, rule.holds(signed.claims, held)):
            value = signed.claims.get(rule.claim, "missing") if rule.claim in SAID_IN_THE_LOG else "wrong or missing"
            raise kind.error(
                f"{rule.claim} is {clean_text(value)}" + _expectation(rule.claim, held),
                message=f"The provider's {kind.name} {rule.why}",
                hint=rule.hint,
                step=kind.step,
            )
    return signed
