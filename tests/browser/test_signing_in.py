"""Signing in and out with a browser, the way people do."""

import re
import time
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from doorkey.presets import DEV_SCOPE
from tests.browser.chromium import launched
from tests.browser.conftest import NewPage
from tests.browser.sites import Sites
from tests.browser.tour import begin, come_back, sign_in

CLOCK = ".clock"
OF_ALICE = re.compile("Alice|alice@example.com|message_read")


def seconds_shown(page: Page) -> int:
    """The countdown as a number: `59:58`, `11:59:58`."""
    total = 0
    for part in page.locator(CLOCK).inner_text().split(":"):
        total = total * 60 + int(part)
    return total


def seconds_left(page: Page, home: str) -> float:
    """What /session says about the same token."""
    left: float = page.request.get(f"{home}/session").json()["expires_at"] - time.time()
    return left


def test_a_first_visit_shows_one_button_to_sign_in(page: Page, home: str) -> None:
    page.goto(home)
    expect(page).to_have_title("Sign in · Doorkey")
    expect(page.get_by_role("link", name=re.compile("^Sign in with .*development provider", re.I))).to_be_visible()
    expect(page.get_by_role("link", name="Sign in with")).to_have_count(1)


def test_a_sign_in_shows_the_name_the_scope_and_the_expiry(page: Page, home: str) -> None:
    sign_in(page, home)
    expect(page).to_have_url(f"{home}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")
    rows = page.get_by_role("table", name="Scopes asked for and granted").get_by_role("row")
    expect(rows).to_contain_text(["Scope", *DEV_SCOPE.split()])
    expect(rows.nth(1).get_by_role("cell")).to_contain_text(["yes", "yes"])
    expect(page.get_by_text("6 of 6 granted")).to_be_visible()
    expect(page.locator(".hero-when time")).to_contain_text("UTC")
    expect(page.get_by_text("alice@example.com")).to_be_visible()


def test_the_countdown_moves(page: Page, home: str) -> None:
    sign_in(page, home)
    shown = page.locator(CLOCK).inner_text()
    expect(page.locator(CLOCK)).not_to_have_text(shown, timeout=2500)


@pytest.mark.parametrize("days", [-2, 2])
def test_the_countdown_is_right_when_the_clock_of_the_browser_is_wrong(page: Page, home: str, days: int) -> None:
    page.add_init_script(f"const now = Date.now; Date.now = () => now() + {days} * 86400000;")
    sign_in(page, home)
    assert abs(page.evaluate("Date.now() / 1000") - time.time()) > 86400
    shown = page.locator(CLOCK).inner_text()
    expect(page.locator(CLOCK)).not_to_have_text(shown, timeout=2500)
    assert abs(seconds_shown(page) - seconds_left(page, home)) < 3


def test_a_token_that_ends_while_the_page_is_open_is_shown_as_expired(page: Page, sites: Sites) -> None:
    sites.answer(token={"access_token": "canary", "token_type": "bearer", "expires_in": 2})
    come_back(page, sites)
    expect(page.locator(CLOCK)).to_have_text("expired")
    expect(page.get_by_role("status")).to_have_text("The access token has expired.")


def test_a_scope_that_was_taken_out_is_shown_as_not_granted(page: Page, home: str) -> None:
    begin(page, home)
    page.get_by_label("message_read").uncheck()
    page.get_by_role("button", name="Continue as Bob Baker").click()
    expect(page.get_by_text("5 of 6 granted")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="message_read")
    expect(row.get_by_role("cell")).to_contain_text(["yes", "no"])


def test_all_scopes_but_openid_can_be_taken_out(page: Page, home: str) -> None:
    begin(page, home)
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_role("button", name="Continue as Bob Baker").click()
    expect(page.get_by_text("1 of 6 granted")).to_be_visible()


def test_a_denied_sign_in_says_so_and_offers_to_try_again(page: Page, home: str) -> None:
    begin(page, home)
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Access was denied")
    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name="Continue as Alice Archer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")


def test_five_tabs_that_began_before_any_finished_all_get_home(page: Page, home: str) -> None:
    tabs = [page] + [page.context.new_page() for _ in range(4)]
    for tab in tabs:
        tab.goto(f"{home}/login")
    for number in (2, 0, 4, 1, 3):
        tabs[number].get_by_role("button", name="Continue as Alice Archer").click()
        expect(tabs[number].get_by_role("heading", level=1)).to_have_text("Alice Archer")


def test_the_session_ends_and_the_way_back_shows_nothing_of_the_account(page: Page, home: str) -> None:
    sign_in(page, home)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    page.go_back()
    expect(page.get_by_role("link", name="Sign in with")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text(OF_ALICE)


def test_the_page_cache_of_the_browser_gives_nothing_back_after_signing_out(browser: Browser, home: str) -> None:
    """Without scripts, so that no script can hide it; several times, because the cache does not always hit."""
    with launched(browser.browser_type, page_cache=True) as own:
        for _ in range(3):
            page = own.new_context(java_script_enabled=False).new_page()
            sign_in(page, home)
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
            page.wait_for_load_state()  # nobody sees the page before: the stylesheet that empties the cache blocks it
            with suppress(PlaywrightTimeout):  # it waits for a load that a cached page never has
                page.go_back(timeout=2000)
            expect(page).to_have_url(f"{home}/")
            expect(page.locator("body")).not_to_contain_text(OF_ALICE)
            page.context.close()


def test_the_sign_out_page_asks_first(page: Page, home: str) -> None:
    sign_in(page, home)
    page.goto(f"{home}/logout")
    page.get_by_role("link", name="Stay signed in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")
    page.goto(f"{home}/logout")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")


def test_everything_works_without_javascript(new_page: NewPage, home: str) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, home)
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")
    expect(page.locator(CLOCK)).to_have_text(re.compile(r"\d+ (hour|minute)s?"))
    expect(page.locator(".hero-when")).to_contain_text("UTC")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")


# ---- the guard of the consent page (static/dev.js) ----

BACK_TO_THE_FRONT = "['blur', 'focus'].forEach((name) => dispatchEvent(new Event(name)));"


def test_a_click_right_after_the_page_came_up_counts(page: Page, home: str) -> None:
    page.goto(f"{home}/login", wait_until="domcontentloaded")
    page.evaluate("document.querySelector('button[name=user]').click()")
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")


def test_a_click_that_brings_the_window_to_the_front_does_not_count(page: Page, home: str) -> None:
    begin(page, home)
    page.evaluate(BACK_TO_THE_FRONT + "document.querySelector('button[name=user]').click()")
    expect(page.get_by_role("status")).to_contain_text("not counted")
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a test user")
    page.evaluate("new Promise((done) => setTimeout(done, 500))")  # as long as the guard says
    page.get_by_role("button", name="Continue as Alice Archer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")
