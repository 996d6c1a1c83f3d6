"""From an address to the servers behind it: one server, a master that Sentinels name, or the masters of a Cluster.

`connect(address)` gives `Servers`; redis_store.py asks them by key and knows nothing of the arrangement. Nothing here
tries anything twice: redis_store.py does that once, after `look_again()`.
"""

import threading
import time
from typing import Any, Protocol

from redis import Redis, RedisCluster, Sentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

from doorkey.setting_stores import StoreAddress

TIMEOUT_SECONDS = 0.3
Server = Any
"""A client of redis-py; its types answer for the asynchronous ones too, and help nobody."""

LOOK_SECONDS = 1.0
"""How old the answer of the Sentinels may be: for so long a master that was replaced may still be asked."""


class Servers(Protocol):
    """`at()` may raise any `RedisError`."""

    def at(self, key: bytes) -> Server:
        """The server that has `key`."""

    def has_replica(self, key: bytes) -> bool:
        """Whether that server had a replica when that was last known."""

    def everywhere(self) -> list[Server]:
        """Every server that can be written."""

    def look_again(self) -> None:
        """Something failed: find out who is there now."""


def connect(address: StoreAddress) -> Servers:
    """Nothing is sent yet."""
    if address.kind == "sentinel":
        return SentinelServers(address)
    return ClusterServers(address) if address.kind == "cluster" else OneServer(address)


def _options(address: StoreAddress) -> dict[str, Any]:
    """For every client: short waits, no tries of its own, and no words at the start that we do not need."""
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "username": address.username or None,
        "password": address.password or None,
    }
    if address.tls:
        options |= {"ssl": True, **{name: text for name, text in address.options if name.startswith("ssl_")}}
    return options


class OneServer:
    def __init__(self, address: StoreAddress):
        host, port = address.hosts[0]
        self._client = Redis(host=host, port=port, db=address.database, **_options(address))

    def at(self, key: bytes) -> Server:
        return self._client

    def has_replica(self, key: bytes) -> bool:
        """One address stands for one server; whoever hides several behind it says what they promise."""
        return False

    def everywhere(self) -> list[Server]:
        return [self._client]

    def look_again(self) -> None:
        """There is nobody else."""


class SentinelServers:
    """The master is asked for at most once a second, so that a paused one that comes back is not believed for long."""

    def __init__(self, address: StoreAddress):
        self._options = _options(address) | {"db": address.database}
        sentinel_options = _options(address) | {
            "username": address.option("sentinel_username") or None,
            "password": address.option("sentinel_password") or None,
        }
        self._sentinel: Any = Sentinel(list(address.hosts), sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
        self._service = address.service
        self._place: tuple[str, int] | None = None
        self._client: Server = None
        self._replicas = 0
        self._looked_at = float("-inf")
        self._looking = threading.Lock()

    def at(self, key: bytes) -> Server:
        if self._client is None or time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._look()
        if self._client is None:
            raise RedisConnectionError("the Sentinels name no master")
        return self._client

    def has_replica(self, key: bytes) -> bool:
        return self._replicas > 0

    def everywhere(self) -> list[Server]:
        return [self.at(b"")]

    def look_again(self) -> None:
        self._looked_at = float("-inf")

    def _look(self) -> None:
        """One thread does; the others go on with what is known, unless nothing is."""
        if not self._looking.acquire(blocking=self._client is None):
            return
        try:
            place = self._sentinel.discover_master(self._service)
            if place != self._place:
                self._place, self._client = place, Redis(host=place[0], port=place[1], **self._options)
            self._replicas = self._client.info("replication").get("connected_slaves", 0)
            self._looked_at = time.monotonic()
        except RedisError:
            if self._client is None:
                raise
            self._looked_at = time.monotonic()
        finally:
            self._looking.release()


class ClusterServers:
    """The map of slots is redis-py's; it is read when first needed, and again after a failure."""

    def __init__(self, address: StoreAddress):
        self._nodes: Any = [ClusterNode(host, port) for host, port in address.hosts]  # type: ignore[no-untyped-call]
        self._options = _options(address)
        self._cluster: Server = None
        self._guard = threading.Lock()

    def at(self, key: bytes) -> Server:
        cluster = self._map()
        node = cluster.nodes_manager.get_node_from_slot(cluster.keyslot(key))
        client: Server = cluster.get_redis_connection(node)
        return client

    def has_replica(self, key: bytes) -> bool:
        cluster = self._map()
        return len(cluster.nodes_manager.slots_cache.get(cluster.keyslot(key), ())) > 1

    def everywhere(self) -> list[Server]:
        cluster = self._map()
        return [cluster.get_redis_connection(node) for node in cluster.get_primaries()]

    def look_again(self) -> None:
        if self._cluster is not None:
            self._cluster.nodes_manager.initialize()

    def _map(self) -> Server:
        with self._guard:
            if self._cluster is None:
                try:
                    self._cluster = RedisCluster(
                        startup_nodes=self._nodes,
                        require_full_coverage=False,
                        cluster_error_retry_attempts=0,
                        **self._options,
                    )
                except RedisClusterException as error:
                    raise RedisConnectionError(str(error)) from error
            return self._cluster
