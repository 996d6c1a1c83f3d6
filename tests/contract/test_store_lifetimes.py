"""Nothing stays for ever: a sweep takes what has ended, or each thing has a life of its own.

Part of the suite that test_session_store.py begins.
"""

from dataclasses import replace

from doorkey.sessions.redis_store import LINGER_SECONDS
from doorkey.sessions.store import SessionStore
from tests.contract.store_places import Places
from tests.contract.store_samples import NOW, SID, record

HOLDS = "bounded growth"


def test_a_sweep_takes_nothing_that_is_live(store: SessionStore) -> None:
    store.create(replace(record("a"), ends=NOW + 1))
    store.mark_once(b"live", now=NOW, ends=NOW + 10)
    store.acquire_lease(b"live", b"one", now=NOW, ends=NOW + 10)
    assert store.sweep(NOW) == 0
    assert store.read(record("a").record_id) is not None
    assert store.mark_once(b"live", now=NOW, ends=NOW + 10) is False
    assert store.acquire_lease(b"live", b"two", now=NOW, ends=NOW + 10) is False


def test_what_has_ended_is_swept_or_goes_by_itself(kind: str, store: SessionStore, places: Places) -> None:
    for number in range(5):
        store.create(replace(record(f"{number}", sid=SID), ends=NOW + number))
        store.mark_once(b"%d" % number, now=NOW, ends=NOW + number + 1)
        store.acquire_lease(b"%d" % number, b"one", now=NOW, ends=NOW + number + 1)
    if kind == "sqlite":
        assert [store.sweep(NOW + 5, most=3) for _ in range(3)] == [3, 2, 0]
        assert list(store.all()) == []
    else:
        lives = seconds_to_live(places, kind)
        assert len(lives) == 5 + 5 + 5 + 2
        assert min(lives) > 0
        assert max(lives) <= 5 + LINGER_SECONDS


def test_a_record_that_is_used_for_longer_lives_for_longer(kind: str, store: SessionStore, places: Places) -> None:
    """And is still found by its user then."""
    store.create(record(sid=SID))
    assert store.update(replace(record(sid=SID), ends=NOW + 5000))
    if kind == "sqlite":
        assert store.sweep(NOW + 4999) == 0
    else:
        assert min(seconds_to_live(places, kind)) > 5000 + LINGER_SECONDS - 10
    assert store.list_by_sid(SID) == [replace(record(sid=SID), version=1, ends=NOW + 5000)]


def seconds_to_live(places: Places, kind: str) -> list[float]:
    """Of every key at every server; -1 is one that would stay for ever."""
    lives = []
    for server in places.servers(kind).masters:
        with server.client() as client:
            lives += [client.pttl(key) / 1000 for key in client.scan_iter()]
    return lives
