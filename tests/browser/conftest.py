"""One Chromium and three servers for all browser tests; a fresh, watched browser profile for each."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.browser.chromium import ChromiumMissing, chromium
from tests.browser.sites import Sites, open_sites

NewPage = Callable[..., Page]

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the servers wrote."""
    report = yield
    sites = getattr(item, "funcargs", {}).get("all_sites")
    if report.failed and sites:
        report.sections += [(site.url, site.log[-2000:]) for site in sites.servers]
    return report


# Package scope: Playwright keeps an event loop in this thread, which other packages must not find.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=10_000)
    try:
        with chromium() as running:
            yield running
    except ChromiumMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="package")
def all_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with open_sites(tmp_path_factory.mktemp("sites")) as sites:
        yield sites
        assert "Traceback" not in "".join(server.log for server in sites.servers)


@pytest.fixture
def sites(all_sites: Sites) -> Sites:
    """All servers; the scripted provider lets Una in for an hour unless a test says otherwise."""
    all_sites.answer()
    return all_sites


@pytest.fixture
def home(sites: Sites) -> str:
    """Doorkey as a newcomer gets it: the URL of its start page."""
    return sites.newcomer.url


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """`new_page(**options)`: a page of a fresh profile. At the end nothing may have been complained about."""
    with fresh_pages(browser) as make:
        yield make


@contextmanager
def fresh_pages(browser: Browser) -> Iterator[NewPage]:
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def make(**options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        watch(context, problems)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert problems == []


def watch(context: BrowserContext, problems: list[str]) -> None:
    """Note console errors, script errors, policy violations, and requests to anywhere else."""

    def on_console(message: ConsoleMessage) -> None:
        # Chromium reports the status of a problem page itself, too; that one is meant.
        is_page = message.page is not None and message.location["url"] == message.page.url
        if message.type == "error" and not (is_page and message.text.startswith("Failed to load resource")):
            problems.append(f"{message.text} ({message.location['url']})")

    def on_request(request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            problems.append(f"request to {request.url}")

    context.add_init_script(REPORT_VIOLATIONS)
    context.on("console", on_console)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("request", on_request)


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return new_page()
