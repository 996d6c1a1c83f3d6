"""A seal opens only with its key, its purpose, its binding and every byte in place (sessions/seal.py)."""

import os

import pytest

from doorkey.sessions.seal import Keyring

OLD, NEW = b"old key " * 4, b"new key " * 4
CONTENT = b"what nobody else may read"


def seal(ring: Keyring, content: bytes = CONTENT) -> bytes:
    return ring.seal(content, purpose="record", bound_to=b"id", secret=b"s" * 32)


def unseal(ring: Keyring, sealed: bytes) -> bytes | None:
    return ring.open(sealed, purpose="record", bound_to=b"id", secret=b"s" * 32)


@pytest.mark.parametrize("content", [b"", b"x", CONTENT, os.urandom(100_000)], ids=["empty", "byte", "text", "100 kB"])
def test_what_was_sealed_opens(content: bytes) -> None:
    assert unseal(Keyring([OLD]), seal(Keyring([OLD]), content)) == content


def test_the_content_cannot_be_read_in_it() -> None:
    assert CONTENT not in seal(Keyring([OLD]))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"purpose": "login transaction"}, id="another purpose"),
        pytest.param({"bound_to": b"other id"}, id="bound to something else"),
        pytest.param({"bound_to": b""}, id="bound to nothing"),
        pytest.param({"secret": b"t" * 32}, id="another secret"),
        pytest.param({"secret": b""}, id="no secret"),
    ],
)
def test_it_opens_for_nothing_else(other: dict[str, object]) -> None:
    ring = Keyring([OLD])
    usual = {"purpose": "record", "bound_to": b"id", "secret": b"s" * 32}
    assert ring.open(seal(ring), **(usual | other)) is None  # type: ignore[arg-type]


def test_every_changed_bit_is_noticed() -> None:
    ring = Keyring([OLD])
    sealed = seal(ring)
    for place in range(len(sealed)):
        for bit in (0x01, 0x80):
            changed = bytearray(sealed)
            changed[place] ^= bit
            assert unseal(ring, bytes(changed)) is None, place


def test_every_cut_and_every_addition_is_noticed() -> None:
    ring = Keyring([OLD])
    sealed = seal(ring)
    assert [n for n in range(len(sealed)) if unseal(ring, sealed[:n]) is not None] == []
    assert unseal(ring, sealed + b"x") is None
    assert unseal(ring, b"x" + sealed) is None


def test_two_seals_of_the_same_share_no_nonce() -> None:
    ring = Keyring([OLD])
    nonces = {seal(ring)[4:16] for _ in range(1000)}
    assert len(nonces) == 1000


def test_the_first_key_seals_and_all_of_them_open() -> None:
    before, during, after = Keyring([OLD]), Keyring([NEW, OLD]), Keyring([NEW])
    assert unseal(during, seal(before)) == CONTENT
    assert unseal(after, seal(during)) == CONTENT
    assert unseal(after, seal(before)) is None
    assert unseal(before, seal(during)) is None


def test_an_index_key_is_made_with_the_key_that_seals() -> None:
    assert Keyring([NEW]).index_key("user", "p", "u") == Keyring([NEW, OLD]).index_key("user", "p", "u")
    assert Keyring([OLD]).index_key("user", "p", "u") != Keyring([NEW]).index_key("user", "p", "u")


def test_parts_of_an_index_key_cannot_be_shifted() -> None:
    ring = Keyring([OLD])
    keys = {ring.index_key(*parts) for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("abc", ""), ("", "abc"))}
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize("keys", [[], [b""], [b"x" * 31], [OLD, b"short"]], ids=["none", "empty", "31 bytes", "second"])
def test_a_weak_keyring_is_not_made(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(keys)
