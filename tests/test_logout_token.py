"""What a logout token must say, and whom it may be for (OpenID Back-Channel Logout 1.0 2.6; oauth/id_token.py)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from doorkey.errors import DoorkeyError, LogoutTokenInvalid, SignatureInvalid, TokenEncrypted
from doorkey.oauth.documents import Documents
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import ID_TOKEN, LOGOUT_EVENT, LOGOUT_TOKEN, Expected, validate
from doorkey.oauth.keys import KeySource
from doorkey.oauth.trace import Step
from tests.support.signing_provider import NOW, jwk, key_for, signed, signing_provider
from tests.test_provider import made

ISSUER = "https://acme.example"
GOOD = {
    "iss": ISSUER,
    "aud": "doorkey",
    "iat": NOW,
    "exp": NOW + 120,
    "jti": "one",
    "sub": "user-1",
    "sid": "session-1",
    "events": {LOGOUT_EVENT: {}},
}
EXPECTED = Expected(provider=made(ISSUER=ISSUER, SCOPE="openid"), now=NOW, leeway=60, algorithms=("RS256",))


@pytest.fixture(scope="module")
def keys() -> Iterator[KeySource]:
    with signing_provider() as provider:
        provider.publish(*(jwk(key_for(alg), kid=alg) for alg in ("RS256", "ES256")))
        yield KeySource(Documents(3600, lambda: 0.0), f"{provider.url}/keys", Transport())


def token(alg: str = "RS256", typ: str | None = "logout+jwt", **changes: Any) -> str:
    """A good one with `changes`; claims that are None are left out."""
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return signed(claims, key_for(alg), alg, typ=typ, kid=alg)


def refused(text: str, keys: KeySource) -> DoorkeyError | None:
    try:
        validate(LOGOUT_TOKEN, text, EXPECTED, keys, Step("logout token"))
    except DoorkeyError as error:
        return error
    return None


@pytest.mark.parametrize("typ", ["logout+jwt", "LOGOUT+JWT", "JWT", None])
@pytest.mark.parametrize("changes", [{}, {"sid": None}, {"sub": None}, {"aud": ["doorkey"]}, {"more": 1}])
def test_a_right_one_is_accepted(keys: KeySource, typ: str | None, changes: dict[str, Any]) -> None:
    assert refused(token(typ=typ, **changes), keys) is None


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("iss", {"iss": ISSUER + "1"}),
        ("iss", {"iss": None}),
        ("aud", {"aud": "doorkey1"}),
        ("aud", {"aud": ["doorkey", "another"]}),
        ("aud", {"aud": None}),
        ("exp", {"exp": NOW - 61}),
        ("exp", {"exp": None}),
        ("iat", {"iat": None}),
        ("iat", {"iat": NOW + 61}),
        ("iat", {"iat": NOW - 661}),
        ("jti", {"jti": None}),
        ("jti", {"jti": ""}),
        ("jti", {"jti": 5}),
        ("events", {"events": None}),
        ("events", {"events": {}}),
        ("events", {"events": {LOGOUT_EVENT + "-other": {}}}),
        ("events", {"events": {LOGOUT_EVENT: True}}),
        ("events", {"events": [LOGOUT_EVENT]}),
        ("events", {"events": LOGOUT_EVENT}),
        ("nonce", {"nonce": "n"}),
        ("nonce", {"nonce": ""}),
        ("sub", {"sub": None, "sid": None}),
        ("sub", {"sub": ""}),
        ("sub", {"sub": 5}),
        ("sub", {"sid": ["session-1"]}),
        ("sub", {"sid": "\ud800"}),
    ],
)
def test_what_is_wrong_with_it_is_named(keys: KeySource, claim: str, changes: dict[str, Any]) -> None:
    error = refused(token(**changes), keys)
    assert isinstance(error, LogoutTokenInvalid)
    assert (error.status, error.step, error.detail.startswith(f"{claim} is ")) == (400, "logout token", True)


def test_it_is_signed_as_the_sessions_id_token_was(keys: KeySource) -> None:
    assert isinstance(refused(token("ES256"), keys), LogoutTokenInvalid)
    other = replace(EXPECTED, algorithms=("ES256",))
    assert validate(LOGOUT_TOKEN, token("ES256"), other, keys, Step("logout token")).alg == "ES256"


def test_unsigned_encrypted_and_foreign_ones_are_refused(keys: KeySource) -> None:
    head, claims, signature = token().split(".")
    unsigned = f"{head}.{claims}."
    assert isinstance(refused(unsigned, keys), SignatureInvalid)
    assert isinstance(refused(f"{head}.{claims}.{signature[::-1]}", keys), SignatureInvalid)
    assert isinstance(refused(f"{head}.{claims}.{signature}.x.y", keys), TokenEncrypted)
    assert isinstance(refused("rubbish", keys), LogoutTokenInvalid)


def test_neither_passes_for_the_other(keys: KeySource) -> None:
    id_token = signed({**GOOD, "nonce": "n"}, key_for("RS256"), "RS256", typ="JWT", kid="RS256")
    assert isinstance(refused(id_token, keys), LogoutTokenInvalid)
    for typ in ("logout+jwt", "JWT"):
        with pytest.raises(DoorkeyError):
            validate(ID_TOKEN, token(typ=typ), replace(EXPECTED, nonce="n"), keys, Step("ID token"))


@pytest.mark.parametrize(
    ("audience", "accepted"),
    [
        (["doorkey", "project-1"], True),
        (["project-1", "doorkey", "project-2"], True),
        (["doorkey"], True),
        ("project-1", False),
        (["project-1", "project-2"], False),
        (["doorkey", "project-3"], False),
        (["doorkey", ["project-1"]], False),
        ([], False),
    ],
)
def test_other_audiences_may_be_trusted_and_never_replace_us(keys: KeySource, audience: object, accepted: bool) -> None:
    trusting = replace(EXPECTED.provider, trusted_audiences=("project-1", "project-2"))
    expected = replace(EXPECTED, provider=trusting)
    if accepted:
        validate(LOGOUT_TOKEN, token(aud=audience), expected, keys, Step("logout token"))
        return
    with pytest.raises(LogoutTokenInvalid):
        validate(LOGOUT_TOKEN, token(aud=audience), expected, keys, Step("logout token"))
