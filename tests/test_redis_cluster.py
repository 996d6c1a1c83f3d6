"""A Cluster: slots that move, nodes that hang or die (sessions/redis_servers.py, sessions/redis_store.py)."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from doorkey.errors import StoreUnavailable
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.store import StoredRecord
from tests.contract.store_samples import NOW, at_once, names, record
from tests.support.redis_servers import RedisServer, until
from tests.support.redis_topologies import Cluster, cluster
from tests.test_redis_outages import LONGEST_SECONDS, TRIES, refusal, store_at


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    """Set up so that those who are left go on alone; by default all refuse when one is lost."""
    with cluster(tmp_path, options=("--cluster-require-full-coverage", "no")) as running:
        yield running


@pytest.fixture
def store(nodes: Cluster) -> RedisStore:
    return store_at(nodes.url)


def record_key(name: str) -> str:
    return "doorkey:session:" + record(name).record_id.hex()


def user_key(user: bytes) -> str:
    return "doorkey:user:" + user.hex()


def records_by_holder(nodes: Cluster) -> dict[int, StoredRecord]:
    """For each node (by its port) a record that lies there, as does the index of its user."""
    found: dict[int, StoredRecord] = {}
    for number in itertools.count():
        holder = nodes.holder(record_key(f"{number}")).port
        user = next(user for user in map(b"%d".__mod__, range(99)) if nodes.holder(user_key(user)).port == holder)
        found.setdefault(holder, record(f"{number}", user=user))
        if len(found) == 3:
            return found
    raise AssertionError("unreachable")


def in_time(call: Callable[[], Any]) -> Any:
    quickest = LONGEST_SECONDS
    for _ in range(TRIES):
        began = time.monotonic()
        result = call()
        quickest = min(quickest, time.monotonic() - began)
        if quickest < LONGEST_SECONDS:
            return result
    raise AssertionError(f"never within {LONGEST_SECONDS} seconds")


@pytest.mark.parametrize("stop", [RedisServer.pause, RedisServer.kill], ids=["hangs", "is gone"])
def test_while_a_node_is_away_the_keys_of_the_others_are_served(
    nodes: Cluster, store: RedisStore, stop: Callable[[RedisServer], None]
) -> None:
    placed = records_by_holder(nodes)
    for one in placed.values():
        store.create(one)
    away = nodes.nodes[0]
    stop(away)
    for port, one in placed.items():
        if port == away.port:
            refusal(lambda one=one: store.read(one.record_id))  # type: ignore[misc]
            refusal(lambda one=one: store.update(one))  # type: ignore[misc]
        else:
            assert in_time(lambda one=one: store.read(one.record_id)) == one  # type: ignore[misc]
            assert in_time(lambda one=one: store.list_by_user(one.user_key)) == [one]  # type: ignore[misc]
            assert store.update(one) is True
    back(away)
    until_it_works(lambda: store.read(placed[away.port].record_id))
    assert store.update(placed[away.port]) is True


def back(node: RedisServer) -> None:
    if node.paused:
        node.resume()
    else:
        node.start()


def until_it_works(call: Callable[[], Any]) -> None:
    """A node that was away refuses for some seconds, until it knows how things are."""

    def works() -> bool:
        with suppress(StoreUnavailable):
            call()
            return True
        return False

    until(works, "it works again")


def test_a_sign_out_does_not_wait_for_indexes_that_are_away(nodes: Cluster, store: RedisStore) -> None:
    placed = records_by_holder(nodes)
    away, there, *_ = placed
    signed_in = [record(f"x{n}", user=placed[away].user_key, sid=placed[away].user_key) for n in range(99)]
    mine = [one for one in signed_in if holder_of(nodes, one) == there][:TRIES]
    for one in mine:
        store.create(one)
    nodes.nodes[[node.port for node in nodes.nodes].index(away)].pause()
    began = time.monotonic()
    assert all(store.delete(one.record_id) for one in mine)
    assert (time.monotonic() - began) / TRIES < LONGEST_SECONDS
    assert [store.read(one.record_id) for one in mine] == [None] * TRIES


def holder_of(nodes: Cluster, one: StoredRecord) -> int:
    return nodes.holder("doorkey:session:" + one.record_id.hex()).port


def test_nobody_waits_long_while_a_node_hangs(nodes: Cluster, store: RedisStore) -> None:
    for number in range(20):
        store.create(record(f"{number}"))
    nodes.nodes[1].pause()

    def seconds(number: int) -> float:
        began = time.monotonic()
        with suppress(StoreUnavailable):
            store.read(record(f"{number}").record_id)
        return time.monotonic() - began

    assert min(max(map(float, at_once(seconds))) for _ in range(TRIES)) < LONGEST_SECONDS


def test_when_every_node_is_away_everything_is_unavailable_and_right_again(nodes: Cluster, store: RedisStore) -> None:
    store.create(record())
    for node in nodes.nodes:
        node.kill()
    for call in (lambda: store.read(record().record_id), store.ping, store.concerns, lambda: list(store.all())):
        refusal(call)
        refusal(lambda: store_at(nodes.url).read(record().record_id))
    for node in nodes.nodes:
        node.start()
    until_it_works(lambda: store.read(record().record_id))
    assert store.read(record().record_id) == record()


def test_a_node_that_was_not_named_is_found_and_one_that_is_named_may_be_away(nodes: Cluster) -> None:
    first, *others = nodes.nodes
    for node in nodes.nodes:
        alone = store_at(f"redis+cluster://127.0.0.1:{node.port}")
        alone.create(record(f"{node.port}"))
    assert len(list(store_at(f"redis+cluster://127.0.0.1:{first.port}").all())) == 3
    others[0].pause()
    hosts = f"127.0.0.1:{others[0].port},127.0.0.1:{first.port}"
    late = store_at(f"redis+cluster://{hosts}")
    there = next(one for one in records_by_holder(nodes).values() if holder_of(nodes, one) == first.port)
    until_it_works(lambda: late.read(there.record_id))


def test_a_slot_that_moves_is_followed_while_it_moves_and_after(nodes: Cluster, store: RedisStore) -> None:
    store.create(record())
    slot = key_slot(record_key("a").encode())
    source = nodes.holder(record_key("a"))
    target = next(node for node in nodes.nodes if node is not source)
    newcomer = next(name for name in map(str, itertools.count()) if key_slot(record_key(name).encode()) == slot)
    with source.client() as giving, target.client() as taking:
        ids = [client.execute_command("CLUSTER", "MYID") for client in (giving, taking)]
        taking.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        giving.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        store.create(record(newcomer))
        for name in ("a", newcomer):
            assert store.read(record(name).record_id) == record(name)
            assert store.update(record(name)) is True
        assert giving.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 9) == [record_key("a")]
        giving.execute_command("MIGRATE", "127.0.0.1", target.port, record_key("a"), 0, 5000)
        assert store.read(record().record_id) == record(version=1)
        for client in (taking, giving):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    for name in ("a", newcomer):
        assert store.read(record(name).record_id) == record(name, version=1)
        assert store.delete(record(name).record_id) is not None
    assert nodes.holder(record_key("a")) is target


def test_a_master_that_dies_is_followed_to_its_replica_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with cluster(tmp_path, replicas=1) as nodes:
        store = store_at(nodes.url)
        for number in range(30):
            store.create(record(f"{number}"))
        dead = nodes.holder(record_key("0"))
        dead.kill()
        until_it_works(lambda: store.read(record("0").record_id))
        nodes.wait_until_ok()
        assert names(list(store.all())) == sorted(f"{number}" for number in range(30))
        store.create(record("new"))
        assert store_at(nodes.url, time.time).concerns() == []
        assert store.mark_once(b"m", now=NOW, ends=NOW + 60) is True


def test_a_password_is_needed_at_every_node(tmp_path: Path) -> None:
    with cluster(tmp_path, password="sword:fish") as nodes:
        store = store_at(nodes.url)
        for number in range(10):
            store.create(record(f"{number}"))
        assert len(list(store.all())) == 10
        error = refusal(lambda: store_at(nodes.url.replace("sword", "other")).ping())
        assert "Authenticat" in error.detail
        assert "fish" not in error.detail
