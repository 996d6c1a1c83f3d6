"""Two providers of which one is an attacker's: no code of one is ever shown to the other (RFC 9207, RFC 9700 4.4)."""

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.attack_asserts import assert_refused
from tests.support.person import Begun, Person
from tests.support.signing_provider import SigningProvider, key_for, openid_environ, signing_provider

Query = list[tuple[str, str]]


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    """The honest provider; it promises to name itself in its answers."""
    with signing_provider() as provider:
        provider.describe(authorization_response_iss_parameter_supported=True)
        yield provider


@pytest.fixture
def evil() -> Iterator[SigningProvider]:
    """The other one; it promises nothing."""
    with signing_provider("client-of-evil") as provider:
        yield provider


@pytest.fixture
def environ(environ: dict[str, str], stub: SigningProvider, evil: SigningProvider) -> dict[str, str]:
    return openid_environ(environ, {"stub": stub.issuer, "evil": evil.issuer})


@pytest.fixture
def person(app: Flask) -> Person:
    return Person(app)


def come_back(person: Person, begun: Begun, query: Query, provider: str = "stub") -> TestResponse:
    return person.come_back(urlencode([*query, ("state", begun.state)]), provider)


def assert_nobody_was_asked(*providers: SigningProvider) -> None:
    for provider in providers:
        assert provider.requests_to("/token") == provider.requests_to("/userinfo") == []


def test_the_answer_of_the_right_provider_is_taken(
    person: Person, stub: SigningProvider, evil: SigningProvider
) -> None:
    begun = person.begin()
    stub.prepare(begun)
    assert come_back(person, begun, [("code", "c"), ("iss", stub.issuer)]).status_code == 303
    assert person.is_signed_in()
    assert_nobody_was_asked(evil)


WRONG: dict[str, Callable[[str, str], list[str]]] = {
    "missing although promised": lambda own, evil: [],
    "the attacker's": lambda own, evil: [evil],
    "a slash more": lambda own, evil: [own + "/"],
    "upper case": lambda own, evil: [own.replace("http://", "HTTP://")],
    "localhost for its address": lambda own, evil: [own.replace("127.0.0.1", "LOCALHOST")],
    "twice": lambda own, evil: [own, own],
    "with the attacker's": lambda own, evil: [own, evil],
    "after the attacker's": lambda own, evil: [evil, own],
    "empty": lambda own, evil: [""],
    "with a space": lambda own, evil: [own + " "],
    "with a fragment": lambda own, evil: [own + "#"],
    "the authorization endpoint": lambda own, evil: [own + "/authorize"],
}
ANSWERS: dict[str, Query] = {
    "code": [("code", "canary-code")],
    "error": [("error", "access_denied"), ("error_description", "canary-words")],
    "code and error": [("code", "canary-code"), ("error", "access_denied")],
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_names_another_issuer_ends_there(
    person: Person,
    stub: SigningProvider,
    evil: SigningProvider,
    wrong: Callable[[str, str], list[str]],
    answer: Query,
) -> None:
    """Before its code is sent anywhere, and before a word of its error is believed or shown."""
    begun = person.begin()
    stub.prepare(begun)
    response = come_back(person, begun, [*answer, *(("iss", iss) for iss in wrong(stub.issuer, evil.issuer))])
    assert_refused(person, response, 400)
    assert "issuer_mismatch" in response.text
    assert "canary" not in response.text
    assert_nobody_was_asked(stub, evil)


def test_a_refused_answer_has_spent_its_sign_in(person: Person, stub: SigningProvider, evil: SigningProvider) -> None:
    """So that an attacker cannot try issuers one by one."""
    begun = person.begin()
    stub.prepare(begun)
    come_back(person, begun, [("code", "c"), ("iss", evil.issuer)])
    assert_refused(person, come_back(person, begun, [("code", "c"), ("iss", stub.issuer)]), 400)
    assert_nobody_was_asked(stub, evil)


def test_an_issuer_that_was_not_promised_must_be_right_too(person: Person, stub: SigningProvider) -> None:
    stub.describe(authorization_response_iss_parameter_supported=None)
    for query, status in (([("code", "c")], 303), ([("code", "c"), ("iss", "https://evil.example")], 400)):
        begun = person.begin()
        stub.prepare(begun)
        assert come_back(person, begun, query).status_code == status
    assert len(stub.requests_to("/token")) == 1


@pytest.mark.parametrize(("began_at", "came_to"), [("stub", "evil"), ("evil", "stub")])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_sign_in_ends_at_the_callback_of_its_own_provider(
    person: Person, stub: SigningProvider, evil: SigningProvider, began_at: str, came_to: str, answer: Query
) -> None:
    """The attacker's provider sends the browser back to the callback of the other, or the other way round."""
    begun = person.begin(began_at)
    for issuer in ([], [("iss", stub.issuer)], [("iss", evil.issuer)]):
        response = come_back(person, begun, [*answer, *issuer], came_to)
        assert_refused(person, response, 400)
        assert "state_mismatch" in response.text
    assert_nobody_was_asked(stub, evil)


def test_a_wrong_callback_does_not_spend_the_sign_in(person: Person, stub: SigningProvider) -> None:
    begun = person.begin()
    stub.prepare(begun)
    come_back(person, begun, [("code", "c")], "evil")
    assert come_back(person, begun, [("code", "c"), ("iss", stub.issuer)]).status_code == 303


def test_a_code_of_the_honest_provider_does_not_reach_the_attackers_token_endpoint(
    person: Person, stub: SigningProvider, evil: SigningProvider
) -> None:
    """The mix-up itself: signing in at the attacker's, the browser was sent on to the honest provider.

    That one answers at the redirect URI it knows, which is not the attacker's.
    """
    at_evil, at_stub = person.begin("evil"), person.begin("stub")
    assert at_evil.params["redirect_uri"] != at_stub.params["redirect_uri"]
    response = come_back(person, at_evil, [("code", "code-of-stub"), ("iss", stub.issuer)], "stub")
    assert_refused(person, response, 400)
    assert_nobody_was_asked(stub, evil)


def test_a_code_with_the_state_of_another_sign_in_goes_to_the_provider_of_that_sign_in(
    person: Person, stub: SigningProvider, evil: SigningProvider
) -> None:
    """Injected into a sign-in at the honest provider, a foreign code is refused there; nobody else sees a thing."""
    begun = person.begin("stub")
    stub.answer("/token", {"error": "invalid_grant"}, 400)
    response = come_back(person, begun, [("code", "code-of-evil"), ("iss", stub.issuer)])
    assert_refused(person, response, 502)
    assert [seen.form["code"] for seen in stub.requests_to("/token")] == ["code-of-evil"]
    assert stub.requests_to("/token")[0].form["redirect_uri"] == begun.params["redirect_uri"]
    assert_nobody_was_asked(evil)


def test_each_provider_has_a_redirect_uri_and_a_client_of_its_own(person: Person) -> None:
    found = [person.begin(id).params for id in ("stub", "evil")]
    assert [params["redirect_uri"] for params in found] == [
        "http://127.0.0.1:8000/callback/stub",
        "http://127.0.0.1:8000/callback/evil",
    ]
    assert [params["client_id"] for params in found] == ["client-of-stub", "client-of-evil"]


def test_a_token_of_the_attackers_provider_is_worth_nothing_at_the_other(
    person: Person, stub: SigningProvider, evil: SigningProvider
) -> None:
    """It is signed, its nonce is right, and it even names the honest issuer; but its key is the attacker's."""
    evil.key = key_for("RS256", 2)
    begun = person.begin("stub")
    evil.prepare(begun, iss=stub.issuer, aud="client-of-stub")
    stub.answers["/token"] = evil.answers["/token"]
    assert_refused(person, come_back(person, begun, [("code", "c"), ("iss", stub.issuer)]), 502)


def test_a_document_at_one_host_cannot_speak_for_another(
    make_app: Callable[..., Flask], stub: SigningProvider, evil: SigningProvider
) -> None:
    """Metadata of the attacker's that names the honest provider as issuer, or its endpoints as its own."""
    for changes in (
        {"issuer": stub.issuer},
        {"token_endpoint": f"{stub.url}/token"},
        {"authorization_endpoint": f"{stub.url}/authorize"},
        {"jwks_uri": f"{stub.url}/keys"},
    ):
        evil.describe(**changes)
        answer = Person(make_app()).get("/login?provider=evil")
        assert answer.status_code == 502
        assert "metadata_invalid" in answer.text
        assert "Location" not in answer.headers
