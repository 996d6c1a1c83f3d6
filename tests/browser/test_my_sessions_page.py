"""My sessions, and the token's panel on the home page, as people meet them: by mouse, by keyboard, without scripts."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tests.browser.sites import DEVICES, Sites
from tests.browser.test_every_page import violations
from tests.browser.test_keyboard import tab_to
from tests.browser.tour import TOUR
from tests.browser.ways import come_back, fail_to_renew, open_my_sessions, sign_in
from tests.support.scripted_provider import GOOD_TOKEN

HERO = {
    "live": "home",
    "expired": "home-expired",
    "expired for good": "home-expired-for-good",
    "unknown": "home-unknown-expiry",
    "renewed no more": "home-renewed-no-more",
}
COLOURS = """(button) => {
    const style = getComputedStyle(button);
    const panel = getComputedStyle(button.closest(".hero")).backgroundColor;
    return [panel, style.borderTopColor, style.outlineColor].map((text) => text.match(/[0-9.]+/g).map(Number));
}"""


def contrast(one: list[float], other: list[float]) -> float:
    """The ratio of WCAG 2.2."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: list[float]) -> float:
    assert len(colour) == 3, "it must be opaque"
    parts = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def level_1(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


@pytest.fixture
def phone(new_page: NewPage, sites: Sites) -> Page:
    """Signed in at `configured` as somebody who was never there before."""
    sites.answer_somebody_new()
    page = new_page(user_agent=DEVICES["Safari on iPhone"])
    come_back(page, sites)
    level_1(page, "Una User")
    return page


# ---- ending sessions ----


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_another_browser_is_signed_out_from_here(new_page: NewPage, sites: Sites, phone: Page, scripts: bool) -> None:
    page = new_page(java_script_enabled=scripts, user_agent=DEVICES["Firefox on Linux"])
    open_my_sessions(page, sites)
    expect(page.get_by_role("heading", level=2)).to_have_text(["Firefox on Linux this browser", "Safari on iPhone"])
    expect(page.get_by_text("That browser is signed out.")).to_be_hidden()
    page.get_by_role("button", name="Sign out Safari on iPhone, signed in").click()
    expect(page.get_by_text("That browser is signed out.")).to_be_visible()
    expect(page.get_by_role("heading", level=2)).to_have_text(["Firefox on Linux this browser"])
    phone.reload()
    level_1(phone, "Sign in")
    page.reload()
    level_1(page, "My sessions")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_signing_out_everywhere_is_one_press(new_page: NewPage, sites: Sites, phone: Page, scripts: bool) -> None:
    page = new_page(java_script_enabled=scripts)
    open_my_sessions(page, sites, "Edge on Windows")
    page.get_by_role("button", name="Sign out everywhere").click()
    level_1(page, "You are signed out")
    page.goto(f"{sites.configured.url}/account/sessions")
    level_1(page, "Sign in")
    phone.reload()
    level_1(phone, "Sign in")


@pytest.mark.parametrize("button", ["Sign out everywhere", "Sign out this browser"])
def test_the_provider_is_left_too_where_it_offers_that(page: Page, home: str, new_page: NewPage, button: str) -> None:
    sign_in(new_page(), home)
    sign_in(page, home)
    page.get_by_role("link", name="All my sessions").click()
    page.get_by_role("button", name=button).click()
    level_1(page, "You are signed out")
    expect(page.get_by_text("Development provider was told to end its own")).to_be_visible()


def test_sessions_are_ended_without_a_mouse(page: Page, sites: Sites, phone: Page) -> None:
    open_my_sessions(page, sites, "Edge on Windows")
    tab_to(page, "Sign out everywhere")
    for _ in range(2):  # this browser's button, and the one of whoever came last
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign out Edge on Windows")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Edge on Windows")).to_have_count(0)
    expect(page.get_by_text("That browser is signed out.")).to_be_focused()
    tab_to(page, "Sign out")
    expect(page.get_by_role("button", name="Sign out this browser")).to_be_focused()
    tab_to(page, "Back to my account")
    page.keyboard.press("Enter")
    level_1(page, "Una User")


def test_somebody_unnamed_by_the_provider_is_told_why_only_this_browser_is_listed(page: Page, sites: Sites) -> None:
    open_my_sessions(page, sites, "Edge on Windows", provider="other")
    expect(page.get_by_text("Another Provider did not say who you are, so only this browser")).to_be_visible()
    expect(page.get_by_role("heading", level=2)).to_have_text(["Chrome on Linux this browser"])
    expect(page.get_by_role("button", name="Sign out everywhere")).to_have_count(0)


# ---- the panel of the token ----


@pytest.mark.parametrize("state", HERO)
def test_the_panel_can_be_read_in_every_state(new_page: NewPage, sites: Sites, state: str) -> None:
    page = new_page(color_scheme="light")
    TOUR[HERO[state]](page, sites)
    can_be_read(page)
    page.mouse.move(0, 0)
    page.emulate_media(color_scheme="dark")
    can_be_read(page)


def can_be_read(page: Page) -> None:
    button = page.locator(".hero .button")
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    panel, border, ring = button.evaluate(COLOURS)
    assert contrast(panel, border) >= 3
    assert contrast(panel, ring) >= 3
    button.hover()
    assert violations(page, only="color-contrast") == ""


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_the_button_renews_the_token(new_page: NewPage, sites: Sites, scripts: bool) -> None:
    page = new_page(java_script_enabled=scripts)
    sites.answer(token={**GOOD_TOKEN, "expires_in": 200})
    come_back(page, sites)
    expect(page.locator(".clock")).to_have_text(re.compile("3 minutes|3:1"))
    sites.answer(token={**GOOD_TOKEN, "access_token": "canary-newer", "expires_in": 90_000})
    page.get_by_role("button", name="Renew the token now").click()
    expect(page.locator(".clock")).to_have_text(re.compile("1 day"))


def test_a_failed_renewal_says_what_failed_and_when_the_button_works_again(page: Page, sites: Sites) -> None:
    come_back(page, sites)
    fail_to_renew(page, sites, "temporarily_unavailable", 503)
    panel = page.locator(".hero")
    expect(panel).to_contain_text(
        re.compile(r"The last renewal failed \(\w+\)\. The next try is possible in \d+ seconds?")
    )
    sites.answer(token={**GOOD_TOKEN, "access_token": "canary-newer"})
    asked = len(sites.provider.requests_to("/token"))
    page.get_by_role("button", name="Renew the token now").click()
    expect(panel).to_contain_text("The next try is possible in")
    assert len(sites.provider.requests_to("/token")) == asked


def test_a_token_that_is_renewed_no_more_offers_to_sign_in_again(page: Page, sites: Sites) -> None:
    come_back(page, sites)
    fail_to_renew(page, sites, "invalid_grant", 400)
    panel = page.locator(".hero")
    expect(panel).to_contain_text("The provider renews this token no more (token_refused). Sign in again")
    expect(panel.get_by_role("button")).to_have_count(0)
    expect(panel.get_by_role("link", name="Sign in again")).to_have_attribute("href", "/login?provider=stub")


def test_a_token_without_refresh_offers_to_sign_in_again_once_it_has_expired(page: Page, sites: Sites) -> None:
    sites.answer(token={"access_token": "canary", "token_type": "bearer", "expires_in": 3})
    come_back(page, sites)
    again = page.get_by_role("link", name="Sign in again")
    expect(page.locator(".clock")).to_have_text(re.compile("^0:0"))
    expect(again).to_be_hidden()
    expect(page.locator(".clock")).to_have_text("expired")
    expect(again).to_be_visible()
