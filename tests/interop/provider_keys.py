"""Doorkey's own keys for private_key_jwt, one of each kind, made anew for each run (doorkey/oauth/client_keys.py)."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from doorkey.oauth.client_keys import published, read_private_keys


def _pem(key: PrivateKeyTypes) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


PEMS = {
    "RS256": _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "ES256": _pem(ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": _pem(ed25519.Ed25519PrivateKey.generate()),
}
"""By what they sign with."""
STRANGERS_PEM = _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
JWKS = published(read_private_keys("".join(PEMS.values())))
"""What is registered at the provider."""
