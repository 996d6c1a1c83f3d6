"""What oauth2-proxy says of its own address, hosts, sessions and API clients, as settings: `move_front(move)`.

Called by import_oauth2_proxy.py after the provider, calls oauth2_proxy_move.py. Its session stores become
addresses as setting_stores.py reads them.
"""

import re
from urllib.parse import quote

from doorkey.cli.oauth2_proxy_move import Move, split
from doorkey.setting_urls import authority_patterns

LONGEST_SESSION = 366 * 86400
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|ms|us|µs|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_ADDRESS = re.compile(r"(?:https?://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^:/\[\]]*):(?P<port>\d+)/?", re.IGNORECASE)


def move_front(move: Move) -> None:
    host = _move_address(move)
    _move_hosts(move, host)
    _move_life(move)
    _move_store(move)
    _move_bearer(move)
    if move.is_on("set_xauthrequest"):
        move.put("set_xauthrequest", "GATE_HEADERS", "oauth2-proxy")
    if (move.text("proxy_prefix") or "/oauth2") == "/oauth2":
        move.put("proxy_prefix", "OAUTH2_PROXY_PATHS", "on")
    else:
        move.leave(
            "proxy_prefix", "only /oauth2 is answered: change the paths in the proxy's configuration", loudly=True
        )
    networks = move.items("trusted_proxy_ips")
    if networks:
        move.put("trusted_proxy_ips", "TRUSTED_PROXIES", ",".join(networks))


def _move_address(move: Move) -> str:
    """The host that people open; "" when it is not known."""
    parts = split(move.text("redirect_url"))
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    if not origin:
        move.leave("redirect_url", "it has no host", loudly=True)
    if not origin or not move.put("redirect_url", "PUBLIC_URL", origin):
        move.tasks.append(
            "Set DOORKEY_PUBLIC_URL to the address that people open Doorkey at: it could not be found out."
        )
        origin = ""
    listen = _ADDRESS.fullmatch(move.text("http_address"))
    if listen:
        move.put("http_address", "HOST", listen["host"].strip("[]") or "0.0.0.0")  # noqa: S104 - it was so before
        if move.put("http_address", "PORT", listen["port"]):
            move.done("http_address", "DOORKEY_HOST and DOORKEY_PORT")
    else:
        move.leave("http_address", "Doorkey listens on an address and a port: DOORKEY_HOST, DOORKEY_PORT")
    return (parts.hostname or "").lower() if origin else ""


def _move_hosts(move: Move, host: str) -> None:
    """The gate guards no other hosts than these."""
    allowed: list[str] = [host] if host else []
    odd = []
    for written in move.items("whitelist_domains"):
        pattern = "*" + written if written.startswith(".") else written
        try:
            allowed += authority_patterns(pattern)
        except ValueError:
            odd.append(written)
    if allowed:
        move.put("whitelist_domains", "ALLOWED_HOSTS", ",".join(dict.fromkeys(allowed)))
    if odd:
        move.leave("whitelist_domains", f"not as DOORKEY_ALLOWED_HOSTS can say it: {', '.join(odd)}", loudly=True)
    if not move.items("whitelist_domains"):
        move.tasks.append("Name every host behind the gate in DOORKEY_ALLOWED_HOSTS: others are refused.")
    domains = [one.lower().removeprefix(".") for one in move.items("cookie_domains")]
    fitting = [one for one in domains if host == one or host.endswith("." + one)]
    if fitting:
        move.put("cookie_domains", "COOKIE_DOMAIN", max(fitting, key=len))
    if len(fitting) != len(domains) or len(fitting) > 1:
        move.leave(
            "cookie_domains",
            "one domain, which Doorkey's own host is in; hosts elsewhere get their cookie from /.doorkey/accept",
            loudly=True,
        )


def _move_life(move: Move) -> None:
    if "cookie_expire" not in move.given:
        move.tasks.append(
            "Sessions end after 12 hours, or 60 minutes without a request; oauth2-proxy kept them for 7 days."
        )
        return
    seconds = seconds_of(move.text("cookie_expire"))
    if seconds is None or not 1 <= seconds <= LONGEST_SESSION:
        move.leave("cookie_expire", "no time from one second to 366 days; sessions end after 12 hours", loudly=True)
        return
    text = _as_duration(seconds)
    if move.put("cookie_expire", "SESSION_ABSOLUTE", text) and move.put("cookie_expire", "SESSION_IDLE", text):
        move.done("cookie_expire", f"DOORKEY_SESSION_ABSOLUTE and DOORKEY_SESSION_IDLE, {text} each, as before")


def seconds_of(duration: str) -> int | None:
    """Of `168h0m0s`, or nanoseconds as a bare number; None when it is no duration."""
    if duration.isdecimal():
        return int(duration) // 1_000_000_000
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return int(sum(float(number) * _UNITS.get(unit, 0.0) for number, unit in parts))


def _as_duration(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


REDIS = (
    "redis_connection_url",
    "redis_username",
    "redis_password",
    "redis_use_sentinel",
    "redis_sentinel_password",
    "redis_sentinel_master_name",
    "redis_sentinel_connection_urls",
    "redis_use_cluster",
    "redis_cluster_connection_urls",
    "redis_ca_path",
)


def _move_store(move: Move) -> None:
    if move.text("session_store_type") != "redis":
        move.done("session_store_type", "a file in the instance folder: nothing but an id stands in a cookie")
        return
    address = _redis_address(move)
    if not address:
        move.leave("session_store_type", "no address of a Redis server was given; sessions go into a file", loudly=True)
    elif move.put("session_store_type", "SESSION_STORE", address):
        for option in REDIS:
            move.done(option, "DOORKEY_SESSION_STORE")


def _redis_address(move: Move) -> str:
    if move.is_on("redis_use_sentinel"):
        kind, urls = "+sentinel", move.items("redis_sentinel_connection_urls")
    elif move.is_on("redis_use_cluster"):
        kind, urls = "+cluster", move.items("redis_cluster_connection_urls")
    else:
        kind, urls = "", tuple(filter(None, [move.text("redis_connection_url")]))
    found = [split(url if "://" in url else f"redis://{url}") for url in urls]
    if not found:
        return ""
    first = found[0]
    hosts = ",".join(one.netloc.rpartition("@")[2] for one in found)
    tls = "rediss" if first.scheme == "rediss" else "redis"
    service = f"/{move.text('redis_sentinel_master_name')}" if kind == "+sentinel" else ""
    database = first.path.rstrip("/") if kind != "+cluster" else ""
    options = {"ssl_ca_certs": move.text("redis_ca_path"), "sentinel_password": move.text("redis_sentinel_password")}
    query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in options.items() if value)
    return f"{tls}{kind}://{_credentials(move, first.netloc)}{hosts}{service}{database}" + (
        f"?{query}" if query else ""
    )


def _credentials(move: Move, netloc: str) -> str:
    """The password of its own option wins. What stands in a URL is encoded already."""
    given = netloc.rpartition("@")[0]
    user, colon, password = given.partition(":")
    user = quote(move.text("redis_username"), safe="") or user
    password = quote(move.text("redis_password"), safe="") or password
    return f"{user}:{password}@" if user or password or colon else ""


def _move_bearer(move: Move) -> None:
    """One issuer whose tokens have an audience of their own: ID tokens, which name the client, open nothing."""
    if not move.is_on("skip_jwt_bearer_tokens"):
        move.done("extra_jwt_issuers", "no use without skip_jwt_bearer_tokens")
        return
    pairs = [pair.rpartition("=") for pair in move.items("extra_jwt_issuers")]
    usable = [(issuer, audience) for issuer, _, audience in pairs if audience and audience != move.text("client_id")]
    why = "tokens for the client id are not taken, ID tokens have it too; set DOORKEY_BEARER_ISSUER and an audience"
    if not usable:
        for option in ("skip_jwt_bearer_tokens", "extra_jwt_issuers"):
            move.leave(option, why, loudly=True)
    elif move.put("extra_jwt_issuers", "BEARER_ISSUER", usable[0][0]):
        move.put("extra_jwt_issuers", "BEARER_AUDIENCE", usable[0][1])
        move.done("skip_jwt_bearer_tokens", "DOORKEY_BEARER_ISSUER and DOORKEY_BEARER_AUDIENCE")
        if len(pairs) > 1:
            move.leave("extra_jwt_issuers", "only the first with an audience of its own", loudly=True)
