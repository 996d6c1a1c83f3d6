"""Sign-ins that are announced to the provider before the browser goes there, RFC 9126 (oauth/authorization.py)."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask

from doorkey.base64url import decode
from doorkey.factory import create_app
from doorkey.oauth.client_auth import ASSERTION_TYPE
from doorkey.oauth.http import Transport
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.contract.party import challenge_of
from tests.support.person import Person
from tests.support.signing_provider import (
    NOW,
    SECRET,
    SigningProvider,
    openid_environ,
    signed,
    signing_provider,
)

REQUEST_URI = "urn:ietf:params:oauth:request_uri:canary"
GOOD = {"request_uri": REQUEST_URI, "expires_in": 60}
PEM = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
MakePerson = Callable[..., Person]


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        provider.describe(
            pushed_authorization_request_endpoint=f"{provider.url}/par", require_pushed_authorization_requests=True
        )
        provider.answer("/par", GOOD, 201)
        yield provider


@pytest.fixture
def make_person(environ: dict[str, str], stub: SigningProvider, clock: MovedClock, transport: Transport) -> MakePerson:
    """A person at a Doorkey whose provider has some settings changed."""

    def make(**changes: str) -> Person:
        settings = load(openid_environ(environ, {"stub": stub.issuer}, **changes))
        return Person(create_app(settings, clock=clock, transport=transport))

    return make


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def test_the_browser_carries_a_name_for_the_request_and_nothing_of_it(
    make_person: MakePerson, stub: SigningProvider
) -> None:
    begun = make_person(AUTHORIZATION_PARAMS="prompt=login").begin(login_hint="una@example.com")
    assert query_of(begun.url) == {"client_id": ["client-of-stub"], "request_uri": [REQUEST_URI]}
    assert begun.url.startswith(f"{stub.url}/authorize?")
    form = stub.requests_to("/par")[0].form
    assert {name: form[name] for name in form if name not in ("state", "nonce", "code_challenge")} == {
        "response_type": "code",
        "client_id": "client-of-stub",
        "redirect_uri": "http://127.0.0.1:8000/callback/stub",
        "scope": "openid",
        "code_challenge_method": "S256",
        "prompt": "login",
        "login_hint": "una@example.com",
    }
    assert len(form["state"]) == len(form["nonce"]) == len(form["code_challenge"]) == 43
    assert stub.requests_to("/par")[0].method == "POST"


def test_a_pushed_sign_in_ends_like_any_other(make_person: MakePerson, stub: SigningProvider) -> None:
    person = make_person()
    person.begin()
    form = stub.requests_to("/par")[0].form
    stub.hand_out(signed(stub.claims(form["nonce"]), stub.key))
    assert person.come_back(urlencode({"code": "c", "state": form["state"]})).status_code == 303
    assert person.session()["user"] == "user-1"
    assert challenge_of(stub.requests_to("/token")[0].form["code_verifier"]) == form["code_challenge"]


def test_each_sign_in_is_announced_by_itself(make_person: MakePerson, stub: SigningProvider) -> None:
    person = make_person()
    for _ in range(3):
        person.begin()
    forms = [seen.form for seen in stub.requests_to("/par")]
    for name in ("state", "nonce", "code_challenge"):
        assert len({form[name] for form in forms}) == 3


@pytest.mark.parametrize(
    ("demanded", "setting", "pushed"),
    [
        (True, "auto", True),
        (True, "always", True),
        (None, "always", True),
        (None, "auto", False),
        (False, "auto", False),
    ],
)
def test_metadata_or_a_setting_demands_it(
    make_person: MakePerson, stub: SigningProvider, demanded: bool | str | None, setting: str, pushed: bool
) -> None:
    stub.describe(
        pushed_authorization_request_endpoint=f"{stub.url}/par", require_pushed_authorization_requests=demanded
    )
    begun = make_person(PUSHED_AUTHORIZATION=setting).begin()
    assert len(stub.requests_to("/par")) == pushed
    assert ("request_uri" in query_of(begun.url)) is pushed
    assert ("state" in query_of(begun.url)) is not pushed


def test_an_endpoint_that_is_demanded_must_be_named(make_person: MakePerson, stub: SigningProvider) -> None:
    stub.describe(require_pushed_authorization_requests=True)
    answer = make_person().get("/login?provider=stub")
    assert answer.status_code == 502
    assert "pushed_authorization_request_endpoint" in answer.text


def test_settings_name_the_endpoint_too(make_person: MakePerson, stub: SigningProvider) -> None:
    stub.describe()
    stub.answer("/own-par", GOOD, 201)
    make_person(PUSHED_AUTHORIZATION="always", PUSHED_AUTHORIZATION_REQUEST_ENDPOINT=f"{stub.url}/own-par").begin()
    assert len(stub.requests_to("/own-par")) == 1


def test_a_query_of_the_authorization_endpoint_stays_there(make_person: MakePerson, stub: SigningProvider) -> None:
    stub.describe(
        authorization_endpoint=f"{stub.url}/authorize?tenant=a%20b",
        pushed_authorization_request_endpoint=f"{stub.url}/par",
        require_pushed_authorization_requests=True,
    )
    begun = make_person().begin()
    assert query_of(begun.url) == {
        "tenant": ["a b"], "client_id": ["client-of-stub"], "request_uri": [REQUEST_URI],
    }  # fmt: skip
    assert "tenant" not in stub.requests_to("/par")[0].form


REFUSALS: dict[str, tuple[int, Any]] = {
    "an error": (400, {"error": "invalid_request", "error_description": "no such redirect_uri"}),
    "unauthorized": (401, {"error": "invalid_client"}),
    "too many": (429, {}),
    "no request_uri": (201, {"expires_in": 60}),
    "an empty one": (201, {"request_uri": ""}),
    "a number": (201, {"request_uri": 1}),
    "a list": (201, {"request_uri": [REQUEST_URI]}),
    "a very long one": (201, {"request_uri": "urn:" + "x" * 2048}),
    "a line end in it": (201, {"request_uri": "urn:x\r\nSet-Cookie: a=b"}),
    "not ascii": (201, {"request_uri": "urn:é"}),
    "html": (200, "<html><body>Sign in</body>"),
    "empty": (201, b""),
    "list": (201, [REQUEST_URI]),
    "twice": (201, '{"request_uri":"urn:a","request_uri":"urn:b"}'),
    "a problem of its own": (500, "oops"),
    "a problem with an answer": (503, GOOD),
    "a redirect": (302, GOOD),
    "a redirect that keeps the method": (307, GOOD),
}


@pytest.mark.parametrize(("status", "body"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_announcement_is_told_and_leaves_nothing_behind(
    make_person: MakePerson, stub: SigningProvider, status: int, body: Any
) -> None:
    stub.answer("/elsewhere", GOOD, 201)
    stub.answer("/par", body, status, {"Location": f"{stub.url}/elsewhere"})
    person = make_person()
    answer = person.get("/login?provider=stub", headers={"Accept": "text/html"})
    assert answer.status_code == 502
    assert "pushed_request_refused" in answer.text
    assert 'href="/login?provider=stub"' in answer.text
    assert "Location" not in answer.headers
    assert person.cookies() == {}
    assert stub.requests_to("/elsewhere") == []
    assert len(stub.requests_to("/par")) == 1
    form = stub.requests_to("/par")[0].form
    assert not [name for name in ("state", "nonce", "code_challenge") if form[name] in answer.text]
    assert SECRET not in answer.text


def test_the_providers_own_words_are_shown_without_secrets(make_person: MakePerson, stub: SigningProvider) -> None:
    words = {"error": "invalid_client", "error_description": f"{SECRET} is wrong\r\n<b>"}
    stub.answer("/par", words, 401)
    answer = make_person().get("/login?provider=stub", headers={"Accept": "application/json"})
    assert answer.get_json()["provider_error"] == {
        "error": "invalid_client",
        "error_description": "**** is wrong  <b>",
    }


def test_an_endpoint_that_is_down_is_told(make_person: MakePerson, stub: SigningProvider) -> None:
    with signing_provider() as gone:
        address = f"{gone.url}/par"
    person = make_person(PUSHED_AUTHORIZATION_REQUEST_ENDPOINT=address)
    answer = person.get("/login?provider=stub")
    assert answer.status_code == 504
    assert "provider_unreachable" in answer.text
    assert person.cookies() == {}


@pytest.mark.parametrize("status", [200, 201])
def test_both_statuses_that_servers_use_are_accepted(
    make_person: MakePerson, stub: SigningProvider, status: int
) -> None:
    stub.answer("/par", GOOD, status)
    assert "request_uri" in query_of(make_person().begin().url)


METHODS: dict[str, tuple[dict[str, str], set[str]]] = {
    "client_secret_basic": ({}, {"client_id"}),
    "client_secret_basic_raw": ({"CLIENT_AUTH": "client_secret_basic_raw"}, {"client_id"}),
    "client_secret_post": ({"CLIENT_AUTH": "client_secret_post"}, {"client_id", "client_secret"}),
    "client_secret_jwt": (
        {"CLIENT_AUTH": "client_secret_jwt"}, {"client_id", "client_assertion", "client_assertion_type"},
    ),
    "private_key_jwt": (
        {"PRIVATE_KEY": PEM, "CLIENT_SECRET": ""}, {"client_id", "client_assertion", "client_assertion_type"},
    ),
    "none": ({"CLIENT_SECRET": ""}, {"client_id"}),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_the_client_proves_itself_there_as_at_the_token_endpoint(
    make_person: MakePerson, stub: SigningProvider, method: str
) -> None:
    changes, fields = METHODS[method]
    make_person(**changes).begin()
    seen = stub.requests_to("/par")[0]
    assert {name for name in seen.form if name.startswith("client_")} == fields
    basic = b64decode(seen.headers.get("Authorization", "Basic ").removeprefix("Basic ")).decode()
    assert basic == (f"client-of-stub:{SECRET}" if "basic" in method else "")
    assert seen.form.get("client_secret", SECRET) == SECRET


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
def test_an_assertion_there_is_made_for_the_issuer_and_for_once(
    make_person: MakePerson, stub: SigningProvider, method: str
) -> None:
    person = make_person(CLIENT_AUTH=method, PRIVATE_KEY=PEM)
    person.begin()
    person.begin()
    names = set()
    for seen in stub.requests_to("/par"):
        assert seen.form["client_assertion_type"] == ASSERTION_TYPE
        header, claims = (json.loads(decode(part) or b"") for part in seen.form["client_assertion"].split(".")[:2])
        assert header["alg"] == ("EdDSA" if method == "private_key_jwt" else "HS256")
        assert (claims["aud"], claims["iss"], claims["sub"]) == (stub.issuer, "client-of-stub", "client-of-stub")
        assert (claims["iat"], claims["exp"]) == (NOW, NOW + 60)
        names.add(claims["jti"])
    assert len(names) == 2


def test_plain_oauth_sign_ins_can_be_announced_too(make_app: Callable[..., Flask], stub: SigningProvider) -> None:
    app = make_app(
        DOORKEY_PROVIDER_STUB_PUSHED_AUTHORIZATION="always",
        DOORKEY_PROVIDER_STUB_PUSHED_AUTHORIZATION_REQUEST_ENDPOINT=f"{stub.url}/par",
    )
    Person(app).begin()
    assert "nonce" not in stub.requests_to("/par")[0].form
