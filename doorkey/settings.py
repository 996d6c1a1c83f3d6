"""Every setting of Doorkey, as one table that is read once.

`load()` reads the environment and `config.env`, and returns a frozen `Settings` or raises
`SettingsError` with every mistake found. The rows are the dataclass fields below: each has
its default, its parser and one line of help; `config.example.env` repeats them and a test
compares. Parsers live in `setting_values.py`, `setting_urls.py` and `setting_stores.py`, the rules between settings in `_cross_check`.

Called by factory.py and the command line; calls nothing but the other words.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from dotenv.parser import parse_stream

from doorkey import setting_urls as urls
from doorkey import setting_values as values
from doorkey.errors import SettingsError
from doorkey.presets import ISSUER_FORMS, PRESETS
from doorkey.setting_stores import StoreAddress
from doorkey.setting_stores import session_store as store_address
from doorkey.setting_values import Secret

PREFIX = "DOORKEY_"
LARGEST_LEEWAY = 600
UNPREFIXED = ("HOST", "PORT")
"""Names that hosting platforms set by themselves, honoured without the prefix too."""

DISCOVERED_SCOPE = "openid profile email"

T = TypeVar("T", bound="ProviderSettings | Settings")


def setting(name: str, default: str, parse: Callable[[str], Any], help: str) -> Any:
    """One row: the name without prefix, the default as it would be typed, a parser, one line of help."""
    return field(default=MISSING, metadata={"name": name, "default": default, "parse": parse, "help": help})


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """One provider: `DOORKEY_PROVIDER_<ID>_<NAME>`, the id in capitals with `-` as `_`."""

    id: str
    preset: str = setting("PRESET", "", values.one_of("", *PRESETS), "Defaults for a known provider: " + ", ".join(PRESETS))
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
    allowed_hosts: tuple[str, ...] = setting("ALLOWED_HOSTS", "", urls.host_patterns, "Hosts that ?next= may lead to besides Doorkey: app.example.com, *.apps.example.com")
    trusted_proxies: tuple[values.Network, ...] = setting("TRUSTED_PROXIES", "", values.networks, "Networks of reverse proxies whose X-Forwarded-For is believed")
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

    @property
    def development(self) -> bool:
        """Nothing about the outside is configured: loopback, development provider, generated keys."""
        return not self.providers and not self.public_url


def rows(table: type[Any]) -> Iterator[Field[Any]]:
    """The fields of `table` that are settings."""
    return (row for row in fields(table) if "parse" in row.metadata)


def provider_settings(id: str, **texts: str) -> ProviderSettings:
    """A provider from code: `texts` are given as they would be typed, the others have their defaults."""
    found = {row.name: row.metadata["parse"](texts.pop(row.name, row.metadata["default"])) for row in rows(ProviderSettings)}
    assert not texts, texts
    return ProviderSettings(id=id, **found)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and `config.env` (or the file named by `DOORKEY_CONFIG`).

    The environment wins over the file. Raises `SettingsError` listing every problem.
    """
    environ = os.environ if environ is None else environ
    reader = _Reader(environ)
    settings = reader.read(Settings, PREFIX)
    settings = replace(settings, providers=tuple(reader.provider(id) for id in reader.provider_ids))
    reader.refuse_unknown()
    for involved, sentence in _cross_check(settings, debug=environ.get("FLASK_DEBUG", "0") not in ("", "0")):
        if not reader.failed & set(involved):  # what is wrong with those was said already
            reader.problems.append(sentence)
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


class _Reader:
    """Collects values and problems; `failed` are the names (without prefix) of values that did not parse."""

    def __init__(self, environ: Mapping[str, str]):
        self.problems: list[str] = []
        self.failed: set[str] = set()
        self._texts: dict[str, str | None] = {}
        self._known = {PREFIX + "CONFIG"}
        unprefixed = {PREFIX + name: environ[name] for name in UNPREFIXED if name in environ}
        prefixed = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        self._given = self._read_file(environ.get(PREFIX + "CONFIG", "")) | unprefixed | prefixed

    def _read_file(self, chosen: str) -> dict[str, str]:
        path = Path(chosen or "config.env")
        if not chosen and not path.exists():
            return {}
        try:
            content = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self.problems.append(f"{PREFIX}CONFIG: there is no file {path}")
            return {}
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{PREFIX}CONFIG: cannot read {path}: {_reason(error)}")
            return {}
        found: dict[str, str] = {}
        for line in parse_stream(io.StringIO(content)):
            written = line.original.string
            number = line.original.line + written[: len(written) - len(written.lstrip())].count("\n")
            name = PREFIX + line.key if line.key in UNPREFIXED else line.key
            if line.error or (name and line.value is None):
                self.problems.append(f"{path} line {number}: not of the form NAME=value")
            elif name and not name.startswith(PREFIX):
                self.problems.append(f"{path} line {number}: {name} is not a setting")
            elif name:
                found[name] = line.value or ""
        return found

    def raw(self, name: str) -> str | None:
        """The text given for `name`, directly or through `<name>_FILE`; None when not given."""
        if name not in self._texts:
            self._known |= {name, name + "_FILE"}
            self._texts[name] = self._find(name)
        return self._texts[name]

    def _find(self, name: str) -> str | None:
        value, file = self._given.get(name), self._given.get(name + "_FILE")
        if file is None:
            return value
        if value is not None:
            self.problems.append(f"{name} and {name}_FILE are both set; keep one")
        try:
            return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}_FILE: cannot read {file}: {_reason(error)}")
            self.failed.add(name.removeprefix(PREFIX))
            return None

    @property
    def provider_ids(self) -> tuple[str, ...]:
        """The ids of `PROVIDERS`; none when that was refused."""
        return () if "PROVIDERS" in self.failed else values.provider_ids(self.raw(PREFIX + "PROVIDERS") or "")

    def read(self, table: type[T], prefix: str, defaults: Mapping[str, str] | None = None, **given: Any) -> T:
        """Fill `table` from `<prefix><NAME>`; a value that does not parse is a problem, not an exception."""
        found = dict(given)
        for row in rows(table):
            name = prefix + row.metadata["name"]
            text = self.raw(name)
            fallback = (defaults or {}).get(row.name, row.metadata["default"])
            try:
                found[row.name] = row.metadata["parse"](fallback if text is None else text.strip())
            except ValueError as error:
                self.problems.append(f"{name}{'_FILE' if name + '_FILE' in self._given else ''}: {error}")
                self.failed.add(name.removeprefix(PREFIX))
                found[row.name] = row.metadata["parse"](row.metadata["default"])
        return table(**found)

    def provider(self, id: str) -> ProviderSettings:
        """The settings of one provider, its preset's values as defaults."""
        prefix = f"{PREFIX}PROVIDER_{id.upper().replace('-', '_')}_"
        defaults = dict(PRESETS.get((self.raw(prefix + "PRESET") or "").strip(), {}))
        by_issuer_alone = self.raw(prefix + "ISSUER") and not self.raw(prefix + "AUTHORIZATION_ENDPOINT")
        if by_issuer_alone and "scope" not in defaults:
            defaults["scope"] = DISCOVERED_SCOPE
        provider = self.read(ProviderSettings, prefix, defaults, id=id)
        without_issuer = (prefix + "ISSUER").removeprefix(PREFIX) in self.failed
        for name, sentence in check_provider(provider):
            meant = without_issuer and name != "CLIENT_ID"  # what is missing may be what the issuer would have told
            if not meant and (prefix + name).removeprefix(PREFIX) not in self.failed:
                self.problems.append(f"{prefix}{name} {sentence}")
        return provider

    def refuse_unknown(self) -> None:
        for name in sorted(set(self._given) - self._known):
            hint = " (is its provider listed in DOORKEY_PROVIDERS?)" if name.startswith(PREFIX + "PROVIDER_") else ""
            self.problems.append(f"{name} is not a setting{hint}")


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"


def check_provider(provider: ProviderSettings) -> Iterator[tuple[str, str]]:
    """The rules between the settings of one provider: the name that is wrong, and what is wrong with it."""
    form = ISSUER_FORMS.get(provider.preset)
    if form and not provider.issuer:
        yield "ISSUER", f"is missing; it looks like {form}"
        return
    required = ["client_id", *([] if provider.issuer else ["authorization_endpoint", "token_endpoint"])]
    for name in required:
        if not getattr(provider, name):
            yield name.upper(), "is missing" + ("; or set ISSUER" if name != "client_id" else "")
    if provider.client_auth == "private_key_jwt" and not provider.private_key:
        yield "PRIVATE_KEY_FILE", "is missing; private_key_jwt needs it"
    elif provider.client_auth.startswith("client_secret") and not provider.client_secret:
        yield "CLIENT_SECRET", f"is missing; {provider.client_auth} needs it"
    if provider.issuer:
        if any(alg.startswith("HS") for alg in provider.id_token_algs) and not provider.client_secret:
            yield "CLIENT_SECRET", "is missing; HS256 in ID_TOKEN_ALGS needs it"
        return
    if "openid" in provider.scope:
        yield "ISSUER", "is missing; the scope openid needs it, because ID tokens name their issuer"
    if provider.userinfo == "always" and not provider.userinfo_endpoint:
        yield "USERINFO_ENDPOINT", "is missing; USERINFO=always needs it"
    if provider.pushed_authorization == "always" and not provider.pushed_authorization_request_endpoint:
        yield "PUSHED_AUTHORIZATION_REQUEST_ENDPOINT", "is missing; PUSHED_AUTHORIZATION=always needs it"


def _cross_check(settings: Settings, *, debug: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """The rules between settings: the names a rule looks at, and a sentence that says what to do."""
    if settings.clock_leeway > LARGEST_LEEWAY:
        yield ("CLOCK_LEEWAY",), "DOORKEY_CLOCK_LEEWAY must not be longer than 10m"
    if settings.session_absolute < settings.session_idle:
        names = ("SESSION_ABSOLUTE", "SESSION_IDLE")
        yield names, "DOORKEY_SESSION_ABSOLUTE must not be shorter than DOORKEY_SESSION_IDLE"
    if settings.development:
        yield from _check_development(settings)
        return
    if debug:
        yield ("PUBLIC_URL", "PROVIDERS"), "FLASK_DEBUG is set: its debugger runs code for anybody who finds it"
    if settings.insecure_dev_provider:
        yield ("PUBLIC_URL", "PROVIDERS"), "DOORKEY_INSECURE_DEV_PROVIDER is on beside a real configuration; remove it"
    if not settings.providers:
        yield ("PROVIDERS",), "DOORKEY_PROVIDERS is missing: with a public URL at least one provider must be configured"
    if not settings.public_url:
        yield ("PUBLIC_URL",), "DOORKEY_PUBLIC_URL is missing: redirect URIs are built from it, such as https://login.example.com"
    elif not settings.secret_key and not urls.is_loopback(urls.host_of(settings.public_url)):
        yield ("SECRET_KEY",), 'DOORKEY_SECRET_KEY is missing: make one with  python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
    yield from _check_cookie_domain(settings)


def _check_development(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    names = ("PUBLIC_URL", "PROVIDERS", "HOST", "INSECURE_DEV_PROVIDER")
    if not urls.is_loopback(settings.host) and not settings.insecure_dev_provider:
        yield names, (
            f"DOORKEY_HOST: {settings.host} is reachable from other machines, and without DOORKEY_PROVIDERS "
            "anybody could sign in through the development provider. Configure a provider, or, inside a "
            "container whose port is published on loopback only, set DOORKEY_INSECURE_DEV_PROVIDER=on"
        )
    if settings.cookie_domain:
        yield ("PUBLIC_URL", "PROVIDERS", "COOKIE_DOMAIN"), "DOORKEY_COOKIE_DOMAIN needs DOORKEY_PUBLIC_URL"


def _check_cookie_domain(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    names, domain, url = ("PUBLIC_URL", "COOKIE_DOMAIN"), settings.cookie_domain, settings.public_url
    if not domain or not url:
        return
    if not url.startswith("https://"):
        yield names, "DOORKEY_COOKIE_DOMAIN needs an https public URL: the gate cookie is Secure"
    elif not urls.host_of(url).endswith("." + domain) and urls.host_of(url) != domain:
        yield names, f"DOORKEY_COOKIE_DOMAIN: {domain} is not a parent of {urls.host_of(url)}, so browsers would refuse the cookie"
