"""Base64url without padding (RFC 4648 section 5), the form in which random bytes travel here."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64


def encode(content: bytes) -> str:
    """43 characters for 32 bytes, as RFC 7636 section 4.1 suggests for a verifier."""
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes; None unless `text` is exactly what `encode()` gives for them."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (NotBase64, ValueError):
        return None
    return content if encode(content) == text else None
