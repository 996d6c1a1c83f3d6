"""A signed word about who passed the gate, for applications that would rather not trust a header's name.

A JWT (RFC 7519) of sixty seconds for one origin, signed with Ed25519 by a key that every Doorkey with the same server
key has; the public halves are at /.well-known/doorkey-identity.json. Called by gate/checkpoint.py.
"""

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from doorkey.base64url import encode
from doorkey.clock import Clock
from doorkey.oauth.client_keys import OKP_ALG, ClientKey
from doorkey.oauth.jws import sign_compact
from doorkey.oauth.user_info import Identity

LIVES_SECONDS = 60
KIND = "doorkey-identity+jwt"
MOST_GROUPS_BYTES = 800
"""More of them do not fit beside the other headers; then the claim is not there."""


class Asserter:
    """`seeds` are 32 secret bytes each; the first signs, all are published."""

    def __init__(self, seeds: Sequence[bytes], issuer: str, clock: Clock):
        self.keys = tuple(map(_key, seeds))
        self._issuer = issuer
        self._clock = clock

    def sign(self, identity: Identity, *, audience: str, session: str) -> str:
        """`audience` is the origin that was asked for; `session` the public id, "" for a token of an API client."""
        now, key = int(self._clock()), self.keys[0]
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": audience,
            "sub": identity.user,
            "iat": now,
            "exp": now + LIVES_SECONDS,
            "provider": identity.provider,
        }
        told = {"email": identity.email, "name": identity.name, "sid": session}
        claims |= {name: value for name, value in told.items() if value}
        if identity.groups and sum(map(len, map(str.encode, identity.groups))) <= MOST_GROUPS_BYTES:
            claims["groups"] = list(identity.groups)
        return sign_compact({"alg": OKP_ALG, "kid": key.kid, "typ": KIND}, claims, key.key)


def _key(seed: bytes) -> ClientKey:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": encode(seed), "x": encode(public)})
    return ClientKey(key, key.thumbprint())
