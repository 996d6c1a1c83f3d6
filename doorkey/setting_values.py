"""Parsers of single settings: text in, value out, `ValueError` with words for the operator.

Called by the table in settings.py; oauth/ and web/rate_limit.py take constants and types from here. A parser
accepts the empty text when the setting may be left out.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from doorkey.setting_urls import OWN_PARAMETERS, items

CLIENT_AUTH_METHODS = (
    "client_secret_basic",
    "client_secret_basic_raw",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "none",
)
"""`client_secret_basic_raw` leaves out the form-encoding of RFC 6749 section 2.3.1, for servers that want it so."""

EXAMPLE_KEY = "replace-this-with-32-random-characters-or-more"
SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
SIGNING_CURVES = ("secp256r1", "secp384r1", "secp521r1")
SIGNING_ALGS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
    *("HS256", "HS384", "HS512"),
)
"""Never "none"."""
DURATION = re.compile(r"([1-9]\d{0,8})([smhd]?)")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LONGEST_SCOPE = 1500
"""It travels in a cookie while somebody signs in."""
LONGEST_DURATION = 366 * 86400
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Secret:
    """Text that must not be seen: no repr, f-string, join or JSON dump shows it. `reveal()` does."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def __repr__(self) -> str:
        return "Secret(****)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def reveal(self) -> str:
        return self._value


def text(value: str) -> str:
    if not value.isprintable():
        raise ValueError("contains characters that cannot be printed")
    return value


def texts(value: str) -> tuple[str, ...]:
    return tuple(text(item) for item in items(value))


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(c for c in choices if c)}")
        return value

    return parse


def whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return parse


def switch(value: str) -> bool:
    if value not in ("on", "off"):
        raise ValueError("must be on or off")
    return value == "on"


def duration(value: str) -> int:
    """Seconds: a whole number with s, m, h or d behind it (seconds without)."""
    match = DURATION.fullmatch(value)
    if not match:
        raise ValueError("must be a time such as 45s, 60m, 12h or 7d")
    seconds = int(match[1]) * SECONDS[match[2]]
    if seconds > LONGEST_DURATION:
        raise ValueError("must not be longer than 366d")
    return seconds


def duration_or_zero(value: str) -> int:
    return 0 if value in ("0", "0s") else duration(value)


def provider_ids(value: str) -> tuple[str, ...]:
    ids = items(value)
    for id in ids:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id):
            raise ValueError(f"{id!r} is not a provider id: lower-case letters, digits and single hyphens")
    if len(set(ids)) != len(ids):
        raise ValueError("a provider id stands there twice")
    return ids


def secret_keys(value: str) -> tuple[Secret, ...]:
    keys = items(value)
    for number, key in enumerate(keys, start=1):
        if len(key) < 32:
            raise ValueError(f"key {number} has {len(key)} characters; at least 32 random ones are needed")
        if key == EXAMPLE_KEY or len(set(key)) < 8:
            raise ValueError(f"key {number} is not random")
    return tuple(Secret(key) for key in keys)


def scope(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.split()))
    if len(value) > LONGEST_SCOPE:
        raise ValueError(f"is longer than {LONGEST_SCOPE} characters")
    for name in names:
        if not SCOPE_TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a scope name (RFC 6749 section 3.3)")
    return names


def signing_algs(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.replace(",", " ").split()))
    for name in names:
        if name not in SIGNING_ALGS:
            raise ValueError(f"{name!r} must be among {', '.join(SIGNING_ALGS)}")
    return names


def asymmetric_algs(value: str) -> tuple[str, ...]:
    names = signing_algs(value)
    if not names or any(name.startswith("HS") for name in names):
        raise ValueError("must name signatures by a private key, such as RS256")
    return names


def provider_id_or_none(value: str) -> str:
    ids = provider_ids(value)
    if len(ids) > 1:
        raise ValueError("must be one id of DOORKEY_PROVIDERS")
    return ids[0] if ids else ""


def proxy_secret(value: str) -> Secret:
    if value and (not re.fullmatch(r"[\x21-\x7e]{32,}", value) or len(set(value)) < 8):
        raise ValueError("must be at least 32 random characters, none of them a space")
    return Secret(value)


def private_keys(value: str) -> Secret:
    """One or more PEM blocks without password: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519."""
    blocks = [block.group(0) for block in PEM_BLOCK.finditer(value)]
    if value and (not blocks or PEM_BLOCK.sub("", value).strip()):
        raise ValueError("must be PEM: -----BEGIN PRIVATE KEY----- and so on")
    for number, block in enumerate(blocks, start=1):
        try:
            key = load_pem_private_key(block.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError(f"key {number} is not a private key in PEM, or has a password") from None
        if isinstance(key, RSAPrivateKey) and key.key_size < 2048:
            raise ValueError(f"key {number} has {key.key_size} bits; RSA needs 2048 at least")
        curve = key.curve.name if isinstance(key, EllipticCurvePrivateKey) else ""
        if curve not in SIGNING_CURVES and not isinstance(key, (RSAPrivateKey, Ed25519PrivateKey)):
            raise ValueError(f"key {number} is of a kind that nobody signs client credentials with")
    return Secret(value)


def authorization_params(value: str) -> tuple[tuple[str, str], ...]:
    try:
        pairs = tuple(parse_qsl(value, keep_blank_values=True, strict_parsing=bool(value)))
    except ValueError:
        raise ValueError("must be a query string such as prompt=consent&access_type=offline") from None
    for name, _ in pairs:
        if name in OWN_PARAMETERS:
            raise ValueError(f"{name} is set by Doorkey itself")
    return pairs


def networks(value: str) -> tuple[Network, ...]:
    found = []
    for item in items(value):
        try:
            found.append(ipaddress.ip_network(item, strict=False))
        except ValueError:
            raise ValueError(f"{item!r} is not an address or network such as 10.0.0.0/8") from None
    return tuple(found)


def existing_file(value: str) -> str:
    try:
        is_there = not value or Path(value).is_file()
    except (OSError, ValueError):  # longer than names can be, or with a NUL in it
        is_there = False
    if not is_there:
        raise ValueError(f"there is no file {value[:255]}")
    return value
