"""Marks: what may be done once, such as spending a state or a logout token.

Part of the suite that test_session_store.py begins.
"""

from doorkey.sessions.store import SessionStore
from tests.contract.store_samples import NOW, THREADS, at_once

HOLDS = "mark-once"


def test_a_mark_is_given_once_until_its_end(store: SessionStore) -> None:
    assert store.mark_once(b"m", now=NOW, ends=NOW + 60) is True
    assert store.mark_once(b"m", now=NOW, ends=NOW + 60) is False
    assert store.mark_once(b"m", now=NOW + 59.9, ends=NOW + 999) is False
    assert store.mark_once(b"other", now=NOW, ends=NOW + 60) is True
    assert store.mark_once(b"m", now=NOW + 60, ends=NOW + 120) is True
    assert store.mark_once(b"m", now=NOW + 119, ends=NOW + 999) is False


def test_a_refused_mark_does_not_lengthen_the_first(store: SessionStore) -> None:
    store.mark_once(b"m", now=NOW, ends=NOW + 10)
    store.mark_once(b"m", now=NOW + 9, ends=NOW + 1000)
    assert store.mark_once(b"m", now=NOW + 10, ends=NOW + 20) is True


def test_of_many_threads_one_gets_the_mark(store: SessionStore) -> None:
    results = at_once(lambda _: store.mark_once(b"m", now=NOW, ends=NOW + 60))
    assert sorted(results) == [False] * (THREADS - 1) + [True]


def test_of_many_threads_one_gets_a_mark_that_has_ended(store: SessionStore) -> None:
    store.mark_once(b"m", now=NOW, ends=NOW + 60)
    results = at_once(lambda _: store.mark_once(b"m", now=NOW + 60, ends=NOW + 120))
    assert sorted(results) == [False] * (THREADS - 1) + [True]


def test_a_mark_of_any_bytes_is_one_mark(store: SessionStore) -> None:
    for mark in (b"", b"\0", b"\0\0", b"a b", bytes(range(256))):
        assert store.mark_once(mark, now=NOW, ends=NOW + 60) is True
        assert store.mark_once(mark, now=NOW, ends=NOW + 60) is False


def test_a_mark_can_be_looked_for_without_taking_it(store: SessionStore) -> None:
    assert store.is_marked(b"m", now=NOW) is False
    assert store.mark_once(b"m", now=NOW, ends=NOW + 60)
    assert [store.is_marked(b"m", now=NOW + later) for later in (0, 59, 60)] == [True, True, False]
    assert store.is_marked(b"other", now=NOW) is False
