"""What every session store must do with one record: create, read, delete (sessions/store.py).

One suite for all implementations, in the files test_store_*.py beside this one; a new one is a row in stores.py and
a place in store_places.py. `HOLDS` is the column of each file in the table that `python -m tests.contract.stores`
prints.
"""

import time
from dataclasses import replace

import pytest

from doorkey.errors import StoreUnavailable
from doorkey.sessions.store import SessionStore
from tests.contract.store_samples import NOW, SID, THREADS, at_once, record

HOLDS = "atomic create, read, delete"


def test_a_record_comes_back_as_it_was(store: SessionStore) -> None:
    for stored in (record("a", sid=SID), record("b"), record("c", version=7), replace(record("d"), summary=b"")):
        store.create(stored)
        assert store.read(stored.record_id) == stored


def test_any_bytes_are_kept(store: SessionStore) -> None:
    """Also where they could be taken for a pattern, a separator or a number."""
    for content in (bytes(range(256)), b"\0", b"*?[a]", b"1", b"-inf", b"\xff" * 100_000):
        odd = replace(record(), record_id=content[:64], sealed=content, summary=content, user_key=content[:64])
        store.create(odd)
        assert store.read(odd.record_id) == odd
        assert store.list_by_user(odd.user_key) == [odd]
        assert store.delete(odd.record_id) is not None


def test_an_unknown_record_is_none(store: SessionStore) -> None:
    assert store.read(b"unheard") is None
    assert store.delete(b"unheard") is None


def test_an_ended_record_is_still_read_because_the_caller_decides(store: SessionStore) -> None:
    ended = replace(record(), ends=NOW - 1)
    store.create(ended)
    assert store.read(ended.record_id) == ended


@pytest.mark.parametrize("ends", [NOW + 0.123456, NOW + 1e9, NOW + 1 / 3])
def test_an_end_is_kept_to_the_last_digit(store: SessionStore, ends: float) -> None:
    store.create(replace(record(), ends=ends))
    assert store.read(record().record_id) == replace(record(), ends=ends)


def test_a_record_that_is_there_is_not_replaced_by_another(store: SessionStore) -> None:
    store.create(record())
    with pytest.raises(StoreUnavailable):
        store.create(replace(record(), sealed=b"another"))
    assert store.read(record().record_id) == record()


def test_of_many_threads_that_create_one_record_one_does(store: SessionStore) -> None:
    def create(number: int) -> bool:
        try:
            store.create(replace(record(), sealed=b"by %d" % number))
        except StoreUnavailable:
            return False
        return True

    results = at_once(create)
    assert sorted(results) == [False] * (THREADS - 1) + [True]
    assert store.read(record().record_id) == replace(record(), sealed=b"by %d" % results.index(True))


def test_of_many_threads_that_delete_one_record_one_did(store: SessionStore) -> None:
    store.create(record(sid=SID))
    results = at_once(lambda _: store.delete(record().record_id) is not None)
    assert sorted(results) == [False] * (THREADS - 1) + [True]


def test_as_many_people_may_sign_in_and_out_at_once_as_there_are_threads(store: SessionStore) -> None:
    """Forty by default (DOORKEY_THREADS), each spending a state and creating a session: nobody gets a 503."""

    def sign_in(name: str) -> bool:
        spent = store.mark_once(name.encode(), now=NOW, ends=NOW + 60)
        store.create(record(name))
        return spent

    for turn in range(8):
        names = [f"{turn}-{n}" for n in range(40)]
        assert all(at_once(lambda n, names=names: sign_in(names[n]), threads=40))  # type: ignore[misc]
        assert all(at_once(lambda n, names=names: store.delete(record(names[n]).record_id), threads=40))  # type: ignore[misc]


def test_a_ping_of_a_healthy_store_changes_nothing(store: SessionStore) -> None:
    store.ping()
    store.create(record())
    store.ping()
    assert store.read(record().record_id) == record()
    assert list(store.all()) == [record()]


def test_a_store_that_is_set_up_well_gives_no_concern(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real time, for clocks that differ are one."""
    monkeypatch.setattr(store, "_clock", time.time, raising=False)
    assert store.concerns() == []
