"""What happened in one sign-in, step by step, fit to be read by anybody.

flow.py and what it calls append to a `Trace`; the log holds it when a login fails. Values that
must not be seen are given as fingerprints by whoever records them (`doorkey.events.fingerprint`).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Step:
    """One step: what was sent, what came back, which rules were checked, how long it took."""

    name: str
    sent: dict[str, Any] = field(default_factory=dict)
    received: dict[str, Any] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    milliseconds: float = 0.0
    failed: bool = False

    def check(self, rule: str, rfc: str, passed: bool) -> bool:
        """Note the result of one rule and give it back."""
        self.checks.append({"rule": rule, "rfc": rfc, "passed": passed})
        return passed


class Trace:
    """The steps so far. `monotonic` gives seconds and is passed in for tests."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic):
        self.steps: list[Step] = []
        self._monotonic = monotonic

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Record what happens inside as one step; an exception marks it as the failed one."""
        step = Step(name)
        self.steps.append(step)
        started = self._monotonic()
        try:
            yield step
        except BaseException:
            step.failed = True
            raise
        finally:
            step.milliseconds = round((self._monotonic() - started) * 1000, 1)

    def as_data(self) -> list[dict[str, Any]]:
        """Plain lists and dicts for the log."""
        return [vars(step) for step in self.steps]
