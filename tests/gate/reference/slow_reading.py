"""What was asked for, by the word of the proxy, and what the visitor came with.

`read_request()` first, then `read_credentials()`; headers are a list of pairs, as they came.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from doorkey.gate.request_path import read_path
from doorkey.sessions.seal import Keyring

Raw = list[tuple[bytes, bytes]]

PORTS = {"http": 80, "https": 443}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
TOKEN_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+.^_`|~-"
HOST_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Odd(Exception):
    """The proxy did not say clearly what was asked for."""


@dataclass(frozen=True)
class Site:
    """What is configured, as far as it matters for reading a request."""

    own_url: str
    own_host: str
    cookie_domain: str
    keyring: Keyring

    @property
    def is_secure(self) -> bool:
        return self.own_url.startswith("https://")


@dataclass(frozen=True)
class Asked:
    """`method` in capitals; `readings` of the path; `also`: other hosts that may be meant."""

    method: str
    scheme: str
    host: str
    authority: str
    target: str
    readings: tuple[str, ...]
    is_plain: bool
    is_page: bool
    also: tuple[str, ...] = ()
    knows_path: bool = True
    knows_method: bool = True

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True)
class Credentials:
    gate_secret: bytes | None
    bearer: str
    seen: str


# ---- headers ----


def values_of(headers: Raw, name: str) -> list[str]:
    """Every value of a header; one Cookie header, however many pieces it came in."""
    found = [value.decode("latin-1") for given, value in headers if given == name.encode()]
    return ["; ".join(found)] if name == "cookie" and found else found


def has(headers: Raw, name: str) -> bool:
    return values_of(headers, name) != []


def from_proxy(headers: Raw, name: str) -> str:
    """ "" when it is not there. Two of them were written by two parties."""
    found = values_of(headers, name)
    if len(found) > 1:
        raise Odd(f"{name} twice")
    return found[0].strip() if found else ""


def needed(headers: Raw, name: str) -> str:
    value = from_proxy(headers, name)
    if value == "" or "," in value:
        raise Odd(f"{name} is not one value")
    return value


def from_visitor(headers: Raw, name: str) -> str:
    """A visitor may send what they like; two values are none."""
    found = values_of(headers, name)
    return found[0] if len(found) == 1 else ""


# ---- what was asked for ----


def read_request(dialect: str, method: str, rest: str, query: str, headers: Raw) -> Asked:
    """By the headers of this dialect alone. Raises `Odd`."""
    if dialect == "nginx":
        return from_original_url(headers)
    if dialect == "forward":
        return asked(
            needed(headers, "x-forwarded-method"),
            needed(headers, "x-forwarded-proto"),
            needed(headers, "x-forwarded-host"),
            from_proxy(headers, "x-forwarded-uri"),
            headers,
        )
    if dialect == "envoy":
        target = rest + "?" + query if query else rest
        return asked(method, needed(headers, "x-forwarded-proto"), needed(headers, "host"), target, headers)
    return replace(for_oauth2_proxy(headers), is_plain=False)


def from_original_url(headers: Raw) -> Asked:
    url = from_proxy(headers, "x-original-url")
    scheme, separator, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if not separator:
        raise Odd("no URL")
    return asked(needed(headers, "x-original-method"), scheme, authority, rest[len(authority) :], headers)


def for_oauth2_proxy(headers: Raw) -> Asked:
    """X-Original-URL, or X-Forwarded-*, or Host: whatever is there, but never those of two kinds of proxies."""
    knows_method, knows_path = has(headers, "x-forwarded-method"), has(headers, "x-forwarded-uri")
    if has(headers, "x-original-url"):
        if knows_method or knows_path:
            raise Odd("two kinds of proxies")
        return from_original_url(headers)
    if has(headers, "x-original-method"):
        raise Odd("half of one kind")
    method = needed(headers, "x-forwarded-method") if knows_method else "GET"
    scheme = needed(headers, "x-forwarded-proto") if has(headers, "x-forwarded-proto") else "https"
    target = from_proxy(headers, "x-forwarded-uri") if knows_path else "/"
    by_host = asked(method, scheme, needed(headers, "host"), target, headers)
    meant = by_host
    if has(headers, "x-forwarded-host") and knows_method:
        meant = asked(method, scheme, needed(headers, "x-forwarded-host"), target, headers)
    also = () if by_host.authority == meant.authority else (by_host.authority,)
    return replace(meant, also=also, knows_path=knows_path, knows_method=knows_method)


def asked(method: str, scheme: str, authority: str, target: str, headers: Raw) -> Asked:
    """From what a dialect read. Raises `Odd` for what no server asks for."""
    scheme = {"http": "http", "https": "https", "ws": "http", "wss": "https"}.get(scheme.lower(), "")
    host, port = host_and_port(authority)
    if scheme == "" or host == "":
        raise Odd("no scheme and host")
    if not 1 <= len(method) <= 32 or not all(character in TOKEN_CHARACTERS for character in method):
        raise Odd("no method")
    if not target.startswith("/") or len(target) > 8190 or any(c <= " " or c == "\x7f" for c in target):
        raise Odd("no target")
    raw_path, _, query = target.partition("?")
    if are_joined(raw_path):
        raise Odd("two values joined")
    path = read_path(raw_path.encode("latin-1"))
    if path.readings == ():
        raise Odd("too many readings")
    is_plain = path.is_canonical and method == method.upper() and "#" not in target and not are_joined(query)
    return Asked(
        method=method.upper(),
        scheme=scheme,
        host=host,
        authority=host if port in (None, PORTS[scheme]) else f"{host}:{port}",
        target=target,
        readings=path.readings,
        is_plain=is_plain,
        is_page=is_page(method, headers),
    )


def host_and_port(authority: str) -> tuple[str, int | None]:
    """In small letters, without a dot at the end; ("", None) for what is none."""
    nothing = "", None
    host, port = authority.lower(), None
    if not authority.isascii():
        return nothing
    if ":" in host.rpartition("]")[2]:
        host, _, digits = host.rpartition(":")
        if not digits.isdigit() or digits.startswith("0") or not int(digits) <= 65535:
            return nothing
        port = int(digits)
    host = host.removesuffix(".")
    if host.startswith("["):
        is_host = host.endswith("]") and len(host) > 2 and all(c in "0123456789abcdef:." for c in host[1:-1])
    else:
        is_host = all(label and all(c in HOST_CHARACTERS for c in label) for label in host.split("."))
    return (host, port) if is_host and len(host) <= 253 else nothing


def are_joined(text: str) -> bool:
    """`/a,/b` or `/a,https://b`: a hop put its value behind the one that was there."""
    lower = text.lower()
    return any(f",{start}" in lower for start in ("/", "http://", "https://", "ws://", "wss://"))


def is_page(method: str, headers: Raw) -> bool:
    """Whether a browser goes to a page, and can do something with a redirect."""
    kind = from_visitor(headers, "content-type").partition(";")[0].strip().lower()
    if method not in ("GET", "HEAD") and not (method == "POST" and kind in FORMS):
        return False
    if from_visitor(headers, "upgrade").lower() == "websocket":
        return False
    if from_visitor(headers, "x-requested-with").lower() == "xmlhttprequest":
        return False
    mode = from_visitor(headers, "sec-fetch-mode").lower()
    if mode != "":
        return mode == "navigate" and from_visitor(headers, "sec-fetch-dest").lower() == "document"
    return not has(headers, "authorization") and asks_for_html(from_visitor(headers, "accept"))


def asks_for_html(accept: str) -> bool:
    for one in accept.lower().split(","):
        kind, *parameters = [part.strip() for part in one.split(";")]
        if kind == "text/html" and not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters):
            return True
    return False


# ---- what the visitor came with ----


def read_credentials(site: Site, headers: Raw, host: str) -> Credentials:
    """The cookie that is good at this host, and a bearer token."""
    cookies = from_visitor(headers, "cookie")
    name = cookie_name(site, host)
    values = []
    for part in cookies.split(";"):
        given, equals, value = part.strip().partition("=")
        if equals and given == name:
            values.append(value)
    seen = "none" if not cookies else "others" if not values else "unknown" if len(values) == 1 else "several"
    secret = gate_secret(site, name, values[0], host) if len(values) == 1 else None
    scheme, _, token = from_visitor(headers, "authorization").partition(" ")
    return Credentials(secret, token.strip() if scheme.lower() == "bearer" else "", seen)


def cookie_name(site: Site, host: str) -> str:
    prefix = "__Host-" if site.is_secure else ""
    if site.cookie_domain:
        is_inside = host == site.cookie_domain or host.endswith("." + site.cookie_domain)
        return "__Secure-doorkey-gate" if is_inside else prefix + "doorkey-gate"
    return prefix + "doorkey" if host == site.own_host else prefix + "doorkey-gate"


def gate_secret(site: Site, name: str, value: str, host: str) -> bytes | None:
    """The domain cookie is the gate secret; the cookie of Doorkey's own pages leads to it; others are sealed."""
    content = from_base64url(value)
    if content is None:
        return None
    if name == "__Secure-doorkey-gate":
        return content if len(content) == 32 else None
    if name.endswith("doorkey"):
        return hmac.new(content, b"doorkey gate", hashlib.sha256).digest() if len(content) == 32 else None
    return site.keyring.open(content, purpose="gate cookie", bound_to=host.encode())


def from_base64url(text: str) -> bytes | None:
    """None unless it is written as we write it: no padding, no bits left over."""
    try:
        content = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        return None
    return content if base64.urlsafe_b64encode(content).rstrip(b"=") == text.encode() and content else None


def demands(query: str) -> list[dict[str, list[str]]]:
    """What the address of the check asks for besides the rules."""
    names = {"allowed_groups": "groups", "allowed_emails": "emails", "allowed_email_domains": "domains"}
    found = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in names:
            wanted = [part.strip() for part in value.split(",") if part.strip()]
            found.append({names[name]: wanted})
    return found
