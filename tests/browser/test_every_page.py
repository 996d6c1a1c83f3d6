"""What must hold on every page: readable for all, no wider than a phone, nothing the policy forbids."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import NewPage
from tests.browser.sites import Sites
from tests.browser.tour import TOUR

each_page = pytest.mark.parametrize("name", TOUR)


@each_page
def test_axe_finds_nothing(new_page: NewPage, sites: Sites, name: str) -> None:
    page = new_page(color_scheme="light")
    TOUR[name](page, sites)
    assert violations(page) == ""
    page.emulate_media(color_scheme="dark")
    assert violations(page, only="color-contrast") == ""


def violations(page: Page, *, only: str = "") -> str:
    """axe's report; `only` names a single rule, for what cannot have changed otherwise."""
    options = {"resultTypes": ["violations"], **({"runOnly": [only]} if only else {})}
    results = Axe().run(page, options=options)
    return results.generate_report() if results.violations_count else ""


@each_page
def test_a_phone_needs_no_sideways_scrolling(new_page: NewPage, sites: Sites, name: str) -> None:
    page = new_page(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    TOUR[name](page, sites)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert too_wide(page) == []


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
