"""The provider of oauth2-proxy as settings of a provider of ours: `move_provider(move)`.

Its kinds become presets, an issuer, or endpoints. Called by import_oauth2_proxy.py, calls oauth2_proxy_move.py.
"""

import re
from urllib.parse import quote

from doorkey.cli.oauth2_proxy_move import Move, split

PRESETS = {
    "google": "google",
    "keycloak": "keycloak",
    "keycloak-oidc": "keycloak",
    "azure": "entra",
    "entra-id": "entra",
    "github": "github",
    "gitlab": "gitlab",
}
BY_ISSUER_HOST = {
    "accounts.google.com": "google",
    "login.microsoftonline.com": "entra",
    ".okta.com": "okta",
    ".auth0.com": "auth0",
}
OPENID = ("oidc", "adfs", "cidaas", "login.gov", "azure", "entra-id", "keycloak", "keycloak-oidc")
"""These need an issuer."""

PLAIN: dict[str, dict[str, str]] = {
    "bitbucket": {
        "AUTHORIZATION_ENDPOINT": "https://bitbucket.org/site/oauth2/authorize",
        "TOKEN_ENDPOINT": "https://bitbucket.org/site/oauth2/access_token",
        "USERINFO_ENDPOINT": "https://api.bitbucket.org/2.0/user",
        "CLAIM_USER": "uuid",
        "CLAIM_NAME": "display_name",
    },
    "digitalocean": {
        "AUTHORIZATION_ENDPOINT": "https://cloud.digitalocean.com/v1/oauth/authorize",
        "TOKEN_ENDPOINT": "https://cloud.digitalocean.com/v1/oauth/token",
        "USERINFO_ENDPOINT": "https://api.digitalocean.com/v2/account",
        "CLAIM_USER": "account.uuid",
        "CLAIM_EMAIL": "account.email",
    },
    "facebook": {
        "AUTHORIZATION_ENDPOINT": "https://www.facebook.com/v2.5/dialog/oauth",
        "TOKEN_ENDPOINT": "https://graph.facebook.com/v2.5/oauth/access_token",
        "USERINFO_ENDPOINT": "https://graph.facebook.com/v2.5/me?fields=name,email",
        "CLAIM_USER": "id",
    },
    "linkedin": {
        "AUTHORIZATION_ENDPOINT": "https://www.linkedin.com/oauth/v2/authorization",
        "TOKEN_ENDPOINT": "https://www.linkedin.com/oauth/v2/accessToken",
        "USERINFO_ENDPOINT": "https://api.linkedin.com/v2/me",
        "CLAIM_USER": "id",
    },
    "nextcloud": {"CLAIM_USER": "ocs.data.id", "CLAIM_EMAIL": "ocs.data.email", "CLAIM_GROUPS": "ocs.data.groups"},
    "sourcehut": {
        "AUTHORIZATION_ENDPOINT": "https://meta.sr.ht/oauth2/authorize",
        "TOKEN_ENDPOINT": "https://meta.sr.ht/oauth2/access-token",
    },
}
"""Without OpenID Connect."""

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ISSUER_IN_LOGIN = re.compile(r"(https?://.+?(?:/realms/[^/]+|/adfs))/.+")


def move_provider(move: Move) -> None:
    """The first thing to do: the id stands in the names of the other settings."""
    kind = move.text("provider") or "google"
    issuer = _issuer(move, kind)
    preset = PRESETS.get(kind) or (_preset_of(issuer) if kind == "oidc" else "")
    move.provider_id = preset or re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-") or "provider"
    move.settings["DOORKEY_PROVIDERS"] = move.provider_id
    move.done("provider", f"DOORKEY_PROVIDERS={move.provider_id}")
    if preset:
        move.put_provider("", "PRESET", preset)
    for name, value in PLAIN.get(kind, {}).items():
        move.put_provider("", name, value)
    if kind in PLAIN:
        move.put_provider("", "CLIENT_AUTH", "client_secret_post")
        move.tasks.append(
            f"{kind} is not tried by anybody yet: run `doorkey check` and one sign-in before you rely on it."
        )
    elif kind not in PRESETS and kind not in OPENID:
        move.loud["provider"] = "nothing is known of this kind of provider; see docs/providers.md"
    _move_issuer(move, kind, issuer)
    _move_endpoints(move, kind, issuer)
    _move_client(move)
    _move_request(move, kind)
    _move_claims(move, kind)


def _preset_of(issuer: str) -> str:
    host = split(issuer).hostname or ""
    return next((preset for end, preset in BY_ISSUER_HOST.items() if host == end or host.endswith(end)), "")


def _issuer(move: Move, kind: str) -> str:
    """As it was given, or from what else tells it."""
    given = move.text("oidc_issuer_url")
    if kind in ("azure", "entra-id") or "login.microsoftonline.com" in given:
        return _entra_issuer(move, given)
    if given:
        return given
    if kind == "login.gov":
        return "https://secure.login.gov/"
    derived = _ISSUER_IN_LOGIN.fullmatch(move.text("login_url")) if kind in OPENID else None
    return derived[1] if derived else ""


def _entra_issuer(move: Move, given: str) -> str:
    """One tenant, in the form of today; several tenants have no issuer."""
    allowed = move.items("entra_id_allowed_tenants")
    if given and split(given).hostname not in ("login.microsoftonline.com", "sts.windows.net"):
        if allowed:
            move.lock("entra_id_allowed_tenants", "Doorkey takes one tenant for each provider; configure one for each")
        return given  # another cloud than the usual one
    tenant = _GUID.search(given) or _GUID.fullmatch(move.text("azure_tenant"))
    if not tenant and len(allowed) == 1:
        tenant = _GUID.fullmatch(allowed[0])
    if tenant:
        move.done("azure_tenant", "in the issuer")
        if [one.lower() for one in allowed] == [tenant[0].lower()]:
            move.done("entra_id_allowed_tenants", "in the issuer")
    if allowed and "entra_id_allowed_tenants" not in move.carried:
        move.lock("entra_id_allowed_tenants", "Doorkey takes one tenant for each provider; configure one for each")
    return f"https://login.microsoftonline.com/{tenant[0].lower()}/v2.0" if tenant else ""


def _move_issuer(move: Move, kind: str, issuer: str) -> None:
    if issuer:
        move.put_provider("oidc_issuer_url", "ISSUER", issuer)
        if issuer != move.text("oidc_issuer_url") and "oidc_issuer_url" in move.given:
            move.tasks.append(f"The issuer is now {issuer}: see that this is the tenant you mean.")
    elif kind in OPENID:
        name = f"DOORKEY_PROVIDER_{move.provider_id.upper().replace('-', '_')}_ISSUER"
        move.tasks.append(f"Set {name} to the exact issuer of one tenant or realm: it could not be found out.")
        for option in ("oidc_issuer_url", "azure_tenant"):
            move.leave(option, "it names no single tenant or realm", loudly=True)


def _move_endpoints(move: Move, kind: str, issuer: str) -> None:
    if kind == "github" and move.text("login_url"):
        return _move_own_github(move)
    if kind in ("azure", "entra-id") or (issuer and not move.text("oidc_issuer_url")):
        for option in ("login_url", "redeem_url", "profile_url", "validate_url", "oidc_jwks_url"):
            move.done(option, "the issuer's metadata names it")
        return None
    move.put_provider("login_url", "AUTHORIZATION_ENDPOINT")
    move.put_provider("redeem_url", "TOKEN_ENDPOINT")
    move.put_provider("profile_url", "USERINFO_ENDPOINT")
    move.put_provider("oidc_jwks_url", "JWKS_URI")
    if kind == "nextcloud":
        move.put_provider("validate_url", "USERINFO_ENDPOINT")
    elif "validate_url" in move.given:
        move.done("validate_url", "no use: tokens are not asked about at such an address")
    return None


def _move_own_github(move: Move) -> None:
    """An Enterprise Server, or something that speaks like one; its own name for itself is not known."""
    base = re.sub(r"/user(/emails)?/?$", "", move.text("validate_url").rstrip("/"))
    move.settings[f"DOORKEY_PROVIDER_{move.provider_id.upper()}_ISSUER"] = ""
    move.put_provider("login_url", "AUTHORIZATION_ENDPOINT")
    move.put_provider("redeem_url", "TOKEN_ENDPOINT")
    if base:
        move.put_provider("validate_url", "USERINFO_ENDPOINT", base + "/user")
        move.put_provider("validate_url", "EMAIL_ENDPOINT", base + "/user/emails")


def _move_client(move: Move) -> None:
    move.put_provider("client_id", "CLIENT_ID")
    if not move.put_provider("client_secret", "CLIENT_SECRET") and move.text("client_secret_file"):
        _put_file(move, "client_secret_file", "CLIENT_SECRET")
    elif "client_secret_file" in move.given:
        move.done("client_secret_file", "no use beside client_secret")
    key = move.put_provider("jwt_key", "PRIVATE_KEY")
    if not key and move.text("jwt_key_file"):
        _put_file(move, "jwt_key_file", "PRIVATE_KEY")
        key = True
    if key:
        move.put_provider("", "CLIENT_AUTH", "private_key_jwt")
    files = move.items("provider_ca_files")
    if len(files) == 1:
        move.put("provider_ca_files", "CA_BUNDLE", files[0])
    elif files:
        move.leave("provider_ca_files", "join the files into one and name it in DOORKEY_CA_BUNDLE", loudly=True)


def _put_file(move: Move, option: str, name: str) -> None:
    """It may be on another machine, so it is not looked for; what Doorkey says of the result is told in the end."""
    full = f"DOORKEY_PROVIDER_{move.provider_id.upper().replace('-', '_')}_{name}_FILE"
    if not move.text(option).isprintable():
        return move.leave(option, "no name of a file", loudly=True)
    move.settings[full] = move.text(option)
    return move.done(option, full)


def _move_request(move: Move, kind: str) -> None:
    scope = move.text("scope")
    if not scope and kind == "oidc" and move.items("allowed_groups"):
        scope = "openid email profile groups"  # what oauth2-proxy asks for then
    move.put_provider("scope", "SCOPE", scope)
    move.put_provider("provider_display_name", "LABEL")
    move.put_provider("auth_request_response_mode", "RESPONSE_MODE")
    parameters = [f"{name}={quote(move.text(name))}" for name in ("prompt", "acr_values") if move.text(name)]
    for option in ("prompt", "acr_values"):
        if move.text(option):
            move.put_provider(option, "AUTHORIZATION_PARAMS", "&".join(parameters))
    for option in ("code_challenge_method", "force_code_challenge_method"):
        move.done(option, "S256, as always")
    if move.items("oidc_extra_audiences"):
        move.put_provider("oidc_extra_audiences", "TRUSTED_AUDIENCES", ",".join(move.items("oidc_extra_audiences")))
    if move.items("oidc_enabled_signing_algs"):
        move.put_provider(
            "oidc_enabled_signing_algs", "ID_TOKEN_ALGS", " ".join(move.items("oidc_enabled_signing_algs"))
        )


def _move_claims(move: Move, kind: str) -> None:
    if move.text("oidc_email_claim") not in ("", "email"):
        move.put_provider("oidc_email_claim", "CLAIM_EMAIL")
        move.done("user_id_claim", "no use beside oidc_email_claim")
    elif move.text("user_id_claim") not in ("", "email"):
        move.put_provider("user_id_claim", "CLAIM_EMAIL")
    for option in ("oidc_email_claim", "user_id_claim"):
        if move.text(option) == "email":
            move.done(option, "as it is anyway")
    move.put_provider("oidc_groups_claim", "CLAIM_GROUPS")
    if move.provider_id == "entra":
        move.put_provider("", "CLAIM_USER", "sub")  # what applications were told so far
    if kind in ("github", "gitlab"):
        move.tasks.append(
            f"Applications were told the login at {kind} as the user, and are now told its number, which cannot change "
            "hands. Where they keep data by it, move that, or set CLAIM_USER."
        )
