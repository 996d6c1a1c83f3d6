"""What each dialect makes of the request of a proxy: its own headers only, once each, and nothing guessed."""

from collections.abc import Mapping
from typing import Any

import pytest

from doorkey.gate.original_request import ENVOY, FORWARD, NGINX, Dialect, Headers, OddRequest, Original, wants_page

HOST = "app.example.com"
PAGE = {"accept": "text/html,*/*;q=0.8"}


def nginx(url: str = f"https://{HOST}/x", method: str = "GET", **more: str) -> Original:
    return read(NGINX, {"x-original-url": url, "x-original-method": method, **more})


def forward(uri: str = "/x", *, method: str = "GET", proto: str = "https", host: str = HOST, **more: str) -> Original:
    said = {"x-forwarded-method": method, "x-forwarded-proto": proto, "x-forwarded-host": host, "x-forwarded-uri": uri}
    return read(FORWARD, {**said, **more})


def envoy(
    rest: bytes = b"/x", query: bytes = b"", *, method: str = "GET", proto: str = "https", host: str = HOST
) -> Original:
    return read(ENVOY, {"host": host, "x-forwarded-proto": proto}, method, rest, query)


def read(
    dialect: Dialect, headers: Mapping[str, str], method: str = "GET", rest: bytes = b"", query: bytes = b""
) -> Original:
    raw = [(name.replace("__", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return dialect.read(method, rest, query, Headers(raw))


def test_the_three_dialects_say_the_same_of_the_same_request() -> None:
    said = nginx(f"https://{HOST}/a%2Fb?c=d"), forward("/a%2Fb?c=d"), envoy(b"/a%2Fb", b"c=d")
    assert len({(each.method, each.scheme, each.host, each.authority, each.target, each.url) for each in said}) == 1
    assert said[0].url == f"https://{HOST}/a%2Fb?c=d"


@pytest.mark.parametrize("scheme", ["http", "HTTPS", "ws", "wss", "WSS"])
def test_websocket_schemes_are_those_of_http(scheme: str) -> None:
    plain = scheme.lower() in ("http", "ws")
    assert forward(proto=scheme).scheme == nginx(f"{scheme}://{HOST}/").scheme == ("http" if plain else "https")


@pytest.mark.parametrize(
    "scheme",
    ["", "ftp", "file", "javascript", "data", "https,http", "https, https", "h2", "https://", "http:", "HTTPS "],
)
def test_another_scheme_is_refused(scheme: str) -> None:
    if scheme.strip().lower() == "https":
        assert forward(proto=scheme).scheme == "https"
        return
    with pytest.raises(OddRequest):
        forward(proto=scheme)


# ---- hosts ----

SAME_HOST = ["app.example.com", "APP.Example.COM", "app.example.com.", "app.example.com:443", "APP.EXAMPLE.COM.:443"]


@pytest.mark.parametrize("host", SAME_HOST)
def test_all_spellings_of_a_host_are_one_host(host: str) -> None:
    for original in (nginx(f"https://{host}/"), forward(host=host), envoy(host=host)):
        assert (original.host, original.authority, original.origin) == (HOST, HOST, f"https://{HOST}")


def test_another_port_is_another_host() -> None:
    assert forward(host=f"{HOST}:8443").authority == f"{HOST}:8443"
    assert forward(host=f"{HOST}:80").authority == f"{HOST}:80"
    assert forward(host=f"{HOST}:443", proto="http").authority == f"{HOST}:443"
    assert forward(host=f"{HOST}:80", proto="ws").authority == HOST


ODD_HOSTS = [
    *("", ".", "..", ".example.com", "app..example.com", "app.example.com..", f"{HOST}:", f"{HOST}:0", f"{HOST}:00443"),
    *(f"{HOST}:65536", f"{HOST}:99999", f"{HOST}:4 43", f"{HOST}:443:443", f"{HOST}:x", f"{HOST}:-1", f"{HOST}:+443"),
    *(
        f"evil.example@{HOST}",
        f"{HOST}@evil.example",
        f"user:pw@{HOST}",
        f"{HOST}\\",
        f"{HOST}/",
        f"{HOST}?",
        f"{HOST}#",
    ),
    *(f"{HOST}%2eevil.example", "app%2eexample.com", "app_example.com", "app example.com", f"{HOST}\t", f"\t{HOST}x y"),
    *(f"{HOST},evil.example", f"{HOST}, {HOST}", f"{HOST};x", f"{HOST}\0", f"{HOST}\r\nX-A: b", "*", "*.example.com"),
    *("[::1", "::1", "[::1]x", "[::1]:", "[v1.x]", "[fe80::1%25eth0]", "\xe4pp.example.com", f"{HOST}\xad", "a" * 254),
    *(f"{HOST}:４４３".encode().decode("latin-1"), f"{HOST}。".encode().decode("latin-1"), f"'{HOST}'", f'"{HOST}"'),
]


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_a_host_that_no_browser_asks_for_is_refused(host: str) -> None:
    host = host if host.strip() != HOST else host + "x y"  # space around a value is no part of it
    for ask in (lambda: forward(host=host), lambda: envoy(host=host)):
        with pytest.raises(OddRequest):
            ask()
    if not host.endswith("/"):  # nginx refuses that one itself; in its URL the slash begins the path
        with pytest.raises(OddRequest):
            nginx(f"https://{host}/x")


def test_a_host_of_the_internet_keeps_its_xn_form() -> None:
    assert forward(host="xn--bcher-kva.example").host == "xn--bcher-kva.example"
    assert forward(host="[::1]:8000").authority == "[::1]:8000"


# ---- methods ----


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PROPFIND", "CONNECT", "PATCH", "M-SEARCH", "X!#$%&'*+.^_`|~"])
def test_every_method_is_a_method(method: str) -> None:
    assert forward(method=method).method == nginx(method=method).method == envoy(method=method).method == method.upper()


@pytest.mark.parametrize(
    "method", ["", " ", "GET POST", "GET,POST", "GET, GET", "GET/", "G\0T", "G\xc9T", "A" * 33, "A" * 5000, "(GET)"]
)
def test_what_is_no_method_is_refused(method: str) -> None:
    for ask in (lambda: nginx(method=method), lambda: forward(method=method), lambda: envoy(method=method)):
        with pytest.raises(OddRequest):
            ask()


def test_a_method_in_small_letters_meets_the_same_rules_but_none_for_anyone() -> None:
    original = forward(method="get")
    assert (original.method, original.is_plain, forward().is_plain) == ("GET", False, True)
    assert not original.wants_page


# ---- targets ----

ODD_TARGETS = [
    "",
    "x",
    "*",
    f"https://{HOST}/x",
    f"{HOST}:443",
    "?x",
    "#",
    "/a b",
    "/a\tb",
    "/a\0b",
    "/a\r\nX: y",
    "/\x7f",
    "/" + "a" * 8190,
]


@pytest.mark.parametrize("target", ODD_TARGETS)
def test_a_target_that_no_server_is_asked_for_is_refused(target: str) -> None:
    with pytest.raises(OddRequest):
        forward(target)
    with pytest.raises(OddRequest):
        envoy(target.encode())
    if target.strip("*") and not target.startswith("https:"):
        with pytest.raises(OddRequest):
            nginx(f"https://{HOST}{target}")


@pytest.mark.parametrize(
    "uri", ["/a,/b", "/a,https://evil.example/", "/a,HTTP://x", "/a, /b", "/a,wss://x", "/secret,/public"]
)
def test_joined_values_are_refused(uri: str) -> None:
    with pytest.raises(OddRequest):
        forward(uri)


def test_a_comma_in_a_path_is_a_comma_and_in_a_query_it_may_be_a_link() -> None:
    assert forward("/a,b,c").is_plain
    assert not forward("/a?next=b,/c").is_plain
    assert forward("/a?ids=1,2,3").is_plain


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            f"{HOST}/x",
            f"//{HOST}/x",
            f"https:{HOST}/x",
            f"https:/{HOST}/x",
            "/x",
            f"https://{HOST}",
            f"https://{HOST}?x",
        ),
        *(
            f"https://{HOST}#/x",
            f"https://{HOST}?/x",
            f"https:\\\\{HOST}/x",
            f"https:///{HOST}/x",
            "https:///x",
            "https://:443/x",
        ),
        *(
            f"https://{HOST}/x https://evil.example/",
            f"https://{HOST}/x, https://{HOST}/x",
            f"https://{HOST}/x,https://{HOST}/y",
        ),
        *(f"javascript://{HOST}/%0aalert(1)", f"https://{HOST}@evil.example/", f"https://evil.example\\@{HOST}/"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(OddRequest):
        nginx(url)


def test_the_url_to_come_back_to_is_byte_exact_and_ascii() -> None:
    assert forward("/a%2Fb/c?x=1&y=%C3%A9&z=a+b|{}").url == f"https://{HOST}/a%2Fb/c?x=1&y=%C3%A9&z=a+b|{{}}"
    assert forward('/\xc3\xa9"<>\\#x').url == f"https://{HOST}/%C3%A9%22%3C%3E%5C%23x"
    assert forward("//evil.example/x").url == f"https://{HOST}//evil.example/x"


# ---- headers of others, twice, and under other names ----


@pytest.mark.parametrize("name", ["x-original-url", "x-original-method"])
def test_nginx_has_to_say_everything_once(name: str) -> None:
    said = {"x-original-url": f"https://{HOST}/x", "x-original-method": "GET"}
    twice = [(n.encode(), v.encode()) for n, v in said.items()]
    with pytest.raises(OddRequest):
        NGINX.read("GET", b"", b"", Headers([*twice, (name.encode(), said[name].encode())]))
    with pytest.raises(OddRequest):
        NGINX.read("GET", b"", b"", Headers([pair for pair in twice if pair[0] != name.encode()]))


@pytest.mark.parametrize("name", ["x-forwarded-method", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri"])
def test_forward_has_to_say_everything_once(name: str) -> None:
    said = {
        "x-forwarded-method": "GET",
        "x-forwarded-proto": "https",
        "x-forwarded-host": HOST,
        "x-forwarded-uri": "/x",
    }
    pairs = [(n.encode(), v.encode()) for n, v in said.items()]
    for wrong in ([*pairs, (name.encode(), said[name].encode())], [pair for pair in pairs if pair[0] != name.encode()]):
        with pytest.raises(OddRequest):
            FORWARD.read("GET", b"", b"", Headers(wrong))
    under = name.replace("-", "_").encode()
    with pytest.raises(OddRequest):
        FORWARD.read("GET", b"", b"", Headers([(under if n == name.encode() else n, v) for n, v in pairs]))
    assert FORWARD.read("GET", b"", b"", Headers([*pairs, (under, b"evil")])).host == HOST


def meaning(original: Original) -> dict[str, Any]:
    told = {name: getattr(original, name) for name in original.__struct_fields__ if name != "headers"}
    return {**told, "wants_page": original.wants_page}


def test_the_headers_of_other_dialects_change_nothing() -> None:
    theirs = {"x-original-url": "https://evil.example/pub", "x-original-method": "HEAD", "forwarded": "host=x"}
    assert meaning(forward(**theirs)) == meaning(forward())
    odd = {"x-forwarded-prefix": "/pub", "x-forwarded-port": "1", "forwarded": "host=evil.example", "x-real-ip": "::1"}
    others = {"x-forwarded-method": "HEAD", "x-forwarded-proto": "http", "x-forwarded-host": "evil.example"}
    told = nginx(**others, **odd, **{"x-forwarded-uri": "/pub"}, host="evil.example")
    assert meaning(told) == meaning(nginx())
    with pytest.raises(OddRequest):
        read(NGINX, {**others, "x-forwarded-uri": "/pub"})


# ---- browser or program ----

PAGES = [
    ("GET", {"accept": "text/html"}),
    ("HEAD", {"accept": "application/xhtml+xml,TEXT/HTML;q=0.9"}),
    ("GET", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}),
    ("GET", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "*/*"}),
    ("POST", {"content-type": "application/x-www-form-urlencoded", **PAGE}),
    (
        "POST",
        {"content-type": "Multipart/Form-Data; boundary=x", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ),
]
PROGRAMS = [
    ("GET", {}),
    ("GET", {"accept": "*/*"}),
    ("GET", {"accept": "application/json"}),
    ("GET", {"accept": "text/html5, application/xtext/html, text/html;level=1;q=0"}),
    ("GET", {**PAGE, "x-requested-with": "XMLHttpRequest"}),
    ("GET", {**PAGE, "sec-fetch-mode": "cors"}),
    ("GET", {**PAGE, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}),
    ("GET", {**PAGE, "sec-fetch-mode": "websocket"}),
    ("GET", {**PAGE, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}),
    ("GET", {**PAGE, "upgrade": "WebSocket"}),
    ("GET", {**PAGE, "authorization": "Bearer x"}),
    ("GET", {**PAGE, "authorization": "Basic x"}),
    ("POST", {**PAGE, "content-type": "application/json"}),
    ("POST", PAGE),
    ("PUT", PAGE),
    ("DELETE", {**PAGE, "sec-fetch-mode": "navigate"}),
    ("OPTIONS", {**PAGE, "access-control-request-method": "POST"}),
    ("PROPFIND", PAGE),
    ("get", PAGE),
]


@pytest.mark.parametrize(
    ("method", "headers", "expected"), [(*case, True) for case in PAGES] + [(*case, False) for case in PROGRAMS]
)
def test_only_a_browser_that_goes_somewhere_is_sent_away(method: str, headers: dict[str, str], expected: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert wants_page(method, Headers(raw)) is expected


def test_cookies_in_pieces_are_one_and_other_headers_that_come_twice_are_none() -> None:
    headers = Headers([(b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"accept", b"text/html"), (b"accept", b"x")])
    assert headers.any(b"cookie") == "a=b; c=d"
    assert headers.any(b"accept") == ""
    assert not wants_page("GET", headers)
