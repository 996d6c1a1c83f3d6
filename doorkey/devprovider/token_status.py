"""What a token is worth: introspection (RFC 7662), revocation (RFC 7009) and UserInfo (OpenID Connect Core 5.3).

Called by protocol_views.py with an authenticated client, or with the token of a request.
"""

from collections.abc import Mapping
from typing import Any

from doorkey.devprovider.drafts import Draft, UserInfoDraft
from doorkey.devprovider.provider_store import Grant
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.scope_claims import released
from doorkey.devprovider.token_request import OAuthError
from doorkey.devprovider.users import Client


class BearerError(Exception):
    """RFC 6750 section 3.1: `error` is empty when no token came at all."""

    def __init__(self, error: str, description: str, status: int = 401):
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


def introspect(visit: Visit, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """The answer about `token`. Raises `OAuthError`."""
    if client.is_public:
        raise OAuthError("invalid_client", "A public client may not ask about tokens.", 401)
    found = visit.realm.store.find(_token(form), visit.now)
    fields: dict[str, Any] = {"active": False}
    if found:
        grant = found.grant
        user = visit.realm.users.get(grant.sub)
        known = {
            "active": True,
            "scope": " ".join(grant.scope),
            "client_id": grant.client_id,
            "username": user.name if user else "",
            "token_type": "bearer" if found.kind == "access_token" else "",
            "exp": found.expires_at,
            "iat": found.issued_at,
            "sub": grant.sub or grant.client_id,
            "aud": list(grant.resource) or visit.issuer,
            "iss": visit.issuer,
        }
        fields = {name: value for name, value in known.items() if value != ""}
    return visit.change("introspect", Draft(fields)).fields


def revoke(visit: Visit, client: Client, form: Mapping[str, str]) -> None:
    """End a token of the client's own; an unknown one is no error. Raises `OAuthError`."""
    token = _token(form)
    found = visit.realm.store.find(token, visit.now)
    if found and found.grant.client_id != client.client_id:
        raise OAuthError("unauthorized_client", "The token was issued to another client.")
    visit.realm.store.revoke(token, visit.now)


def _token(form: Mapping[str, str]) -> str:
    if "token" not in form:
        raise OAuthError("invalid_request", "token is missing.")
    return form["token"]


def bearer_token(visit: Visit, authorization: str, form: Mapping[str, str]) -> str:
    """The token that came, in one way only (RFC 6750 section 2). Raises `BearerError`."""
    scheme, _, in_header = authorization.partition(" ")
    in_header = in_header.strip() if scheme.lower() == "bearer" else ""
    in_body = form.get("access_token", "")
    if in_header and in_body:
        raise BearerError("invalid_request", "The token came in two ways at once.", 400)
    source = visit.change("bearer", Draft({"source": "any"})).fields["source"]
    found = {"any": in_header or in_body, "header": in_header, "body": in_body}[source]
    if not found:
        raise BearerError("", "The request has no token where it is looked for.")
    return found


def user_info(visit: Visit, token: str) -> UserInfoDraft:
    """Who the token stands for. Raises `BearerError`."""
    grant = visit.realm.store.grant_of(token, visit.now)
    user = visit.realm.users.get(grant.sub) if grant else None
    if grant is None or user is None:
        raise BearerError("invalid_token", "The token is missing, unknown, expired or stands for no user.")
    visit.client = client = _client_of(visit, grant)
    draft = UserInfoDraft(
        released(user, grant.scope, openid=grant.openid or "openid" in grant.scope),
        client.userinfo_signed_response_alg if client else "",
    )
    return visit.change("userinfo", draft)


def _client_of(visit: Visit, grant: Grant) -> Client | None:
    return visit.realm.clients.get(grant.client_id)
