"""The Redis server is away, full, or not the right one: 503 within a second, and right again at once after.

Each test has a server of its own, for it breaks it. What is measured is the quickest of a few calls: a machine that is
busy with other things may make any single one slow.
"""

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import trustme

from doorkey.clock import Clock
from doorkey.errors import StoreUnavailable
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.store import SessionStore
from doorkey.setting_stores import session_store
from tests.contract.store_samples import NOW, SID, USER, at_once, record
from tests.support.redis_servers import HOST, RedisServer, redis_server, until

LONGEST_SECONDS = 1.0
TRIES = 3
PASSWORD = "sword:fish@/?#"
PASSWORD_IN_URL = "sword%3Afish%40%2F%3F%23"
CALLS: dict[str, Callable[[SessionStore], Any]] = {
    "create": lambda store: store.create(record("other", sid=SID)),
    "read": lambda store: store.read(record().record_id),
    "update": lambda store: store.update(record()),
    "delete": lambda store: store.delete(record().record_id),
    "list": lambda store: store.list_by_user(USER),
    "delete by sid": lambda store: store.delete_by_sid(SID),
    "all": lambda store: list(store.all()),
    "mark": lambda store: store.mark_once(b"m", now=NOW, ends=NOW + 60),
    "lease": lambda store: store.acquire_lease(b"l", b"one", now=NOW, ends=NOW + 60),
    "release": lambda store: store.release_lease(b"l", b"one"),
    "ping": lambda store: store.ping(),
    "concerns": lambda store: store.concerns(),
}
WRITES = ("create", "update", "mark", "lease", "ping")


def store_at(url: str, clock: Clock = lambda: NOW) -> RedisStore:
    return RedisStore(session_store(url), clock)


def refusal(call: Callable[[], Any]) -> StoreUnavailable:
    """What it says when it refuses, in time."""
    quickest = LONGEST_SECONDS
    for _ in range(TRIES):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            call()
        quickest = min(quickest, time.monotonic() - began)
        if quickest < LONGEST_SECONDS:
            return caught.value
    raise AssertionError(f"never within {LONGEST_SECONDS} seconds")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def store(server: RedisServer) -> RedisStore:
    store = store_at(server.url)
    store.create(record(sid=SID))
    return store


def test_a_server_that_is_gone_is_unavailable_and_right_again_at_once(store: RedisStore, server: RedisServer) -> None:
    for kill in (server.kill, server.stop):
        kill()
        for call in CALLS.values():
            refusal(lambda call=call: call(store))  # type: ignore[misc]
        server.start()
        assert store.read(record().record_id) == record(sid=SID)


def test_a_server_that_hangs_is_unavailable_and_right_again_at_once(store: RedisStore, server: RedisServer) -> None:
    server.pause()
    for call in CALLS.values():
        refusal(lambda call=call: call(store))  # type: ignore[misc]
    server.resume()
    store.create(record("new"))
    assert store.read(record("new").record_id) == record("new")


def test_nobody_waits_for_others_while_a_server_hangs(store: RedisStore, server: RedisServer) -> None:
    server.pause()

    def slowest() -> float:
        return max(map(float, at_once(lambda _: seconds_of_refusal(store))))

    assert min(slowest() for _ in range(TRIES)) < LONGEST_SECONDS
    server.resume()
    assert at_once(lambda _: store.read(record().record_id)) == [record(sid=SID)] * 20


def seconds_of_refusal(store: RedisStore) -> float:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.read(record().record_id)
    return time.monotonic() - began


def test_many_connections_that_a_restart_closed_fail_nobody(store: RedisStore, server: RedisServer) -> None:
    at_once(lambda _: store.read(record().record_id))
    server.stop()
    server.start()
    assert at_once(lambda _: store.read(record().record_id)) == [record(sid=SID)] * 20


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """It takes every connection, and never says a word."""
    with socket.create_server((HOST, 0), backlog=64) as listener:
        yield listener


@pytest.fixture
def full_queue() -> Iterator[socket.socket]:
    """It takes no more connections, and does not refuse them either."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster"])
@pytest.mark.parametrize("address", ["black_hole", "full_queue"])
def test_a_place_that_never_answers_is_unavailable(request: pytest.FixtureRequest, scheme: str, address: str) -> None:
    port = request.getfixturevalue(address).getsockname()[1]
    store = store_at(f"{scheme}://:{PASSWORD_IN_URL}@{HOST}:{port}" + ("/service" if "sentinel" in scheme else ""))
    for call in (CALLS["read"], CALLS["create"], CALLS["ping"], CALLS["concerns"]):
        assert_no_password(refusal(lambda call=call: call(store)))  # type: ignore[misc]


def assert_no_password(error: StoreUnavailable) -> None:
    """In nothing that a log could get of it."""
    text = "".join(traceback.format_exception(error)) + repr(error) + error.detail
    assert [word for word in (PASSWORD, PASSWORD_IN_URL, "fish@", "fish%40") if word in text] == []


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\xff\xfe\r\n", b"-\r\n"])
def test_a_place_where_something_else_answers_is_unavailable(answer: bytes) -> None:
    with Answering(answer) as port:
        for scheme, path in (("redis", ""), ("redis+sentinel", "/service"), ("redis+cluster", ""), ("rediss", "")):
            store = store_at(f"{scheme}://{HOST}:{port}{path}")
            for call in (CALLS["read"], CALLS["create"], CALLS["ping"], CALLS["concerns"]):
                refusal(lambda call=call, store=store: call(store))  # type: ignore[misc]


class Answering:
    """Says the same to everybody who says something, and hangs up."""

    def __init__(self, answer: bytes):
        self._answer = answer
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with closing(client):
                client.recv(4096)
                client.sendall(self._answer)


def test_a_wrong_password_is_unavailable_and_told_to_nobody(tmp_path: Path) -> None:
    with redis_server(tmp_path, password="the right one") as server:
        for credentials in (f":{PASSWORD_IN_URL}@", f"default:{PASSWORD_IN_URL}@", f"nobody:{PASSWORD_IN_URL}@", ""):
            store = store_at(f"redis://{credentials}{HOST}:{server.port}")
            for call in CALLS.values():
                error = refusal(lambda call=call, store=store: call(store))  # type: ignore[misc]
                assert_no_password(error)
                assert "Authenticat" in error.detail


def test_a_certificate_of_nobody_we_know_is_unavailable(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with redis_server(tmp_path / "redis", password=PASSWORD, tls=trustme.CA()) as server:
        for query in ("", f"?ssl_ca_certs={stranger}"):
            error = refusal(lambda query=query: store_at(server.url + query).ping())  # type: ignore[misc]
            assert "certificate verify failed" in error.detail
            assert_no_password(error)
        store_at(f"{server.url}?ssl_ca_certs={server.ca_file}").ping()


def test_an_authority_that_is_given_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one more beside those of the system."""
    ours, of_the_system = trustme.CA(), trustme.CA()
    for authority, name in ((ours, "ours.pem"), (of_the_system, "system.pem")):
        authority.cert_pem.write_to_path(tmp_path / name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    with redis_server(tmp_path / "redis", tls=of_the_system) as server:
        store_at(server.url).ping()
        refusal(lambda: store_at(f"{server.url}?ssl_ca_certs={tmp_path / 'ours.pem'}").ping())


def test_a_server_without_tls_is_unavailable_for_who_wants_it(server: RedisServer) -> None:
    refusal(lambda: store_at(server.url.replace("redis:", "rediss:")).ping())


def test_a_full_server_takes_nothing_new_and_still_lets_people_out(store: RedisStore, server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "1")
        for name in WRITES:
            assert "OutOfMemory" in refusal(lambda name=name: CALLS[name](store)).detail  # type: ignore[misc]
        assert store.read(record().record_id) == record(sid=SID)
        assert store.delete(record().record_id) is not None
        assert store.read(record().record_id) is None
        client.config_set("maxmemory", "0")
        store.create(record())


def test_a_replica_is_unavailable_for_writing(store: RedisStore, server: RedisServer, tmp_path: Path) -> None:
    with redis_server(tmp_path / "replica", options=("--replicaof", f"{HOST} {server.port}")) as replica:
        there = store_at(replica.url)
        until(lambda: there.read(record().record_id) == record(sid=SID), "the replica has it")
        for name in WRITES:
            assert "ReadOnly" in refusal(lambda name=name: CALLS[name](there)).detail  # type: ignore[misc]
    assert store.update(record(sid=SID)) is True


def test_a_master_that_wants_more_replicas_is_unavailable_for_writing(store: RedisStore, server: RedisServer) -> None:
    """As with a disk that is full, the server refuses for reasons of its own."""
    with server.client() as client:
        client.config_set("min-replicas-to-write", "1")
        for name in WRITES:
            assert "replicas" in refusal(lambda name=name: CALLS[name](store)).detail  # type: ignore[misc]
        assert store.read(record().record_id) == record(sid=SID)


def test_a_server_that_is_loading_is_unavailable_until_it_has_loaded(store: RedisStore, server: RedisServer) -> None:
    with server.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in range(12_000):
            pipeline.set(f"other {number}", "x")
        pipeline.execute()
    server.kill()
    server.command = [*server.command, "--key-load-delay", "20"]  # microseconds; it looks up every 1024 commands
    starting = threading.Thread(target=server.start)
    starting.start()
    details = set()

    def is_back() -> bool:
        try:
            return store.read(record().record_id) == record(sid=SID)
        except StoreUnavailable as error:
            details.add(error.detail.partition(":")[0])
            return False

    until(is_back, "it has loaded")
    starting.join()
    assert details <= {"ConnectionError", "BusyLoadingError", "TimeoutError"}
    assert "BusyLoadingError" in details


def test_a_user_who_may_not_do_what_we_need_is_told_so(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "doorkey", "on", ">" + PASSWORD, "~doorkey:*", "+@read", "+ping")
        store = store_at(f"redis://doorkey:{PASSWORD_IN_URL}@{HOST}:{server.port}")
        error = refusal(lambda: store.create(record()))
        assert "no permissions" in error.detail
        assert_no_password(error)
        client.execute_command("ACL", "SETUSER", "doorkey", "+@all", "-@dangerous", "-@admin", "+info")
    store.create(record())
    store.ping()
    assert store_at(f"redis://doorkey:{PASSWORD_IN_URL}@{HOST}:{server.port}", time.time).concerns() == []
    assert store.list_by_user(USER) == list(store.all()) == [record()]
