"""Session records by the hundred thousand, made with Doorkey's own code and put straight into both stores.

    seed(Stores({1_000_000: path}, {1_000_000: redis_port}), 1_000_000)

Two processes seal records, in the order of their ids, so that SQLite only appends. Each puts its own into Redis with
the store's own scripts; the parent puts all into SQLite, whose indexes are made at the end. A smaller store
gets every n-th record. A record is about 1.3 kB: e-mail, name, 7 groups, tokens.
"""

import hashlib
import multiprocessing
import os
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis

from benchmarks.doorkeys import DOMAIN_COOKIE, PROVIDER, SECRET_KEY
from benchmarks.measuring import say
from doorkey.base64url import encode
from doorkey.clock import system_random
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions import redis_scripts, redis_store, sqlite_store
from doorkey.sessions.ids import SessionIds
from doorkey.sessions.lifecycle import Sessions
from doorkey.sessions.record import Record
from doorkey.sessions.seal import Keyring
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import StoredRecord
from doorkey.setting_stores import session_store

IDLE, ABSOLUTE = 3600, 43200
CHUNK = 2000
PIPELINE = 500
PROCESSES = 2
GROUPS = ("admins", "ops", *(f"team-{number}" for number in range(5)))
Row = tuple[bytes, int, bytes, float, bytes, bytes | None, bytes]


@dataclass(frozen=True)
class Stores:
    """Where the records go: SQLite files and Redis ports by how many sessions they hold."""

    files: Mapping[int, Path]
    ports: Mapping[int, int]


def session_secret(number: int) -> bytes:
    """The cookie's secret of session `number`: the same in every process, and no two alike."""
    return hashlib.sha256(b"benchmark session %d" % number).digest()


def cookie(number: int) -> str:
    return f"{DOMAIN_COOKIE}={encode(SessionIds.of(session_secret(number)).gate_secret)}"


def cookies(held: int, wanted: int, total: int) -> list[str]:
    """`wanted` different sessions of the store that holds `held` of `total`, from everywhere in it, in no order."""
    step = total // held
    chosen = random.Random(held).sample(range(held), min(wanted, held))
    return [cookie(number * step) for number in chosen]


def record(number: int, now: float) -> Record:
    """Somebody with e-mail, name, 7 groups and tokens of a usual length, whom the gate has let through just now."""
    identity = Identity(
        provider=PROVIDER,
        sub=f"user-{number}",
        name=f"Person Number {number}",
        email=f"person.{number}@example.com",
        groups=GROUPS,
        claims={"email_verified": True, "department": "research", "preferred_username": f"person{number}"},
    )
    filling = hashlib.sha256(b"token %d" % number).hexdigest()
    token = Token(
        access_token=filling * 10,
        received_at=now,
        expires_at=now + ABSOLUTE,
        scope_asked=("openid", "profile", "email"),
        scope_granted=("openid", "profile", "email"),
        scope_confirmed=True,
        refresh_token=filling,
    )
    return Record(identity, token, now, now, now, now + IDLE, now + ABSOLUTE, label="Firefox, Linux", gate_seen=now)


def sealed(numbers: Sequence[int], now: float) -> list[StoredRecord]:
    """As `Sessions.start` stores them."""
    keyring = Keyring([SECRET_KEY.encode()])
    store = SqliteStore(Path(os.devnull))  # never opened: nothing is stored through it
    lives = {"idle": IDLE, "absolute": ABSOLUTE}
    sessions = Sessions(store, keyring, **lives, clock=lambda: now, random=system_random)
    return [sessions._stored(SessionIds.of(session_secret(n)), record(n, now), version=0) for n in numbers]


def in_order(total: int) -> list[int]:
    """All numbers by the ids of their records."""
    return sorted(range(total), key=lambda number: SessionIds.of(session_secret(number)).record_id)


def holds(size: int, number: int, total: int) -> bool:
    """Whether the store of `size` has session `number`: every n-th, that is, and no more than fit."""
    step = total // size
    return number % step == 0 and number // step < size


def seed(stores: Stores, total: int) -> float:
    """Fill all stores; returns the seconds it took."""
    began, now = time.monotonic(), time.time()
    numbers = in_order(total)
    chunks = [numbers[at : at + CHUNK] for at in range(0, total, CHUNK)]
    work = partial(_chunk, ports=dict(stores.ports), total=total, now=now)
    writers = {size: _SqliteWriter(path) for size, path in stores.files.items()}
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        for done, (part, rows) in enumerate(zip(chunks, pool.imap(work, chunks), strict=True), 1):
            for size, writer in writers.items():
                writer.add(row for number, row in zip(part, rows, strict=True) if holds(size, number, total))
            if done % 50 == 0:
                say(f"  {done * CHUNK:,} of {total:,} sessions, {time.monotonic() - began:.0f} s")
    for writer in writers.values():
        writer.finish()
    return time.monotonic() - began


def _chunk(numbers: Sequence[int], *, ports: Mapping[int, int], total: int, now: float) -> list[Row]:
    """Seal some, put them into Redis, and give back the rows for SQLite."""
    records = sealed(numbers, now)
    for size, port in ports.items():
        mine = [one for number, one in zip(numbers, records, strict=True) if holds(size, number, total)]
        if mine:
            _into_redis(port, mine, now)
    return [sqlite_store._row(one) for one in records]


def _into_redis(port: int, records: Sequence[StoredRecord], now: float) -> None:
    store = redis_store.RedisStore(session_store(f"redis://127.0.0.1:{port}"), clock=lambda: now)
    with closing(redis.Redis("127.0.0.1", port)) as client:
        for at in range(0, len(records), PIPELINE):
            pipeline = client.pipeline(transaction=False)
            for one in records[at : at + PIPELINE]:
                entry = (one.record_id, repr(one.ends), repr(now), store._life(one.ends))
                for index in redis_store._indexes(one):
                    pipeline.eval(redis_scripts.INDEX, 1, index, *entry)
                pipeline.eval(redis_scripts.CREATE, 1, redis_store._session(one.record_id), *store._fields(one))
            pipeline.execute()


class _SqliteWriter:
    """Fills a file that the store itself has made; nothing waits for the disk, and indexes come last."""

    def __init__(self, path: Path):
        SqliteStore(path).ping()
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous = OFF")
        self._indexes: list[tuple[str, str]] = self._db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'sessions' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in self._indexes:
            self._db.execute(f"DROP INDEX {name}")
        columns = sqlite_store.COLUMNS
        self._insert = f"INSERT INTO sessions ({columns}) VALUES ({', '.join('?' * len(columns.split(',')))})"

    def add(self, rows: Iterator[Row]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(self._insert, rows)
        self._db.execute("COMMIT")

    def finish(self) -> None:
        for _, statement in self._indexes:
            self._db.execute(statement)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
