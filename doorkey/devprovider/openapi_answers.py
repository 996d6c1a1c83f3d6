"""The schemas of what the protocol endpoints answer; the endpoints themselves are in openapi_protocol.py.

What is listed here is what a right answer says; a failure that was asked for may say anything else.
"""

from collections.abc import Mapping
from typing import Any

from doorkey.devprovider.grants import GRANTS
from doorkey.devprovider.openapi_parts import Json, schema
from doorkey.devprovider.openapi_schemas import INSTANT, NUMBER, SCOPE, SUB, SWITCH, TEXT, array, choice, record
from doorkey.devprovider.pushed_requests import PREFIX
from doorkey.devprovider.scope_claims import ALL_CLAIMS
from doorkey.devprovider.users import AUTH_METHODS, SIGNING_ALGS

ERRORS = (
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope", "invalid_target", "invalid_token", "authorization_pending", "slow_down", "access_denied",
    "expired_token",
)  # fmt: skip
_JWT: Json = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$"}
_URL: Json = {"type": "string", "format": "uri"}
_LIFE: Json = {"type": "integer", "description": "Seconds."}
_KEY_MEMBERS: Mapping[str, Json] = dict.fromkeys(("n", "e", "crv", "x", "y"), TEXT)


def _object(properties: Mapping[str, Json], required: tuple[str, ...], **more: Any) -> Json:
    """An object that may have further members."""
    return {"type": "object", "properties": dict(properties), "required": list(required), **more}


_METADATA: Mapping[Any, tuple[str, ...]] = {
    "url": (
        "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
        "introspection_endpoint", "revocation_endpoint", "device_authorization_endpoint",
        "pushed_authorization_request_endpoint", "end_session_endpoint",
    ),
    "texts": ("scopes_supported", "claims_supported"),
    "switch": (
        "authorization_response_iss_parameter_supported", "require_pushed_authorization_requests",
        "backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported",
        "frontchannel_logout_session_supported", "claims_parameter_supported", "request_parameter_supported",
        "request_uri_parameter_supported",
    ),
}  # fmt: skip
_SUPPORTED: Mapping[str, tuple[str, ...]] = {
    "response_types_supported": ("code",),
    "response_modes_supported": ("query", "form_post"),
    "grant_types_supported": tuple(GRANTS),
    "subject_types_supported": ("public",),
    "id_token_signing_alg_values_supported": SIGNING_ALGS,
    "userinfo_signing_alg_values_supported": SIGNING_ALGS,
    "code_challenge_methods_supported": ("S256",),
    "prompt_values_supported": ("none", "login", "consent", "select_account"),
    **{f"{name}_endpoint_auth_methods_supported": AUTH_METHODS for name in ("token", "introspection", "revocation")},
    **{
        f"{name}_endpoint_auth_signing_alg_values_supported": ("HS256", *SIGNING_ALGS)
        for name in ("token", "introspection", "revocation")
    },
}
_METADATA_FIELDS: Mapping[str, Json] = {
    **dict.fromkeys(_METADATA["url"], _URL),
    **{name: array(choice(*values), uniqueItems=True) for name, values in _SUPPORTED.items()},
    **dict.fromkeys(_METADATA["texts"], array(TEXT)),
    **dict.fromkeys(_METADATA["switch"], SWITCH),
}

PROTOCOL_SCHEMAS: Mapping[str, Json] = {
    "Error": record(
        {
            "error": {**TEXT, "examples": list(ERRORS)},
            "error_description": {**TEXT, "description": "What is wrong, as a sentence."},
            "message": {**TEXT, "description": "The name of the status."},
            "path": TEXT,
            "status": {"type": "string", "pattern": "^[1-5][0-9]{2}$"},
            "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$"},
        }
    ),
    "TokenResponse": record(
        {
            "access_token": {**TEXT, "description": "Opaque, or a JWT (RFC 9068)."},
            "token_type": choice("bearer"),
            "expires_in": _LIFE,
            "scope": SCOPE,
            "refresh_token": {**TEXT, "description": "When a user is behind it; each works once."},
            "id_token": {**_JWT, "description": "When openid was granted."},
            "id": {**TEXT, "description": "refresh_token: the user; client_credentials: the application."},
            "displayName": {**TEXT, "description": "refresh_token only."},
            "jti": {**TEXT, "format": "uuid", "description": "refresh_token and client_credentials."},
            "providerId": {**TEXT, "description": "refresh_token only."},
            "permissions": array(TEXT, description="refresh_token only: the scope as a list."),
        },
        optional=("refresh_token", "id_token", "id", "displayName", "jti", "providerId", "permissions"),
    ),
    "Introspection": record(
        {
            "active": SWITCH,
            "scope": SCOPE,
            "client_id": TEXT,
            "username": TEXT,
            "token_type": choice("bearer"),
            "exp": INSTANT,
            "iat": INSTANT,
            "sub": TEXT,
            "aud": {"anyOf": [TEXT, array(TEXT)]},
            "iss": _URL,
        },
        optional=("scope", "client_id", "username", "token_type", "exp", "iat", "sub", "aud", "iss"),
    ),
    "UserInfo": _object(
        {"sub": SUB, **{name: {"description": "As it was given."} for name in ALL_CLAIMS if name != "sub"}},
        ("sub",),
        description="Claims that the scope releases (OpenID Connect Core section 5.4); without openid all of them.",
    ),
    "Jwt": _JWT,
    "Jwk": record(
        {
            "kid": TEXT,
            "use": choice("sig"),
            "alg": choice(*SIGNING_ALGS),
            "kty": choice("RSA", "EC", "OKP"),
            **_KEY_MEMBERS,
        },
        optional=("alg", *_KEY_MEMBERS),
    ),
    "Jwks": record({"keys": array(schema("Jwk"))}),
    "DeviceAuthorization": record(
        {
            "device_code": TEXT,
            "user_code": {"type": "string", "pattern": "^[A-Z]{4}-[A-Z]{4}$"},
            "verification_uri": _URL,
            "verification_uri_complete": _URL,
            "expires_in": _LIFE,
            "interval": NUMBER,
        }
    ),
    "PushedRequest": record({"request_uri": {"type": "string", "pattern": f"^{PREFIX}"}, "expires_in": _LIFE}),
    "Metadata": record(_METADATA_FIELDS),
    "OpenApi": _object({"openapi": TEXT, "info": {"type": "object"}, "paths": {"type": "object"}}, ("openapi", "info")),
}
