"""The one strict reader of users, clients and lifetimes: from mappings to the dataclasses of users.py.

Called for the TOML users file (users_file.py), for JSON at `/dev/users` and `/dev/clients`, and for
keyword arguments in Python, so all three take the same keys. What is read replaces what was there.
Each key has one reader in a table, found by its name or by the type of its field; a reader returns
the value or raises `ValueError` with what comes after the key, such as "must be true or false".
Keys of clients are those of RFC 7591 section 2, claims those of OpenID Connect Core section 5.1.
"""

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from doorkey.devprovider.users import AUTH_METHODS, SIGNING_ALGS, Client, Lifetimes, User

Reader = Callable[[Any], Any]
Rule = tuple[tuple[str, ...], Callable[[Mapping[str, Any]], bool], str]
"""The keys it looks at, what is wrong, and how that is said. Not asked when one of its keys was refused."""

PROTOCOL_CLAIMS = (
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "nonce", "auth_time", "acr", "amr", "azp", "at_hash",
    "c_hash", "s_hash", "events", "cnf", "act", "may_act", "client_id", "scope", "active", "token_type",
)  # fmt: skip
"""The provider says these itself; wrong ones are what failures are for."""

LONGEST_LIFETIME = 3650 * 86400
LARGEST = 16 * 1024
DEEPEST = 10
LEAST_HMAC_SECRET = 32

_SUB = re.compile(r"[\x20-\x7e]{1,255}")
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,255}")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
_SECRET = re.compile(r"[\x20-\x7e]*")
_ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:-]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_URI = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
_KEY_MEMBER = re.compile(r"[A-Za-z0-9_-]+")
_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")

_METHOD = "token_endpoint_auth_method"
_NEEDS_NO_SECRET = ("none", "private_key_jwt")


class DefinitionError(ValueError):
    """`problems` are all that is wrong, each a sentence (without its full stop) that begins with the key."""

    def __init__(self, problems: Iterable[str]):
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def read_user(sub: str, fields: Mapping[str, Any]) -> User:
    """Raises `DefinitionError`."""
    named = _named("sub", sub, _SUB, "1 to 255 printable ASCII characters")
    values = read_fields("a user", USER_KEYS, fields, (named, *_USER_RULES))
    return User(sub, more=values.pop("claims", {}), **{"name": sub, **values})


def read_client(client_id: str, fields: Mapping[str, Any]) -> Client:
    """Raises `DefinitionError`. A public client has to use PKCE whatever it says itself (RFC 9700 section 2.1.1)."""
    named = _named("client_id", client_id, _CLIENT_ID, "1 to 255 visible ASCII characters")
    values = read_fields("a client", CLIENT_KEYS, fields, (named, *_CLIENT_RULES))
    if "scope" in values:
        values["scopes"] = values.pop("scope")
    client = Client(client_id, **values)
    return dataclasses.replace(client, require_pkce=True) if client.is_public else client


def read_lifetimes(fields: Mapping[str, Any]) -> Lifetimes:
    """What is left out has its default. Raises `DefinitionError`."""
    return Lifetimes(**read_fields("the lifetimes", LIFETIME_KEYS, fields))


def read_fields(
    what: str, readers: Mapping[str, Reader], fields: Mapping[str, Any], rules: Sequence[Rule] = ()
) -> dict[str, Any]:
    """The values of `fields`, each through its reader. Raises `DefinitionError` with everything that is wrong."""
    if not isinstance(fields, Mapping):
        raise DefinitionError([f"{what} must be a table (in JSON: an object)"])
    values: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    for key, value in fields.items():
        if key not in readers:
            problems[key] = [_unknown(what, key, readers)]
            continue
        try:
            values[key] = readers[key](value)
        except ValueError as error:
            problems[key] = [f"{key} {said}" for said in error.args]
    found = [said for sentences in problems.values() for said in sentences]
    found += [said for keys, is_wrong, said in rules if not problems.keys() & set(keys) and is_wrong(values)]
    if found:
        raise DefinitionError(found)
    return values


def _unknown(what: str, key: Any, known: Iterable[str]) -> str:
    near = get_close_matches(str(key), known, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{key!r:.80} is not a key of {what}{hint}: the keys are {', '.join(known)}"


def _matching(pattern: re.Pattern[str], words: str) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {words}")
        return value

    return read


def _one_of(*choices: str) -> Reader:
    words = ", ".join(choice or "empty" for choice in choices)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"must be one of {words}")
        return value

    return read


def _list_of(words: str, item: Reader) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"must be a list of {words}")
        found = []
        for number, one in enumerate(value, start=1):
            try:
                found.append(item(one))
            except ValueError as error:
                raise ValueError(f"number {number} {error}") from None
        return tuple(found)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    if not _ONE_LINE.fullmatch(value):
        raise ValueError("must be text without line breaks and control characters")
    return value


def switch(value: Any) -> bool:
    """A reader of TOML's and JSON's booleans, and of nothing that merely looks like one."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _seconds(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LONGEST_LIFETIME:
        raise ValueError(f"must be whole seconds from 1 to {LONGEST_LIFETIME} (ten years)")
    return value


def table(value: Any) -> Mapping[str, Any]:
    """A reader of what is itself read later."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")
    return value


def _uri(value: Any) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) and _URI.fullmatch(value) else None
        if parts and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return str(value)
    except ValueError:  # a port or an IPv6 address that is none
        pass
    raise ValueError("must be an absolute http or https URI without a fragment")


def _uri_or_empty(value: Any) -> str:
    return "" if value == "" else _uri(value)


def _scope(value: Any) -> tuple[str, ...]:
    """As RFC 7591 has it: names between spaces."""
    if not isinstance(value, str):
        raise ValueError("must be text: scope names with spaces between them")
    return _scopes(value.split())


def _scopes(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_scope_names(value)))


def _jwks(value: Any) -> tuple[Mapping[str, Any], ...]:
    keys: tuple[Mapping[str, Any], ...] = _public_keys(value.get("keys") if isinstance(value, Mapping) else value)
    return keys


def _public_key(value: Any) -> Any:
    key = value if isinstance(value, Mapping) else {}
    members = _PUBLIC_MEMBERS.get(str(key.get("kty")))
    if private := [name for name in _PRIVATE_MEMBERS if name in key]:
        raise ValueError(f"must be a public key, without {', '.join(private)}")
    if members is None:
        raise ValueError(f"must be a JWK whose kty is one of {', '.join(_PUBLIC_MEMBERS)}")
    if not all(isinstance(key.get(name), str) and _KEY_MEMBER.fullmatch(key[name]) for name in members):
        raise ValueError(f"must have {', '.join(members)} as RFC 7518 section 6 writes them")
    return _json(key)


def _claims(value: Any) -> dict[str, Any]:
    claims, wrong = {}, []
    for name, claim in table(value).items():
        if name in PROTOCOL_CLAIMS:
            wrong.append(f"must not have {name}: the provider itself says {', '.join(PROTOCOL_CLAIMS)}")
            continue
        try:
            claims[_text(name)] = _json(claim)
        except ValueError as error:
            wrong.append(f"must be values that JSON has: {name!r:.80} {error}")
    if wrong:
        raise ValueError(*wrong)
    return claims


def _json(value: Any, deepest: int = DEEPEST) -> Any:
    """A copy of `value`, if every reader of JSON can read it."""
    if deepest < 0:
        raise ValueError(f"is nested more than {DEEPEST} deep")
    if isinstance(value, Mapping):
        return {_unicode(name): _json(item, deepest - 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item, deepest - 1) for item in value]
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("is a number of more than 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is not a finite number")
    if value is not None and not isinstance(value, int | float):
        raise ValueError(f"is a {type(value).__name__}, which JSON does not have (write it as text, in quotes)")
    return value


def _unicode(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("has a name that is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair, which is no Unicode text") from None
    return value


def _method(values: Mapping[str, Any]) -> str:
    return str(values.get(_METHOD, Client.token_endpoint_auth_method))


_texts = _list_of("text", _text)
_uris = _list_of("URIs", _uri)
_scope_names = _list_of(
    "scope names", _matching(_SCOPE, 'visible ASCII characters without space, " and \\ (RFC 6749 section 3.3)')
)
_public_keys = _list_of('public keys or {"keys": [...]}', _public_key)

_OF_TYPE: Mapping[Any, Reader] = {str: _text, bool: switch, int: _seconds, tuple[str, ...]: _texts}
_OF_CLIENT: Mapping[str, Reader] = {
    "client_secret": _matching(_SECRET, "printable ASCII characters"),
    "redirect_uris": _uris,
    "scopes": _scopes,
    _METHOD: _one_of(*AUTH_METHODS, "any"),
    "access_token_format": _one_of("opaque", "jwt"),
    "id_token_signed_response_alg": _one_of(*SIGNING_ALGS),
    "userinfo_signed_response_alg": _one_of(*SIGNING_ALGS, ""),
    "post_logout_redirect_uris": _uris,
    "frontchannel_logout_uri": _uri_or_empty,
    "backchannel_logout_uri": _uri_or_empty,
    "initiate_login_uri": _uri_or_empty,
    "jwks": _jwks,
    "redirect_check": _one_of("exact", "local", "any"),
    "web_origins": _list_of("origins", _matching(_ORIGIN, "a scheme, a host and perhaps a port, and no path")),
}


def _readers_of(kind: type[Any], own: Mapping[str, Reader]) -> dict[str, Reader]:
    types = get_type_hints(kind)
    return {field.name: own.get(field.name) or _OF_TYPE[types[field.name]] for field in dataclasses.fields(kind)}


USER_KEYS: Mapping[str, Reader] = {"name": _text, "email": _text, "groups": _texts, "about": _text, "claims": _claims}
CLIENT_KEYS: Mapping[str, Reader] = {
    key: reader for key, reader in (_readers_of(Client, _OF_CLIENT) | {"scope": _scope}).items() if key != "client_id"
}
LIFETIME_KEYS: Mapping[str, Reader] = _readers_of(Lifetimes, {})


def _named(key: str, name: Any, pattern: re.Pattern[str], words: str) -> Rule:
    return (), lambda _: not (isinstance(name, str) and pattern.fullmatch(name)), f"{key} must be {words}"


def _both(key: str) -> Rule:
    return (
        (key, "claims"),
        lambda user: key in user and key in user.get("claims", {}),
        f"{key} is in claims too: keep one",
    )


_SMALL: Rule = (
    (),
    lambda values: len(json.dumps(values, ensure_ascii=False).encode()) > LARGEST,
    f"the whole must not be larger than {LARGEST // 1024} KiB, written as JSON",
)
_USER_RULES = (_SMALL, *(_both(key) for key in ("name", "email", "groups")))
_CLIENT_RULES: tuple[Rule, ...] = (
    _SMALL,
    (
        ("scope", "scopes"),
        lambda client: {"scope", "scopes"} <= client.keys(),
        "scope and scopes are the same: keep one",
    ),
    (
        ("client_secret", _METHOD),
        lambda client: not client.get("client_secret") and _method(client) not in _NEEDS_NO_SECRET,
        f"client_secret is missing: it is needed unless {_METHOD} is none or private_key_jwt",
    ),
    (
        ("client_secret", _METHOD),
        lambda client: bool(client.get("client_secret")) and _method(client) == "none",
        f"client_secret must be left out when {_METHOD} is none",
    ),
    (
        ("client_secret", _METHOD),
        lambda client: (
            _method(client) == "client_secret_jwt" and 0 < len(client.get("client_secret", "")) < LEAST_HMAC_SECRET
        ),
        f"client_secret must have at least {LEAST_HMAC_SECRET} characters for client_secret_jwt (RFC 7518 section 3.2)",
    ),
    (
        ("jwks", _METHOD),
        lambda client: _method(client) == "private_key_jwt" and not client.get("jwks"),
        f"jwks is missing: it is needed when {_METHOD} is private_key_jwt",
    ),
)
