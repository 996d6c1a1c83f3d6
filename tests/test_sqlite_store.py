"""What only the SQLite store can meet: locks of others, odd files, forks, modes (sessions/sqlite_store.py)."""

import gc
import multiprocessing
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from doorkey.errors import StoreUnavailable
from doorkey.sessions import sqlite_store
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import StoredRecord
from tests.contract.stores import OtherProcess

NOW = 1_800_000_000.0
COUNT = "SELECT count(*) FROM sessions"
RECORD = StoredRecord(b"r" * 32, 0, b"sealed", NOW, b"u" * 32)
IN_TIME = sqlite_store.BUSY_SECONDS + 0.5
"""How long a call may take while somebody else holds the file."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


@pytest.fixture
def store(path: Path) -> SqliteStore:
    return SqliteStore(path)


@pytest.fixture
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """The file in somebody else's EXCLUSIVE transaction; a lock is a lock of the connection, not of the process."""
    SqliteStore(path).ping()
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN EXCLUSIVE")
        yield blocker


def fails_in_time(call: object) -> None:
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        call()  # type: ignore[operator]
    assert time.monotonic() - started < IN_TIME


def test_a_file_that_stays_locked_is_unavailable_within_a_second_and_fine_after(
    store: SqliteStore, locked: sqlite3.Connection
) -> None:
    for _ in range(2):
        fails_in_time(lambda: store.create(RECORD))
        fails_in_time(store.ping)
    locked.execute("ROLLBACK")
    store.create(RECORD)
    assert store.read(RECORD.record_id) == RECORD


def test_reading_goes_on_while_another_writes(store: SqliteStore, locked: sqlite3.Connection) -> None:
    assert store.read(RECORD.record_id) is None


def test_a_lock_that_is_soon_given_back_is_waited_for(store: SqliteStore, path: Path) -> None:
    store.ping()
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold_for, args=(path, 0.15, ready))
    holder.start()
    assert ready.wait(20)
    store.create(RECORD)
    holder.join()


def _hold_for(path: Path, seconds: float, ready: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        ready.set()  # type: ignore[attr-defined]
        time.sleep(seconds)
        db.execute("ROLLBACK")


def test_a_new_file_that_another_holds_is_unavailable_within_a_second(store: SqliteStore, path: Path) -> None:
    """Not yet in WAL mode, so even reading needs the lock: a backup tool, or a copy in progress."""
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("CREATE TABLE other (x)")
        blocker.execute("BEGIN EXCLUSIVE")
        fails_in_time(store.ping)
        blocker.execute("ROLLBACK")
    store.ping()


def test_a_file_held_in_exclusive_locking_mode_is_unavailable_within_a_second(store: SqliteStore, path: Path) -> None:
    SqliteStore(path).ping()
    gc.collect()  # sqlite3 keeps a connection in a reference cycle; it has to be gone
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
        blocker.execute("BEGIN EXCLUSIVE")
        blocker.execute("COMMIT")
        fails_in_time(lambda: store.read(RECORD.record_id))
    assert store.read(RECORD.record_id) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"not a database at all, but long enough to have a header of a hundred bytes" * 3, id="text"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 4096, id="right beginning, rubbish behind"),
    ],
)
def test_a_garbage_file_is_unavailable_and_left_alone(store: SqliteStore, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for call in (store.ping, lambda: store.read(b"r"), lambda: store.create(RECORD)):
        with pytest.raises(StoreUnavailable):
            call()
    assert path.read_bytes() == content


def test_a_file_of_a_newer_doorkey_is_unavailable(store: SqliteStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {sqlite_store.SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnavailable, match="schema"):
        store.ping()


def test_a_folder_in_place_of_the_file_is_unavailable(store: SqliteStore, path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreUnavailable):
        store.ping()


def test_a_damaged_page_is_unavailable_and_not_nothing(store: SqliteStore, path: Path) -> None:
    store.create(RECORD)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreUnavailable):
        SqliteStore(path).read(RECORD.record_id)


def test_a_read_only_file_is_unavailable_for_those_who_may_not_write() -> None:
    """Root may write to anything, so a child without rights tries."""
    with tempfile.TemporaryDirectory(prefix="doorkey-test-") as folder:
        path = Path(folder) / "sessions.sqlite3"
        SqliteStore(path).ping()
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_ping_without_rights, (path,)) == "StoreUnavailable"
        Path(folder).chmod(0o755)


def _ping_without_rights(path: Path) -> str:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        SqliteStore(path).ping()
    except Exception as error:
        return type(error).__name__
    return "written"


def test_file_and_folder_are_for_this_user_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "instance" / "sessions.sqlite3")
        store.create(RECORD)
    finally:
        os.umask(before)
    folder = tmp_path / "instance"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {found.name: found.stat().st_mode & 0o777 for found in folder.iterdir()} == dict.fromkeys(
        ("sessions.sqlite3", "sessions.sqlite3-wal", "sessions.sqlite3-shm", "sessions.sqlite3-generations"), 384
    )


def test_after_a_fork_the_child_has_a_connection_of_its_own(store: SqliteStore, path: Path) -> None:
    store.create(RECORD)
    with store._connection() as inherited:
        child = os.fork()
    if child == 0:  # no assert here: an exception would go on into pytest twice
        try:
            with store._connection() as own:
                seen = own is not inherited and store.read(RECORD.record_id) == RECORD
            store.create(StoredRecord(b"c" * 32, 0, b"by the child", NOW, b"u" * 32))
            os._exit(0 if seen else 3)
        except BaseException:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.create(StoredRecord(b"p" * 32, 0, b"by the parent", NOW, b"u" * 32))
    assert {found.sealed for found in store.list_by_user(b"u" * 32)} == {b"sealed", b"by the child", b"by the parent"}
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_acknowledged_sign_out_waits_for_the_disk(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit of WAL mode survives a power cut once the log file was flushed after it."""
    store.create(RECORD)
    flushed: list[tuple[str, int]] = []

    def spy(descriptor: int) -> None:
        with closing(sqlite3.connect(path)) as db:
            flushed.append((os.readlink(f"/proc/self/fd/{descriptor}"), db.execute(COUNT).fetchone()[0]))

    monkeypatch.setattr(os, "fsync", spy)
    assert store.delete(RECORD.record_id)
    assert flushed == [(f"{path}-wal", 0)]


def test_a_deleted_file_is_made_again_once_it_was_noticed(store: SqliteStore, path: Path) -> None:
    store.create(RECORD)
    for found in path.parent.glob("sessions.sqlite3*"):
        found.unlink()
    fresh = SqliteStore(path)
    assert fresh.read(RECORD.record_id) is None
    fresh.create(RECORD)


def test_nobody_goes_on_with_a_file_that_was_deleted(store: SqliteStore, path: Path) -> None:
    """Two connections must never see two different stores."""
    store.create(RECORD)
    path.unlink()
    other = SqliteStore(path)
    assert other.read(RECORD.record_id) is None
    assert store.read(RECORD.record_id) is None
    other.create(RECORD)
    assert store.read(RECORD.record_id) == RECORD


SCHEMA_1 = """
CREATE TABLE sessions (
    record_id BLOB PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB NOT NULL,
    ends REAL NOT NULL, user_key BLOB NOT NULL, sid_key BLOB
) WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_key);
CREATE INDEX sessions_by_sid ON sessions (sid_key) WHERE sid_key IS NOT NULL;
CREATE INDEX sessions_by_end ON sessions (ends);
CREATE TABLE marks (mark BLOB PRIMARY KEY, ends REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX marks_by_end ON marks (ends);
CREATE TABLE leases (name BLOB PRIMARY KEY, owner BLOB NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


def make_schema_1(path: Path, records: int) -> list[StoredRecord]:
    """A file as the first version of Doorkey wrote it, with some sessions, a mark and a lease."""
    made = [
        StoredRecord(b"%032d" % n, n, b"sealed", NOW, b"u" * 32, b"s" * 32 if n % 2 else None) for n in range(records)
    ]
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA_1)
        rows = [tuple(vars(one).values())[:-1] for one in made]
        db.executemany("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.execute("INSERT INTO marks VALUES (?, ?)", (b"m", NOW))
        db.execute("INSERT INTO leases VALUES (?, ?, ?)", (b"l", b"one", NOW))
        db.commit()
    return made


def test_a_file_of_the_first_version_keeps_its_sessions(store: SqliteStore, path: Path) -> None:
    made = make_schema_1(path, 9)
    assert list(store.all()) == store.list_by_user(b"u" * 32) == made
    assert store.list_by_sid(b"s" * 32) == made[1::2]
    assert store.mark_once(b"m", now=NOW - 1, ends=NOW + 9) is False
    assert store.acquire_lease(b"l", b"two", now=NOW - 1, ends=NOW + 9) is False
    assert store.update(replace(made[0], summary=b"summary")) is True
    assert SqliteStore(path).read(made[0].record_id) == replace(made[0], summary=b"summary", version=1)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == sqlite_store.SCHEMA_VERSION
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_upgraded_file_is_made_like_a_new_one(path: Path, tmp_path: Path) -> None:
    make_schema_1(path, 0)
    new = tmp_path / "new.sqlite3"
    described = []
    for place in (path, new):
        SqliteStore(place).ping()
        with closing(sqlite3.connect(place)) as db:
            names = [row[0] for row in db.execute("SELECT name FROM sqlite_schema ORDER BY name")]
            described.append((names, db.execute("PRAGMA table_info(sessions)").fetchall()))
    assert described[0] == described[1]


def test_four_processes_may_upgrade_a_file_at_once(tmp_path: Path) -> None:
    """As after an update, when all workers start together."""
    processes = [OtherProcess("sqlite", str(tmp_path / "first")) for _ in range(4)]
    try:
        for process in processes:
            assert process.call("ping") is None
        for n in range(10):
            path = tmp_path / f"old-{n}.sqlite3"
            made = [tuple(vars(one).values()) for one in make_schema_1(path, 50)]
            start = time.time() + 0.03
            for process in processes:
                process.send("all", at=start, where=str(path))
            assert [process.result() for process in processes] == [made] * 4
    finally:
        for process in processes:
            process.close()


def test_an_upgrade_that_was_cut_short_is_made_once_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed half-way: all of it is there, or nothing."""
    made = make_schema_1(path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_store, "FROM_1", sqlite_store.FROM_1 + "SELECT no_such_function();")
        with pytest.raises(StoreUnavailable, match="no_such_function"):
            SqliteStore(path).ping()
    assert list(SqliteStore(path).all()) == made
