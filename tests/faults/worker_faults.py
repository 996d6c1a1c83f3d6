"""A worker of two is killed with SIGKILL in the middle of a callback, a renewal and a sign-out, again and again.

It is the one that has the connection, a seed chooses the moment, and the provider is slow, so that it falls before,
between and after the steps. What was acknowledged holds. A request that was cut off may have been done or not, and
nobody gets an error for it later.
"""

import contextlib
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

from tests.faults import front_door_site
from tests.faults.exchange import CUT
from tests.faults.experiment import Experiment, Outcome, experiment
from tests.faults.members import CUTS, REFRESH_REFUSED
from tests.support.redis_servers import redis_server

SLOW = ("token:delay=0.1*always", "revoke:delay=0.1*always")
KINDS = ("GET /callback/dev", "POST /account/refresh", "POST /logout")
LATEST = 0.18
"""Seconds after the beginning of a request; most take less on a machine that does nothing else."""

KILLS = 2
"""Of each kind."""

WORKER = b"spawn_main"


def killed_with_sqlite(folder: Path, provider: str) -> Outcome:
    return _killed(folder, "sqlite:", seed=1)


def killed_with_redis(folder: Path, provider: str) -> Outcome:
    with redis_server(folder / "redis") as store:
        return _killed(folder, store.url, seed=2)


def _killed(folder: Path, store: str, *, seed: int) -> Outcome:
    choice = random.Random(seed)
    with (
        front_door_site.provider(folder / "provider", *SLOW) as slow,
        experiment(folder, slow, store, seed=seed, settings={"WEB_CONCURRENCY": "2"}) as run,
    ):
        run.ledger.allowed |= {CUTS, REFRESH_REFUSED}
        with run.load():
            for kind in KINDS * KILLS:
                run.until(partial(_kill_in, run, kind, choice), f"killed in {kind}")
            run.until(lambda: len(workers(run)) == 2, "both workers are there again")
        run.ledger.allowed.remove(CUTS)
        for kind in KINDS:
            run.insist(any(one.what == kind and one.status == CUT for one in run.ledger.exchanges), f"{kind} was cut")
    return run.outcome


def _kill_in(run: Experiment, kind: str, choice: random.Random) -> bool:
    """Kill the worker that serves such a request; False when none is under way, or it was answered by then."""
    found = [port for port, what in list(run.ledger.under_way.items()) if what == kind]
    if not found:
        return False
    time.sleep(choice.uniform(0, LATEST))
    worker = _worker_of(run, found[0])
    if worker and found[0] in run.ledger.under_way:
        os.kill(worker, signal.SIGKILL)
        return True
    return False


def _worker_of(run: Experiment, port: int) -> int | None:
    """Which worker has the connection that comes from this port of ours."""
    ends = (f":{run.site.port:04X}", f":{port:04X}")
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if (row[1][-5:], row[2][-5:]) == ends}
    return next((pid for pid in workers(run) if _sockets(pid) & inodes), None)


def _sockets(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
    return found


def workers(run: Experiment) -> list[int]:
    """The processes that serve, by what they were started as; not the one that keeps an eye on semaphores."""
    children = Path(f"/proc/{run.site.pid}/task/{run.site.pid}/children").read_text().split()
    return [int(child) for child in children if WORKER in _command(child)]


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
