"""What the provider says of itself: OpenID Connect Discovery 1.0 and RFC 8414, the same document at both places."""

from typing import Any

from doorkey.devprovider.drafts import Draft
from doorkey.devprovider.grants import GRANTS
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.scope_claims import ALL_CLAIMS
from doorkey.devprovider.users import AUTH_METHODS, OPENID_SCOPES, SIGNING_ALGS


def metadata(visit: Visit) -> dict[str, Any]:
    """The document; endpoints begin with the address that was asked, the issuer is exact."""
    base = visit.base
    scopes = dict.fromkeys(scope for client in visit.realm.clients.values() for scope in client.scopes)
    proofs = {
        "token_endpoint": list(AUTH_METHODS),
        "introspection_endpoint": [method for method in AUTH_METHODS if method != "none"],
        "revocation_endpoint": list(AUTH_METHODS),
    }
    fields: dict[str, Any] = {
        "issuer": visit.issuer,
        "authorization_endpoint": f"{base}/oauth/authorize",
        "token_endpoint": f"{base}/oauth/token",
        "userinfo_endpoint": f"{base}/oauth/userinfo",
        "jwks_uri": f"{base}/oauth/jwks",
        "introspection_endpoint": f"{base}/oauth/introspect",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "device_authorization_endpoint": f"{base}/oauth/device_authorization",
        "pushed_authorization_request_endpoint": f"{base}/oauth/par",
        "end_session_endpoint": f"{base}/oauth/logout",
        "scopes_supported": [*OPENID_SCOPES, *scopes],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGS),
        "userinfo_signing_alg_values_supported": list(SIGNING_ALGS),
        "claims_supported": list(ALL_CLAIMS),
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": True,
        "require_pushed_authorization_requests": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    for endpoint, methods in proofs.items():
        fields[f"{endpoint}_auth_methods_supported"] = methods
        fields[f"{endpoint}_auth_signing_alg_values_supported"] = ["HS256", *SIGNING_ALGS]
    return visit.change("metadata", Draft(fields)).fields


def jwks(visit: Visit) -> dict[str, Any]:
    """RFC 7517."""
    return visit.change("jwks", Draft({"keys": visit.realm.keys.public()})).fields


def foreign_jwks(visit: Visit) -> dict[str, Any]:
    """Where the failure jku-header points: a client that follows it finds the foreign key, and is fooled."""
    return {"keys": [visit.realm.keys.foreign().public()]}
