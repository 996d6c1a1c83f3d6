"""Every page of Doorkey, and how to get there in a fresh browser.

The servers are those of sites.py, steps on the way are in ways.py, the gate's pages in gate_tour.py. Used by the
tests that look at all pages, and by scripts/screenshot.py.
"""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from tests.browser.gate_tour import STOPS as GATE_STOPS
from tests.browser.sites import DEVICES, LONG, Sites
from tests.browser.ways import begin as begin
from tests.browser.ways import come_back as come_back
from tests.browser.ways import fail_to_renew, open_my_sessions
from tests.browser.ways import sign_in as sign_in
from tests.support.scripted_provider import GOOD_TOKEN

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
def provider_choice_hinted(page: Page, sites: Sites) -> None:
    sites.program.register(page, sites.alone.url)
    page.goto(sites.program.authorize(sites.alone.url, login_hint="bob", scope="openid email message_read"))
    page.get_by_text("Answer with").click()
    page.get_by_label("What the application gets").select_option("invalid-state")


@stop
def provider_sends_a_form(page: Page, sites: Sites) -> None:
    # The page as it is before its script sends it on.
    page.route("**/form_post.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    sites.program.register(page, sites.alone.url)
    page.goto(sites.program.authorize(sites.alone.url, response_mode="form_post"))
    page.get_by_role("button", name="Continue as Alice Archer").click()
    page.get_by_role("heading", name="Back to the application").wait_for()


@stop
def device(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.alone.url}/oauth/device")


@stop
def device_unknown(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.alone.url}/oauth/device?user_code=BCDF-GHJK")


@stop
def device_question(page: Page, sites: Sites) -> None:
    url = sites.alone.url
    sites.program.register(page, url)
    begun = sites.program.post(page, f"{url}/oauth/device_authorization", scope="message_read").json()
    page.goto(begun["verification_uri_complete"])


@stop
def device_done(page: Page, sites: Sites) -> None:
    device_question(page, sites)
    page.get_by_role("button", name="Continue as Alice Archer").click()
    page.get_by_role("heading", name="The device may go on").wait_for()


@stop
def provider_sign_out_question(page: Page, sites: Sites) -> None:
    sign_in_with_openid(page, sites)
    page.goto(f"{sites.alone.url}/oauth/logout")


@stop
def provider_signed_out(page: Page, sites: Sites) -> None:
    provider_sign_out_question(page, sites)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="You are signed out").wait_for()


def sign_in_with_openid(page: Page, sites: Sites) -> None:
    """At the provider, which then has a session; the program wants to hear of its end in a frame."""
    there = f"{sites.program.url}/front-channel"
    sites.program.register(page, sites.alone.url, frontchannel_logout_uri=there)
    page.goto(sites.program.authorize(sites.alone.url, scope="openid"))
    page.get_by_role("button", name="Continue as Alice Archer").click()
    page.get_by_role("heading", name="Arrived").wait_for()


@stop
def dashboard_of_nothing(page: Page, sites: Sites) -> None:
    page.request.post(f"{sites.alone.url}/dev/reset", data={})
    page.goto(f"{sites.alone.url}/dev/")


@stop
def dashboard(page: Page, sites: Sites) -> None:
    """After a morning's work."""
    url, mine = sites.alone.url, sites.program
    page.request.post(f"{url}/dev/reset", data={})
    mine.register(page, url, client_name="Invoices", redirect_uris=[f"{mine.url}/callback", "http://127.0.0.1:3000/cb"])
    page.request.get(f"{url}/.well-known/openid-configuration")
    for failure in ("happy-path", "invalid-state"):
        page.request.post(f"{url}/dev/responses", data={"failure": failure})
        asked = mine.authorize(
            url, scope="openid message_read", prompt="none", login_hint="alice", nonce="n-0S6_WzA2Mj"
        )
        code = parse_qs(urlsplit(page.request.get(asked, max_redirects=0).headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{mine.url}/callback"}
        token = mine.post(page, f"{url}/oauth/token", **form).json()["access_token"]
        page.request.get(f"{url}/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
    mine.post(page, f"{url}/oauth/token", grant_type="authorization_code", code="dk-dev-code-made-up")
    page.request.post(f"{url}/dev/responses", data={"endpoint": "token", "status": 503, "times": 2})
    mine.post(page, f"{url}/oauth/token", grant_type="client_credentials")
    page.request.post(f"{url}/dev/responses", data={"failure": "userinfo-invalid-sub"})
    page.request.post(f"{url}/dev/clock", data={"advance": 1800})
    page.goto(f"{url}/dev/")


@stop
def dashboard_mistake(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.alone.url}/dev/")
    page.get_by_label("Or in a word").fill("token:invalid-stat")
    page.get_by_label("Or in a word").press("Enter")
    page.get_by_role("alert").wait_for()


@stop
def dashboard_minted(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.alone.url}/dev/")
    page.get_by_label("Format").select_option("jwt")
    page.get_by_role("button", name="Mint").click()
    page.get_by_role("heading", name="Here is the token").wait_for()


@stop
def dashboard_watch(page: Page, sites: Sites) -> None:
    dashboard(page, sites)
    page.goto(f"{sites.alone.url}/dev/?watch=1")


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
    sites.answer(token={"access_token": "canary", "token_type": "bearer", "refresh_token": "canary-refresh-token"})
    come_back(page, sites)


@stop
def home_long_values(page: Page, sites: Sites) -> None:
    sites.answer(user=LONG, token={**GOOD_TOKEN, "scope": "read " + "a_long_scope_name" * 12, "expires_in": 2_000_000})
    come_back(page, sites)


@stop
def home_not_renewed(page: Page, sites: Sites) -> None:
    come_back(page, sites)
    fail_to_renew(page, sites, "temporarily_unavailable", 503)


@stop
def home_renewed_no_more(page: Page, sites: Sites) -> None:
    come_back(page, sites)
    fail_to_renew(page, sites, "invalid_grant", 400)


@stop
def home_expired_for_good(page: Page, sites: Sites) -> None:
    sites.answer(token={"access_token": "canary-access-token", "token_type": "bearer", "expires_in": 0})
    come_back(page, sites)


@stop
def my_sessions(page: Page, sites: Sites) -> None:
    sites.answer_somebody_new()
    open_my_sessions(page, sites, "Chrome on Android", "Firefox on Linux", "Unknown device")


@stop
def my_sessions_alone(page: Page, sites: Sites) -> None:
    sites.answer_somebody_new()
    open_my_sessions(page, sites)


@stop
def my_sessions_many(page: Page, sites: Sites) -> None:
    sites.answer_somebody_new()
    open_my_sessions(page, sites, *list(DEVICES) * 8)


@stop
def my_sessions_long_values(page: Page, sites: Sites) -> None:
    sites.answer_somebody_new(name=LONG["name"])
    open_my_sessions(page, sites, "Safari on iPhone", provider="wordy")


@stop
def my_sessions_of_somebody_unnamed(page: Page, sites: Sites) -> None:
    open_my_sessions(page, sites, "Edge on Windows", provider="other")


@stop
def my_sessions_one_ended(page: Page, sites: Sites) -> None:
    my_sessions(page, sites)
    page.get_by_role("button", name="Sign out Chrome on Android").click()
    page.get_by_role("heading", name="Chrome on Android").wait_for(state="detached")


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
def signed_out_there_too(page: Page, sites: Sites) -> None:
    sign_in(page, sites.newcomer.url)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="You are signed out").wait_for()


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
def problem_of_an_id_token(page: Page, sites: Sites) -> None:
    begin(page, sites.newcomer.url)
    page.get_by_text("Answer with").click()
    page.get_by_label("What the application gets").select_option("invalid-aud")
    page.get_by_role("button", name="Continue as Alice Archer").click()
    page.get_by_role("link", name="Try again").wait_for()


@stop
def problem_504(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.configured.url}/login?provider=down")


@stop
def problem_502(page: Page, sites: Sites) -> None:
    refusal = {"error": "invalid_client", "error_description": "Unknown client " + "long" * 60, "status": "401"}
    sites.provider.answer("/token", refusal, 401)
    come_back(page, sites)


for go in GATE_STOPS:
    stop(go)
