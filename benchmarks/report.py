"""What the sections found, as docs/performance.md, and the raw numbers as JSON.

A section gives `Section`s: sentences, a table, goals with what was seen. Nothing here measures anything.
"""

import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

MOST_LOAD = 0.5
BUSY = (
    "**The machine was busy with something else when this began (load {load:.1f}): numbers are rough, and latencies "
    "say little.**"
)
SHORTENED = "This run was shortened (`--quick`, `--only` or `--sessions`); its numbers are rough."


@dataclass(frozen=True)
class Goal:
    """`seen` in words; `reached` None: it was not measured in this run."""

    what: str
    goal: str
    seen: str
    reached: bool | None

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "**missed**", None: "not measured"}[self.reached]


@dataclass(frozen=True)
class Picture:
    """`lines` are values by name and by what stands below; `level` one value for comparison. Below may be numbers."""

    name: str
    shows: str
    across: str
    up: str
    lines: Mapping[str, Mapping[str, float]]
    level: tuple[str, float] | None = None


@dataclass(frozen=True)
class Section:
    """`raw` is whatever JSON can hold."""

    name: str
    title: str
    words: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    goals: tuple[Goal, ...] = ()
    raw: Mapping[str, object] = field(default_factory=dict)
    picture: Picture | None = None


@dataclass(frozen=True)
class Machine:
    processor: str
    cores: int
    system: str
    python: str
    versions: Mapping[str, str]
    load: float = 0.0
    """Processes that wanted a core in the minute before the run, on average."""


def this_machine(versions: Mapping[str, str], load: float) -> Machine:
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return Machine(
        processor=models[0] if models else platform.machine(),
        cores=os.cpu_count() or 1,
        system=f"{system}, kernel {platform.release()}",
        python=platform.python_version(),
        versions=versions,
        load=load,
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. A `|` in a cell would begin another one."""
    lines = [_line(columns), "|" + "---|" * len(columns)]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{len(columns)} columns, and a row of {len(row)}: {row}")
        lines.append(_line(row))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def document(sections: Sequence[Section], machine: Machine, date: str, minutes: float, *, complete: bool = True) -> str:
    """The whole of docs/performance.md."""
    goals = [goal for section in sections for goal in section.goals]
    parts = [
        "# What it costs",
        _introduction(machine, date, minutes),
        *([] if complete else [SHORTENED]),
        *([BUSY.format(load=machine.load)] if machine.load > MOST_LOAD else []),
        "## Goals",
        table(
            ("what", "goal", "seen", ""),
            ((goal.what, goal.goal, goal.seen, goal.verdict) for goal in goals),
        ),
        summary(goals),
        *(part for section in sections for part in _section(section)),
        "## How it is measured, and what the numbers do not say",
        METHOD,
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def summary(goals: Sequence[Goal]) -> str:
    """In a sentence which goals were missed."""
    missed = [goal.what for goal in goals if goal.reached is False]
    if not missed:
        return "No goal was missed."
    return f"Missed: {'; '.join(missed)}."


def _introduction(machine: Machine, date: str, minutes: float) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"Written by `make bench` on {date}, in {max(1, minutes):.0f} minutes, on {machine.processor} with "
        f"{machine.cores} cores, {machine.system}, Python {machine.python}; {versions}. Run it "
        "on your machine: the ratios should hold, the microseconds will not."
    )


def _section(section: Section) -> list[str]:
    parts = [f"## {section.title}", section.words, table(section.columns, section.rows)]
    if section.picture:
        parts.append(f"![{section.picture.shows}](images/{section.picture.name})")
    return parts


METHOD = """
All targets of a table are up at the same time and are hit in turn, A B C, A B C, for a second or two each, after
seconds that do not count: a session that nobody asked about for a minute is then written down as seen, which is rare
where there is always something to do. The first round is thrown away; numbers are medians of the others. A ratio is
taken within each round, and then the median of the ratios: what else the machine does slows a whole round.

Servers run on core 0 with everything that they need (Redis, and nginx where it asks Doorkey), the client on core 1.
The client is wrk with 16 kept-alive connections; each request has twelve headers, as browsers and proxies send them,
one of 1,000 session cookies among three others, and one of 500 paths. *CPU* is the user and system time of all
processes of a target, from `/proc`, divided by the answers. Before a target is hit it has to let a good session in
with the identity headers, to send away a made-up one, and to refuse where a rule says so; one wrong answer while it is
hit ends the run.

Doorkey runs as `doorkey serve` with one worker unless said otherwise, with 200 rules for 50 hosts (path prefixes,
groups, methods); the rules that decide here stand last. Sessions are made with its own code: name, e-mail, 7 groups,
tokens, about 1.3 kB. Apache is Debian's with the event MPM, one process of 32 threads, and mod_auth_openidc with
sessions in shared memory, which is its default; somebody has signed in through the development provider, and that one
session is what is asked about. That is its best case: with more sessions it gets slower.

Latencies beside sign-ins come from a client that asks at fixed times and counts from when a request was due, so that
a server that hesitates cannot hide it. The row of nginx, which answers without asking anybody, is the floor of the
client itself. The provider and those who sign in run on the client's core, with less right to it.

Everything is on one machine: no network, no TLS between proxy and Doorkey. Redis keeps nothing on disk here. CPU
time comes in steps of 10 ms, which is 1 % of a round. A machine that others use too adds several percent to any
number that is no ratio.
"""


def write_document(path: Path, text: str) -> None:
    """At once or not at all."""
    fresh = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def write_raw(path: Path, sections: Sequence[Section], machine: Machine, date: str) -> None:
    content = {
        "date": date,
        "machine": asdict(machine),
        "sections": {section.name: dict(section.raw) for section in sections},
        "goals": [asdict(goal) for section in sections for goal in section.goals],
    }
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def count(number: float) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,.0f}"


def percent(growth: float) -> str:
    """A factor as what it adds: 1.08 as +8 %."""
    return f"{(growth - 1) * 100:+.0f} %"
