"""The keys of a provider: a JSON Web Key Set (RFC 7517), read one key at a time so that an odd one harms nobody.

`read_keys()` makes a `KeySet` of whatever can verify a signature; `KeySource` fetches and keeps it, once more
when a token's key is unknown or its signature is wrong. jws.py chooses among the keys.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from doorkey.base64url import decode
from doorkey.errors import KeysInvalid, ProviderUnreachable
from doorkey.oauth.documents import Documents
from doorkey.oauth.http import LARGEST_DOCUMENT, LOGIN_CALL_SECONDS, Transport, read_json_object

STEP = "keys"
MOST_KEYS = 100
RSA_BITS = range(2048, 8193)
KEY_OF = {"RS": ("RSA", ""), "PS": ("RSA", ""), "Ed": ("OKP", "Ed25519")}
CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@dataclass(frozen=True)
class VerificationKey:
    """A public key that may verify; `alg` and `kid` are empty when the set does not say."""

    kid: str
    kty: str
    crv: str
    alg: str
    key: Key

    def fits(self, alg: str) -> bool:
        """Whether signatures of `alg` can be this key's (RFC 7518 section 3.1)."""
        kty, crv = ("EC", CURVE_OF[alg]) if alg in CURVE_OF else KEY_OF.get(alg[:2], ("", ""))
        return self.kty == kty and (not crv or self.crv == crv) and self.alg in ("", alg)


@dataclass(frozen=True)
class KeySet:
    """`skipped` says of each key that is not used why, for `doorkey check`."""

    keys: tuple[VerificationKey, ...]
    skipped: tuple[str, ...] = ()

    def candidates(self, alg: str, kid: str) -> Iterator[VerificationKey]:
        """The keys that may have made a signature: those of this `kid` or without one; all when it is empty."""
        return (key for key in self.keys if key.fits(alg) and (not kid or key.kid in ("", kid)))


def read_keys(body: bytes) -> KeySet:
    """The keys in a JWK set. Raises `KeysInvalid` when it is none."""
    try:
        listed = read_json_object(body).get("keys")
    except ValueError as error:
        raise KeysInvalid(str(error)) from None
    if not isinstance(listed, list):
        raise KeysInvalid("keys is not a list")
    keys: list[VerificationKey] = []
    skipped: list[str] = []
    for number, item in enumerate(listed[:MOST_KEYS], start=1):
        try:
            keys.append(_read_key(item))
        except ValueError as error:
            skipped.append(f"key {number}: {error}")
    if len(listed) > MOST_KEYS:
        skipped.append(f"{len(listed) - MOST_KEYS} keys beyond the first {MOST_KEYS}")
    return KeySet(tuple(keys), tuple(skipped))


def _read_key(item: Any) -> VerificationKey:
    """Raises `ValueError` with the reason when the key cannot verify anything for us."""
    if not isinstance(item, dict):
        raise ValueError("it is not an object")
    kty, crv, alg, kid = (_word(item, name) for name in ("kty", "crv", "alg", "kid"))
    if kty not in ("RSA", "EC", "OKP"):
        raise ValueError(f"its type {kty[:20]!r} is not for signatures that others check")
    operations = item.get("key_ops")
    if item.get("use") not in (None, "sig") or (isinstance(operations, list) and "verify" not in operations):
        raise ValueError("it is not for signatures")
    public = {name: item[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in item}
    size = int.from_bytes(decode(_word(item, "n")) or b"").bit_length()
    if kty == "RSA" and size not in RSA_BITS:
        raise ValueError(f"its {size} bits are too few or too many" if size else "its modulus n cannot be read")
    try:
        key = JWKRegistry.import_key(public)
        key.as_dict(private=False)  # what is wrong with the numbers shows here
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"it cannot be read ({type(error).__name__})") from None
    return VerificationKey(kid, kty, crv, alg, key)


def _word(item: dict[str, Any], name: str) -> str:
    value = item.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"its {name} is not a text")
    return value


@contextmanager
def _step_named() -> Iterator[None]:
    """Who waited in vain for a request of somebody else's is told what for."""
    try:
        yield
    except ProviderUnreachable as error:
        error.step = error.step or STEP
        raise


class Finder(Protocol):
    """Where keys come from when one signature has to be checked."""

    def find(self, verified: Callable[[KeySet], bool]) -> bool:
        """Whether `verified(keys)` is true for the keys that can be had."""


class KeptKeys:
    """The keys at one address as they are kept; nobody is asked."""

    def __init__(self, documents: Documents[KeySet], jwks_uri: str):
        self._documents = documents
        self._uri = jwks_uri

    def find(self, verified: Callable[[KeySet], bool]) -> bool:
        kept = self._documents.peek(self._uri)
        return kept is not None and verified(kept)


class KeySource:
    """The keys at one address, for checking one token: as they are kept, and newer ones at most once.

    Fetching has a deadline of its own, because others may wait for it too; this token waits as long as
    `transport` has time.
    """

    def __init__(self, documents: Documents[KeySet], jwks_uri: str, transport: Transport):
        self._documents = documents
        self._uri = jwks_uri
        self._transport = transport

    def keys(self) -> KeySet:
        """Raises `KeysInvalid`, `ProviderUnreachable` or another `ProviderError`."""
        with _step_named():
            return self._documents.get(self._uri, self._fetch, patience=self._transport.seconds_left)

    def find(self, verified: Callable[[KeySet], bool]) -> bool:
        """Whether `verified(keys)` is true for the keys that are kept or, when those do not do, for new ones.

        A key may be replaced under its old id too, so a wrong signature asks again like an unknown id does.
        """
        before = self._documents.flights(self._uri)
        known = self.keys()
        if verified(known):
            return True
        current = self._documents.peek(self._uri)
        if current is not known and current is not None:
            return verified(current)  # another sign-in renewed them meanwhile
        if self._documents.flights(self._uri) != before:
            return False  # they were fetched just now
        with _step_named():
            newer = self._documents.renew(self._uri, self._fetch, known=known, patience=self._transport.seconds_left)
        return newer is not known and verified(newer)

    def renew(self) -> bool:
        """Whether there are other keys now than were kept; asks at most every 30 seconds. Raises as `keys()` does."""
        known = self._documents.peek(self._uri)
        if known is None:
            return bool(self.keys())
        patience = self._transport.seconds_left
        return self._documents.renew(self._uri, self._fetch, known=known, patience=patience) is not known

    def _fetch(self) -> KeySet:
        transport = self._transport.within(LOGIN_CALL_SECONDS)
        response = transport.get(self._uri, {}, STEP, largest_body=LARGEST_DOCUMENT)
        if response.status_code != 200:
            raise KeysInvalid(f"status {response.status_code}")
        return read_keys(response.content)
