"""The development provider's signing keys and the JWKS that publishes them (RFC 7517).

One RSA, one P-256 and one Ed25519 key at a time; `rotate()` goes on to the next three. Keys are made
when they are first needed, never at the start, and belong to one start: nothing is written.
"""

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from doorkey.base64url import encode

FAMILY_OF_ALG = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
RSA_BITS = 2048
KEPT_GENERATIONS = 10


@dataclass(frozen=True)
class SigningKey:
    """A key with its name; `public` is what the JWKS says."""

    kid: str
    key: Any

    def sign(self, alg: str, message: bytes) -> bytes:
        return JWSRegistry.algorithms[alg].sign(message, self.key)

    def verifies(self, alg: str, message: bytes, signature: bytes) -> bool:
        try:
            return JWSRegistry.algorithms[alg].verify(message, signature, self.key)
        except (JoseError, ValueError):  # a key of another curve
            return False

    @property
    def family(self) -> str:
        return str(self.key.key_type)

    def public(self, **more: str) -> dict[str, Any]:
        alg = {"EC": {"alg": "ES256"}, "OKP": {"alg": "EdDSA"}}.get(self.family, {})
        return {"kid": self.kid, "use": "sig", **alg, **self.key.as_dict(private=False), **more}


def imported(jwks: Iterable[Mapping[str, Any]]) -> list[SigningKey]:
    """Somebody else's public keys; those that cannot be read are left out."""
    found = []
    for jwk in jwks:
        try:
            found.append(SigningKey(str(jwk.get("kid", "")), JWKRegistry.import_key(dict(jwk))))
        except (JoseError, ValueError, KeyError):
            continue
    return found


class SecretKey:
    """A client secret, however short, as a key for HS256."""

    kid = ""

    def __init__(self, secret: str):
        self._secret = secret.encode()

    def sign(self, alg: str, message: bytes) -> bytes:
        return hmac.new(self._secret, message, hashlib.sha256).digest()

    def verifies(self, alg: str, message: bytes, signature: bytes) -> bool:
        return alg == "HS256" and hmac.compare_digest(self.sign(alg, message), signature)


class KeyPool:
    """Makes keys once and hands out the same ones again: the nth of a kind is always the same key.

    Tests reset the provider many times a second; making an RSA key each time would be most of their cost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[str, int], SigningKey] = {}

    def get(self, family: str, number: int) -> SigningKey:
        with self._lock:
            if (family, number) not in self._made:
                self._made[family, number] = SigningKey(f"dk-dev-{secrets.token_hex(4)}", _make(family))
            return self._made[family, number]


class SigningKeys:
    """Which keys of a pool are in use now. Every method is atomic."""

    FAMILIES = ("RSA", "EC", "OKP")

    def __init__(self, pool: KeyPool):
        self._pool = pool
        self._lock = threading.Lock()
        self._generation = 0
        self._published = [0]
        self._kid_of: dict[int, int] = {}
        self._used = [0]

    def current(self, alg: str) -> SigningKey:
        """The key that signs with `alg` now."""
        return self._key(FAMILY_OF_ALG[alg[:2]], self._generation)

    def public(self) -> list[dict[str, Any]]:
        """The published keys, as a JWKS lists them."""
        with self._lock:
            published = list(self._published)
        return [self._key(family, number).public() for number in published for family in self.FAMILIES]

    def rotate(self, *, keep: bool = False, same_kid: bool = False) -> None:
        """New keys. The old ones are withdrawn, or stay published with `keep`; `same_kid` hides the change."""
        with self._lock:
            before, self._generation = self._generation, self._generation + 1
            if same_kid:
                self._kid_of[self._generation] = self._kid_of.get(before, before)
            self._published = [self._generation, *(self._published if keep else [])][:KEPT_GENERATIONS]
            self._used = [self._generation, *self._used][:KEPT_GENERATIONS]

    def ever_used(self, family: str) -> list[SigningKey]:
        """For ID tokens that come back as a hint, however old."""
        return [self._key(family, number) for number in list(self._used)]

    def foreign(self, family: str = "RSA", number: int = 0) -> SigningKey:
        """A key that is never published, unless a failure does it."""
        return self._pool.get(family, -1 - number)

    def _key(self, family: str, number: int) -> SigningKey:
        key = self._pool.get(family, number)
        named = self._kid_of.get(number)
        return key if named is None else SigningKey(self._pool.get(family, named).kid, key.key)


def _make(family: str) -> Any:
    match family:
        case "RSA":
            return RSAKey.generate_key(RSA_BITS)
        case "EC":
            return ECKey.generate_key("P-256")
        case "secp256k1":
            return ECKey.generate_key("secp256k1")
        case _:
            return OKPKey.generate_key("Ed25519")


def compact(header: dict[str, Any], payload: bytes, signature: Any) -> str:
    """A compact JWS of any header, also one that no library would sign. `signature` makes bytes of bytes."""
    signed = f"{encode(json.dumps(header, separators=(',', ':')).encode())}.{encode(payload)}"
    return f"{signed}.{encode(signature(signed.encode()))}"
