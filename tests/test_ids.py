"""The three names of a session follow one from the other, one way only (sessions/ids.py)."""

import hashlib
import hmac

import pytest

from doorkey.base64url import encode
from doorkey.sessions.ids import SessionIds, decode_secret

SECRET = bytes(range(32))


def test_the_names_are_what_the_design_says() -> None:
    ids = SessionIds.of(SECRET)
    assert ids.session_secret == SECRET
    assert ids.gate_secret == hmac.new(SECRET, b"doorkey gate", hashlib.sha256).digest()
    assert ids.record_id == hashlib.sha256(ids.gate_secret).digest()


def test_all_names_of_all_sessions_differ() -> None:
    one, other = SessionIds.of(SECRET), SessionIds.of(b"x" * 32)
    names = {
        name
        for ids in (one, other)
        for name in (
            encode(ids.session_secret),
            encode(ids.gate_secret),
            encode(ids.record_id),
            ids.csrf_token,
            ids.public_id,
        )
    }
    assert len(names) == 10


def test_no_secret_is_in_its_words() -> None:
    ids = SessionIds.of(SECRET)
    shown = f"{ids} {ids!r}"
    assert not [name for name in (SECRET.hex(), encode(SECRET), repr(SECRET), repr(ids.gate_secret)) if name in shown]


def test_a_cookie_value_is_43_characters_and_comes_back() -> None:
    assert len(encode(SECRET)) == 43
    assert decode_secret(encode(SECRET)) == SECRET


@pytest.mark.parametrize(
    "cookie",
    [
        "", "short", encode(SECRET)[:-1], encode(SECRET) + "A", encode(SECRET) + "=", encode(SECRET) + "\n",
        " " + encode(SECRET)[1:], "+" * 43, "/" * 43, "ü" * 43, "٣" * 43, "\0" * 43, encode(SECRET)[:-1] + "B",
        "x" * 10**6,
    ],
    ids=lambda cookie: repr(cookie[:50]),
)  # fmt: skip
def test_nothing_else_is_a_cookie_value(cookie: str) -> None:
    """The last one but one has the same bytes in another spelling."""
    assert decode_secret(cookie) is None
