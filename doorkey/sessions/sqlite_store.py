"""The session store for one machine: one SQLite file in WAL mode, shared by several processes.

Each thread of each process has a connection of its own, opened when it is first needed. SQLite
waits for a lock without queueing, so the writers of one process queue here. Deleting waits for
the disk, so that a logout that was acknowledged stays one after a power cut; other writes
survive the end of the process, and a power cut may cost the last of them (somebody signs in once
more). A lock that others hold for longer than `BUSY_SECONDS` is `StoreUnavailable`. Whatever changed
is counted in a file beside the database, for those who keep records in memory (generations.py).
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from doorkey.errors import StoreUnavailable
from doorkey.paths import make_private_folder
from doorkey.sessions.forks import in_a_fork
from doorkey.sessions.generations import Generations, SharedGenerations
from doorkey.sessions.store import StoredRecord, is_end

BUSY_SECONDS = 0.5
QUEUE_SECONDS = 0.4
"""Together under a second: then a 503 is better than waiting."""
CACHE_KIB = 64
"""Of each thread's connection; the file is in the memory of the system anyway."""

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    record_id BLOB PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB NOT NULL,
    ends REAL NOT NULL, user_key BLOB NOT NULL, sid_key BLOB, summary BLOB NOT NULL DEFAULT x''
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_key);
CREATE INDEX IF NOT EXISTS sessions_by_sid ON sessions (sid_key) WHERE sid_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS sessions_by_end ON sessions (ends);
CREATE TABLE IF NOT EXISTS marks (mark BLOB PRIMARY KEY, ends REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS marks_by_end ON marks (ends);
CREATE TABLE IF NOT EXISTS leases (name BLOB PRIMARY KEY, owner BLOB NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
"""
FROM_1 = "ALTER TABLE sessions ADD COLUMN summary BLOB NOT NULL DEFAULT x'';"
COLUMNS = "record_id, version, sealed, ends, user_key, sid_key, summary"
PAGE = 500


class SqliteStore:
    """`path` is created with its folder, readable by this user only."""

    def __init__(self, path: Path):
        self._path = path
        self._generations = SharedGenerations(path.with_name(path.name + "-generations"))
        self._start_afresh()
        in_a_fork(self._start_afresh)

    def _start_afresh(self) -> None:
        """For this process: after a fork, inherited connections are kept, and neither used nor closed."""
        self._inherited = getattr(self, "_local", None)
        self._local = threading.local()
        self._queue = threading.Lock()

    def create(self, record: StoredRecord) -> None:
        with self._writing() as db:
            db.execute(f"INSERT INTO sessions ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", _row(record))

    def read(self, record_id: bytes) -> StoredRecord | None:
        with self._connection() as db:
            row = db.execute(f"SELECT {COLUMNS} FROM sessions WHERE record_id = ?", (record_id,)).fetchone()
        return _record(row) if row else None

    def update(self, record: StoredRecord) -> bool:
        with self._writing() as db:
            done = db.execute(
                "UPDATE sessions SET version = version + 1,"
                " sealed = ?, ends = ?, user_key = ?, sid_key = ?, summary = ? WHERE record_id = ? AND version = ?",
                (*_row(record)[2:], record.record_id, record.version),
            )
            if done.rowcount == 1:
                self._generations.count([record.record_id])
        return done.rowcount == 1

    def delete(self, record_id: bytes) -> StoredRecord | None:
        with self._writing() as db:
            db.execute("BEGIN IMMEDIATE")
            row = db.execute(f"SELECT {COLUMNS} FROM sessions WHERE record_id = ?", (record_id,)).fetchone()
            db.execute("DELETE FROM sessions WHERE record_id = ?", (record_id,))
            db.execute("COMMIT")
            self._generations.count([record_id])
        if row is None:
            return None
        self._wait_for_disk()
        return _record(row)

    def delete_by_user(self, user_key: bytes) -> int:
        return self._delete("user_key = ?", user_key)

    def delete_by_sid(self, sid_key: bytes) -> int:
        return self._delete("sid_key = ?", sid_key)

    def list_by_user(self, user_key: bytes) -> list[StoredRecord]:
        return self._select("user_key = ?", user_key)

    def list_by_sid(self, sid_key: bytes) -> list[StoredRecord]:
        return self._select("sid_key = ?", sid_key)

    def all(self) -> Iterator[StoredRecord]:
        page = self._select("record_id > ? ORDER BY record_id LIMIT ?", b"", PAGE)
        while page:
            yield from page
            page = self._select("record_id > ? ORDER BY record_id LIMIT ?", page[-1].record_id, PAGE)

    def mark_once(self, mark: bytes, *, now: float, ends: float) -> bool:
        with self._writing() as db:
            done = db.execute(
                "INSERT INTO marks (mark, ends) VALUES (?, ?)"
                " ON CONFLICT (mark) DO UPDATE SET ends = excluded.ends WHERE marks.ends <= ?",
                (mark, ends, now),
            )
        return done.rowcount == 1

    def is_marked(self, mark: bytes, *, now: float) -> bool:
        with self._connection() as db:
            return db.execute("SELECT 1 FROM marks WHERE mark = ? AND ends > ?", (mark, now)).fetchone() is not None

    def acquire_lease(self, name: bytes, owner: bytes, *, now: float, ends: float) -> bool:
        with self._writing() as db:
            done = db.execute(
                "INSERT INTO leases (name, owner, ends) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET owner = excluded.owner, ends = excluded.ends"
                " WHERE leases.ends <= ? OR leases.ends > ? OR leases.owner = excluded.owner",
                (name, owner, ends, now, ends + (ends - now)),
            )
        return done.rowcount == 1

    def release_lease(self, name: bytes, owner: bytes) -> None:
        with self._writing() as db:
            db.execute("DELETE FROM leases WHERE name = ? AND owner = ?", (name, owner))

    def sweep(self, now: float, *, most: int = 1000) -> int:
        largest = 0
        for table, key in (("marks", "mark"), ("leases", "name"), ("sessions", "record_id")):
            ended = f"SELECT {key} FROM {table} WHERE ends <= ? LIMIT ?"
            with self._writing() as db:
                swept = db.execute(f"DELETE FROM {table} WHERE {key} IN ({ended}) RETURNING {key}", (now, most))
                keys = [found for (found,) in swept.fetchall()]
                if table == "sessions":
                    self._generations.count(keys)
            largest = max(largest, len(keys))
        return largest

    def ping(self) -> None:
        """A write that is committed and means nothing: a full disk or a read-only file must show."""
        self.mark_once(b"ping", now=1, ends=0)

    def concerns(self) -> list[str]:
        return []

    def changes(self) -> Generations:
        return self._generations

    def _select(self, condition: str, *values: bytes | int) -> list[StoredRecord]:
        with self._connection() as db:
            rows = db.execute(f"SELECT {COLUMNS} FROM sessions WHERE {condition}", values).fetchall()
        return [_record(row) for row in rows]

    def _delete(self, condition: str, value: bytes | float) -> int:
        with self._writing() as db:
            rows = db.execute(f"DELETE FROM sessions WHERE {condition} RETURNING record_id", (value,)).fetchall()
            self._generations.count(record_id for (record_id,) in rows)
        if rows:
            self._wait_for_disk()
        return len(rows)

    def _wait_for_disk(self) -> None:
        """What was committed is in the log file; SQLite takes no locks on that one, so we may open it."""
        try:
            log = os.open(f"{self._path}-wal", os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)
        except FileNotFoundError:
            """Another process closed the database meanwhile, and wrote everything into it."""
        except OSError as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, when it is its turn to write and what it changes can be counted."""
        with self._connection() as db:
            self._generations.open()
            if not self._queue.acquire(timeout=QUEUE_SECONDS):
                raise StoreUnavailable("too many writers are waiting")
            try:
                yield db
            finally:
                self._queue.release()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; whatever SQLite or the file system objects to is `StoreUnavailable`.

        A connection that failed is closed: after a full disk or a replaced file the next call starts afresh.
        """
        try:
            if getattr(self._local, "connection", None) is None or self._file() != self._local.file:
                self._forget()
                self._local.connection = self._connect()
                self._local.file = self._file()
            yield self._local.connection
        except (sqlite3.Error, OSError) as error:
            self._forget()
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def _file(self) -> tuple[int, int] | None:
        """Which file the path names now: a connection to one that was deleted would go on for itself."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _forget(self) -> None:
        connection, self._local.connection = getattr(self._local, "connection", None), None
        if connection is not None:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        make_private_folder(self._path.parent)
        # Created by us first, because SQLite would ask the umask; -wal and -shm follow its mode. Never
        # opened again: closing a file that is in use drops the locks of all its connections.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        db = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            _prepare(db)
        except BaseException:
            db.close()
            raise
        return db


def _prepare(db: sqlite3.Connection) -> None:
    """Set the connection up and make the tables once.

    Switching to WAL needs the file for itself for a moment and does not wait for a lock, so
    several processes that start together try again.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == SCHEMA_VERSION:
        return
    if found > SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"the file has schema {found}; this Doorkey knows {SCHEMA_VERSION}")
    _bring_up(db)


def _bring_up(db: sqlite3.Connection) -> None:
    """Make the tables, or change those of an older Doorkey, once: another process may be at it too."""
    db.execute("BEGIN IMMEDIATE")
    try:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found < SCHEMA_VERSION:
            for statement in (FROM_1 if found == 1 else SCHEMA).split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _row(record: StoredRecord) -> tuple[bytes, int, bytes, float, bytes, bytes | None, bytes]:
    """In the order of `COLUMNS`."""
    return (
        record.record_id,
        record.version,
        record.sealed,
        record.ends,
        record.user_key,
        record.sid_key,
        record.summary,
    )


def _record(row: tuple[Any, ...]) -> StoredRecord:
    """SQLite keeps any type in any column; what is not bytes was not sealed by us, and opens as nothing."""
    record_id, version, sealed, ends, user_key, sid_key, summary = row
    sealed, summary = (blob if isinstance(blob, bytes) else b"" for blob in (sealed, summary))
    if not isinstance(ends, (int, float)) or not is_end(ends):
        return StoredRecord(record_id, 0, b"", 0.0, user_key)
    return StoredRecord(record_id, version, sealed, ends, user_key, sid_key, summary)
