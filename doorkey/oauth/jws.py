"""Signed tokens (RFC 7515, RFC 8725): from the compact form to claims that somebody with the right key wrote.

The algorithm comes from a list that the caller gives and is never "none"; keys come from the provider's set
or, for HS256, from the client secret, and never from the token itself (`jwk`, `jku`, `x5c`, `x5u`).
Called by id_token.py; what the claims have to say is decided there.
"""

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import Key, OctKey
from joserfc.jws import JWSRegistry

from doorkey.base64url import decode, encode
from doorkey.errors import IdTokenInvalid, SignatureInvalid, TokenEncrypted
from doorkey.events import clean_text
from doorkey.oauth.http import read_json_object
from doorkey.oauth.keys import Finder, KeySet
from doorkey.setting_values import SIGNING_ALGS

ASYMMETRIC = tuple(alg for alg in SIGNING_ALGS if not alg.startswith("HS"))
"""What is taken unless settings say something else."""

LONGEST = 64 * 1024
SHORTEST_SECRET = 16
MOST_TRIED = 20
"""Keys tried for one token without `kid`: each try costs time that a stranger could ask for."""


@dataclass(frozen=True)
class Signed:
    """What stood in a token whose signature is right."""

    alg: str
    claims: dict[str, Any]


def open_signed(
    token: str, *, algorithms: Collection[str], keys: Finder | None, secret: str, types: Collection[str]
) -> Signed:
    """The claims of `token`, signed with one of `algorithms`; `types` are the values its `typ` may have.

    Raises `TokenEncrypted`, `IdTokenInvalid` (no such token), `SignatureInvalid`, or what fetching keys raises.
    """
    header = _read_header(token)
    alg, kid, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "")
    if not isinstance(alg, str) or alg not in algorithms:
        raise _refused(f"alg is {clean_text(alg)}", "is signed in a way that is not accepted here.", _ALG_HINT)
    if not isinstance(kid, str) or not isinstance(kind, str) or kind.lower() not in types:
        raise _refused(f"typ is {clean_text(kind)}", "is one of another kind.")
    if "crit" in header:
        raise _refused("crit in the header", "demands something that Doorkey does not know.")
    try:
        claims = read_json_object(decode(token.split(".")[1]) or b"")
    except ValueError as error:
        raise _refused(f"claims: {error}", "has content that is not a JSON object.") from None
    if not _has_signature(token, alg, kid, keys, secret):
        raise SignatureInvalid(f"alg {alg}, kid {clean_text(kid)}")
    return Signed(alg, claims)


_ALG_HINT = "ID_TOKEN_ALGS of this provider sets what is accepted; by default no token signed with a shared secret is."


def _refused(detail: str, why: str, hint: str | None = None) -> IdTokenInvalid:
    return IdTokenInvalid(detail, message=f"The provider's token {why}", hint=hint)


def _read_header(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) == 5:
        raise TokenEncrypted()
    header = decode(parts[0]) if len(parts) == 3 and len(token) <= LONGEST else None
    try:
        return read_json_object(header or b"")
    except ValueError as error:
        raise _refused(f"header: {error}", "is not a signed JSON Web Token.") from None


def _has_signature(token: str, alg: str, kid: str, keys: Finder | None, secret: str) -> bool:
    if alg.startswith("HS"):
        long_enough = len(secret.encode()) >= SHORTEST_SECRET
        return long_enough and _verifies(token, alg, OctKey.import_key(secret))
    return keys is not None and keys.find(_verified_by(token, alg, kid))


def _verified_by(token: str, alg: str, kid: str) -> Callable[[KeySet], bool]:
    def verified(keys: KeySet) -> bool:
        candidates = list(keys.candidates(alg, kid))[:MOST_TRIED]
        return any(_verifies(token, alg, candidate.key) for candidate in candidates)

    return verified


def _verifies(token: str, alg: str, key: Key) -> bool:
    """By the algorithm alone: what the header may hold was judged before."""
    signed, _, signature = token.rpartition(".")
    model = JWSRegistry.algorithms[alg]
    try:
        model.check_key(key)
        return model.verify(signed.encode("ascii"), decode(signature) or b"", key)
    except (JoseError, ValueError, TypeError):
        return False


def sign_compact(header: dict[str, str], claims: dict[str, Any], key: Key) -> str:
    """A token of our own, signed as `header` says."""
    parts = [encode(json.dumps(part).encode()) for part in (header, claims)]
    signed = ".".join(parts)
    return f"{signed}.{encode(JWSRegistry.algorithms[header['alg']].sign(signed.encode('ascii'), key))}"


def unchecked_claims(token: str) -> dict[str, Any]:
    """The claims of a token that was checked when it came."""
    return read_json_object(decode(token.split(".")[1]) or b"")


def unchecked_alg(token: str) -> str:
    """How a token that was checked when it came is signed; "" for what is no such token."""
    try:
        return str(read_json_object(decode(token.split(".")[0]) or b"").get("alg", ""))
    except ValueError:
        return ""


def half_hash(text: str, alg: str) -> str:
    """The left half of the hash that belongs to `alg` (OpenID Connect Core 1.0 section 3.1.3.6)."""
    name = {"256": "sha256", "384": "sha384"}.get(alg[-3:], "sha512")
    digest = hashlib.new(name, text.encode("ascii", "replace")).digest()
    return encode(digest[: len(digest) // 2])
