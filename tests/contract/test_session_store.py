"""What every session store must do: atomic parts, honest failures (sessions/store.py).

One suite for all implementations; a new one is a row in stores.py and in `where`.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from doorkey.sessions.store import SessionStore, StoredRecord
from tests.contract.stores import STORES, OtherProcess

THREADS = 20
NOW = 1_800_000_000.0
USER, OTHER_USER, SID = b"u" * 32, b"o" * 32, b"s" * 32


def record(name: str = "a", *, version: int = 0, user: bytes = USER, sid: bytes | None = None) -> StoredRecord:
    return StoredRecord(
        name.encode().ljust(32, b"."), version, b"sealed \x00\xff " + name.encode(), NOW + 60, user, sid
    )


@pytest.fixture(params=list(STORES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def where(kind: str, tmp_path: Path) -> str:
    return str({"sqlite": tmp_path / "new folder" / "sessions.sqlite3"}[kind])


@pytest.fixture
def store(kind: str, where: str) -> SessionStore:
    return STORES[kind](where)


@pytest.fixture
def other(kind: str, where: str) -> Iterator[OtherProcess]:
    process = OtherProcess(kind, where)
    yield process
    process.close()


def at_once(call: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """The results of `call` in many threads that start together."""
    barrier = Barrier(threads)

    def wait_and_call(number: int) -> Any:
        barrier.wait(10)
        return call(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_call, range(threads)))


def test_a_record_comes_back_as_it_was(store: SessionStore) -> None:
    for stored in (record("a", sid=SID), record("b"), record("c", version=7)):
        store.create(stored)
        assert store.read(stored.record_id) == stored


def test_an_unknown_record_is_none(store: SessionStore) -> None:
    assert store.read(b"unheard") is None
    assert store.delete(b"unheard") is False


def test_an_ended_record_is_still_read_because_the_caller_decides(store: SessionStore) -> None:
    ended = replace(record(), ends=NOW - 1)
    store.create(ended)
    assert store.read(ended.record_id) == ended


def test_an_update_replaces_everything_and_counts(store: SessionStore) -> None:
    store.create(record())
    changed = StoredRecord(record().record_id, 0, b"new", NOW + 999, OTHER_USER, SID)
    assert store.update(changed) is True
    assert store.read(changed.record_id) == replace(changed, version=1)
    assert store.list_by_user(USER) == []
    assert store.delete_by_sid(SID) == 1


@pytest.mark.parametrize("version", [pytest.param(0, id="older"), pytest.param(2, id="newer")])
def test_an_update_of_another_version_writes_nothing(store: SessionStore, version: int) -> None:
    store.create(record(version=1))
    assert store.update(replace(record(version=version), sealed=b"lost update")) is False
    assert store.read(record().record_id) == record(version=1)


def test_an_update_never_brings_a_deleted_record_back(store: SessionStore) -> None:
    store.create(record())
    assert store.delete(record().record_id) is True
    assert store.update(record()) is False
    assert store.read(record().record_id) is None
    assert store.delete(record().record_id) is False


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


def test_records_are_found_and_deleted_by_user(store: SessionStore) -> None:
    for name, user in (("a", USER), ("b", USER), ("c", OTHER_USER)):
        store.create(record(name, user=user))
    assert {found.record_id for found in store.list_by_user(USER)} == {record("a").record_id, record("b").record_id}
    assert store.delete_by_user(USER) == 2
    assert store.delete_by_user(USER) == 0
    assert store.list_by_user(USER) == []
    assert store.read(record("c").record_id) is not None


def test_records_are_deleted_by_the_providers_session(store: SessionStore) -> None:
    for name, sid in (("a", SID), ("b", b"t" * 32), ("c", None)):
        store.create(record(name, sid=sid))
    assert store.delete_by_sid(SID) == 1
    assert [store.read(record(name).record_id) is None for name in "abc"] == [True, False, False]


def test_a_mark_is_given_once_until_its_end(store: SessionStore) -> None:
    assert store.mark_once(b"m", now=NOW, ends=NOW + 60) is True
    assert store.mark_once(b"m", now=NOW, ends=NOW + 60) is False
    assert store.mark_once(b"m", now=NOW + 59.9, ends=NOW + 999) is False
    assert store.mark_once(b"other", now=NOW, ends=NOW + 60) is True
    assert store.mark_once(b"m", now=NOW + 60, ends=NOW + 120) is True
    assert store.mark_once(b"m", now=NOW + 119, ends=NOW + 999) is False


def test_a_refused_mark_does_not_lengthen_the_first(store: SessionStore) -> None:
    store.mark_once(b"m", now=NOW, ends=NOW + 10)
    store.mark_once(b"m", now=NOW + 9, ends=NOW + 1000)
    assert store.mark_once(b"m", now=NOW + 10, ends=NOW + 20) is True


def test_of_many_threads_one_gets_the_mark(store: SessionStore) -> None:
    results = at_once(lambda _: store.mark_once(b"m", now=NOW, ends=NOW + 60))
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


def test_of_two_processes_one_gets_each_mark(kind: str, where: str, other: OtherProcess) -> None:
    second = OtherProcess(kind, where)
    try:
        for process in (other, second):
            assert process.call("ping") is None
        start = time.time() + 0.05
        for n in range(50):
            for process in (other, second):
                process.send("mark_once", b"mark %d" % n, now=NOW, ends=NOW + 60, at=start + n * 0.002)
        pairs = [{other.result(), second.result()} for _ in range(50)]
    finally:
        second.close()
    assert pairs == [{True, False}] * 50


def test_a_lease_has_one_owner(store: SessionStore) -> None:
    assert store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10) is True
    assert store.acquire_lease(b"l", b"two", now=NOW + 9, ends=NOW + 19) is False
    assert store.acquire_lease(b"other", b"two", now=NOW, ends=NOW + 10) is True


def test_a_lease_is_renewed_by_its_owner(store: SessionStore) -> None:
    store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10)
    assert store.acquire_lease(b"l", b"one", now=NOW + 9, ends=NOW + 19) is True
    assert store.acquire_lease(b"l", b"two", now=NOW + 18, ends=NOW + 28) is False


def test_an_expired_lease_may_be_taken_and_its_old_owner_is_out(store: SessionStore) -> None:
    store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10)
    assert store.acquire_lease(b"l", b"two", now=NOW + 10, ends=NOW + 20) is True
    assert store.acquire_lease(b"l", b"one", now=NOW + 11, ends=NOW + 21) is False


def test_a_lease_is_released_by_its_owner_only(store: SessionStore) -> None:
    store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10)
    store.release_lease(b"l", b"two")
    assert store.acquire_lease(b"l", b"two", now=NOW + 1, ends=NOW + 11) is False
    store.release_lease(b"l", b"one")
    store.release_lease(b"l", b"one")
    assert store.acquire_lease(b"l", b"two", now=NOW + 1, ends=NOW + 11) is True


def test_of_many_threads_one_gets_the_lease(store: SessionStore) -> None:
    results = at_once(lambda n: store.acquire_lease(b"l", b"owner %d" % n, now=NOW, ends=NOW + 60))
    assert sorted(results) == [False] * (THREADS - 1) + [True]


def test_a_sweep_takes_what_ended_and_nothing_else(store: SessionStore) -> None:
    store.create(replace(record("a"), ends=NOW - 1))
    store.create(replace(record("b"), ends=NOW + 1))
    store.mark_once(b"live", now=NOW, ends=NOW + 10)
    store.acquire_lease(b"live", b"one", now=NOW, ends=NOW + 10)
    assert store.sweep(NOW) == 1
    assert store.sweep(NOW) == 0
    assert [store.read(record(name).record_id) is None for name in "ab"] == [True, False]
    assert store.mark_once(b"live", now=NOW, ends=NOW + 10) is False
    assert store.acquire_lease(b"live", b"two", now=NOW, ends=NOW + 10) is False


def test_a_ping_of_a_healthy_store_changes_nothing(store: SessionStore) -> None:
    store.ping()
    store.create(record())
    store.ping()
    assert store.read(record().record_id) == record()


def test_another_process_sees_every_change_at_once(store: SessionStore, other: OtherProcess) -> None:
    store.create(record())
    assert other.call("read", record().record_id) == tuple(vars(record()).values())
    assert other.call("update", tuple(vars(record()).values())) is True
    assert store.update(record()) is False
    store.delete(record().record_id)
    assert other.call("read", record().record_id) is None


def test_four_processes_may_open_a_new_store_at_once(kind: str, tmp_path: Path) -> None:
    processes = [OtherProcess(kind, str(tmp_path / "first")) for _ in range(4)]
    try:
        for process in processes:
            assert process.call("ping") is None
        for n in range(10):
            place, start = str(tmp_path / f"new-{n}" / "store"), time.time() + 0.03
            for process in processes:
                process.send("ping", at=start, where=place)
            assert [process.result() for process in processes] == [None] * 4
    finally:
        for process in processes:
            process.close()
