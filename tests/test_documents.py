"""Documents that are kept for a while: one request for many, and what an outage changes (oauth/documents.py)."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest

from doorkey.errors import DoorkeyError, MetadataInvalid, ProviderUnreachable
from doorkey.oauth.documents import PROBE_SECONDS, RETRY_SECONDS, Documents
from tests.conftest import MovedClock

TTL = 3600.0
THREADS = 20


def keeps_outages(error: DoorkeyError) -> bool:
    return isinstance(error, ProviderUnreachable)


class Source:
    """Counts how often it is asked; `error` is what it fails with instead of giving the next text."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: DoorkeyError | None = None

    def __call__(self) -> str:
        self.asked += 1
        if self.error:
            raise self.error
        return f"document {self.asked}"


@pytest.fixture(autouse=True)
def _a_busy_machine_is_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a slow provider changes is in attacks/test_openid_regressions.py."""
    monkeypatch.setattr("doorkey.oauth.documents.SLOW_SECONDS", 60.0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def documents(clock: MovedClock) -> Documents[str]:
    return Documents(TTL, clock, keeps_stale=keeps_outages)


class Crowd:
    """`THREADS` threads that want one document while the first request for it is under way."""

    def __init__(self, documents: Documents[str], result: Callable[[], str]):
        self.documents = documents
        self.result = result
        self.asked = 0
        self._asking = threading.Event()
        self._answer = threading.Event()

    def fetch(self) -> str:
        self.asked += 1
        self._asking.set()
        assert self._answer.wait(10)
        return self.result()

    def outcomes(self) -> list[str]:
        with ThreadPoolExecutor(THREADS) as pool:
            first = pool.submit(self._one)
            assert self._asking.wait(10)
            others = [pool.submit(self._one) for _ in range(THREADS - 1)]
            until = time.monotonic() + 10
            while _callers_of_get() < THREADS:
                assert time.monotonic() < until
            self._answer.set()
            return [future.result(10) for future in (first, *others)]

    def _one(self) -> str:
        try:
            return self.documents.get("d", self.fetch)
        except DoorkeyError as error:
            return error.code


def _callers_of_get() -> int:
    """How many threads wait for a flight."""
    found = 0
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame and frame.f_code is not Documents._await.__code__:
            frame = frame.f_back
        found += frame is not None
    return found


def test_one_request_serves_everybody_who_waits(documents: Documents[str]) -> None:
    crowd = Crowd(documents, lambda: "the document")
    assert crowd.outcomes() == ["the document"] * THREADS
    assert crowd.asked == 1


def test_a_failed_request_is_shared_and_not_repeated_by_everybody(documents: Documents[str]) -> None:
    def fail() -> str:
        raise ProviderUnreachable("refused")

    crowd = Crowd(documents, fail)
    assert crowd.outcomes() == ["provider_unreachable"] * THREADS
    assert crowd.asked == 1


def test_everybody_who_waits_shares_a_request_even_when_nothing_is_kept(clock: MovedClock) -> None:
    crowd = Crowd(Documents(0, clock), lambda: "the document")
    assert crowd.outcomes() == ["the document"] * THREADS
    assert crowd.asked == 1


def test_each_thread_gets_an_error_of_its_own(documents: Documents[str], source: Source) -> None:
    """Raising writes a traceback and a cause into an exception: two threads must not share one."""
    source.error = ProviderUnreachable("refused")
    seen = []
    for _ in range(2):
        with pytest.raises(ProviderUnreachable) as caught:
            documents.get("d", source)
        seen.append(caught.value)
    assert seen[0] is not seen[1]
    assert seen[0] is not documents.failure("d")


def test_one_document_does_not_wait_for_another(documents: Documents[str], source: Source) -> None:
    def fetch_both() -> str:
        return documents.get("other", source)

    assert documents.get("d", fetch_both) == "document 1"


@pytest.mark.parametrize(
    ("ttl", "passed", "asked"),
    [(TTL, 0, 1), (TTL, TTL - 1, 1), (TTL, TTL, 2), (0, 0, 2), (0, 1, 2)],
    ids=["at once", "just before its end", "at its end", "0 at once", "0 later"],
)
def test_a_copy_serves_for_its_time_to_live(
    clock: MovedClock, source: Source, ttl: float, passed: float, asked: int
) -> None:
    documents: Documents[str] = Documents(ttl, clock)
    documents.get("d", source)
    clock.advance(passed)
    assert documents.get("d", source) == f"document {asked}"
    assert documents.flights("d") == source.asked == asked


@pytest.mark.parametrize(
    ("ttl", "max_age", "asked"), [(0, 601, 1), (0, 600, 2), (599, 601, 1), (601, 0, 1), (600, 600, 2), (600, 0, 2)]
)
def test_a_caller_may_take_an_older_copy_and_never_demand_a_younger_one(
    clock: MovedClock, source: Source, ttl: float, max_age: float, asked: int
) -> None:
    documents: Documents[str] = Documents(ttl, clock)
    documents.get("d", source)
    clock.advance(600)
    documents.get("d", source, max_age=max_age)
    assert source.asked == asked


def test_the_middle_of_a_sign_in_is_served_although_nothing_is_kept(clock: MovedClock, source: Source) -> None:
    documents: Documents[str] = Documents(0, clock)
    documents.get("d", source)
    clock.advance(30)
    assert documents.get("d", source, max_age=600) == "document 1"


def test_an_old_copy_serves_through_an_outage(clock: MovedClock, documents: Documents[str], source: Source) -> None:
    documents.get("d", source)
    source.error = ProviderUnreachable("refused")
    clock.advance(TTL)
    assert documents.get("d", source) == "document 1"
    assert isinstance(documents.failure("d"), ProviderUnreachable)


def test_in_an_outage_the_provider_is_asked_every_half_minute(
    clock: MovedClock, documents: Documents[str], source: Source
) -> None:
    """Otherwise every sign-in would wait for a provider that is down."""
    documents.get("d", source)
    source.error = ProviderUnreachable("refused")
    clock.advance(TTL)
    asked = []
    for _ in range(4):
        documents.get("d", source)
        asked.append(source.asked)
        clock.advance(RETRY_SECONDS / 2)
    assert asked == [2, 2, 3, 3]
    source.error = None
    clock.advance(RETRY_SECONDS)
    assert documents.get("d", source) == "document 4"
    assert documents.failure("d") is None


def test_an_outage_with_nothing_kept_is_an_error_and_is_asked_again(documents: Documents[str], source: Source) -> None:
    """Nobody could sign in for half a minute after the provider is back, if a failure were kept."""
    source.error = ProviderUnreachable("refused")
    for _ in range(2):
        with pytest.raises(ProviderUnreachable):
            documents.get("d", source)
    source.error = None
    assert documents.get("d", source) == "document 3"


def test_an_old_copy_does_not_serve_when_the_document_contradicts_it(
    clock: MovedClock, documents: Documents[str], source: Source
) -> None:
    documents.get("d", source)
    source.error = MetadataInvalid("issuer is another")
    clock.advance(TTL)
    for asked in (2, 3):
        with pytest.raises(MetadataInvalid):
            documents.get("d", source)
        assert source.asked == asked


def test_a_mistake_of_ours_is_not_taken_for_an_outage(documents: Documents[str], source: Source) -> None:
    def broken() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        documents.get("d", broken)
    assert documents.get("d", source) == "document 1"


def test_a_newer_document_is_asked_for_at_most_every_half_minute(
    clock: MovedClock, documents: Documents[str], source: Source
) -> None:
    known = documents.get("d", source)
    known = documents.renew("d", source, known=known)
    assert known == "document 2"
    clock.advance(RETRY_SECONDS - 1)
    assert documents.renew("d", source, known=known) is known
    clock.advance(1)
    assert documents.renew("d", source, known=known) == "document 3"


def test_what_somebody_else_has_renewed_meanwhile_will_do(
    clock: MovedClock, documents: Documents[str], source: Source
) -> None:
    old = documents.get("d", source)
    newer = documents.renew("d", source, known=old)
    clock.advance(RETRY_SECONDS)
    assert documents.renew("d", source, known=old) is newer
    assert source.asked == 2


def test_a_failed_renewal_counts_too(clock: MovedClock, documents: Documents[str], source: Source) -> None:
    known = documents.get("d", source)
    source.error = MetadataInvalid("nonsense")
    with pytest.raises(MetadataInvalid):
        documents.renew("d", source, known=known)
    assert documents.renew("d", source, known=known) is known
    assert source.asked == 2


@pytest.mark.parametrize("jump", [-1, -10 * 365 * 86400, 10 * 365 * 86400], ids=["a second back", "back", "forward"])
def test_no_jump_of_the_clock_makes_a_copy_last(
    clock: MovedClock, documents: Documents[str], source: Source, jump: float
) -> None:
    """A copy from the future would otherwise be fresh for as long as the clock was wrong."""
    documents.get("d", source)
    clock.advance(jump)
    assert documents.get("d", source) == "document 2"
    assert documents.get("d", source) == "document 2"


@pytest.mark.parametrize("jump", [-1, -10 * 365 * 86400, 10 * 365 * 86400], ids=["a second back", "back", "forward"])
def test_no_jump_of_the_clock_stops_renewals_or_attempts(
    clock: MovedClock, documents: Documents[str], source: Source, jump: float
) -> None:
    known = documents.renew("d", source, known=documents.get("d", source))
    clock.advance(jump)
    assert documents.renew("d", source, known=known) == "document 3"
    source.error = ProviderUnreachable("refused")
    clock.advance(TTL + 10)
    documents.get("d", source)
    source.error = None
    clock.advance(-5)
    assert documents.get("d", source) == "document 5"


def test_looking_asks_at_first_then_when_it_is_old_and_some_seconds_after_a_failure(
    clock: MovedClock, documents: Documents[str], source: Source
) -> None:
    def asked() -> int:
        """How often it was asked for, after one more look."""
        landed = documents.look("d", source)
        if landed:
            assert landed.wait(5)
        for _ in range(500):
            if not any(thread.name == "flight" for thread in threading.enumerate()):
                break
            time.sleep(0.01)
        return documents.flights("d")

    source.error = ProviderUnreachable("refused")
    assert (asked(), asked()) == (1, 1)
    clock.advance(PROBE_SECONDS)
    assert asked() == 2
    source.error = None
    clock.advance(PROBE_SECONDS)
    assert (asked(), asked()) == (3, 3)
    clock.advance(RETRY_SECONDS)
    assert asked() == 4
