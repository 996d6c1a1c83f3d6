"""A token as a value, and the strict reading of a token response (RFC 6749 section 5.1).

`read_token_response()` is the only way from bytes to a `Token`. Authlib would take a body
without `error` for a token whatever its status and content; this does not.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from doorkey.errors import TokenRefused, TokenResponseInvalid
from doorkey.events import clean_text
from doorkey.oauth.http import read_json_object

ERROR_FIELDS = ("error", "error_description", "message", "path", "status", "timestamp")
"""What is kept of a provider's error: RFC 6749 section 5.2 and the fields of the seed contract."""

REFUSALS = {
    "invalid_client": "The client id, its secret or key, or CLIENT_AUTH is not what the provider has registered.",
    "invalid_grant": "The code was used, was too old, or was given for another redirect URI. Sign in again.",
    "unauthorized_client": "The client is not allowed to sign people in there; its registration needs a look.",
    "invalid_target": "The provider does not give a token for what RESOURCE asks for.",
}
"""What usually fixes an error of RFC 6749 section 5.2 or RFC 8707 section 2."""

LONGEST_TOKEN = 16 * 1024
LONGEST_LIFE = 2**31 - 1
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_VISIBLE = re.compile(r"[\x20-\x7e]+")


class Token(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """What the token endpoint gave. Times are seconds since the epoch; None: unknown.

    `scope_confirmed` is false when the answer had no `scope`, which means "as requested".
    """

    access_token: str
    received_at: float
    expires_at: float | None
    scope_asked: tuple[str, ...]
    scope_granted: tuple[str, ...]
    scope_confirmed: bool
    token_type: str = "Bearer"  # noqa: S105
    refresh_token: str | None = None
    id_token: str | None = None

    def __repr__(self) -> str:
        return f"Token(scope_granted={self.scope_granted!r}, expires_at={self.expires_at!r}, ****)"

    def is_expired(self, now: float) -> bool:
        """False when the expiry is unknown: then the session's own end is the cap."""
        return self.expires_at is not None and self.expires_at <= now


def read_token_response(
    status: int,
    body: bytes,
    *,
    scope_asked: tuple[str, ...],
    now: float,
    secrets: tuple[str, ...] = (),
    scope_separator: str = "space",
) -> Token:
    """Read an answer of the token endpoint that arrived at `now`.

    `secrets` (the code, the client secret, ...) are masked in whatever the provider says.
    Raises `TokenRefused` for an OAuth error, `TokenResponseInvalid` for anything that is neither.
    """
    try:
        answer = read_json_object(body)
    except ValueError as error:
        raise TokenResponseInvalid(f"status {status}, {error}", hint=_hint_for(status)) from None
    words = provider_words(answer, secrets)
    hint = REFUSALS.get(words.get("error", ""))
    if status != 200:
        refused = TokenRefused if 400 <= status < 500 and "error" in words else TokenResponseInvalid
        raise refused(f"status {status}", provider_error=words, hint=hint)
    if answer.get("error") is not None:
        raise TokenRefused("status 200 with error", provider_error=words, hint=hint)
    try:
        return _read_token(answer, scope_asked, now, " " if scope_separator == "space" else ",")
    except ValueError as error:
        raise TokenResponseInvalid(str(error), provider_error=words) from None


def provider_words(answer: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> dict[str, str]:
    """The provider's own error fields as clean text, 200 characters each at most."""
    held = [v for k, v in answer.items() if k.endswith("_token") and isinstance(v, str) and v]
    masked = (*secrets, *held)
    return {
        name: clean_text(answer[name], secrets=masked)
        for name in ERROR_FIELDS
        if isinstance(answer.get(name), (str, int, float)) and not isinstance(answer[name], bool)
    }


def _hint_for(status: int) -> str | None:
    if 300 <= status < 400:
        return "The token endpoint answers with a redirect, which is never followed. Configure its final address."
    if status >= 500:
        return "The provider has a problem of its own. Try again later."
    return None


def _read_token(answer: Mapping[str, Any], scope_asked: tuple[str, ...], now: float, separator: str) -> Token:
    access_token = _text(answer, "access_token")
    if not access_token:
        raise ValueError("access_token is missing or empty")
    token_type = answer.get("token_type")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise ValueError("token_type is not bearer")
    scope = _text(answer, "scope", longest=4096)
    return Token(
        access_token=access_token,
        received_at=now,
        expires_at=_expiry(answer.get("expires_in"), now),
        scope_asked=scope_asked,
        scope_granted=scope_asked if scope is None else tuple(dict.fromkeys(scope.replace(separator, " ").split())),
        scope_confirmed=scope is not None,
        token_type=token_type,
        refresh_token=_text(answer, "refresh_token") or None,
        id_token=_text(answer, "id_token", longest=LONGEST_TOKEN * 4) or None,
    )


def _text(answer: Mapping[str, Any], name: str, longest: int = LONGEST_TOKEN) -> str | None:
    """A string of visible characters (RFC 6749 appendix A), the empty string, or None when absent."""
    value = answer.get(name)
    if value is None or value == "":
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a string")
    if len(value) > longest or not _VISIBLE.fullmatch(value):
        raise ValueError(f"{name} is too long or has characters that no token has")
    return value


def _expiry(expires_in: Any, now: float) -> float | None:
    """The moment of expiry; None when the provider said nothing usable."""
    if isinstance(expires_in, str) and _NUMBER.fullmatch(expires_in):
        expires_in = float(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)):
        return None
    if isinstance(expires_in, float) and not math.isfinite(expires_in):
        return None
    return now + max(-LONGEST_LIFE, min(expires_in, LONGEST_LIFE))
