"""Every setting of Doorkey, as one table that is read once.

`load()` reads the environment and `config.env`, and returns a frozen `Settings` or raises
`SettingsError` with every mistake found. The rows are the dataclass fields below: each has
its default, its parser and one line of help; `config.example.env` repeats them and a test
compares. Parsers live in `setting_values.py`, the rules between settings in `_cross_check`.

Called by factory.py and the command line; calls nothing but the other words.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from dotenv.parser import parse_stream

from doorkey import setting_values as values
from doorkey.errors import SettingsError
from doorkey.presets import PRESETS
from doorkey.setting_values import Secret

PREFIX = "DOORKEY_"
UNPREFIXED = ("HOST", "PORT")
"""Names that hosting platforms set by themselves, honoured without the prefix too."""

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
    issuer: str = setting("ISSUER", "", values.issuer, "Exact issuer, compared with `iss` at the callback (RFC 9207)")
    authorization_endpoint: str = setting("AUTHORIZATION_ENDPOINT", "", values.endpoint, "Where the browser is sent")
    token_endpoint: str = setting("TOKEN_ENDPOINT", "", values.endpoint, "Where the code is exchanged")
    userinfo_endpoint: str = setting("USERINFO_ENDPOINT", "", values.endpoint, "Where the provider says who signed in")
    userinfo: str = setting("USERINFO", "auto", values.one_of("auto", "always", "never"), "Ask for the user: auto (when there is an endpoint), always, never")
    client_id: str = setting("CLIENT_ID", "", values.text, "Client id registered at the provider")
    client_secret: Secret = setting("CLIENT_SECRET", "", Secret, "Client secret; better in a file: CLIENT_SECRET_FILE")
    client_auth: str = setting("CLIENT_AUTH", "", values.one_of("", *values.CLIENT_AUTH_METHODS), "How the client authenticates: " + ", ".join(values.CLIENT_AUTH_METHODS) + " (default: basic with a secret, none without)")
    scope: tuple[str, ...] = setting("SCOPE", "", values.scope, "Scopes to ask for, separated by spaces; empty: what is registered there")
    authorization_params: tuple[tuple[str, str], ...] = setting("AUTHORIZATION_PARAMS", "", values.authorization_params, "More parameters for the authorization request, as a query string")
    pkce: bool = setting("PKCE", "on", values.switch, "PKCE with S256; off only for a server that refuses it")
    claim_user: str = setting("CLAIM_USER", "sub", values.text, "Claim that identifies the user, a dotted path")
    claim_email: str = setting("CLAIM_EMAIL", "email", values.text, "Claim with the e-mail address, a dotted path")
    claim_groups: str = setting("CLAIM_GROUPS", "groups", values.text, "Claim with the groups, a dotted path")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration; `development` is true when neither provider nor public URL is set."""

    public_url: str = setting("PUBLIC_URL", "", values.public_url, "The URL people open; every absolute URL is built from it")
    providers: tuple[ProviderSettings, ...] = setting("PROVIDERS", "", values.provider_ids, "Provider ids, comma separated; each needs DOORKEY_PROVIDER_<ID>_* settings")
    secret_key: tuple[Secret, ...] = setting("SECRET_KEY", "", values.secret_keys, "At least 32 random characters; several, comma separated: the first seals, all open; on loopback one is made")
    session_store: str = setting("SESSION_STORE", "sqlite:", values.session_store, "sqlite:PATH; sqlite: alone is a file in the instance folder")
    session_idle: int = setting("SESSION_IDLE", "60m", values.duration, "A session ends after this long without a request")
    session_absolute: int = setting("SESSION_ABSOLUTE", "12h", values.duration, "A session ends this long after sign-in, whatever happens")
    cookie_domain: str = setting("COOKIE_DOMAIN", "", values.domain, "Parent domain of the gate cookie; none is set when empty")
    allowed_hosts: tuple[str, ...] = setting("ALLOWED_HOSTS", "", values.host_patterns, "Hosts that ?next= may lead to besides Doorkey: app.example.com, *.apps.example.com")
    trusted_proxies: tuple[values.Network, ...] = setting("TRUSTED_PROXIES", "", values.networks, "Networks of reverse proxies whose X-Forwarded-For is believed")
    rate_limit: int = setting("RATE_LIMIT", "60", values.whole_number(0, 1_000_000), "Sign-ins begun, and callbacks, per minute and address, twice as many in a burst; 0: no limit")
    ca_bundle: str = setting("CA_BUNDLE", "", values.existing_file, "PEM file of authorities for calls to providers; the usual ones when empty")
    http_proxy: str = setting("HTTP_PROXY", "", values.proxy_url, "Proxy for calls to providers; the environment's own are ignored")
    log_format: str = setting("LOG_FORMAT", "auto", values.one_of("auto", "json", "text"), "json or text; auto: text in development, else json")
    instance: Path = setting("INSTANCE", "instance", Path, "Folder for the session file and generated keys")
    host: str = setting("HOST", "127.0.0.1", values.text, "Address to listen on; HOST works too")
    port: int = setting("PORT", "8000", values.whole_number(1, 65535), "Port to listen on; PORT works too")
    threads: int = setting("THREADS", "40", values.whole_number(2, 1000), "Threads for pages; at least as many as sign-ins at the same moment")
    dev_client_id: str = setting("DEV_CLIENT_ID", "doorkey-dev", values.text, "Development provider: its client's id")
    dev_client_secret: Secret = setting("DEV_CLIENT_SECRET", "", Secret, "Development provider: its client's secret; random at each start when empty")
    dev_redirect_uris: tuple[str, ...] = setting("DEV_REDIRECT_URIS", "", values.endpoints, "Development provider: redirect URIs of other programs, comma separated")
    dev_users_file: str = setting("DEV_USERS_FILE", "", values.existing_file, "Development provider: TOML file with users, clients and lifetimes")
    dev_control_token: Secret = setting("DEV_CONTROL_TOKEN", "", Secret, "Development provider: bearer token that opens /dev/ to other machines; none do when empty")
    insecure_dev_provider: bool = setting("INSECURE_DEV_PROVIDER", "off", values.switch, "Let the development provider answer beyond this machine (containers)")

    @property
    def own_url(self) -> str:
        """Where people open Doorkey; in development, this machine on the port it listens on."""
        return self.public_url or values.local_url(self.host, self.port)

    @property
    def development(self) -> bool:
        """Nothing about the outside is configured: loopback, development provider, generated keys."""
        return not self.providers and not self.public_url


def rows(table: type[Any]) -> Iterator[Field[Any]]:
    """The fields of `table` that are settings."""
    return (row for row in fields(table) if "parse" in row.metadata)


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
                self.problems.append(f"{name}: {error}")
                self.failed.add(name.removeprefix(PREFIX))
                found[row.name] = row.metadata["parse"](row.metadata["default"])
        return table(**found)

    def provider(self, id: str) -> ProviderSettings:
        """The settings of one provider, its preset's values as defaults."""
        prefix = f"{PREFIX}PROVIDER_{id.upper().replace('-', '_')}_"
        preset = PRESETS.get((self.raw(prefix + "PRESET") or "").strip(), {})
        provider = self.read(ProviderSettings, prefix, preset, id=id)
        for required in ("client_id", "authorization_endpoint", "token_endpoint"):
            name = prefix + required.upper()
            if not getattr(provider, required) and name.removeprefix(PREFIX) not in self.failed:
                self.problems.append(f"{name} is missing")
        if not provider.client_secret and provider.client_auth not in ("", "none"):
            self.problems.append(f"{prefix}CLIENT_SECRET is missing; {provider.client_auth} needs it")
        if provider.userinfo == "always" and not provider.userinfo_endpoint:
            self.problems.append(f"{prefix}USERINFO_ENDPOINT is missing; USERINFO=always needs it")
        return provider

    def refuse_unknown(self) -> None:
        for name in sorted(set(self._given) - self._known):
            hint = " (is its provider listed in DOORKEY_PROVIDERS?)" if name.startswith(PREFIX + "PROVIDER_") else ""
            self.problems.append(f"{name} is not a setting{hint}")


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"


def _cross_check(settings: Settings, *, debug: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """The rules between settings: the names a rule looks at, and a sentence that says what to do."""
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
    elif not settings.secret_key and not values.is_loopback(values.host_of(settings.public_url)):
        yield ("SECRET_KEY",), 'DOORKEY_SECRET_KEY is missing: make one with  python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
    yield from _check_cookie_domain(settings)


def _check_development(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    names = ("PUBLIC_URL", "PROVIDERS", "HOST", "INSECURE_DEV_PROVIDER")
    if not values.is_loopback(settings.host) and not settings.insecure_dev_provider:
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
    elif not values.host_of(url).endswith("." + domain) and values.host_of(url) != domain:
        yield names, f"DOORKEY_COOKIE_DOMAIN: {domain} is not a parent of {values.host_of(url)}, so browsers would refuse the cookie"
