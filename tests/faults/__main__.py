"""`python -m tests.faults [WORD]`: make every fault happen (or those with WORD in their names), and print what it cost.

Ends with 1 when something was wrong; what is said below the table.
"""

import sys
import tempfile
from pathlib import Path

from tests.faults.all_faults import FAULTS, Fault
from tests.faults.experiment import Outcome
from tests.faults.front_door_site import provider

HEAD = f"{'fault':34}{'requests':>9}{'answered':>9}{'503':>6}{'cut':>6}{'slowest':>9}{'lost':>6}{'resurrected':>13}"
SHOWN = 12


def main(words: list[str]) -> int:
    chosen = [fault for fault in FAULTS if all(word.lower() in fault.name.lower() for word in words)]
    done: list[tuple[Fault, Outcome]] = []
    with tempfile.TemporaryDirectory(prefix="doorkey-faults-") as folder:
        place = Path(folder)
        with provider(place / "provider") as at:
            for number, fault in enumerate(chosen, start=1):
                say(f"{number} of {len(chosen)}: {fault.name} ...")
                done.append((fault, fault.run(place / str(number), at)))
    say("", HEAD, *(row(fault.name, outcome) for fault, outcome in done), "")
    wrong = [f"{fault.name}: {sentence}" for fault, outcome in done for sentence in outcome.wrong[:SHOWN]]
    say(*wrong)
    return 1 if wrong or any(outcome.lost or outcome.resurrected for _, outcome in done) else 0


def row(name: str, outcome: Outcome) -> str:
    """`slowest` is that of the answers while the store was away."""
    slowest = f"{outcome.slowest:.2f} s" if outcome.slowest else "-"
    return (
        f"{name:34}{outcome.requests:>9}{outcome.answered:>9}{outcome.refused:>6}{outcome.cut:>6}"
        f"{slowest:>9}{outcome.lost:>6}{outcome.resurrected:>13}"
    )


def say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
