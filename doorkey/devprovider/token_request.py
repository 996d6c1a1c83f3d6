"""What a token request says, read strictly, and the error that says what is wrong with it.

The body is read here and not by Flask: parameters in the query do not count, repeated ones
are refused (RFC 6749 section 3.2), empty ones count as absent.
"""

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote_plus

from doorkey.clock import utc
from doorkey.devprovider.users import Client

MOST_FIELDS = 50
REALM = "Doorkey development provider"


class OAuthError(Exception):
    """An error of the contract: `error`, a sentence, and the status."""

    def __init__(self, error: str, description: str, status: int = 400):
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status

    def body(self, path: str, now: float) -> dict[str, str]:
        """The six fields of the contract; `status` is a string, the time has a numeric offset."""
        milliseconds = int(now * 1000) % 1000
        return {
            "error": self.error,
            "error_description": self.description,
            "message": HTTPStatus(self.status).phrase,
            "path": path,
            "status": str(self.status),
            "timestamp": utc(now).strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds:03}+0000",
        }

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'} if self.status == 401 else {}


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The parameters of a form body. Raises `OAuthError` invalid_request."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "The body must be application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "The body is not a form in UTF-8.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter stands there twice.")
    return {name: value for name, value in form.items() if value}


def authenticate(authorization: str, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """The client that HTTP Basic proves (RFC 6749 section 2.3.1). Raises `OAuthError`.

    Both halves may be form-encoded, as the RFC says, or as they are, as most clients send them.
    The answer to an unknown client and to a wrong secret is the same and takes as long.
    """
    if authorization and "client_secret" in form:
        raise OAuthError("invalid_request", "The client authenticates in two ways at once.")
    if authorization.count(",") or "\n" in authorization:
        raise OAuthError("invalid_request", "There is more than one Authorization header.")
    found = None
    for client_id, secret in _basic_pairs(authorization):
        client = clients.get(client_id)
        right = _equal(secret, client.client_secret if client else "\0")
        if client and right:
            found = client
    if found is None:
        raise OAuthError("invalid_client", "The client could not be authenticated.", 401)
    if form.get("client_id", found.client_id) != found.client_id:
        raise OAuthError("invalid_request", "client_id names another client than the Authorization header.")
    return found


def _basic_pairs(authorization: str) -> list[tuple[str, str]]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        pair = b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return []
    client_id, colon, secret = pair.partition(":")
    return [(client_id, secret), (unquote_plus(client_id), unquote_plus(secret))] if colon else []


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(one.encode()).digest(), hashlib.sha256(other.encode()).digest())
