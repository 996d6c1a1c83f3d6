"""One check against what grows: live sessions, rules, workers."""

from collections.abc import Sequence

from benchmarks.depot import Depot
from benchmarks.doorkeys import check_target, start_doorkey
from benchmarks.gate_section import BASE, signed_in_apache
from benchmarks.measuring import Sample, cpu, interleaved, median_of, p99, rate, ratio, raw
from benchmarks.report import Goal, Picture, Section, count, percent
from benchmarks.servers import Servers
from benchmarks.targets import Hits, Target

MOST_GROWTH = 1.15
PICTURE = "cost-by-sessions.svg"
KINDS = ("SQLite", "Redis")
Rounds = dict[str, list[Sample]]


def measure(depot: Depot) -> list[Section]:
    return [_sessions(depot), _rules(depot), _workers(depot)]


def _sessions(depot: Depot) -> Section:
    """All six at once; the cookies come from everywhere in the store."""
    sizes = depot.effort.sessions
    with Servers(depot.section_folder()) as servers:
        targets = []
        for size in sizes:
            known = depot.cookies(size)
            store, redis = depot.redis(size)
            doorkey = start_doorkey(servers, f"sqlite-{size}", depot.sqlite(size))
            targets.append(check_target(_label("SQLite", size), doorkey, known))
            doorkey = start_doorkey(servers, f"redis-{size}", store)
            targets.append(check_target(_label("Redis", size), doorkey, known, redis))
        _, apache = signed_in_apache(servers)
        rounds = _hit(depot, servers, [*targets, apache])
    few, most = sizes[0], sizes[-1]
    growths = {kind: ratio(rounds[_label(kind, most)], rounds[_label(kind, few)], cpu) for kind in KINDS}
    costs = {
        f"Doorkey, {kind}": {count(size): median_of(rounds[_label(kind, size)], cpu) for size in sizes}
        for kind in KINDS
    }
    base = median_of(rounds[BASE], cpu)
    return Section(
        name="sessions",
        title="Live sessions",
        words=(
            f"CPU of one check, in µs, with up to {count(most)} live sessions in the store, of which up to 1,000 "
            f"from everywhere in it are asked about. The last column is the growth from {count(few)} to {count(most)}. "
            f"mod_auth_openidc, in the same rounds and with one session: {base:.1f} µs."
        ),
        columns=("", *(count(size) for size in sizes), "growth"),
        rows=tuple(
            (name, *(f"{value:.1f}" for value in values.values()), percent(growth))
            for (name, values), growth in zip(costs.items(), growths.values(), strict=True)
        ),
        goals=(_growth_goal(f"{count(few)} → {count(most)} live sessions", growths),),
        raw={"sizes": sizes, "rounds": raw(rounds)},
        picture=Picture(
            PICTURE,
            f"Cost of one check by the number of live sessions, from {count(few)} to {count(most)}",
            across="live sessions",
            up="CPU of one check, µs",
            lines=costs,
            level=("mod_auth_openidc, one session", base),
        ),
    )


def _rules(depot: Depot) -> Section:
    few, most = depot.effort.rules
    known = depot.cookies(depot.effort.usual)
    with Servers(depot.section_folder()) as servers:
        targets = []
        for number in (few, most):
            doorkey = start_doorkey(servers, f"rules-{number}", depot.sqlite(depot.effort.usual), rule_count=number)
            targets.append(check_target(f"{count(number)} rules", doorkey, known))
        rounds = _hit(depot, servers, targets)
    names = [target.name for target in targets]
    growth = ratio(rounds[names[1]], rounds[names[0]], cpu)
    rows = [
        (name, f"{median_of(rounds[name], cpu):.1f}", f"{median_of(rounds[name], p99):.2f}", change)
        for name, change in zip(names, ("", percent(growth)), strict=True)
    ]
    return Section(
        name="rules",
        title="Rules",
        words=(
            "The rule that decides is one of the last in the file. A quarter of the others are for the same host, "
            "with other paths; the rest are for 49 more hosts."
        ),
        columns=("", "CPU, µs", "p99, ms", "growth"),
        rows=tuple(rows),
        goals=(_growth_goal(f"{few} → {count(most)} policy rules", {"": growth}),),
        raw=raw(rounds),
    )


def _workers(depot: Depot) -> Section:
    size = depot.effort.usual
    known = depot.cookies(size)
    store, redis = depot.redis(size)
    with Servers(depot.section_folder()) as servers:
        targets = []
        for workers in (1, 2):
            words = f"{workers} worker{'s' if workers > 1 else ''}"
            doorkey = start_doorkey(servers, f"sqlite-{workers}", depot.sqlite(size), workers=workers)
            targets.append(check_target(f"SQLite, {words}", doorkey, known))
            doorkey = start_doorkey(servers, f"redis-{workers}", store, workers=workers)
            targets.append(check_target(f"Redis, {words}", doorkey, known, redis))
        rounds = _hit(depot, servers, targets)
    rows = [
        (name, f"{median_of(found, cpu):.1f}", count(median_of(found, rate)), f"{median_of(found, p99):.2f}")
        for name, found in rounds.items()
    ]
    return Section(
        name="workers",
        title="Workers",
        words="On one core, where a second worker can only get in the way: what it costs that they share it.",
        columns=("", "CPU, µs", "per second, one core", "p99, ms"),
        rows=tuple(rows),
        raw=raw(rounds),
    )


def _hit(depot: Depot, servers: Servers, targets: Sequence[Target]) -> Rounds:
    hits = Hits(servers.folder, targets, depot.effort.seconds)
    return interleaved(hits.names, hits, count=depot.effort.rounds)


def _label(kind: str, size: int) -> str:
    return f"{kind}, {count(size)}"


def _growth_goal(what: str, growths: dict[str, float]) -> Goal:
    seen = ", ".join(f"{percent(growth)} {f'with {kind}' if kind else ''}".strip() for kind, growth in growths.items())
    return Goal(
        what,
        f"cost of a check grows by less than {(MOST_GROWTH - 1) * 100:.0f} %",
        seen,
        all(growth < MOST_GROWTH for growth in growths.values()),
    )
