"""The development provider's pages: the dashboard, answers that are to fail, devices, leaving, posted answers."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import NewPage
from tests.browser.program import Program, program
from tests.browser.sites import Sites
from tests.browser.test_keyboard import tab_to
from tests.browser.tour import begin


@pytest.fixture
def provider(page: Page, sites: Sites) -> str:
    """The provider alone, as new: its URL."""
    page.request.post(f"{sites.alone.url}/dev/reset", data={})
    return sites.alone.url


@pytest.fixture
def mine(page: Page, provider: str, sites: Sites) -> Program:
    """A registered client of it."""
    sites.program.arrivals.clear()
    sites.program.register(page, provider)
    return sites.program


@pytest.fixture
def another() -> Iterator[Program]:
    with program("another-program") as running:
        yield running


def arm(page: Page, failure: str) -> None:
    page.get_by_label("Failure", exact=True).select_option(failure)
    page.get_by_role("button", name="Arm it").first.click()


def armed(page: Page) -> Locator:
    return page.get_by_role("region", name="Armed").get_by_role("listitem")


def rows(page: Page) -> Locator:
    """Those of the requests, the newest first; without the heading."""
    return page.get_by_role("table", name="The last requests").get_by_role("row").filter(has_not_text="What it said")


def sign_in(page: Page, who: str = "Alice Archer") -> None:
    page.get_by_role("button", name=f"Continue as {who}").click()


def arrive(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Arrived")


# ---- the dashboard ----


def test_a_failure_that_was_armed_meets_the_next_sign_in(page: Page, home: str) -> None:
    page.request.post(f"{home}/dev/reset", data={})
    page.goto(f"{home}/dev/")
    arm(page, "invalid-state")
    expect(armed(page)).to_contain_text(["invalid-state"])
    begin(page, home)
    sign_in(page)
    expect(page.get_by_role("link", name="Try again")).to_be_visible()
    page.goto(f"{home}/dev/")
    expect(armed(page)).to_have_count(0)
    expect(rows(page).filter(has_text="POST /oauth/authorize").first).to_contain_text("invalid-state")
    begin(page, home)
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice Archer")


def test_requests_come_in_by_themselves_and_what_was_typed_stays(page: Page, provider: str, mine: Program) -> None:
    page.goto(f"{provider}/dev/")
    expect(page.get_by_text("Nothing was asked yet.")).to_be_visible()
    page.get_by_label("Or in a word").fill("token:sta")
    page.request.post(f"{provider}/dev/responses", data={"endpoint": "token", "error": "invalid_scope"})
    mine.post(page, f"{provider}/oauth/token", grant_type="client_credentials", scope="message_read")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("POST /oauth/token")
    expect(rows(page).first).to_contain_text("token:error=invalid_scope")
    expect(rows(page).first).to_contain_text("grant_type=client_credentials scope=message_read")
    expect(rows(page).first.get_by_role("cell").filter(has_text="400")).to_contain_text("invalid_scope")
    mine.post(page, f"{provider}/oauth/token", grant_type="client_credentials", scope="message_read")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("200")
    expect(page.get_by_role("table", name="Tokens that still work")).to_contain_text("the client itself")
    expect(page.get_by_label("Or in a word")).to_have_value("token:sta")
    expect(page.get_by_role("status").filter(has_text="new request")).to_have_count(1)


def test_a_row_that_came_in_looks_like_one_that_was_there(page: Page, provider: str, mine: Program) -> None:
    page.request.post(f"{provider}/dev/responses", data={"failure": "form-post"})
    page.goto(f"{provider}/dev/")
    page.request.get(mine.authorize(provider, prompt="none", login_hint="bob", nonce="n" * 200))
    mine.post(page, f"{provider}/oauth/token", grant_type="authorization_code", code="dk-dev-code-x")
    expect(rows(page)).to_have_count(2)
    expect(page.locator(".fresh")).to_have_count(0)  # a while later
    came_in = [row.inner_text() for row in rows(page).all()]
    page.reload()
    assert [row.inner_text() for row in rows(page).all()] == came_in


def test_the_live_list_can_be_paused(page: Page, provider: str) -> None:
    page.goto(f"{provider}/dev/")
    page.get_by_role("button", name="Pause").click()
    page.request.get(f"{provider}/oauth/jwks")
    page.evaluate("new Promise((done) => setTimeout(done, 1500))")
    expect(rows(page)).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    expect(rows(page)).to_have_count(1)


def test_requests_that_were_forgotten_elsewhere_leave_the_list(page: Page, provider: str) -> None:
    page.request.get(f"{provider}/oauth/jwks")
    page.goto(f"{provider}/dev/")
    expect(rows(page)).to_have_count(1)
    page.request.delete(f"{provider}/dev/requests")
    expect(page.get_by_text("Nothing was asked yet.")).to_be_visible()
    page.request.get(f"{provider}/oauth/jwks")
    expect(rows(page)).to_have_count(1)


def test_a_provider_that_does_not_answer_is_said_to(browser: Browser, provider: str) -> None:
    page = browser.new_page()  # not a watched one: the browser itself complains about the lost requests
    page.goto(f"{provider}/dev/")
    page.route("**/dev/requests*", lambda route: route.abort())
    notice = page.get_by_text("The provider does not answer")
    expect(notice).to_be_visible()
    page.unroute("**/dev/requests*")
    expect(notice).to_be_hidden()
    page.close()


def test_the_endpoint_is_asked_for_where_it_matters(page: Page, provider: str) -> None:
    page.goto(f"{provider}/dev/")
    expect(page.get_by_label("Endpoint")).to_be_hidden()
    page.get_by_label("Failure", exact=True).select_option("garbage")
    page.get_by_label("Endpoint").select_option("userinfo")
    page.get_by_label("How often").fill("always")
    page.get_by_role("button", name="Arm it").first.click()
    expect(armed(page)).to_contain_text(["userinfo:garbage"])
    expect(armed(page)).to_contain_text(["always"])
    page.get_by_role("button", name="Clear").click()
    expect(armed(page)).to_have_count(0)
    expect(page.get_by_text("Every answer is the right one again.")).to_be_visible()


def test_a_mistake_is_said_where_it_was_made(page: Page, provider: str) -> None:
    page.goto(f"{provider}/dev/")
    page.get_by_label("Or in a word").fill("token:invalid-stat")
    page.get_by_label("Or in a word").press("Enter")
    region = page.get_by_role("region", name="Make an answer fail")
    expect(region.get_by_role("alert")).to_contain_text("invalid-state?")
    expect(page.get_by_label("Or in a word")).to_have_value("token:invalid-stat")


def test_the_clock_moves_and_ticks(page: Page, provider: str) -> None:
    page.goto(f"{provider}/dev/")
    clock = page.get_by_role("region", name="Clock")
    clock.get_by_role("button", name="+1 h").click()
    expect(clock).to_contain_text("1:00:00 ahead of this machine")
    shown = clock.get_by_role("time").inner_text()
    expect(clock.get_by_role("time")).not_to_have_text(shown, timeout=2500)
    clock.get_by_label("Seconds").fill("-3660")
    clock.get_by_role("button", name="Move").click()
    expect(clock).to_contain_text("1:00 behind this machine")


@pytest.mark.parametrize("format", ["opaque", "jwt"])
def test_a_token_that_was_minted_works(page: Page, provider: str, format: str) -> None:
    page.goto(f"{provider}/dev/")
    page.get_by_label("User", exact=True).select_option("bob")
    page.get_by_label("Format").select_option(format)
    page.get_by_role("button", name="Mint").click()
    token = page.get_by_role("region", name="Here is the token").get_by_role("definition").first.inner_text()
    assert (token.count(".") == 2) == (format == "jwt")
    bearer = {"Authorization": f"Bearer {token}"}
    assert page.request.get(f"{provider}/oauth/userinfo", headers=bearer).json()["sub"] == "bob"
    expect(page.get_by_role("table", name="Tokens that still work").get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="Revoke tokens of Bob Baker").click()
    expect(page.get_by_text("No token works at the moment.")).to_be_visible()
    assert page.request.get(f"{provider}/oauth/userinfo", headers=bearer).status == 401


def test_the_dashboard_works_without_javascript(new_page: NewPage, provider: str) -> None:
    page = new_page(java_script_enabled=False)
    page.goto(f"{provider}/dev/")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    arm(page, "expired-code")
    expect(armed(page)).to_contain_text(["expired-code"])
    page.get_by_role("button", name="Clear").click()
    expect(armed(page)).to_have_count(0)
    page.get_by_role("button", name="Rotate the keys").click()
    expect(page.get_by_text("There are new signing keys")).to_be_visible()
    page.get_by_role("button", name="Mint").click()
    expect(page.get_by_role("region", name="Here is the token")).to_be_visible()
    page.get_by_role("link", name="Watch").click()
    page.request.get(f"{provider}/oauth/jwks")
    expect(rows(page)).to_have_count(1)  # it loads itself again
    page.get_by_role("link", name="The whole dashboard").click()
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_text("Nothing was asked yet.")).to_be_visible()


def test_a_failure_is_armed_without_a_mouse(page: Page, provider: str) -> None:
    page.goto(f"{provider}/dev/")
    tab_to(page, "Choose one")
    page.keyboard.type("invalid-state")
    tab_to(page, "Arm it")
    page.keyboard.press("Enter")
    expect(armed(page)).to_contain_text(["invalid-state"])
    tab_to(page, "Mint")


def test_another_issuer_has_a_dashboard_of_its_own(page: Page, provider: str, mine: Program) -> None:
    tenant = f"{provider}/tenant-a"
    page.request.post(f"{tenant}/dev/reset", data={})
    mine.register(page, tenant)
    page.goto(f"{tenant}/dev/")
    expect(page.get_by_text(f"Issuer {tenant}")).to_be_visible()
    arm(page, "invalid-state")
    expect(page).to_have_url(f"{tenant}/dev/#fail")
    expect(armed(page)).to_contain_text(["invalid-state"])
    page.get_by_role("link", name="Metadata").click()
    expect(page.locator("body")).to_contain_text(f'"issuer":"{tenant}"')
    page.goto(f"{provider}/dev/")
    expect(armed(page)).to_have_count(0)
    page.goto(mine.authorize(tenant))
    sign_in(page)
    arrive(page)
    assert mine.arrived("/callback").fields["state"] == "state-of-the-program1"
    assert mine.arrived("/callback").fields["iss"] == tenant
    page.goto(f"{tenant}/dev/")
    expect(rows(page)).to_have_count(3)


# ---- signing in ----


def test_this_very_sign_in_is_answered_as_chosen(page: Page, provider: str, mine: Program) -> None:
    page.goto(mine.authorize(provider))
    page.get_by_text("Answer with…").click()
    page.get_by_label("What the application gets").select_option("invalid-state")
    sign_in(page)
    arrive(page)
    assert mine.arrived("/callback").fields["state"] == "state-of-the-program1"
    mine.arrivals.clear()
    page.goto(mine.authorize(provider))
    sign_in(page)
    arrive(page)
    assert mine.arrived("/callback").fields["state"] == "state-of-the-program"


@pytest.mark.parametrize("scripts", [True, False])
def test_an_answer_is_posted(new_page: NewPage, provider: str, mine: Program, scripts: bool) -> None:
    page = new_page(java_script_enabled=scripts)
    page.goto(mine.authorize(provider, response_mode="form_post"))
    sign_in(page)
    if not scripts:
        page.get_by_role("button", name="Continue").click()
    arrive(page)
    arrival = mine.arrived("/callback")
    assert (arrival.method, arrival.fields["state"]) == ("POST", "state-of-the-program")
    assert arrival.fields["code"].startswith("dk-dev-code-")


# ---- devices ----


@pytest.mark.parametrize(("button", "outcome"), [("Continue as Bob Baker", "access_token"), ("Deny", "access_denied")])
def test_a_device_is_let_in_or_not(page: Page, provider: str, mine: Program, button: str, outcome: str) -> None:
    begun = mine.post(page, f"{provider}/oauth/device_authorization", scope="message_read").json()
    page.goto(begun["verification_uri"])
    page.get_by_label("Code").fill(begun["user_code"].lower().replace("-", " "))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("Code", exact=True)).to_have_text(begun["user_code"])
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("The device")
    poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": begun["device_code"]}
    answer = mine.post(page, f"{provider}/oauth/token", **poll).json()
    assert outcome in (answer.get("error"), *answer)


def test_a_code_that_no_device_waits_for_is_refused(page: Page, provider: str) -> None:
    page.goto(f"{provider}/oauth/device")
    page.get_by_label("Code").fill("BCDF-GHJK")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("No device waits for this code.")
    expect(page.get_by_label("Code")).to_have_value("BCDF-GHJK")


# ---- leaving ----


def enter(page: Page, provider: str, mine: Program, **metadata: object) -> None:
    """Sign in to a program that has an address for after a logout."""
    mine.register(page, provider, post_logout_redirect_uris=[f"{mine.url}/bye"], **metadata)
    page.goto(mine.authorize(provider, scope="openid"))
    sign_in(page)
    arrive(page)


@pytest.mark.parametrize("scripts", [True, False])
def test_leaving_tells_every_program_in_a_frame_and_goes_on(
    new_page: NewPage, provider: str, mine: Program, another: Program, scripts: bool
) -> None:
    page = new_page(java_script_enabled=scripts)
    for one in (mine, another):
        there = f"{one.url}/front-channel"
        enter(page, provider, one, frontchannel_logout_uri=there, frontchannel_logout_session_required=one is another)
    back = f"client_id={mine.client_id}&post_logout_redirect_uri={mine.url}/bye&state=s1"
    page.goto(f"{provider}/oauth/logout?{back}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign out Alice Archer?")
    page.get_by_role("button", name="Sign out").click()
    arrive(page)
    expect(page).to_have_url(f"{mine.url}/bye?state=s1")
    assert mine.arrived("/front-channel").fields == {}
    assert another.arrived("/front-channel").fields["iss"] == provider
    assert another.arrived("/front-channel").fields["sid"]


def test_leaving_without_frames_goes_straight_back(page: Page, provider: str, mine: Program) -> None:
    enter(page, provider, mine)
    page.goto(f"{provider}/oauth/logout?client_id={mine.client_id}&post_logout_redirect_uri={mine.url}/bye")
    page.get_by_role("button", name="Sign out").click()
    arrive(page)
    expect(page).to_have_url(f"{mine.url}/bye")


def test_a_frame_that_never_loads_holds_nobody_up(page: Page, provider: str, mine: Program) -> None:
    enter(page, provider, mine, frontchannel_logout_uri=f"{mine.url}/front-channel")
    page.route("**/front-channel", lambda route: None)
    page.goto(f"{provider}/oauth/logout?client_id={mine.client_id}&post_logout_redirect_uri={mine.url}/bye")
    page.get_by_role("button", name="Sign out").click(no_wait_after=True)
    arrive(page)


def test_leaving_with_nowhere_to_go_ends_calmly(page: Page, provider: str, mine: Program) -> None:
    enter(page, provider, mine)
    page.goto(f"{provider}/oauth/logout")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    page.goto(f"{provider}/oauth/logout")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
