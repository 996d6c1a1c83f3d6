"""For every failure: the sign-in differs as expected and in nothing else, n times, and then it is right again."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.failures.expectations import differences, without
from tests.failures.expected import TABLE
from tests.failures.provider import Provider
from tests.failures.relying_party import Observation

NONE: Mapping[str, Any] = {}
OPTIONAL = {"refresh": ("refresh", "refreshed_id_token"), "introspect": ("introspect",),
            "sign_out": ("logout", "logout_token")}  # fmt: skip
"""Steps of a sign-in that can be left out, and what is observed in them."""


def observe(provider: Provider, name: str, skip: Sequence[str] = (), options: Mapping[str, Any] = NONE) -> Observation:
    skipped = (*skip, *options.get("skip", ()))
    return provider.relying_party(TABLE[name].client, **{**options, "skip": skipped}).observe()


def expected(right: Observation, name: str, skip: Sequence[str] = ()) -> Observation:
    found = TABLE[name].of(right)
    for step in (*skip, *TABLE[name].options.get("skip", ())):
        without(*OPTIONAL[step])(found)
    return found


@pytest.fixture(scope="module")
def right_ones() -> dict[str, Observation]:
    """Right observations by client, made when they are first needed."""
    return {}


@pytest.fixture
def right(provider: Provider, right_ones: dict[str, Observation], name: str) -> Observation:
    client = TABLE[name].client
    if client not in right_ones:
        right_ones[client] = observe(provider, name)
        provider.failures_seen()
    return right_ones[client]


@pytest.mark.parametrize("name", TABLE)
def test_it_differs_as_expected_and_the_next_sign_in_is_right(provider: Provider, right: Observation, name: str):
    provider.fail(name)

    wrong = observe(provider, name, (), TABLE[name].options)
    assert differences(expected(right, name), wrong) == {}
    assert provider.failures_seen() == {name}

    if TABLE[name].until_cleared:
        assert differences(expected(right, name), observe(provider, name)) == {}
        provider.clear()
        provider.failures_seen()
    assert differences(right, observe(provider, name)) == {}
    assert provider.failures_seen() == set()


@pytest.mark.parametrize("name", TABLE)
def test_with_two_uses_it_happens_in_two_sign_ins(provider: Provider, right: Observation, name: str):
    provider.fail(name, times=2)
    skip = tuple(step for step in OPTIONAL if not needs(right, name, step))

    for _ in range(2):
        wrong = observe(provider, name, skip, TABLE[name].options)
        assert differences(expected(right, name, skip), wrong) == {}

    if TABLE[name].until_cleared:
        provider.clear()
    assert provider.http.control("GET", "/dev/responses")["responses"] == []
    again = dict(right)
    without(*(place for step in skip for place in OPTIONAL[step]))(again)
    assert differences(again, observe(provider, name, skip)) == {}


def needs(right: Observation, name: str, step: str) -> bool:
    """True when `name` is to be seen in `step`, which is not one that would spend a second use."""
    if step in TABLE[name].once:
        return False
    if any(word in name for word in ("logout", "refresh")):
        return True
    changed = {key.partition(".")[0] for key in differences(right, TABLE[name].of(right))}
    return bool(changed & set(OPTIONAL[step]))


def test_the_right_sign_in_is_as_the_specifications_have_it(provider: Provider):
    """What all expectations start from, so that it cannot be wrong for all of them alike."""
    seen = provider.relying_party().observe()
    url = provider.url
    keys = {key["kty"]: key["kid"] for key in seen["jwks.fields.keys"]}
    wanted = {
        "metadata.fields.issuer": url,
        "authorize.status": 302,
        "authorize.params.code": "<code>",
        "authorize.params.state": "state-1",
        "authorize.params.iss": url,
        "token.status": 200,
        "token.headers.cache-control": "no-store",
        "token.fields.token_type": "bearer",
        "token.fields.expires_in": 3600,
        "token.fields.scope": "openid profile email",
        "id_token.header.alg": "RS256",
        "id_token.header.kid": keys["RSA"],
        "id_token.signed_by": [f"kid {keys['RSA']}"],
        "id_token.claims.iss": url,
        "id_token.claims.sub": "alice",
        "id_token.claims.aud": "rp",
        "id_token.claims.iat": "now+0",
        "id_token.claims.exp": "now+3600",
        "id_token.claims.nonce": "nonce-1",
        "id_token.claims.at_hash": "<right>",
        "userinfo.fields.sub": "alice",
        "userinfo.fields.email": "alice@example.com",
        "refreshed_id_token.claims.at_hash": "<right>",
        "refreshed_id_token.signed_by": [f"kid {keys['RSA']}"],
        "introspect.fields.active": True,
        "logout.target": "http://rp.test/bye",
        "logout.params.state": "state-1",
        "logout_token.count": 1,
        "logout_token.header.typ": "logout+jwt",
        "logout_token.claims.exp": "now+120",
        "logout_token.claims.jti": "<jti>",
        "logout_token.signed_by": [f"kid {keys['RSA']}"],
    }
    assert differences(wanted, {key: value for key, value in seen.items() if key in wanted}) == {}
    assert "refreshed_id_token.claims.nonce" not in seen
    assert seen["authorize.headers.set-cookie"] == (
        "doorkey-dev-session=<value>; <expires>; Max-Age=86400; HttpOnly; Path=/oauth/; SameSite=Lax"
    )
