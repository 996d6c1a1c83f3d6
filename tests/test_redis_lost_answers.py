"""The network fails after the server did its work: everything is done once, and reported as done (redis_scripts.py)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from doorkey.errors import StoreUnavailable
from doorkey.sessions import redis_scripts as scripts
from doorkey.sessions.redis_store import RedisStore
from doorkey.setting_stores import session_store
from tests.contract.store_samples import NOW, OTHER_USER, SID, USER, at_once, names, record
from tests.support.redis_servers import RedisServer, redis_server
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path, appendonly=False) as running:
        yield running


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[TcpProxy]:
    with TcpProxy(server.port) as between:
        yield between


@pytest.fixture
def store(server: RedisServer) -> RedisStore:
    return RedisStore(session_store(server.url), lambda: NOW)


@pytest.fixture
def behind(proxy: TcpProxy) -> RedisStore:
    """The store as it is seen through the proxy."""
    return RedisStore(session_store(f"redis://127.0.0.1:{proxy.port}"), lambda: NOW)


def test_a_creation_whose_answer_was_lost_is_done_once_and_reported_as_done(
    store: RedisStore, behind: RedisStore, proxy: TcpProxy
) -> None:
    proxy.lose_answer_to(scripts.CREATE.encode())
    behind.create(record(sid=SID))
    assert proxy.lost == 1
    assert store.list_by_user(USER) == store.list_by_sid(SID) == [record(sid=SID)]


def test_an_update_whose_answer_was_lost_is_done_once_and_reported_as_done(
    store: RedisStore, behind: RedisStore, proxy: TcpProxy
) -> None:
    store.create(record())
    proxy.lose_answer_to(scripts.UPDATE.encode())
    assert behind.update(replace(record(user=OTHER_USER), sealed=b"new")) is True
    assert proxy.lost == 1
    assert store.read(record().record_id) == replace(record(user=OTHER_USER, version=1), sealed=b"new")
    assert store.list_by_user(USER) == []
    assert names(store.list_by_user(OTHER_USER)) == ["a"]


def test_an_update_that_another_overtook_is_not_reported_as_done(store: RedisStore, behind: RedisStore) -> None:
    """The word of a call belongs to that call only."""
    store.create(record())
    assert behind.update(record()) is True
    assert behind.update(record()) is False
    assert store.update(record()) is False


def test_a_mark_whose_answer_was_lost_was_given_to_whoever_asked(
    store: RedisStore, behind: RedisStore, proxy: TcpProxy
) -> None:
    proxy.lose_answer_to(scripts.MARK.encode())
    assert behind.mark_once(b"m", now=NOW, ends=NOW + 60) is True
    assert proxy.lost == 1
    assert behind.mark_once(b"m", now=NOW, ends=NOW + 60) is store.mark_once(b"m", now=NOW, ends=NOW + 60) is False


def test_a_lease_whose_answer_was_lost_is_held_by_whoever_asked(
    store: RedisStore, behind: RedisStore, proxy: TcpProxy
) -> None:
    proxy.lose_answer_to(scripts.LEASE.encode())
    assert behind.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 10) is True
    assert proxy.lost == 1
    assert store.acquire_lease(b"l", b"two", now=NOW, ends=NOW + 10) is False
    proxy.lose_answer_to(scripts.RELEASE.encode())
    behind.release_lease(b"l", b"one")
    assert store.acquire_lease(b"l", b"two", now=NOW, ends=NOW + 10) is True


def test_a_deletion_whose_answer_was_lost_has_deleted(store: RedisStore, behind: RedisStore, proxy: TcpProxy) -> None:
    store.create(record())
    proxy.lose_answer_to(scripts.DELETE.encode())
    behind.delete(record().record_id)
    assert proxy.lost == 1
    assert store.read(record().record_id) is None
    assert store.list_by_user(USER) == list(store.all()) == []


def test_nothing_is_tried_more_than_twice(store: RedisStore, behind: RedisStore, proxy: TcpProxy) -> None:
    store.create(record())
    proxy.lose_answer_to(scripts.UPDATE.encode(), times=3)
    with pytest.raises(StoreUnavailable):
        behind.update(record())
    assert proxy.lost == 2
    assert store.read(record().record_id) == record(version=1)


def test_connections_that_lead_nowhere_fail_nobody(behind: RedisStore, proxy: TcpProxy) -> None:
    """A firewall was restarted, or the address moved to another machine: every connection that was kept is dead."""
    behind.create(record())
    while proxy.connections < 3:
        assert at_once(lambda _: behind.read(record().record_id), threads=5) == [record()] * 5
    proxy.forget_connections()
    assert behind.read(record().record_id) == record()
