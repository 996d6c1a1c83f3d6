"""Where a page with a form that signs out may lead: its content security policy (web/security.py, oauth/rp_logout.py).

That browsers go by it is in browser/test_signing_out_at_the_provider.py.
"""

from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from doorkey.oauth.http import Transport
from tests.conftest import MovedClock
from tests.support.leaving import ORIGIN, Leaving, describe, leaving
from tests.support.person import Person


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def here(environ: dict[str, str], clock: MovedClock, transport: Transport) -> Iterator[Leaving]:
    with leaving(environ, clock, transport=transport) as found:
        yield found


@pytest.fixture
def una(here: Leaving) -> Person:
    return here.sign_in("user-1")


def policy_of(answer: TestResponse, name: str) -> str:
    rules = [part.strip() for part in answer.headers["Content-Security-Policy"].split(";")]
    (found,) = [rule for rule in rules if rule.split()[0] == name]
    return found


PAGES = ("/", "/logout", "/account/sessions")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_allows_the_way_out_and_nothing_more(here: Leaving, una: Person, path: str) -> None:
    assert policy_of(una.get(path), "form-action") == f"form-action 'self' {here.stub.url}"
    other = here.sign_in("user-2", provider="other")
    assert policy_of(other.get(path), "form-action") == f"form-action 'self' {here.stubs['other'].url}"


@pytest.mark.parametrize("path", PAGES)
def test_a_process_that_knows_no_endpoints_allows_the_issuer(here: Leaving, una: Person, path: str) -> None:
    fresh = Person(here.new_process(), ORIGIN)
    fresh.client.set_cookie("doorkey", una.cookies()["doorkey"], domain="127.0.0.1")
    page = fresh.get(path)
    assert policy_of(page, "form-action") == f"form-action 'self' {here.stub.url}"


@pytest.mark.parametrize("path", PAGES)
def test_where_nobody_is_sent_there_nothing_is_allowed(environ: dict[str, str], clock: MovedClock, path: str) -> None:
    with leaving(environ, clock, END_SESSION="never") as here:
        assert policy_of(here.sign_in().get(path), "form-action") == "form-action 'self'"
    with leaving(environ, clock) as here:
        describe(here.stub, end_session_endpoint=None)
        assert policy_of(here.sign_in().get(path), "form-action") == "form-action 'self'"


@pytest.mark.parametrize("path", PAGES)
def test_an_address_for_afterwards_that_is_elsewhere_is_part_of_the_way(
    environ: dict[str, str], clock: MovedClock, path: str
) -> None:
    """Browsers hold every redirect after a form against the policy of its page."""
    with leaving(environ, clock, POST_LOGOUT_REDIRECT_URI="https://www.example.com/bye") as here:
        allowed = policy_of(here.sign_in().get(path), "form-action")
        assert allowed == f"form-action 'self' {here.stub.url} https://www.example.com"


@pytest.mark.parametrize("path", ["/", "/logout", "/logged-out", "/callback/stub", "/nothing"])
def test_pages_for_nobody_lead_nowhere(here: Leaving, path: str) -> None:
    page = Person(here.app, ORIGIN).get(path)
    assert policy_of(page, "form-action") == "form-action 'self'"
