"""Compare-and-set: what every session store must do when a record is changed by several at once.

Part of the suite that test_session_store.py begins.
"""

from dataclasses import replace

import pytest

from doorkey.sessions.store import SessionStore, StoredRecord
from tests.contract.store_samples import NOW, OTHER_USER, SID, THREADS, USER, at_once, record

HOLDS = "compare-and-set"


def test_an_update_replaces_everything_and_counts(store: SessionStore) -> None:
    store.create(record())
    changed = StoredRecord(record().record_id, 0, b"new", NOW + 999, OTHER_USER, SID, b"new summary")
    assert store.update(changed) is True
    assert store.read(changed.record_id) == replace(changed, version=1)
    assert store.list_by_user(USER) == []
    assert store.delete_by_sid(SID) == 1


@pytest.mark.parametrize("version", [pytest.param(0, id="older"), pytest.param(2, id="newer")])
def test_an_update_of_another_version_writes_nothing(store: SessionStore, version: int) -> None:
    store.create(record(version=1))
    assert store.update(replace(record(version=version), sealed=b"lost update", summary=b"lost")) is False
    assert store.read(record().record_id) == record(version=1)


def test_an_update_never_brings_a_deleted_record_back(store: SessionStore) -> None:
    store.create(record(sid=SID))
    assert store.delete(record().record_id) is not None
    assert store.update(record(sid=SID)) is False
    assert store.read(record().record_id) is None
    assert store.list_by_user(USER) == store.list_by_sid(SID) == list(store.all()) == []
    assert store.delete(record().record_id) is None


def test_of_many_threads_with_one_version_one_wins(store: SessionStore) -> None:
    store.create(record())
    results = at_once(lambda n: store.update(replace(record(), sealed=b"by %d" % n)))
    assert sorted(results) == [False] * (THREADS - 1) + [True]
    found = store.read(record().record_id)
    assert found == replace(record(), version=1, sealed=b"by %d" % results.index(True))


def test_many_threads_that_read_again_lose_no_update(store: SessionStore) -> None:
    store.create(replace(record(), sealed=b"0"))

    def count(_: int) -> None:
        while True:
            found = store.read(record().record_id)
            assert found
            if store.update(replace(found, sealed=b"%d" % (int(found.sealed) + 1))):
                return

    at_once(count)
    found = store.read(record().record_id)
    assert found == replace(record(), version=THREADS, sealed=b"%d" % THREADS)


def test_a_record_deleted_among_many_updates_stays_deleted(store: SessionStore) -> None:
    """Whatever was being written at that moment."""
    store.create(record(sid=SID))

    def update_or_delete(number: int) -> bool:
        if number == THREADS // 2:
            return store.delete(record().record_id) is not None
        while found := store.read(record().record_id):
            store.update(replace(found, sealed=b"%d" % number, user_key=OTHER_USER if number % 2 else USER))
        return True

    assert all(at_once(update_or_delete))
    assert store.read(record().record_id) is None
    assert store.list_by_user(USER) == store.list_by_user(OTHER_USER) == store.list_by_sid(SID) == []
    assert list(store.all()) == []


def test_what_was_deleted_comes_back_as_it_was_at_that_moment(store: SessionStore) -> None:
    """Its token may have been renewed since the caller read it, and that one has to be revoked."""
    store.create(record(sid=SID))
    renewed = replace(record(sid=SID), sealed=b"with a newer token", summary=b"s")
    assert store.update(renewed)
    assert store.delete(record().record_id) == replace(renewed, version=1)
