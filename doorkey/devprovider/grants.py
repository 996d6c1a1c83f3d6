"""The grants of the token endpoint: one row each in `GRANTS`.

What all of them need (a readable form, an authenticated client) is done in `answer()` before a
grant runs, so that no grant can forget it. Grants return the fields of the TokenResponse.
"""

import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from doorkey.base64url import encode
from doorkey.devprovider.provider_store import Grant, Issued, ProviderStore, ScopeTooWide
from doorkey.devprovider.token_request import OAuthError, authenticate, read_form
from doorkey.devprovider.users import Client, User

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
PROVIDER_ID = "doorkey-dev"


@dataclass(frozen=True)
class TokenRequest:
    """An authenticated token request at `now`."""

    client: Client
    form: Mapping[str, str]
    store: ProviderStore
    users: Mapping[str, User]
    now: float


def answer(
    *,
    authorization: str,
    content_type: str,
    body: bytes,
    clients: Mapping[str, Client],
    users: Mapping[str, User],
    store: ProviderStore,
    now: float,
) -> dict[str, Any]:
    """The TokenResponse to one POST. Raises `OAuthError`."""
    form = read_form(content_type, body)
    client = authenticate(authorization, form, clients)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing.")
    if grant_type not in GRANTS:
        raise OAuthError("unsupported_grant_type", "grant_type must be one of " + ", ".join(GRANTS) + ".")
    return GRANTS[grant_type](TokenRequest(client, form, store, users, now))


def redeem_code(request: TokenRequest) -> dict[str, Any]:
    """RFC 6749 section 4.1.3 and RFC 7636 section 4.6. The code is spent whatever comes of it."""
    if "code" not in request.form:
        raise OAuthError("invalid_request", "code is missing.")
    grant = request.store.take_code(request.form["code"], request.now)
    if grant is None or grant.client_id != request.client.client_id:
        raise OAuthError("invalid_grant", "The code is unknown, used or too old.")
    if request.form.get("redirect_uri") != grant.redirect_uri:
        raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorization request.")
    if not _proves(request.form.get("code_verifier"), grant.challenge):
        raise OAuthError("invalid_grant", "code_verifier does not fit the code_challenge of the authorization request.")
    return _token_response(request, request.store.issue(grant, request.now, refresh=True))


def rotate(request: TokenRequest) -> dict[str, Any]:
    """RFC 6749 section 6. Each refresh token works once; the contract adds who the user is."""
    refresh_token = request.form.get("refresh_token")
    if refresh_token is None:
        raise OAuthError("invalid_request", "refresh_token is missing.")
    asked = request.form.get("scope")
    scope = tuple(dict.fromkeys(asked.split())) if asked else None
    try:
        grant = request.store.take_refresh_token(
            refresh_token, request.client.client_id, request.now, scope=scope or ()
        )
    except ScopeTooWide:
        raise OAuthError("invalid_scope", "The scope is wider than what was allowed.") from None
    if grant is None:
        raise OAuthError("invalid_grant", "The refresh token is unknown, used or too old.")
    issued = request.store.issue(grant, request.now, scope=scope, refresh=True)
    user = request.users.get(grant.sub)
    return _token_response(request, issued) | {
        "id": grant.sub,
        "displayName": user.name if user else grant.sub,
        "jti": str(uuid.uuid4()),
        "providerId": PROVIDER_ID,
        "permissions": list(issued.scope),
    }


def issue_to_client(request: TokenRequest) -> dict[str, Any]:
    """RFC 6749 section 4.4: no refresh token; the contract adds `id` and `jti`."""
    allowed, asked = request.client.scopes, request.form.get("scope")
    scope = tuple(dict.fromkeys(asked.split())) if asked else allowed
    if not set(scope) <= set(allowed):
        raise OAuthError("invalid_scope", "The client is not registered for one of the scopes.")
    grant = Grant(request.client.client_id, scope)
    issued = request.store.issue(grant, request.now, refresh=False)
    return _token_response(request, issued) | {"id": request.client.app_id, "jti": str(uuid.uuid4())}


GRANTS: dict[str, Callable[[TokenRequest], dict[str, Any]]] = {
    "authorization_code": redeem_code,
    "refresh_token": rotate,
    "client_credentials": issue_to_client,
}


def _token_response(request: TokenRequest, issued: Issued) -> dict[str, Any]:
    refresh = {"refresh_token": issued.refresh_token} if issued.refresh_token else {}
    return {
        "access_token": issued.access_token,
        "token_type": "bearer",
        "expires_in": request.store.access_seconds,
        **refresh,
        "scope": " ".join(issued.scope),
    }


def _proves(verifier: str | None, challenge: str) -> bool:
    """Both or neither: a verifier without a challenge is a downgrade (RFC 9700 section 4.8.2)."""
    if not challenge or verifier is None:
        return not challenge and verifier is None
    if not VERIFIER.fullmatch(verifier):
        return False
    return hmac.compare_digest(encode(hashlib.sha256(verifier.encode()).digest()), challenge)
