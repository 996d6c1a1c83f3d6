"""Parsers of settings that are URLs or hosts: text in, value out, `ValueError` with words for the operator.

Called by the table in settings.py, and by whoever reads a URL that somebody else wrote (oauth/metadata.py).
"""

import ipaddress
import re
from urllib.parse import parse_qsl, urlsplit

OWN_PARAMETERS = frozenset(
    [
        "client_id",
        "redirect_uri",
        "request",
        "request_uri",
        "resource",
        "response_type",
        "response_mode",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "client_secret",
    ]
)
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21\x22\x24-\x7e]+")
LONGEST_URL = 2048


def resources(value: str) -> tuple[str, ...]:
    """Absolute URIs without fragment (RFC 8707 section 2)."""
    found = tuple(dict.fromkeys(value.split()))
    for uri in found:
        if not RESOURCE.fullmatch(uri):
            raise ValueError(f"{uri!r} is not an absolute URI without fragment")
        if re.search(r",[a-z]+:", uri):
            raise ValueError("has a comma in it; separate several with spaces")
    return found


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, without port) can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def local_url(host: str, port: int) -> str:
    """The origin of a server that listens on `host`, as this machine reaches it."""
    return f"http://[{host}]:{port}" if ":" in host and is_loopback(host) else f"http://127.0.0.1:{port}"


def host_of(url: str) -> str:
    """The lower-case host of `url`, without port."""
    return urlsplit(url).hostname or ""


def endpoint(value: str) -> str:
    """An absolute https URL, or http on loopback; no fragment, no credentials."""
    if not value:
        return value
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError("contains spaces or characters that a URL cannot have")
    if len(value) > LONGEST_URL:
        raise ValueError(f"is longer than {LONGEST_URL} characters")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be an absolute URL that starts with https://")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must start with https:// (http is for this machine only)")
    if not HOST_NAME.fullmatch(host) and not _is_address(host):
        raise ValueError("has no host name that the internet knows")
    if parts.fragment or "#" in value or "@" in parts.netloc or "\\" in value:
        raise ValueError("must have no fragment, no backslash and no user name")
    return value


def authorization_endpoint(value: str) -> str:
    """An endpoint whose own query says nothing that Doorkey says (RFC 6749 section 3.1)."""
    for name, _ in parse_qsl(urlsplit(endpoint(value)).query, keep_blank_values=True):
        if name in OWN_PARAMETERS:
            raise ValueError(f"must not have {name} in its query: Doorkey sets that itself")
    return value


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def endpoints(value: str) -> tuple[str, ...]:
    return tuple(endpoint(item) for item in items(value))


def issuer(value: str) -> str:
    """Kept exactly as given, a trailing slash too (RFC 8414 section 2)."""
    if "?" in value:
        raise ValueError("must have no query")
    if "/.well-known/" in value:
        raise ValueError("must not be the address of the metadata; leave out /.well-known/ and what follows")
    return endpoint(value)


def public_url(value: str) -> str:
    """An origin: scheme, host and perhaps a port, lower case, no path."""
    parts = urlsplit(endpoint(value))
    if not value:
        return value
    if parts.path not in ("", "/") or parts.query:
        raise ValueError("must have no path: Doorkey needs a host name of its own")
    if not is_loopback(parts.hostname or "") and not HOST_NAME.fullmatch(parts.hostname or ""):
        raise ValueError("is not a host name that browsers understand (use its xn-- form)")
    default = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, default) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def domain(value: str) -> str:
    name = value.lower().removeprefix(".")
    if name and (not HOST_NAME.fullmatch(name) or "." not in name):
        raise ValueError("must be a domain such as example.com")
    return name


def host_patterns(value: str) -> tuple[str, ...]:
    patterns = tuple(item.lower() for item in items(value))
    for pattern in patterns:
        if not HOST_NAME.fullmatch(pattern.removeprefix("*.")):
            raise ValueError(f"{pattern!r} is not a host name or *.suffix")
    return patterns


def authority_patterns(value: str) -> tuple[str, ...]:
    """Host patterns, each perhaps with a port; without one the default ports are meant."""
    for item in items(value):
        if "/" in item:
            raise ValueError(f"{item!r} is not a host name: leave out https:// and what follows the name")
        port = item.rpartition(":")[2] if ":" in item else ""
        host_patterns(item.removesuffix(":" + port) if port else item)
        if port and (not re.fullmatch("[1-9][0-9]{0,4}", port, re.ASCII) or int(port) > 65535 or port in ("80", "443")):
            raise ValueError(f"{item!r} has no such port (leave out 80 and 443)")
    return tuple(item.lower() for item in items(value))


def listen_address(value: str) -> str:
    """Host and port to listen on; "" for nowhere."""
    host, _, port = value.rpartition(":")
    if value and not (host and re.fullmatch("[1-9][0-9]{0,4}", port, re.ASCII) and int(port) < 65536):
        raise ValueError("must be an address and a port such as 127.0.0.1:9001")
    return value


def proxy_url(value: str) -> str:
    if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
        raise ValueError("must be a URL such as http://proxy.example.com:3128")
    return value


def items(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())
