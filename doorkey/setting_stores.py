"""Where sessions are kept, as one setting: a file, or Redis in one of its three arrangements.

    sqlite:PATH
    redis://[user:password@]host[:port][/db]                       rediss:// with TLS
    redis+sentinel://[user:password@]host[:port],.../service[/db]  rediss+sentinel://
    redis+cluster://[user:password@]host[:port],...                rediss+cluster://

Called by the table in settings.py; factory.py and sessions/redis_servers.py read the value.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from doorkey.setting_urls import items

KINDS = {"redis": ("redis", 6379), "redis+sentinel": ("sentinel", 26379), "redis+cluster": ("cluster", 6379)}
OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "sentinel_username", "sentinel_password")
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<credentials>[^/?#]*)@)?(?P<hosts>[^/?#@]+)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_CUT = re.compile(r"[a-z+]+://[^@]*[/?#].*@.*")
"""An @ behind what ends the credentials: a password with such a character in it, read as something else."""

_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
"""What a Sentinel takes as a name."""

_HOST = re.compile(r"(?:\[(?P<address>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, kw_only=True)
class StoreAddress:
    """`kind` is sqlite, redis, sentinel or cluster. `str()` shows no password; `options` may hold one too."""

    kind: str
    path: str = ""
    hosts: tuple[tuple[str, int], ...] = ()
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    service: str = ""
    database: int = 0
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def option(self, name: str) -> str:
        """One of `OPTIONS`; "" when it is not given."""
        return dict(self.options).get(name, "")

    def __str__(self) -> str:
        if self.kind == "sqlite":
            return f"sqlite:{self.path}"
        scheme = ("rediss" if self.tls else "redis") + ("" if self.kind == "redis" else f"+{self.kind}")
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return (
            f"{scheme}://{hosts}"
            + (f"/{self.service}" if self.service else "")
            + (f"/{self.database}" if self.database else "")
        )


def session_store(value: str) -> StoreAddress:
    """Read one address. Raises `ValueError` with words that never repeat a password."""
    if "\0" in value:
        raise ValueError("contains characters that cannot be printed")
    if value.startswith("sqlite:"):
        return StoreAddress(kind="sqlite", path=value.removeprefix("sqlite:"))
    if _CUT.fullmatch(value):
        raise ValueError("has an @ after a /, ? or #; in a password these are written %40, %2F, %3F and %23")
    match = _URL.fullmatch(value)
    scheme = match["scheme"] if match else ""
    plain = scheme.replace("rediss", "redis", 1)
    if not match or plain not in KINDS:
        raise ValueError("must be sqlite:PATH, redis://, redis+sentinel:// or redis+cluster:// (rediss for TLS)")
    kind, default_port = KINDS[plain]
    username, password = _credentials(match["credentials"])
    service, database = _path(kind, [part for part in (match["path"] or "").split("/") if part])
    hosts = tuple(_host(item, default_port) for item in items(match["hosts"]))
    if not hosts:
        raise ValueError("names no host")
    if kind == "redis" and len(hosts) != 1:
        raise ValueError("names several hosts; that is redis+sentinel:// or redis+cluster://")
    tls = scheme.startswith("rediss")
    return StoreAddress(
        kind=kind,
        hosts=hosts,
        tls=tls,
        username=username,
        password=password,
        service=service,
        database=database,
        options=_options(match["query"] or "", kind, tls=tls),
    )


def _credentials(given: str | None) -> tuple[str, str]:
    """`user:password`; a single word is the password, as Redis itself reads it in old URLs only with the colon."""
    if not given:
        return "", ""
    username, colon, password = given.partition(":")
    if not colon:
        raise ValueError("has a user without password; write user:password@ or :password@")
    return unquote(username), unquote(password)


def _host(given: str, default_port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(given)
    port = int(match["port"] or default_port) if match else 0
    if not match or not 0 < port < 65536:
        raise ValueError("has a host that is neither a name nor an address with a port")
    return match["address"] or match["name"], port


def _path(kind: str, parts: list[str]) -> tuple[str, int]:
    """Service and number of the database."""
    service = ""
    if kind == "sentinel":
        if not parts:
            raise ValueError("lacks the name of the service: redis+sentinel://host:26379/mymaster")
        service = parts.pop(0)
        if not _SERVICE.fullmatch(service):
            raise ValueError("has a service with other characters than letters, digits, . _ and -")
    if len(parts) > (0 if kind == "cluster" else 1) or not all(re.fullmatch("[0-9]{1,4}", part) for part in parts):
        raise ValueError("must end after the host, or with the number of a database (a Cluster has none)")
    return service, int(parts[0]) if parts else 0


def _options(query: str, kind: str, *, tls: bool) -> tuple[tuple[str, str], ...]:
    """By hand: `+` is a part of a password here, and a name that is none may be one too."""
    parts = [part.partition("=") for part in query.split("&") if part]
    pairs = tuple((name, unquote(text)) for name, _, text in parts)
    for name, text in pairs:
        if name not in OPTIONS:
            raise ValueError(f"has an option that is none of {', '.join(OPTIONS)} (write & as %26 inside a password)")
        if name in FILES and not tls:
            raise ValueError(f"has {name}, which is for rediss only: the connection would not be encrypted")
        if name not in FILES and kind != "sentinel":
            raise ValueError(f"has {name}, which is for redis+sentinel only")
        if name in FILES and not Path(text).is_file():
            raise ValueError(f"{name}: there is no file {text}")
    return pairs
