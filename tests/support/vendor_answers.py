"""What the providers behind the presets answer, as data: metadata, tokens, ID tokens, user info (doorkey/presets.py).

The shapes are those of each vendor's documents: which host has which endpoint, which claims stand where, and
what is missing. People, tenants and values are made up. tests/test_preset_sign_ins.py serves them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENTRA_TENANT = "6f1d2c3b-0a4e-4c55-9d1e-7b8a9c0d1e2f"
ENTRA_GROUPS = ["0b7c8d9e-1111-4a2b-8c3d-4e5f60718293", "5a6b7c8d-2222-4b3c-9d4e-5f6071829304"]
AUTHENTIK_USER = "9f2c" * 16


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """`settings` are all that somebody writes besides preset, client id and secret.

    `told` is what is behind a bearer token, by host and path; `callback` what comes back beside code and state.
    """

    preset: str
    settings: Mapping[str, str] = field(default_factory=dict)
    metadata_at: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    token: Mapping[str, Any]
    id_token: Mapping[str, Any] | None = None
    at_hash: bool = True
    seconds: int = 3600
    told: Mapping[str, Any] = field(default_factory=dict)
    callback: Mapping[str, str] = field(default_factory=dict)


def bearer(scope: str | None = None, seconds: int | None = 3600, **more: Any) -> dict[str, Any]:
    found = {"access_token": "canary-access-token", "token_type": "Bearer", "expires_in": seconds, "scope": scope}
    return {name: value for name, value in {**found, **more}.items() if value is not None}


def document(issuer: str, base: str, paths: Mapping[str, str], *, auth: str, algs: str = "RS256", **more: Any) -> Any:
    """A metadata document; `paths` that are no whole URL belong under `base`."""
    urls = {name: path if "://" in path else base + path for name, path in paths.items()}
    return {
        "issuer": issuer,
        **urls,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "token_endpoint_auth_methods_supported": auth.split(),
        "id_token_signing_alg_values_supported": algs.split(),
        "code_challenge_methods_supported": ["plain", "S256"],
        **{name: value for name, value in more.items() if value is not None},
    }


AUTH0 = "https://acme.eu.auth0.com"
AUTH0_CLAIMS = {
    "https://example.com/groups": ["staff", "admins"],
    "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
    "name": "Una User",
    "nickname": "una",
    "updated_at": "2026-11-20T08:12:13.123Z",
    "email": "una@example.com",
    "email_verified": "true",  # an upstream connection may hand on a text
}
AUTHENTIK = "https://id.example.com/application/o"
AUTHENTIK_CLAIMS = {
    "sub": AUTHENTIK_USER,
    "email": "una@example.com",
    "email_verified": False,
    "name": "Una User",
    "preferred_username": "una",
    "nickname": "una",
    "groups": ["staff", "authentik Admins"],
}
ENTRA = f"https://login.microsoftonline.com/{ENTRA_TENANT}"
GITHUB_USER = {
    "login": "una-codes",
    "id": 583231,
    "type": "User",
    "name": None,
    "email": "public@example.org",  # what the person chose to show; nobody says that it was verified
}
GITHUB_ADDRESSES = [
    {"email": "old@example.com", "primary": False, "verified": True, "visibility": None},
    {"email": "una@example.com", "primary": True, "verified": True, "visibility": "private"},
    {"email": "new@example.com", "primary": False, "verified": False, "visibility": None},
]
GITLAB = "https://gitlab.com"
GITLAB_CLAIMS = {
    "sub": "4711",
    "sub_legacy": "2e1f" * 16,
    "name": "Una User",
    "nickname": "una",
    "preferred_username": "una",
    "email": "una@example.com",
    "email_verified": True,
    "profile": "https://gitlab.com/una",
}
GOOGLE_CLAIMS = {
    "sub": "110169484474386276334",
    "name": "Una User",
    "given_name": "Una",
    "family_name": "User",
    "email": "una@example.com",
    "email_verified": True,
    "hd": "example.com",
}
KEYCLOAK = "https://sso.example.com/realms/acme"
KEYCLOAK_CLAIMS = {
    "sub": "f3b0c1d2-7777-4d5e-8f60-718293041526",
    "name": "Una User",
    "preferred_username": "una",
    "email": "una@example.com",
    "email_verified": True,
}
OKTA = "https://acme.okta.com"
OKTA_CLAIMS = {
    "sub": "00u1a2b3c4d5e6f7g8h9",
    "name": "Una User",
    "preferred_username": "una@example.com",
    "email": "una@example.com",
}
OKTA_AUTH = "client_secret_basic client_secret_post client_secret_jwt private_key_jwt none"


def okta(issuer: str, base: str, id_token: Mapping[str, Any]) -> Vendor:
    paths = {
        "authorization_endpoint": "/v1/authorize",
        "token_endpoint": "/v1/token",
        "userinfo_endpoint": "/v1/userinfo",
        "registration_endpoint": f"{OKTA}/oauth2/v1/clients",
        "jwks_uri": "/v1/keys",
        "introspection_endpoint": "/v1/introspect",
        "revocation_endpoint": "/v1/revoke",
        "end_session_endpoint": "/v1/logout",
        "pushed_authorization_request_endpoint": "/v1/par",
    }
    return Vendor(
        preset="okta",
        settings={"ISSUER": issuer},
        metadata_at=f"{issuer}/.well-known/openid-configuration",
        metadata=document(issuer, base, paths, auth=OKTA_AUTH),
        token=bearer("email profile openid"),  # in an order of its own
        id_token={**OKTA_CLAIMS, "ver": 1, "jti": "ID.canary", "amr": ["pwd"], "auth_time": 1_799_999_990, **id_token},
        told={f"{base}/v1/userinfo": {**OKTA_CLAIMS, "zoneinfo": "Europe/Vienna", "updated_at": 1_799_000_000}},
    )


VENDORS: Mapping[str, Vendor] = {
    "auth0": Vendor(
        preset="auth0",
        settings={"ISSUER": f"{AUTH0}/", "CLAIM_GROUPS": "https://example.com/groups"},
        metadata_at=f"{AUTH0}/.well-known/openid-configuration",
        metadata=document(
            f"{AUTH0}/",
            AUTH0,
            {
                "authorization_endpoint": "/authorize",
                "token_endpoint": "/oauth/token",
                "userinfo_endpoint": "/userinfo",
                "jwks_uri": "/.well-known/jwks.json",
                "revocation_endpoint": "/oauth/revoke",
                "end_session_endpoint": "/oidc/logout",
            },
            auth="client_secret_basic client_secret_post private_key_jwt tls_client_auth",
            algs="HS256 RS256 PS256",
            mtls_endpoint_aliases={"token_endpoint": "https://mtls.acme.eu.auth0.com/oauth/token"},
        ),
        token=bearer("openid profile email", 86400),
        id_token={**AUTH0_CLAIMS, "sid": "canary-sid"},
        at_hash=False,
        seconds=36000,
        told={f"{AUTH0}/userinfo": AUTH0_CLAIMS},
    ),
    "authentik": Vendor(
        preset="authentik",
        settings={"ISSUER": f"{AUTHENTIK}/doorkey/"},
        metadata_at=f"{AUTHENTIK}/doorkey/.well-known/openid-configuration",
        metadata=document(
            f"{AUTHENTIK}/doorkey/",
            AUTHENTIK,
            {
                "authorization_endpoint": "/authorize/",
                "token_endpoint": "/token/",
                "userinfo_endpoint": "/userinfo/",
                "revocation_endpoint": "/revoke/",
                "introspection_endpoint": "/introspect/",
                "jwks_uri": "/doorkey/jwks/",
                "end_session_endpoint": "/doorkey/end-session/",
            },
            auth="client_secret_post client_secret_basic",
        ),
        token=bearer("openid profile email", 300),
        id_token={**AUTHENTIK_CLAIMS, "uid": "canary-uid", "auth_time": 1_799_999_990},
        told={f"{AUTHENTIK}/userinfo/": {**AUTHENTIK_CLAIMS, "nonce": "canary-nonce"}},
    ),
    "entra": Vendor(
        preset="entra",
        settings={"ISSUER": f"{ENTRA}/v2.0"},
        metadata_at=f"{ENTRA}/v2.0/.well-known/openid-configuration",
        metadata=document(
            f"{ENTRA}/v2.0",
            ENTRA,
            {
                "authorization_endpoint": "/oauth2/v2.0/authorize",
                "token_endpoint": "/oauth2/v2.0/token",
                "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
                "jwks_uri": "/discovery/v2.0/keys",
                "end_session_endpoint": "/oauth2/v2.0/logout",
            },
            auth="client_secret_post private_key_jwt client_secret_basic",
            code_challenge_methods_supported=None,
            msgraph_host="graph.microsoft.com",
            rbac_url="https://pas.windows.net",
        ),
        token=bearer("email openid profile User.Read", 4021, ext_expires_in=4021),
        id_token={
            "sub": "pairwise-AAAAbbbb",
            "oid": "2d4f6a8c-3333-4e5f-a071-829304152637",
            "tid": ENTRA_TENANT,
            "nbf": 1_799_999_700,
            "ver": "2.0",
            "uti": "canary-uti",
            "name": "Una User",
            "preferred_username": "una@example.com",
            "email": "una@example.com",
            "groups": ENTRA_GROUPS,
        },
        at_hash=False,
        told={"https://graph.microsoft.com/oidc/userinfo": {"sub": "pairwise-AAAAbbbb", "name": "Una User"}},
    ),
    "github": Vendor(
        preset="github",
        authorization_endpoint="https://github.com/login/oauth/authorize",
        token_endpoint="https://github.com/login/oauth/access_token",
        token=bearer("user:email", None, token_type="bearer"),
        told={"https://api.github.com/user": GITHUB_USER, "https://api.github.com/user/emails": GITHUB_ADDRESSES},
        callback={"iss": "https://github.com/login/oauth"},
    ),
    "gitlab": Vendor(
        preset="gitlab",
        metadata_at=f"{GITLAB}/.well-known/openid-configuration",
        metadata=document(
            GITLAB,
            f"{GITLAB}/oauth",
            {
                "authorization_endpoint": "/authorize",
                "token_endpoint": "/token",
                "revocation_endpoint": "/revoke",
                "introspection_endpoint": "/introspect",
                "userinfo_endpoint": "/userinfo",
                "jwks_uri": "/discovery/keys",
            },
            auth="client_secret_basic client_secret_post",
        ),
        token=bearer("openid profile email", 7200, refresh_token="canary-refresh-token", created_at=1_800_000_000),
        id_token={**GITLAB_CLAIMS, "auth_time": 1_799_999_000, "groups_direct": ["acme/web"]},
        at_hash=False,
        seconds=120,
        told={
            f"{GITLAB}/oauth/userinfo": {
                **GITLAB_CLAIMS,
                "groups": ["acme", "acme/web"],
                "https://gitlab.org/claims/groups/developer": ["acme/web"],
            }
        },
    ),
    "google": Vendor(
        preset="google",
        metadata_at="https://accounts.google.com/.well-known/openid-configuration",
        metadata=document(
            "https://accounts.google.com",
            "https://oauth2.googleapis.com",
            {
                "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
                "device_authorization_endpoint": "/device/code",
                "token_endpoint": "/token",
                "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
                "revocation_endpoint": "/revoke",
                "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            },
            auth="client_secret_post client_secret_basic",
        ),
        token=bearer(
            "https://www.googleapis.com/auth/userinfo.email openid https://www.googleapis.com/auth/userinfo.profile",
            3599,
        ),
        id_token={**GOOGLE_CLAIMS, "azp": "client-of-google"},
        told={"https://openidconnect.googleapis.com/v1/userinfo": GOOGLE_CLAIMS},
        callback={"iss": "https://accounts.google.com", "scope": "email profile openid", "authuser": "0"},
    ),
    "keycloak": Vendor(
        preset="keycloak",
        settings={"ISSUER": KEYCLOAK, "CLAIM_GROUPS": "realm_access.roles"},
        metadata_at=f"{KEYCLOAK}/.well-known/openid-configuration",
        metadata=document(
            KEYCLOAK,
            f"{KEYCLOAK}/protocol/openid-connect",
            {
                "authorization_endpoint": "/auth",
                "token_endpoint": "/token",
                "introspection_endpoint": "/token/introspect",
                "userinfo_endpoint": "/userinfo",
                "revocation_endpoint": "/revoke",
                "end_session_endpoint": "/logout",
                "jwks_uri": "/certs",
                "pushed_authorization_request_endpoint": "/ext/par/request",
            },
            auth="private_key_jwt client_secret_basic client_secret_post tls_client_auth client_secret_jwt",
            algs="PS384 ES384 RS384 HS256 HS512 ES256 RS256 HS384 ES512 PS256 PS512 RS512",
            userinfo_signing_alg_values_supported=["RS256", "HS256", "none"],
            require_pushed_authorization_requests=False,
            authorization_response_iss_parameter_supported=True,
        ),
        token=bearer(
            "openid email profile",
            300,
            refresh_token="canary-refresh-token",
            refresh_expires_in=1800,
            session_state="canary-sid",
            **{"not-before-policy": 0},
        ),
        id_token={
            **KEYCLOAK_CLAIMS,
            "typ": "ID",
            "azp": "client-of-keycloak",
            "sid": "canary-sid",
            "acr": "1",
            "realm_access": {"roles": ["offline_access", "staff"]},
        },
        seconds=300,
        told={f"{KEYCLOAK}/protocol/openid-connect/userinfo": KEYCLOAK_CLAIMS},
        callback={"iss": KEYCLOAK, "session_state": "canary-sid"},
    ),
    "okta org server": okta(OKTA, f"{OKTA}/oauth2", {}),
    "okta custom server": okta(f"{OKTA}/oauth2/default", f"{OKTA}/oauth2/default", {"groups": ["Everyone", "staff"]}),
    "watsonwork": Vendor(
        preset="watsonwork",
        authorization_endpoint="https://api.watsonwork.ibm.com/oauth/authorize",
        token_endpoint="https://api.watsonwork.ibm.com/oauth/token",
        token=bearer("message_read profile_read", 43200, token_type="bearer"),
    ),
}
