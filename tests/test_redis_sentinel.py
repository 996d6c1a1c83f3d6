"""A master, its replica and three Sentinels: failover, and what replicas promise (sessions/redis_servers.py)."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from doorkey.errors import StoreUnavailable
from doorkey.sessions.redis_store import RedisStore
from doorkey.setting_stores import session_store
from tests.contract.store_samples import NOW, USER, at_once, names, record
from tests.support.redis_servers import PATIENCE, RedisServer, until
from tests.support.redis_topologies import SentinelSetup, sentinel_setup
from tests.test_redis_outages import TRIES, refusal, store_at

NOT_FOR_A_MINUTE = 10.0
PASSWORD = "the:word@/?#"


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[SentinelSetup]:
    with sentinel_setup(tmp_path, password=PASSWORD) as running:
        yield running


@pytest.fixture
def store(setup: SentinelSetup) -> RedisStore:
    store = store_at(setup.url)
    until_it_works(store.ping, PATIENCE)  # a replica is busy with its disk right after it got everything
    assert sign_in(store, "a") == ["a"]
    return store


def sign_in(store: RedisStore, *names: str) -> list[str]:
    """Those that were acknowledged: on a busy machine a replica may be late once."""
    acknowledged = []
    for name in names:
        with suppress(StoreUnavailable):
            store.create(record(name))
            acknowledged.append(name)
    return acknowledged


def has(server: RedisServer, name: str) -> bool:
    with server.client() as client:
        return bool(client.exists("doorkey:session:" + record(name).record_id.hex()))


def until_it_works(call: Callable[[], Any], seconds: float) -> None:
    def works() -> bool:
        with suppress(StoreUnavailable):
            call()
            return True
        return False

    until(works, "it works again", seconds)


def test_after_a_failover_everything_acknowledged_is_at_the_new_master_and_the_old_one_is_not_believed(
    setup: SentinelSetup, store: RedisStore
) -> None:
    """The old one hung and comes back: for some seconds it takes itself for the master."""
    idle = store_at(setup.url)
    assert idle.read(record().record_id) == record()
    written = sign_in(store, *map(str, range(20)))
    until_it_works(lambda: store.delete(record().record_id), PATIENCE)
    setup.master.pause()
    assert "word" not in refusal(lambda: store.update(record(written[0]))).detail
    new = setup.wait_for_failover(setup.master.port)
    assert set(names(store.list_by_user(USER))) >= set(written)
    setup.master.resume()
    for number, each in enumerate((store, idle, store_at(setup.url))):
        assert each.read(record().record_id) is None
        sign_in(each, f"late {number}")
        assert has(new, f"late {number}")


def test_a_master_that_was_killed_is_replaced_and_nothing_acknowledged_is_lost(
    setup: SentinelSetup, store: RedisStore
) -> None:
    written: list[str] = []

    def sign_in_many(thread: int) -> None:
        for step in range(10):
            written.extend(sign_in(store, f"{thread}-{step}"))
            if (thread, step) == (3, 5):
                setup.master.kill()

    at_once(sign_in_many, threads=10)
    assert written
    setup.wait_for_failover(setup.master.port)
    assert [name for name in written if store.read(record(name).record_id) is None] == []
    store.create(record("new"))


def test_while_a_replica_hangs_nothing_is_acknowledged_that_it_lacks_and_not_for_long(
    setup: SentinelSetup, store: RedisStore
) -> None:
    setup.replicas[0].pause()
    assert "replica" in refusal(lambda: store.update(record())).detail
    until_it_works(lambda: store.mark_once(b"m", now=NOW, ends=NOW + 60), NOT_FOR_A_MINUTE)
    assert min(seconds(lambda: store.delete(b"unheard")) for _ in range(TRIES)) < 0.15
    setup.replicas[0].resume()


def seconds(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_a_replica_that_is_gone_stops_nobody(setup: SentinelSetup, store: RedisStore) -> None:
    setup.replicas[0].kill()
    with setup.master.client() as client:
        until(lambda: client.info("replication")["connected_slaves"] == 0, "the master knows")
    store.create(record("alone"))
    setup.replicas[0].start()
    until(lambda: has(setup.replicas[0], "alone"), "the replica has it")


def test_what_is_acknowledged_is_at_the_replica(setup: SentinelSetup, store: RedisStore) -> None:
    acknowledged = 0
    for number in range(50):
        for name in sign_in(store, f"{number}"):
            assert has(setup.replicas[0], name)
            acknowledged += 1
    assert acknowledged > 25


@pytest.mark.parametrize("stop", [RedisServer.pause, RedisServer.kill], ids=["hang", "are gone"])
def test_sessions_go_on_while_the_sentinels_are_away(
    setup: SentinelSetup, store: RedisStore, stop: Callable[[RedisServer], None]
) -> None:
    for sentinel in setup.sentinels:
        stop(sentinel)

    def look_and_read() -> None:
        store._servers.look_again()
        assert store.read(record().record_id) == record()

    assert min(seconds(look_and_read) for _ in range(TRIES)) < 0.3
    until_it_works(lambda: store.update(record()), 2)
    refusal(lambda: store_at(setup.url).read(record().record_id))


def test_one_sentinel_of_three_is_enough(setup: SentinelSetup) -> None:
    setup.sentinels[0].pause()
    setup.sentinels[1].kill()
    store = store_at(setup.url)
    until_it_works(lambda: store.create(record()), 2)
    assert store.read(record().record_id) == record()


def test_a_sentinel_with_a_password_of_its_own_is_asked_with_it(setup: SentinelSetup) -> None:
    for sentinel in setup.sentinels:
        with sentinel.client() as client:
            client.execute_command("ACL", "SETUSER", "asker", "on", ">of the sentinels", "~*", "+@all")
            client.execute_command("ACL", "SETUSER", "default", "off")
    assert "Authentication" in refusal(lambda: store_at(setup.url).ping()).detail
    store = store_at(setup.url + "?sentinel_username=asker&sentinel_password=of%20the%20sentinels")
    until_it_works(store.ping, PATIENCE)  # a replica may be late right after its start


def test_a_service_that_nobody_knows_is_named(setup: SentinelSetup) -> None:
    store = RedisStore(session_store(setup.url.rpartition("/")[0] + "/unheard"), lambda: NOW)
    error = refusal(store.ping)
    assert "knows no service 'unheard'" in error.detail
