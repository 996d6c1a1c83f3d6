"""The settings as one table: a row is a field with its default, its parser and one line of help.

settings.py fills the rows; `config.example.env` repeats them, and a test compares.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from doorkey import setting_urls as urls
from doorkey import setting_values as values
from doorkey.presets import PRESETS
from doorkey.setting_stores import StoreAddress
from doorkey.setting_stores import session_store as store_address
from doorkey.setting_values import Secret


def setting(name: str, default: str, parse: Callable[[str], Any], help: str) -> Any:
    """One row: the name without prefix, the default as it would be typed, a parser, one line of help."""
    return field(default=MISSING, metadata={"name": name, "default": default, "parse": parse, "help": help})


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """One provider: `DOORKEY_PROVIDER_<ID>_<NAME>`, the id in capitals with `-` as `_`."""

    id: str
    preset: str = setting("PRESET", "", values.one_of("", *PRESETS), "Defaults for a known provider: " + ", ".join(PRESETS) )
    label: str = setting("LABEL", "", values.text, "Name on the sign-in button; the id when empty")
    issuer: str = setting("ISSUER", "", urls.issuer, "Exact issuer; endpoints that are not set are read from its metadata")
    endpoint_hosts: tuple[str, ...] = setting("ENDPOINT_HOSTS", "", urls.host_patterns, "Hosts besides the issuer's that its metadata may name: api.example.com, *.example.com")
    authorization_endpoint: str = setting("AUTHORIZATION_ENDPOINT", "", urls.authorization_endpoint, "Where the browser is sent")
    token_endpoint: str = setting("TOKEN_ENDPOINT", "", urls.endpoint, "Where the code is exchanged")
    jwks_uri: str = setting("JWKS_URI", "", urls.endpoint, "Where the provider's keys are")
    userinfo_endpoint: str = setting("USERINFO_ENDPOINT", "", urls.endpoint, "Where the provider says who signed in")
    userinfo: str = setting("USERINFO", "auto", values.one_of("auto", "always", "never"), "Ask for the user: auto (when there is an endpoint), always, never")
    email_endpoint: str = setting("EMAIL_ENDPOINT", "", urls.endpoint, "Where a list of e-mail addresses is, for providers whose user info has none (GitHub)")
    introspection_endpoint: str = setting("INTROSPECTION_ENDPOINT", "", urls.endpoint, "Where a token can be asked about (RFC 7662)")
    revocation_endpoint: str = setting("REVOCATION_ENDPOINT", "", urls.endpoint, "Where tokens are revoked at sign-out (RFC 7009)")
    end_session_endpoint: str = setting("END_SESSION_ENDPOINT", "", urls.endpoint, "Where the provider's own session ends")
    end_session: str = setting("END_SESSION", "auto", values.one_of("auto", "never"), "Sign out at the provider too: auto (where it offers that), never")
    post_logout_redirect_uri: str = setting("POST_LOGOUT_REDIRECT_URI", "", urls.endpoint, "Where the provider sends the browser after a sign-out; /logged-out of the public URL when empty")
    backchannel_logout: bool = setting("BACKCHANNEL_LOGOUT", "on", values.switch, "Take logout tokens at /backchannel-logout/<id>")
    frontchannel_logout: bool = setting("FRONTCHANNEL_LOGOUT", "on", values.switch, "Take logouts at /frontchannel-logout/<id>")
    pushed_authorization_request_endpoint: str = setting("PUSHED_AUTHORIZATION_REQUEST_ENDPOINT", "", urls.endpoint, "Where a sign-in is announced (RFC 9126)")
    pushed_authorization: str = setting("PUSHED_AUTHORIZATION", "auto", values.one_of("auto", "always"), "Announce sign-ins (RFC 9126): auto (when the provider demands it), always")
    client_id: str = setting("CLIENT_ID", "", values.text, "Client id registered at the provider")
    client_secret: Secret = setting("CLIENT_SECRET", "", Secret, "Client secret; better in a file: CLIENT_SECRET_FILE")
    client_auth: str = setting("CLIENT_AUTH", "", values.one_of("", *values.CLIENT_AUTH_METHODS), "How the client authenticates: " + ", ".join(values.CLIENT_AUTH_METHODS) + " (default: what fits the credentials and the metadata)")
    private_key: Secret = setting("PRIVATE_KEY", "", values.private_keys, "PEM keys for private_key_jwt, better in a file: PRIVATE_KEY_FILE; the first signs, /.well-known/jwks.json has all")
    assertion_audience: str = setting("ASSERTION_AUDIENCE", "issuer", values.one_of("issuer", "token_endpoint"), "Whom signed client credentials are addressed to: issuer, or token_endpoint")
    scope: tuple[str, ...] = setting("SCOPE", "", values.scope, "Scopes to ask for, separated by spaces; empty: what is registered there (with ISSUER alone: openid profile email)")
    scope_separator: str = setting("SCOPE_SEPARATOR", "space", values.one_of("space", "comma"), "What stands between the scopes in a token response: space, or comma (GitHub)")
    resource: tuple[str, ...] = setting("RESOURCE", "", urls.resources, "What the token is for, one or more absolute URIs separated by spaces (RFC 8707)")
    response_mode: str = setting("RESPONSE_MODE", "query", values.one_of("query", "form_post"), "How the code comes back: query, or form_post")
    authorization_params: tuple[tuple[str, str], ...] = setting("AUTHORIZATION_PARAMS", "", values.authorization_params, "More parameters for the authorization request, as a query string: prompt, max_age, acr_values, login_hint")
    pkce: bool = setting("PKCE", "on", values.switch, "PKCE with S256; off only for a server that refuses it")
    id_token_algs: tuple[str, ...] = setting("ID_TOKEN_ALGS", "", values.signing_algs, "Signatures of ID tokens that are accepted; empty: asymmetric ones that the provider names. HS256 only when set")
    trusted_audiences: tuple[str, ...] = setting("TRUSTED_AUDIENCES", "", values.texts, "What ID tokens may name in aud besides the client id, comma separated; whoever that is could use them too")
    claim_user: str = setting("CLAIM_USER", "sub", values.text, "Claim that identifies the user, a dotted path")
    claim_name: str = setting("CLAIM_NAME", "name", values.text, "Claim with the name for people, a dotted path; several, comma separated: the first that is there")
    claim_email: str = setting("CLAIM_EMAIL", "email", values.text, "Claim with the e-mail address, a dotted path")
    claim_groups: str = setting("CLAIM_GROUPS", "groups", values.text, "Claim with the groups, a dotted path")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration; `development` is true when neither provider nor public URL is set."""

    public_url: str = setting("PUBLIC_URL", "", urls.public_url, "The URL people open; every absolute URL is built from it")
    providers: tuple[ProviderSettings, ...] = setting("PROVIDERS", "", values.provider_ids, "Provider ids, comma separated; each needs DOORKEY_PROVIDER_<ID>_* settings")
    secret_key: tuple[Secret, ...] = setting("SECRET_KEY", "", values.secret_keys, "At least 32 random characters; several, comma separated: the first seals, all open; on loopback one is made")
    session_store: StoreAddress = setting("SESSION_STORE", "sqlite:", store_address, "sqlite:PATH (sqlite: alone is a file in the instance folder), redis://, rediss://, redis+sentinel:// or redis+cluster://; see docs/sessions.md")
    session_idle: int = setting("SESSION_IDLE", "60m", values.duration, "A session ends after this long without a request")
    session_absolute: int = setting("SESSION_ABSOLUTE", "12h", values.duration, "A session ends this long after sign-in, whatever happens")
    cookie_domain: str = setting("COOKIE_DOMAIN", "", urls.domain, "Parent domain of the gate cookie; none is set when empty")
    allowed_hosts: tuple[str, ...] = setting("ALLOWED_HOSTS", "", urls.authority_patterns, "Hosts behind the gate, where a sign-in may also lead to: app.example.com, *.apps.example.com, tool.example.com:8443")
    trusted_proxies: tuple[values.Network, ...] = setting("TRUSTED_PROXIES", "", values.networks, "Networks of reverse proxies that may ask the gate (loopback when empty) and whose X-Forwarded-For is believed (nobody's when empty)")
    proxy_secret: Secret = setting("PROXY_SECRET", "", values.proxy_secret, "Whoever sends this in X-Doorkey-Proxy-Secret may ask the gate from anywhere; at least 32 characters")
    policy_file: str = setting("POLICY_FILE", "", values.existing_file, "TOML file that says who may open what; without it, whoever is signed in")
    gate_headers: str = setting("GATE_HEADERS", "doorkey", values.one_of("doorkey", "oauth2-proxy"), "Names of the identity headers: doorkey (X-Doorkey-*), or oauth2-proxy (X-Auth-Request-* besides)")
    oauth2_proxy_paths: bool = setting("OAUTH2_PROXY_PATHS", "off", values.switch, "Answer at the paths of oauth2-proxy too (/oauth2/auth and others)")
    fastcgi: str = setting("FASTCGI", "", urls.listen_address, "Address for Apache's FastCGI authorizer, such as 127.0.0.1:9001; none when empty")
    bearer_issuer: str = setting("BEARER_ISSUER", "", urls.issuer, "Issuer of JWT access tokens that API clients may come with; none when empty")
    bearer_audience: str = setting("BEARER_AUDIENCE", "", values.text, "What those tokens, and introspected ones, must name in aud")
    bearer_algs: tuple[str, ...] = setting("BEARER_ALGS", "RS256 ES256", values.asymmetric_algs, "Signatures of those tokens that are accepted")
    bearer_jwks_uri: str = setting("BEARER_JWKS_URI", "", urls.endpoint, "Where their issuer's keys are; read from its metadata when empty")
    bearer_introspection: str = setting("BEARER_INTROSPECTION", "", values.provider_id_or_none, "Id of the provider that is asked about opaque tokens of API clients (RFC 7662); none when empty")
    metrics_allow: tuple[values.Network, ...] = setting("METRICS_ALLOW", "127.0.0.0/8,::1", values.networks, "Networks that may read /metrics")
    rate_limit: int = setting("RATE_LIMIT", "60", values.whole_number(0, 1_000_000), "Sign-ins begun, and callbacks, per minute and address, twice as many in a burst; 0: no limit")
    metadata_ttl: int = setting("METADATA_TTL", "1h", values.duration_or_zero, "How long a provider's metadata and keys are kept; 0: not at all")
    clock_leeway: int = setting("CLOCK_LEEWAY", "60s", values.duration_or_zero, "How far the clocks of Doorkey and a provider may differ, at most 10m")
    ca_bundle: str = setting("CA_BUNDLE", "", values.existing_file, "PEM file of authorities for calls to providers; the usual ones when empty")
    http_proxy: str = setting("HTTP_PROXY", "", urls.proxy_url, "Proxy for calls to providers; the environment's own are ignored")
    log_format: str = setting("LOG_FORMAT", "auto", values.one_of("auto", "json", "text"), "json or text; auto: text in development, else json")
    instance: Path = setting("INSTANCE", "instance", Path, "Folder for the session file and generated keys")
    host: str = setting("HOST", "127.0.0.1", values.text, "Address to listen on; HOST works too")
    port: int = setting("PORT", "8000", values.whole_number(1, 65535), "Port to listen on; PORT works too")
    threads: int = setting("THREADS", "40", values.whole_number(2, 1000), "Threads for pages; at least as many as sign-ins at the same moment")
    dev_client_id: str = setting("DEV_CLIENT_ID", "doorkey-dev", values.text, "Development provider: its client's id")
    dev_client_secret: Secret = setting("DEV_CLIENT_SECRET", "", Secret, "Development provider: its client's secret; random at each start when empty")
    dev_redirect_uris: tuple[str, ...] = setting("DEV_REDIRECT_URIS", "", urls.endpoints, "Development provider: redirect URIs of other programs, comma separated")
    dev_users_file: str = setting("DEV_USERS_FILE", "", values.existing_file, "Development provider: TOML file with users, clients and lifetimes")
    dev_control_token: Secret = setting("DEV_CONTROL_TOKEN", "", Secret, "Development provider: bearer token that opens /dev/ to other machines; none do when empty")
    insecure_dev_provider: bool = setting("INSECURE_DEV_PROVIDER", "off", values.switch, "Let the development provider answer beyond this machine (containers)")

    @property
    def own_url(self) -> str:
        """Where people open Doorkey; in development, this machine on the port it listens on."""
        return self.public_url or urls.local_url(self.host, self.port)

    def callback_path(self, provider: str) -> str:
        """Where a provider sends the browser back to; whoever comes from oauth2-proxy need not register another."""
        moved = self.oauth2_proxy_paths and len(self.providers) <= 1
        return "/oauth2/callback" if moved else f"/callback/{provider}"

    @property
    def development(self) -> bool:
        """Nothing about the outside is configured: loopback, development provider, generated keys."""
        return not self.providers and not self.public_url


def rows(table: type[Any]) -> Iterator[Field[Any]]:
    """The fields of `table` that are settings."""
    return (row for row in fields(table) if "parse" in row.metadata)


def provider_settings(id: str, **texts: str) -> ProviderSettings:
    """A provider from code: `texts` are given as they would be typed, the others have their defaults."""
    found = {
        row.name: row.metadata["parse"](texts.pop(row.name, row.metadata["default"])) for row in rows(ProviderSettings)
    }
    assert not texts, texts
    return ProviderSettings(id=id, **found)
