"""The record of a session: its ends, and that nothing else can pass for one (sessions/record.py)."""

import pickle
import random

import msgspec
import pytest

from doorkey.oauth.user_info import Identity
from doorkey.sessions.record import Record
from tests.test_token import read

NOW = 1_800_000_000.0


@pytest.fixture
def record() -> Record:
    identity = Identity(
        provider="acme", sub="u", name="Ünä", email="u@example.com", groups=("a", "b"), claims={"k": [1]}
    )
    return Record(
        identity=identity, token=read({"refresh_token": "rt"}), created=NOW, authenticated=NOW, last_seen=NOW,
        idle_ends=NOW + 60, absolute_ends=NOW + 100, label="Firefox on Linux", provider_sid="sid",
    )  # fmt: skip


def test_it_comes_back_from_bytes_as_it_was(record: Record) -> None:
    assert Record.from_bytes(record.to_bytes()) == record


def test_it_lives_until_the_earlier_end(record: Record) -> None:
    assert record.is_live(NOW + 59.9)
    assert not record.is_live(NOW + 60)


def test_being_seen_moves_the_idle_end_and_never_the_absolute_one(record: Record) -> None:
    seen = record.seen(NOW + 50, 60)
    assert (seen.last_seen, seen.idle_ends, seen.absolute_ends) == (NOW + 50, NOW + 110, NOW + 100)
    assert seen.ends == NOW + 100
    assert (record.last_seen, record.idle_ends) == (NOW, NOW + 60)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="a byte that msgpack never has"),
        pytest.param(msgspec.msgpack.encode({}), id="empty map"),
        pytest.param(msgspec.msgpack.encode([1, 2, 3]), id="list"),
        pytest.param(msgspec.msgpack.encode({"identity": {"provider": "x"}}), id="half a record"),
        pytest.param(b"\x91" * 100_000 + b"\xc0", id="nested without end"),
        pytest.param(pickle.dumps({"identity": 1}), id="a pickle"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list that promises four billion"),
    ],
)
def test_nothing_else_is_a_record(content: bytes) -> None:
    assert Record.from_bytes(content) is None


def test_a_cut_record_is_none(record: Record) -> None:
    content = record.to_bytes()
    assert [n for n in range(len(content)) if Record.from_bytes(content[:n]) is not None] == []


def test_a_field_of_another_type_spoils_the_record(record: Record) -> None:
    for name in ("created", "absolute_ends", "token", "identity", "label"):
        fields = msgspec.msgpack.decode(record.to_bytes())
        fields[name] = ["odd"]
        assert Record.from_bytes(msgspec.msgpack.encode(fields)) is None, name


def test_garbage_never_raises(record: Record) -> None:
    chance = random.Random(20261124)
    content = record.to_bytes()
    for _ in range(3000):
        garbled = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            garbled[chance.randrange(len(garbled))] = chance.randrange(256)
        found = Record.from_bytes(bytes(garbled))
        assert found is None or isinstance(found, Record)
        assert Record.from_bytes(chance.randbytes(chance.randint(0, 200))) is None


def test_a_clock_that_was_put_back_does_not_bring_the_idle_end_nearer(record: Record) -> None:
    """It may be right again in a moment."""
    later = record.seen(record.created + 600, 3600)
    assert later.seen(later.last_seen - 10_800, 3600).idle_ends == later.idle_ends
