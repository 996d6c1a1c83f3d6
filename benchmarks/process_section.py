"""A worker's memory while very many sessions come by, and how long a start takes when the provider does not answer."""

import http.client
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.depot import Depot
from benchmarks.doorkeys import SETTINGS, check_target, dev_provider_settings, start_doorkey
from benchmarks.load import CONNECTIONS, write_requests, wrk
from benchmarks.measuring import say
from benchmarks.report import Goal, Section, count, percent
from benchmarks.seeding import cookie
from benchmarks.servers import BenchmarkFailed, Server, Servers, memory_mb, workers_of
from benchmarks.targets import Target, browser_path

MOST_MEMORY = 90.0
MOST_GROWTH = 1.10
"""From half of the sessions to all of them; more would not be bounded."""

MOST_START = 1.5
STEP_SECONDS = 4.0
FIRST_STEP = 20_000
MORE = 1.5
"""Requests that are made ready, times those of the step before: enough when that one used all of its own."""

Step = tuple[int, float, float]
"""Sessions that were asked about, RSS and PSS in MB."""


def measure(depot: Depot) -> list[Section]:
    return [_memory(depot), _start(depot)]


def _memory(depot: Depot) -> Section:
    most = depot.effort.most
    steps: list[tuple[int, float, float]] = []
    with Servers(depot.section_folder()) as servers:
        doorkey = start_doorkey(servers, "memory", depot.sqlite(most))
        target = check_target("Doorkey", doorkey, [cookie(0)])
        steps.append((1, *_largest(doorkey)))
        deadline, seen, expected = time.monotonic() + depot.effort.memory_seconds, 0, FIRST_STEP
        while seen < most and time.monotonic() < deadline:
            answered = _visit(target, servers.folder, range(seen, min(most, seen + expected)))
            seen, expected = seen + answered, int(answered * MORE)
            steps.append((seen, *_largest(doorkey)))
            say(f"  {count(seen)} of {count(most)} sessions: {steps[-1][1]:.0f} MB")
    return Section(
        name="memory",
        title="Memory",
        words=(
            f"One worker with SQLite and {count(most)} live sessions, asked about {count(seen)} different ones, once "
            f"each{'' if seen == most else f': so many it was in {depot.effort.memory_seconds:.0f} seconds'}."
        ),
        columns=("after so many sessions", "RSS, MB", "PSS, MB"),
        rows=tuple((count(number), f"{rss:.0f}", f"{pss:.0f}") for number, rss, pss in shown(steps)),
        goals=(memory_goal(steps, most),),
        raw={"steps": steps},
    )


def shown(steps: Sequence[Step]) -> list[Step]:
    """The first, the last and about every fourth between them."""
    return [step for at, step in enumerate(steps) if at % 4 == 0 or at in (1, len(steps) - 1)]


def memory_goal(steps: Sequence[Step], most: int) -> Goal:
    """Missed when it is too much or goes on growing; reached only when all sessions were asked about."""
    seen, largest = steps[-1][0], max(rss for _, rss, _ in steps)
    half = min(steps, key=lambda step: abs(step[0] - seen / 2))
    growth = steps[-1][1] / half[1]
    good = largest < MOST_MEMORY and growth < MOST_GROWTH
    return Goal(
        "memory",
        f"under {MOST_MEMORY:.0f} MB for each worker, bounded at 1,000,000 sessions",
        f"{largest:.0f} MB at most, {percent(growth)} in the second half of {count(seen)} sessions",
        None if good and seen < most else good,
    )


def _largest(server: Server) -> tuple[float, float]:
    """RSS and PSS of the worker that has most."""
    return max(memory_mb(pid) for pid in workers_of(server))


def _visit(target: Target, folder: Path, numbers: range) -> int:
    """Ask about these sessions, each once, for some seconds; how many of them there was time for."""
    requests = [target.request(cookie(number), browser_path(number)) for number in numbers]
    path = write_requests(folder / "once.bin", requests)
    answered = wrk(target.port, path, STEP_SECONDS, target.servers, once=True).count
    # wrk keeps its first request to itself, and ends while the answers of its last few are under way
    return len(numbers) if answered >= len(numbers) - CONNECTIONS - 1 else answered


def _start(depot: Depot) -> Section:
    found: dict[int, list[float]] = {1: [], 2: []}
    store = depot.sqlite(depot.effort.usual)
    with _silent_provider() as port:
        for number in range(depot.effort.starts):
            for workers, seconds in found.items():
                with Servers(depot.section_folder()) as servers:
                    provider = dev_provider_settings(f"http://127.0.0.1:{port}")
                    began = time.monotonic()
                    doorkey = start_doorkey(servers, f"start-{number}", store, workers=workers, provider=provider)
                    _wait_until_healthy(doorkey.port)
                    seconds.append(time.monotonic() - began)
    middle = statistics.median(found[1])
    return Section(
        name="start",
        title="Start",
        words=(
            f"From the command to the first answer of `/healthz`, {depot.effort.starts} times, 200 rules, with a "
            "provider that takes connections and never answers."
        ),
        columns=("", "best, s", "median, s"),
        rows=tuple(
            (f"{workers} worker{'s' if workers > 1 else ''}", f"{min(values):.2f}", f"{statistics.median(values):.2f}")
            for workers, values in found.items()
        ),
        goals=(
            Goal(
                "start",
                f"ready in under {MOST_START} s with the provider unreachable",
                f"{middle:.2f} s, at best {min(found[1]):.2f} s",
                middle < MOST_START,
            ),
        ),
        raw={"seconds": found},
    )


@contextmanager
def _silent_provider() -> Iterator[int]:
    """Connections are made by the system and wait there for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener.getsockname()[1]


def _wait_until_healthy(port: int) -> None:
    deadline = time.monotonic() + 30
    host = SETTINGS["DOORKEY_PUBLIC_URL"].partition("://")[2]
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz", headers={"Host": host})
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
        finally:
            connection.close()
    raise BenchmarkFailed("/healthz did not answer with 200")
