"""The summary of a session: what may be known without its cookie, and nothing more (sessions/summary.py)."""

import msgspec
import pytest

from doorkey.clock import system_random
from doorkey.oauth.jws import unchecked_alg
from doorkey.oauth.user_info import Identity
from doorkey.sessions.record import Record
from doorkey.sessions.seal import Keyring
from doorkey.sessions.summary import PURPOSE, Summary
from tests.test_token import read

NOW = 1_800_000_000.0
ID = b"i" * 32
KEYRING = Keyring([b"n" * 32, b"o" * 32])
SIGNED_BY_ES256 = "eyJhbGciOiJFUzI1NiJ9.canary-claims.canary-signature"


def record(id_token: str | None = SIGNED_BY_ES256) -> Record:
    identity = Identity(
        provider="acme", sub="17", alias="una", name="Ünä", email="canary@example.com", claims={"k": "canary-claim"}
    )
    token = read({"access_token": "canary-at", "refresh_token": "canary-rt", "id_token": id_token})
    return Record(
        identity=identity, token=token, created=NOW, authenticated=NOW, last_seen=NOW + 1, idle_ends=NOW + 60,
        absolute_ends=NOW + 100, label="Firefox on Linux", provider_sid="canary-sid",
    )  # fmt: skip


def test_it_comes_back_from_its_seal_as_it_was() -> None:
    summary = Summary.of(record())
    assert Summary.open(summary.seal(KEYRING, ID), KEYRING, ID) == summary
    assert summary == Summary("acme", "17", "una", "Firefox on Linux", NOW, NOW + 1, NOW + 100, "ES256")


@pytest.mark.parametrize("id_token", [None, "", "no.token", "not a token"])
def test_without_a_signed_token_there_is_no_algorithm(id_token: str | None) -> None:
    assert Summary.of(record(id_token)).alg == unchecked_alg(id_token or "") == ""


def test_there_is_neither_a_token_in_it_nor_anything_that_logs_in() -> None:
    assert b"canary" not in msgspec.msgpack.encode(Summary.of(record()))


def test_it_opens_under_an_old_key_too_and_under_no_other() -> None:
    summary = Summary.of(record())
    sealed = summary.seal(Keyring([b"o" * 32]), ID)
    assert Summary.open(sealed, KEYRING, ID) == summary
    assert Summary.open(sealed, Keyring([b"x" * 32]), ID) is None


def test_it_opens_beside_its_own_record_only() -> None:
    sealed = Summary.of(record()).seal(KEYRING, ID)
    assert Summary.open(sealed, KEYRING, b"j" * 32) is None


def test_it_is_sealed_differently_each_time() -> None:
    summary = Summary.of(record())
    assert summary.seal(KEYRING, ID) != summary.seal(KEYRING, ID)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="a byte that msgpack never has"),
        pytest.param(msgspec.msgpack.encode({}), id="a map"),
        pytest.param(msgspec.msgpack.encode(["acme"]), id="too few"),
        pytest.param(msgspec.msgpack.encode([1] * 8), id="other types"),
        pytest.param(b"\x91" * 100_000 + b"\xc0", id="nested without end"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list that promises four billion"),
    ],
)
def test_nothing_else_is_a_summary(content: bytes) -> None:
    sealed = KEYRING.seal(content, purpose=PURPOSE, bound_to=ID)
    assert Summary.open(sealed, KEYRING, ID) is None


@pytest.mark.parametrize("sealed", [b"", b"short", system_random(200)])
def test_what_we_did_not_seal_is_no_summary(sealed: bytes) -> None:
    """A record of an older Doorkey has none; a store that somebody wrote to may have anything."""
    assert Summary.open(sealed, KEYRING, ID) is None


def test_a_record_does_not_pass_for_a_summary_nor_the_other_way_round() -> None:
    """Another purpose is another key."""
    content = msgspec.msgpack.encode(Summary.of(record()))
    assert Summary.open(KEYRING.seal(content, purpose="session record", bound_to=ID), KEYRING, ID) is None
    sealed = Summary.of(record()).seal(KEYRING, ID)
    assert KEYRING.open(sealed, purpose="session record", bound_to=ID) is None


def test_one_of_a_newer_doorkey_with_more_in_it_still_opens() -> None:
    """Two versions run side by side while an installation is updated."""
    summary = Summary.of(record())
    longer = msgspec.msgpack.encode([*msgspec.structs.astuple(summary), "what a newer one knows"])
    assert Summary.open(KEYRING.seal(longer, purpose=PURPOSE, bound_to=ID), KEYRING, ID) == summary
