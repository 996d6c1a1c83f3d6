"""Several processes, on one machine or on many, share one store.

Part of the suite that test_session_store.py begins.
"""

import time

from doorkey.sessions.store import SessionStore
from tests.contract.store_places import Places
from tests.contract.store_samples import NOW, SID, USER, record
from tests.contract.stores import OtherProcess, ProcessPool

HOLDS = "several processes"


def test_another_process_sees_every_change_at_once(store: SessionStore, other: OtherProcess) -> None:
    store.create(record())
    assert other.call("read", record().record_id) == tuple(vars(record()).values())
    assert other.call("update", tuple(vars(record()).values())) is True
    assert store.update(record()) is False
    store.delete(record().record_id)
    assert other.call("read", record().record_id) is None


def test_another_process_finds_a_session_and_ends_it(store: SessionStore, other: OtherProcess) -> None:
    """`doorkey sessions` beside a running app, or a provider's logout that another worker got."""
    store.create(record(sid=SID))
    whole = [tuple(vars(record(sid=SID)).values())]
    assert other.call("list_by_user", USER) == other.call("list_by_sid", SID) == other.call("all") == whole
    assert other.call("delete_by_sid", SID) == 1
    assert store.read(record().record_id) is None
    assert store.list_by_user(USER) == []


def test_of_two_processes_one_gets_each_mark(kind: str, where: str, processes: ProcessPool) -> None:
    pair = processes.take(kind, where, 2)
    start = time.time() + 0.05
    for n in range(50):
        for process in pair:
            process.send("mark_once", b"mark %d" % n, now=NOW, ends=NOW + 60, at=start + n * 0.002)
    assert [{process.result() for process in pair} for _ in range(50)] == [{True, False}] * 50


def test_of_four_processes_one_gets_each_lease(kind: str, where: str, processes: ProcessPool) -> None:
    four = processes.take(kind, where, 4)
    start = time.time() + 0.05
    for n in range(20):
        for number, process in enumerate(four):
            owner = b"owner %d" % number
            process.send("acquire_lease", b"%d" % n, owner, now=NOW, ends=NOW + 60, at=start + n * 0.004)
    assert [sorted(process.result() for process in four) for _ in range(20)] == [[False] * 3 + [True]] * 20


def test_of_four_processes_with_one_version_one_wins(kind: str, where: str, processes: ProcessPool) -> None:
    four = processes.take(kind, where, 4)
    four[0].call("create", tuple(vars(record()).values()))
    for version in range(10):
        start = time.time() + 0.01
        for process in four:
            process.send("update", tuple(vars(record(version=version)).values()), at=start)
        assert sorted(process.result() for process in four) == [False] * 3 + [True]


def test_four_processes_may_open_a_new_store_at_once(
    kind: str, where: str, places: Places, processes: ProcessPool
) -> None:
    four = processes.take(kind, where, 4)
    for _ in range(10):
        place, start = places.fresh(kind), time.time() + 0.03
        for process in four:
            process.send("ping", at=start, where=place)
        assert [process.result() for process in four] == [None] * 4
