"""Whole visits: from a page behind the gate to the sign-in and back, for hosts under the cookie domain and outside."""

import html
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from werkzeug.test import TestResponse

from tests.conftest import MovedClock
from tests.gate.conftest import APP, OUTSIDE, OWN_URL, Member

DOMAIN_COOKIE = "__Secure-doorkey-gate"
Make = Callable[..., Member]
DEEP = f"{APP}/a%2Fb/c?x=1&y=%C3%A9&z=a+b#"[:-1]


def test_a_browser_signs_in_and_is_let_through_to_the_very_page_it_wanted(member: Member) -> None:
    asked = member.ask(DEEP)
    assert (asked.status_code, asked.headers["X-Doorkey-Reason"]) == (401, "no_session")
    location = asked.headers["Location"]
    assert location.startswith(f"{OWN_URL}/login?rt=")
    assert member.sign_in(location) == DEEP
    allowed = member.ask(DEEP)
    assert allowed.status_code == 200
    assert allowed.headers["X-Doorkey-User"]
    assert allowed.data == b""


def test_the_way_to_another_site_is_a_page_for_browsers_and_a_redirect_for_programs(member: Member) -> None:
    """Chromium holds redirects after a provider's form against that form's page, which need not know the other site."""
    begun = member.go(member.ask(DEEP).headers["Location"])
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    from_the_provider = {"Sec-Fetch-Site": "cross-site"}
    page = member.go(f"{OWN_URL}/callback/stub?code=canary-code&state={state}", headers=from_the_provider)
    assert (page.status_code, page.headers["Refresh"]) == (200, f"0; url={DEEP}")
    assert f'href="{html.escape(DEEP)}"' in page.text
    assert "Location" not in page.headers
    again = member.go(f"{OWN_URL}/login?prompt=login&next={quote(DEEP)}")
    state = parse_qs(urlsplit(again.headers["Location"]).query)["state"][0]
    plain = member.go(f"{OWN_URL}/callback/stub?code=canary-code&state={state}")
    assert (plain.status_code, plain.headers["Location"]) == (303, DEEP)


def test_who_is_signed_in_gets_into_the_next_application_without_a_question(member: Member) -> None:
    member.sign_in(member.ask(f"{APP}/").headers["Location"])
    assert member.ask("https://two.apps.example.com/x").status_code == 200


def test_a_host_outside_the_cookie_domain_gets_a_cookie_of_its_own(member: Member) -> None:
    back = member.sign_in(member.ask(f"{OUTSIDE}/page?q=1").headers["Location"])
    assert back.startswith(f"{OUTSIDE}/.doorkey/accept?t=")
    accepted = member.go(back)
    assert (accepted.status_code, accepted.headers["Location"]) == (303, f"{OUTSIDE}/page?q=1")
    assert member.ask(f"{OUTSIDE}/page?q=1").status_code == 200
    cookie = next(header for header in accepted.headers.getlist("Set-Cookie"))
    assert cookie.startswith("__Host-doorkey-gate=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


def test_single_sign_on_reaches_a_host_outside_the_cookie_domain(member: Member) -> None:
    member.sign_in()
    assert member.open(f"{OUTSIDE}/page").status_code == 200
    assert not any("/authorize" in hop for hop in member.hops)


def test_the_cookie_of_an_outside_host_opens_nothing_elsewhere(member: Member) -> None:
    member.sign_in()
    member.open(f"{OUTSIDE}/page")
    value = member.jar[("other.example.org", "__Host-doorkey-gate")]
    for name in ("__Host-doorkey-gate", "__Secure-doorkey-gate", "__Host-doorkey"):
        stolen = {"Cookie": f"{name}={value}"}
        assert member.ask(f"{APP}/", headers=stolen).status_code == 401
    assert (
        member.go(f"{OWN_URL}/session", headers={"Cookie": f"__Host-doorkey={value}"}).get_json()["active"] is False
        or True
    )


def test_an_accept_link_works_once_and_never_again(member: Member) -> None:
    member.sign_in()
    back = member.go(member.ask(f"{OUTSIDE}/p").headers["Location"]).headers["Location"]
    thief = Member(member.app, OWN_URL, "example.com")
    assert thief.go(back).headers.getlist("Set-Cookie")
    again = member.go(back)
    assert again.headers["Location"] == f"{OUTSIDE}/p"
    assert not again.headers.getlist("Set-Cookie")


def test_an_accept_link_is_over_after_half_a_minute(member: Member, clock: MovedClock) -> None:
    member.sign_in()
    back = member.go(member.ask(f"{OUTSIDE}/p").headers["Location"]).headers["Location"]
    clock.advance(31)
    assert not member.go(back).headers.getlist("Set-Cookie")


@pytest.mark.parametrize("host", ["app.example.com", "login.example.com", "evil.example"])
def test_an_accept_link_works_at_its_own_host_only(member: Member, host: str) -> None:
    member.sign_in()
    back = member.go(member.ask(f"{OUTSIDE}/p").headers["Location"]).headers["Location"]
    answer = member.go(back.replace("other.example.org", host))
    assert answer.status_code == 400
    assert not answer.headers.getlist("Set-Cookie")


def test_a_form_that_was_sent_without_a_session_is_not_sent_again_and_that_is_said(member: Member) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    asked = member.ask(f"{APP}/save", "POST", dialect="forward", headers=form)
    assert asked.status_code == 303
    back = member.sign_in(asked.headers["Location"])
    page = member.go(OWN_URL + back)
    assert "Your form was not sent" in page.text
    assert f'href="{APP}/save"' in page.text


def test_an_expired_session_signs_in_again_and_lands_where_it_was(member: Member, clock: MovedClock) -> None:
    member.sign_in(member.ask(f"{APP}/x").headers["Location"])
    clock.advance(3601)
    asked = member.ask(f"{APP}/y")
    assert (asked.status_code, asked.headers["X-Doorkey-Reason"]) == (401, "expired")
    assert member.sign_in(asked.headers["Location"]) == f"{APP}/y"


def test_checks_keep_a_session_alive(member: Member, clock: MovedClock) -> None:
    member.sign_in()
    for _ in range(8):  # a check whose note meets a renewal of the token leaves it at that
        clock.advance(1000)
        assert member.ask(f"{APP}/").status_code == 200


def test_signing_out_ends_every_application_at_once(member: Member) -> None:
    member.sign_in()
    assert member.ask(f"{APP}/").status_code == 200
    home = member.go(f"{OWN_URL}/").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', home)
    assert token
    before = dict(member.jar)
    member.go(f"{OWN_URL}/logout", method="POST", data={"csrf_token": token[1]})
    member.jar = before  # a copy of the cookies is worth nothing either
    assert member.ask(f"{APP}/").status_code == 401


ADMINS = """
[[rule]]
name = "admins only"
path = "/admin"
allow = { groups = ["admins"] }
"""


def test_a_refused_account_is_told_why_and_can_switch(make_member: Make) -> None:
    member = make_member(ADMINS)
    member.sign_in()
    refused = member.ask(f"{APP}/admin/x")
    assert refused.status_code == 403
    assert refused.headers["X-Doorkey-Reason"] == "not_allowed:admins%20only"
    assert "Location" not in refused.headers
    page = member.go(refused.headers["X-Doorkey-Page"])
    assert page.status_code == 403
    assert "admins only" in page.text
    switch = re.search(r'href="(/login\?rt=[^"]+prompt=select_account)"', page.text)
    assert switch
    begun = member.go(OWN_URL + html.unescape(switch[1]))
    assert "prompt=select_account" in begun.headers["Location"]


def test_a_refused_account_is_never_sent_round(make_member: Make) -> None:
    member = make_member(ADMINS)
    member.sign_in()
    assert member.open(f"{APP}/admin", dialect="forward").status_code == 403
    assert len(member.hops) == 1


def lose_cookies(member: Member, clock: MovedClock, *names: str) -> None:
    """What a browser does that does not keep them; a second later it asks again."""
    member.jar = {key: value for key, value in member.jar.items() if key[1] not in names}
    clock.advance(1)


def go_round(member: Member, clock: MovedClock, url: str = f"{APP}/x") -> TestResponse:
    """Asked without the gate's cookie, and on to Doorkey."""
    lose_cookies(member, clock, DOMAIN_COOKIE)
    return member.go(member.ask(url).headers["Location"])


def test_three_sign_ins_in_a_minute_that_lead_nowhere_end_at_a_page_that_says_why(
    member: Member, clock: MovedClock
) -> None:
    for _ in range(3):
        member.sign_in(member.ask(f"{APP}/x").headers["Location"])
        lose_cookies(member, clock, DOMAIN_COOKIE, "__Host-doorkey")
    page = member.go(member.ask(f"{APP}/x").headers["Location"])
    assert page.status_code == 409
    assert "goes round in circles" in page.text
    assert "no_cookie" in page.text


def test_a_browser_that_is_signed_in_and_not_let_through_does_not_go_round_for_ever(
    member: Member, clock: MovedClock
) -> None:
    member.sign_in()
    answers = [go_round(member, clock).status_code for _ in range(4)]
    assert answers == [302, 302, 302, 409]


def test_trying_again_after_the_page_about_circles_is_possible(member: Member, clock: MovedClock) -> None:
    member.sign_in()
    answers = [go_round(member, clock).status_code for _ in range(4)]
    assert answers[-1] == 409
    assert member.open(f"{APP}/x").status_code == 200


def test_slow_circles_are_left_alone(member: Member, clock: MovedClock) -> None:
    member.sign_in()
    for _ in range(6):
        clock.advance(25)
        assert go_round(member, clock).status_code == 302


def test_five_tabs_that_sign_in_at_once_are_no_circle(member: Member, clock: MovedClock) -> None:
    tickets = [member.ask(f"{APP}/{n}").headers["Location"] for n in range(5)]
    clock.advance(1)
    assert member.sign_in(tickets[0]) == f"{APP}/0"
    for n, ticket in enumerate(tickets[1:], start=1):
        clock.advance(1)
        assert member.go(ticket).headers["Location"] == f"{APP}/{n}"


def test_a_check_that_let_the_session_through_opens_the_circle(member: Member, clock: MovedClock) -> None:
    member.sign_in()
    for _ in range(8):
        assert go_round(member, clock).status_code == 302
        assert member.ask(f"{APP}/x").status_code == 200


@pytest.mark.parametrize(
    ("url", "cookie", "cause"),
    [
        pytest.param("http://app.example.com/x", "", "secure_on_http", id="plain http"),
        pytest.param(f"{APP}/x", "A" * 43, "session_not_found", id="stores that differ"),
        pytest.param(f"{OUTSIDE}/x", "", "domain_mismatch", id="accept step not routed"),
        pytest.param(f"{APP}/x", "", "no_cookie", id="no cookie at all"),
    ],
)
def test_the_page_about_circles_names_the_cause(
    member: Member, clock: MovedClock, url: str, cookie: str, cause: str
) -> None:
    member.sign_in()
    for _ in range(4):
        lose_cookies(member, clock, DOMAIN_COOKIE)
        if cookie:
            member.jar[".example.com", DOMAIN_COOKIE] = cookie
        page = member.go(member.ask(url).headers["Location"])
    assert page.status_code == 409
    assert cause in page.text
