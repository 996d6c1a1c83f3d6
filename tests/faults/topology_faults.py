"""Faults of several Redis servers: a master that Sentinels replace, a node of a Cluster that is lost."""

from collections.abc import Callable
from pathlib import Path

from tests.faults.exchange import COOKIE
from tests.faults.experiment import Experiment, Outcome, experiment, stored_id
from tests.support.redis_servers import RedisServer
from tests.support.redis_topologies import Cluster, SentinelSetup, cluster, sentinel_setup

AFTER = 0.8
AWAY = 2.0
"""Longer than the second after which the other nodes call one lost."""


def master_killed(folder: Path, provider: str) -> Outcome:
    """Another takes over; the old master comes back as its replica."""

    def fault(run: Experiment, setup: SentinelSetup) -> None:
        with run.away():
            setup.master.kill()
            setup.wait_for_failover(setup.master.port)
        setup.master.start()

    return _with_sentinels(folder, provider, fault)


def master_paused(folder: Path, provider: str) -> Outcome:
    """It comes back and believes that it still is the master, until the Sentinels tell it otherwise."""

    def fault(run: Experiment, setup: SentinelSetup) -> None:
        with run.away():
            setup.master.pause()
            setup.wait_for_failover(setup.master.port)
        run.wait(AFTER)
        setup.master.resume()
        run.wait(2 * AFTER)

    return _with_sentinels(folder, provider, fault)


def _with_sentinels(folder: Path, provider: str, fault: Callable[[Experiment, SentinelSetup], None]) -> Outcome:
    with (
        sentinel_setup(folder / "redis") as setup,
        experiment(folder, provider, setup.url) as run,
        run.load(),
    ):
        fault(run, setup)
        run.wait(AFTER)
    return run.outcome


def node_killed(folder: Path, provider: str) -> Outcome:
    """Nobody stands in for it; it comes back with its files."""

    def fault(run: Experiment, nodes: Cluster) -> None:
        lost = _node_of_somebody(run, nodes)
        with run.away():
            lost.kill()
            run.wait(AWAY)
            lost.start()
            nodes.wait_until_ok()

    return _with_cluster(folder, provider, fault)


def node_paused(folder: Path, provider: str) -> Outcome:
    def fault(run: Experiment, nodes: Cluster) -> None:
        lost = _node_of_somebody(run, nodes)
        with run.away():
            lost.pause()
            run.wait(AWAY)
            lost.resume()
            nodes.wait_until_ok()

    return _with_cluster(folder, provider, fault)


def node_replaced(folder: Path, provider: str) -> Outcome:
    """Its replica takes over; it comes back as a replica."""

    def fault(run: Experiment, nodes: Cluster) -> None:
        lost = _node_of_somebody(run, nodes)
        with run.away():
            lost.kill()
            run.until(lambda: _is_replaced(run, nodes, lost), "a replica takes over")
            nodes.wait_until_ok()
        lost.start()

    return _with_cluster(folder, provider, fault, replicas=1)


def _with_cluster(
    folder: Path, provider: str, fault: Callable[[Experiment, Cluster], None], *, replicas: int = 0
) -> Outcome:
    with (
        cluster(folder / "redis", replicas=replicas) as nodes,
        experiment(folder, provider, nodes.url) as run,
        run.load(),
    ):
        fault(run, nodes)
        run.wait(AFTER)
    return run.outcome


def _key(run: Experiment) -> str:
    return "doorkey:session:" + stored_id(run.sleepers[0].jar[COOKIE]).hex()


def _node_of_somebody(run: Experiment, nodes: Cluster) -> RedisServer:
    return nodes.holder(_key(run))


def _is_replaced(run: Experiment, nodes: Cluster, lost: RedisServer) -> bool:
    return nodes.holder(_key(run)) is not lost
