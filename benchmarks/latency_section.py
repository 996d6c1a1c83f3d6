"""How long a check takes at 1,000 a second, counted from when it was due, with and without sign-ins beside it."""

import contextlib
import json
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.depot import Depot
from benchmarks.doorkeys import SETTINGS, check_target, dev_provider_settings, start_doorkey
from benchmarks.gate_section import BASE, signed_in_apache
from benchmarks.load import write_requests
from benchmarks.measuring import say
from benchmarks.peers import start_nginx, start_provider, start_uvicorn
from benchmarks.report import Goal, Picture, Section, count
from benchmarks.servers import CLIENT_CORE, ROOT, BenchmarkFailed, Server, Servers, kept_environment, pinned, python
from benchmarks.steady_load import PERCENTS, Latencies
from benchmarks.targets import Target, Warmth

RATE = 1000
SIGN_INS = 5
"""A second."""

TOKEN_SECONDS = 4
"""Short enough that the tokens of those who signed in are renewed within a round."""

MOST_P99 = 2.0
PICTURE = "latency.svg"
FLOOR = "nginx answering 204"
SITE = SETTINGS["DOORKEY_PUBLIC_URL"]
SHOWN = ("50", "90", "99", "99.9")


@dataclass
class Beside:
    """What those who signed in did while a target was asked."""

    totals: dict[str, int] = field(default_factory=dict)

    def add(self, done: Mapping[str, int]) -> None:
        for name, number in done.items():
            self.totals[name] = self.totals.get(name, 0) + number


def measure(depot: Depot) -> list[Section]:
    size = depot.effort.usual
    known = depot.cookies(size)
    with Servers(depot.section_folder()) as servers:
        provider = start_provider(servers, f"{SITE}/callback/dev", access_token=TOKEN_SECONDS)
        store, redis = depot.redis(size)
        settings = dev_provider_settings(provider.url)
        sqlite_doorkey = start_doorkey(servers, "sqlite", depot.sqlite(size), provider=settings)
        redis_doorkey = start_doorkey(servers, "redis", store, provider=settings)
        nginx = start_nginx(servers)
        uvicorn = start_uvicorn(servers)
        _, apache = signed_in_apache(servers)
        alone = check_target("Doorkey, SQLite", sqlite_doorkey, known)
        also_alone = check_target("Doorkey, Redis", redis_doorkey, known, redis)
        targets = {
            FLOOR: (Target(FLOOR, nginx.no_content, (nginx.server,), known), None),
            "uvicorn, the same answer": (Target("uvicorn", uvicorn.port, (uvicorn,), known), None),
            BASE: (apache, None),
            "Doorkey, SQLite": (alone, None),
            "Doorkey, Redis": (also_alone, None),
            "**Doorkey, SQLite, sign-ins beside**": (alone, sqlite_doorkey),
            "**Doorkey, Redis, sign-ins beside**": (also_alone, redis_doorkey),
        }
        found, beside = _rounds(depot, servers.folder, targets)
        renewed = sum(doorkey.log.count('"token_refreshed"') for doorkey in (sqlite_doorkey, redis_doorkey))
    return [_section(found, beside, renewed)]


def _rounds(
    depot: Depot, folder: Path, targets: Mapping[str, tuple[Target, Server | None]]
) -> tuple[dict[str, list[Latencies]], Beside]:
    """In turn; the first round is thrown away."""
    found: dict[str, list[Latencies]] = {name: [] for name in targets}
    beside, warmth = Beside(), Warmth()
    files = {
        name: write_requests(folder / f"steady-{at}.bin", target.requests())
        for at, (name, (target, _)) in enumerate(targets.items())
    }
    rounds, seconds = max(2, depot.effort.rounds - 2), depot.effort.steady_seconds
    for number in range(rounds + 1):
        say(f"  round {number} of {rounds}" if number else "  warm-up round")
        for name, (target, busy) in targets.items():
            warmth.bring(target, files[name])
            with signing_in(busy, seconds, beside) if busy else contextlib.nullcontext():
                latencies = steadily(target.port, files[name], seconds)
            if number:
                found[name].append(latencies)
    return found, beside


def steadily(port: int, requests: Path, seconds: float) -> Latencies:
    words = [str(port), str(requests), "--rate", str(RATE), "--seconds", str(seconds)]
    done = subprocess.run(
        pinned(python("-m", "benchmarks.steady_load", *words), CLIENT_CORE),
        cwd=ROOT,
        env=kept_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkFailed(f"the client ended with {done.returncode}: {done.stderr[-500:]}")
    return Latencies(**json.loads(done.stdout))


@contextmanager
def signing_in(doorkey: Server, seconds: float, beside: Beside) -> Iterator[None]:
    """People who sign in, for as long as the block takes and a little longer."""
    words = [SITE, "--port", str(doorkey.port), "--per-second", str(SIGN_INS), "--seconds", str(seconds + 1)]
    client = subprocess.Popen(
        pinned(python("-m", "benchmarks.sign_in_client", *words), CLIENT_CORE, niceness=10),
        cwd=ROOT,
        env=kept_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield
        printed, _ = client.communicate(timeout=60)
    finally:
        client.kill()
        client.wait()
    done = json.loads(printed or "{}")
    if not done.get("sign_ins") or done["failures"]:
        raise BenchmarkFailed(f"signing in beside the checks: {done}")
    beside.add(done)


def _section(found: Mapping[str, Sequence[Latencies]], beside: Beside, renewed: int) -> Section:
    middle = {
        name: {f"{p:g}": statistics.median(one.milliseconds[f"{p:g}"] for one in rounds) for p in PERCENTS}
        for name, rounds in found.items()
    }
    busy = {name: values["99"] for name, values in middle.items() if "beside" in name}
    did = beside.totals
    return Section(
        name="latency",
        title="How long a check takes",
        words=(
            f"{count(RATE)} checks a second at fixed times, one worker, in ms from when a check was due. "
            f"*Sign-ins beside*: {SIGN_INS} people a second sign in at the same Doorkey, and their tokens are renewed "
            f"(in this run {did.get('sign_ins', 0)} sign-ins, {did.get('pages', 0)} pages, {renewed} renewals). "
            f"The first row is the floor of the client: {middle[FLOOR]['99']:.2f} ms at p99."
        ),
        columns=("", *(f"p{percent}" for percent in SHOWN), "no good answer"),
        rows=tuple(
            (name, *(f"{values[p]:.2f}" for p in SHOWN), _share(found[name])) for name, values in middle.items()
        ),
        goals=(
            Goal(
                f"p99 at {count(RATE)} checks/s, one worker, while logins run beside it",
                f"under {MOST_P99:.0f} ms",
                ", ".join(f"{value:.2f} ms with {name.split(', ')[1]}" for name, value in busy.items()),
                all(value < MOST_P99 and not any(one.bad for one in found[name]) for name, value in busy.items()),
            ),
        ),
        raw={"milliseconds": middle, "beside": did, "renewed": renewed},
        picture=Picture(
            PICTURE,
            "Latency of a check by percentile, from the median to 99.9 %",
            across="so many of all checks took no longer",
            up="ms since the check was due",
            lines={
                name.strip("*"): {f"{p} %": value for p, value in values.items()} for name, values in middle.items()
            },
        ),
    )


def _share(rounds: Sequence[Latencies]) -> str:
    """Of answers that were refused or never came; a server that cannot keep up has some."""
    bad, every = sum(one.bad for one in rounds), sum(one.count for one in rounds)
    return f"{bad / every * 100:.2f} %" if bad else "none"
