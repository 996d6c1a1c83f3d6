"""The grants of the token endpoint: one row each in `GRANTS`.

What all of them need (a readable form, an authenticated client) is done in `answer()` before a
grant runs, so that no grant can forget it. Grants return the fields of the TokenResponse.
"""

import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from doorkey.base64url import encode
from doorkey.devprovider.client_proof import authenticate
from doorkey.devprovider.drafts import Draft
from doorkey.devprovider.provider_store import Grant, ScopeTooWide, new_token
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.signed_tokens import id_token, jwt_access_token
from doorkey.devprovider.token_request import OAuthError, resources_of
from doorkey.devprovider.users import Client, not_registered_for

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
PROVIDER_ID = "doorkey-dev"


@dataclass(frozen=True)
class TokenRequest:
    """An authenticated token request."""

    visit: Visit
    client: Client
    form: Mapping[str, str]

    @property
    def scope(self) -> tuple[str, ...] | None:
        """What is asked for; None when nothing is."""
        asked = self.form.get("scope")
        return tuple(dict.fromkeys(asked.split())) if asked else None


def answer(visit: Visit, *, authorization: str, form: Mapping[str, str], endpoint: str) -> dict[str, Any]:
    """The TokenResponse to one POST. Raises `OAuthError`."""
    client = authenticate(visit, authorization, form, endpoint=endpoint)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing.")
    if grant_type not in GRANTS:
        raise OAuthError("unsupported_grant_type", "grant_type must be one of " + ", ".join(GRANTS) + ".")
    fields = GRANTS[grant_type](TokenRequest(visit, client, form))
    return visit.change("token", Draft(fields)).fields


def redeem_code(request: TokenRequest) -> dict[str, Any]:
    """RFC 6749 section 4.1.3 and RFC 7636 section 4.6. The code is spent whatever comes of it."""
    if "code" not in request.form:
        raise OAuthError("invalid_request", "code is missing.")
    grant = request.visit.realm.store.take_code(request.form["code"], request.visit.now)
    if grant is None or grant.client_id != request.client.client_id:
        raise OAuthError("invalid_grant", "The code is unknown, used or too old.")
    if request.form.get("redirect_uri") != grant.redirect_uri:
        raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorization request.")
    if not _proves(request.form.get("code_verifier"), grant.challenge):
        raise OAuthError("invalid_grant", "code_verifier does not fit the code_challenge of the authorization request.")
    return issue_tokens(request.visit, request.client, grant, refresh=True, resource=_resources(request, grant))


def rotate(request: TokenRequest) -> dict[str, Any]:
    """RFC 6749 section 6. Each refresh token works once; the contract adds who the user is."""
    refresh_token, scope, realm = request.form.get("refresh_token"), request.scope, request.visit.realm
    if refresh_token is None:
        raise OAuthError("invalid_request", "refresh_token is missing.")
    held = realm.store.find(refresh_token, request.visit.now)
    ours = held is not None and held.grant.client_id == request.client.client_id
    resource = _resources(request, held.grant) if held and ours else ()
    try:
        grant = realm.store.take_refresh_token(
            refresh_token, request.client.client_id, request.visit.now, scope=scope or ()
        )
    except ScopeTooWide:
        raise OAuthError("invalid_scope", "The scope is wider than what was allowed.") from None
    if grant is None:
        raise OAuthError("invalid_grant", "The refresh token is unknown, used or too old.")
    fields = issue_tokens(
        request.visit, request.client, grant, scope=scope, resource=resource, refresh=True, refreshed=True
    )
    user = realm.users.get(grant.sub)
    return fields | {
        "id": grant.sub,
        "displayName": user.name if user else grant.sub,
        "jti": str(uuid.uuid4()),
        "providerId": PROVIDER_ID,
        "permissions": fields["scope"].split(),
    }


def issue_to_client(request: TokenRequest) -> dict[str, Any]:
    """RFC 6749 section 4.4: no refresh token; the contract adds `id` and `jti`."""
    allowed, scope = request.client.scopes, request.scope or request.client.scopes
    if request.client.is_public:
        raise OAuthError("unauthorized_client", "A public client cannot have a token of its own.")
    if not set(scope) <= set(allowed):
        raise OAuthError("invalid_scope", not_registered_for(request.client, scope))
    grant = Grant(request.client.client_id, scope)
    fields = issue_tokens(request.visit, request.client, grant, refresh=False, resource=_resources(request, grant))
    return fields | {"id": request.client.app_id, "jti": str(uuid.uuid4())}


def redeem_device_code(request: TokenRequest) -> dict[str, Any]:
    """RFC 8628 section 3.4."""
    if "device_code" not in request.form:
        raise OAuthError("invalid_request", "device_code is missing.")
    grant = request.visit.realm.devices.poll(request.form["device_code"], request.client.client_id, request.visit.now)
    if isinstance(grant, str):
        raise OAuthError(grant, _DEVICE_ERRORS[grant])
    grant = replace(grant, family=new_token("family"))
    return issue_tokens(request.visit, request.client, grant, refresh=True, resource=_resources(request, grant))


DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_DEVICE_ERRORS = {
    "authorization_pending": "Nobody has decided yet.",
    "slow_down": "That was too soon; wait five seconds longer between two requests from now on.",
    "access_denied": "The user said no.",
    "expired_token": "The device code is too old.",
    "invalid_grant": "The device code is unknown or used.",
}
GRANTS: dict[str, Callable[[TokenRequest], dict[str, Any]]] = {
    "authorization_code": redeem_code,
    "refresh_token": rotate,
    "client_credentials": issue_to_client,
    DEVICE_GRANT: redeem_device_code,
}


def issue_tokens(
    visit: Visit,
    client: Client,
    grant: Grant,
    *,
    refresh: bool,
    scope: tuple[str, ...] | None = None,
    resource: tuple[str, ...] = (),
    refreshed: bool = False,
    expires_in: int | None = None,
    claims: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The tokens of a grant, as a TokenResponse. `claims` go into a JWT access token as well."""
    store = visit.realm.store
    seconds = store.lifetimes.access_token if expires_in is None else expires_in
    allowed = grant.scope if scope is None else scope
    jwt = ""
    if client.access_token_format == "jwt":  # noqa: S105
        narrowed = replace(grant, resource=resource or grant.resource)
        jwt = jwt_access_token(visit, client, narrowed, allowed, seconds, dict(claims or {}))
    issued = store.issue(
        grant, visit.now, scope=scope, resource=resource, refresh=refresh, access_token=jwt, expires_in=expires_in
    )
    fields: dict[str, Any] = {
        "access_token": issued.access_token,
        "token_type": "bearer",
        "expires_in": issued.expires_in,
    }
    if issued.refresh_token:
        fields["refresh_token"] = issued.refresh_token
    fields["scope"] = " ".join(issued.scope)
    if grant.sub and "openid" in issued.scope:
        fields["id_token"] = id_token(
            visit, client, replace(grant, scope=issued.scope), issued.access_token, refreshed=refreshed
        )
    return fields


def _resources(request: TokenRequest, grant: Grant) -> tuple[str, ...]:
    """The resources that the request names, of those that were allowed (RFC 8707 section 2.2)."""
    wanted = resources_of([request.form.get("resource", "")])
    if wanted is None or (grant.resource and not set(wanted) <= set(grant.resource)):
        raise OAuthError("invalid_target", "resource is not an absolute URI, or not one of those that were allowed.")
    return wanted


def _proves(verifier: str | None, challenge: str) -> bool:
    """Both or neither: a verifier without a challenge is a downgrade (RFC 9700 section 4.8.2)."""
    if not challenge or verifier is None:
        return not challenge and verifier is None
    if not VERIFIER.fullmatch(verifier):
        return False
    return hmac.compare_digest(encode(hashlib.sha256(verifier.encode()).digest()), challenge)
