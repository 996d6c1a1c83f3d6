"""Every page of Doorkey, and how to get there in a fresh browser.

Two servers: `newcomer` as it comes, nothing configured; `configured` with two providers whose
answers a test writes. Used by the tests that look at all pages, and by scripts/screenshot.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from tests.conftest import provider_settings
from tests.support.scripted_provider import GOOD_TOKEN, ScriptedProvider
from tests.support.servers import Running, app_server, free_port, python_app, server

UNA: dict[str, object] = {"sub": "user-1", "name": "Una User", "email": "una@example.com", "groups": ["staff"]}
LONG: dict[str, object] = {
    "sub": "x" * 200,
    "name": "Donaudampfschifffahrtsgesellschaft" * 4 + " \u202eنص طويل",
    "email": "a-very-long-mailbox-name-without-a-break" * 3 + "@example.com",
    "groups": ["a-group-with-quite-a-long-name" * 4, "<b>bold</b>"],
}


@dataclass
class Sites:
    """The two servers and the party behind the second one."""

    newcomer: Running
    configured: Running
    provider: ScriptedProvider

    def answer(self, *, token: dict[str, object] | None = None, user: dict[str, object] | None = None) -> None:
        """What the provider of `configured` says from now on."""
        self.provider.answer("/token", GOOD_TOKEN if token is None else token)
        self.provider.answer("/userinfo", UNA if user is None else user)


@contextmanager
def open_sites(folder: Path) -> Iterator[Sites]:
    """Start everything, keep it in `folder`, and stop it at the end."""
    provider, port = ScriptedProvider(), free_port()
    settings = {
        "DOORKEY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": "stub,other",
        **provider_settings("stub", provider.url),
        **provider_settings("other", provider.url),
        "DOORKEY_PROVIDER_STUB_LABEL": "Example Works",
        "DOORKEY_PROVIDER_OTHER_LABEL": "Another Provider",
    }
    try:
        # One machine signs in more often than one person does, hence no rate limit.
        with (
            app_server(folder / "newcomer", DOORKEY_RATE_LIMIT="0") as newcomer,
            server(python_app, folder / "configured", settings, port=port) as configured,
        ):
            yield Sites(newcomer, configured, provider)
    finally:
        provider.close()


# ---- ways to get somewhere ----


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


def come_back(page: Page, sites: Sites, query: str = "code=canary-code") -> None:
    """To `configured`, as if its provider had just let somebody in."""
    url = sites.configured.url
    begun = page.request.get(f"{url}/login?provider=stub", max_redirects=0)
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    page.goto(f"{url}/callback/stub?{query}&state={state}")


# ---- the pages ----

Go = Callable[[Page, Sites], None]
TOUR: dict[str, Go] = {}


def stop(go: Go) -> Go:
    """Adds `go` to the tour under its name."""
    TOUR[go.__name__.replace("_", "-")] = go
    return go


@stop
def sign_in_page(page: Page, sites: Sites) -> None:
    page.goto(sites.newcomer.url)


@stop
def sign_in_page_several(page: Page, sites: Sites) -> None:
    page.goto(sites.configured.url)


@stop
def provider_choice(page: Page, sites: Sites) -> None:
    begin(page, sites.newcomer.url)


@stop
def provider_choice_guarded(page: Page, sites: Sites) -> None:
    begin(page, sites.newcomer.url)
    page.evaluate("['blur', 'focus'].forEach((name) => dispatchEvent(new Event(name)))")
    page.evaluate("document.querySelector('button[name=user]').click()")


@stop
def provider_problem(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.newcomer.url}/oauth/authorize?client_id=nobody")


@stop
def home(page: Page, sites: Sites) -> None:
    sign_in(page, sites.newcomer.url)


@stop
def home_narrowed(page: Page, sites: Sites) -> None:
    begin(page, sites.newcomer.url)
    page.get_by_label("message_read").uncheck()
    page.get_by_role("button", name="Continue as Carol Chandler").click()
    page.get_by_role("button", name="Sign out").wait_for()


@stop
def home_many_groups(page: Page, sites: Sites) -> None:
    sign_in(page, sites.newcomer.url, "Dana Dyer")


@stop
def home_expired(page: Page, sites: Sites) -> None:
    sites.answer(token={**GOOD_TOKEN, "expires_in": 0})
    come_back(page, sites)


@stop
def home_unknown_expiry(page: Page, sites: Sites) -> None:
    sites.answer(token={"access_token": "canary-access-token", "token_type": "bearer"})
    come_back(page, sites)


@stop
def home_long_values(page: Page, sites: Sites) -> None:
    sites.answer(user=LONG, token={**GOOD_TOKEN, "scope": "read " + "a_long_scope_name" * 12, "expires_in": 2_000_000})
    come_back(page, sites)


@stop
def sign_out_question(page: Page, sites: Sites) -> None:
    sign_in(page, sites.newcomer.url)
    page.goto(f"{sites.newcomer.url}/logout")


@stop
def sign_out_of_nothing(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.newcomer.url}/logout")


@stop
def signed_out(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.newcomer.url}/logged-out")


@stop
def problem_400(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.newcomer.url}/callback/dev?state=unknown&code=x")


@stop
def problem_403(page: Page, sites: Sites) -> None:
    begin(page, sites.newcomer.url)
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("link", name="Try again").wait_for()


@stop
def problem_404(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.newcomer.url}/nothing/here")


@stop
def problem_502(page: Page, sites: Sites) -> None:
    refusal = {"error": "invalid_client", "error_description": "Unknown client " + "long" * 60, "status": "401"}
    sites.provider.answer("/token", refusal, 401)
    come_back(page, sites)
