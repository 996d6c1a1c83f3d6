"""Doorkey's own keys: which are accepted, what is published, what an assertion says (oauth/client_keys.py)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask
from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry

from doorkey.base64url import decode
from doorkey.errors import SettingsError
from doorkey.oauth.client_auth import ASSERTION_TYPE, ClientProof
from doorkey.oauth.client_keys import published, read_private_keys
from doorkey.oauth.provider import Provider
from doorkey.settings import load
from tests.support.person import Person
from tests.test_provider import SETTINGS, made

NOW = 1_800_000_000.0
ISSUER = "https://acme.example"
PLAIN = NoEncryption()


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, encryption: KeySerializationEncryption = PLAIN) -> str:
    return str(key.private_bytes(Encoding.PEM, form, encryption).decode())


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
GOOD = {
    "RSA": (pem(RSA), "RS256"),
    "RSA in its own form": (pem(RSA, PrivateFormat.TraditionalOpenSSL), "RS256"),
    "P-256": (pem(EC), "ES256"),
    "P-256 in its own form": (pem(EC, PrivateFormat.TraditionalOpenSSL), "ES256"),
    "P-384": (pem(ec.generate_private_key(ec.SECP384R1())), "ES384"),
    "P-521": (pem(ec.generate_private_key(ec.SECP521R1())), "ES512"),
    "Ed25519": (pem(ED), "EdDSA"),
}
BAD = {
    "a text": "secret",
    "a public key": RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    "a text before it": f"key: {pem(ED)}",
    "a certificate beside it": pem(ED) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "half a key": pem(RSA)[:400],
    "junk inside": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "a password": pem(RSA, encryption=BestAvailableEncryption(b"secret")),
    "1024 bits": pem(rsa.generate_private_key(65537, 1024)),
    "secp256k1": pem(ec.generate_private_key(ec.SECP256K1())),
    "P-224": pem(ec.generate_private_key(ec.SECP224R1())),
    "X25519": pem(x25519.X25519PrivateKey.generate()),
    "Ed448": pem(ed448.Ed448PrivateKey.generate()),
    "DSA": pem(dsa.generate_private_key(1024)),
    "a second one that is bad": pem(ED) + pem(rsa.generate_private_key(65537, 1024)),
}


def provider(private_key: str = "", **changes: str) -> Provider:
    return made(**{"ISSUER": ISSUER, "CLIENT_SECRET": "", "PRIVATE_KEY": private_key or pem(ED), **changes})


def assertion(by: Provider, url: str = "https://acme.example/token") -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header, claims and compact form of the assertion in a request to `url`."""
    request = requests.Request("POST", url, data={"grant_type": "x"}, auth=ClientProof(by, lambda: NOW)).prepare()
    form = parse_qs(str(request.body), strict_parsing=True)
    assert form["client_id"] == ["doorkey"]
    assert form["client_assertion_type"] == [ASSERTION_TYPE]
    assert form["grant_type"] == ["x"]
    assert "Authorization" not in request.headers
    compact = form["client_assertion"][0]
    header, claims = (json.loads(decode(part) or b"") for part in compact.split(".")[:2])
    return header, claims, compact


@pytest.mark.parametrize(("text", "alg"), GOOD.values(), ids=GOOD)
def test_each_kind_of_key_signs_and_what_is_published_verifies(text: str, alg: str) -> None:
    by = provider(text)
    assert by.auth_method == "private_key_jwt"
    header, _, compact = assertion(by)
    assert header == {"alg": alg, "typ": "JWT", "kid": by.private_keys[0].kid}
    key = JWKRegistry.import_key(json.loads(json.dumps(published(by.private_keys)))["keys"][0])
    text, _, signature = compact.rpartition(".")
    assert JWSRegistry.algorithms[alg].verify(text.encode(), decode(signature) or b"", key)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_cannot_sign_is_refused_at_the_start_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({**SETTINGS, "DOORKEY_PROVIDER_ACME_PRIVATE_KEY": text})
    said = "\n".join(caught.value.problems)
    assert "DOORKEY_PROVIDER_ACME_PRIVATE_KEY" in said
    assert not [line for line in text.splitlines() if len(line) > 30 and line in said]


def test_a_key_can_be_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(ED) + "\n")
    found = load({**SETTINGS, "DOORKEY_PROVIDER_ACME_PRIVATE_KEY_FILE": str(path)})
    assert len(read_private_keys(found.providers[0].private_key.reveal())) == 1


def test_private_key_jwt_without_a_key_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="PRIVATE_KEY_FILE is missing"):
        load({**SETTINGS, "DOORKEY_PROVIDER_ACME_CLIENT_AUTH": "private_key_jwt"})


def test_no_key_can_be_seen() -> None:
    by = provider(pem(RSA))
    shown = f"{by!r} {by.private_keys!r} {load({**SETTINGS, 'DOORKEY_PROVIDER_ACME_PRIVATE_KEY': pem(RSA)})!r}"
    assert pem(RSA).splitlines()[1] not in shown
    assert "BEGIN" not in shown


@pytest.mark.parametrize(
    ("offered", "alg"),
    [
        (None, "RS256"),
        (("RS256", "PS256"), "RS256"),
        (("ES256", "PS256"), "PS256"),
        (("ES256",), "RS256"),
        ((), "RS256"),
    ],
)
def test_an_rsa_key_signs_as_the_provider_offers(offered: tuple[str, ...] | None, alg: str) -> None:
    assert read_private_keys(pem(RSA))[0].alg(offered) == alg
    assert read_private_keys(pem(EC))[0].alg(offered) == "ES256"


def test_the_first_key_signs_and_all_are_published_once() -> None:
    keys = read_private_keys(pem(ED) + pem(RSA) + pem(ED))
    assert [key["kid"] for key in published(keys)["keys"]] == [keys[0].kid, keys[1].kid]
    by = provider(pem(ED) + pem(RSA))
    assert assertion(by)[0]["kid"] == keys[0].kid
    assert assertion(provider(pem(RSA) + pem(ED)))[0]["kid"] == keys[1].kid


def test_a_key_has_the_same_name_after_every_start() -> None:
    assert read_private_keys(pem(RSA))[0].kid == read_private_keys(pem(RSA, PrivateFormat.TraditionalOpenSSL))[0].kid


@pytest.mark.parametrize("text", [pem(RSA), pem(EC), pem(ED)], ids=["RSA", "EC", "OKP"])
def test_nothing_private_is_published(make_app: Callable[..., Flask], text: str) -> None:
    person = Person(make_app(DOORKEY_PROVIDER_STUB_PRIVATE_KEY=text, DOORKEY_PROVIDER_OTHER_PRIVATE_KEY=text))
    answer = person.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    found = answer.get_json()["keys"]
    assert len(found) == 1
    assert set(found[0]) <= {"kty", "n", "e", "crv", "x", "y", "kid", "use", "alg"}
    assert found[0]["use"] == "sig"


def test_without_keys_an_empty_set_is_published(person: Person) -> None:
    assert person.get("/.well-known/jwks.json").get_json() == {"keys": []}


@pytest.mark.parametrize(
    ("changes", "audience"),
    [
        pytest.param({}, ISSUER, id="the issuer"),
        pytest.param({"ISSUER": f"{ISSUER}/"}, f"{ISSUER}/", id="to the character"),
        pytest.param({"ASSERTION_AUDIENCE": "token_endpoint"}, f"{ISSUER}/token", id="the token endpoint where set"),
        pytest.param({"ISSUER": ""}, "https://acme.example/par", id="the address when no issuer is known"),
    ],
)
@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
def test_an_assertion_names_one_audience_wherever_it_goes(changes: dict[str, str], audience: str, method: str) -> None:
    """One that was sent to a wrong address is then of no use at the right one; a list would be."""
    secret = "a-client-secret-that-is-long-enough"
    by = provider(**{"CLIENT_AUTH": method, "CLIENT_SECRET": secret, **changes})
    assert assertion(by, "https://acme.example/par")[1]["aud"] == audience


def test_an_assertion_lives_for_a_minute_and_is_made_for_one_request() -> None:
    by = provider()
    found = [assertion(by)[1] for _ in range(20)]
    assert len({claims["jti"] for claims in found}) == 20
    for claims in found:
        assert (claims["iss"], claims["sub"]) == ("doorkey", "doorkey")
        assert (claims["iat"], claims["exp"]) == (NOW, NOW + 60)
        assert len(claims["jti"]) >= 22
        assert set(claims) == {"iss", "sub", "aud", "jti", "iat", "exp"}
