"""Leaving: RP-initiated logout, and telling the other clients by front channel and back channel.

Called by page_views.py and by `/dev/logout`. Back-channel calls go out through the `deliver` that is passed in.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from doorkey.base64url import decode
from doorkey.devprovider.consent import PageError
from doorkey.devprovider.drafts import AuthorizationDraft, Draft
from doorkey.devprovider.provider_sessions import ProviderSession
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.signed_tokens import logout_token
from doorkey.devprovider.signing_keys import FAMILY_OF_ALG, SecretKey
from doorkey.devprovider.users import Client, is_registered

Deliver = Callable[[str, str], int]
"""POSTs a logout token to a URL; the status, or 0 when nobody answered."""


@dataclass(frozen=True)
class LogoutRequest:
    """A checked request; `sid` and `sub` are those of its hint."""

    client: Client | None
    target: str = ""
    state: str = ""
    sid: str = ""
    sub: str = ""
    hint: Mapping[str, Any] = field(default_factory=dict)


def read_logout_request(visit: Visit, values: Mapping[str, str]) -> LogoutRequest:
    """OpenID Connect RP-Initiated Logout section 2. Raises `PageError`; nobody is sent to an unregistered address."""
    hint = hinted(visit, values.get("id_token_hint", ""))
    audience = hint.get("aud", "")
    client_id = values.get("client_id") or (audience if isinstance(audience, str) else "")
    if hint and client_id != audience:
        raise PageError("client_id is not the one that the ID token is for.", "Send only one of both.")
    client = visit.realm.clients.get(client_id)
    target = values.get("post_logout_redirect_uri", "")
    if target and (client is None or not is_registered(target, client.post_logout_redirect_uris)):
        raise PageError(
            "This address is not registered for after a logout.",
            "Register it as post_logout_redirect_uri, and send id_token_hint or client_id so that it is known whose.",
        )
    sid, sub = str(hint.get("sid", "")), str(hint.get("sub", ""))
    return LogoutRequest(client, target, values.get("state", ""), sid, sub, hint)


def hinted(visit: Visit, token: str) -> dict[str, Any]:
    """The claims of an ID token that was issued here, however old. Raises `PageError`."""
    if not token:
        return {}
    parts = token.split(".")
    try:
        header, claims = (json.loads(decode(part) or b"") for part in parts[:2])
        signature = decode(parts[2]) or b""
        signed = ".".join(parts[:2]).encode()
        right = header.get("typ") == "JWT" and isinstance(claims, dict)
        if right and _is_ours(visit, header["alg"], claims, signed, signature):
            return dict(claims)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise PageError("The id_token_hint was not issued here.", "Send the ID token of the sign-in that is to end.")


def _is_ours(visit: Visit, alg: str, claims: Mapping[str, Any], signed: bytes, signature: bytes) -> bool:
    if claims.get("iss") != visit.issuer:
        return False
    if alg == "HS256":
        client = visit.realm.clients.get(str(claims.get("aud")))
        return (
            client is not None
            and client.client_secret != ""
            and SecretKey(client.client_secret).verifies(alg, signed, signature)
        )
    keys = visit.realm.keys.ever_used(FAMILY_OF_ALG[alg[:2]])
    return any(key.verifies(alg, signed, signature) for key in keys)


def end(visit: Visit, session: ProviderSession, deliver: Deliver) -> list[dict[str, Any]]:
    """End a session and tell its clients by back channel; what each of them answered."""
    if not visit.realm.sessions.end(session, visit.now):
        return []
    told = []
    for client in _clients(visit, session):
        if client.backchannel_logout_uri:
            token = logout_token(visit, client, sub=session.sub, sid=session.sid)
            status = deliver(client.backchannel_logout_uri, token)
            told.append({"client_id": client.client_id, "uri": client.backchannel_logout_uri, "status": status})
    return told


def frames(visit: Visit, session: ProviderSession) -> list[str]:
    """What the logout page loads in frames (OpenID Connect Front-Channel Logout section 2)."""
    found = []
    for client in _clients(visit, session):
        uri = client.frontchannel_logout_uri
        if not uri:
            continue
        named = {"iss": visit.issuer, "sid": session.sid} if client.frontchannel_logout_session_required else {}
        fields = visit.change("frontchannel", Draft(dict(named))).fields
        found.append(uri + (("&" if "?" in uri else "?") + urlencode(fields) if fields else ""))
    return found


def way_back(visit: Visit, request: LogoutRequest) -> AuthorizationDraft | None:
    """Where the browser goes afterwards; None when it stays."""
    if not request.target:
        return None
    fields = {"state": request.state} if request.state else {}
    return visit.change("logout", AuthorizationDraft(fields, request.target))


def _clients(visit: Visit, session: ProviderSession) -> list[Client]:
    return [visit.realm.clients[name] for name in session.clients if name in visit.realm.clients]
