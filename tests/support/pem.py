"""Private keys for client authentication, made for a test."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def private_key(kind: str) -> str:
    """A PEM text of kind `RSA`, `EC` or `OKP`."""
    made: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if kind == "RSA":
        made = rsa.generate_private_key(65537, 2048)
    elif kind == "EC":
        made = ec.generate_private_key(ec.SECP256R1())
    else:
        made = ed25519.Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
