"""What comes back after a sign-out at the provider: odd states, and the cookies they need (web/logout_states.py)."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.support.leaving import ORIGIN, leaving
from tests.support.person import Person
from tests.support.signing_provider import jwk

TOLD = "was told to end its own"


@pytest.fixture
def here(environ, clock, transport):
    with leaving(environ, clock, transport=transport) as found:
        yield found


@pytest.fixture
def una(here):
    return here.sign_in("user-1", "sid-1")


def left(person):
    """The state with which `person` was sent to the provider."""
    return parse_qs(urlsplit(person.sign_out().headers["Location"]).query)["state"][0]


def assert_calm(person, query):
    """A page like any other, that claims no more than it knows and changes nothing."""
    heading = "You are still signed in" if person.is_signed_in() else "You are signed out"
    page = person.get(f"/logged-out{query}")
    assert page.status_code == 200
    assert f"<h1>{heading}</h1>" in page.text
    assert TOLD not in page.text
    assert page.headers.getlist("Set-Cookie") == []
    assert "Location" not in page.headers


STATES = {
    "missing": "",
    "empty": "?state=",
    "wrong": "?state={state}_INVALID",
    "shorter": "?state={short}",
    "another case": "?state={swapped}",
    "doubled": "?state={state}&state={state}",
    "beside a wrong one": "?state=x&state={state}",
    "in an array": "?state[]={state}",
    "spaces around": "?state=%20{state}%20",
    "NUL": "?state={state}%00",
    "10 kB": "?state=" + "A" * 10_000,
    "odd bytes": "?state=%ff%fe%80",
    "half of a pair": "?state=%ed%a0%80",
    "unicode": "?state=" + quote("zustand-ä-\U0001f511-\u202e"),
    "markup": "?state=<script>alert(1)</script>",
    "of the framework": "?state={{7*7}}",
    "a path": "?state=../../etc/passwd",
    "an error": "?error=access_denied&error_description=<b>evil</b>",
    "where to": "?next=https://evil.example/&post_logout_redirect_uri=https://evil.example/",
    "many": "?" + "&".join(f"p{number}=x" for number in range(2000)),
}


@pytest.mark.parametrize("query", STATES.values(), ids=STATES)
def test_whatever_comes_back_is_a_calm_page_and_the_right_state_still_works(here, query):
    una, other = here.sign_in("user-1", "sid-1"), here.sign_in("user-2", "sid-2")
    state = left(una)
    names = {"{state}": state, "{short}": state[:-1], "{swapped}": state.swapcase()}
    for name, value in names.items():
        query = query.replace(name, value)
    assert_calm(una, query)
    assert_calm(other, query)
    assert other.is_signed_in()
    assert TOLD in una.get(f"/logged-out?state={state}").text


def test_a_state_is_worth_something_once_and_in_one_browser(here, una):
    stranger = Person(here.app, ORIGIN)
    state = left(una)
    assert_calm(stranger, f"?state={state}")
    assert TOLD in una.get(f"/logged-out?state={state}").text
    assert_calm(una, f"?state={state}")


@pytest.mark.parametrize(("seconds", "told"), [(599, True), (601, False), (-59, True), (-61, False)])
def test_a_state_is_worth_something_for_ten_minutes(here, una, clock, seconds, told):
    state = left(una)
    clock.advance(seconds)
    assert (TOLD in una.get(f"/logged-out?state={state}").text) is told


def logout_cookie(person):
    (found,) = [(name, value) for name, value in person.cookies().items() if "doorkey-logout-" in name]
    return found


def plant(person, name, value):
    person.client.set_cookie(name, value, domain="127.0.0.1")


def test_its_cookie_opens_for_its_own_state_and_unaltered_only(here):
    first, second = here.sign_in("user-1"), here.sign_in("user-2")
    states = left(first), left(second)
    name, value = logout_cookie(first)
    other_name, other_value = logout_cookie(second)
    for planted in (other_value, value[:-4] + "AAAA", value[4:], "", "x", "A" * 4000):
        plant(first, name, planted)
        assert_calm(first, f"?state={states[0]}")
    plant(first, other_name, value)
    assert_calm(first, f"?state={states[1]}")
    plant(first, name, value)
    assert TOLD in first.get(f"/logged-out?state={states[0]}").text


def test_a_provider_that_sends_nobody_back_does_not_fill_the_cookie_jar(here, clock):
    """Servers refuse a Cookie header that grows too long; the newest sign-outs count."""
    person = Person(here.app, ORIGIN)
    for number in range(12):
        plant(person, f"doorkey-logout-{number:032x}", "A" * 100)
    states = []
    for _ in range(8):
        plant(person, "doorkey", here.sign_in().cookies()["doorkey"])
        states.append(left(person))
        clock.advance(1)
    assert len([name for name in person.cookies() if "doorkey-logout-" in name]) == 3
    assert [TOLD in person.get(f"/logged-out?state={state}").text for state in states] == [False] * 5 + [True] * 3


def test_cookies_of_sign_ins_and_of_sign_outs_are_not_each_others(here, una):
    begun = una.begin("stub")
    transactions = {name: value for name, value in una.cookies().items() if "doorkey-login-" in name}
    state = left(una)
    name, value = logout_cookie(una)
    plant(una, name, next(iter(transactions.values())))
    assert_calm(una, f"?state={state}")
    plant(una, next(iter(transactions)), value)
    assert una.come_back(f"code=c&state={begun.state}", "stub").status_code == 400
    assert una.get(f"/logged-out?state={begun.state}").status_code == 200


def test_it_tells_nobody_anything_and_is_kept_from_scripts(environ, clock, transport):
    settings = {"DOORKEY_PUBLIC_URL": "https://login.example.test"}
    with leaving(environ, clock, transport=transport, settings=settings) as here:
        una = Person(here.app, "https://login.example.test")
        begun = una.begin("stub")
        here.stub.prepare(begun, sub="user-1", at_hash=None)
        here.stub.publish(jwk(here.stub.key, kid="key-1"))
        assert una.come_back(f"code=c&state={begun.state}", "stub").status_code == 303
        answer = una.sign_out()
    state = parse_qs(urlsplit(answer.headers["Location"]).query)["state"][0]
    (line,) = [line for line in answer.headers.getlist("Set-Cookie") if "doorkey-logout-" in line]
    assert line.startswith("__Host-doorkey-logout-")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=600"} <= {part.strip() for part in line.split(";")}
    assert state not in line
    assert "user-1" not in line
