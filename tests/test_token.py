"""What counts as a token response and what does not (oauth/token.py)."""

import json
from typing import Any

import pytest

from doorkey.errors import TokenRefused, TokenResponseInvalid
from doorkey.oauth.token import LONGEST_LIFE, Token, read_token_response

NOW = 1_800_000_000.0
GOOD = {"access_token": "at", "token_type": "bearer", "expires_in": 3600, "scope": "read write"}


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def read(changes: dict[str, Any] | None = None, *, status: int = 200, asked: tuple[str, ...] = ("read",)) -> Token:
    answer = {name: value for name, value in (GOOD | (changes or {})).items() if value is not ABSENT}
    return read_token_response(
        status, json.dumps(answer).encode(), scope_asked=asked, now=NOW, secrets=("canary-code",)
    )


def test_every_field_is_kept() -> None:
    token = read({"refresh_token": "rt", "id_token": "a.b.c"})
    assert (token.access_token, token.token_type, token.refresh_token, token.id_token) == (
        "at",
        "bearer",
        "rt",
        "a.b.c",
    )
    assert (token.received_at, token.expires_at) == (NOW, NOW + 3600)
    assert (token.scope_asked, token.scope_granted, token.scope_confirmed) == (("read",), ("read", "write"), True)


@pytest.mark.parametrize("token_type", ["bearer", "Bearer", "BEARER", "bEaReR"])
def test_bearer_counts_in_any_letters(token_type: str) -> None:
    assert read({"token_type": token_type}).token_type == token_type


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        pytest.param(3600, 3600, id="number"),
        pytest.param("3600", 3600, id="number as text"),
        pytest.param(3599.5, 3599.5, id="fraction"),
        pytest.param("3599.5", 3599.5, id="fraction as text"),
        pytest.param(0, 0, id="zero"),
        pytest.param(-5, -5, id="negative"),
        pytest.param("-5", -5, id="negative as text"),
        pytest.param(10**15, LONGEST_LIFE, id="absurdly long"),
        pytest.param(1e300, LONGEST_LIFE, id="absurd float"),
        pytest.param(-(10**300), -LONGEST_LIFE, id="absurdly negative"),
    ],
)
def test_expires_in_is_counted_from_now(expires_in: Any, seconds: float) -> None:
    token = read({"expires_in": expires_in})
    assert token.expires_at == NOW + seconds
    assert token.is_expired(NOW) is (seconds <= 0)
    assert not token.is_expired(NOW + seconds - 1)
    assert token.is_expired(NOW + seconds)


@pytest.mark.parametrize(
    "expires_in",
    [ABSENT, None, True, "soon", "", "1e3", "0x10", " 60", "٣", [], {}, float("nan"), float("inf")],
    ids=repr,
)
def test_an_unusable_expires_in_means_unknown(expires_in: Any) -> None:
    token = read({"expires_in": expires_in})
    assert token.expires_at is None
    assert not token.is_expired(NOW + 10**9)


@pytest.mark.parametrize("scope", [ABSENT, None])
def test_an_absent_scope_means_as_requested(scope: Any) -> None:
    token = read({"scope": scope}, asked=("one", "two"))
    assert (token.scope_granted, token.scope_confirmed) == (("one", "two"), False)


@pytest.mark.parametrize(
    ("scope", "granted"),
    [("", ()), ("  ", ()), ("b a", ("b", "a")), ("a a  b", ("a", "b"))],
)
def test_a_scope_is_split_at_spaces_and_kept_in_order(scope: str, granted: tuple[str, ...]) -> None:
    assert read({"scope": scope}).scope_granted == granted


@pytest.mark.parametrize("name", ["refresh_token", "id_token"])
@pytest.mark.parametrize("value", [ABSENT, None, ""])
def test_an_empty_optional_token_is_none(name: str, value: Any) -> None:
    assert getattr(read({name: value}), name) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"access_token": ABSENT}, id="no access_token"),
        pytest.param({"access_token": None}, id="null access_token"),
        pytest.param({"access_token": ""}, id="empty access_token"),
        pytest.param({"access_token": 12}, id="number as access_token"),
        pytest.param({"access_token": ["at"]}, id="list as access_token"),
        pytest.param({"access_token": "a\nb"}, id="line break in access_token"),
        pytest.param({"access_token": "ü"}, id="non-ascii access_token"),
        pytest.param({"access_token": "x" * (16 * 1024 + 1)}, id="endless access_token"),
        pytest.param({"token_type": ABSENT}, id="no token_type"),
        pytest.param({"token_type": "mac"}, id="other token_type"),
        pytest.param({"token_type": "DPoP"}, id="DPoP"),
        pytest.param({"token_type": ["bearer"]}, id="list as token_type"),
        pytest.param({"scope": ["read"]}, id="list as scope"),
        pytest.param({"scope": "a\tb"}, id="tab in scope"),
        pytest.param({"scope": "x" * 5000}, id="endless scope"),
        pytest.param({"refresh_token": 1}, id="number as refresh_token"),
        pytest.param({"refresh_token": {"a": 1}}, id="object as refresh_token"),
        pytest.param({"id_token": "a\0b"}, id="nul in id_token"),
    ],
)
def test_this_is_not_a_token(changes: dict[str, Any]) -> None:
    with pytest.raises(TokenResponseInvalid):
        read(changes)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>Sign in</html>", id="html"),
        pytest.param(b"access_token=at&token_type=bearer", id="form"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"at"', id="string"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"access_token": "a", "access_token": "b", "token_type": "bearer"}', id="name twice"),
        pytest.param(b'{"access_token": "\xff", "token_type": "bearer"}', id="not utf-8"),
        pytest.param(b'\xef\xbb\xbf{"access_token": "a", "token_type": "bearer"}', id="byte order mark"),
        pytest.param(b'{"x": ' + b"[" * 60_000 + b"]" * 60_000 + b"}", id="nested without end"),
        pytest.param(b'{"expires_in": ' + b"9" * 5000 + b"}", id="number without end"),
        pytest.param(b'{"access_token": "at", "token_type": "bearer"', id="cut off"),
    ],
)
def test_this_is_not_even_json(body: bytes) -> None:
    with pytest.raises(TokenResponseInvalid):
        read_token_response(200, body, scope_asked=(), now=NOW)


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 400, 401, 500, 503])
def test_a_token_with_another_status_is_none(status: int) -> None:
    with pytest.raises(TokenResponseInvalid):
        read(status=status)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429])
def test_an_oauth_error_is_a_refusal_and_keeps_its_six_fields(status: int) -> None:
    said = {
        "error": "invalid_grant", "error_description": "used", "message": "Bad Request", "path": "/oauth/token",
        "status": "400", "timestamp": "2026-11-24T15:56:54.123+0000", "other": "dropped",
    }  # fmt: skip
    with pytest.raises(TokenRefused) as caught:
        read(said, status=status)
    assert caught.value.provider_error == {name: value for name, value in said.items() if name != "other"}


@pytest.mark.parametrize(("status", "word"), [(302, "redirect"), (500, "problem of its own")])
def test_the_hint_fits_the_status(status: int, word: str) -> None:
    with pytest.raises(TokenResponseInvalid) as caught:
        read_token_response(status, b"<html>", scope_asked=(), now=NOW)
    assert word in caught.value.hint


def test_a_server_error_with_an_oauth_error_is_not_a_refusal() -> None:
    with pytest.raises(TokenResponseInvalid) as caught:
        read({"error": "server_error"}, status=500)
    assert caught.value.provider_error == {"error": "server_error"}


def test_what_a_provider_echoes_is_masked_cleaned_and_cut() -> None:
    said = {
        "error": "invalid_grant",
        "error_description": "code canary-code\r\nSet-Cookie: x\x1b[31m " + "y" * 500,
        "message": "your at and canary-refresh",
        "refresh_token": "canary-refresh",
    }
    with pytest.raises(TokenRefused) as caught:
        read(said, status=400)
    words = caught.value.provider_error
    assert words is not None
    assert "canary" not in str(words) + str(caught.value) + caught.value.detail
    assert words["error_description"].startswith("code **** ")
    assert words["error_description"].isprintable()
    assert all(len(word) <= 200 for word in words.values())


def test_a_token_shows_no_secret_in_its_words() -> None:
    token = read({"access_token": "canary-at", "refresh_token": "canary-rt", "id_token": "canary-it"})
    assert "canary" not in f"{token} {token!r}"
