"""Numbers from rounds: all targets in turn, the first round thrown away, medians, and ratios within a round.

    rounds = interleaved(["a", "b"], hit, count=5)      # {"a": [Sample, ...], "b": [...]}
    ratio(rounds["a"], rounds["b"], cpu)                # how many times a's cost is b's

What else runs on a machine slows a whole round; a ratio of two samples of one round hardly notices.
"""

import math
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

Named = Mapping[str, Sequence["Sample"]]


@dataclass(frozen=True)
class Sample:
    """One target in one round. `cpu_us` is of all its processes, for one request; latencies are in milliseconds."""

    cpu_us: float
    rate: float
    p50: float
    p99: float
    count: int = 0
    """How many answers there were."""

    parts_us: tuple[float, ...] = ()
    """`cpu_us` of each process group for itself, where there are several."""


def interleaved(names: Sequence[str], hit: Callable[[str], Sample], *, count: int) -> dict[str, list[Sample]]:
    """`count` rounds that count, after one that does not."""
    found: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(count + 1):
        say(f"  round {number} of {count}" if number else "  warm-up round")
        for name in names:
            sample = hit(name)
            if number:
                found[name].append(sample)
    return found


def median_of(samples: Sequence[Sample], what: Callable[[Sample], float]) -> float:
    return statistics.median(what(sample) for sample in samples)


def ratio(ours: Sequence[Sample], base: Sequence[Sample], what: Callable[[Sample], float]) -> float:
    """The median over the rounds of ours / base in the same round."""
    return statistics.median(what(one) / what(other) for one, other in zip(ours, base, strict=True))


def spread(samples: Sequence[Sample], what: Callable[[Sample], float]) -> float:
    """How far the rounds are apart: half of largest minus smallest, as a share of the median."""
    values = [what(sample) for sample in samples]
    return (max(values) - min(values)) / 2 / statistics.median(values)


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def cpu(sample: Sample) -> float:
    return sample.cpu_us


def rate(sample: Sample) -> float:
    return sample.rate


def p50(sample: Sample) -> float:
    return sample.p50


def p99(sample: Sample) -> float:
    return sample.p99


def raw(rounds: Named) -> dict[str, list[dict[str, object]]]:
    """For JSON."""
    return {name: [asdict(sample) for sample in samples] for name, samples in rounds.items()}


def say(words: str) -> None:
    """Progress, for whoever waits."""
    print(words, file=sys.stderr, flush=True)
