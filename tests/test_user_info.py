"""Who signed in: what is read of the claims, and what is refused (oauth/user_info.py)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doorkey.errors import UserInfoInvalid
from doorkey.oauth.id_token import LONGEST_SUBJECT
from doorkey.oauth.provider import Provider
from doorkey.oauth.user_info import MOST_GROUPS, identity_from_claims
from doorkey.sessions.lifecycle import Sessions
from doorkey.sessions.seal import Keyring
from doorkey.sessions.sqlite_store import SqliteStore
from tests.test_provider import made
from tests.test_token import read


@pytest.fixture
def provider() -> Provider:
    return made()


def test_the_usual_claims_are_read(provider: Provider) -> None:
    claims = {"sub": "u-1", "name": "Una", "email": "una@example.com", "groups": ["a", "b"], "other": 1}
    found = identity_from_claims(provider, claims)
    assert (found.provider, found.sub, found.name, found.email) == ("acme", "u-1", "Una", "una@example.com")
    assert found.groups == ("a", "b")


def test_claims_are_found_at_dotted_paths_and_under_names_with_dots(provider: Provider) -> None:
    other = replace(
        provider, claim_user="user.id", claim_groups="realm_access.roles", claim_email="https://x.example/mail"
    )
    claims = {"user": {"id": 42}, "realm_access": {"roles": ["r"]}, "https://x.example/mail": "m@example.com"}
    found = identity_from_claims(other, claims)
    assert (found.sub, found.groups, found.email) == ("42", ("r",), "m@example.com")


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="missing"),
        pytest.param({"sub": None}, id="null"),
        pytest.param({"sub": ""}, id="empty"),
        pytest.param({"sub": True}, id="true"),
        pytest.param({"sub": 1.5}, id="fraction"),
        pytest.param({"sub": ["u"]}, id="list"),
        pytest.param({"sub": {"id": "u"}}, id="object"),
        pytest.param({"sub": "x" * (LONGEST_SUBJECT + 1)}, id="too long"),
        pytest.param({"sub": "\ud800"}, id="half a surrogate pair"),
    ],
)
def test_without_a_proper_identifier_nobody_signed_in(provider: Provider, claims: dict[str, Any]) -> None:
    with pytest.raises(UserInfoInvalid):
        identity_from_claims(provider, claims)


@pytest.mark.parametrize("odd", [None, 1, True, [], {"a": 1}, ["x"]], ids=repr)
def test_an_odd_name_or_address_is_no_name_or_address(provider: Provider, odd: Any) -> None:
    found = identity_from_claims(provider, {"sub": "u", "name": odd, "email": odd})
    assert (found.name, found.email) == ("", "")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param(None, (), id="absent"),
        pytest.param("admins", (), id="one string"),
        pytest.param({"admins": True}, (), id="object"),
        pytest.param(["a", 1, None, "", ["b"], "c"], ("a", "c"), id="mixed list"),
    ],
)
def test_groups_are_a_list_of_names(provider: Provider, groups: Any, expected: tuple[str, ...]) -> None:
    assert identity_from_claims(provider, {"sub": "u", "groups": groups}).groups == expected


def test_groups_are_bounded(provider: Provider) -> None:
    found = identity_from_claims(provider, {"sub": "u", "groups": [f"g{n}" for n in range(5000)]})
    assert len(found.groups) == MOST_GROUPS


def test_whatever_is_accepted_can_be_kept_in_a_session(provider: Provider, tmp_path: Path) -> None:
    """JSON can say things that UTF-8 cannot: half of a surrogate pair must not become a 500 at the end."""
    claims = {"sub": "u", "name": "\ud800 x", "email": "\udfff@x", "groups": ["\ud83d", "fine"]}
    identity = identity_from_claims(provider, claims)
    store = SqliteStore(tmp_path / "sessions.sqlite3")
    sessions = Sessions(store, Keyring([b"k" * 32]), idle=60, absolute=600, clock=lambda: 0.0, random=bytes)
    started = sessions.start(identity, read())
    assert sessions.open(started.ids.session_secret)
