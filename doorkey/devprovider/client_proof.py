"""Which client sends a request, and how it proves that: the five methods of OpenID Connect Core section 9.

Called by the endpoints that clients authenticate at, before anything else happens there.
"""

import binascii
import hashlib
import hmac
import json
import math
import re
import secrets
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from doorkey.base64url import decode
from doorkey.devprovider.drafts import Draft
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.signing_keys import FAMILY_OF_ALG, SecretKey, imported
from doorkey.devprovider.token_request import OAuthError
from doorkey.devprovider.users import SIGNING_ALGS, Client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY_SECONDS = 60
METHODS_OF_ANY = ("client_secret_basic", "client_secret_post")
_FORM_ENCODED = re.compile(r"(?:[A-Za-z0-9*._~+-]|%[0-9A-Fa-f]{2})*")
_NOBODY = Client("", "\0" + secrets.token_urlsafe(16))


def authenticate(visit: Visit, authorization: str, form: Mapping[str, str], *, endpoint: str) -> Client:
    """The client that the request proves to come from; `visit` then knows it too. Raises `OAuthError`.

    `endpoint` is the URL asked, which an assertion may name as its audience. The answer to an unknown client
    and to a wrong secret is the same and takes as long.
    """
    used = _method_used(authorization, form)
    clients = visit.realm.clients
    claimed = _claimed_client(used, authorization, form)
    client = next((clients[name] for name, _ in claimed if name in clients), _NOBODY)
    demand = _demand(visit, client)
    wanted = METHODS_OF_ANY if demand["method"] == "any" else (demand["method"],)
    found = None
    match used:
        case "client_secret_basic" | "client_secret_post":
            found = _by_secret(claimed, clients, encoded=demand["encoded"])
        case "none":
            found = clients.get(form.get("client_id", ""))
        case _:
            found = _by_assertion(visit, client, used, form["client_assertion"], endpoint)
    if found is None or found is not client or used not in wanted:
        reason = _why_not(claimed, client, used, wanted)
        raise OAuthError("invalid_client", "The client could not be authenticated.", 401, reason=reason)
    if form.get("client_id", found.client_id) != found.client_id:
        raise OAuthError("invalid_request", "client_id names another client than the one that authenticated.")
    visit.client, visit.client_auth = found, used
    return found


def _why_not(claimed: list[tuple[str, str]], client: Client, used: str, wanted: tuple[str, ...]) -> str:
    """For the log of whoever runs the provider; the answer says the same to everybody."""
    if client is _NOBODY:
        return f"there is no client {claimed[-1][0][:100] if claimed else ''}".rstrip()
    if used not in wanted:
        return f"{client.client_id} is registered for {' or '.join(wanted)} and used {used}"
    return f"{client.client_id} did not prove itself: wrong secret, signature or claims"


def _demand(visit: Visit, client: Client) -> dict[str, Any]:
    """The method that the client has to use, which a failure can change at the token endpoint."""
    usual = Draft({"method": client.token_endpoint_auth_method, "encoded": False})
    return (visit.change("client_auth", usual) if visit.play.endpoint == "token" else usual).fields


def _method_used(authorization: str, form: Mapping[str, str]) -> str:
    """Exactly one (RFC 6749 section 2.3)."""
    if authorization.count(",") or "\n" in authorization:
        raise OAuthError("invalid_request", "There is more than one Authorization header.")
    given = [bool(authorization), "client_secret" in form, "client_assertion" in form]
    if sum(given) > 1:
        raise OAuthError("invalid_request", "The client authenticates in two ways at once.")
    if given[0]:
        return "client_secret_basic"
    if given[1]:
        return "client_secret_post"
    if not given[2]:
        return "none"
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}.")
    alg = str(_unverified(form["client_assertion"], 0).get("alg", ""))
    return "client_secret_jwt" if alg.startswith("HS") else "private_key_jwt"


def _claimed_client(used: str, authorization: str, form: Mapping[str, str]) -> list[tuple[str, str]]:
    """Ids with their secrets, as they may have been meant; unproven."""
    match used:
        case "client_secret_basic":
            return _basic_pairs(authorization)
        case "client_secret_post" | "none":
            return [(form.get("client_id", ""), form.get("client_secret", ""))]
        case _:
            return [(str(_unverified(form["client_assertion"], 1).get("sub", "")), "")]


def _basic_pairs(authorization: str) -> list[tuple[str, str]]:
    """Both halves may be form-encoded, as RFC 6749 section 2.3.1 says, or as they are, as most clients send them."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        pair = b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return []
    client_id, colon, secret = pair.partition(":")
    return [(client_id, secret), (unquote_plus(client_id), unquote_plus(secret))] if colon else []


def _by_secret(claimed: list[tuple[str, str]], clients: Mapping[str, Client], *, encoded: bool) -> Client | None:
    """`encoded`: nothing that is not form-encoded will do, not even by luck."""
    if encoded:
        claimed = [claimed[1]] if claimed and all(_FORM_ENCODED.fullmatch(half) for half in claimed[0]) else []
    found = None
    for client_id, secret in claimed:
        client = clients.get(client_id, _NOBODY)
        right = _equal(secret, client.client_secret or _NOBODY.client_secret)
        if right and client is not _NOBODY:
            found = client
    return found


def _by_assertion(visit: Visit, client: Client, used: str, assertion: str, endpoint: str) -> Client | None:
    """RFC 7523 section 3: signed by the client, for us, not too old, and never seen before."""
    if client is _NOBODY or not _is_signed_by(client, used, assertion):
        return None
    claims = _unverified(assertion, 1)
    audience = claims.get("aud")
    for_us = [
        one
        for one in (audience if isinstance(audience, list) else [audience])
        if one in (visit.issuer, endpoint, visit.base + "/oauth/token")
    ]
    ends, jti = claims.get("exp"), claims.get("jti")
    if not for_us or not isinstance(ends, (int, float)) or not visit.now - LEEWAY_SECONDS <= ends < math.inf:
        return None
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id or not isinstance(jti, str):
        return None
    return client if visit.realm.store.spend(f"jti {client.client_id} {jti}", visit.now) else None


def _is_signed_by(client: Client, used: str, assertion: str) -> bool:
    if used == "client_secret_jwt":
        message, _, signature = assertion.rpartition(".")
        right = SecretKey(client.client_secret).verifies("HS256", message.encode(), decode(signature) or b"")
        return bool(client.client_secret) and right and _unverified(assertion, 0).get("alg") == "HS256"
    alg = str(_unverified(assertion, 0).get("alg"))
    message, _, signature = assertion.rpartition(".")
    return alg in SIGNING_ALGS and any(
        key.verifies(alg, message.encode(), decode(signature) or b"")
        for key in imported(client.jwks)
        if key.family == FAMILY_OF_ALG[alg[:2]]
    )


def _unverified(token: str, part: int) -> dict[str, Any]:
    """What a JWT says of itself, before anybody believes it; empty when it is none."""
    parts = token.split(".")
    content = decode(parts[part]) if len(parts) == 3 else None
    try:
        found = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(one.encode()).digest(), hashlib.sha256(other.encode()).digest())
