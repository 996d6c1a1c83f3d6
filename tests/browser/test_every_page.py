"""What must hold on every page: readable for all, no wider than a phone, nothing the policy forbids.

The way to a page costs more than looking at it, so each is gone to once (`place`), for all tests here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import fresh_pages
from tests.browser.sites import Sites
from tests.browser.tour import TOUR

PHONE = {"width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": True}
ZOOMED = {"width": 320, "height": 256, "deviceScaleFactor": 1, "mobile": False}
"""A window of 1280 by 1024 at four hundred percent."""


@pytest.fixture(scope="module", params=TOUR)
def place(request: pytest.FixtureRequest, browser: Browser, all_sites: Sites) -> Iterator[Page]:
    """A page of the tour on a desk, in light colours; whoever changes that changes it back."""
    all_sites.answer()
    with fresh_pages(browser) as new_page:
        page = new_page(color_scheme="light")
        TOUR[request.param](page, all_sites)
        yield page


def test_axe_finds_nothing(place: Page) -> None:
    assert violations(place) == ""
    place.emulate_media(color_scheme="dark")
    assert violations(place, only="color-contrast") == ""
    place.emulate_media(color_scheme="light")


def violations(page: Page, *, only: str = "") -> str:
    """axe's report; `only` names a single rule, for what cannot have changed otherwise."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    options = {"resultTypes": ["violations"], **({"runOnly": [only]} if only else {})}
    results = AxeResults(page.evaluate("(options) => axe.run(options)", options))
    return results.generate_report() if results.violations_count else ""


def test_a_phone_needs_no_sideways_scrolling(place: Page) -> None:
    with laid_out(place, PHONE, touch=True):
        assert place.evaluate("document.documentElement.scrollWidth") == 360
        assert too_wide(place) == []


def test_four_hundred_percent_of_zoom_needs_no_sideways_scrolling(place: Page) -> None:
    with laid_out(place, ZOOMED):
        assert place.evaluate("innerWidth") == 320
        assert place.evaluate("document.documentElement.scrollWidth") <= 320
        assert too_wide(place) == []


@contextmanager
def laid_out(page: Page, screen: dict[str, Any], *, touch: bool = False) -> Iterator[None]:
    """The page that is open, laid out anew for another screen."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setDeviceMetricsOverride", screen)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": touch})
    assert page.evaluate("matchMedia('(pointer: coarse)').matches") == touch
    yield
    session.detach()


def too_wide(page: Page) -> list[str]:
    """What reaches beyond the right or left edge, whether or not it can be scrolled to."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("main *, header *, footer *")]
            .filter((element) => {
                const box = element.getBoundingClientRect();
                return box.width > 1 && (box.right > innerWidth + 0.5 || box.left < -0.5);
            })
            .map((element) => element.outerHTML.slice(0, 100))"""
    )
    return found
