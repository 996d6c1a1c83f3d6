"""What a process keeps of those who ask again and again (gate/lookup.py), and its counters on one machine.

Its counters: test_shared_generations.py, test_redis_tracking.py. Days of several workers: test_lookup_properties.py.
"""

import errno
import gc
import itertools
import os
import random
import sqlite3
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest

from doorkey.base64url import encode
from doorkey.errors import StoreUnavailable
from doorkey.gate.decide import Caller
from doorkey.gate.lookup import KEEP_SECONDS, Kept, Lookup
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.generations import SLOTS, slot_of
from tests.conftest import MovedClock
from tests.contract.store_samples import NOW
from tests.support.gate_desk import HOST, URL, GateDesk

ALICE, BOB = bytes(32), b"\xff" * 32
NEIGHBOUR = bytes(3) + b"another record with the same 20 bits"[:29]
POLICY = '[[rule]]\nname = "admins"\npath = "/admin"\nallow = { groups = ["admins"] }\n'


class Counters:
    """Without a file: moved and trusted as a test says."""

    def __init__(self) -> None:
        self.counters = fresh_counters()
        self.trusted = True
        self.looks = 0

    def look(self) -> None:
        self.looks += 1

    def move(self, record_id: bytes) -> None:
        self.counters[slot_of(record_id)] += 1


def fresh_counters() -> memoryview:
    return memoryview(bytearray(4 * SLOTS)).cast("I")


def known(sub: str = "alice", *, since: float = NOW, ends: float = NOW + 30, lines: bytes = b"") -> Kept:
    return Kept(Caller(Identity("stub", sub), ends), lines, since=since, ends=ends, due=ends)


def keep(lookup: Lookup, record_id: bytes, kept: Kept | None = None) -> Kept:
    """By the rules: noted, read, kept."""
    noted, kept = lookup.note(record_id), kept or known()
    assert noted
    lookup.keep(record_id, kept, noted)
    return kept


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def lookup(counters: Counters) -> Lookup:
    return Lookup(counters)


# ---- when something is found ----


def test_somebody_is_known_while_his_counter_stands(lookup: Lookup, counters: Counters) -> None:
    kept, other = keep(lookup, ALICE), keep(lookup, BOB)
    assert lookup.find(ALICE, NOW) is kept
    counters.move(ALICE)
    assert (lookup.find(ALICE, NOW), lookup.find(BOB, NOW)) == (None, other)
    assert keep(lookup, ALICE) is lookup.find(ALICE, NOW)


def test_two_records_with_one_counter_cost_each_other_a_reading_and_nothing_else(
    lookup: Lookup, counters: Counters
) -> None:
    assert slot_of(ALICE) == slot_of(NEIGHBOUR)
    kept, other = keep(lookup, ALICE), keep(lookup, NEIGHBOUR, known("other"))
    assert (lookup.find(ALICE, NOW), lookup.find(NEIGHBOUR, NOW)) == (kept, other)
    counters.move(NEIGHBOUR)
    assert (lookup.find(ALICE, NOW), lookup.find(NEIGHBOUR, NOW)) == (None, None)


def test_what_was_read_before_a_change_is_not_kept_as_new(lookup: Lookup, counters: Counters) -> None:
    noted = lookup.note(ALICE)
    assert noted
    counters.move(ALICE)
    lookup.keep(ALICE, known(), noted)
    assert lookup.find(ALICE, NOW) is None


def test_nobody_is_known_before_he_was_read_or_after_his_end(lookup: Lookup) -> None:
    """A clock that was put back must not make anything last longer."""
    kept = keep(lookup, ALICE)
    moments = [(NOW - 1, None), (NOW, kept), (NOW + 29.9, kept), (NOW + 30, None), (NOW + 1e9, None), (NOW, kept)]
    for moment, right in moments:
        assert lookup.find(ALICE, moment) is right


def test_without_trust_nothing_is_found_and_nothing_noted(lookup: Lookup, counters: Counters) -> None:
    keep(lookup, ALICE)
    counters.trusted = False
    assert (lookup.find(ALICE, NOW), lookup.note(ALICE)) == (None, None)


def test_without_counters_nothing_is_kept() -> None:
    nothing = Lookup(None)
    assert (nothing.find(ALICE, NOW), nothing.note(ALICE)) == (None, None)


def test_other_counters_say_nothing_of_what_was_kept(lookup: Lookup, counters: Counters) -> None:
    noted = lookup.note(ALICE)
    keep(lookup, BOB)
    counters.counters = fresh_counters()
    assert noted
    lookup.keep(ALICE, known(), noted)
    assert (lookup.find(ALICE, NOW), lookup.find(BOB, NOW)) == (None, None)


def test_the_counters_are_looked_at_once_a_second_whatever_the_clock_does(lookup: Lookup, counters: Counters) -> None:
    for moment, looks in ((0, 1), (0.5, 1), (0.99, 1), (1, 2), (5, 3), (4.9, 4), (5.8, 4), (-1000, 5), (1e9, 6)):
        lookup.find(ALICE, NOW + moment)
        assert counters.looks == looks, moment


# ---- how much is kept ----


def test_what_was_kept_longest_goes_first(counters: Counters) -> None:
    lookup = Lookup(counters, most_bytes=3 * known().size)
    names = [bytes([number]) * 32 for number in range(5)]
    for name in (*names[:3], names[0], names[3]):  # the first was read again meanwhile
        keep(lookup, name)
    assert [name in lookup._kept for name in names] == [True, False, True, True, False]
    keep(lookup, names[4], known(lines=b"x" * known().size))
    assert [name in lookup._kept for name in names] == [False, False, False, True, True]


def test_it_takes_no_more_memory_than_it_counts(counters: Counters) -> None:
    """With people of all sizes; `OVERHEAD` stands for what Python needs around the texts."""
    choose, most_bytes = random.Random(1), 3_000_000
    lookup = Lookup(counters, most_bytes=most_bytes)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(6_000):
            groups = tuple(f"group {name}" for name in range(choose.choice([0, 1, 3, 30])))
            identity = Identity("stub", f"user {number}", name="n" * choose.randrange(200), groups=groups)
            caller = Caller(identity, NOW + 30, ("read",), f"{number:016}")
            keep(lookup, number.to_bytes(32), Kept(caller, b"x" * choose.randrange(2000), NOW, NOW + 30, NOW))
            assert lookup._bytes <= most_bytes
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 100 < len(lookup._kept) < 6_000
    assert after - before < 1.5 * most_bytes


def test_threads_do_not_lose_count(counters: Counters) -> None:
    lookup = Lookup(counters, most_bytes=20 * known().size)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        choose = random.Random(seed)
        try:
            for _ in range(3_000):
                name = choose.randrange(60).to_bytes(32)
                keep(lookup, name, known(str(name[-1]), lines=b"x" * choose.randrange(300)))
                found = lookup.find(name, NOW)
                assert found is None or found.caller.identity.sub == str(name[-1])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert lookup._bytes == sum(size for _, _, size in lookup._kept.values()) <= 20 * known().size


# ---- at the gate ----


@pytest.fixture
def desk(make_gate: Callable[..., Any]) -> GateDesk:
    return GateDesk(make_gate(POLICY))


def test_a_change_that_was_never_counted_is_seen_after_a_while(
    desk: GateDesk, clock: MovedClock, tmp_path: Path
) -> None:
    """Who made it died before that, or did not know that he should."""
    cookie = desk.cookie(desk.sign_in())
    assert desk.ask(cookie=cookie).status == 200  # noted as used now
    assert desk.ask(cookie=cookie).status == 200
    with sqlite3.connect(tmp_path / "instance" / "sessions.sqlite3") as db:
        db.execute("DELETE FROM sessions")
    db.close()
    clock.advance(KEEP_SECONDS - 0.1)
    assert desk.ask(cookie=cookie).status == 200, "it was not kept at all"
    clock.advance(0.1)
    assert desk.ask(cookie=cookie).status == 401


def test_nothing_is_changed_that_cannot_be_counted(
    desk: GateDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: whoever leaves is told that it did not work, and it did not."""
    session = desk.sign_in()
    cookie = desk.cookie(session)
    assert desk.ask(cookie=cookie).status == 200
    (tmp_path / "instance" / "sessions.sqlite3-generations").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(StoreUnavailable):
            desk.sessions.end(session.ids.session_secret)
        assert desk.ask(cookie=cookie).status == 200
    desk.sessions.end(session.ids.session_secret)
    assert desk.ask(cookie=cookie).status == 401


def test_a_refused_check_does_not_put_off_that_a_session_is_noted_as_used(desk: GateDesk, clock: MovedClock) -> None:
    cookie = desk.cookie(desk.sign_in(groups=("staff",)))
    clock.advance(3600 - 1)
    assert desk.ask(cookie=cookie, url=f"https://{HOST}/admin").status == 403
    assert desk.ask(cookie=cookie).status == 200
    clock.advance(2)
    assert desk.ask(cookie=cookie).status == 200, "it ended a moment after it was used"


def test_what_is_kept_has_no_token_and_no_secret_in_it(desk: GateDesk) -> None:
    """A dump of the memory of a lookup would let nobody in anywhere."""
    now = desk.sessions._clock()
    tokens = {"refresh_token": "canary-refresh-token", "id_token": "canary-id-token"}
    token = Token("canary-access-token", now, None, ("read",), ("read",), True, **tokens)
    session = desk.sessions.start(Identity("stub", "alice", name="Alice"), token)
    for url in (URL, f"https://{HOST}/admin"):
        desk.ask(cookie=desk.cookie(session), url=url)
    found = texts(desk.checkpoint._lookup._kept)
    assert b"Alice" in found
    for secret in (session.ids.session_secret, session.ids.gate_secret):
        assert secret not in found
        assert secret.hex().encode() not in found
        assert encode(secret).encode() not in found
    assert b"canary" not in found


def texts(kept: Any) -> bytes:
    """Every text that can be reached from there, one after the other."""
    found, left, seen = [], [kept], set()
    while left:
        thing = left.pop()
        if id(thing) in seen or isinstance(thing, (type, ModuleType, memoryview)):
            continue
        seen.add(id(thing))
        if isinstance(thing, (str, bytes)):
            found.append(thing.encode() if isinstance(thing, str) else thing)
        left.extend(itertools.chain(gc.get_referents(thing)))
    return b"\n".join(found)
