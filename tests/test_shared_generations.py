"""The counters of one machine (sessions/generations.py), and the store that moves them (sessions/sqlite_store.py).

What is kept by them: gate/test_lookup.py.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doorkey.gate.lookup import Lookup
from doorkey.sessions.generations import SLOTS, SharedGenerations, slot_of
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import StoredRecord
from tests.contract.store_samples import NOW, SID, USER, record
from tests.gate.test_lookup import ALICE, BOB, keep
from tests.support.servers import ROOT


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "counters"


def opened(table: Path) -> SharedGenerations:
    generations = SharedGenerations(table)
    generations.look()
    assert generations.trusted
    return generations


def test_all_processes_see_what_one_counts(table: Path) -> None:
    one, other = opened(table), opened(table)
    before = other.counters.tobytes()
    one.count([ALICE, record().record_id])
    moved = [
        slot for slot, (a, b) in enumerate(zip(other.counters, memoryview(before).cast("I"), strict=True)) if a != b
    ]
    assert moved == sorted({slot_of(ALICE), slot_of(record().record_id)})


def test_a_system_that_reserves_no_space_has_counters_too(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS; and whoever comes second changes nothing."""
    monkeypatch.delattr(os, "posix_fallocate")
    first, second = SharedGenerations(table), SharedGenerations(table)
    first.count([b"\1" * 32])
    before = first.counters[slot_of(b"\1" * 32)]
    second.look()
    assert second.trusted
    assert second.counters[slot_of(b"\1" * 32)] == before != 0


def test_the_file_is_ours_alone_and_its_space_is_reserved(table: Path) -> None:
    opened(table)
    found = os.stat(table)
    assert (found.st_mode & 0o777, table.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert found.st_size == 4 * SLOTS <= found.st_blocks * 512


@pytest.mark.parametrize("how", ["deleted", "replaced", "restored"])
def test_a_file_that_is_another_one_is_found_at_the_next_look_and_by_writers_at_once(table: Path, how: str) -> None:
    reader, writer = opened(table), opened(table)
    lookup = Lookup(reader)
    kept = keep(lookup, ALICE)
    assert lookup.find(ALICE, NOW) is kept
    content = table.read_bytes()
    if how == "deleted":
        table.unlink()
    else:
        fresh = table.with_suffix(".new")
        fresh.write_bytes(content if how == "restored" else bytes(len(content)))
        fresh.replace(table)
    writer.count([BOB])
    assert lookup.find(ALICE, NOW + 1) is None
    assert keep(lookup, BOB) is lookup.find(BOB, NOW)
    writer.count([BOB])
    assert lookup.find(BOB, NOW) is None


@pytest.mark.parametrize("trouble", ["disk full", "no folder"])
def test_counters_that_cannot_be_had_are_not_trusted_until_they_can(
    table: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generations = opened(table)
    table.unlink()
    with monkeypatch.context() as patch:
        if trouble == "disk full":
            patch.setattr(os, "posix_fallocate", no_space)
        else:
            table.parent.rmdir()
            table.parent.write_text("a file")
        generations.look()
        assert not generations.trusted
        with pytest.raises(OSError, match="space" if trouble == "disk full" else "directory"):
            generations.count([ALICE])
    if trouble == "no folder":
        table.parent.unlink()
    generations.look()
    assert generations.trusted


def no_space(handle: int, offset: int, size: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class Interrupted:
    """Counters of a process that is stopped as soon as it looks at one, or moves it, until `meanwhile` is done."""

    def __init__(self, counters: Any, meanwhile: Callable[[], object]):
        self._counters, self._meanwhile = counters, [meanwhile]

    def _stand_still(self) -> None:
        while self._meanwhile:
            self._meanwhile.pop()()

    def __getitem__(self, slot: int) -> int:
        found: int = self._counters[slot]
        self._stand_still()
        return found

    def __setitem__(self, slot: int, value: int) -> None:
        self._stand_still()
        self._counters[slot] = value


def test_a_writer_that_is_slow_to_count_puts_no_counter_back(table: Path) -> None:
    """Two changes by others meanwhile, and somebody read between them."""
    slow, other, lookup = opened(table), opened(table), Lookup(opened(table))

    def meanwhile() -> None:
        other.count([ALICE])
        keep(lookup, ALICE)
        assert lookup.find(ALICE, NOW)
        other.count([ALICE])
        assert lookup.find(ALICE, NOW) is None

    slow.counters = Interrupted(slow.counters, meanwhile)  # type: ignore[assignment]
    slow.count([ALICE])
    assert lookup.find(ALICE, NOW) is None


IN_A_FORK = """
import os, signal, sys
from pathlib import Path
from tests.gate.test_lookup import ALICE, BOB, keep
from tests.test_shared_generations import opened
from tests.contract.store_samples import NOW
from doorkey.gate.lookup import Lookup

generations = opened(Path(sys.argv[1]))
lookup = Lookup(generations)
keep(lookup, ALICE), keep(lookup, BOB)
lookup._guard.acquire()  # as by a thread that is not in the fork
child = os.fork()
if child:
    lookup._guard.release()
else:
    signal.alarm(20)
    generations.count([ALICE])
    assert not lookup.find(ALICE, NOW)
    assert lookup.find(BOB, NOW)
    os.write(1, b"counted\\n")
    keep(lookup, ALICE)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert not lookup.find(ALICE, NOW)
assert lookup.find(BOB, NOW)
print("both saw it")
"""


def test_a_fork_counts_on_the_same_counters_and_keeps_for_itself(table: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", IN_A_FORK, str(table)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (found.stdout, found.returncode) == ("counted\nboth saw it\n", 0), found.stderr


# ---- who counts ----

CHANGES: dict[str, Callable[[SqliteStore], object]] = {
    "update": lambda store: store.update(record(sid=SID)),
    "delete": lambda store: store.delete(record().record_id),
    "delete by user": lambda store: store.delete_by_user(USER),
    "delete by sid": lambda store: store.delete_by_sid(SID),
    "sweep": lambda store: store.sweep(NOW + 3600),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_store_counts_what_it_changed_and_has_changed_it_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    store, other = SqliteStore(tmp_path / "s.sqlite3"), SqliteStore(tmp_path / "s.sqlite3")
    store.create(record(sid=SID))
    before, count = other.read(record().record_id), SharedGenerations.count
    seen: list[tuple[bytes, StoredRecord | None]] = []

    def looked_at(generations: SharedGenerations, record_ids: Any) -> None:
        ids = list(record_ids)
        seen.extend((record_id, other.read(record_id)) for record_id in ids)
        count(generations, ids)

    monkeypatch.setattr(SharedGenerations, "count", looked_at)
    CHANGES[change](store)
    after = other.read(record().record_id)
    assert after != before
    assert seen == [(record().record_id, after)]
