"""Failures that are seen in more than one sign-in, or in the order in which things are asked."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from tests.failures import raw_jose
from tests.failures.expectations import differences
from tests.failures.expected import ALGS, TABLE
from tests.failures.provider import Provider
from tests.failures.relying_party import Observation, RelyingParty

NAMES_OF_KEYS = {
    f"{token}.{what}"
    for token in ("id_token", "refreshed_id_token", "logout_token")
    for what in ("header.kid", "signed_by")
}
IS_ROTATION = pytest.mark.parametrize("name", ["signing-key-rotation", "signing-key-rotation-same-kid"])


def signed_in(provider: Provider) -> RelyingParty:
    party = provider.relying_party()
    party.observe()
    return party


def materials(party: RelyingParty) -> set[str]:
    """The published keys themselves, whatever they are called."""
    return {key.get("n") or key["x"] for key in party.jwks}


def kids(party: RelyingParty) -> list[str]:
    return [key["kid"] for key in party.jwks]


def id_token(party: RelyingParty) -> raw_jose.Jws:
    return raw_jose.parse(party.tokens["id_token"])


def verifies(token: raw_jose.Jws, keys: Any) -> bool:
    return any(raw_jose.is_signed_by(key, token) for key in keys)


@IS_ROTATION
def test_the_keys_change_at_the_second_authorization_response(provider: Provider, name: str):
    right = signed_in(provider)
    provider.fail(name)
    first, second, third = (signed_in(provider) for _ in range(3))

    assert differences(right.seen, first.seen) == {}
    same_kid = name.endswith("same-kid")
    changed = differences(first.seen, second.seen)
    assert changed.keys() == {"jwks.fields.keys"} | (set() if same_kid else NAMES_OF_KEYS)
    assert not materials(first) & materials(second)
    assert (kids(first) == kids(second)) == same_kid
    assert len(kids(second)) == len(kids(first)) == 3
    for party, other in ((first, second), (second, first)):
        assert verifies(id_token(party), party.jwks)
        assert not verifies(id_token(party), other.jwks)
    assert differences(second.seen, third.seen) == {}
    assert provider.failures_seen() == {name}


@IS_ROTATION
def test_twice_the_keys_change_at_every_second_response(provider: Provider, name: str):
    provider.fail(name, times=2)

    seen = [materials(signed_in(provider)) for _ in range(6)]

    assert [one == other for one, other in pairwise(seen)] == [False, True, False, True, True]


@pytest.mark.parametrize("times", [1, 2])
def test_keys_that_change_just_before_the_signature(provider: Provider, times: int):
    """Who read the keys when the sign-in began does not have the one that signed."""
    right = signed_in(provider)
    provider.fail("signing-key-rotation-just-before-signing", times=times)
    before = right

    for _ in range(times):
        party = signed_in(provider)
        assert differences(right.seen, party.seen).keys() == {"jwks.fields.keys"} | NAMES_OF_KEYS
        assert verifies(id_token(party), party.jwks)
        assert not verifies(id_token(party), before.jwks)
        assert not materials(party) & materials(before)
        before = party
    assert provider.failures_seen() == {"signing-key-rotation-just-before-signing"}

    assert differences(before.seen, signed_in(provider).seen) == {}
    assert provider.failures_seen() == set()


def in_order(provider: Provider, metadata: Mapping[str, Any], *steps: str) -> Observation:
    """Steps of a sign-in of somebody who already knows the endpoints."""
    party = provider.relying_party()
    party.metadata = metadata
    for step in steps:
        getattr(party, step)()
    return party.seen


ELSEWHERE = {
    "unadvertised-es256": ALGS,
    "unadvertised-hs256": ALGS,
    "idtoken-sig-none": ALGS,
    "idtoken-sig-rs256": ALGS,
    "idtoken-sig-es256": ALGS,
    "idtoken-sig-ps256": ALGS,
    "idtoken-sig-eddsa": ALGS,
    "idtoken-sig-hs256": ALGS,
    "unadvertised-authorization-response-iss": "metadata.fields.authorization_response_iss_parameter_supported",
    "kid-absent-single-jwks": "jwks.fields.keys",
    "kid-absent-multiple-jwks": "jwks.fields.keys",
}
"""What is changed at another endpoint than the one that answers wrongly."""

SIGN_IN = ("authorize", "redeem")
ORDERS = {
    "documents first": (("read_metadata", "read_keys", *SIGN_IN), 1),
    "documents last": ((*SIGN_IN, "read_metadata", "read_keys"), 1),
    "documents first, twice": (("read_metadata", "read_keys", *SIGN_IN), 2),
    "documents last, twice": ((*SIGN_IN, "read_metadata", "read_keys"), 2),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_goes_with_it_is_read_before_or_after(provider: Provider, name: str, order: str):
    """A client may read the metadata and the keys before a sign-in or only then; each sees them once with it."""
    steps, times = ORDERS[order]
    right = signed_in(provider).seen
    metadata = {key.removeprefix("metadata.fields."): value for key, value in right.items() if "metadata.fields" in key}
    key, expected = ELSEWHERE[name], TABLE[name].of(right)
    provider.fail(name, times=times)

    for _ in range(times):
        seen = in_order(provider, metadata, *steps)
        assert seen.get(key) == expected.get(key), order
    assert provider.failures_seen() == {name}

    assert differences(right, {**right, **in_order(provider, metadata, *steps)}) == {}
    assert provider.failures_seen() == set()


def test_two_waiting_failures_each_bring_their_own_metadata(provider: Provider):
    provider.fail("idtoken-sig-es256")
    provider.fail("idtoken-sig-eddsa")

    seen = [signed_in(provider).seen for _ in range(3)]

    assert [(s["id_token.header.alg"], s[ALGS]) for s in seen] == [
        ("ES256", ["ES256"]),
        ("EdDSA", ["EdDSA"]),
        ("RS256", ["RS256", "PS256", "ES256", "EdDSA"]),
    ]


def test_the_keys_are_where_the_metadata_says_and_have_to_be_read_in_order(provider: Provider):
    """Config RP: authorize before discovery and UserInfo before the keys are mistakes of the client."""
    right = signed_in(provider)
    provider.fail("discovery-jwks-uri-keys")
    party = provider.relying_party()
    party.metadata = right.metadata

    party.authorize()
    assert (party.seen["authorize.status"], party.seen["authorize.params.code"] if party.answer else "") == (400, "")
    assert "metadata" in party.seen["authorize.fields.error_description"]
    assert provider.http.get(right.metadata["jwks_uri"]).status == 400

    for step in (party.read_metadata, party.authorize, party.redeem, party.ask_user_info):
        step()
    assert party.seen["userinfo.status"] == 400
    assert "keys" in party.seen["userinfo.fields.error_description"]
    assert party.metadata["jwks_uri"] != right.metadata["jwks_uri"]
    assert party.read_keys()
    party.ask_user_info()
    assert party.seen["userinfo.status"] == 200

    provider.clear()
    provider.fail("discovery-jwks-uri-keys")
    again = provider.relying_party()
    again.read_metadata()
    assert again.metadata["jwks_uri"] not in (right.metadata["jwks_uri"], party.metadata["jwks_uri"])


def test_while_only_the_metadata_is_served_the_controls_are_too(provider: Provider):
    right = signed_in(provider)
    provider.fail("discovery-openid-config")

    endpoints = [value for key, value in right.metadata.items() if key.endswith(("_endpoint", "jwks_uri"))]
    assert len(endpoints) == 9
    statuses = {url: provider.http.post(url, {}).status for url in endpoints}
    assert set(statuses.values()) <= {400, 405}, statuses
    assert provider.http.get(right.metadata["jwks_uri"]).status == 400
    assert provider.http.get(provider.url + "/.well-known/openid-configuration").status == 200
    assert provider.http.get(provider.url + "/.well-known/oauth-authorization-server").status == 200
    assert provider.http.get(provider.url + "/dev/").status == 200

    provider.reset()
    assert differences(right.seen, signed_in(provider).seen) == {}


def test_a_failure_is_of_one_issuer_only(provider: Provider):
    provider.fail("discovery-issuer-missing", times="always")

    other = provider.http.get(provider.url + "/tenant-a/.well-known/openid-configuration")
    assert other.json()["issuer"] == provider.url + "/tenant-a"
    assert "issuer" not in provider.http.get(provider.url + "/.well-known/openid-configuration").json()


def test_one_logout_is_one_use_however_many_are_told(provider: Provider):
    """When a user leaves elsewhere: whichever client is under test, it is told wrongly."""
    found = []
    provider.fail("backchannel-logout-nonce")
    for _ in range(2):
        for _ in range(2):
            provider.relying_party(skip=("sign_out",)).observe()
        provider.mailbox.take()
        told = provider.http.control("POST", "/dev/logout", {"sub": "alice"})["told"]
        assert [one["status"] for one in told] == [200, 200]
        found += ["nonce" in raw_jose.parse(token).claims for _, token in provider.mailbox.take()]

    assert found == [True, True, False, False]
