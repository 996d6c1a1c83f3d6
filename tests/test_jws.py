"""Signed tokens: which signatures count, and that a token cannot bring its own key (oauth/jws.py)."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from doorkey.base64url import encode
from doorkey.errors import IdTokenInvalid, ProviderError, SignatureInvalid, TokenEncrypted
from doorkey.oauth.documents import Documents
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import PLAIN
from doorkey.oauth.jws import ASYMMETRIC, LONGEST, MOST_TRIED, Signed, half_hash, open_signed
from doorkey.oauth.keys import KeySource
from tests.support.signing_provider import SECRET, PublicKey, SigningProvider, jwk, key_for, sealed_with, signed
from tests.support.signing_provider import signing_provider as running_provider

CLAIMS = {"sub": "user-1"}
KEY = key_for("RS256")


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture(scope="module")
def provider() -> Iterator[SigningProvider]:
    with running_provider() as found:
        kinds = [key_for(alg) for alg in ("ES256", "ES384", "ES512", "EdDSA", "Ed25519")]
        found.publish(jwk(KEY, kid="rsa"), *(jwk(key, kid=f"k{number}") for number, key in enumerate(kinds)))
        yield found


@pytest.fixture(scope="module")
def keys(provider: SigningProvider, transport: Transport) -> KeySource:
    return KeySource(Documents(3600, lambda: 0.0), f"{provider.url}/keys", transport)


def own_key(alg: str) -> PublicKey:
    """The key of `provider` that signs with `alg`."""
    return key_for(alg) if alg[:2] in ("ES", "Ed") else KEY


def opened(token: str, keys: KeySource | None, *algorithms: str, secret: str = SECRET) -> Signed:
    return open_signed(token, algorithms=algorithms or ASYMMETRIC, keys=keys, secret=secret, types=PLAIN)


def refusal(token: str, keys: KeySource | None, *algorithms: str, secret: str = SECRET) -> str:
    """The code of the error that `token` is refused with; none of its parts may stand in that error."""
    with pytest.raises(ProviderError) as caught:
        opened(token, keys, *algorithms, secret=secret)
    shown = f"{caught.value} {caught.value.message} {caught.value.hint} {caught.value.detail}"
    assert not [part for part in token.split(".") if len(part) > 20 and part in shown]
    return caught.value.code


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_every_asymmetric_signature_is_understood(keys: KeySource, alg: str) -> None:
    assert opened(signed(CLAIMS, key_for(alg if alg[:2] in ("ES", "Ed") else "RS256"), alg), keys) == Signed(
        alg, CLAIMS
    )


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_every_signature_of_a_foreign_key_is_refused(keys: KeySource, alg: str) -> None:
    assert refusal(signed(CLAIMS, key_for(alg, 2), alg), keys) == "signature_invalid"


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_no_algorithm_is_accepted_that_was_not_asked_for(keys: KeySource, alg: str) -> None:
    others = [other for other in ASYMMETRIC if other != alg]
    assert refusal(signed(CLAIMS, own_key(alg), alg), keys, *others) == "id_token_invalid"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "rs256", "RS1", "HS256", None, 1, ["RS256"], {}])
@pytest.mark.parametrize("signature", ["", "AAAA", encode(b"x" * 256)], ids=["unsigned", "short", "long"])
def test_unsigned_tokens_are_refused_in_every_spelling(keys: KeySource, alg: Any, signature: str) -> None:
    header = {} if alg is None else {"alg": alg}
    token = ".".join((encode(json.dumps(header).encode()), encode(json.dumps(CLAIMS).encode()), signature))
    assert refusal(token, keys) == "id_token_invalid"


def public_forms() -> dict[str, bytes]:
    """What a confused verifier could take for the shared secret: the public key as it is published."""
    pem = KEY.as_pem(private=False)
    return {
        "pem": pem,
        "pem without the last line end": pem.rstrip(),
        "jwk": json.dumps(jwk(KEY, kid="rsa")).encode(),
        "compact jwk": json.dumps(jwk(KEY, kid="rsa"), separators=(",", ":")).encode(),
        "der": base64.b64decode(b"".join(pem.splitlines()[1:-1])),
        "modulus": str(KEY.as_dict(private=False)["n"]).encode(),
    }


@pytest.mark.parametrize("form", public_forms())
@pytest.mark.parametrize("kid", ["rsa", None])
def test_the_public_key_is_never_a_shared_secret(keys: KeySource, form: str, kid: str | None) -> None:
    token = signed(CLAIMS, public_forms()[form], "HS256", kid=kid)
    assert refusal(token, keys) == "id_token_invalid"
    assert refusal(token, keys, "HS256", "RS256") == "signature_invalid"


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_the_client_secret_signs_only_where_that_is_asked_for(keys: KeySource, alg: str) -> None:
    token = signed(CLAIMS, SECRET.encode(), alg)
    assert refusal(token, keys) == "id_token_invalid"
    assert opened(token, None, alg).claims == CLAIMS
    assert refusal(signed(CLAIMS, b"x" + SECRET.encode(), alg), keys, alg) == "signature_invalid"


@pytest.mark.parametrize("secret", ["", "short", "x" * 15], ids=["empty", "short", "15 bytes"])
def test_a_secret_that_can_be_guessed_signs_nothing(keys: KeySource, secret: str) -> None:
    token = signed(CLAIMS, secret.encode(), "HS256")
    assert refusal(token, keys, "HS256", secret=secret) == "signature_invalid"


def test_without_keys_no_asymmetric_signature_is_right() -> None:
    assert refusal(signed(CLAIMS, KEY), None) == "signature_invalid"


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "all of them"])
@pytest.mark.parametrize("kid", ["rsa", "forged", None])
def test_a_token_brings_no_key_of_its_own(
    keys: KeySource, provider: SigningProvider, name: str, kid: str | None
) -> None:
    """And what the header points to is never asked for, which would be a way to make us call any address."""
    forged = key_for("RS256", 2)
    own: dict[str, Any] = {
        "jwk": jwk(forged, kid="forged"),
        "jku": f"{provider.url}/forged-keys",
        "x5u": f"{provider.url}/forged-chain",
        "x5c": [base64.b64encode(b"".join(forged.as_pem(private=False).splitlines()[1:-1])).decode()],
    }
    header = own if name == "all of them" else {name: own[name]}
    provider.answer("/forged-keys", {"keys": [own["jwk"]]})
    assert refusal(signed(CLAIMS, forged, kid=kid, **header), keys) == "signature_invalid"
    assert {seen.path for seen in provider.seen} <= {"/keys"}


def test_a_chain_in_the_header_does_not_spoil_a_good_token(keys: KeySource) -> None:
    assert opened(signed(CLAIMS, KEY, kid="rsa", x5c=["A" * 20_000], x5t="x"), keys).claims == CLAIMS


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"crit": "x"}, {"crit": 1}],
    ids=repr,
)
def test_what_a_token_demands_and_nobody_knows_is_refused(keys: KeySource, header: dict[str, Any]) -> None:
    assert refusal(signed(CLAIMS, KEY, **header), keys) == "id_token_invalid"


def test_an_unencoded_payload_is_refused(keys: KeySource) -> None:
    assert refusal(signed(CLAIMS, KEY, b64=False, crit=["b64"]), keys) == "id_token_invalid"
    header = encode(b'{"alg":"RS256","b64":false,"crit":["b64"]}')
    assert refusal(f"{header}.{json.dumps(CLAIMS)}.AAAA", keys) == "id_token_invalid"


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "application/at+jwt", "JWE", 1, None, ["JWT"]])
def test_tokens_of_another_kind_are_refused(keys: KeySource, kind: Any) -> None:
    token = sealed_with(json.dumps({"alg": "RS256", "typ": kind}).encode(), CLAIMS, KEY, "RS256")
    assert refusal(token, keys) == "id_token_invalid"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "Jwt", "", None])
def test_an_id_token_says_jwt_or_nothing_of_its_kind(keys: KeySource, kind: str | None) -> None:
    assert opened(signed(CLAIMS, KEY, typ=kind), keys).claims == CLAIMS


@pytest.mark.parametrize("kid", [1, None, ["rsa"], {}, True], ids=repr)
def test_the_name_of_the_key_is_a_text(keys: KeySource, kid: Any) -> None:
    token = sealed_with(json.dumps({"alg": "RS256", "kid": kid}).encode(), CLAIMS, KEY, "RS256")
    assert refusal(token, keys) == "id_token_invalid"


def test_encrypted_tokens_have_an_error_of_their_own(keys: KeySource) -> None:
    header = encode(b'{"alg":"RSA-OAEP","enc":"A256GCM"}')
    with pytest.raises(TokenEncrypted):
        opened(f"{header}.AAAA.AAAA.AAAA.AAAA", keys)


HEADER = b'{"alg":"RS256"}'
ODD_PARTS = {
    "alg twice": (b'{"alg":"none","alg":"RS256"}', b'{"sub":"user-1"}'),
    "kid twice": (b'{"alg":"RS256","kid":"rsa","kid":"k0"}', b'{"sub":"user-1"}'),
    "sub twice": (HEADER, b'{"sub":"user-1","sub":"admin"}'),
    "a name twice inside": (HEADER, b'{"sub":"user-1","a":{"b":1,"b":2}}'),
    "a list as claims": (HEADER, b'["sub"]'),
    "a text as claims": (HEADER, b'"sub"'),
    "no claims": (HEADER, b""),
    "claims that are not utf-8": (HEADER, b'{"sub":"\xff"}'),
    "claims in utf-16": (HEADER, '{"sub":"u"}'.encode("utf-16")),
    "deep claims": (HEADER, b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "a header that is a list": (b'["RS256"]', b'{"sub":"user-1"}'),
    "a header that is not utf-8": (b'{"alg":"RS256","x":"\xff"}', b'{"sub":"user-1"}'),
}


@pytest.mark.parametrize(("header", "payload"), ODD_PARTS.values(), ids=ODD_PARTS)
def test_a_signature_does_not_make_up_for_odd_json(keys: KeySource, header: bytes, payload: bytes) -> None:
    assert refusal(sealed_with(header, payload, KEY, "RS256"), keys) == "id_token_invalid"


def test_a_token_is_no_longer_than_any_honest_one(keys: KeySource) -> None:
    good = signed({**CLAIMS, "x": "x" * (LONGEST * 3 // 4 - 700)}, KEY)
    assert LONGEST - 1000 < len(good) <= LONGEST
    assert opened(good, keys).claims["sub"] == "user-1"
    assert refusal(signed({**CLAIMS, "x": "x" * 52_000}, KEY), keys) == "id_token_invalid"


def noncanonical(part: str) -> str:
    """The same bytes for a lenient decoder: a bit that base64 leaves unused is set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


MANGLED = {
    "unused bits in the signature": lambda h, p, s: (h, p, noncanonical(s)),
    "unused bits in the claims": lambda h, p, s: (h, noncanonical(p), s),
    "unused bits in the header": lambda h, p, s: (noncanonical(h), p, s),
    "padding": lambda h, p, s: (h, p, s + "=="),
    "the other alphabet": lambda h, p, s: (h, p, "+" + s[1:]),
    "a line end": lambda h, p, s: (h, p, s + "\n"),
    "a space before": lambda h, p, s: (" " + h, p, s),
    "not ascii in the header": lambda h, p, s: ("é" + h, p, s),
    "not ascii in the claims": lambda h, p, s: (h, "é" + p, s),
    "not ascii in the signature": lambda h, p, s: (h, p, "é" + s),
    "another signature": lambda h, p, s: (h, p, s[:-4] + "AAAA"),
    "no signature": lambda h, p, s: (h, p, ""),
    "the signature of the claims alone": lambda h, p, s: ("", p, s),
    "two parts": lambda h, p, s: (h, p),
    "one part": lambda h, p, s: (h,),
    "four parts": lambda h, p, s: (h, p, s, s),
    "other claims": lambda h, p, s: (h, encode(b'{"sub":"admin"}'), s),
}


@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_a_token_is_what_was_signed_to_the_character(keys: KeySource, mangle: Any) -> None:
    """Two spellings of one token would be two tokens to whoever keeps a list of those already used."""
    parts = sealed_with(b'{"alg":"RS256" }', b'{"sub":"user-10"}', KEY, "RS256").split(".")
    assert opened(".".join(parts), keys).claims == {"sub": "user-10"}
    assert refusal(".".join(mangle(*parts)), keys) in ("id_token_invalid", "signature_invalid")


def test_the_error_of_a_wrong_signature_names_algorithm_and_key(keys: KeySource) -> None:
    with pytest.raises(SignatureInvalid, match="alg RS256, kid elsewhere"):
        opened(signed(CLAIMS, key_for("RS256", 2), kid="elsewhere"), keys)
    with pytest.raises(IdTokenInvalid, match="alg is HS256"):
        opened(signed(CLAIMS, SECRET.encode(), "HS256"), keys)


@pytest.mark.parametrize(("place", "found"), [(MOST_TRIED, True), (MOST_TRIED + 1, False)])
def test_a_token_without_key_name_is_tried_with_a_few_keys_only(
    provider: SigningProvider, transport: Transport, place: int, found: bool
) -> None:
    other = key_for("EdDSA", 2)
    provider.answer("/many", {"keys": [jwk(other)] * (place - 1) + [jwk(key_for("EdDSA"))]})
    many = KeySource(Documents(3600, lambda: 0.0), f"{provider.url}/many", transport)
    token = signed(CLAIMS, key_for("EdDSA"), "EdDSA")
    if found:
        assert opened(token, many).claims == CLAIMS
        return
    assert refusal(token, many) == "signature_invalid"


@pytest.mark.parametrize(
    ("alg", "size"), [("RS256", 16), ("PS384", 24), ("ES512", 32), ("EdDSA", 32), ("Ed25519", 32), ("HS256", 16)]
)
def test_half_a_hash_belongs_to_its_algorithm(alg: str, size: int) -> None:
    assert len(base64.urlsafe_b64decode(half_hash("token", alg) + "==")) == size
