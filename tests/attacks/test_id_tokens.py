"""Whole sign-ins with ID tokens that somebody altered, borrowed or made: nobody is signed in by any of them."""

import json
import logging
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.oauth.documents import RETRY_SECONDS
from tests.conftest import MovedClock
from tests.support.attack_asserts import assert_refused
from tests.support.person import Begun, Person
from tests.support.signing_provider import (
    NOW,
    SECRET,
    SigningProvider,
    jwk,
    key_for,
    openid_environ,
    sealed_with,
    signed,
    signing_provider,
)

HS256 = {"DOORKEY_PROVIDER_STUB_ID_TOKEN_ALGS": "HS256"}


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def environ(environ: dict[str, str], stub: SigningProvider) -> dict[str, str]:
    return openid_environ(environ, {"stub": stub.issuer})


def come_back(person: Person, begun: Begun) -> TestResponse:
    return person.come_back(urlencode({"code": "canary-code", "state": begun.state}), headers={"Accept": "text/html"})


def test_a_good_token_signs_in(person: Person, stub: SigningProvider) -> None:
    """Without this, everything below could be refused for some other reason."""
    assert stub.sign_in(person).status_code == 303
    assert person.session()["user"] == "user-1"
    assert stub.fetches() == (1, 1)


def public_pem(stub: SigningProvider) -> bytes:
    return stub.key.as_pem(private=False)


def alg(name: str) -> str:
    return f'{{"alg":"{name}","kid":"key-1"}}'


Forge = Callable[[SigningProvider, dict[str, object]], str]
FORGERIES: dict[str, tuple[Forge, str]] = {
    "unsigned": (lambda p, c: sealed_with(alg("none").encode(), c, b"", "HS256").rpartition(".")[0] + ".", "alg"),
    "the public key as secret": (lambda p, c: signed(c, public_pem(p), "HS256", kid="key-1"), "alg"),
    "the client secret": (lambda p, c: signed(c, SECRET.encode(), "HS256"), "alg"),
    "an empty secret": (lambda p, c: signed(c, b"", "HS256"), "alg"),
    "a stranger's key": (lambda p, c: signed(c, key_for("RS256", 2), kid="key-1"), "signature"),
    "a stranger's key in the header": (
        lambda p, c: signed(c, key_for("RS256", 2), jwk=jwk(key_for("RS256", 2)), kid="key-2"), "signature",
    ),
    "a stranger's key at an address": (
        lambda p, c: signed(c, key_for("RS256", 2), jku=f"{p.url}/forged", x5u=f"{p.url}/forged"), "signature",
    ),
    "an algorithm that is not offered": (lambda p, c: signed(c, p.key, "PS256", kid="key-1"), "alg"),
    "an access token": (lambda p, c: signed(c, p.key, typ="at+jwt"), "typ"),
    "a logout token": (lambda p, c: signed(c, p.key, typ="logout+jwt"), "typ"),
    "a demand": (lambda p, c: signed(c, p.key, crit=["exp"]), "crit"),
    "another issuer": (lambda p, c: signed({**c, "iss": "https://evil.example"}, p.key), "iss"),
    "another client's": (lambda p, c: signed({**c, "aud": "other-client"}, p.key), "aud"),
    "two clients'": (lambda p, c: signed({**c, "aud": ["client-of-stub", "other-client"]}, p.key), "aud"),
    "an expired one": (lambda p, c: signed({**c, "exp": NOW - 61}, p.key), "exp"),
    "an old one": (lambda p, c: signed({**c, "iat": NOW - 661}, p.key), "iat"),
    "another sign-in's": (lambda p, c: signed({**c, "nonce": "canary-other"}, p.key), "nonce"),
    "without nonce": (lambda p, c: signed({n: v for n, v in c.items() if n != "nonce"}, p.key), "nonce"),
    "another access token's": (lambda p, c: signed({**c, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, p.key), "at_hash"),
    "nobody's": (lambda p, c: signed({n: v for n, v in c.items() if n != "sub"}, p.key), "sub"),
    "two people's": (
        lambda p, c: signed(json.dumps(c)[:-1].encode() + b',"sub":"admin"}', p.key), "twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("forge", "reason"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_signs_nobody_in(
    person: Person, stub: SigningProvider, caplog: pytest.LogCaptureFixture, forge: Forge, reason: str
) -> None:
    begun = person.begin()
    stub.answer("/forged", {"keys": [jwk(key_for("RS256", 2))]})
    token = forge(stub, stub.claims(begun.params["nonce"]))
    stub.hand_out(token)
    with caplog.at_level(logging.INFO):
        answer = come_back(person, begun)
    assert_refused(person, answer, 502)
    assert stub.requests_to("/forged") == stub.requests_to("/userinfo") == []
    problem = next(vars(record)["fields"] for record in caplog.records if vars(record)["event"] == "problem")
    assert reason in f"{problem['code']} {problem['detail']}"
    told = answer.text + "".join(str(vars(record)) for record in caplog.records)
    secrets = (*token.split("."), begun.params["nonce"], "canary")
    assert not [secret for secret in secrets if len(secret) > 5 and secret in told]


def test_a_token_is_good_for_its_own_sign_in_only(make_app: Callable[..., Flask], stub: SigningProvider) -> None:
    """The token of one person's sign-in, put into another person's."""
    app = make_app()
    victim, attacker = Person(app), Person(app)
    stub.prepare(victim.begin())
    assert_refused(attacker, come_back(attacker, attacker.begin()), 502)


def test_a_token_cannot_be_left_out(person: Person, stub: SigningProvider) -> None:
    begun = person.begin()
    stub.hand_out(None)
    answer = come_back(person, begun)
    assert_refused(person, answer, 502)
    assert "id_token_missing" in answer.text


def test_an_encrypted_token_says_what_to_switch_off(person: Person, stub: SigningProvider) -> None:
    begun = person.begin()
    stub.hand_out("eyJhbGciOiJSU0EtT0FFUCJ9.AAAA.AAAA.AAAA.AAAA")
    answer = come_back(person, begun)
    assert_refused(person, answer, 502)
    assert "token_encrypted" in answer.text
    assert "Switch off the encryption" in answer.text


@pytest.mark.parametrize("size", [70_000, 60_000], ids=["beyond any token", "beyond the answer"])
def test_a_huge_token_is_refused(person: Person, stub: SigningProvider, size: int) -> None:
    begun = person.begin()
    claims = stub.claims(begun.params["nonce"], x="x" * size)
    stub.hand_out(signed(claims, stub.key))
    assert_refused(person, come_back(person, begun), 502)


@pytest.mark.parametrize("text", ["é" * 30, "a.b.c", "..", "eyJ.eyJ.eyJ", "\u0000", "null", "x" * 5000])
def test_junk_is_no_token(person: Person, stub: SigningProvider, text: str) -> None:
    begun = person.begin()
    stub.hand_out(text)
    assert_refused(person, come_back(person, begun), 502)


@pytest.mark.parametrize(
    ("secret", "status"), [(SECRET.encode(), 303), (b"another-secret-of-somebody", 502), (b"", 502)]
)
def test_the_client_secret_signs_where_a_setting_says_so(
    make_app: Callable[..., Flask], stub: SigningProvider, secret: bytes, status: int
) -> None:
    person = Person(make_app(**HS256))
    begun = person.begin()
    stub.hand_out(signed(stub.claims(begun.params["nonce"]), secret, "HS256"))
    assert come_back(person, begun).status_code == status
    assert person.is_signed_in() is (status == 303)
    assert stub.fetches()[1] == 0


def test_where_the_secret_signs_a_public_key_does_not(make_app: Callable[..., Flask], stub: SigningProvider) -> None:
    person = Person(make_app(**HS256))
    for key, name in ((public_pem(stub), "HS256"), (stub.key, "RS256")):
        begun = person.begin()
        stub.hand_out(signed(stub.claims(begun.params["nonce"]), key, name, kid="key-1"))
        assert_refused(person, come_back(person, begun), 502)


def test_a_provider_that_does_not_say_how_it_signs_can_be_used(
    make_app: Callable[..., Flask], stub: SigningProvider
) -> None:
    """RFC 8414 has no such member, so documents at its address need not have it."""
    stub.describe(id_token_signing_alg_values_supported=None)
    assert stub.sign_in(Person(make_app())).status_code == 303


def test_a_flood_of_forged_tokens_is_no_flood_of_key_requests(
    person: Person, stub: SigningProvider, clock: MovedClock
) -> None:
    stub.sign_in(person)
    for number in range(30):
        begun = person.begin()
        stub.hand_out(signed(stub.claims(begun.params["nonce"]), key_for("RS256", 2), kid=f"forged-{number}"))
        assert come_back(person, begun).status_code == 502
        clock.advance(RETRY_SECONDS / 40)
    assert stub.fetches()[1] == 2
    clock.advance(RETRY_SECONDS)
    stub.prepare(begun := person.begin())
    assert come_back(person, begun).status_code == 303
    assert stub.fetches()[1] == 2


@pytest.mark.parametrize("kid", ["key-1", "key-2"], ids=["under the old name", "under a new name"])
def test_people_can_sign_in_while_a_key_is_replaced(person: Person, stub: SigningProvider, kid: str) -> None:
    """And the old key is worth nothing from then on."""
    stub.sign_in(person)
    new = key_for("RS256", 3)
    stub.publish(jwk(new, kid=kid))
    begun = person.begin()
    stub.hand_out(signed(stub.claims(begun.params["nonce"]), new, kid=kid))
    assert come_back(person, begun).status_code == 303
    stub.prepare(begun := person.begin())
    assert come_back(person, begun).status_code == 502
    assert stub.fetches()[1] == 2


def test_a_withdrawn_key_ends_with_the_time_that_keys_are_kept(
    person: Person, stub: SigningProvider, clock: MovedClock
) -> None:
    stub.sign_in(person)
    stub.publish(jwk(key_for("RS256", 2), kid="key-2"))
    clock.advance(3600)
    begun = person.begin()
    stub.prepare(begun, iat=clock.now, exp=clock.now + 300)
    assert come_back(person, begun).status_code == 502
