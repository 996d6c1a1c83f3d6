"""Answers of the development provider while they can still be changed by a failure.

The endpoints fill a draft with what is right, `Play.change()` (script.py) lets the failures of the
moment at it, and then it is sent. Without a failure a draft is sent as it was filled.
"""

from dataclasses import dataclass, field
from typing import Any

from doorkey.devprovider.signing_keys import SigningKey, SigningKeys
from doorkey.devprovider.users import Client


@dataclass
class Draft:
    """Named values: the fields of a JSON body, the parameters of a redirect, the claims of a token."""

    fields: dict[str, Any]


@dataclass
class AuthorizationDraft(Draft):
    """An authorization response; `mode` is query or form_post, `target` where it goes."""

    target: str = ""
    mode: str = "query"


@dataclass
class UserInfoDraft(Draft):
    """`signed_with` is an algorithm, or empty for plain JSON."""

    signed_with: str = ""


@dataclass
class TokenDraft(Draft):
    """A JWT before it is signed: `fields` are the claims. `damage` spoils the signature, `encrypted` hides it all.

    `hashed` is the access token that `at_hash` is of.
    """

    header: dict[str, Any] = field(default_factory=dict)
    alg: str = "RS256"
    key: SigningKey | None = None
    hashed: str = ""
    damage: bool = False
    encrypted: bool = False


class CannotFail(Exception):
    """The failure needs something that is not there; the text says what."""


@dataclass
class Occasion:
    """What a change may look at; `memory` is the rule's own, from one answer to the next."""

    keys: SigningKeys
    issuer: str
    client: Client | None
    now: float
    memory: dict[str, Any]
