"""Where a browser may be sent after sign-in: every trick that turns a path into a host (return_target.py)."""

import random
from urllib.parse import urlsplit

import pytest

from doorkey.oauth.return_target import LONGEST, safe_return_target

OWN = "https://login.example.com"
HOSTS = ("app.example.com", "*.apps.example.com")


def check(raw: str, own: str = OWN) -> str | None:
    return safe_return_target(raw, own_origin=own, allowed_hosts=HOSTS)


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        ("/", "/"),
        ("/reports?year=2026&q=a%20b#top", "/reports?year=2026&q=a%20b#top"),
        ("/a/../b", "/b"),
        ("/a/./b/..", "/a/"),
        ("/a/%2e%2e/b", "/b"),
        ("/../../..", "/"),
        ("/grüße?name=ü#ä", "/gr%C3%BC%C3%9Fe?name=%C3%BC#%C3%A4"),
        ("/100%", "/100%"),
        ("/a//b", "/a//b"),
        ("/?next=//evil.example", "/?next=//evil.example"),
        ("/#//evil.example", "/#//evil.example"),
        ("/logins", "/logins"),
        ("/checkout", "/checkout"),
        (OWN, "/"),
        (OWN + "/reports", "/reports"),
        (OWN.upper() + "/reports", "/reports"),
        (OWN + "?q=1", "/?q=1"),
        ("https://app.example.com", "https://app.example.com/"),
        ("https://app.example.com:443/x", "https://app.example.com/x"),
        ("https://APP.example.com/x?y#z", "https://app.example.com/x?y#z"),
        ("https://a.apps.example.com/", "https://a.apps.example.com/"),
        ("https://a.b.apps.example.com/login", "https://a.b.apps.example.com/login"),
        ("https://app.example.com/a/../b", "https://app.example.com/b"),
    ],
)
def test_these_are_followed_as(raw: str, target: str) -> None:
    assert check(raw) == target


REFUSED = [
    "", "reports", "./reports", "?q", "#x",
    "//evil.example", "///evil.example", "//evil.example/%2e%2e", "/.//evil.example", "/a/..//evil.example",
    "/%2e//evil.example", "/%2E%2e//evil.example", "/a/%2e%2e//evil.example", "/..//evil.example",
    "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example", "\t//evil.example",
    " //evil.example", " /x", "/x ", "/a b", "/\x00", "/\x7f", "/\u2028", "/\u202ereversed", "/\ufeff", "/\ud800",
    "javascript:alert(1)", "data:text/html,x", "https:evil.example", "https:/evil.example", "https:///evil.example",
    "//login.example.com@evil.example", "https://login.example.com@evil.example/", "https://evil.example",
    "https://login.example.com.evil.example/", "https://login.example.com:8443/", "http://login.example.com/",
    "http://app.example.com/", "https://app.example.com:8443/", "https://app.example.com:443443/",
    "https://app.example.com./", "https://.apps.example.com/", "https://apps.example.com/", "https://a..apps.example.com/",
    "https://evilapps.example.com/", "https://app.example.com\\@evil.example/", "https://app.example.com%2f.evil.example/",
    "https://app.exаmple.com/", "https://[::1]/", "https://app.example.com//evil.example", "ftp://app.example.com/",
    "https://app.example.com:/", "https://user@app.example.com/",
]  # fmt: skip


@pytest.mark.parametrize("raw", REFUSED, ids=repr)
def test_these_are_refused(raw: str) -> None:
    assert check(raw) is None


LOOPS = [
    "/login", "/login?provider=x", "/login/", "/login/x", "/logout", "/logged-out", "/callback/dev?code=x",
    "/oauth/authorize",
    "/check/nginx", "/a/../login", "/./login", "/%6cogin", "/%2e/login", "/x/..%2flogin", "/%2flogin", "/%2Flogout",
    OWN + "/login", OWN + "/x/../callback/dev",
]  # fmt: skip


@pytest.mark.parametrize("raw", LOOPS, ids=repr)
def test_the_steps_of_signing_in_are_no_place_to_come_back_to(raw: str) -> None:
    assert check(raw) is None


def test_another_sites_own_login_page_is_its_own_affair() -> None:
    assert check("https://app.example.com/login") == "https://app.example.com/login"


def test_development_may_come_back_to_its_own_http_origin() -> None:
    assert check("http://127.0.0.1:8000/x", "http://127.0.0.1:8000") == "/x"
    assert check("http://127.0.0.1:8001/x", "http://127.0.0.1:8000") is None
    assert check("http://localhost:8000/x", "http://127.0.0.1:8000") is None


def test_its_length_is_bounded() -> None:
    assert check("/" + "x" * (LONGEST - 1)) is not None
    assert check("/" + "x" * LONGEST) is None


def test_what_was_checked_once_passes_again_unchanged() -> None:
    """The callback checks the sealed target a second time."""
    for raw in ("/grüße?name=ü#ä", "/a/%2e%2e/b", "/100%", "https://APP.example.com/x?y#z"):
        first = check(raw)
        assert first is not None
        assert check(first) == first


def test_no_mixture_of_tricks_leaves_the_allowed_hosts() -> None:
    chance = random.Random(20261124)
    pieces = [
        "/", "//", "\\", ".", "..", "%2e", "%2f", "%5c", "@", ":", "?", "#", ";", "https://", "http:", "evil.example",
        "login.example.com", "app.example.com", "a", "\t", "%00", "%09", "ü", "443",
    ]  # fmt: skip
    for _ in range(20_000):
        raw = "".join(chance.choices(pieces, k=chance.randint(1, 8)))
        target = check(raw)
        if target is None:
            continue
        assert target.isascii()
        assert target.isprintable()
        assert "\\" not in target.partition("?")[0].partition("#")[0]
        if target.startswith("/"):
            assert not target.startswith("//"), raw
        else:
            host = urlsplit(target).netloc
            assert host == "app.example.com" or host.endswith(".apps.example.com"), raw
