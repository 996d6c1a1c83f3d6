"""Faults of one Redis server: stopped, killed, hanging, restarted, full, its clock moved."""

from collections.abc import Callable
from pathlib import Path

from tests.faults.experiment import Experiment, Outcome, experiment
from tests.faults.members import OUT
from tests.support.redis_servers import RedisServer, redis_server

AWAY = 1.0
PAUSED = 1.8
AFTER = 0.6
RESTARTS = 3
CLOCK_JUMP = 500.0
"""Less than the ten minutes that a record stays after its end."""

Fault = Callable[[Experiment, RedisServer], None]


def _with_redis(folder: Path, provider: str, fault: Fault, *, fake_time: bool = False) -> Outcome:
    with (
        redis_server(folder / "redis", fake_time=fake_time) as store,
        experiment(folder, provider, store.url) as run,
        run.load(),
    ):
        fault(run, store)
        run.wait(AFTER)
    return run.outcome


def stopped(folder: Path, provider: str) -> Outcome:
    def fault(run: Experiment, store: RedisServer) -> None:
        with run.away():
            store.stop()
            run.wait(AWAY)
            store.start()

    return _with_redis(folder, provider, fault)


def killed(folder: Path, provider: str) -> Outcome:
    def fault(run: Experiment, store: RedisServer) -> None:
        with run.away():
            store.kill()
            run.wait(AWAY)
            store.start()

    return _with_redis(folder, provider, fault)


def paused(folder: Path, provider: str) -> Outcome:
    """The connections stay open, and what was sent is carried out afterwards, when nobody waits for it any more."""

    def fault(run: Experiment, store: RedisServer) -> None:
        with run.away():
            store.pause()
            run.wait(PAUSED)
            store.resume()

    return _with_redis(folder, provider, fault)


def restarted(folder: Path, provider: str) -> Outcome:
    def fault(run: Experiment, store: RedisServer) -> None:
        for _ in range(RESTARTS):
            with run.away():
                store.stop()
                store.start()
            run.wait(0.3)

    return _with_redis(folder, provider, fault)


def full(folder: Path, provider: str) -> Outcome:
    """Nobody comes in; who is in stays in, and may leave."""

    def fault(run: Experiment, store: RedisServer) -> None:
        leaving = run.sleepers[0]
        leaving.home()
        with store.client() as client, run.away():
            client.config_set("maxmemory", 1)
            run.wait(AWAY)
            leaving.sign_out()
            run.insist(leaving.standing == OUT, "a full Redis keeps nobody from signing out")
            client.config_set("maxmemory", 0)

    return _with_redis(folder, provider, fault)


def clock_moved(folder: Path, provider: str) -> Outcome:
    """Of the server alone; Doorkey judges by its own."""

    def fault(run: Experiment, store: RedisServer) -> None:
        for seconds in (CLOCK_JUMP, -CLOCK_JUMP, -CLOCK_JUMP, CLOCK_JUMP):
            store.move_clock(seconds)
            run.wait(0.4)

    return _with_redis(folder, provider, fault, fake_time=True)
