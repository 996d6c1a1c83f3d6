"""UserInfo beside an ID token: both must speak of one person before a session exists (oauth/user_info.py)."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.web.session_interface import browser_session
from tests.support.attack_asserts import assert_refused
from tests.support.person import Person
from tests.support.signing_provider import (
    NOW,
    SigningProvider,
    key_for,
    openid_environ,
    signed,
    signing_provider,
)

JWT = {"Content-Type": "application/jwt"}


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def environ(environ: dict[str, str], stub: SigningProvider) -> dict[str, str]:
    return openid_environ(environ, {"stub": stub.issuer})


@pytest.mark.parametrize(
    "sub", ["user-2", "USER-1", "user-1 ", "user-1\u0000", "", None, 1, True, ["user-1"], {"id": "user-1"}], ids=repr
)
def test_another_person_at_the_user_info_endpoint_signs_nobody_in(
    person: Person, stub: SigningProvider, sub: Any
) -> None:
    stub.answer("/userinfo", {"sub": sub, "name": "Una User"})
    answer = stub.sign_in(person)
    assert_refused(person, answer, 502)
    assert "subject_mismatch" in answer.text
    assert len(stub.requests_to("/userinfo")) == 1


def test_user_info_without_subject_signs_nobody_in(person: Person, stub: SigningProvider) -> None:
    stub.answer("/userinfo", {"name": "Una User", "email": "una@example.com"})
    answer = stub.sign_in(person)
    assert_refused(person, answer, 502)
    assert "subject_mismatch" in answer.text


def test_a_number_is_not_the_text_that_looks_like_it(person: Person, stub: SigningProvider) -> None:
    stub.answer("/userinfo", {"sub": 42})
    assert_refused(person, stub.sign_in(person, sub="42"), 502)


def test_the_subject_is_compared_even_when_another_claim_names_the_user(
    make_app: Callable[..., Flask], stub: SigningProvider
) -> None:
    person = Person(make_app(DOORKEY_PROVIDER_STUB_CLAIM_USER="email"))
    stub.answer("/userinfo", {"sub": "user-2", "email": "una@example.com"})
    assert_refused(person, stub.sign_in(person, email="una@example.com"), 502)


def user_info(stub: SigningProvider, **changes: Any) -> dict[str, Any]:
    claims = {"iss": stub.issuer, "aud": stub.client_id, "sub": "user-1", "name": "Signed Name", **changes}
    return {name: value for name, value in claims.items() if value is not None}


@pytest.mark.parametrize("content_type", ["application/jwt", "application/JWT; charset=utf-8"])
def test_signed_user_info_is_checked_and_used(person: Person, stub: SigningProvider, content_type: str) -> None:
    text = signed(user_info(stub, exp=NOW + 60), stub.key, kid="key-1")
    stub.answer("/userinfo", text, headers={"Content-Type": content_type})
    assert stub.sign_in(person).status_code == 303
    assert person.session()["name"] == "Signed Name"
    assert stub.fetches() == (1, 1)


Forge = Callable[[SigningProvider], str]
FORGERIES: dict[str, tuple[Forge, str]] = {
    "a stranger's key": (lambda p: signed(user_info(p), key_for("RS256", 2), kid="key-1"), "signature_invalid"),
    "another issuer": (lambda p: signed(user_info(p, iss="https://evil.example"), p.key), "userinfo_invalid"),
    "no issuer": (lambda p: signed(user_info(p, iss=None), p.key), "userinfo_invalid"),
    "another audience": (lambda p: signed(user_info(p, aud="other"), p.key), "userinfo_invalid"),
    "no audience": (lambda p: signed(user_info(p, aud=None), p.key), "userinfo_invalid"),
    "expired": (lambda p: signed(user_info(p, exp=NOW - 61), p.key), "userinfo_invalid"),
    "another person": (lambda p: signed(user_info(p, sub="user-2"), p.key), "subject_mismatch"),
    "no subject": (lambda p: signed(user_info(p, sub=None), p.key), "subject_mismatch"),
    "unsigned": (lambda p: f"eyJhbGciOiJub25lIn0.{signed(user_info(p), p.key).split('.')[1]}.", "userinfo_invalid"),
    "the public key as secret": (
        lambda p: signed(user_info(p), p.key.as_pem(private=False), "HS256"), "userinfo_invalid",
    ),
    "a logout token": (lambda p: signed(user_info(p), p.key, typ="logout+jwt"), "userinfo_invalid"),
    "encrypted": (lambda p: "eyJhbGciOiJSU0EtT0FFUCJ9.AAAA.AAAA.AAAA.AAAA", "token_encrypted"),
    "plain json": (lambda p: '{"sub":"user-1"}', "userinfo_invalid"),
    "empty": (lambda p: "", "userinfo_invalid"),
    "not ascii": (lambda p: "é.é.é", "userinfo_invalid"),
}  # fmt: skip


@pytest.mark.parametrize(("forge", "code"), FORGERIES.values(), ids=FORGERIES)
def test_forged_user_info_signs_nobody_in(person: Person, stub: SigningProvider, forge: Forge, code: str) -> None:
    stub.answer("/userinfo", forge(stub), headers=JWT)
    answer = stub.sign_in(person)
    assert_refused(person, answer, 502)
    assert code in answer.text


def test_a_signed_answer_that_calls_itself_json_is_not_read_as_claims(person: Person, stub: SigningProvider) -> None:
    stub.answer("/userinfo", signed(user_info(stub), stub.key))
    assert_refused(person, stub.sign_in(person), 502)


@pytest.mark.parametrize("status", [401, 500])
def test_an_error_is_an_error_however_it_is_signed(person: Person, stub: SigningProvider, status: int) -> None:
    stub.answer("/userinfo", signed(user_info(stub), stub.key), status, JWT)
    assert_refused(person, stub.sign_in(person), 502)


def test_the_endpoint_is_left_alone_where_a_setting_says_so(
    make_app: Callable[..., Flask], stub: SigningProvider
) -> None:
    stub.answer("/userinfo", {"sub": "user-2", "name": "Somebody Else"})
    person = Person(make_app(DOORKEY_PROVIDER_STUB_USERINFO="never"))
    assert stub.sign_in(person, name="From The Token").status_code == 303
    assert person.session()["name"] == "From The Token"
    assert stub.requests_to("/userinfo") == []


def test_an_endpoint_that_must_be_asked_must_be_there(make_app: Callable[..., Flask], stub: SigningProvider) -> None:
    stub.describe(userinfo_endpoint=None)
    person = Person(make_app(DOORKEY_PROVIDER_STUB_USERINFO="always"))
    answer = person.get("/login?provider=stub")
    assert answer.status_code == 502
    assert "userinfo_endpoint" in answer.text
    assert stub.sign_in(Person(make_app())).status_code == 303


def sign_in_with(person: Person, stub: SigningProvider, **members: Any) -> TestResponse:
    """A sign-in whose token answer has more members."""
    begun = person.begin()
    stub.hand_out(signed(stub.claims(begun.params["nonce"]), stub.key), **members)
    return person.come_back(urlencode({"code": "canary-code", "state": begun.state}))


@pytest.mark.parametrize("userinfo", ["auto", "never"])
@pytest.mark.parametrize("name", ["userinfo", "user", "claims", "sub", "profile"])
def test_claims_in_the_token_answer_are_ignored(
    make_app: Callable[..., Flask], stub: SigningProvider, userinfo: str, name: str
) -> None:
    """A member that frameworks put there themselves, and then believe wherever it came from."""
    person = Person(make_app(DOORKEY_PROVIDER_STUB_USERINFO=userinfo))
    forged = "admin" if name == "sub" else {"sub": "admin", "name": "Admin", "groups": ["admins"]}
    assert sign_in_with(person, stub, **{name: forged}).status_code == 303
    session = person.session()
    assert session["user"] == "user-1"
    assert "admin" not in str(session).lower()


@pytest.mark.parametrize(
    ("told", "verified"),
    [
        pytest.param({"email": "other@example.com"}, None, id="another address"),
        pytest.param({"email": "UNA@example.com"}, None, id="another case"),
        pytest.param({"email": None}, None, id="no address any more"),
        pytest.param({"email": "una@example.com"}, True, id="the same address"),
        pytest.param({}, True, id="no word of it"),
        pytest.param({"email": "other@example.com", "email_verified": False}, False, id="its own word"),
    ],
)
def test_an_address_is_verified_only_when_that_was_said_of_it(
    person: Person, stub: SigningProvider, told: dict[str, Any], verified: bool | None
) -> None:
    stub.answer("/userinfo", {"sub": "user-1", **told})
    assert stub.sign_in(person, email="una@example.com", email_verified=True).status_code == 303
    with person.client:  # keeps the request, whose session is asked then
        person.get("/session")
        current = browser_session().current
        assert current
        assert current.record.identity.claims.get("email_verified") is verified
