"""`python -m tests.gate.reference --requests 1000000`: that many requests, each answered in three ways.

Ends with 1 when two answers differ, and shows the shortest example of it. `--seed` repeats a run.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.gate.reference.random_days import Day, days, live
from tests.gate.reference.three_ways import World, open_worlds

EXAMPLES_AT_ONCE = 200
"""In one go of hypothesis, which remembers every example of it."""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gate.reference", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    chosen = parser.parse_args(words)
    logging.getLogger("doorkey").disabled = True
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="doorkey-", dir=memory) as folder, open_worlds(Path(folder)) as worlds:
        return compare(worlds, chosen.requests, chosen.seed)


def compare(worlds: list[World], requests: int, first_seed: int) -> int:
    began, done, run = time.monotonic(), 0, 0
    say(f"seed {first_seed}")
    while done < requests:
        try:
            some(worlds, first_seed + run, EXAMPLES_AT_ONCE)
        except AssertionError as error:
            say(*getattr(error, "__notes__", []), str(error), f"two answers differ: --seed {first_seed + run}")
            return 1
        done, run = sum(world.asked for world in worlds), run + 1
        passed = time.monotonic() - began
        say(f"{done:>9} of {requests} requests, {passed:7.1f} s, {1e6 * passed / done:5.0f} us each")
    for (status, reason), count in sorted(total(worlds).items()):
        say(f"{status} {reason:38}{count:>9}")
    say(f"{done} requests, and no answer differs from the reference")
    return 0


def some(worlds: list[World], number: int, examples: int) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )
    @given(days())
    def run(day: Day) -> None:
        live(worlds, day)

    run()


def total(worlds: list[World]) -> Counter[tuple[int, str]]:
    found: Counter[tuple[int, str]] = Counter()
    for world in worlds:
        found.update(world.seen)
    return found


def say(*lines: str) -> None:
    sys.stdout.write("".join(line + "\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
