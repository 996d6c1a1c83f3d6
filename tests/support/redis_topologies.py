"""Real Redis set-ups of several servers: a master with replicas and Sentinels, and a Cluster.

    with sentinel_setup(tmp_path) as setup:
        old = setup.master.port
        setup.master.kill()
        setup.wait_for_failover(old)

    with cluster(tmp_path) as nodes:
        nodes.holder("a key").pause()

The servers know each other from files written before their start, in the form in which Redis writes them itself:
finding each other by gossip takes seconds. All are RedisServer: paused, killed and started one by one.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from tests.support.redis_servers import (
    HOST,
    PATIENCE,
    RedisServer,
    bare_environment,
    kept_running,
    redis_server,
    reserved_port,
    until,
    user_info,
)

SERVICE = "doorkey"
"""The name of the one master that the Sentinels watch."""

SLOTS = 16384


@dataclass
class SentinelSetup:
    """`master` is the first master; after a failover it is `current_master()` that counts."""

    url: str
    master: RedisServer
    replicas: list[RedisServer]
    sentinels: list[RedisServer]

    def current_master(self) -> RedisServer:
        """The server that the Sentinels name, as soon as those that run agree and it says so itself."""
        found: list[RedisServer] = []

        def agreed() -> bool:
            ports = {_master_port(sentinel) for sentinel in self.sentinels if _talks(sentinel)}
            found[:] = [server for server in (self.master, *self.replicas) if {server.port} == ports]
            return bool(found) and _talks(found[0]) and _role(found[0]) == "master"

        until(agreed, "the Sentinels agree on a master")
        return found[0]

    def wait_for_failover(self, old_port: int, seconds: float = PATIENCE) -> RedisServer:
        """Until all running Sentinels name another master, and that one is it; returns it."""

        def happened() -> bool:
            ports = {_master_port(sentinel) for sentinel in self.sentinels if _talks(sentinel)}
            return old_port not in ports and len(ports) == 1

        until(happened, f"failover from the master at port {old_port}", seconds)
        return self.current_master()


@contextmanager
def sentinel_setup(
    folder: Path, *, replicas: int = 1, sentinels: int = 3, password: str = ""
) -> Iterator[SentinelSetup]:
    """A master, its replicas, and Sentinels that know all of them; `password` is that of the data servers only."""
    with ExitStack() as stack:
        master = stack.enter_context(redis_server(folder / "master", password=password))
        follow = ("--replicaof", f"{HOST} {master.port}")
        followers = [
            stack.enter_context(redis_server(folder / f"replica-{number}", password=password, options=follow))
            for number in range(replicas)
        ]
        until(lambda: all(_in_sync(follower) for follower in followers), "the replicas are in sync")
        ports = [stack.enter_context(reserved_port()) for _ in range(sentinels)]
        watchers = [_sentinel(folder, port, ports, master, followers) for port in ports]
        for watcher in watchers:
            stack.enter_context(kept_running(watcher))
            _hurry(watcher)
        hosts = ",".join(f"{HOST}:{port}" for port in ports)
        setup = SentinelSetup(f"redis+sentinel://{user_info(password)}{hosts}/{SERVICE}", master, followers, watchers)
        until(lambda: all(_knows_all(watcher, setup) for watcher in watchers), "each Sentinel knows all others")
        until(lambda: _is_copied_at_once(master, replicas), "the replicas keep up")
        yield setup


def _sentinel(
    folder: Path, port: int, ports: Sequence[int], master: RedisServer, replicas: Sequence[RedisServer]
) -> RedisServer:
    """One Sentinel, not yet started. It rewrites its file whenever it learns something.

    Each waits longer than the one before until it takes the master for dead. Else all would ask for votes in the same
    moment, each vote for itself, and try again only seconds later.
    """
    patience = 800 + 400 * ports.index(port)
    home = folder / f"sentinel-{port}"
    home.mkdir(parents=True)
    lines = [
        *(f"port {port}", f"bind {HOST}", "protected-mode no", f'dir "{home}"'),
        f"sentinel myid {_identity(port)}",
        f"sentinel monitor {SERVICE} {HOST} {master.port} {len(ports) // 2 + 1}",
        f"sentinel down-after-milliseconds {SERVICE} {patience}",
        f"sentinel failover-timeout {SERVICE} 2000",
        *([f'sentinel auth-pass {SERVICE} "{master.password}"'] if master.password else []),
        *(f"sentinel known-replica {SERVICE} {HOST} {replica.port}" for replica in replicas),
        *(f"sentinel known-sentinel {SERVICE} {HOST} {other} {_identity(other)}" for other in ports if other != port),
    ]
    (home / "sentinel.conf").write_text("\n".join(lines) + "\n")
    command = ["redis-server", str(home / "sentinel.conf"), "--sentinel"]
    return RedisServer(f"redis://{HOST}:{port}", port, home, command, bare_environment())


def _hurry(sentinel: RedisServer) -> None:
    """Shorter periods than Redis lets one configure; forgotten when the Sentinel is restarted.

    A Sentinel tries to connect once in a ping period, counted from its last attempt at the dead master. With the usual
    second it could reach the new master too late, find it down, and replace it at once by the old one. And it must
    stay well above 200: a replica may only be chosen while its INFO, asked for every second, is no older than 5 of
    them. The other two make a dead master that came back a replica in 3 seconds, not 10.
    """
    with sentinel.client() as client:
        client.execute_command("SENTINEL", "DEBUG", "PING-PERIOD", "400")
        client.execute_command("SENTINEL", "DEBUG", "PUBLISH-PERIOD", "500", "INFO-PERIOD", "1000")


def _knows_all(sentinel: RedisServer, setup: SentinelSetup) -> bool:
    """Does it talk to everybody? A replica that it has not asked yet could not be chosen in a failover."""
    with sentinel.client() as client:
        others = client.execute_command("SENTINEL", "SENTINELS", SERVICE)
        replicas = client.execute_command("SENTINEL", "REPLICAS", SERVICE)
        return (
            [other["flags"] for other in others] == ["sentinel"] * (len(setup.sentinels) - 1)
            and [replica["flags"] for replica in replicas] == ["slave"] * len(setup.replicas)
            and all(replica["master-link-status"] == "ok" for replica in replicas)
        )


def _talks(server: RedisServer) -> bool:
    return server.alive and not server.paused


def _master_port(sentinel: RedisServer) -> int:
    with sentinel.client() as client:
        return int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])


def _role(server: RedisServer) -> str:
    with server.client() as client:
        return str(client.execute_command("ROLE")[0])


def _in_sync(replica: RedisServer) -> bool:
    with replica.client() as client:
        return bool(client.info("replication")["master_link_status"] == "up")


def _is_copied_at_once(master: RedisServer, replicas: int) -> bool:
    """Whether all have a change in less time than a write waits for one: a replica that just began may not."""
    with master.client() as client:
        client.set("ready", 1, px=1)
        return bool(client.wait(replicas, 100) == replicas)


@dataclass
class Cluster:
    """`nodes`: the masters, then the replicas, as they were at the start."""

    url: str
    nodes: list[RedisServer]

    def holder(self, key: str) -> RedisServer:
        """The node that is the master for `key` now, as a node that runs sees it."""
        with next(node for node in self.nodes if _talks(node)).client() as client:
            slot = int(client.execute_command("CLUSTER", "KEYSLOT", key))
            rows = client.execute_command("CLUSTER", "SLOTS")
        port = next(row[2][1] for row in rows if row[0] <= slot <= row[1])
        return next(node for node in self.nodes if node.port == port)

    def wait_until_ok(self, seconds: float = PATIENCE) -> None:
        """Until every node that runs says that all slots are served."""
        until(lambda: all(_says_ok(node) for node in self.nodes if _talks(node)), "cluster_state:ok", seconds)


@contextmanager
def cluster(
    folder: Path, *, masters: int = 3, replicas: int = 0, password: str = "", options: Sequence[str] = ()
) -> Iterator[Cluster]:
    """A Cluster with all slots assigned; `replicas` for each master, `options` for every node."""
    with ExitStack() as stack:
        count = masters * (1 + replicas)
        places = [(stack.enter_context(reserved_port()), stack.enter_context(reserved_port())) for _ in range(count)]
        nodes = []
        for number, place in enumerate(places):
            home = folder / f"node-{number}"
            home.mkdir(parents=True)
            (home / "nodes.conf").write_text(_nodes_file(places, masters, number))
            words = (*_cluster_options(place[1]), *options)
            nodes.append(stack.enter_context(redis_server(home, port=place[0], password=password, options=words)))
        hosts = ",".join(f"{HOST}:{node.port}" for node in nodes)
        made = Cluster(f"redis+cluster://{user_info(password)}{hosts}", nodes)
        made.wait_until_ok()
        until(lambda: all(_in_sync(node) for node in nodes[masters:]), "the replicas are in sync")
        yield made


def _cluster_options(bus_port: int) -> tuple[str, ...]:
    return (
        *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
        *("--cluster-port", str(bus_port), "--cluster-node-timeout", "1000"),
    )


def _nodes_file(places: Sequence[tuple[int, int]], masters: int, own: int) -> str:
    """What the node `own` knows of all: the masters first, then replica after replica, each for the next master."""
    lines = []
    for number, (port, bus_port) in enumerate(places):
        head = f"{_identity(port)} {HOST}:{port}@{bus_port} {'myself,' if number == own else ''}"
        lead = number % masters
        if number < masters:
            first, last = SLOTS * lead // masters, SLOTS * (lead + 1) // masters - 1
            lines.append(f"{head}master - 0 0 {lead + 1} connected {first}-{last}")
        else:
            lines.append(f"{head}slave {_identity(places[lead][0])} 0 0 {lead + 1} connected")
    return "\n".join([*lines, f"vars currentEpoch {masters} lastVoteEpoch 0"]) + "\n"


def _says_ok(node: RedisServer) -> bool:
    with node.client() as client:
        return bool(client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")


def _identity(port: int) -> str:
    """A name in the form that Redis draws by lot: 40 hexadecimal digits."""
    return sha1(str(port).encode()).hexdigest()
