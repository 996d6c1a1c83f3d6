"""The session store for one machine: one SQLite file in WAL mode, shared by several processes.

Each thread of each process has a connection of its own, opened when it is first needed (so a
fork takes none along). Commits wait for the disk: a logout that was acknowledged stays one after
a power cut. A lock held by somebody else for longer than `BUSY_SECONDS` is `StoreUnavailable`.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doorkey.errors import StoreUnavailable
from doorkey.sessions.store import StoredRecord

BUSY_SECONDS = 0.5
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    record_id BLOB PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB NOT NULL,
    ends REAL NOT NULL, user_key BLOB NOT NULL, sid_key BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_key);
CREATE INDEX IF NOT EXISTS sessions_by_sid ON sessions (sid_key) WHERE sid_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS sessions_by_end ON sessions (ends);
CREATE TABLE IF NOT EXISTS marks (mark BLOB PRIMARY KEY, ends REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS marks_by_end ON marks (ends);
CREATE TABLE IF NOT EXISTS leases (name BLOB PRIMARY KEY, owner BLOB NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
"""
COLUMNS = "record_id, version, sealed, ends, user_key, sid_key"


class SqliteStore:
    """`path` is created with its folder, readable by this user only."""

    def __init__(self, path: Path):
        self._path = path
        self._local = threading.local()

    def create(self, record: StoredRecord) -> None:
        with self._connection() as db:
            db.execute(f"INSERT INTO sessions ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", _row(record))

    def read(self, record_id: bytes) -> StoredRecord | None:
        with self._connection() as db:
            row = db.execute(f"SELECT {COLUMNS} FROM sessions WHERE record_id = ?", (record_id,)).fetchone()
        return StoredRecord(*row) if row else None

    def update(self, record: StoredRecord) -> bool:
        with self._connection() as db:
            done = db.execute(
                "UPDATE sessions SET version = version + 1, sealed = ?, ends = ?, user_key = ?, sid_key = ?"
                " WHERE record_id = ? AND version = ?",
                (record.sealed, record.ends, record.user_key, record.sid_key, record.record_id, record.version),
            )
        return done.rowcount == 1

    def delete(self, record_id: bytes) -> bool:
        return self._delete("record_id = ?", record_id) == 1

    def delete_by_user(self, user_key: bytes) -> int:
        return self._delete("user_key = ?", user_key)

    def delete_by_sid(self, sid_key: bytes) -> int:
        return self._delete("sid_key = ?", sid_key)

    def list_by_user(self, user_key: bytes) -> list[StoredRecord]:
        with self._connection() as db:
            rows = db.execute(f"SELECT {COLUMNS} FROM sessions WHERE user_key = ?", (user_key,)).fetchall()
        return [StoredRecord(*row) for row in rows]

    def mark_once(self, mark: bytes, *, now: float, ends: float) -> bool:
        with self._connection() as db:
            done = db.execute(
                "INSERT INTO marks (mark, ends) VALUES (?, ?)"
                " ON CONFLICT (mark) DO UPDATE SET ends = excluded.ends WHERE marks.ends <= ?",
                (mark, ends, now),
            )
        return done.rowcount == 1

    def acquire_lease(self, name: bytes, owner: bytes, *, now: float, ends: float) -> bool:
        with self._connection() as db:
            done = db.execute(
                "INSERT INTO leases (name, owner, ends) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET owner = excluded.owner, ends = excluded.ends"
                " WHERE leases.ends <= ? OR leases.owner = excluded.owner",
                (name, owner, ends, now),
            )
        return done.rowcount == 1

    def release_lease(self, name: bytes, owner: bytes) -> None:
        with self._connection() as db:
            db.execute("DELETE FROM leases WHERE name = ? AND owner = ?", (name, owner))

    def sweep(self, now: float) -> int:
        with self._connection() as db:
            db.execute("DELETE FROM marks WHERE ends <= ?", (now,))
            db.execute("DELETE FROM leases WHERE ends <= ?", (now,))
        return self._delete("ends <= ?", now)

    def ping(self) -> None:
        """A write that changes nothing: a full disk or a read-only file must show."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("ROLLBACK")

    def _delete(self, condition: str, value: bytes | float) -> int:
        with self._connection() as db:
            return db.execute(f"DELETE FROM sessions WHERE {condition}", (value,)).rowcount

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; whatever SQLite or the file system objects to is `StoreUnavailable`.

        A connection that failed is closed: after a full disk or a replaced file the next call starts afresh.
        """
        try:
            if getattr(self._local, "process", None) != os.getpid():
                self._local.connection = self._connect()
                self._local.process = os.getpid()
            yield self._local.connection
        except (sqlite3.Error, OSError) as error:
            self._forget()
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def _forget(self) -> None:
        if getattr(self._local, "process", None) == os.getpid():
            self._local.connection.close()
        self._local.process = None

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created by us first, because SQLite would ask the umask; -wal and -shm follow its mode.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
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
    for attempt in range(50):
        try:
            db.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if attempt == 49:
                raise
            time.sleep(0.01)
    db.execute("PRAGMA synchronous = FULL")
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == SCHEMA_VERSION:
        return
    if found != 0:
        raise sqlite3.DatabaseError(f"the file has schema {found}; this Doorkey knows {SCHEMA_VERSION}")
    db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


def _row(record: StoredRecord) -> tuple[bytes, int, bytes, float, bytes, bytes | None]:
    return (record.record_id, record.version, record.sealed, record.ends, record.user_key, record.sid_key)
