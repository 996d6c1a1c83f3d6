"""A provider's keys: which are used for what, and how often they are asked for (oauth/keys.py)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, JWKRegistry, Key, OctKey, OKPKey

from doorkey.base64url import encode
from doorkey.errors import KeysInvalid, ProviderUnreachable
from doorkey.oauth.documents import RETRY_SECONDS, Documents
from doorkey.oauth.http import LARGEST_DOCUMENT, Transport
from doorkey.oauth.keys import MOST_KEYS, KeySet, KeySource, read_keys
from tests.conftest import MovedClock
from tests.support.signing_provider import SigningProvider, jwk, key_for, signing_provider

RSA = jwk(key_for("RS256"))
EC = jwk(key_for("ES256"))
OKP = jwk(key_for("EdDSA"))
TTL = 3600


def keys_of(*items: Any) -> KeySet:
    return read_keys(json.dumps({"keys": list(items)}).encode())


ODD_KEYS = {
    "a type that nobody knows": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQAB"},
    "no type": {"kid": "x"},
    "a shared secret": OctKey.generate_key(256).as_dict(private=True),
    "a curve that nobody knows": {**EC, "crv": "P-192"},
    "an okp curve for agreement": {**OKP, "crv": "X25519x"},
    "for encryption": {**RSA, "use": "enc"},
    "a use that is a list": {**RSA, "use": ["sig"]},
    "operations without verify": {**RSA, "key_ops": ["encrypt"]},
    "broken base64": {**RSA, "n": "!!!"},
    "no modulus": {name: value for name, value in RSA.items() if name != "n"},
    "a modulus that is a number": {**RSA, "n": 5},
    "an exponent of nothing": {**RSA, "e": ""},
    "a point off the curve": {**EC, "x": EC["y"], "y": EC["x"]},
    "a short ed25519 key": {**OKP, "x": "AQAB"},
    "a number as id": {**RSA, "kid": 1},
    "null as id": {**RSA, "kid": None},
    "a number as algorithm": {**RSA, "alg": 256},
    "a type that is a list": {**RSA, "kty": ["RSA"]},
    "a text": "RSA",
    "null": None,
    "a list": [RSA],
    "an empty object": {},
}


@pytest.mark.parametrize("odd", ODD_KEYS.values(), ids=ODD_KEYS)
def test_an_odd_key_is_skipped_with_a_reason_and_harms_no_other(odd: Any) -> None:
    found = keys_of(odd, {**RSA, "kid": "good"})
    assert [key.kid for key in found.keys] == ["good"]
    assert len(found.skipped) == 1
    assert found.skipped[0].startswith("key 1: ")
    assert len(found.skipped[0]) > len("key 1: it")


@pytest.mark.parametrize(("bits", "taken"), [(1024, False), (2048, True), (3072, True)])
def test_short_rsa_keys_are_skipped(bits: int, taken: bool) -> None:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    found = keys_of({"kty": "RSA", "n": encode(numbers.n.to_bytes(bits // 8, "big")), "e": "AQAB"})
    assert len(found.keys) == taken
    assert taken or "1024 bits" in found.skipped[0]


def test_the_private_half_of_a_key_is_not_kept() -> None:
    """Some sets publish one by mistake; whoever signs with it is not our business, but we do not hold it."""
    found = keys_of({**key_for("RS256").as_dict(private=True), "kid": "k"})
    assert not found.keys[0].key.is_private


@pytest.mark.parametrize(
    "bare", [{}, {"use": "sig"}, {"key_ops": ["verify"]}, {"x5c": ["junk"], "x5t": 5}, {"x": None}]
)
def test_whatever_else_a_key_says_changes_nothing(bare: dict[str, Any]) -> None:
    public = {name: RSA[name] for name in ("kty", "n", "e")}
    assert len(keys_of({**public, **bare}).keys) == 1


def test_only_the_first_hundred_keys_are_read() -> None:
    found = keys_of(*({**OKP, "kid": f"k{number}"} for number in range(MOST_KEYS + 5)))
    assert len(found.keys) == MOST_KEYS
    assert found.keys[-1].kid == f"k{MOST_KEYS - 1}"
    assert found.skipped == ("5 keys beyond the first 100",)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"<html>", b"{}", b'{"keys":{}}', b'{"keys":null}', b'{"keys":[],"keys":[]}', b'{"key":[]}'],
)
def test_what_is_no_set_is_an_error(body: bytes) -> None:
    with pytest.raises(KeysInvalid):
        read_keys(body)


def test_an_empty_set_is_a_set() -> None:
    assert keys_of() == KeySet(())


FITTING = {
    "RSA": (RSA, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    "RSA for PS256": ({**RSA, "alg": "PS256"}, ("PS256",)),
    "RSA for encryption": ({**RSA, "alg": "RSA-OAEP"}, ()),
    "P-256": (jwk(ECKey.generate_key("P-256")), ("ES256",)),
    "P-384": (jwk(ECKey.generate_key("P-384")), ("ES384",)),
    "P-521": (jwk(ECKey.generate_key("P-521")), ("ES512",)),
    "P-256 for ES512": (jwk(ECKey.generate_key("P-256"), alg="ES512"), ()),
    "secp256k1": (jwk(ECKey.generate_key("secp256k1")), ()),
    "Ed25519": (OKP, ("EdDSA", "Ed25519")),
    "Ed25519 for EdDSA": ({**OKP, "alg": "EdDSA"}, ("EdDSA",)),
    "Ed448": (jwk(OKPKey.generate_key("Ed448")), ()),
    "X25519": (jwk(OKPKey.generate_key("X25519")), ()),
}
ALGS = (*("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"))


@pytest.mark.parametrize(("item", "algs"), FITTING.values(), ids=FITTING)
def test_a_key_serves_the_algorithms_of_its_type_curve_and_purpose(item: dict[str, Any], algs: tuple[str, ...]) -> None:
    found = keys_of(item)
    assert tuple(alg for alg in ALGS if list(found.candidates(alg, ""))) == algs


@pytest.mark.parametrize(
    ("kid", "candidates"),
    [
        pytest.param("a", ["a", ""], id="that key and those without a name"),
        pytest.param("b", ["b", "b", ""], id="several of one name"),
        pytest.param("unknown", [""], id="unknown"),
        pytest.param("A", [""], id="case counts"),
        pytest.param("", ["a", "b", "b", ""], id="none: all that fit"),
    ],
)
def test_the_name_of_a_key_chooses_it(kid: str, candidates: list[str]) -> None:
    found = keys_of({**RSA, "kid": "a"}, {**RSA, "kid": "b"}, {**EC, "kid": "a"}, {**RSA, "kid": "b"}, RSA)
    assert [key.kid for key in found.candidates("RS256", kid)] == candidates


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        provider.publish({**RSA, "kid": "first"})
        yield provider


@pytest.fixture
def source(stub: SigningProvider, transport: Transport, clock: MovedClock) -> KeySource:
    return KeySource(Documents(TTL, clock), f"{stub.url}/keys", transport)


def fetches(stub: SigningProvider) -> int:
    return len(stub.requests_to("/keys"))


def has(source: KeySource, kid: str) -> bool:
    """As checking a token signed by the key `kid` would ask."""
    return source.find(lambda keys: any(key.kid == kid for key in keys.keys))


def test_keys_are_asked_for_once(source: KeySource, stub: SigningProvider) -> None:
    assert all(has(source, "first") for _ in range(10))
    assert fetches(stub) == 1


def test_keys_are_imported_once_for_each_fetched_set(
    stub: SigningProvider, transport: Transport, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing them for every token takes as long as checking its signature."""
    imported: list[str] = []
    import_key = JWKRegistry.import_key

    def counting(given: dict[str, Any]) -> Key:
        imported.append(str(given))
        return import_key(given)

    monkeypatch.setattr(JWKRegistry, "import_key", counting)
    documents: Documents[KeySet] = Documents(TTL, clock)
    for _ in range(5):
        assert has(KeySource(documents, f"{stub.url}/keys", transport), "first")
    clock.advance(TTL + 1)
    assert has(KeySource(documents, f"{stub.url}/keys", transport), "first")
    assert (fetches(stub), len(imported)) == (2, 2)


def test_a_new_key_is_found_at_once(source: KeySource, stub: SigningProvider) -> None:
    has(source, "first")
    stub.publish({**RSA, "kid": "first"}, {**RSA, "kid": "second"})
    assert has(source, "second")
    assert fetches(stub) == 2


def test_keys_that_were_fetched_just_now_are_not_fetched_again(source: KeySource, stub: SigningProvider) -> None:
    assert not has(source, "unknown")
    assert fetches(stub) == 1


def test_a_flood_of_unknown_keys_is_one_more_request_every_half_minute(
    source: KeySource, stub: SigningProvider, clock: MovedClock
) -> None:
    """Whoever can make sign-ins fail could otherwise make us flood the provider."""
    has(source, "first")
    for number in range(100):
        assert not has(source, f"unknown-{number}")
        clock.advance(RETRY_SECONDS / 101)
    assert fetches(stub) == 2
    clock.advance(RETRY_SECONDS)
    assert not has(source, "unknown")
    assert fetches(stub) == 3


def test_keys_that_are_kept_serve_during_a_flood(source: KeySource, stub: SigningProvider) -> None:
    for number in range(5):
        has(source, f"unknown-{number}")
    assert has(source, "first")
    assert fetches(stub) == 2


def test_a_withdrawn_key_serves_no_longer_than_the_set_is_kept(
    source: KeySource, stub: SigningProvider, clock: MovedClock
) -> None:
    has(source, "first")
    stub.publish({**RSA, "kid": "second"})
    clock.advance(TTL - 1)
    assert has(source, "first")
    clock.advance(1)
    assert not has(source, "first")
    assert fetches(stub) == 2


def test_old_keys_do_not_outlive_an_outage(source: KeySource, stub: SigningProvider, clock: MovedClock) -> None:
    """An attacker who can keep us from the keys must not keep a withdrawn key alive."""
    has(source, "first")
    stub.answer("/keys", "down", 503)
    clock.advance(TTL)
    with pytest.raises(KeysInvalid, match="status 503"):
        has(source, "first")


@pytest.mark.parametrize(("status", "body"), [(500, "{}"), (302, "{}"), (404, "{}"), (200, "[]")])
def test_an_answer_that_is_no_set_is_told(source: KeySource, stub: SigningProvider, status: int, body: str) -> None:
    stub.answer("/keys", body, status, {"Location": f"{stub.url}/elsewhere"})
    with pytest.raises(KeysInvalid):
        source.keys()
    assert len(stub.seen) == 1


def test_a_closed_port_is_told(transport: Transport, clock: MovedClock) -> None:
    with signing_provider() as gone:
        address = f"{gone.url}/keys"
    with pytest.raises(ProviderUnreachable):
        KeySource(Documents(TTL, clock), address, transport).keys()


def test_a_set_may_be_larger_than_a_token_answer(source: KeySource, stub: SigningProvider) -> None:
    padding = "x" * (LARGEST_DOCUMENT // 2)
    stub.publish({**RSA, "kid": "first", "padding": padding})
    assert has(source, "first")
