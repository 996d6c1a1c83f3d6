"""Sign-ins that begin at a provider or another site: /login as initiate_login_uri (web/login.py).

OpenID Connect Core 1.0 section 4: `iss`, `login_hint` and `target_link_uri`, by GET and by POST.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.factory import create_app
from doorkey.oauth.http import Transport
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.support.person import Person
from tests.support.signing_provider import SigningProvider, openid_environ, signed, signing_provider

ORIGIN = "http://127.0.0.1:8000"
MakeApp = Callable[..., Flask]


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def other() -> Iterator[SigningProvider]:
    with signing_provider(client_id="client-of-other") as provider:
        yield provider


@pytest.fixture
def make_app(
    environ: dict[str, str], stub: SigningProvider, other: SigningProvider, clock: MovedClock, transport: Transport
) -> MakeApp:
    """Doorkey with two providers, and the sites of an application that it may send people to."""

    def make(**changes: str) -> Flask:
        settings = openid_environ(environ, {"stub": stub.issuer, "other": other.issuer})
        allowed = {"DOORKEY_ALLOWED_HOSTS": "app.example.test"}
        return create_app(load({**settings, **allowed, **changes}), clock=clock, transport=transport)

    return make


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


def by_get(person: Person, **given: Any) -> TestResponse:
    return person.get("/login", query_string=given)


def by_post(person: Person, **given: Any) -> TestResponse:
    """A form of another site: it comes without our cookies, and browsers go on by GET with them."""
    headers = {"Origin": "https://op.example", "Sec-Fetch-Site": "cross-site"}
    answer = Person(person.client.application, ORIGIN).post("/login", data=given, headers=headers)
    assert answer.status_code == 303, answer.text
    assert answer.headers.getlist("Set-Cookie") == []
    assert answer.headers["Location"].startswith(f"{ORIGIN}/login?")
    return person.get(answer.headers["Location"].removeprefix(ORIGIN))


BOTH = pytest.mark.parametrize("begin", [by_get, by_post], ids=["GET", "POST"])
Begin = Callable[..., TestResponse]


def sent_to(answer: TestResponse) -> tuple[str, dict[str, str]]:
    """The address of the provider, and the parameters."""
    assert answer.status_code == 302, answer.text
    url = answer.headers["Location"]
    return url.partition("?")[0], {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def finish(person: Person, stub: SigningProvider, params: dict[str, str]) -> str:
    """Where the sign-in leads in the end."""
    stub.hand_out(signed(stub.claims(params["nonce"]), stub.key, kid="key-1"))
    arrived = person.come_back(f"code=c&state={params['state']}", "stub")
    assert arrived.status_code == 303, arrived.text
    return arrived.headers["Location"]


@BOTH
def test_the_issuer_says_which_provider(
    begin: Begin, person: Person, stub: SigningProvider, other: SigningProvider
) -> None:
    for provider in (stub, other):
        address, params = sent_to(begin(person, iss=provider.issuer))
        assert address == f"{provider.url}/authorize"
        assert params["client_id"] == provider.client_id
        assert {"state", "nonce", "code_challenge", "redirect_uri"} <= params.keys()


@BOTH
def test_it_is_finished_like_any_other(begin: Begin, person: Person, stub: SigningProvider) -> None:
    _, params = sent_to(begin(person, iss=stub.issuer))
    assert finish(person, stub, params) == "/"
    assert person.session()["user"] == "user-1"


@BOTH
def test_it_gets_state_and_verifier_of_its_own(begin: Begin, person: Person, stub: SigningProvider) -> None:
    """Who begins it elsewhere cannot choose what has to come back."""
    chosen = {"state": "chosen", "nonce": "chosen", "redirect_uri": "https://evil.example/", "code_challenge": "chosen"}
    _, params = sent_to(begin(person, iss=stub.issuer, scope="chosen", client_id="chosen", **chosen))
    assert "chosen" not in params.values()
    assert "evil" not in str(params)
    assert params["redirect_uri"] == f"{ORIGIN}/callback/stub"


@BOTH
@pytest.mark.parametrize("issuer", ["https://evil.example", "{iss}/", "{iss}x", "", " {iss}", "{upper}", "stub", "\0"])
def test_an_issuer_that_is_not_configured_leads_nowhere(
    begin: Begin, issuer: str, person: Person, stub: SigningProvider
) -> None:
    answer = begin(person, iss=issuer.format(iss=stub.issuer, upper=stub.issuer.upper()))
    assert answer.status_code == 404
    assert "There is no such provider here." in answer.text
    assert answer.headers.getlist("Set-Cookie") == []
    assert stub.seen == []


def test_an_issuer_that_two_providers_have_leaves_the_choice_to_the_person(
    environ: dict[str, str], stub: SigningProvider, clock: MovedClock, transport: Transport
) -> None:
    """Two clients at one provider; a link can name one of them by its id."""
    settings = openid_environ(environ, {"stub": stub.issuer, "again": stub.issuer})
    person = Person(create_app(load(settings), clock=clock, transport=transport))
    page = by_get(person, iss=stub.issuer)
    assert page.status_code == 200
    assert all(f"/login?provider={id}" in page.text for id in ("stub", "again"))
    assert sent_to(by_get(person, iss=stub.issuer, provider="again"))[1]["client_id"] == "client-of-again"


@BOTH
def test_several_issuers_are_one_provider_at_most(
    begin: Begin, person: Person, stub: SigningProvider, other: SigningProvider
) -> None:
    answer = begin(person, iss=[stub.issuer, other.issuer])
    assert answer.status_code in (302, 404)
    assert answer.status_code == 404 or sent_to(answer)[0] == f"{stub.url}/authorize"


@BOTH
def test_a_hint_whom_to_sign_in_is_passed_on(begin: Begin, person: Person, stub: SigningProvider) -> None:
    _, params = sent_to(begin(person, iss=stub.issuer, login_hint="una@example.com"))
    assert params["login_hint"] == "una@example.com"


@BOTH
@pytest.mark.parametrize("hint", ["", "x" * 256, "a\nb", "a\0b", "\u202e"])
def test_an_odd_hint_is_not(begin: Begin, hint: str, person: Person, stub: SigningProvider) -> None:
    _, params = sent_to(begin(person, iss=stub.issuer, login_hint=hint))
    assert "login_hint" not in params


def test_a_hint_in_settings_wins(make_app: MakeApp, stub: SigningProvider) -> None:
    person = Person(make_app(DOORKEY_PROVIDER_STUB_AUTHORIZATION_PARAMS="login_hint=configured"))
    _, params = sent_to(by_get(person, iss=stub.issuer, login_hint="una"))
    assert params["login_hint"] == "configured"


@BOTH
@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/account/sessions", "/account/sessions"),
        ("https://app.example.test/page?a=b", "https://app.example.test/page?a=b"),
        (f"{ORIGIN}/", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("https://app.example.test.evil.example/", "/"),
        ("https://evil.example\\@app.example.test/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_the_target_is_gone_to_only_where_it_is_allowed(
    begin: Begin, target: str, leads_to: str, person: Person, stub: SigningProvider
) -> None:
    _, params = sent_to(begin(person, iss=stub.issuer, target_link_uri=target))
    assert finish(person, stub, params) in (leads_to, leads_to.removeprefix(ORIGIN))


@BOTH
def test_two_targets_are_none(begin: Begin, person: Person, stub: SigningProvider) -> None:
    targets = ["/account/sessions", "https://evil.example/"]
    _, params = sent_to(begin(person, iss=stub.issuer, target_link_uri=targets))
    assert finish(person, stub, params) in ("/", "/account/sessions")


def test_without_an_issuer_it_is_the_choice_of_the_person(person: Person) -> None:
    for begin in (by_get, by_post):
        page = begin(person, target_link_uri="/account/sessions")
        assert page.status_code == 200
        assert page.text.count("/login?provider=") == 2


def test_a_session_that_is_there_stays_until_the_new_one_is(person: Person, stub: SigningProvider) -> None:
    """A link cannot sign anybody out, and a link of an attacker signs nobody in without the provider."""
    _, params = sent_to(by_get(person, iss=stub.issuer))
    finish(person, stub, params)
    before = person.cookies()["doorkey"]
    sent_to(by_post(person, iss=stub.issuer, login_hint="otto"))
    assert person.cookies()["doorkey"] == before
    assert person.is_signed_in()


@pytest.mark.parametrize("size", [8_000, 60_000, 100_000])
def test_a_large_form_is_no_failure_of_ours(size: int, person: Person) -> None:
    answer = person.post("/login", data={"iss": "x" * size})
    assert answer.status_code in (303, 400, 413)


def test_nothing_of_the_form_stands_in_the_address_but_what_the_specification_names(
    person: Person, stub: SigningProvider
) -> None:
    """Neither a password that a confused page sends along, nor `provider`, `next` or `prompt`."""
    form = {"iss": stub.issuer, "password": "canary", "provider": "other", "next": "/x", "prompt": "none"}
    location = person.post("/login", data=form).headers["Location"]
    assert parse_qs(urlsplit(location).query) == {"iss": [stub.issuer]}


def test_looking_at_the_address_begins_nothing(person: Person, stub: SigningProvider) -> None:
    answer = person.client.head("/login", base_url=ORIGIN, query_string={"iss": stub.issuer})
    assert answer.status_code == 204
    assert answer.headers.getlist("Set-Cookie") == []
    assert stub.seen == []


def test_it_counts_for_the_rate_limit(make_app: MakeApp, stub: SigningProvider) -> None:
    person = Person(make_app(DOORKEY_RATE_LIMIT="3"))
    statuses = [by_post(person, iss=stub.issuer).status_code for _ in range(8)]
    assert statuses == [*[302] * 6, 429, 429]
