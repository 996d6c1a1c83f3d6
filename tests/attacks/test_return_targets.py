"""`next=`: after a whole sign-in the browser is at Doorkey or at a listed host, whatever was asked for."""

import random
from urllib.parse import quote, urlsplit

import pytest

from tests.attacks.conftest import APPS
from tests.support.attack_browser import origin_a_browser_goes_to
from tests.support.person import Person

EVIL = "evil.test"
OWN = "http://127.0.0.1:8000"

CLASSES = {
    "slashes": [
        "//evil.test", "///evil.test", "////evil.test", "/////evil.test/", "\\evil.test", "\\\\evil.test",
        "/\\evil.test", "\\/evil.test", "/\\/evil.test", "//\\evil.test", "\\/\\/evil.test", "/\\\\evil.test",
        "///\\;@evil.test", "https:\\\\evil.test", "https:/\\evil.test", "https://\\evil.test",
        "https:\\/\\/evil.test", "/x\\..\\\\evil.test",
    ],
    "white-space": [
        "/\t/evil.test", "/\n/evil.test", "/\r/evil.test", "\t//evil.test", " //evil.test", "//evil.test ",
        "/ /evil.test", "\v//evil.test", "\f/evil.test", "/\u00a0/evil.test", "\u2028//evil.test",
        "\u3000//evil.test", "\ufeff//evil.test", "ht\ntps://evil.test", "https:\t//evil.test", "\x00//evil.test",
        "\x01//evil.test", "/\x7f/evil.test", "\x1f//evil.test", "/\u200b/evil.test\u200b", "/\x85/evil.test",
        "h\tt\tt\tp\ts\t:/\t/evil.test",
    ],
    "percent": [
        "%2f%2fevil.test", "%2f/evil.test", "%5cevil.test", "%5c%5cevil.test", "%09//evil.test",
        "%2568ttps://evil.test", "%252f%252fevil.test", "%25%32%66/evil.test", "https%3a//evil.test",
        "https:%2f%2fevil.test", "%68ttps://evil.test", "https://%65vil.test",
        "https://app.example.test%2f@evil.test", "https://app.example.test%40evil.test",
        "https://evil.test%00.apps.example.test", "https://evil.test%2f.apps.example.test", "%e3%80%82//evil.test",
    ],
    "dots": [
        "/..//evil.test", "/.//evil.test", "/a/..//evil.test", "/a/../..//evil.test", "/%2e%2e//evil.test",
        "/%2e//evil.test", "/.%2e//evil.test", "/a/%2e%2e//evil.test", "/a/b/../..//evil.test", "..//evil.test",
        ".//evil.test", "/././/evil.test", "https://app.example.test/..//evil.test", "/x/.%2E///evil.test",
        "/%2E%2e/%2e//evil.test", "./../..//evil.test",
    ],
    "scheme-slashes": [
        "https:evil.test", "https:/evil.test", "https:///evil.test", "https:////evil.test", "http:evil.test",
        "http:/evil.test", "http:///evil.test", "HTTPS:/evil.test", "https:?evil.test", "https:#evil.test",
        "://evil.test", ":evil.test", "https:", "https:/", "https://", "https:///", "http:", "://",
    ],
    "schemes": [
        "http://evil.test", "HTTP://evil.test", "hTTps://evil.test", "ftp://evil.test", "ws://evil.test",
        "wss://evil.test", "file:///etc/passwd", "blob:https://evil.test/x", "view-source:https://evil.test",
        "intent://evil.test", "mailto:a@evil.test", "http://app.example.test/", "ftp://app.example.test/",
        "about:blank", "chrome://settings", "x-evil:1", "http://127.0.0.1:9000/",
    ],
    "script": [
        "javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)",
        "javascript://app.example.test/%0aalert(1)", "data:text/html,<script>alert(1)</script>",
        "data:;base64,PHNjcmlwdD4=", "vbscript:x", "\x01javascript:alert(1)", "javascript&colon;alert(1)",
        "javascript:alert(1)//https://app.example.test", "DATA:text/html,x", "jar:https://evil.test!/",
    ],
    "userinfo": [
        "https://app.example.test@evil.test", "https://app.example.test:443@evil.test",
        "https://app.example.test:x@evil.test/", "https://a:b@app.example.test/", "https://@app.example.test/",
        "https://@evil.test", "//app.example.test@evil.test", "https://evil.test@app.example.test",
        "https://:@evil.test", "https://app.example.test%40@evil.test", "https://u@@evil.test",
        "http://127.0.0.1:8000@evil.test/", "http://evil.test@127.0.0.1:8000/",
    ],
    "parsers": [
        "https://evil.test\\@app.example.test", "https://evil.test#@app.example.test",
        "https://evil.test?@app.example.test", "https://evil.test;@app.example.test",
        "https://evil.test\\.apps.example.test", "https://evil.test#.apps.example.test",
        "https://evil.test?.apps.example.test", "https://evil.test;.apps.example.test",
        "https://evil.test/.apps.example.test", "https://evil.test:.apps.example.test",
        "https://evil.test,app.example.test", "https://[evil.test", "https://[::1", "https://evil.test]",
        "https://evil.test&.apps.example.test", "https://evil.test$.apps.example.test", "https://evil.test'x",
    ],
    "unicode": [
        "https://evil.test\uff0f.apps.example.test", "https://evil.test\uff3c.apps.example.test",
        "https://evil.test\uff03.apps.example.test", "https://evil.test\uff1f.apps.example.test",
        "https://evil\u3002test", "https://evil\uff0etest", "\uff0f\uff0fevil.test", "https://app.example.te\u017ft/",
        "https://\u24d0pp.example.test/", "https://evil.test\u2100.apps.example.test",
        "https://evil.test\u2048.apps.example.test", "https:\uff0f\uff0fevil.test", "https\uff1a//evil.test",
        "https://аpp.example.test/",
    ],
    "near-names": [
        "https://xapp.example.test/", "https://app.example.test.evil.test/", "https://xapps.example.test/",
        "https://apps.example.test/", "https://evil-apps.example.test/", "https://example.test/",
        "https://app.example.test./", "https://.apps.example.test/", "https://a..apps.example.test/",
        "https://..apps.example.test/", "https://app.example.tes/", "https://app.example.testx/",
        "https://a.apps.example.test./", "https://app_example.test/", "https://evil.test/app.example.test",
        "https://127.0.0.1.evil.test/",
    ],
    "ports": [
        "https://app.example.test:8443/", "https://app.example.test:80/", "https://app.example.test:0443/",
        "https://app.example.test:65536/", "https://app.example.test:99999/", "https://app.example.test:/",
        "https://app.example.test:0/", "https://app.example.test:-1/", "https://app.example.test:443x/",
        "https://app.example.test:443:443/", "https://app.example.test:４４３/", "http://127.0.0.1:80000/",
        "http://127.0.0.1/", "http://127.0.0.1:08000/", "https://127.0.0.1:8000/",
    ],
    "addresses": [
        "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/", "https://[::1]/",
        "https://0/", "https://[::ffff:127.0.0.1]/", "https://127.0.0.1/", "https://169.254.169.254/",
        "https://0x7f.1/", "http://0:8000/", "http://[::1]:8000/", "http://2130706433:8000/",
    ],
    "line-breaks": [
        "/\r\nLocation: https://evil.test", "/\nSet-Cookie: a=b", "/a\r\n\r\n<script>", "\r\n//evil.test",
        "/\r//evil.test", "/a\x00b", "/\x00//evil.test", "https://app.example.test/\r\nX: y",
        "https://app.example.test\r\n", "/a\u2028b", "/a\u0085b", "/%0d%0a\r\n", "\n", "\r\n\r\n",
    ],
    "over-long": [
        *("/" + "a" * n + "//evil.test" for n in (2048, 4096, 8188)), "/" * 3000 + "evil.test", "/a?" + "x" * 9000,
        "https://app.example.test/" + "a" * 3000, "https://" + "a." * 1500 + "apps.example.test/",
        "https://app.example.test" + "@" * 3000, "/a#" + "x" * 3000, "https://evil.test/" + "a" * 3000,
        "/" + "../" * 1000 + "/evil.test", "/" + "%2e%2e/" * 500 + "/evil.test",
    ],
}  # fmt: skip

PAYLOADS = {f"{kind}-{n}": raw for kind, raws in CLASSES.items() for n, raw in enumerate(raws)}
SOME = {id: raw for id, raw in PAYLOADS.items() if id.endswith(("-0", "-3", "-7"))}


@pytest.fixture(scope="module")
def module_person(tmp_path_factory, transport):
    """One app for all payloads; each signs in anew."""
    from doorkey.factory import create_app
    from doorkey.settings import load
    from tests.conftest import KEY, provider_settings
    from tests.support.scripted_provider import ScriptedProvider

    provider = ScriptedProvider()
    environ = {
        "DOORKEY_PUBLIC_URL": OWN,
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_INSTANCE": str(tmp_path_factory.mktemp("targets") / "instance"),
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": "stub",
        **provider_settings("stub", provider.url),
        **APPS,
    }
    yield Person(create_app(load(environ), transport=transport))
    provider.close()


def land(person: Person, raw: str) -> str:
    """The Location that ends a sign-in begun with `raw`."""
    begun = person.begin(next=raw)
    answer = person.come_back(f"code=c&state={begun.state}")
    assert answer.status_code == 303
    assert "\r" not in str(answer.headers["Location"])
    assert answer.headers["Location"].isascii()
    return answer.headers["Location"]


def allowed(origin: str) -> bool:
    return origin in (OWN, "https://app.example.test") or (
        origin.startswith("https://") and origin.endswith(".apps.example.test") and origin.count("/") == 2
    )


@pytest.mark.parametrize("raw", PAYLOADS.values(), ids=PAYLOADS)
def test_a_sign_in_never_ends_at_a_foreign_origin(raw, module_person):
    location = land(module_person, raw)
    assert allowed(origin_a_browser_goes_to(location, OWN)), location
    assert urlsplit(location).netloc == "" or allowed("https://" + urlsplit(location).netloc)
    assert len(location) <= 8192


@pytest.mark.parametrize("raw", SOME.values(), ids=SOME)
@pytest.mark.parametrize("encode", [quote, lambda raw: quote(quote(raw, safe=""), safe="")], ids=["once", "twice"])
def test_encoding_a_payload_once_more_does_not_help(raw, encode, module_person):
    for prefix in ("", "/"):
        location = land(module_person, prefix + encode(raw))
        assert allowed(origin_a_browser_goes_to(location, OWN)), location


GOOD = {
    "/": "/",
    "/a/b?x=1": "/a/b?x=1",
    "/a/b?x=1&y=a/b:c#part": "/a/b?x=1&y=a/b:c#part",
    "/日本/é": "/%E6%97%A5%E6%9C%AC/%C3%A9",
    "/a?q=日本": "/a?q=%E6%97%A5%E6%9C%AC",
    "/a%2Fb%20c": "/a%2Fb%20c",
    "/a/./b/../c": "/a/c",
    "/a//b": "/a//b",
    "/search?q=%2F%2Fevil.test": "/search?q=%2F%2Fevil.test",
    "/go?to=https://evil.test/": "/go?to=https://evil.test/",
    "/@evil.test": "/@evil.test",
    "/loginx": "/loginx",
    "https://app.example.test/x": "https://app.example.test/x",
    "https://app.example.test": "https://app.example.test/",
    "https://app.example.test:443/x": "https://app.example.test/x",
    "HTTPS://App.Example.Test/X?y=Z": "https://app.example.test/X?y=Z",
    "https://app.example.test?a=b": "https://app.example.test/?a=b",
    "https://app.example.test/logout": "https://app.example.test/logout",
    "https://a.apps.example.test/": "https://a.apps.example.test/",
    "https://a.b.apps.example.test/c": "https://a.b.apps.example.test/c",
    "http://127.0.0.1:8000/mine?x": "/mine?x",
}


@pytest.mark.parametrize(("raw", "location"), GOOD.items(), ids=GOOD)
def test_good_targets_are_reached(raw, location, module_person):
    assert land(module_person, raw) == location


@pytest.mark.parametrize(
    "raw",
    [
        "/logout", "/login", "/login?next=/login", "/log%6fut", "/LOG%4FUT/../logout", "/a/../logout", "/logged-out",
        "/callback/stub", "/callback/stub?code=x&state=y", "/%6cogin", "/logout/", "/logout?x", "/logout#x",
        "/oauth/authorize", "/check/nginx", "http://127.0.0.1:8000/logout", "/x/%2e%2e/logout", "/./logout",
        "/logou%74?a=/b", "/x/..%2flogout", "/%2flogout", "/%2flogin?next=/a", "/.%2flogout",
    ],
)  # fmt: skip
def test_a_sign_in_does_not_end_at_a_step_of_signing_in_or_out(raw, module_person):
    assert land(module_person, raw) == "/"
    assert module_person.is_signed_in()


@pytest.mark.parametrize(
    "raw",
    [
        "https://login.example.test:443/logout",
        "HTTPS://LOGIN.example.test:443/login",
        "https://login.example.test/logout",
    ],
)
def test_a_wildcard_that_covers_doorkey_itself_does_not_open_its_steps(raw, make_app):
    app = make_app(DOORKEY_PUBLIC_URL="https://login.example.test", DOORKEY_ALLOWED_HOSTS="*.example.test")
    assert land(Person(app, "https://login.example.test"), raw) == "/"


@pytest.mark.parametrize("raw", ["https://example.org/", "https://app.example.test/", "//127.0.0.1:8000/x"])
def test_without_a_list_only_doorkey_itself_is_a_target(raw, person):
    assert land(person, raw) == "/"


@pytest.mark.parametrize(
    "query",
    ["next=/a&next=/b", "next=/a&next=https://evil.test", "rd=/a", "next[]=/a", "target_link_uri=https://evil.test"],
)
def test_a_doubled_or_misnamed_target_is_dropped(query, module_person):
    answer = module_person.get(f"/login?provider=stub&{query}")
    state = answer.headers["Location"].partition("state=")[2].partition("&")[0]
    assert module_person.come_back(f"code=c&state={state}").headers["Location"] == "/"


@pytest.mark.parametrize(
    ("first", "last"), [(0x4E00, 0x8E00), (0x1F300, 0x1F600), (0xC0, 0xFF)], ids=["han", "emoji", "latin"]
)
@pytest.mark.parametrize("length", [200, 880, 2000])
def test_a_long_target_outside_ascii_never_makes_a_cookie_that_browsers_refuse(first, last, length, module_person):
    """Each letter is up to twelve characters once encoded; browsers drop cookies beyond 4,096 bytes."""
    dice = random.Random(1)
    letters = "".join(chr(dice.randrange(first, last)) for _ in range(length))
    answer = module_person.get("/login?provider=stub&next=/" + quote(letters))
    assert answer.status_code == 302
    set_now = [line for line in answer.headers.getlist("Set-Cookie") if "Max-Age=0" not in line]
    assert len(set_now) == 1, "the sign-in that was just begun must keep its cookie"
    assert len(set_now[0].partition(";")[0]) <= 4096


def test_the_choice_of_a_provider_keeps_a_good_target_and_drops_a_bad_one(app, person):
    assert "/login?provider=stub&amp;next=%2Fa" in person.get("/login?next=/a").text
    assert EVIL not in person.get("/login?next=//evil.test").text
    assert EVIL not in person.get("/login?next=javascript:alert(1)//evil.test").text
