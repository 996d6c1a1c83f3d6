"""Signing out in Chromium where the provider is another site: there and back, and frames in its page.

`localhost` and `127.0.0.1` are two sites. Chromium holds every redirect after a form against the form-action of the
page with the form (web/security.py, oauth/rp_logout.py), and leaves our cookies out of frames in other sites' pages.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import REPORT_VIOLATIONS
from tests.browser.sites import Sites
from tests.support.servers import Running, free_port, python_app, server

SECRET = "a-secret-of-32-characters-or-more"
IDS = ("op", "bye", "never")
"""Providers of one Doorkey, all of them one server: as it comes; another address for afterwards; END_SESSION=never."""


@dataclass
class Door:
    """A Doorkey, and its provider under the name of another site."""

    running: Running
    provider: str
    program: str

    @property
    def url(self) -> str:
        return self.running.url


@dataclass
class Visit:
    """One browser; `asked` is every page that it went to, `complaints` what it complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, door: Door, provider: str = "op") -> None:
        self.page.goto(f"{door.url}/login?provider={provider}")
        self.page.get_by_role("button", name="Continue as Alice Archer").click()
        expect(self.page).to_have_url(f"{door.url}/")
        self.asked.clear()

    def went(self) -> list[str]:
        """Without the queries."""
        return [line.partition("?")[0] for line in self.asked]


@pytest.fixture(scope="module")
def door_at(all_sites: Sites, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    port, provider = free_port(), f"http://localhost:{all_sites.alone.port}"
    settings = {
        "DOORKEY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": ",".join(IDS),
        "DOORKEY_PROVIDER_BYE_POST_LOGOUT_REDIRECT_URI": f"{all_sites.program.url}/bye",
        "DOORKEY_PROVIDER_NEVER_END_SESSION": "never",
    }
    for id in IDS:
        given = {"ISSUER": provider, "CLIENT_ID": f"door-{id}", "CLIENT_SECRET": SECRET, "LABEL": "Example Works"}
        settings |= {f"DOORKEY_PROVIDER_{id.upper()}_{name}": value for name, value in given.items()}
    with server(python_app, tmp_path_factory.mktemp("door"), settings, port=port) as running:
        yield Door(running, provider, all_sites.program.url)
        assert "Traceback" not in running.log


@pytest.fixture
def door(door_at: Door, sites: Sites, page: Page) -> Door:
    """Its clients are registered each time: other tests make the provider forget everything."""
    for id in IDS:
        register(page, door_at, sites, id)
    return door_at


def register(page: Page, door: Door, sites: Sites, id: str, **more: object) -> None:
    metadata = {
        "client_secret": SECRET,
        "redirect_uris": [f"{door.url}/callback/{id}"],
        "post_logout_redirect_uris": [f"{door.url}/logged-out", f"{sites.program.url}/bye"],
        **more,
    }
    answer = page.request.put(f"{sites.alone.url}/dev/clients/door-{id}", data=metadata)
    assert answer.ok, answer.text()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A fresh profile, which may go to both sites; it must have nothing to complain of."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    context.add_init_script(REPORT_VIOLATIONS)
    found = Visit(context.new_page())
    context.on("console", lambda message: found.complaints.append(message.text) if message.type == "error" else None)
    found.page.on("request", lambda r: found.asked.append(f"{r.method} {r.url}") if r.is_navigation_request() else None)
    yield found
    context.close()
    assert found.complaints == []


def button_at_home(visit: Visit, door: Door) -> None:
    visit.page.get_by_role("button", name="Sign out").click()


def page_that_asks(visit: Visit, door: Door) -> None:
    visit.page.goto(f"{door.url}/logout")
    visit.page.get_by_role("button", name="Sign out").click()


def my_sessions(visit: Visit, door: Door) -> None:
    visit.page.goto(f"{door.url}/account/sessions")
    visit.page.get_by_role("button", name="Sign out").first.click()


FORMS = (button_at_home, page_that_asks, my_sessions)


@pytest.mark.parametrize("leave", FORMS, ids=lambda leave: leave.__name__)
def test_a_sign_out_goes_through_the_provider_and_comes_back(
    visit: Visit, door: Door, leave: Callable[[Visit, Door], None]
) -> None:
    visit.sign_in(door)
    leave(visit, door)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    expect(visit.page.get_by_text("Example Works was told to end its own")).to_be_visible()
    assert visit.went()[-2:] == [f"GET {door.provider}/oauth/logout", f"GET {door.url}/logged-out"]
    assert visit.page.context.cookies(door.url) == []
    visit.page.goto(f"{door.url}/login?provider=op")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Choose a test user")


def test_the_same_in_a_browser_without_scripts(browser: Browser, door: Door) -> None:
    context = browser.new_context(java_script_enabled=False)
    found = Visit(context.new_page())
    found.sign_in(door)
    button_at_home(found, door)
    expect(found.page.get_by_text("Example Works was told to end its own")).to_be_visible()
    context.close()


def test_an_address_for_afterwards_on_a_third_site_is_reached(visit: Visit, door: Door) -> None:
    visit.sign_in(door, "bye")
    button_at_home(visit, door)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Arrived")
    assert visit.page.url.partition("?")[0] == f"{door.program}/bye"
    assert visit.went()[-1] == f"GET {door.program}/bye"


def test_where_sign_outs_stay_here_they_do(visit: Visit, door: Door) -> None:
    visit.sign_in(door, "never")
    button_at_home(visit, door)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    assert visit.went() == [f"POST {door.url}/logout", f"GET {door.url}/logged-out"]


def test_the_way_back_by_the_button_of_the_browser_shows_nothing_of_the_account(visit: Visit, door: Door) -> None:
    """It leads past the provider to the page that was there before."""
    visit.sign_in(door)
    button_at_home(visit, door)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    visit.page.go_back()
    expect(visit.page).to_have_url(f"{door.url}/")
    expect(visit.page.get_by_role("link", name="Sign in with").first).to_be_visible()
    expect(visit.page.locator("body")).not_to_contain_text("alice@example.com")


@pytest.mark.parametrize("id", ["op", "never"])
def test_a_frame_in_the_providers_page_ends_the_session_here(visit: Visit, door: Door, sites: Sites, id: str) -> None:
    """Somebody leaves there; the frame is loaded without our cookies, and nothing forbids it."""
    frame = {"frontchannel_logout_uri": f"{door.url}/frontchannel-logout/{id}"}
    register(visit.page, door, sites, id, **frame, frontchannel_logout_session_required=True)
    visit.sign_in(door, id)
    assert visit.page.request.get(f"{door.url}/session").json()["active"]
    visit.page.goto(f"{door.provider}/oauth/logout")
    with visit.page.expect_response(lambda answer: "/frontchannel-logout/" in answer.url) as framed:
        visit.page.get_by_role("button", name="Sign out").click()
    assert framed.value.status == 200
    assert "cookie" not in framed.value.request.all_headers()
    expect(visit.page.frame_locator("iframe").locator("html")).to_have_count(1)
    assert [frame.title() for frame in visit.page.frames[1:]] == ["Signed out"]
    assert visit.page.request.get(f"{door.url}/session").json() == {"active": False}
    visit.page.goto(door.url)
    expect(visit.page.get_by_role("link", name="Sign in with").first).to_be_visible()
