"""Somebody asks at the worst moments: between a change and its count, and before a lost link is made anew.

Which moments there are is in support/held_calls.py, what may be answered then in lookup_model.py.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Semaphore

import pytest

from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.redis_tracking import RedisGenerations
from doorkey.setting_stores import session_store
from tests.gate.lookup_model import (
    UNTOLD_SECONDS,
    WORKERS,
    Groups,
    Known,
    Site,
    cut_all_connections,
    site_at,
    site_on_redis,
    site_on_sqlite,
)
from tests.support.held_calls import PATIENCE, Held
from tests.support.redis_servers import HOST, RedisServer, redis_server, until
from tests.support.tcp_proxy import TcpProxy

STAFF: Groups = ("staff",)
ADMINS: Groups = ("admins",)
Hold = Callable[[Site, Known, str], Held]
HOLDS: dict[str, Hold] = {
    "end": lambda site, known, place: site.hold_end(known, place),
    "end all of a user": lambda site, known, place: site.hold_end_user(known, place),
    "other groups": lambda site, known, place: site.hold_regroup(known, ADMINS, place),
}
_NUMBERS = count()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_sqlite(tmp_path) as site:
        yield site


@pytest.fixture
def on_redis(tmp_path: Path) -> Iterator[tuple[Site, RedisServer]]:
    with site_on_redis(tmp_path) as both:
        yield both


def everybody_asks(site: Site, known: Known) -> None:
    for worker in range(WORKERS):
        site.check(known, worker)


@pytest.mark.parametrize("place", ["counting", "counted"])
@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
def test_who_asks_before_a_change_is_acknowledged_does_not_keep_what_was(site: Site, hold: Hold, place: str) -> None:
    for known in (known_everywhere(site), site.sign_in("somebody whom nobody knows yet", STAFF)):
        held = hold(site, known, place)
        assert held.stands
        everybody_asks(site, known)
        everybody_asks(site, known)
        site.go_on(known, held)
        everybody_asks(site, known)


@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
def test_who_dies_before_he_counts_leaves_it_unseen_for_a_minute_at_most(site: Site, hold: Hold) -> None:
    known = known_everywhere(site)
    held = hold(site, known, "counting")
    site.die(known, held)
    site.wait(UNTOLD_SECONDS - 0.1)
    assert [site.ask(known, worker) for worker in range(WORKERS)] == [(200, "staff")] * WORKERS, "nothing was kept"
    site.wait(0.1)
    everybody_asks(site, known)


@pytest.mark.parametrize("change", ["end", "end_by_entry", "regroup"])
def test_who_has_read_before_a_change_does_not_keep_it_after(site: Site, change: str) -> None:
    known = site.sign_in("alice", STAFF)
    reading = [site.hold_check(known, worker) for worker in range(WORKERS)]
    assert all(held.stands for held in reading)
    getattr(site, change)(known, *([ADMINS] if change == "regroup" else []))
    for held in reading:
        assert held.go_on() == (200, "staff")
    everybody_asks(site, known)


def test_a_link_that_was_lost_is_not_trusted_before_everything_has_moved(
    on_redis: tuple[Site, RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed meanwhile was told to nobody. All links stand still at the last moment before that."""
    site, server = on_redis
    alice, bob = known_everywhere(site), known_everywhere(site)
    arrived, go_on = Semaphore(0), Event()
    count_all = RedisGenerations._count_all

    def slow_count_all(generations: RedisGenerations) -> None:
        arrived.release()
        assert go_on.wait(PATIENCE)
        count_all(generations)

    monkeypatch.setattr(RedisGenerations, "_count_all", slow_count_all)
    try:
        cut_all_connections(server)
        site.end(alice)
        for _ in range(WORKERS):
            assert arrived.acquire(timeout=PATIENCE)
        site.end(bob)
        for known in (alice, bob):
            for worker in range(WORKERS):
                site.check(known, worker)
    finally:
        go_on.set()
    site.until_trusted()
    assert {site.ask(known, worker)[0] for known in (alice, bob) for worker in range(WORKERS)} == {401}


def test_a_link_that_leads_nowhere_is_not_trusted_for_long(tmp_path: Path) -> None:
    """Nobody tells that it is dead, and somebody whose connections are in order ends a session."""
    with (
        redis_server(tmp_path / "redis", appendonly=False) as server,
        TcpProxy(server.port) as proxy,
        site_at(tmp_path, f"redis://{HOST}:{proxy.port}") as site,
    ):
        known = known_everywhere(site)
        proxy.forget_connections()
        assert RedisStore(session_store(server.url), site.clock).delete(known.session.ids.record_id)
        site.changed(known, None)
        everybody_asks(site, known)
        until(lambda: {site.ask(known, worker)[0] for worker in range(WORKERS)} == {401}, "all are connected again")


def test_while_the_server_hangs_nobody_is_refused_and_nothing_is_used_for_long(
    on_redis: tuple[Site, RedisServer],
) -> None:
    site, server = on_redis
    known = known_everywhere(site)
    server.pause()
    try:
        answers: list[tuple[int, str]] = []

        def is_away() -> bool:
            answers.append(site.ask(known, 0))
            return answers[-1] == (503, "")

        until(is_away, "it says so")
        assert set(answers) <= {(200, "staff"), (503, "")}
        assert is_away()
    finally:
        server.resume()
    until(lambda: site.ask(known, 0) == (200, "staff"), "it works again")
    site.until_trusted()
    site.end(known)
    for worker in range(WORKERS):
        site.check(known, worker)


def known_everywhere(site: Site) -> Known:
    """Somebody whom all workers answer from memory."""
    known = site.sign_in(f"alice {next(_NUMBERS)}", ("staff",))
    for worker in range(WORKERS):
        until(partial(passes_from_memory, site, known, worker), "it is kept")
    return known


def passes_from_memory(site: Site, known: Known, worker: int) -> bool:
    before = site.seen["passed from memory"]
    site.check(known, worker)
    return site.seen["passed from memory"] > before
