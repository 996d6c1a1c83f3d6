"""What only the Redis store can meet, at one healthy server: odd keys, orphans, lives (sessions/redis_store.py).

Beside it: test_redis_lost_answers.py, test_redis_outages.py, test_redis_sentinel.py, test_redis_cluster.py.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from redis import Redis

from doorkey.clock import system_random
from doorkey.errors import StoreUnavailable
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.redis_store import LINGER_SECONDS, RedisStore
from doorkey.sessions.seal import Keyring
from doorkey.setting_stores import session_store
from tests.conftest import KEY, MovedClock
from tests.contract.store_samples import NOW, SID, USER, names, record
from tests.support.redis_servers import RedisServer, redis_server
from tests.test_token import read

FIELDS = {"v": b"0", "s": b"sealed", "c": b"summary", "e": repr(NOW).encode(), "u": USER, "p": SID, "w": b"once"}
RECORD_KEY = "doorkey:session:" + record().record_id.hex()
USER_KEY = "doorkey:user:" + USER.hex()
CANARY = Identity(
    provider="canary-provider", sub="canary-sub", name="Canary Name", email="canary@example.com", groups=("canary",)
)


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def server(one_server: RedisServer) -> RedisServer:
    with one_server.client() as client:
        client.flushall()
    return one_server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    with server.client() as client:
        yield client


@pytest.fixture
def store(server: RedisServer, clock: MovedClock) -> RedisStore:
    return RedisStore(session_store(server.url), clock)


@pytest.fixture
def sessions(store: RedisStore, clock: MovedClock) -> Sessions:
    return Sessions(store, Keyring([KEY.encode()]), idle=3600, absolute=7200, clock=clock, random=system_random)


def odd_records() -> dict[str, Callable[[Redis], Any]]:
    other_types: dict[str, Callable[[Redis], Any]] = {
        "string": lambda client: client.set(RECORD_KEY, "text"),
        "list": lambda client: client.rpush(RECORD_KEY, "text"),
        "set": lambda client: client.sadd(RECORD_KEY, "text"),
        "sorted set": lambda client: client.zadd(RECORD_KEY, {"text": 1}),
        "stream": lambda client: client.xadd(RECORD_KEY, {"field": "text"}),
        "other fields": lambda client: client.hset(RECORD_KEY, "x", "y"),
    }
    missing = {f"without {name}": partial(write_record, without=name) for name in FIELDS}
    rubbish = {
        f"{name} {value[:9]!r}": partial(write_record, changes={name: value})
        for name in set(FIELDS) - {"w"}
        for value in (b"", b"\xff\x00rubbish", b"-1", b"nan", b"9" * 5000)
    }
    return {**other_types, **missing, **dict(sorted(rubbish.items()))}


def write_record(client: Redis, *, without: str = "", changes: Mapping[str, bytes] = FIELDS) -> None:
    fields: dict[Any, Any] = {**FIELDS, **changes}
    fields.pop(without, None)
    client.hset(RECORD_KEY, mapping=fields)


@pytest.mark.parametrize("make_odd", odd_records().values(), ids=odd_records())
def test_an_odd_record_opens_as_nothing_and_stops_nobody(
    store: RedisStore, sessions: Sessions, client: Redis, make_odd: Callable[[Redis], Any]
) -> None:
    make_odd(client)
    client.zadd(USER_KEY, {record().record_id: NOW + 60})
    found = store.read(record().record_id)
    assert found is None or Keyring([KEY.encode()]).open(found.sealed, purpose="", bound_to=b"") is None
    assert [one.record_id for one in store.all()] in ([], [record().record_id])
    for call in (lambda: store.list_by_user(USER), lambda: store.update(record()), lambda: store.create(record())):
        with suppress(StoreUnavailable):
            call()
    store.delete(record().record_id)
    store.create(record())
    assert store.read(record().record_id) == record()
    assert sessions.open(sign_in(sessions).ids.session_secret) is not None


def sign_in(sessions: Sessions) -> OpenSession:
    token = read({"access_token": "canary-at", "refresh_token": "canary-rt", "scope": "canary"})
    return sessions.start(CANARY, token, label="Canary Browser", provider_sid="canary-sid")


def test_who_has_an_odd_record_can_sign_in_again(sessions: Sessions, client: Redis) -> None:
    """The cookie leads to nothing, as if the session had ended."""
    session = sign_in(sessions)
    key = "doorkey:session:" + session.ids.record_id.hex()
    client.hset(key, "s", "rubbish")
    assert sessions.open(session.ids.session_secret) is None
    client.delete(key)
    client.set(key, "rubbish")
    assert sessions.open(session.ids.session_secret) is None
    sessions.end(session.ids.session_secret)
    assert not client.exists(key)
    assert sessions.open(sign_in(sessions).ids.session_secret) is not None


@pytest.mark.parametrize("kind", ["user", "sid"])
def test_who_has_an_odd_index_can_sign_in_again_and_is_listed(store: RedisStore, client: Redis, kind: str) -> None:
    key = {"user": USER_KEY, "sid": "doorkey:sid:" + SID.hex()}[kind]
    client.set(key, "rubbish")
    listed = {"user": lambda: store.list_by_user(USER), "sid": lambda: store.list_by_sid(SID)}[kind]
    with pytest.raises(StoreUnavailable):
        listed()  # that there is nothing is more than we know
    store.create(record(sid=SID))
    assert listed() == [record(sid=SID)]
    assert client.pttl(key) > 0


def test_an_odd_mark_or_lease_is_not_given_to_anybody(store: RedisStore, client: Redis) -> None:
    for kind in ("mark", "lease"):
        client.hset(f"doorkey:{kind}:{b'x'.hex()}", "a", "b")
    with pytest.raises(StoreUnavailable):
        store.mark_once(b"x", now=NOW, ends=NOW + 60)
    with pytest.raises(StoreUnavailable):
        store.acquire_lease(b"x", b"one", now=NOW, ends=NOW + 60)


def test_keys_of_others_are_left_alone(store: RedisStore, client: Redis) -> None:
    others = ["doorkey:session:xyz", "doorkey:session:é", "doorkey:sessions", "session:ab", "other"]
    for key in others:
        client.set(key, "theirs")
    store.create(record())
    assert names(list(store.all())) == ["a"]
    store.delete_by_user(USER)
    assert client.mget(others) == ["theirs"] * len(others)


def test_all_gives_a_record_once_though_redis_names_it_twice(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it may while its table of keys shrinks."""
    store.create(record())
    scan_iter = Redis.scan_iter
    monkeypatch.setattr(Redis, "scan_iter", lambda *args, **options: [*scan_iter(*args, **options)] * 2)
    assert list(store.all()) == [record()]


def test_a_record_that_went_behind_our_back_is_in_no_list(store: RedisStore, client: Redis) -> None:
    for name in "ab":
        store.create(record(name, sid=SID))
    client.delete(RECORD_KEY)
    assert names(store.list_by_user(USER)) == names(store.list_by_sid(SID)) == ["b"]
    assert store.delete_by_user(USER) == 1


def test_what_an_index_names_in_vain_is_dropped_when_its_user_signs_in(
    store: RedisStore, client: Redis, clock: MovedClock
) -> None:
    """Twenty at a time, so that no sign-in takes long."""
    for number in range(30):
        store.create(record(f"{number}"))
        if number < 27:
            client.delete("doorkey:session:" + record(f"{number}").record_id.hex())
    clock.advance(60)  # all have ended; three are still there
    store.create(replace(record("new"), ends=NOW + 3600))
    assert client.zcard(USER_KEY) == 11
    store.create(replace(record("newer"), ends=NOW + 3600))
    assert client.zcard(USER_KEY) == 5
    assert names(store.list_by_user(USER)) == ["27", "28", "29", "new", "newer"]


def test_an_index_lives_as_long_as_the_longest_of_its_records(
    store: RedisStore, client: Redis, clock: MovedClock
) -> None:
    store.create(replace(record("long"), ends=NOW + 5000))
    store.create(replace(record("short"), ends=NOW + 5))
    assert 5000 + LINGER_SECONDS - 10 < client.pttl(USER_KEY) / 1000 <= 5000 + LINGER_SECONDS
    clock.advance(-100_000)  # put back: what is left of a life is longer then, and never for ever
    store.create(record("behind"))
    assert all(0 < client.pttl(key) / 1000 <= 101_000 for key in client.scan_iter())


def test_nothing_that_a_person_or_a_provider_said_is_in_the_servers_files(
    sessions: Sessions, server: RedisServer, client: Redis
) -> None:
    session = sign_in(sessions)
    sessions.touch(session)
    sessions.spend("canary-state", seconds=600)
    with sessions.lease("canary-lease") or pytest.fail("somebody else has it"):
        dump = b"".join(path.read_bytes() for path in server.folder.rglob("*") if path.is_file())
        dump += b"".join(client.dump(key) or b"" for key in list(client.scan_iter()) if isinstance(key, str))
    assert session.ids.record_id.hex().encode() in dump
    assert not re.search(rb"(?i)canary", dump)
    for secret in (session.ids.session_secret, session.ids.gate_secret, KEY.encode()):
        forms = (secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret).rstrip(b"="))
        assert [form for form in forms if form in dump] == []
