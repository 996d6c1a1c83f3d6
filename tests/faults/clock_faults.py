"""The clock of Doorkey's process jumps, ahead and back, by less and by more than a session may idle.

The process is `python app.py` with one line before: `time.time` adds what a file says. (libfaketime, which moves
Redis in redis_faults.py, also intercepts the waits of Python's threads and makes them a hundred times slower.)
"""

from collections.abc import Sequence
from pathlib import Path

from tests.faults.exchange import COOKIE
from tests.faults.experiment import Experiment, Outcome, experiment
from tests.faults.front_door_site import plain_oauth
from tests.faults.members import IN, LOOKS_ENDED, PENDING_ENDS
from tests.support.redis_servers import redis_server

IDLE = 60
LITTLE, FAR = 0.75 * IDLE, 3 * IDLE
"""Minutes."""

A_WHILE = 0.3
MOVED = """
import os, runpy, sys, time
right, offset = time.time, os.open(sys.argv[1], os.O_RDONLY)
time.time = lambda: right() + float(os.pread(offset, 32, 0))
sys.argv = ["app.py"]
runpy.run_path("app.py", run_name="__main__")
"""


class MovableClock:
    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self._file = folder / "clock"
        self.move_to(0)

    def move_to(self, minutes: float) -> None:
        """So far from the right time; one write of a fixed length, so that nobody reads half a number."""
        with self._file.open("r+b" if self._file.exists() else "w+b", buffering=0) as stream:
            stream.write(f"{minutes * 60:+016.3f}\n".encode())

    def app(self, port: int) -> Sequence[str]:
        return ("-c", MOVED, str(self._file))


def jumps_with_sqlite(folder: Path, provider: str) -> Outcome:
    return _jumps(folder, provider, "sqlite:")


def jumps_with_redis(folder: Path, provider: str) -> Outcome:
    with redis_server(folder / "redis") as store:
        return _jumps(folder, provider, store.url)


def _jumps(folder: Path, provider: str, store: str) -> Outcome:
    clock = MovableClock(folder / "time")
    settings = {"DOORKEY_SESSION_IDLE": f"{IDLE}m", **plain_oauth(provider)}
    with experiment(folder, provider, store, command=clock.app, settings=settings) as run:
        _far_behind(run, clock)
        with run.load():
            run.ledger.allowed.add(PENDING_ENDS)
            for minutes in (LITTLE, 0, -LITTLE, 0):
                clock.move_to(minutes)
                run.wait(A_WHILE)
                run.insist(_all_in(run), f"all in at {minutes:+}")
            _far_ahead(run, clock)
    return run.outcome


def _all_in(run: Experiment) -> bool:
    return all(member.look() for member in run.sleepers if member.standing == IN)


def _far_behind(run: Experiment, clock: MovableClock) -> None:
    """Nobody signs in meanwhile: such a session would have been idle for too long once the clock is right."""
    for minutes in (-FAR, 0):
        clock.move_to(minutes)
        run.insist(_all_in(run), f"all in at {minutes:+}")


def _far_ahead(run: Experiment, clock: MovableClock) -> None:
    """Sessions look ended for as long as the clock is wrong, and no cookie is taken back for that."""
    run.ledger.allowed.add(LOOKS_ENDED)
    for _ in range(2):
        clock.move_to(FAR)
        run.wait(A_WHILE)
        for member in run.sleepers:
            run.insist(not member.look(), "an hour was enough")
            run.insist((COOKIE in member.jar) == (member.standing == IN), "the cookie stays")
        clock.move_to(0)
        run.wait(A_WHILE)
    run.ledger.allowed.remove(LOOKS_ENDED)
