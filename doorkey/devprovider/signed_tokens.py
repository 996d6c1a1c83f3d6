"""The JWTs of the development provider: ID tokens, access tokens (RFC 9068), logout tokens, signed UserInfo.

Each is a draft first, so that failures can get at it; `sign()` makes the token. Called by grants.py,
token_status.py and end_session.py.
"""

import json
import secrets
from typing import Any

from doorkey.base64url import encode
from doorkey.devprovider.drafts import TokenDraft
from doorkey.devprovider.provider_store import Grant
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.scope_claims import released
from doorkey.devprovider.signing_keys import SecretKey, compact
from doorkey.devprovider.users import Client

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_SECONDS = 120


def id_token(visit: Visit, client: Client, grant: Grant, access_token: str, *, refreshed: bool) -> str:
    """For a grant with `openid` (OpenID Connect Core section 2, after a refresh 12.2)."""
    now, alg = int(visit.now), client.id_token_signed_response_alg
    claims: dict[str, Any] = {
        "iss": visit.issuer,
        "sub": grant.sub,
        "aud": client.client_id,
        "exp": now + visit.realm.config.lifetimes.id_token,
        "iat": now,
        "auth_time": grant.auth_time,
        "at_hash": half_hash(access_token, alg),
        "sid": grant.sid,
        "acr": grant.acr,
    }
    if not refreshed:
        claims["nonce"] = grant.nonce
    user = visit.realm.users.get(grant.sub)
    others = released(user, grant.scope, openid=True) if user else {}
    claims = {**others, **{name: value for name, value in claims.items() if value != ""}}
    draft = TokenDraft(claims, {"typ": "JWT"}, alg, hashed=access_token)
    return sign(visit, client, visit.change("refreshed_id_token" if refreshed else "id_token", draft))


def jwt_access_token(
    visit: Visit, client: Client, grant: Grant, scope: tuple[str, ...], expires_in: int, more: dict[str, Any]
) -> str:
    """RFC 9068, for clients that are to get their access tokens as JWTs."""
    audience = grant.resource[0] if len(grant.resource) == 1 else list(grant.resource) or visit.issuer
    claims = {
        "iss": visit.issuer,
        "sub": grant.sub or client.client_id,
        "aud": audience,
        "exp": int(visit.now) + expires_in,
        "iat": int(visit.now),
        "jti": f"dk-dev-{secrets.token_urlsafe(16)}",
        "client_id": client.client_id,
        "scope": " ".join(scope),
        **more,
    }
    return sign(visit, client, TokenDraft(claims, {"typ": "at+jwt"}))


def logout_token(visit: Visit, client: Client, *, sub: str, sid: str) -> str:
    """OpenID Connect Back-Channel Logout section 2.4, signed as the client's ID tokens are."""
    now = int(visit.now)
    claims = {
        "iss": visit.issuer,
        "aud": client.client_id,
        "iat": now,
        "exp": now + LOGOUT_TOKEN_SECONDS,
        "jti": f"dk-dev-{secrets.token_urlsafe(16)}",
        "sub": sub,
        "sid": sid,
        "events": {LOGOUT_EVENT: {}},
    }
    draft = TokenDraft(claims, {"typ": "logout+jwt"}, client.id_token_signed_response_alg)
    return sign(visit, client, visit.change("logout_token", draft))


def signed_user_info(visit: Visit, client: Client, claims: dict[str, Any], alg: str) -> str:
    """OpenID Connect Core section 5.3.2."""
    return sign(
        visit, client, TokenDraft({**claims, "iss": visit.issuer, "aud": client.client_id}, {"typ": "JWT"}, alg)
    )


def sign(visit: Visit, client: Client, draft: TokenDraft) -> str:
    """The compact form. A `kid` of None in the draft's header leaves it out."""
    if draft.encrypted:
        return _encrypted_looking()
    if draft.hashed and draft.fields.get("at_hash") == half_hash(draft.hashed, client.id_token_signed_response_alg):
        draft.fields["at_hash"] = half_hash(draft.hashed, draft.alg)
    payload = json.dumps(draft.fields, separators=(",", ":")).encode()
    if draft.alg == "none":
        return compact({"alg": "none", "typ": draft.header["typ"]}, payload, lambda message: b"")
    symmetric = draft.alg.startswith("HS")
    key = draft.key or (SecretKey(client.client_secret) if symmetric else visit.realm.keys.current(draft.alg))
    header = {"alg": draft.alg, "kid": None if symmetric else key.kid, **draft.header}
    header = {name: value for name, value in header.items() if value is not None}

    def signature(message: bytes) -> bytes:
        right = key.sign(draft.alg, message)
        return bytes(byte ^ 0x5A for byte in right) if draft.damage else right

    return compact(header, payload, signature)


def half_hash(access_token: str, alg: str) -> str:
    """at_hash (OpenID Connect Core section 3.1.3.6)."""
    from authlib.oidc.core.util import create_half_hash  # here, because it brings much and the start must be quick

    made = create_half_hash(access_token, alg if alg != "none" else "RS256")
    return made.decode() if isinstance(made, bytes) else str(made)


def _encrypted_looking() -> str:
    """Five parts, as an encrypted token has (RFC 7516 section 7.1); nobody holds the key."""
    header = encode(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM"}).encode())
    return ".".join([header, *(encode(secrets.token_bytes(size)) for size in (256, 12, 300, 16))])
