"""Sealing: AES-256-GCM under keys derived from the server keys, never anything weaker.

A sealed value is  key id (4 bytes) + nonce (12) + ciphertext and tag.  The first server key
seals, all of them open, so a key can be replaced without signing anybody out.
"""

import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from doorkey.clock import RandomBytes, system_random

KEY_ID = 4
NONCE = 12


class Keyring:
    """The server keys, first one for sealing. Each must be at least 32 bytes."""

    def __init__(self, keys: Sequence[bytes], random: RandomBytes = system_random):
        if not keys or any(len(key) < 32 for key in keys):
            raise ValueError("a keyring needs at least one key, each of 32 bytes or more")
        self._keys = {hashlib.sha256(b"doorkey key id" + key).digest()[:KEY_ID]: key for key in keys}
        self._first = next(iter(self._keys))
        self._index_keys = [_derive(key, "index", b"") for key in self._keys.values()]
        self._random = random

    def seal(self, content: bytes, *, purpose: str, bound_to: bytes, secret: bytes = b"") -> bytes:
        """Seal `content`; it opens only for the same purpose, `bound_to` and `secret`."""
        nonce = self._random(NONCE)
        cipher = AESGCM(_derive(self._keys[self._first], purpose, secret))
        return self._first + nonce + cipher.encrypt(nonce, content, bound_to)

    def open(self, sealed: bytes, *, purpose: str, bound_to: bytes, secret: bytes = b"") -> bytes | None:
        """The content, or None for anything that these keys did not seal exactly so."""
        key = self._keys.get(sealed[:KEY_ID])
        if key is None or len(sealed) < KEY_ID + NONCE + 16:
            return None
        cipher = AESGCM(_derive(key, purpose, secret))
        try:
            return cipher.decrypt(sealed[KEY_ID : KEY_ID + NONCE], sealed[KEY_ID + NONCE :], bound_to)
        except InvalidTag:
            return None

    def derived(self, purpose: str) -> list[bytes]:
        """32 secret bytes for `purpose` from every key, the first one first."""
        return [_derive(key, purpose, b"") for key in self._keys.values()]

    def index_key(self, *parts: str) -> bytes:
        """A keyed hash under the first key, for looking things up without storing them in clear."""
        return self.index_keys(*parts)[0]

    def index_keys(self, *parts: str) -> list[bytes]:
        """The same under every key, the first one first: what was stored before a new key came must be found too."""
        joined = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
        return [hashlib.blake2b(joined, key=key, digest_size=32).digest() for key in self._index_keys]


def _derive(server_key: bytes, purpose: str, secret: bytes) -> bytes:
    """HKDF (RFC 5869): one key per purpose and, for records, per session."""
    return HKDF(SHA256(), length=32, salt=secret or None, info=b"doorkey " + purpose.encode()).derive(server_key)
