"""The Redis servers that other tests rely on do what they say: tests/support/redis_servers.py, redis_topologies.py."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
import trustme
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

from tests.support import redis_servers
from tests.support.redis_servers import HOST, RedisServer, redis_server, until
from tests.support.redis_topologies import SERVICE, cluster, sentinel_setup

ONCE = Retry(NoBackoff(), 0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


def put(server: RedisServer, key: str, value: str, **options: int) -> None:
    with server.client() as client:
        client.set(key, value, **options)


def value(server: RedisServer, key: str) -> object:
    with server.client() as client:
        return client.get(key)


def test_what_was_acknowledged_survives_a_kill(server: RedisServer) -> None:
    put(server, "key", "kept")
    server.kill()
    server.start()
    assert value(server, "key") == "kept"


def test_without_the_append_only_file_a_kill_loses_everything(tmp_path: Path) -> None:
    with redis_server(tmp_path, appendonly=False) as server:
        put(server, "key", "lost")
        server.kill()
        server.start()
        assert value(server, "key") is None


def test_an_orderly_stop_is_one_even_when_the_server_was_paused(server: RedisServer) -> None:
    put(server, "key", "kept")
    server.pause()
    assert server.stop() == 0
    server.start()
    assert value(server, "key") == "kept"


def test_a_paused_server_answers_nobody_until_it_is_resumed(server: RedisServer) -> None:
    with server.client(socket_timeout=0.1) as old, server.client(socket_timeout=0.1) as new:
        old.ping()
        server.pause()
        for client in (old, new):
            with pytest.raises(redis.TimeoutError):
                client.ping()
        server.resume()
        assert old.ping() is new.ping() is True


@pytest.mark.parametrize("paused", [False, True])
def test_no_server_outlives_its_block(tmp_path: Path, paused: bool) -> None:
    with redis_server(tmp_path) as server:
        if paused:
            server.pause()
    assert not server.alive
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, server.port), 1).close()


def test_nobody_gets_the_port_of_a_dead_server(server: RedisServer) -> None:
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, server.port), 1).close()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((HOST, server.port))


def test_the_url_opens_a_server_with_a_password(tmp_path: Path) -> None:
    with redis_server(tmp_path, password="a/b@c:d") as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping() is True
        with redis.Redis(port=server.port, retry=ONCE) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_a_tls_server_speaks_nothing_else(tmp_path: Path) -> None:
    with redis_server(tmp_path, tls=trustme.CA()) as server:
        assert server.url == f"rediss://127.0.0.1:{server.port}"
        with redis.Redis.from_url(server.url, ssl_ca_certs=str(server.ca_file)) as client:
            assert client.ping() is True
        for url in (server.url, server.url.replace("rediss", "redis")):
            with redis.Redis.from_url(url, retry=ONCE) as stranger, pytest.raises(redis.ConnectionError):
                stranger.ping()


def test_own_options_win(tmp_path: Path) -> None:
    options = ("--maxmemory", "4mb", "--appendfsync", "always")
    with redis_server(tmp_path, options=options) as server, server.client() as client:
        assert client.config_get("maxmemory", "appendfsync") == {"maxmemory": "4194304", "appendfsync": "always"}


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 1") as caught, redis_server(tmp_path, options=("--no", "1")):
        raise RuntimeError("it started")
    assert "Bad directive" in caught.value.__notes__[0]


def test_a_key_expires_when_the_clock_is_moved(tmp_path: Path) -> None:
    with redis_server(tmp_path, fake_time=True) as server:
        put(server, "short", "1", px=60_000)
        put(server, "long", "1", px=180_000)
        server.move_clock(59)
        assert value(server, "short") == "1"
        server.move_clock(2)
        assert value(server, "short") is None
        server.kill()
        server.start()
        assert value(server, "long") == "1"
        server.move_clock(120)
        assert value(server, "long") is None


def test_a_clock_that_cannot_move_is_noticed(
    tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match="fake_time=True"):
        server.move_clock(1)
    monkeypatch.setattr(redis_servers, "FAKETIME", "/nowhere/libfaketime.so")
    with pytest.raises(AssertionError, match="faketime"), redis_server(tmp_path / "other", fake_time=True):
        raise RuntimeError("it started")


def test_the_sentinels_replace_a_dead_master(tmp_path: Path) -> None:
    with sentinel_setup(tmp_path, password="pw") as setup:
        ports = [sentinel.port for sentinel in setup.sentinels]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        assert setup.url == f"redis+sentinel://:pw@{hosts}/{SERVICE}"
        assert setup.current_master() is setup.master
        put(setup.master, "key", "kept")
        with setup.master.client() as client:
            assert client.wait(1, 5000) == 1
        setup.master.kill()
        assert setup.wait_for_failover(setup.master.port) is setup.replicas[0]
        sentinels = Sentinel([(HOST, port) for port in ports])
        with closing(sentinels), sentinels.master_for(SERVICE, password="pw", decode_responses=True) as client:
            assert client.get("key") == "kept"


def test_each_node_of_a_cluster_serves_its_keys_and_is_replaced_when_it_dies(tmp_path: Path) -> None:
    with cluster(tmp_path, replicas=1) as nodes:
        keys = [f"key {number}" for number in range(30)]
        assert nodes.url == "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes.nodes)
        with redis.RedisCluster(startup_nodes=[ClusterNode(HOST, nodes.nodes[0].port)]) as client:
            for key in keys:
                client.set(key, key)
        holders = {key: nodes.holder(key) for key in keys}
        assert {node.port for node in holders.values()} == {node.port for node in nodes.nodes[:3]}
        assert [value(holders[key], key) for key in keys] == keys
        dead = holders["key 0"]
        with dead.client() as direct:
            assert direct.wait(1, 5000) == 1
        dead.kill()
        until(lambda: nodes.holder("key 0") is not dead, "a replica takes over")
        nodes.wait_until_ok()
        assert value(nodes.holder("key 0"), "key 0") == "key 0"
