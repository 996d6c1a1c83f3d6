"""Forged headers at the check, from a visitor through a proxy that sets its own: none of them opens anything."""

import logging

import pytest

from doorkey.base64url import encode
from tests.support.gate_desk import HOST, IDENTITY, PAGE, URL, desk_at, is_a_no, said

POLICY = """
[[rule]]
name = "public"
path = "/public"
allow = "anyone"

[[rule]]
name = "public host"
host = "public.example.com"
allow = "anyone"

[[rule]]
name = "admins"
host = "app.example.com"
path = "/admin"
allow = { groups = ["admins"] }
"""
ADMIN = f"https://{HOST}/admin"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return desk_at(tmp_path_factory.mktemp("gate"), POLICY)


@pytest.fixture(scope="module")
def bob(desk):
    """The cookie of somebody who is signed in and no admin."""
    return desk.cookie(desk.sign_in(sub="bob", groups=("staff",)))


FORGED = [
    [("x-forwarded-uri", "/public"), ("x-forwarded-method", "GET")],
    [("x-forwarded-host", "public.example.com"), ("x-forwarded-proto", "https"), ("x-forwarded-uri", "/public")],
    [("x_original_url", f"https://{HOST}/public"), ("x_original_method", "GET")],
    [("x_forwarded_uri", "/public"), ("x_forwarded_host", "public.example.com"), ("x_forwarded_method", "GET")],
    [("x-rewrite-url", "/public"), ("x-original-uri", "/public"), ("x-forwarded-path", "/public")],
    [("x-forwarded-prefix", "/public"), ("x-forwarded-port", "80"), ("x-script-name", "/public")],
    [("script_name", "/public"), ("path_info", "/public"), ("raw_uri", "/public"), ("request_uri", "/public")],
    [("x-forwarded-for", "127.0.0.1, ::1"), ("x-real-ip", "127.0.0.1"), ("forwarded", "for=127.0.0.1;host=public")],
    [("user-agent", "GoogleHC/1.0"), ("x-health-check", "1")],
    [("user-agent", "kube-probe/1.29"), ("host", "localhost")],
    [("user-agent", "ELB-HealthChecker/2.0"), ("host", "public.example.com")],
    [("x-doorkey-user", "admin"), ("x-doorkey-groups", "admins"), ("x_doorkey_user", "admin")],
    [("x-auth-request-user", "admin"), ("x-auth-request-groups", "admins"), ("remote-user", "admin")],
    [("x-doorkey-session", "x"), ("x-doorkey-probe", "x"), ("x-doorkey-echo", "x"), ("x-doorkey-assertion", "a.b.c")],
    [("connection", "close, x-original-url, cookie, x-doorkey-user"), ("te", "trailers")],
    [("x-http-method-override", "OPTIONS"), ("x-method-override", "GET")],
    [("access-control-request-method", "GET"), ("origin", "https://public.example.com")],
    [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-key", "x")],
    [("transfer-encoding", "chunked"), ("content-length", "999999"), ("expect", "100-continue")],
    [("authorization", "Basic YWRtaW46YWRtaW4="), ("proxy-authorization", "Bearer x")],
    [("authorization", "Bearer " + "A" * 43)],
    [("authorization", "Bearer dkgt_" + "A" * 43)],
    [("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")],
    [("authorization", "Bearer x"), ("authorization", "Bearer y")],
    [("cookie", "__Secure-doorkey-gate=" + "A" * 43)],
    [("", ""), ("x" * 5000, "y" * 5000)],
]


def raw_of(forged):
    return [(name.encode(), value.encode()) for name, value in forged]


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: forged[0][0] or "empty")
@pytest.mark.parametrize("place", ["before", "after"])
def test_no_header_of_a_visitor_opens_anything_to_somebody_without_a_session(desk, forged, place):
    own, more = said("nginx", ADMIN), [*PAGE, *raw_of(forged)]
    assert is_a_no(desk.send("/check/nginx", own + more if place == "after" else more + own))


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: forged[0][0] or "empty")
def test_no_header_of_a_visitor_makes_an_admin_of_somebody(desk, bob, forged):
    cookie = [] if any(name == "cookie" for name, _ in forged) else [(b"cookie", bob.encode())]
    assert is_a_no(desk.send("/check/nginx", [*said("nginx", ADMIN), *raw_of(forged), *cookie]))


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: forged[0][0] or "empty")
def test_no_header_of_a_visitor_reaches_the_application_by_the_answer(desk, bob, forged):
    if any(name in ("cookie", "x-forwarded-uri") for name, _ in forged):
        forged = [pair for pair in forged if pair[0] not in ("cookie", "x-forwarded-uri")]
    answer = desk.send("/check/nginx", [*said("nginx", URL), *raw_of(forged), (b"cookie", bob.encode())])
    assert answer.status == 200
    assert (answer.get("x-doorkey-user"), answer.get("x-doorkey-groups")) == ("bob", "staff")
    assert "admin" not in str(answer)


@pytest.mark.parametrize("name", [b"x-original-url", b"x-original-method"])
@pytest.mark.parametrize(
    "value", [b"", b"GET", URL.encode(), f"https://{HOST}/public".encode(), b"https://evil.example/"]
)
def test_a_header_that_comes_twice_is_never_chosen_from(desk, bob, name, value):
    for raw in ([*said("nginx", ADMIN), (name, value)], [(name, value), *said("nginx", ADMIN)]):
        answer = desk.send("/check/nginx", [*raw, (b"cookie", bob.encode())])
        assert (answer.status, answer.get("x-doorkey-reason")) == (403, "bad_gateway_config")


@pytest.mark.parametrize("name", ["x-forwarded-uri", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-method"])
def test_values_that_a_second_proxy_joined_are_never_chosen_from(desk, bob, name):
    other = {"x-forwarded-uri": "/public", "x-forwarded-host": "public.example.com"}
    for glue in (",", ", ", " ,"):
        for turn in (1, -1):
            raw = dict(said("forward", ADMIN))
            values = [raw[name.encode()].decode(), other.get(name, raw[name.encode()].decode())][::turn]
            raw[name.encode()] = glue.join(values).encode()
            answer = desk.send("/check/forward", [*raw.items(), (b"cookie", bob.encode())])
            assert answer.status == 400, values


HOSTS = [
    *("APP.EXAMPLE.COM", "app.example.com.", "App.Example.Com.:443", "app.example.com:443"),
    *(
        "public.example.com@app.example.com",
        "app.example.com@public.example.com",
        "public.example.com:443@app.example.com",
    ),
    *("app.example.com:80", "app.example.com:8443", "app.example.com:0443", "app.example.com:", "app.example.com:443x"),
    *(
        "app.example.com\\.public.example.com",
        "app.example.com%00.public.example.com",
        "app.example.com#.public.example.com",
    ),
    *(
        "public.example.com, app.example.com",
        "app.example.com public.example.com",
        "app.example.com\tpublic.example.com",
    ),
    *("public.example.com.evil.example", "xpublic.example.com", "evil.example", "example.com", "public.example.com.."),
    *(
        "ａpp.example.com".encode().decode("latin-1"),
        "public。example.com".encode().decode("latin-1"),
        "xn--public.example.com",
    ),
    *("[::1]", "127.0.0.1", "localhost", "login.example.com:8000", "apps.example.com", "", ".", "*.apps.example.com"),
]


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_a_host_gets_the_rule_of_another(desk, bob, host):
    for dialect in ("nginx", "forward"):
        assert is_a_no(desk.ask(dialect, url=f"https://{host}/admin", more=[])), dialect
        assert is_a_no(desk.ask(dialect, url=f"https://{host}/admin", cookie=bob)), dialect
    raw = [(b"host", host.encode("latin-1")), (b"x-forwarded-proto", b"https"), (b"cookie", bob.encode())]
    assert is_a_no(desk.send("/check/envoy/admin", raw))


@pytest.mark.parametrize("twin", ["public.example.com", "app.example.com", ""])
def test_two_host_lines_are_never_chosen_from(desk, bob, twin):
    own = [(b"host", HOST.encode()), (b"x-forwarded-proto", b"https"), (b"cookie", bob.encode())]
    for raw in ([*own, (b"host", twin.encode())], [(b"host", twin.encode()), *own]):
        assert desk.send("/check/envoy/admin", raw).status == 400


SCHEMES = [
    "http",
    "HTTP",
    "ws",
    "file",
    "javascript",
    "https, http",
    "https,https",
    "",
    "https\0",
    "gopher",
    "https://",
    "\xff",
]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_scheme_opens_anything(desk, scheme):
    raw = [pair for pair in said("forward", ADMIN) if pair[0] != b"x-forwarded-proto"]
    answer = desk.send("/check/forward", [*raw, (b"x-forwarded-proto", scheme.encode("latin-1")), *PAGE])
    assert answer.status in (302, 400)
    assert answer.get("location").partition("?")[0] in ("", "https://login.example.com/login")


METHODS = [
    "OPTIONS",
    "HEAD",
    "CONNECT",
    "TRACE",
    "PROPFIND",
    "get",
    "Get",
    "G" * 32,
    "G" * 5000,
    "",
    "GET /",
    "GET,POST",
    "\xff",
]


@pytest.mark.parametrize("method", METHODS)
def test_no_method_opens_anything(desk, bob, method):
    for dialect in ("nginx", "forward"):
        for url in (URL, ADMIN):
            assert is_a_no(desk.ask(dialect, url=url, method=method, more=[])), dialect
        assert is_a_no(desk.ask(dialect, url=ADMIN, method=method, cookie=bob, more=[])), dialect


def test_a_preflight_is_no_way_in(desk):
    cors = [(b"origin", b"https://evil.example"), (b"access-control-request-method", b"GET")]
    answer = desk.ask("forward", url=ADMIN, method="OPTIONS", more=cors)
    assert (answer.status, answer.get("access-control-allow-origin"), answer.get("location")) == (401, "", "")


@pytest.mark.parametrize(
    "value", [b"\r\nX-A: b", b"\n", b"\0", b"\x1b[2J", b"\xff" * 100, b"A" * 60_000, b"%0d%0a", b'"}\n{"']
)
@pytest.mark.parametrize(
    "name",
    [
        b"cookie",
        b"authorization",
        b"accept",
        b"x-original-url",
        b"x-original-method",
        b"user-agent",
        b"sec-fetch-mode",
        b"content-type",
    ],
)
def test_no_bytes_in_a_header_break_the_check_or_the_log(desk, bob, name, value, caplog):
    raw = [pair for pair in said("nginx", ADMIN) if pair[0] != name]
    with caplog.at_level(logging.INFO):
        answer = desk.send("/check/nginx", [*raw, (name, value)])
    assert is_a_no(answer)
    assert not any(byte < 0x20 or byte > 0x7E for pair in answer.headers for part in pair for byte in part)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_answer_echoes_nothing_of_the_visitor_in_clear(desk):
    canary = b"canary0123456789"
    raw = [*said("nginx", f"https://{HOST}/{canary.decode()}?{canary.decode()}"), *PAGE]
    names = (b"user-agent", b"x-forwarded-host", b"referer", b"cookie", b"x-request-id", b"x-doorkey-request-id")
    answer = desk.send("/check/nginx", [*raw, *((name, canary) for name in names)])
    assert canary.decode() not in str(answer)


def test_identity_of_two_people_is_never_mixed(desk):
    people = {f"user-{number}": desk.cookie(desk.sign_in(sub=f"user-{number}")) for number in range(5)}
    for _ in range(3):
        for name, cookie in people.items():
            assert desk.ask(cookie=cookie).get("x-doorkey-user") == name
            assert {desk.ask().get(header) for header in IDENTITY} == {""}


def test_a_token_and_somebody_elses_session_are_not_one_caller(desk, bob):
    """A session goes before a token, so a token adds nothing to it."""
    more = [(b"authorization", b"Bearer dkgt_" + encode(b"x" * 32).encode())]
    assert desk.ask(cookie=bob, more=more).get("x-doorkey-user") == "bob"
    assert desk.ask(url=ADMIN, cookie=bob, more=more).status == 403
