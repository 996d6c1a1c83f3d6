"""Who tells of changes when masters change: Sentinels and a Cluster (sessions/redis_tracking.py, redis_servers.py)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis.crc import key_slot

from doorkey.errors import StoreUnavailable
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.redis_tracking import RedisGenerations
from doorkey.sessions.store import StoredRecord
from tests.contract.store_samples import record
from tests.support.redis_readers import counter, everything_moves, told, until_counted, until_given_up, until_trusted
from tests.support.redis_servers import RedisServer, until
from tests.support.redis_topologies import SERVICE, Cluster, SentinelSetup, cluster, sentinel_setup
from tests.test_redis_outages import store_at

PASSWORD = "sword:fish"


def changed_is_counted(generations: RedisGenerations, store: RedisStore, one: StoredRecord) -> None:
    """Also after a change of masters, when some calls may fail at first."""

    def written() -> bool:
        with suppress(StoreUnavailable):
            if store.read(one.record_id) is None:
                store.create(one)
            return True
        return False

    until(written, "the record is there")
    until_trusted(generations)
    before = counter(generations, one)
    until(lambda: deleted(store, one), "it is deleted")
    until_counted(generations, one, before)


def deleted(store: RedisStore, one: StoredRecord) -> bool:
    with suppress(StoreUnavailable):
        store.delete(one.record_id)
        return True
    return False


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[SentinelSetup]:
    with sentinel_setup(tmp_path, password=PASSWORD) as running:
        yield running


def die(setup: SentinelSetup) -> None:
    setup.master.kill()


def hang_for_a_while(setup: SentinelSetup) -> None:
    setup.master.pause()
    setup.wait_for_failover(setup.master.port)
    setup.master.resume()


def step_down(setup: SentinelSetup) -> None:
    with setup.sentinels[0].client() as client:
        client.execute_command("SENTINEL", "FAILOVER", SERVICE)


@pytest.mark.parametrize("end", [die, hang_for_a_while, step_down])
def test_after_a_failover_the_new_master_tells(setup: SentinelSetup, end: Callable[[SentinelSetup], None]) -> None:
    """The old one may go on answering, as if nothing had happened."""
    with told(setup.url) as generations:
        changed_is_counted(generations, store_at(setup.url), record())
        with everything_moves(generations):
            end(setup)
            setup.wait_for_failover(setup.master.port)
        changed_is_counted(generations, store_at(setup.url), record())


def test_a_sentinel_that_hangs_hardly_holds_up_what_is_told(setup: SentinelSetup) -> None:
    with told(setup.url) as generations:
        setup.sentinels[0].pause()
        for number in range(20):
            changed_is_counted(generations, store_at(setup.url), record(f"{number}"))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, password=PASSWORD) as running:
        yield running


def key(one: StoredRecord) -> str:
    return "doorkey:session:" + one.record_id.hex()


def test_every_master_of_a_cluster_tells(nodes: Cluster) -> None:
    ports = set()
    with told(nodes.url) as generations:
        for number in range(20):
            changed_is_counted(generations, store_at(nodes.url), record(f"{number}"))
            ports.add(nodes.holder(key(record(f"{number}"))).port)
    assert len(ports) == 3


@pytest.mark.parametrize("end", [RedisServer.pause, RedisServer.kill])
def test_without_one_of_the_masters_nothing_is_trusted(nodes: Cluster, end: Callable[[RedisServer], None]) -> None:
    with told(nodes.url) as generations, everything_moves(generations):
        away = nodes.nodes[2]
        end(away)
        until_given_up(generations)
        if away.paused:
            away.resume()
        else:
            away.start()


def test_a_replica_that_takes_over_tells(tmp_path: Path) -> None:
    with cluster(tmp_path, replicas=1) as nodes, told(nodes.url) as generations:
        with everything_moves(generations):
            nodes.holder(key(record())).kill()
        changed_is_counted(generations, store_at(nodes.url), record())


def test_while_a_slot_moves_nothing_of_it_is_kept_and_afterwards_it_is_told(nodes: Cluster) -> None:
    """What was moved already is read where nobody may be listening yet, for example at a node that is new."""
    store = store_at(nodes.url)
    store.create(record())
    source = nodes.holder(key(record()))
    target = next(node for node in nodes.nodes if node is not source)
    slot = key_slot(key(record()).encode())
    reader = store_at(nodes.url)
    generations = reader.changes()
    generations.look()
    until_trusted(generations)
    with source.client() as giving, target.client() as taking:
        ids = [client.execute_command("CLUSTER", "MYID") for client in (giving, taking)]
        taking.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        giving.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        before = counter(generations, record())
        auth = ("AUTH", PASSWORD)
        giving.execute_command("MIGRATE", "127.0.0.1", target.port, key(record()), 0, 5000, *auth)
        until_counted(generations, record(), before)
        noted = counter(generations, record())
        assert reader.read(record().record_id) == record()
        assert counter(generations, record()) != noted
        with everything_moves(generations):
            for client in (taking, giving):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    generations.close()
    with told(nodes.url) as generations:
        changed_is_counted(generations, store, record())
    assert nodes.holder(key(record())) is target
