"""The session store for several machines: Redis or Valkey, one server, Sentinel or Cluster.

    doorkey:session:<record id>   hash        the record; scripts in redis_scripts.py change it in one step
    doorkey:user:<user key>       sorted set  record ids by their ends; doorkey:sid:<sid key> likewise
    doorkey:mark:<mark>           string      doorkey:lease:<name> likewise

In a Cluster these lie on different servers, so an index is written before its record and cleared after it: it may
name a record that is not there (skipped, and dropped after its end), and never lacks one that is. Every key has a life
of its own, so nothing has to be swept. A write counts once a replica has it, where there is one.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from doorkey.clock import Clock
from doorkey.errors import StoreUnavailable
from doorkey.sessions import redis_scripts as scripts
from doorkey.sessions.redis_servers import Place, Server, connect
from doorkey.sessions.redis_setup import concerns, words
from doorkey.sessions.redis_tracking import RedisGenerations
from doorkey.sessions.store import StoredRecord, is_end
from doorkey.setting_stores import StoreAddress

LINGER_SECONDS = 600.0
"""A record stays for so long after its end: the caller judges by its own clock, which may be behind."""

REPLICA_MILLISECONDS = 200
FRESH_SECONDS = 2
"""A replica that was heard of no later than this is one that has to have a write."""

ALONE_SECONDS = 1.0
"""For so long nobody waits for a replica again after one was waited for, and there was none that is fresh."""

FIELDS = ("v", "s", "c", "e", "u", "p")
PAGE = 200
PASSING = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    MovedError,
    AskError,
    ClusterDownError,
    TryAgainError,
)
"""Errors after which the same call may work on another connection or server."""


class RedisStore:
    """`clock` only tells how long keys may live; what has ended is judged by the times that callers give."""

    def __init__(self, address: StoreAddress, clock: Clock):
        self._address = address
        self._servers = connect(address)
        self._clock = clock
        self._changes = RedisGenerations(self._servers, str(address))
        self._alone_until: WeakKeyDictionary[Server, float] = WeakKeyDictionary()

    def create(self, record: StoredRecord) -> None:
        self._enter(record)
        if not self._write(_session(record.record_id), scripts.CREATE, *self._fields(record)):
            raise StoreUnavailable("a record of this id is there already")

    def read(self, record_id: bytes) -> StoredRecord | None:
        key = _session(record_id)
        try:
            found = self._ask(key, lambda server: server.hmget(key, FIELDS))
        except _Odd:
            return StoredRecord(record_id, 0, b"", 0.0, b"")  # not a hash: nothing that we wrote
        return _record(record_id, found) if any(value is not None for value in found) else None

    def update(self, record: StoredRecord) -> bool:
        self._enter(record)
        written, there = self._write(_session(record.record_id), scripts.UPDATE, *self._fields(record))
        if not written and not there:
            self._leave(record.record_id, *_indexes(record))
        return bool(written)

    def delete(self, record_id: bytes) -> StoredRecord | None:
        found = self._write(_session(record_id), scripts.DELETE)
        if all(value is None for value in found):
            return None
        record = _record(record_id, found)
        self._leave(record_id, *_indexes(record))
        return record

    def delete_by_user(self, user_key: bytes) -> int:
        return self._delete_all(b"user", user_key)

    def delete_by_sid(self, sid_key: bytes) -> int:
        return self._delete_all(b"sid", sid_key)

    def list_by_user(self, user_key: bytes) -> list[StoredRecord]:
        return [record for record in self._listed(b"user", user_key) if record.user_key == user_key]

    def list_by_sid(self, sid_key: bytes) -> list[StoredRecord]:
        return [record for record in self._listed(b"sid", sid_key) if record.sid_key == sid_key]

    def all(self) -> Iterator[StoredRecord]:
        seen: set[bytes] = set()  # Redis may name a key twice
        for record_id in self._scanned():
            record = self.read(record_id) if record_id not in seen else None
            seen.add(record_id)
            if record:
                yield record

    def mark_once(self, mark: bytes, *, now: float, ends: float) -> bool:
        life = _milliseconds(ends - now + LINGER_SECONDS)
        return bool(self._write(_key(b"mark", mark), scripts.MARK, _once(), repr(now), repr(ends), life))

    def is_marked(self, mark: bytes, *, now: float) -> bool:
        key = _key(b"mark", mark)
        found = self._ask(key, lambda server: server.get(key)) or b""
        try:
            return float(found.partition(b" ")[0] or 0) > now
        except ValueError:
            return False

    def acquire_lease(self, name: bytes, owner: bytes, *, now: float, ends: float) -> bool:
        times = (repr(now), repr(ends), repr(ends + (ends - now)))
        return bool(self._run(_key(b"lease", name), scripts.LEASE, owner.hex(), *times, _milliseconds(ends - now)))

    def release_lease(self, name: bytes, owner: bytes) -> None:
        self._run(_key(b"lease", name), scripts.RELEASE, owner.hex())

    def sweep(self, now: float, *, most: int = 1000) -> int:
        return 0

    def ping(self) -> None:
        """Every server answers, and one, another each time, takes a write: one that is full or read-only must show."""
        try:
            for server in self._servers.everywhere():
                server.ping()
        except RedisError as error:
            self._servers.look_again()
            raise _unavailable(error) from error
        self.mark_once(b"ping " + secrets.token_bytes(4), now=1, ends=1 - LINGER_SECONDS + 1)

    def concerns(self) -> list[str]:
        return concerns(self._servers, self._address, self._clock)

    def changes(self) -> RedisGenerations:
        return self._changes

    def _fields(self, record: StoredRecord) -> tuple[Any, ...]:
        return (
            _once(),
            record.version,
            record.sealed,
            record.summary,
            repr(record.ends),
            record.user_key,
            record.sid_key or b"",
            self._life(record.ends),
        )

    def _life(self, ends: float) -> int:
        return _milliseconds(max(0.0, ends - self._clock()) + LINGER_SECONDS)

    def _enter(self, record: StoredRecord) -> None:
        """Into the indexes; what they name that has ended and is gone is taken out on the way."""
        entry = (record.record_id, repr(record.ends), repr(self._clock()), self._life(record.ends))
        for index in _indexes(record):
            ended = self._write(index, scripts.INDEX, *entry)
            self._drop(index, (other for other in ended if other != record.record_id))

    def _drop(self, index: bytes, record_ids: Iterable[bytes]) -> None:
        """Out of the index, those that are gone. Who came along for this does not wait for a server that is away."""
        with contextlib.suppress(StoreUnavailable):
            for record_id in record_ids:
                key = _session(record_id)
                if not self._ask(key, partial(_is_there, key), tries=1):
                    self._ask(index, partial(_remove, index, record_id), tries=1)

    def _leave(self, record_id: bytes, *indexes: bytes) -> None:
        """Out of the indexes; one that cannot be reached drops what has ended later."""
        with contextlib.suppress(StoreUnavailable):
            for index in indexes:
                self._ask(index, partial(_remove, index, record_id), tries=1)

    def _listed(self, kind: bytes, index_key: bytes) -> list[StoredRecord]:
        index = _key(kind, index_key)
        members = self._ask(index, lambda server: server.zrange(index, 0, -1))
        return [record for record in map(self.read, members) if record]

    def _delete_all(self, kind: bytes, index_key: bytes) -> int:
        found = self.list_by_user(index_key) if kind == b"user" else self.list_by_sid(index_key)
        return sum(self.delete(record.record_id) is not None for record in found)

    def _scanned(self) -> Iterator[bytes]:
        """The ids of all records."""
        prefix = _session(b"")
        try:
            for server in self._servers.everywhere():
                for key in server.scan_iter(match=prefix + b"*", count=PAGE):
                    with contextlib.suppress(ValueError):  # a name that we did not give
                        yield bytes.fromhex(key.removeprefix(prefix).decode())
        except RedisError as error:
            raise _unavailable(error) from error

    def _run(self, key: bytes, script: str, *values: Any) -> Any:
        """What the script gives; a failover may lose its change."""
        return self._ask(key, lambda server: server.eval(script, 1, key, *values))

    def _write(self, key: bytes, script: str, *values: Any) -> Any:
        """What the script gives, once a replica has its change too."""

        def run(server: Server) -> Any:
            if not self._servers.has_replica(key) or time.monotonic() < self._alone_until.get(server, 0.0):
                return server.eval(script, 1, key, *values)
            pipeline = server.pipeline(transaction=False)
            pipeline.eval(script, 1, key, *values)
            pipeline.execute_command("WAIT", 1, REPLICA_MILLISECONDS)
            result, copies = pipeline.execute(raise_on_error=False)
            if isinstance(result, Exception):
                raise result
            if not isinstance(copies, int) or copies < 1:
                self._stand_alone(server)
            return result

        return self._ask(key, run)

    def _stand_alone(self, server: Server) -> None:
        """Nobody else has a change: that is an error unless there is nobody else."""
        if _has_fresh_replica(server):
            raise StoreUnavailable("no replica has the change yet")
        self._alone_until[server] = time.monotonic() + ALONE_SECONDS

    def _ask(self, key: bytes, call: Callable[[Server], Any], *, tries: int = 2) -> Any:
        """`call` at the server that has `key`, once more when the first try failed in a way that may pass."""
        taking_over = None
        while True:
            tries -= 1
            try:
                return self._call(key, call, taking_over)
            except PASSING as error:
                self._servers.look_again()
                taking_over = (error.host, error.port) if type(error) is AskError else None
                if not tries:
                    raise _unavailable(error) from error
            except ResponseError as error:
                raise (_Odd if str(error).startswith("WRONGTYPE") else _unavailable)(error) from error
            except RedisError as error:
                raise _unavailable(error) from error

    def _call(self, key: bytes, call: Callable[[Server], Any], taking_over: Place | None) -> Any:
        if taking_over is None:
            return call(self._servers.at(key))
        with self._servers.taking_over(taking_over) as server:
            self._changes.count([key])  # it may be one that nobody listens to yet: what is read there is not kept
            return call(server)


class _Odd(StoreUnavailable):
    """There is something under one of our keys that we did not write."""

    def __init__(self, error: Exception):
        super().__init__(words(error))


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(words(error))


def _has_fresh_replica(server: Server) -> bool:
    """Whether one is connected and was heard of lately; one that hangs must not stop everybody for a minute."""
    replicas = server.info("replication")
    found = [replica for name, replica in replicas.items() if name.startswith("slave") and isinstance(replica, dict)]
    return any(one.get("state") == "online" and one.get("lag", FRESH_SECONDS) < FRESH_SECONDS for one in found)


def _is_there(key: bytes, server: Server) -> bool:
    return bool(server.exists(key))


def _remove(index: bytes, record_id: bytes, server: Server) -> None:
    server.zrem(index, record_id)


def _once() -> str:
    return secrets.token_hex(8)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _key(kind: bytes, name: bytes) -> bytes:
    return b"doorkey:" + kind + b":" + name.hex().encode()


def _session(record_id: bytes) -> bytes:
    return _key(b"session", record_id)


def _indexes(record: StoredRecord) -> list[bytes]:
    return _index_keys(record.user_key, record.sid_key or b"")


def _index_keys(user_key: bytes | None = b"", sid_key: bytes | None = b"") -> list[bytes]:
    return [_key(kind, key) for kind, key in ((b"user", user_key), (b"sid", sid_key)) if key]


def _record(record_id: bytes, found: list[bytes | None]) -> StoredRecord:
    """What does not have the right shape was not written by us, and opens as nothing."""
    version, sealed, summary, ends, user_key, sid_key = (value or b"" for value in found)
    try:
        if is_end(float(ends)):
            return StoredRecord(record_id, int(version), sealed, float(ends), user_key, sid_key or None, summary)
    except ValueError:
        """Not a number either."""
    return StoredRecord(record_id, 0, b"", 0.0, user_key)
