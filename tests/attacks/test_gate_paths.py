"""Odd paths at the check: none is open without a session, and none passes the rule that is meant for another."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cpu_time import cpu_seconds
from tests.support.gate_desk import HOST, desk_at, is_a_no, said

POLICY = """
[[rule]]
name = "public"
path = ["/public", "/*.css", "/assets/**/*.js"]
methods = ["GET", "HEAD", "OPTIONS"]
allow = "anyone"

[[rule]]
name = "told"
path = "/told"
allow = "signed-in"
headers = ["access-token"]

[[rule]]
name = "admins"
path = ["/admin", "/**/secret", "/api/*/admin/**"]
allow = { groups = ["admins"] }
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return desk_at(tmp_path_factory.mktemp("gate"), POLICY)


@pytest.fixture(scope="module")
def bob(desk):
    return desk.cookie(desk.sign_in(sub="bob", groups=("staff",)))


UP = [
    "..",
    "%2e%2e",
    ".%2E",
    "%2e.",
    "..;",
    "..;x=y",
    "%252e%252e",
    "..%00",
    "..%0d",
    "%c0%ae%c0%ae",
    "%u002e%u002e",
    "．．",
]
SLASH = ["/", "//", "/./", "%2f", "%2F", "%252f", "\\", "%5c", "%255c", "/;/", "/%00/", "%c0%af", "%e0%80%af", "／"]


def latin(text):
    """As the bytes of UTF-8, which is how browsers' bytes arrive."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize("slash", SLASH)
def test_a_public_page_is_no_way_to_another(desk, slash):
    for path in (f"/public{slash}{up}{slash}admin" for up in UP):
        for dialect in ("nginx", "forward"):
            assert is_a_no(desk.ask(dialect, url=f"https://{HOST}{latin(path)}", more=[])), path
        envoy = [(b"host", HOST.encode()), (b"x-forwarded-proto", b"https")]
        assert is_a_no(desk.send(f"/check/envoy{latin(path)}", envoy)), path


ODD = [
    *(
        "/public#/../admin",
        "/public/%23/../admin",
        "/admin#/public",
        "/admin?x=/public/",
        "/admin?/public",
        "/admin%3f/public",
    ),
    *(
        "/PUBLIC",
        "/p%75blic",
        "/%70ublic/x",
        "/publicx",
        "/public%2e",
        "/.public",
        "//public",
        "/./public",
        "/x/../public",
    ),
    *("/admin;/public", "/admin/;.css", "/admin;.css", "/admin/.css", "/admin/x.css", "/admin%2f.css", "/admin%00.css"),
    *(
        "/admin?.css",
        "/admin#.css",
        "/admin%0a.css",
        "/%2e%2e.css",
        "/..;.css",
        "/a\\b.css",
        "/a;b.css",
        "/x.css/../admin",
    ),
    *("/x.css;y", "/x.css%20", "/x.css%00", "/X.CSS", "/assets/../admin/x.js", "/assets/%2e%2e/admin/x.js"),
    *(
        "/assets/x.js/admin",
        "/assets//x.js",
        "/assets/a;b/x.js",
        "/assets/a%2fb/x.js",
        "/assets/x.js%3f",
        "/assetsx/x.js",
    ),
    *("/public/\xff", "/public/%ff", "/public/%", "/public/%zz", "/public/%0", "/public/\xc3\xa9", "/public/%ed%a0%80"),
    *("/public/" + "../" * 1000 + "admin", "/public/" + "a" * 9000, "/" + "/" * 5000, "/public/" + "%2e" * 2000),
]


@pytest.mark.parametrize("path", ODD, ids=lambda path: path[:40])
def test_no_odd_path_is_public(desk, path):
    assert is_a_no(desk.ask("nginx", url=f"https://{HOST}{path}", more=[]))
    assert is_a_no(desk.ask("forward", url=f"https://{HOST}{path}", more=[]))


PUBLIC = [
    "/public",
    "/public/",
    "/public/x",
    "/public/x.y/z-_~",
    "/x.css",
    "/assets/x.js",
    "/assets/a/b/x.js",
    "/public?x=/admin",
    "/public/a%20b",
]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_is_public_for_the_methods_it_is_for(desk, path):
    """So that the tests above have something to lose."""
    for method in ("GET", "HEAD", "OPTIONS"):
        assert desk.ask(url=f"https://{HOST}{path}", method=method, more=[]).status == 200
    for method in ("POST", "get", "DELETE", "CONNECT"):
        assert is_a_no(desk.ask(url=f"https://{HOST}{path}", method=method, more=[]))


ADMIN = [
    *(
        "/admin",
        "/admin/",
        "/admin/x",
        "/admin?x",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/admin;x",
        "/adm%69n",
        "/admin%00",
    ),
    *("/admin%2f", "/admin%3fx", "/admin%23x", "/admin\\x", "/x\\..\\admin", "/..;/admin", "/x/..;y/admin", "/%61dmin"),
    *(
        "/%2561dmin",
        "/public/../admin",
        "/public/..%2fadmin",
        "/told/..%2fadmin",
        "/a/secret",
        "/a/b/secret/",
        "/a/secret;x",
    ),
    *("/a/secret/../secret", "/a/%73ecret", "/a//secret", "/api/v1/admin", "/api//v1/admin", "/api/v1/x/../admin"),
    *("/api/v1/admin/x/y", "/api/v1;x/admin", "/api/v%2f1/../v1/admin"),
]


@pytest.mark.parametrize("path", ADMIN)
def test_no_spelling_of_a_path_passes_its_rule(desk, bob, path):
    assert is_a_no(desk.ask(url=f"https://{HOST}{path}", cookie=bob, more=[]))


PIECES = [
    "/",
    "/",
    "public",
    "admin",
    "told",
    "x",
    ".",
    "..",
    ".css",
    "%2e",
    "%2f",
    "%5c",
    "\\",
    ";",
    "#",
    "?",
    "%00",
    "%25",
    "%",
    "\xe9",
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=10), st.sampled_from(["nginx", "forward"]))
def test_whoever_has_no_session_gets_public_pages_and_nothing_else(desk, pieces, dialect):
    path = "/" + "".join(pieces)
    answer = desk.ask(dialect, url=f"https://{HOST}{path}", more=[])
    plain = path.partition("?")[0]
    is_public = plain.startswith("/public") or plain.endswith(".css")
    if answer.status == 200:
        assert is_public
        assert not set(plain) & set("\\;#%\xe9")
        assert "//" not in plain
        assert not {".", ".."} & set(plain.split("/"))
    else:
        assert answer.status in (400, 401, 403)


@pytest.mark.parametrize(
    "path", ["/told/../x", "/told/%2e%2e/x", "/told/..%2fx", "/told/..;/x", "/told%2f../x", "/told/x/../../x"]
)
def test_a_token_is_told_only_where_every_reading_of_the_path_is_to_be_told(desk, bob, path):
    """Whoever makes somebody follow a link like that could read their token as the owner of /x."""
    answer = desk.ask(url=f"https://{HOST}{path}", cookie=bob)
    assert (answer.status, answer.get("x-doorkey-access-token")) == (200, "")
    assert desk.ask(url=f"https://{HOST}/told/x", cookie=bob).get("x-doorkey-access-token")


SLOW = [
    "/" + "a/" * 4000,
    "/a" * 4000 + "/%2e",
    "/" + "%25" * 2600,
    "/" + ";" * 8000,
    "/" + "\\" * 8000,
    "/" + "../" * 2700,
    "/x" + "," * 8000,
]


@pytest.mark.parametrize("path", SLOW, ids=lambda path: path[:8])
def test_no_path_keeps_the_others_waiting(desk, path):
    ask = partial(desk.ask, url=f"https://{HOST}{path}", more=[])
    assert is_a_no(ask())
    assert cpu_seconds(ask) < 0.3


def test_a_path_of_64_kilobytes_is_refused_at_once(desk):
    for path in ("/" + "a" * 65_536, "/public/" + "../" * 20_000):
        raw = said("nginx", f"https://{HOST}{path}")
        assert is_a_no(desk.send("/check/nginx", raw))
        assert is_a_no(desk.send(f"/check/envoy{path}", [(b"host", HOST.encode()), (b"x-forwarded-proto", b"https")]))
