"""What a reverse proxy says that a visitor asked for: one dialect for each kind of proxy, never guessed.

    nginx     X-Original-Method, X-Original-URL
    forward   X-Forwarded-Method, -Proto, -Host, -Uri
    envoy     the request's own method, Host, X-Forwarded-Proto, and the path behind /check/envoy

and, for those who move over from oauth2-proxy, whatever of these its proxies send (oauth2_proxy_dialect.py).

A dialect reads its own headers only: those of the others come straight from the visitor. A header that is there
twice, or with two values joined, was written by two parties; which of them is the proxy nobody can tell.

Called by checkpoint.py; calls nothing but request_path.py.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

import msgspec

from doorkey.gate.request_path import Path, read_path

RawHeaders = Sequence[tuple[bytes, bytes]]

LONGEST_METHOD = 32
LONGEST_TARGET = 8190
REMEMBERED = 2048
LONGEST_REMEMBERED = 200
"""Sites and paths that are asked for often are read once; a long path may have readings that take much memory."""

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\]"
_AUTHORITY = re.compile(rf"({_HOST})\.?(?::([1-9][0-9]{{0,4}}))?", re.IGNORECASE | re.ASCII)
_URL = re.compile(r"([A-Za-z]{2,5})://([^/?#]*)(/.*)", re.DOTALL)
_NOT_WANTED = re.compile(r"q=0(?:\.0*)?")
_NO_TARGET = re.compile(r"[\x00-\x20\x7f]")
_JOINED = re.compile(r",(?:/|(?:https?|wss?)://)", re.IGNORECASE)
"""In a path, two values that were joined. In a query it may be, and is not taken for plain."""

_SAFE_IN_URL = "".join(set(map(chr, range(0x21, 0x7F))) - set('"#<>\\'))
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
DEFAULT_PORTS = {"http": 80, "https": 443}


class OddRequest(Exception):
    """The proxy did not say, or not clearly, what was asked for: a mistake in its configuration, or an attack."""


class Headers:
    """The headers of a request to the gate by lower-case name, as they came: underscores are not hyphens."""

    def __init__(self, raw: RawHeaders):
        self._values: dict[bytes, bytes | None] = dict(raw)
        if len(self._values) != len(raw):
            self._values = _once_each(raw)

    def get(self, name: bytes) -> str:
        """ "" when it is absent. Raises `OddRequest` when it is there more than once."""
        value = self._values.get(name, b"")
        if value is None:
            raise OddRequest(f"{name.decode()} is there more than once")
        return value.decode("latin-1")

    def has(self, name: bytes) -> bool:
        return name in self._values

    def any(self, name: bytes) -> str:
        """As `get()`, and "" too when it is there more than once: for what the visitor may send as they like."""
        return (self._values.get(name) or b"").decode("latin-1")

    def one(self, name: bytes) -> str:
        """One value that must be there. Raises `OddRequest`."""
        value = self.get(name).strip()
        if not value or "," in value:
            raise OddRequest(f"{name.decode()} " + ("has several values" if value else "is missing"))
        return value


def _once_each(raw: RawHeaders) -> dict[bytes, bytes | None]:
    """None for what is there more than once."""
    values: dict[bytes, bytes | None] = {}
    for name, value in raw:
        if name == b"cookie" and name in values:  # HTTP/2 sends it in pieces (RFC 9113 section 8.2.3)
            values[name] = b"; ".join((values[name] or b"", value))
        else:
            values[name] = None if name in values else value
    return values


class Original(msgspec.Struct, frozen=True):
    """What the visitor asked for. `authority` has the port when it is not the scheme's own.

    `is_plain`: method and path are written as everybody writes them; what is not never matches a rule that lets
    everybody in. `also` are other hosts that may be meant; `knows_path` and `knows_method` are false where the proxy
    did not tell them. `told_method` is the method as it came.
    """

    method: str
    scheme: str
    host: str
    authority: str
    target: str
    path: Path
    is_plain: bool
    told_method: str
    headers: Headers
    also: tuple[str, ...] = ()
    knows_path: bool = True
    knows_method: bool = True

    @property
    def wants_page(self) -> bool:
        """Whether a browser is going somewhere; anything else gets no redirect."""
        return wants_page(self.told_method, self.headers)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """To send a browser back to: every byte as it came, and escaped where a URL cannot hold it."""
        return self.origin + quote(self.target.encode("latin-1"), safe=_SAFE_IN_URL)


def original(method: str, scheme: str, authority: str, target: str, headers: Headers) -> Original:
    """From what a dialect read. Raises `OddRequest` for what no server asks for."""
    known, host, authority = _site(scheme, authority)
    upper = _method(method)
    raw_path, _, query = target.partition("?")
    if len(target) > LONGEST_TARGET or _NO_TARGET.search(query):
        raise OddRequest("no address that a server could have been asked for")
    path = (_path if len(raw_path) <= LONGEST_REMEMBERED else _path.__wrapped__)(raw_path)
    return Original(
        method=upper,
        scheme=known,
        host=host,
        authority=authority,
        target=target,
        path=path,
        told_method=method,
        headers=headers,
        is_plain=path.is_canonical and method == upper and "#" not in target and not _is_joined(query),
    )


def _is_joined(text: str) -> bool:
    return "," in text and bool(_JOINED.search(text))


@lru_cache(maxsize=64)
def _method(method: str) -> str:
    """As rules name it. Raises `OddRequest`."""
    if len(method) > LONGEST_METHOD or not _METHOD.fullmatch(method):
        raise OddRequest("no method")
    return method.upper()


@lru_cache(maxsize=REMEMBERED)
def _path(raw: str) -> Path:
    """Raises `OddRequest`."""
    if not raw.startswith("/") or _NO_TARGET.search(raw):
        raise OddRequest("no path that a server could have been asked for")
    if _is_joined(raw):
        raise OddRequest("two values were joined")
    path = read_path(raw.encode("latin-1"))
    if not path.readings:
        raise OddRequest("the path is too long, or can be read in too many ways")
    return path


@lru_cache(maxsize=REMEMBERED)
def _site(scheme: str, authority: str) -> tuple[str, str, str]:
    """Scheme, host, and authority (with the port when it is not the scheme's own). Raises `OddRequest`."""
    known = SCHEMES.get(scheme.lower())
    match = _AUTHORITY.fullmatch(authority)
    if not known or not match or int(match[2] or 1) > 65535 or len(match[1]) > 253:
        raise OddRequest("no scheme and host that a browser could have asked for")
    host, port = match[1].lower(), match[2]
    return known, host, host if port is None or int(port) == DEFAULT_PORTS[known] else f"{host}:{port}"


def wants_page(method: str, headers: Headers) -> bool:
    """Whether a browser goes somewhere, and is not a script or a program that could do nothing with a redirect."""
    kind = headers.any(b"content-type").partition(";")[0].strip().lower()
    is_form = method == "POST" and kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
    if method not in ("GET", "HEAD") and not is_form:
        return False
    if headers.any(b"upgrade").lower() == "websocket" or headers.any(b"x-requested-with").lower() == "xmlhttprequest":
        return False
    mode = headers.any(b"sec-fetch-mode").lower()
    if mode:
        return mode == "navigate" and headers.any(b"sec-fetch-dest").lower() == "document"
    return not headers.has(b"authorization") and any(map(_is_html, headers.any(b"accept").lower().split(",")))


def _is_html(media_range: str) -> bool:
    """RFC 9110 section 12.5.1: a range with a quality of nothing is one that is not wanted."""
    kind, *parameters = (part.strip() for part in media_range.split(";"))
    return kind == "text/html" and not any(map(_NOT_WANTED.fullmatch, parameters))


def from_nginx(method: str, rest: bytes, query: bytes, headers: Headers) -> Original:
    match = _URL.fullmatch(headers.get(b"x-original-url").strip())
    if not match:
        raise OddRequest("x-original-url is no URL")
    return original(headers.one(b"x-original-method"), match[1], match[2], match[3], headers)


def from_forward(method: str, rest: bytes, query: bytes, headers: Headers) -> Original:
    names = (b"x-forwarded-method", b"x-forwarded-proto", b"x-forwarded-host")
    asked, scheme, authority = (headers.one(name) for name in names)
    return original(asked, scheme, authority, headers.get(b"x-forwarded-uri").strip(), headers)


def from_envoy(method: str, rest: bytes, query: bytes, headers: Headers) -> Original:
    target = (rest + (b"?" + query if query else b"")).decode("latin-1")
    return original(method, headers.one(b"x-forwarded-proto"), headers.one(b"host"), target, headers)


@dataclass(frozen=True)
class Dialect:
    """`read` makes an `Original` of method, path behind the dialect, query and headers.

    `redirects`: the proxy hands on any answer, so a browser is sent away by 302; otherwise 401 with a Location asks
    the proxy to do that, unless `sends_away` is false and it knows by itself. `odd_status`: for what makes no sense.
    """

    name: str
    read: Callable[[str, bytes, bytes, Headers], Original]
    redirects: bool = True
    odd_status: int = 400
    has_path_behind: bool = False
    sends_away: bool = True


NGINX = Dialect("nginx", from_nginx, redirects=False, odd_status=403)
FORWARD = Dialect("forward", from_forward)
ENVOY = Dialect("envoy", from_envoy, has_path_behind=True)
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (NGINX, FORWARD, ENVOY)}
