"""Leases: what one process at a time may do, such as renewing a token.

Part of the suite that test_session_store.py begins.
"""

import pytest

from doorkey.sessions.store import SessionStore
from tests.contract.store_samples import NOW, THREADS, at_once

HOLDS = "lease"


def test_a_lease_has_one_owner(store: SessionStore) -> None:
    assert store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10) is True
    assert store.acquire_lease(b"l", b"two", now=NOW + 9, ends=NOW + 19) is False
    assert store.acquire_lease(b"other", b"two", now=NOW, ends=NOW + 10) is True


def test_a_lease_is_renewed_by_its_owner(store: SessionStore) -> None:
    store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10)
    assert store.acquire_lease(b"l", b"one", now=NOW + 9, ends=NOW + 19) is True
    assert store.acquire_lease(b"l", b"two", now=NOW + 18, ends=NOW + 28) is False


def test_an_expired_lease_may_be_taken_and_its_old_owner_is_out(store: SessionStore) -> None:
    store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10)
    assert store.acquire_lease(b"l", b"two", now=NOW + 10, ends=NOW + 20) is True
    assert store.acquire_lease(b"l", b"one", now=NOW + 11, ends=NOW + 21) is False


def test_a_lease_is_released_by_its_owner_only(store: SessionStore) -> None:
    store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10)
    store.release_lease(b"l", b"two")
    assert store.acquire_lease(b"l", b"two", now=NOW + 1, ends=NOW + 11) is False
    store.release_lease(b"l", b"one")
    store.release_lease(b"l", b"one")
    assert store.acquire_lease(b"l", b"two", now=NOW + 1, ends=NOW + 11) is True


def test_a_lease_taken_before_the_clock_was_put_back_holds_nobody_up(store: SessionStore) -> None:
    store.acquire_lease(b"l", b"one", now=NOW + 3600, ends=NOW + 3610)
    assert store.acquire_lease(b"l", b"two", now=NOW, ends=NOW + 10) is True
    assert store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10) is False


@pytest.mark.parametrize(("later", "taken"), [(10.0, False), (10.01, True)], ids=["twice as far", "farther"])
def test_a_clock_that_is_a_little_behind_takes_nothing_away(store: SessionStore, later: float, taken: bool) -> None:
    store.acquire_lease(b"l", b"one", now=NOW + later, ends=NOW + later + 10)
    assert store.acquire_lease(b"l", b"two", now=NOW, ends=NOW + 10) is taken


def test_of_many_threads_one_gets_the_lease(store: SessionStore) -> None:
    results = at_once(lambda n: store.acquire_lease(b"l", b"owner %d" % n, now=NOW, ends=NOW + 60))
    assert sorted(results) == [False] * (THREADS - 1) + [True]
