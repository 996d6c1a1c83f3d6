"""What is publicly known about a provider, so that nobody has to type it.

A preset gives defaults for `DOORKEY_PROVIDER_<ID>_*`; an explicit setting wins.
Data only: adding a provider here must never need code elsewhere. docs/presets.md says what has to be
set up on the other side.
"""

from collections.abc import Mapping

WATSONWORK_SCOPES = (
    "message_create message_read transcript_read membership_list file_download file_upload "
    "space_change space_read space_list space_create profile_read profile_update "
    "settings_read settings_update"
)
OPENID = "openid profile email"
DEV_SCOPE = "openid profile email message_read space_read profile_read"
"""What Doorkey asks of its own development provider."""

PRESETS: Mapping[str, Mapping[str, str]] = {
    "auth0": {
        "label": "Auth0",
        "scope": OPENID,
    },
    "authentik": {
        "label": "authentik",
        "scope": OPENID,
    },
    "entra": {
        "label": "Microsoft",
        "endpoint_hosts": "graph.microsoft.com",  # its user info knows neither oid nor groups
        "userinfo": "never",
        "assertion_audience": "token_endpoint",
        "scope": OPENID,
        "claim_user": "oid",
    },
    "github": {
        "label": "GitHub",
        "issuer": "https://github.com/login/oauth",  # sent as iss; there is no OpenID Connect behind it
        "authorization_endpoint": "https://github.com/login/oauth/authorize",
        "token_endpoint": "https://github.com/login/oauth/access_token",
        "userinfo_endpoint": "https://api.github.com/user",
        "email_endpoint": "https://api.github.com/user/emails",
        "client_auth": "client_secret_post",
        "scope": "user:email",
        "scope_separator": "comma",
        "claim_user": "id",
        "claim_name": "name,login",
    },
    "gitlab": {
        "label": "GitLab",
        "issuer": "https://gitlab.com",
        "userinfo": "always",  # groups stand only there
        "scope": OPENID,
    },
    "google": {
        "label": "Google",
        "issuer": "https://accounts.google.com",
        "endpoint_hosts": "oauth2.googleapis.com,openidconnect.googleapis.com,www.googleapis.com",
        "scope": OPENID,
    },
    "keycloak": {
        "label": "Keycloak",
        "scope": OPENID,
    },
    "okta": {
        "label": "Okta",
        "assertion_audience": "token_endpoint",
        "scope": OPENID,
    },
    "watsonwork": {
        "label": "Watson Work",
        "authorization_endpoint": "https://api.watsonwork.ibm.com/oauth/authorize",
        "token_endpoint": "https://api.watsonwork.ibm.com/oauth/token",
        "client_auth": "client_secret_basic",
        "scope": WATSONWORK_SCOPES,
    },
}

ISSUER_FORMS: Mapping[str, str] = {
    "auth0": "https://TENANT.REGION.auth0.com/ (with the slash)",
    "authentik": "https://HOST/application/o/SLUG/ (with the slash)",
    "entra": "https://login.microsoftonline.com/TENANT-ID/v2.0",
    "keycloak": "https://HOST/realms/REALM",
    "okta": "https://DOMAIN or https://DOMAIN/oauth2/default",
}
"""What the issuer looks like for presets whose issuer is different for everybody."""
