"""Doorkey's own keys for private_key_jwt (RFC 7523): the first signs, all of them are published.

So a key is replaced by putting the new one in front and taking the old one out once the provider has read
the published set.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from doorkey.setting_values import PEM_BLOCK

OKP_ALG = "EdDSA"
EC_ALGS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
RSA_ALGS = ("RS256", "PS256")


@dataclass(frozen=True)
class ClientKey:
    """One private key; `kid` is its thumbprint (RFC 7638), so that it never has to be chosen."""

    key: RSAKey | ECKey | OKPKey
    kid: str

    def __repr__(self) -> str:
        return f"ClientKey({self.kid!r})"

    def alg(self, offered: tuple[str, ...] | None) -> str:
        """What it signs with: for RSA the first that the provider offers."""
        if isinstance(self.key, RSAKey):
            return next((alg for alg in RSA_ALGS if offered is None or alg in offered), RSA_ALGS[0])
        return EC_ALGS[str(self.key["crv"])] if isinstance(self.key, ECKey) else OKP_ALG

    def public(self) -> dict[str, Any]:
        """As a JSON Web Key; without `alg` for RSA, which has two here."""
        alg = {} if isinstance(self.key, RSAKey) else {"alg": self.alg(None)}
        return {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig", **alg}


def read_private_keys(text: str) -> tuple[ClientKey, ...]:
    """The keys in a PEM text that `setting_values.private_keys()` accepted."""
    return tuple(_read(block.group(0)) for block in PEM_BLOCK.finditer(text))


def _read(pem: str) -> ClientKey:
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        return ClientKey(key, key.thumbprint())
    raise ValueError("no key that signs")


def published(keys: Iterable[ClientKey]) -> dict[str, Any]:
    """The JSON Web Key Set of `keys`, each once (RFC 7517 section 5)."""
    return {"keys": [key.public() for key in {key.kid: key for key in keys}.values()]}
