"""Base64url without padding (RFC 4648 section 5), the form in which random bytes travel here."""

from base64 import urlsafe_b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64


def encode(content: bytes) -> str:
    """43 characters for 32 bytes, as RFC 7636 section 4.1 suggests for a verifier."""
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes; None unless `text` is exactly what `encode()` gives for them."""
    if "+" in text or "/" in text or "=" in text or not text.isascii():
        return None
    padded = (text.replace("-", "+").replace("_", "/") + "==="[: -len(text) % 4]).encode()
    try:
        content = a2b_base64(padded)
    except NotBase64:
        return None
    return content if b2a_base64(content, newline=False) == padded else None
