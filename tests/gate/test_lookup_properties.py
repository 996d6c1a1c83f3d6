"""Random days of several workers: nobody passes whose session has ended, and nobody is refused whose session lives.

What is asserted, from the moment at which a change was acknowledged:

    SQLite        nothing older is answered; for 1 second when somebody has deleted the table of counters
    Redis         nothing older after 0.5 seconds, and nine of ten times nothing after 50 ms

and when its writer died before it was acknowledged, nothing older after a minute.

`LOOKUP_EXAMPLES=5000 pytest tests/gate/test_lookup_properties.py` lives so many days, other ones each time.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from doorkey.errors import StoreUnavailable
from tests.gate.lookup_model import (
    ABSOLUTE,
    IDLE,
    PATHS,
    WORKERS,
    Groups,
    Known,
    Site,
    cut_all_connections,
    site_on_redis,
    site_on_sqlite,
)
from tests.gate.reference.choices import Choices
from tests.support.held_calls import Held

EXAMPLES = int(os.environ.get("LOOKUP_EXAMPLES", "0"))
SQLITE_EXAMPLES, REDIS_EXAMPLES = EXAMPLES or 80, EXAMPLES // 10 or 8
SOON_SECONDS = 0.05
GROUPS: tuple[Groups, ...] = ((), ("staff",), ("staff", "admins"), ("admins",))
SECONDS = (0.5, 1, 29, 59, 60, 61, 300, IDLE - 1, IDLE, ABSOLUTE, -1, -45)
USERS = ("alice", "bob")
PLACES = ("counting", "counted")
ASKING = (*["check"] * 10, *["everywhere"] * 10)
COMMON = (*ASKING, "end", "end by entry", "end user", *["regroup"] * 3, "touch", "sweep", *["sign in"] * 4)
INSIDE = ("hold check", "hold check", "hold end", "hold regroup", "go on", "go on", "go on", "die", "change and die")
SQLITE_KINDS = (*COMMON, *COMMON, *INSIDE, *INSIDE, *["wait"] * 5, "lose table", "restart")
REDIS_KINDS = (*COMMON, *COMMON, "hold check", "go on", "wait", "cut", "recover", "change unheard", "restart")


@dataclass(frozen=True)
class Step:
    """`who` and `how` are numbers of whatever there is to choose from."""

    kind: str
    who: int
    where: int
    how: int

    @property
    def worker(self) -> int:
        return self.where % WORKERS

    @property
    def worker_or_elsewhere(self) -> int | None:
        return self.where if self.where < WORKERS else None


def days(kinds: Sequence[str]) -> st.SearchStrategy[list[Step]]:
    """Each step from a few random bytes: Hypothesis would mostly draw the first of all kinds, and small numbers."""

    def step(data: bytes) -> Step:
        choices = Choices(data)
        return Step(choices.of(kinds), choices.number(60), choices.number(WORKERS + 1), choices.number(60))

    return st.lists(st.builds(step, st.binary(min_size=4, max_size=4)), min_size=25, max_size=60)


def lives(examples: int) -> Any:
    """Derandomized unless somebody wants many. Shrunk: what fails is short enough to be understood."""
    return settings(
        max_examples=examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


class Day:
    """People of its own at a site that others have used."""

    def __init__(self, site: Site, cut: Callable[[], object] | None = None):
        self.site = site
        self.cut = cut
        self.held: list[tuple[str, Known, Held, Known]] = []
        self._begin()

    def _begin(self) -> None:
        self.users = [f"{name} {next(_NUMBERS)}" for name in USERS]
        self.all = [self.site.sign_in(user, GROUPS[1]) for user in self.users]

    def live(self, steps: list[Step]) -> None:
        try:
            for step in steps:
                self._take(step)
            while self.held:
                self._go_on(self.all[0], Step("go on", 0, 0, 0))
            self.site.until_trusted()
            for known in self.all:
                self._everywhere(known, Step("everywhere", 0, 0, 0))
        except AssertionError as error:
            error.add_note("\n".join(map(str, steps)))
            raise
        finally:
            for _, _, held, _ in self.held:
                held.go_on()

    def _take(self, step: Step) -> None:
        """With one of the last three; with other people from then on when Redis has not said what came of a change."""
        known = self.all[-1 - step.who % min(3, len(self.all))]
        try:
            getattr(self, "_" + step.kind.replace(" ", "_"))(known, step)
        except StoreUnavailable:
            if not self.cut:
                raise
            self.site.seen["503"] += 1
            self._begin()

    def _check(self, known: Known, step: Step) -> None:
        self.site.check(known, step.worker, PATHS[step.how % 2])

    def _everywhere(self, known: Known, step: Step) -> None:
        for worker in (*range(WORKERS), *range(WORKERS)):
            self.site.check(known, worker, PATHS[step.how % 2])

    def _end(self, known: Known, step: Step) -> None:
        self.site.end(known, step.worker_or_elsewhere)

    def _end_by_entry(self, known: Known, step: Step) -> None:
        self.site.end_by_entry(known, step.worker_or_elsewhere)

    def _end_user(self, known: Known, step: Step) -> None:
        self.site.end_user(self.all, known.user, step.worker_or_elsewhere)

    def _regroup(self, known: Known, step: Step) -> None:
        self.site.regroup(known, GROUPS[step.how % len(GROUPS)], step.worker_or_elsewhere)

    def _touch(self, known: Known, step: Step) -> None:
        self.site.touch(known, step.worker_or_elsewhere)

    def _sweep(self, known: Known, step: Step) -> None:
        self.site.sweep(self.all, step.worker_or_elsewhere)

    def _wait(self, known: Known, step: Step) -> None:
        self.site.wait(SECONDS[step.how % len(SECONDS)])

    def _sign_in(self, known: Known, step: Step) -> None:
        user, groups = self.users[step.who % len(self.users)], GROUPS[step.how % len(GROUPS)]
        self.all.append(self.site.sign_in(user, groups, step.worker))

    def _restart(self, known: Known, step: Step) -> None:
        self.site.restart(step.worker)

    def _lose_table(self, known: Known, step: Step) -> None:
        self.site.lose_table()

    def _cut(self, known: Known, step: Step) -> None:
        if self.cut:
            self.cut()

    def _change_unheard(self, known: Known, step: Step) -> None:
        """Nobody listens when it is told."""
        self._everywhere(known, step)
        self._cut(known, step)
        (self._regroup if step.how % 2 else self._end)(known, step)
        self._recover(known, step)
        self._everywhere(known, step)

    def _recover(self, known: Known, step: Step) -> None:
        self.site.until_trusted()

    def _hold_check(self, known: Known, step: Step) -> None:
        began = replace(known, excused=[*known.excused])
        held = self.site.hold_check(known, step.worker)
        if held.stands:
            self.held.append(("check", known, held, began))
        else:  # it was answered at once: as any other check
            held.go_on()
            self.site.check(known, step.worker)

    def _judge(self, known: Known, held: Held, began: Known) -> None:
        """By the record that there was when it was read, and by the time that it is now."""
        answer = held.go_on()
        views = self.site.views(began) | ({None} & self.site.views(known))
        assert self.site.allows(answer, views, PATHS[0]), f"{answer}; right is {views}"
        if answer[0] == 200:
            known.used(self.site.clock.now, noted=False)

    def _hold_end(self, known: Known, step: Step) -> None:
        self.held.append(("end", known, self.site.hold_end(known, PLACES[step.how % 2]), known))

    def _hold_regroup(self, known: Known, step: Step) -> None:
        held = self.site.hold_regroup(known, GROUPS[step.how % len(GROUPS)], PLACES[step.where % 2])
        self.held.append(("regroup", known, held, known))

    def _go_on(self, known: Known, step: Step) -> None:
        if not self.held:
            return
        kind, of, held, began = self.held.pop(step.how % len(self.held))
        if kind == "check":
            self._judge(of, held, began)
        else:
            self.site.go_on(of, held)

    def _die(self, known: Known, step: Step) -> None:
        """Whoever began last."""
        for number, (kind, of, held, _) in reversed([*enumerate(self.held)]):
            if kind != "check" and held.stands:
                del self.held[number]
                self.site.die(of, held)
                return

    def _change_and_die(self, known: Known, step: Step) -> None:
        (self._hold_regroup if step.how % 2 else self._hold_end)(
            known, replace(step, where=0, how=step.how - step.how % 2)
        )
        self._die(known, step)


_NUMBERS = iter(range(10**9))


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Everybody who is refused is a line, and there are many."""
    log = logging.getLogger("doorkey")
    log.disabled = True
    yield
    log.disabled = False


def test_on_one_machine_what_was_acknowledged_counts_for_everybody_at_once(tmp_path: Path) -> None:
    with site_on_sqlite(tmp_path) as site:

        @lives(SQLITE_EXAMPLES)
        @given(days(SQLITE_KINDS))
        def live(steps: list[Step]) -> None:
            Day(site).live(steps)

        live()
    assert not site.delays
    assert_memory_was_used(site)


def test_on_several_machines_soon_and_never_after_a_lost_connection(tmp_path: Path) -> None:
    with site_on_redis(tmp_path) as (site, server):

        @lives(REDIS_EXAMPLES)
        @given(days(REDIS_KINDS))
        def live(steps: list[Step]) -> None:
            Day(site, partial(cut_all_connections, server)).live(steps)

        live()
    late = [delay for delay in site.delays.values() if delay > SOON_SECONDS]
    assert len(late) <= site.seen["changes"] / 10, f"older answers, so long after: {sorted(late)}"
    assert_memory_was_used(site)
    assert site.seen["503"] < site.seen["checks"] / 20


def assert_memory_was_used(site: Site) -> None:
    """Else nothing was tried here."""
    assert site.seen["passed from memory"] > site.seen["checks"] / 10
