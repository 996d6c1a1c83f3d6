"""What an application is told: every header every time, visible ASCII, unambiguous, and small enough for proxies."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorkey.gate.decide import Caller
from doorkey.gate.identity_headers import identity_headers, visible
from doorkey.oauth.user_info import Identity

TOLD = ("user", "email", "name", "groups", "provider", "session")
OURS = {f"x-doorkey-{name}" for name in (*TOLD, "assertion", "access-token")}
THEIRS = {f"x-auth-request-{name}" for name in ("user", "email", "preferred-username", "groups", "access-token")}
ROOM = 3584 - 300
"""Bytes that identity may take of an answer, beside its other headers."""


def told(caller: Caller | None, *, like_oauth2_proxy: bool = False) -> dict[str, str]:
    headers = identity_headers(caller, like_oauth2_proxy=like_oauth2_proxy)
    names = [name for name, _ in headers]
    assert len(set(names)) == len(names)
    return {name.decode("ascii"): value.decode("ascii") for name, value in headers}


def somebody(**told: Any) -> Caller:
    identity = Identity(**{"provider": "stub", "sub": "user-1", **told})
    return Caller(identity, ends=10.0, session="public-id")


def test_every_header_is_there_for_everybody() -> None:
    full = somebody(name="Una User", email="una@example.com", groups=("dev", "ops"))
    assert told(full) == {
        **dict.fromkeys(OURS, ""),
        "x-doorkey-user": "user-1",
        "x-doorkey-email": "una@example.com",
        "x-doorkey-name": "Una%20User",
        "x-doorkey-groups": "dev,ops",
        "x-doorkey-provider": "stub",
        "x-doorkey-session": "public-id",
    }


def test_nobody_is_told_by_empty_headers_and_not_by_none() -> None:
    """A header that is absent lets the visitor's own through in some proxies."""
    assert told(None) == dict.fromkeys(OURS, "")
    assert told(None, like_oauth2_proxy=True) == dict.fromkeys(OURS | THEIRS, "")
    assert set(told(somebody())) == OURS


def test_the_names_of_oauth2_proxy_say_the_same() -> None:
    found = told(somebody(name="Una", email="u@example.com", groups=("a,b", "c")), like_oauth2_proxy=True)
    assert set(found) == OURS | THEIRS
    assert found["x-auth-request-groups"] == found["x-doorkey-groups"] == "a%2Cb,c"
    assert found["x-auth-request-preferred-username"] == found["x-doorkey-name"] == "Una"
    assert found["x-auth-request-user"] == "user-1"


def test_an_alias_is_told_in_place_of_the_subject() -> None:
    assert told(somebody(alias="una"))["x-doorkey-user"] == "una"


ODD = [
    "a\r\nX-Admin: 1",
    "a\x00b",
    "a\tb",
    "a\x7fb",
    "Zoë 日本 😀",
    "\udc80",
    "100%",
    "%0d%0a",
    "\u2028",
    "\x85",
    "a b",
]


@pytest.mark.parametrize("text", ODD)
def test_no_claim_adds_a_header_or_breaks_one(text: str) -> None:
    found = told(somebody(sub=text, name=text, email=text, groups=(text, text)), like_oauth2_proxy=True)
    for value in found.values():
        assert re.fullmatch("[!-~]*", value)
    readable = text.encode("utf-8", "replace").decode()
    assert unquote(found["x-doorkey-name"]) == unquote(found["x-doorkey-user"]) == readable
    assert [unquote(group) for group in found["x-doorkey-groups"].split(",")] == [readable, readable]


def test_a_separator_inside_a_group_makes_no_second_group() -> None:
    groups = ("dev,admin", "a;b", " x ", "a%2Cb", ",")
    value = told(somebody(groups=groups))["x-doorkey-groups"]
    assert value == "dev%2Cadmin,a%3Bb,%20x%20,a%252Cb,%2C"
    assert tuple(map(unquote, value.split(","))) == groups


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=8), max_size=5))
def test_whatever_people_are_called_can_be_read_back(name: str, groups: list[str]) -> None:
    found = told(somebody(name=name, groups=tuple(groups)))
    assert unquote(found["x-doorkey-name"]) == name
    given_groups = [unquote(group) for group in found["x-doorkey-groups"].split(",")] if groups else []
    assert given_groups == groups


def size(caller: Caller, *, like_oauth2_proxy: bool) -> int:
    headers = identity_headers(caller, like_oauth2_proxy=like_oauth2_proxy)
    return sum(len(name) + len(value) + 4 for name, value in headers)


LONG: dict[str, dict[str, Any]] = {
    "300 groups": {"groups": tuple(f"a-group-of-people-{number:03}" for number in range(300))},
    "1000 groups": {"groups": tuple("é" * 40 for _ in range(1000))},
    "a long name": {"name": "😀" * 320},
    "a long address": {"email": "ü" * 300 + "@example.com"},
    "a long user": {"sub": "u" * 255},
    "a long user that is not ASCII": {"sub": "é" * 255},
    "a long user of pictures": {"sub": "😀" * 255},
    "a long provider": {"provider": "p" * 64},
}
LONG["everything"] = {key: value for case in LONG.values() for key, value in case.items()}


@pytest.mark.parametrize("like_oauth2_proxy", [False, True])
@pytest.mark.parametrize("told", LONG.values(), ids=LONG)
def test_nobody_is_too_long_for_the_headers_that_nginx_takes(told: dict[str, Any], like_oauth2_proxy: bool) -> None:
    assert size(somebody(**told), like_oauth2_proxy=like_oauth2_proxy) <= ROOM


def test_what_did_not_fit_is_empty_and_named() -> None:
    found = told(somebody(**LONG["300 groups"], name="Una"))
    assert found["x-doorkey-groups"] == ""
    assert found["x-doorkey-left-out"] == "groups"
    assert (found["x-doorkey-user"], found["x-doorkey-name"]) == ("user-1", "Una")
    assert "x-doorkey-left-out" not in told(somebody(groups=tuple("abcdef")))


def test_half_a_list_of_groups_is_never_told() -> None:
    """An application could take the rest for missing."""
    for count in range(1, 300, 13):
        groups = tuple(f"a-group-of-people-{number:03}" for number in range(count))
        assert told(somebody(groups=groups))["x-doorkey-groups"] in ("", ",".join(groups))


def test_visible_text_stays_readable() -> None:
    assert visible("Una.User+x@example.com/~(a)") == "Una.User+x@example.com/~(a)"
