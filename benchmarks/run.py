"""All of it: measures section after section and writes docs/performance.md with its two pictures.

    python -m benchmarks.run                          about a quarter of an hour
    python -m benchmarks.run --quick                  three minutes, few sessions; writes nothing into docs/
    python -m benchmarks.run --only gate --quick    one section

The raw numbers go into a JSON file beside the folder of the run; its name is printed at the end.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import dev_provider, gate_section, growth_section, latency_section, login_section, process_section
from benchmarks.depot import FULL, QUICK, Depot, Effort
from benchmarks.measuring import say
from benchmarks.peers import versions
from benchmarks.plots import draw
from benchmarks.report import Section, document, this_machine, write_document, write_raw
from benchmarks.servers import ROOT, BenchmarkFailed, Servers

Measure = Callable[[Depot], Sequence[Section]]
SECTIONS: dict[str, Measure] = {
    "gate": gate_section.measure,
    "growth": growth_section.measure,
    "latency": latency_section.measure,
    "sign-in": login_section.measure,
    "process": process_section.measure,
    "dev-provider": dev_provider.measure,
}
DOCUMENT = "performance.md"


def measure(names: Sequence[str], effort: Effort) -> list[Section]:
    """The sections in their order; everything that was started or written is gone afterwards."""
    found: list[Section] = []
    with tempfile.TemporaryDirectory(prefix="doorkey-bench-") as path:
        folder = Path(path)
        folder.chmod(0o755)  # Apache's threads are another user
        with Servers(folder) as servers:
            depot = Depot(folder, effort, servers)
            for name in names:
                began = time.monotonic()
                say(f"== {name}")
                found += SECTIONS[name](depot)
                say(f"== {name} took {time.monotonic() - began:.0f} s")
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few sessions and rounds, in three minutes")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="this section; may be repeated")
    parser.add_argument("--sessions", type=int, default=0, help="live sessions in the largest store (1,000,000)")
    parser.add_argument("--docs", type=Path, help="folder for performance.md and images/ (docs/ after a full run)")
    parser.add_argument("--raw", type=Path, help="file for the raw numbers (a temporary one)")
    return parser.parse_args()


def effort_of(given: argparse.Namespace) -> Effort:
    effort = QUICK if given.quick else FULL
    if not given.sessions:
        return effort
    small, middle = max(1, given.sessions // 1000), max(1, given.sessions // 10)
    return replace(effort, sessions=(small, middle, given.sessions))


def main() -> None:
    given = arguments()
    if os.cpu_count() == 1:
        raise SystemExit("Servers and client need a core each; this machine has one.")
    began, load, names = time.monotonic(), os.getloadavg()[0], given.only or list(SECTIONS)
    complete = not (given.quick or given.only or given.sessions)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    try:
        sections = measure(names, effort_of(given))
    except BenchmarkFailed as error:
        raise SystemExit("\n".join([*getattr(error, "__notes__", []), f"failed: {error}"])) from None
    machine, date = this_machine(versions(), load), f"{datetime.now(UTC):%d %B %Y}"
    text = document(sections, machine, date, (time.monotonic() - began) / 60, complete=complete)
    raw = given.raw or Path(tempfile.gettempdir()) / f"doorkey-bench-{int(time.time())}.json"
    write_raw(raw, sections, machine, date)
    docs = given.docs or (ROOT / "docs" if complete else None)
    if docs:
        for section in sections:
            if section.picture:
                draw(section.picture, docs / "images")
        write_document(docs / DOCUMENT, text)
    else:
        sys.stdout.write(text)
    say(f"raw numbers: {raw}" + (f"; document: {docs / DOCUMENT}" if docs else ""))


if __name__ == "__main__":
    main()
