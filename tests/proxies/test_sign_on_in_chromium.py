"""One sign-in for two applications, in a real Chromium through nginx, Caddy and Traefik as operators set them up."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from tests.browser.chromium import ARGUMENTS, chromium_path
from tests.proxies.every import PROXIES
from tests.proxies.gate_world import World, open_world
from tests.proxies.running import RunningProxy

NAMES = ("nginx", "caddy", "traefik")
FIRST, SECOND = "https://app.example.com", "https://other.example.com"


def let_in(handler: BaseHTTPRequestHandler) -> None:
    """The provider's page, of somebody who is signed in there: back with a code at once."""
    asked = parse_qs(urlsplit(handler.path).query)
    query = urlencode({"code": "a-code", "state": asked["state"][0]})
    handler.send_response(302)
    handler.send_header("Location", f"{asked['redirect_uri'][0]}?{query}")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    kinds = [kind for kind in PROXIES if kind.name in NAMES]
    with open_world(tmp_path_factory.mktemp("chromium"), kinds, second_host="other.example.com") as world:
        yield world


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(params=NAMES)
def person(request: pytest.FixtureRequest, world: World, playwright: Playwright) -> Iterator[BrowserContext]:
    """A browser for which *.example.com is the proxy."""
    proxy = world.proxies[request.param]
    assert isinstance(proxy, RunningProxy), proxy
    world.app.requests.clear()
    world.provider.seen.clear()
    world.provider.answer_raw("/authorize", let_in)
    rules = f"--host-resolver-rules=MAP *.example.com 127.0.0.1:{proxy.port}"
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGUMENTS, rules])
    try:
        yield browser.new_context(ignore_https_errors=True)
    finally:
        browser.close()


def test_one_sign_in_opens_two_applications(world: World, person: BrowserContext) -> None:
    page = person.new_page()
    page.goto(f"{FIRST}/files/a%2Fb?x=1&y=%C3%A9")
    page.wait_for_url(f"{FIRST}/files/a%2Fb?x=1&y=%C3%A9")
    page.goto(f"{SECOND}/start")
    assert page.url == f"{SECOND}/start"
    opened = [request for request in world.app.requests if request.target != "/favicon.ico"]
    assert [request.header("Host") for request in opened] == ["app.example.com", "other.example.com"]
    assert {request.header("X-Doorkey-User") for request in opened} == {"user-1"}
    assert len(world.provider.requests_to("/authorize")) == 1


def test_after_signing_out_neither_application_opens(world: World, person: BrowserContext) -> None:
    page = person.new_page()
    page.goto(f"{FIRST}/")
    page.wait_for_url(f"{FIRST}/")
    page.goto("https://login.example.com/logout")
    page.locator("main form button").first.click()
    page.wait_for_load_state()
    world.app.requests.clear()
    world.provider.answer("/authorize", "Who are you?")
    for origin in (FIRST, SECOND):
        page.goto(f"{origin}/")
        assert page.url.startswith(world.provider.url)
    assert [request.target for request in world.app.requests if request.target != "/favicon.ico"] == []
