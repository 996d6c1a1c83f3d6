"""What the pages of the gate offer to do, done: another account, another try, the page of a form that was not sent."""

from secrets import token_hex

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tests.browser.gate_tour import denied, form_not_sent, login_loop
from tests.browser.sites import Sites
from tests.browser.test_keyboard import tab_to
from tests.browser.ways import come_back, sign_in

LONG_TARGET = "/admin/users?page=2&filter=" + token_hex(980)
"""About as long as a ticket can hold, and it cannot be made shorter."""


def choose(page: Page, who: str) -> None:
    page.get_by_role("button", name=f"Continue as {who}").click()


def expect_arrival(page: Page, sites: Sites, target: str, who: str = "Alice Archer") -> None:
    """At the application, at the very address, as `who`."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Arrived")
    expect(page.get_by_text(f"as {who}")).to_be_visible()
    assert page.url == sites.front.url + target
    assert sites.front.arrivals == [("GET", target)]


@pytest.mark.parametrize("target", ["/admin/a%2Fb?x=1&y=%C3%A9&z=a+b", LONG_TARGET], ids=["short", "long"])
def test_switching_the_account_leads_to_the_page_that_was_refused_even_without_scripts(
    new_page: NewPage, sites: Sites, target: str
) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, sites.newcomer.url, "Bob Baker")
    page.goto(sites.front.guarded_by(sites.newcomer) + target)
    expect(page.get_by_text("You are signed in as Bob Baker (bob@example.com)")).to_be_visible()
    page.get_by_role("link", name="Switch account").click()
    choose(page, "Alice Archer")
    expect_arrival(page, sites, target)


def test_switching_the_account_is_possible_where_there_are_several_providers(page: Page, sites: Sites) -> None:
    come_back(page, sites)
    page.goto(sites.front.guarded_by(sites.configured) + "/admin")
    page.get_by_role("link", name="Switch account").click()
    link = page.get_by_role("link", name="Sign in with Example Works").get_attribute("href")
    begun = page.request.get(f"{sites.configured.url}{link}", max_redirects=0)
    assert begun.headers["location"].startswith(f"{sites.provider.url}/authorize?")
    assert "prompt=select_account" in begun.headers["location"]


def test_choosing_the_same_account_again_ends_at_the_refusal_and_not_in_a_circle(page: Page, sites: Sites) -> None:
    denied(page, sites)
    for _ in range(4):
        page.get_by_role("link", name="Switch account").click()
        choose(page, "Bob Baker")
        expect(page.get_by_role("heading", level=1)).to_have_text("You may not open this")
    assert sites.front.arrivals == []


def test_trying_again_works_once_another_tab_is_signed_in_as_somebody_who_may(page: Page, sites: Sites) -> None:
    denied(page, sites)
    with page.context.new_page() as other:
        other.goto(f"{sites.newcomer.url}/login")
        choose(other, "Alice Archer")
        other.get_by_role("button", name="Sign out").wait_for()
    page.get_by_role("link", name="Try again").click()
    expect_arrival(page, sites, "/admin/users?page=2")


def test_who_was_signed_out_meanwhile_can_sign_in_at_the_refusal(page: Page, sites: Sites) -> None:
    denied(page, sites)
    with page.context.new_page() as other:
        other.goto(sites.newcomer.url)
        other.get_by_role("button", name="Sign out").click()
        other.get_by_role("heading", name="You are signed out").wait_for()
    page.reload()
    expect(page.get_by_text("signed out by now")).to_be_visible()
    link = page.get_by_role("link", name="Sign in")
    assert "prompt=select_account" in (link.get_attribute("href") or "")
    link.click()
    choose(page, "Alice Archer")
    expect_arrival(page, sites, "/admin/users?page=2")


def test_a_refusal_needs_no_mouse(page: Page, sites: Sites) -> None:
    denied(page, sites)
    for words in ("Switch account", "Try again", "Your account"):
        tab_to(page, words)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a test user")


@pytest.mark.parametrize("target", ["/admin", LONG_TARGET], ids=["short", "long"])
def test_the_few_words_of_the_gate_lead_to_the_page_that_says_more(page: Page, sites: Sites, target: str) -> None:
    sign_in(page, sites.newcomer.url, "Bob Baker")
    refused = page.goto(sites.front.guarded_by(sites.newcomer, dialect="forward") + target)
    assert refused is not None
    assert refused.status == 403
    assert page.url == sites.front.url + target
    page.get_by_role("link", name="Switch account").click()
    expect(page.get_by_text("You are signed in as Bob Baker (bob@example.com)")).to_be_visible()
    expect(page.get_by_role("link", name="Try again")).to_have_attribute("href", sites.front.url + target)


def test_a_form_that_was_not_sent_never_arrives_and_its_page_can_be_opened(page: Page, sites: Sites) -> None:
    form_not_sent(page, sites)
    assert sites.front.arrivals == [("GET", "/form")]
    sites.front.arrivals.clear()
    page.get_by_role("link", name="Open that page").click()
    expect_arrival(page, sites, "/save", "Bob Baker")


def test_going_back_from_a_form_that_was_not_sent_finds_what_was_typed(page: Page, sites: Sites) -> None:
    form_not_sent(page, sites)
    for _ in range(2):
        page.go_back()
    expect(page.get_by_label("Note")).to_have_value("quite some words")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("as Bob Baker")).to_be_visible()
    assert sites.front.arrivals[-1] == ("POST", "/save")


def test_trying_again_leaves_the_circle_once_the_proxy_is_mended(page: Page, sites: Sites) -> None:
    login_loop(page, sites)
    expect(page.get_by_text("No cookie at all came with the request")).to_be_visible()
    assert sites.front.arrivals == []
    sites.front.guarded_by(sites.newcomer)
    page.get_by_role("link", name="Try again").click()
    expect_arrival(page, sites, "/reports?year=2026")
