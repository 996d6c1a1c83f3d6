"""JOSE by hand: JWTs, who signed them, and the hashes in them, with nothing but primitives.

RFC 7515 (signatures), RFC 7518 (algorithms), RFC 7517 (keys), OpenID Connect Core 3.1.3.6 (at_hash).
"""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

HASH_OF_AT_HASH = {"PS384": "sha384", "EdDSA": "sha512", "none": "sha256"}
"""The others end in 256. Ed25519 hashes with SHA-512 itself (RFC 8032)."""


def encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    assert "=" not in text, "base64url has no padding here"
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(decode(text), "big")


@dataclass(frozen=True)
class Jws:
    """A compact JWS, taken apart and believed in nothing."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def parse(token: str) -> Jws:
    header, claims, signature = token.split(".")
    return Jws(json.loads(decode(header)), json.loads(decode(claims)), f"{header}.{claims}".encode(), decode(signature))


def half_hash(text: str, alg: str) -> str:
    digest = hashlib.new(HASH_OF_AT_HASH.get(alg, "sha256"), text.encode()).digest()
    return encode(digest[: len(digest) // 2])


def is_signed_by(jwk: Mapping[str, Any], jws: Jws) -> bool:
    """True when the public key `jwk` made the signature, with the algorithm that the header names."""
    kty, verify = _VERIFY.get(jws.header["alg"], ("", None))
    if verify is None or jwk.get("kty") != kty or jwk.get("crv") not in (None, "P-256", "Ed25519"):
        return False
    try:
        verify(jwk, jws.signed, jws.signature)
    except InvalidSignature:
        return False
    return True


def is_hs256_of(secret: str, jws: Jws) -> bool:
    right = hmac.new(secret.encode(), jws.signed, hashlib.sha256).digest()
    return jws.header["alg"] == "HS256" and hmac.compare_digest(right, jws.signature)


def _rsa(jwk: Mapping[str, Any]) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()


def _rs256(jwk: Mapping[str, Any], message: bytes, signature: bytes) -> None:
    _rsa(jwk).verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


def _pss(algorithm: Any) -> Callable[[Mapping[str, Any], bytes, bytes], None]:
    def verify(jwk: Mapping[str, Any], message: bytes, signature: bytes) -> None:
        pss = padding.PSS(padding.MGF1(algorithm()), algorithm.digest_size)
        _rsa(jwk).verify(signature, message, pss, algorithm())

    return verify


def _es256(jwk: Mapping[str, Any], message: bytes, signature: bytes) -> None:
    if len(signature) != 64:
        raise InvalidSignature
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key = ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), ec.SECP256R1()).public_key()
    key.verify(der, message, ec.ECDSA(hashes.SHA256()))


def _eddsa(jwk: Mapping[str, Any], message: bytes, signature: bytes) -> None:
    ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk["x"])).verify(signature, message)


_VERIFY: Mapping[str, tuple[str, Callable[[Mapping[str, Any], bytes, bytes], None]]] = {
    "RS256": ("RSA", _rs256),
    "PS256": ("RSA", _pss(hashes.SHA256)),
    "PS384": ("RSA", _pss(hashes.SHA384)),
    "ES256": ("EC", _es256),
    "EdDSA": ("OKP", _eddsa),
}


def compact(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{encode(sign(signed.encode()))}"


def assertion(client_id: str, audience: str, sign: Callable[[bytes], bytes], **header: str) -> str:
    """What a client authenticates with (RFC 7523 section 3)."""
    now = int(time.time())
    jti = encode(hashlib.sha256(str(time.perf_counter_ns()).encode()).digest())
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + 60, "jti": jti}
    return compact(header, claims, sign)


def hs256(secret: str) -> Callable[[bytes], bytes]:
    return lambda message: hmac.new(secret.encode(), message, hashlib.sha256).digest()


def es256(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def public_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    x, y = (encode(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig"}
