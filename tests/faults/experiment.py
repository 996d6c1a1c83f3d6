"""One fault, made to happen to a real Doorkey under load, and what it cost.

    with experiment(folder, provider_url, store.url) as run:
        with run.load():
            with run.away():
                store.kill()
                run.wait(1.0)
                store.start()
            run.wait(0.6)
    run.outcome

Before, some people sign in and others sign in and out again; they then do nothing until they are asked at the end
(`sleepers`). Others (`crowd`) look, renew, sign in and sign out all the time while there is load.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from doorkey.sessions.ids import SessionIds, decode_secret
from tests.faults.exchange import COOKIE, CUT, Exchange
from tests.faults.front_door_site import Site, names, running_site
from tests.faults.members import IN, OUT, UNCLEAR, Ledger, Member
from tests.support.servers import Command, python_app

THREADS = 5
SLEEPERS = 6
LEAVERS = 3
NEWCOMERS = 5
BREATH = 0.03
CALM_SECONDS = 0.3
WITHIN = 1.0
"""Seconds in which everything is answered while the store is away, and right again after it is back."""

MARGIN = 0.5
"""On top of that, and of three times what the slowest answer took in calm: other things run on this machine too."""


@dataclass
class Outcome:
    """`slowest` and `right_again` are seconds, while the store was away and after; `wrong` is empty when all held."""

    requests: int = 0
    answered: int = 0
    refused: int = 0
    cut: int = 0
    slowest: float = 0.0
    right_again: float = 0.0
    lost: int = 0
    resurrected: int = 0
    wrong: list[str] = field(default_factory=list)


class Experiment:
    def __init__(self, site: Site, seed: int):
        self.site = site
        self.ledger = Ledger()
        self.outcome = Outcome()
        people = [Member(name, site.url, self.ledger) for name in names()]
        self.sleepers = people[: SLEEPERS + LEAVERS]
        self.crowd = people[SLEEPERS + LEAVERS :]
        self._random = random.Random(seed)
        self._away: list[tuple[float, float]] = []
        self._slack = MARGIN

    def begin(self) -> None:
        """The sleepers fall asleep."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(Member.sign_in, self.sleepers))
            list(pool.map(Member.sign_out, self.sleepers[SLEEPERS:]))
        assert [member.standing for member in self.sleepers] == [IN] * SLEEPERS + [OUT] * LEAVERS, self.ledger.wrong

    @contextmanager
    def load(self, *, calm: float = CALM_SECONDS) -> Iterator[None]:
        """The crowd acts inside, and first for a moment in calm."""
        over = threading.Event()
        shares = [(self.crowd[number::THREADS], random.Random(self._random.random())) for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            busy = [pool.submit(_keep_busy, over, *share) for share in shares]
            try:
                self.wait(calm)
                if not self._away:
                    self._slack = MARGIN + 3 * max(exchange.seconds for exchange in self.ledger.exchanges)
                yield
            finally:
                over.set()
            for one in busy:
                one.result()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The store is away inside; it answers by itself at the end, so from then on its return is measured."""
        began = time.monotonic()
        yield
        back = time.monotonic()
        self._away.append((began, back))
        self.outcome.right_again = max(self.outcome.right_again, self._until_right() - back)

    def wait(self, seconds: float) -> None:
        """For the load to go on."""
        time.sleep(seconds)

    def insist(self, held: bool, what: str) -> None:
        if not held:
            self.ledger.objects(f"not so: {what}")

    def until(self, happened: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
            time.sleep(0.01)

    def finish(self) -> None:
        """Ask everybody, and fill in the outcome."""
        with ThreadPoolExecutor(THREADS) as pool:
            everybody = [*self.sleepers, *self.crowd]
            self.outcome.lost = sum(pool.map(self._has_lost, everybody))
            self.outcome.resurrected = sum(pool.map(self._has_back, everybody))
            cut_off = [member for member in self.crowd if member.standing == UNCLEAR]
            list(pool.map(self._can_sign_in, {*cut_off, *self.crowd[:NEWCOMERS]}))
        self._count()
        self._look_at_times()
        self._look_at_log()
        self.outcome.wrong += self.ledger.wrong

    def _until_right(self) -> float:
        """When all sleepers that are signed in were all shown to be; a wrong answer is in the ledger already."""

        def wake(member: Member) -> float:
            self.until(member.look, "a sleeper is signed in again")
            return time.monotonic()

        with ThreadPoolExecutor(SLEEPERS) as pool:
            return max(pool.map(wake, [member for member in self.sleepers if member.standing == IN]))

    def _has_lost(self, member: Member) -> bool:
        """Somebody who may be either way must be told which."""
        if member.standing == OUT:
            return False
        before, active = len(self.ledger.wrong), member.look()
        if member.standing == UNCLEAR:
            return False
        return not active and len(self.ledger.wrong) > before

    def _has_back(self, member: Member) -> bool:
        return any(member.is_still_in(cookie) is not False for cookie in member.ended)

    def _can_sign_in(self, member: Member) -> None:
        if not (member.sign_in() and member.look()):
            self.ledger.objects("somebody cannot sign in afterwards")

    def _count(self) -> None:
        outcome, statuses = self.outcome, [exchange.status for exchange in self.ledger.exchanges]
        outcome.requests = len(statuses)
        outcome.refused = statuses.count(503)
        outcome.cut = statuses.count(CUT)
        outcome.answered = outcome.requests - outcome.refused - outcome.cut

    def _look_at_times(self) -> None:
        meanwhile = [exchange for exchange in self.ledger.exchanges if self._is_away(exchange)]
        refusals = [exchange.seconds for exchange in meanwhile if exchange.status == 503]
        slowest = max(meanwhile, key=lambda exchange: exchange.seconds, default=None)
        if slowest:
            self.outcome.slowest = slowest.seconds
            if slowest.seconds > WITHIN + self._slack:
                self.outcome.wrong.append(f"{slowest.what} took {slowest.seconds:.2f} s and gave {slowest.status}")
        if refusals and statistics.median(refusals) > WITHIN:
            self.outcome.wrong.append(f"half of the refusals took {statistics.median(refusals):.2f} s or more")
        if self.outcome.right_again > WITHIN + self._slack:
            self.outcome.wrong.append(f"right again only {self.outcome.right_again:.2f} s after the store was back")
        for exchange in self.ledger.exchanges:
            if exchange.status == 503 and not self._is_away(exchange):
                self.outcome.wrong.append(f"{exchange.what} was refused while the store was there")

    def _is_away(self, exchange: Exchange) -> bool:
        """Whether it overlaps with a time when the store was away, or with the second after."""
        ended = exchange.began + exchange.seconds
        return any(ended >= began and exchange.began <= back + WITHIN + self._slack for began, back in self._away)

    def _look_at_log(self) -> None:
        for word in ("Traceback", "unexpected_error"):
            if word in self.site.log:
                line = next(line for line in self.site.log.splitlines() if word in line)
                self.outcome.wrong.append(f"the log has: {line[:1500]}")


def _keep_busy(over: threading.Event, members: list[Member], choice: random.Random) -> None:
    while not over.wait(BREATH):
        choice.choice(members).act(choice)


@contextmanager
def experiment(
    folder: Path,
    provider_url: str,
    store: str,
    *,
    seed: int = 1,
    command: Command = python_app,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Experiment]:
    """`settings` as for `running_site()`. The outcome is filled in when the block has ended well."""
    with running_site(folder, provider_url, store, command, settings or {}) as site:
        run = Experiment(site, seed)
        run.begin()
        yield run
        run.finish()


def stored_id(cookie: str) -> bytes:
    """Under which id the store keeps the session of this cookie."""
    secret = decode_secret(cookie)
    assert secret, COOKIE
    return SessionIds.of(secret).record_id
