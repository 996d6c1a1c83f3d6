"""Steps that many tests and stops of tour.py have in common: signing in, coming back from a provider, my sessions."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from tests.browser.sites import Sites


def begin(page: Page, url: str) -> None:
    """From the first visit to the development provider's page."""
    page.goto(url)
    page.get_by_role("link", name="Sign in with").click()
    page.get_by_role("heading", name="Choose a test user").wait_for()


def sign_in(page: Page, url: str, who: str = "Alice Archer") -> None:
    """From the first visit to the home page."""
    begin(page, url)
    page.get_by_role("button", name=f"Continue as {who}").click()
    page.get_by_role("button", name="Sign out").wait_for()


def come_back(page: Page, sites: Sites, query: str = "code=canary-code", provider: str = "stub") -> None:
    """To `configured`, as if its provider had just let somebody in."""
    url = sites.configured.url
    begun = page.request.get(f"{url}/login?provider={provider}", max_redirects=0)
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    page.goto(f"{url}/callback/{provider}?{query}&state={state}")


def open_my_sessions(page: Page, sites: Sites, *elsewhere: str, provider: str = "stub") -> None:
    """Of whoever the provider lets in: this browser's, and one for each device in `elsewhere`."""
    for device in elsewhere:
        sites.sign_in_elsewhere(device, provider)
    come_back(page, sites, provider=provider)
    page.get_by_role("link", name="All my sessions").click()
    page.get_by_role("heading", name="My sessions").wait_for()


def fail_to_renew(page: Page, sites: Sites, error: str, status: int) -> None:
    """The button of the home page is pressed, and the provider gives nothing."""
    sites.provider.answer("/token", {"error": error}, status)
    page.get_by_role("button", name="Renew the token now").click()
    page.get_by_role("link", name="Back to the start page").click()
    page.get_by_role("timer").wait_for()
