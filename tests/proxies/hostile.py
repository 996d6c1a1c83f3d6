"""Requests made to get around a check: over a hundred, by kind. None may reach the app as anybody.

Each is the bytes of a request, with the headers of whoever sends it (nobody, or somebody signed in) at its place.
`/smuggled` stands in what a proxy must never take for a request of its own; `evil` in what must never be believed.
"""

from collections.abc import Callable, Iterator

from tests.proxies.raw_client import request

Pairs = list[tuple[str, str]]
Raw = Callable[[Pairs], bytes]
"""The bytes of a request by whoever has these headers."""

IDENTITY_NAMES = ("User", "Email", "Name", "Groups", "Provider", "Session", "Assertion", "Access-Token")
BROKEN_BODIES = ("bad chunk", "chunk extension")
OAUTH2_PROXY_NAMES = ("User", "Email", "Preferred-Username", "Groups", "Access-Token")
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\nX-Doorkey-User: evil\r\n\r\n"


def with_headers(*pairs: tuple[str, str], method: str = "GET", target: str = "/", host: str = "app.example.com") -> Raw:
    return lambda who: request(method, target, [*who, *pairs], host=host)


def lines(*after_host: str, first: str = "GET / HTTP/1.1", host: str = "Host: app.example.com", body: str = "") -> Raw:
    """A request whose lines are no proper headers."""

    def raw(who: Pairs) -> bytes:
        own = [f"{name}: {value}" for name, value in who]
        return "\r\n".join([line for line in (first, host, *own, *after_host) if line] + ["", body]).encode("latin-1")

    return raw


def _identity() -> Iterator[tuple[str, Raw]]:
    names = [f"X-Doorkey-{name}" for name in IDENTITY_NAMES] + [f"X-Auth-Request-{name}" for name in OAUTH2_PROXY_NAMES]
    for name in names:
        yield name, with_headers((name, "evil"))
        yield f"{name} with _", with_headers((name.replace("-", "_"), "evil"))
    for name in ("x-doorkey-user", "X-DOORKEY-USER", "X-Doorkey_User", "X_Doorkey-User", "x_doorkey_groups"):
        yield name, with_headers((name, "evil"))
    yield "twice", with_headers(("X-Doorkey-User", "evil"), ("X-Doorkey-User", "evil"))
    yield "every one", with_headers(*((name, "evil") for name in names))


def _steering() -> Iterator[tuple[str, Raw]]:
    """Headers that belong between a proxy and Doorkey."""
    for name, value in (
        ("X-Original-URL", "https://app.example.com/public"),
        ("X-Original-Method", "OPTIONS"),
        ("X-Original-URI", "/public"),
        ("X-Rewrite-URL", "/public"),
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Forwarded-Host", "login.example.com"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Prefix", "/.doorkey/accept"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X_Forwarded_Uri", "/public"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;host=login.example.com;proto=https"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("X-Doorkey-Proxy-Secret", "evil"),
        ("SCRIPT_NAME", "/.doorkey/accept"),
        ("User-Agent", "kube-probe/1.30"),
        ("Authorization", "Basic YWxpY2U6YWxpY2U="),
    ):
        yield f"{name}: {value}", with_headers((name, value))
    yield (
        "twice",
        with_headers(("X-Original-URL", "https://evil.example/"), ("X-Original-URL", "https://evil.example/")),
    )
    yield "query", with_headers(target="/?X-Original-URL=/public&allow=anyone&policy=open")


def _connection() -> Iterator[tuple[str, Raw]]:
    """Naming headers that the next hop is not to get."""
    for named in ("X-Doorkey-User", "X-Doorkey-Groups", "Cookie", "X-Original-URL", "X-Forwarded-Uri", "Host"):
        yield named, with_headers(("Connection", f"close, {named}"))
        yield f"keep-alive, {named}", with_headers(("Connection", f"keep-alive, {named.lower()}"))
    yield "upgrade", with_headers(("Connection", "Upgrade, X-Doorkey-User"), ("Upgrade", "websocket"))
    yield (
        "h2c",
        with_headers(("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")),
    )
    yield "te", with_headers(("Connection", "TE, X-Doorkey-User"), ("TE", "trailers"))


def _paths() -> Iterator[tuple[str, Raw]]:
    for target in (
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/%2E%2E%2Fadmin",
        "//admin",
        "/./admin",
        "/admin;/public",
        "/admin%00/public",
        "/admin%0d%0aX-Doorkey-User:%20evil",
        "/admin#/public",
        "/admin\\public",
        "/admin%5cpublic",
        "/%61dmin",
        "/admin/\xff\xfe",
        "/admin%ff",
        "/.doorkey/check",
        "/.doorkey/check?x",
        "/_doorkey/check",
        "/.doorkey/unavailable/../../admin",
        "/.doorkey/accept/../admin",
        "/.doorkey/accept/../../admin",
        "/.doorkey/accept%2f..%2fadmin",
        "/.doorkey/accept;/admin",
        "/.doorkey//accept/../admin",
        "/.doorkey/acceptx",
        "/.doorkey/accept/",
        "/" + "a" * 6000,
    ):
        yield target[:40], with_headers(target=target)
    yield "star", with_headers(method="OPTIONS", target="*")
    yield "absolute", with_headers(target="https://app.example.com/admin")
    yield "no slash", with_headers(target="admin")


def _methods() -> Iterator[tuple[str, Raw]]:
    for method in (
        "OPTIONS",
        "HEAD",
        "TRACE",
        "PROPFIND",
        "get",
        "GeT",
        "PURGE",
        "PRI",
        "M-SEARCH",
        "A" * 300,
        "G\tET",
    ):
        yield method[:20], with_headers(method=method)
    yield "CONNECT", with_headers(method="CONNECT", target="app.example.com:443")
    yield (
        "preflight",
        with_headers(("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET"), method="OPTIONS"),
    )


def _hosts() -> Iterator[tuple[str, Raw]]:
    for host in ("login.example.com", "other.example.com", "evil.example", "app.example.com.", "APP.example.com"):
        yield host, with_headers(host=host)
    for host in ("app.example.com:1", "app.example.com@evil.example", "app.example.com, evil.example", "127.0.0.1"):
        yield host, with_headers(host=host)
    yield "two", with_headers(("Host", "login.example.com"))
    yield "none", with_headers(host="")
    yield "empty", lines(host="Host:")
    yield "absolute, another", with_headers(target="https://login.example.com/admin")
    yield "absolute, from another", with_headers(target="https://app.example.com/", host="login.example.com")


def _framing() -> Iterator[tuple[str, Raw]]:
    """Where one request ends and the next begins."""
    post = "POST / HTTP/1.1"
    length = f"Content-Length: {len(SMUGGLED) + 5}"
    chunked = "Transfer-Encoding: chunked"
    ended = "0\r\n\r\n" + SMUGGLED
    yield "length and chunked", lines(length, chunked, first=post, body=ended)
    yield "chunked and length", lines(chunked, length, first=post, body=ended)
    for odd in (
        "xchunked",
        "chunked, identity",
        "identity, chunked",
        "\x0bchunked",
        "chunked\x00",
        '"chunked"',
        "gzip",
    ):
        yield f"coding {odd!r}", lines(length, f"Transfer-Encoding: {odd}", first=post, body=ended)
    yield "space before colon", lines(length, "Transfer-Encoding : chunked", first=post, body=ended)
    yield "folded", lines(length, "Transfer-Encoding:\r\n chunked", first=post, body=ended)
    yield "two codings", lines(chunked, "Transfer-Encoding: identity", length, first=post, body=ended)
    yield "two lengths", lines("Content-Length: 0", length, first=post, body=SMUGGLED)
    yield "a list of lengths", lines(f"Content-Length: 0, {len(SMUGGLED)}", first=post, body=SMUGGLED)
    for odd in ("+0", "-1", "0x0", "0 0", "1_0"):
        yield f"length {odd}", lines(f"Content-Length: {odd}", first=post, body=SMUGGLED)
    yield "bad chunk", lines(chunked, first=post, body="0_1\r\nx\r\n" + ended)
    yield "chunk extension", lines(chunked, first=post, body='1;x="\n\r\n"\r\nx\r\n' + ended)
    yield "pipelined", lines(body=SMUGGLED)
    yield "HTTP/1.0", lines(first="GET / HTTP/1.0", body=SMUGGLED)
    yield "HTTP/0.9", lambda who: b"GET /\r\n\r\n"
    yield "HTTP/3.7", lines(first="GET / HTTP/3.7")
    yield "length with GET", lines(f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED)
    yield (
        "websocket first",
        lines("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 9", body=SMUGGLED),
    )


def _lines() -> Iterator[tuple[str, Raw]]:
    """Lines that are no headers, or more than one."""
    for odd in (
        "X-A: b\rX-Doorkey-User: evil",
        "X-A: b\nX-Doorkey-User: evil",
        "X-A: b\x00X-Doorkey-User: evil",
        " X-Doorkey-User: evil",
        "X-Doorkey-User : evil",
        "X-Doorkey-User\t: evil",
        "X-Doorkey-User",
        "X-Doorkey-User:\r\n evil",
        ": evil",
        "X Doorkey User: evil",
        "X.Doorkey.User: evil",
        "X-Doorkey-User\x00: evil",
    ):
        yield repr(odd), lines(odd)
    yield "long", with_headers(("X-Long", "a" * 7000))
    yield "too long", with_headers(("X-Long", "a" * 100_000))
    yield "many", with_headers(*((f"X-{number}", "a") for number in range(400)))
    yield "cookies in two lines", with_headers(("Cookie", "a=b"), ("Cookie", "c=d"))
    yield "a quoted cookie", with_headers(("Cookie", '__Secure-doorkey-gate="x\\"; a="'))
    yield "a large cookie", with_headers(("Cookie", "__Secure-doorkey-gate=" + "a" * 4000))


KINDS: dict[str, Callable[[], Iterator[tuple[str, Raw]]]] = {
    "identity": _identity,
    "steering": _steering,
    "connection": _connection,
    "paths": _paths,
    "methods": _methods,
    "hosts": _hosts,
    "framing": _framing,
    "lines": _lines,
}
