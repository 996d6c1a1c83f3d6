"""Signing in, as the browser and the provider see it."""

from tests.support.person import Person
from tests.support.scripted_provider import ScriptedProvider


def test_a_sign_in_ends_on_the_home_page_with_scope_and_expiry(person: Person, stub: ScriptedProvider) -> None:
    response = person.sign_in()
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    page = person.get("/").text
    assert "Una User" in page
    assert "read" in page
    assert "59 minutes" in page or "1 hour" in page


def test_the_exchange_carries_the_redirect_uri_of_the_authorization_request(
    person: Person, stub: ScriptedProvider
) -> None:
    begun = person.begin()
    person.come_back(f"code=c&state={begun.state}")
    sent = stub.requests_to("/token")[0].form
    assert sent["redirect_uri"] == begun.params["redirect_uri"] == "http://127.0.0.1:8000/callback/stub"
    assert sent["grant_type"] == "authorization_code"
    assert len(sent["code_verifier"]) == 43
