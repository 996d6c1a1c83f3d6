"""One check, hot, beside what people use instead; and the same before a small file."""

import statistics

from benchmarks.depot import Depot
from benchmarks.doorkeys import FORBIDDEN_PATH, check_target, start_doorkey
from benchmarks.measuring import Sample, cpu, interleaved, median_of, p50, p99, rate, ratio, raw
from benchmarks.peers import (
    FILE_BYTES,
    Apache,
    apache_callback,
    start_apache,
    start_nginx,
    start_provider,
    start_uvicorn,
)
from benchmarks.report import Goal, Section, count
from benchmarks.servers import BenchmarkFailed, Server, Servers, free_port, memory_mb, workers_of
from benchmarks.sign_in_client import sign_in
from benchmarks.targets import Hits, Target, insist

SQLITE, REDIS, BASE = "**Doorkey, SQLite**", "**Doorkey, Redis**", "Apache, mod_auth_openidc (shared memory)"
THROUGH, THROUGH_REDIS = "**nginx, auth_request to Doorkey (SQLite)**", "**nginx, auth_request to Doorkey (Redis)**"
NGINX, UVICORN, APACHE, NGINX_FILE = (
    "nginx answering 204",
    "uvicorn, the same answer",
    "Apache, no login",
    "nginx, no login",
)
MOST_CPU, LEAST_RATIO, LEAST_THROUGH = 45.0, 3.0, 2.0
Rounds = dict[str, list[Sample]]


def measure(depot: Depot) -> list[Section]:
    """Two tables from the same servers."""
    size = depot.effort.usual
    with Servers(depot.section_folder()) as servers:
        redis_store, redis = depot.redis(size)
        known = depot.cookies(size)
        sqlite_doorkey = start_doorkey(servers, "sqlite", depot.sqlite(size))
        redis_doorkey = start_doorkey(servers, "redis", redis_store)
        apache, guarded = signed_in_apache(servers)
        nginx = start_nginx(servers, sqlite_doorkey)
        second = start_nginx(servers, redis_doorkey, name="nginx-redis")
        uvicorn = start_uvicorn(servers)
        checks = [
            Target(NGINX, nginx.no_content, (nginx.server,), known),
            Target(UVICORN, uvicorn.port, (uvicorn,), known),
            check_target(SQLITE, sqlite_doorkey, known),
            check_target(REDIS, redis_doorkey, known, redis),
            Target(APACHE, apache.plain, (apache.server,), known),
            guarded,
        ]
        files = [
            Target(NGINX_FILE, nginx.plain_file, (nginx.server,), known),
            Target(THROUGH, nginx.guarded, (nginx.server, sqlite_doorkey), known),
            Target(THROUGH_REDIS, second.guarded, (second.server, redis_doorkey, redis), known),
        ]
        for target in files[1:]:
            prove_through(target)
        targets = [*checks, *files]
        hits = Hits(servers.folder, targets, depot.effort.seconds)
        rounds = interleaved(hits.names, hits, count=depot.effort.rounds)
        memory = {target.name: resident(target.servers[0]) for target in targets}
    return [_checks(rounds, memory, size), _through(rounds)]


def signed_in_apache(servers: Servers) -> tuple[Apache, Target]:
    """With a session of mod_auth_openidc that the development provider gave; proved to work."""
    plain, guarded = free_port(), free_port()
    provider = start_provider(servers, apache_callback(guarded))
    apache = start_apache(servers, provider.url, plain, guarded)
    jar = sign_in(f"http://127.0.0.1:{guarded}/app/a/page-1")
    name = "mod_auth_openidc_session"
    target = Target(BASE, guarded, (apache.server,), [f"{name}={jar[name]}"], host=f"127.0.0.1:{guarded}")
    insist(target, target.cookies[0], 200)
    insist(target, f"{name}=AAAAAAAAAAAAAAAAAAAAAAAAAAA", 401)
    insist(target, target.cookies[0], 403, path=FORBIDDEN_PATH)
    return apache, target


def prove_through(target: Target) -> None:
    """A browser that is not let in is sent away by nginx, as deploy/nginx does it."""
    if len(insist(target, target.cookies[0], 200)) != FILE_BYTES:
        raise BenchmarkFailed(f"{target.name} gave another file")
    insist(target, "", 302)
    insist(target, target.cookies[0], 302, path=FORBIDDEN_PATH)


def resident(server: Server) -> float:
    """The RSS of the largest process that answers, in MB."""
    return max(memory_mb(pid)[0] for pid in workers_of(server))


def _checks(rounds: Rounds, memory: dict[str, float], size: int) -> Section:
    names = (NGINX, UVICORN, SQLITE, REDIS, APACHE, BASE)
    base = rounds[BASE]
    rows = tuple(
        (*_figures(name, rounds[name]), f"{memory[name]:.0f}", f"{ratio(base, rounds[name], cpu):.1f}")
        for name in names
    )
    return Section(
        name="checks",
        title="One check",
        words=(
            "Doorkey is asked as by nginx for `auth_request`; Apache and mod_auth_openidc answer with a file of 1 kB. "
            f"{count(size)} sessions, 200 rules. *Times* is how many such answers the CPU time of one by "
            "mod_auth_openidc is worth. The second row is the floor of any Python server: an application that "
            "answers the same without looking."
        ),
        columns=("", "CPU, µs", "per second, one core", "p50, ms", "p99, ms", "memory, MB", "times"),
        rows=rows,
        goals=tuple(_check_goal(name, rounds) for name in (SQLITE, REDIS)),
        raw={**raw({name: rounds[name] for name in names}), "memory_mb": memory},
    )


def _figures(name: str, samples: list[Sample]) -> tuple[str, str, str, str, str]:
    return (
        name,
        f"{median_of(samples, cpu):.1f}",
        count(median_of(samples, rate)),
        f"{median_of(samples, p50):.2f}",
        f"{median_of(samples, p99):.2f}",
    )


def _check_goal(name: str, rounds: Rounds) -> Goal:
    cost, times = median_of(rounds[name], cpu), ratio(rounds[BASE], rounds[name], cpu)
    return Goal(
        f"one check, full rules, {name.strip('*').partition(', ')[2]}, hot",
        f"at most {MOST_CPU:.0f} µs CPU, at least {LEAST_RATIO:.0f} times mod_auth_openidc",
        f"{cost:.1f} µs, {times:.1f} times",
        cost <= MOST_CPU and times >= LEAST_RATIO,
    )


def _through(rounds: Rounds) -> Section:
    names = (NGINX_FILE, THROUGH, THROUGH_REDIS, APACHE, BASE)
    base = rounds[BASE]
    rows = tuple(
        (*_figures(name, rounds[name]), _parts(rounds[name]), f"{ratio(base, rounds[name], cpu):.1f}") for name in names
    )
    seen = {name: ratio(base, rounds[name], cpu) for name in (THROUGH, THROUGH_REDIS)}
    return Section(
        name="through",
        title="A file behind nginx with auth_request",
        words=(
            "The same file of 1 kB, by nginx after it asked Doorkey (the configuration of `deploy/nginx`, without TLS "
            "and with the file in place of the application), and by Apache after mod_auth_openidc let it through. "
            "CPU is that of nginx and Doorkey (and Redis) together; *of it* says how it divides."
        ),
        columns=("", "CPU, µs", "per second, one core", "p50, ms", "p99, ms", "of it, µs", "times"),
        rows=rows,
        goals=(
            Goal(
                "through nginx auth_request to a file",
                f"at least {LEAST_THROUGH:.0f} times Apache with mod_auth_openidc on the same file",
                f"{seen[THROUGH]:.1f} times with SQLite, {seen[THROUGH_REDIS]:.1f} with Redis",
                min(seen.values()) >= LEAST_THROUGH,
            ),
        ),
        raw=raw({name: rounds[name] for name in names}),
    )


def _parts(samples: list[Sample]) -> str:
    parts = list(zip(*(sample.parts_us for sample in samples), strict=True))
    return " + ".join(f"{statistics.median(part):.0f}" for part in parts) if len(parts) > 1 else ""
