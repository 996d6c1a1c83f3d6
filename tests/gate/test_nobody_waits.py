"""Nobody waits at the gate for somebody else: neither for a provider or a store that hangs, nor for how many there are.

What hangs is measured against what does not: checks have to be back while others still wait. The servers are real
ones; `world()` is one of them with everything that its visitors need, also for tests/attacks/test_gate_at_once.py.
"""

import os
import select
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask

from doorkey.base64url import encode
from doorkey.errors import StoreUnavailable
from doorkey.gate.behind import Behind
from doorkey.gate.gate_request import CheckRequest
from doorkey.gate.gate_tokens import GateTokens
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession
from doorkey.sessions.sqlite_store import SqliteStore
from tests.conftest import MovedClock
from tests.proxies.raw_client import Connection, request, send
from tests.support import servers
from tests.support.cpu_time import cpu_seconds
from tests.support.gate_desk import SETTINGS, GateDesk, desk_at, said
from tests.support.redis_servers import redis_server, until
from tests.support.servers import PATIENCE, Running

POLICY = """
[[rule]]
name = "static"
path = "/static"
allow = "anyone"

[[rule]]
name = "admins"
path = "/admin"
allow = { groups = ["admins"] }

[[rule]]
name = "told"
path = "/told"
allow = "signed-in"
headers = ["assertion", "access-token"]
"""
OWN_HOST = "login.example.com"
Make = Callable[..., Flask]


def check(path: str = "/x", *, cookie: str = "", method: str = "GET", more: Sequence[tuple[str, str]] = ()) -> bytes:
    """The bytes with which nginx asks about a path of the application."""
    said = [("X-Original-Method", "GET"), ("X-Original-URL", f"https://app.example.com{path}"), *more]
    return request(method, "/check/nginx", [*said, ("Cookie", cookie)] if cookie else said, host="127.0.0.1")


@dataclass
class World:
    """A server, a desk at which people are signed in to it, and its provider, which accepts and says nothing."""

    server: Running
    desk: GateDesk
    settings: dict[str, str]
    provider: socket.socket

    @property
    def port(self) -> int:
        return self.server.port

    def cookie(self, sub: str, **told: Any) -> str:
        """Of somebody whom the server has not seen yet."""
        return self.desk.cookie(self.desk.sign_in(sub=sub, **told))

    def known(self, sub: str) -> str:
        """Of somebody whom the server knows."""
        cookie = self.cookie(sub)
        assert self.user(check(cookie=cookie)) == sub
        return cookie

    def user(self, raw: bytes) -> str:
        """Whom an answer names; it has to come."""
        return send(self.port, raw, seconds=PATIENCE).header("X-Doorkey-User")

    def status(self, raw: bytes) -> int:
        return send(self.port, raw, seconds=PATIENCE).status

    def hanging_callback(self) -> bytes:
        """The end of a sign-in, for which the provider is asked."""
        begun = send(self.port, request("GET", "/login?provider=stub", host=OWN_HOST), seconds=PATIENCE)
        state = parse_qs(urlsplit(begun.header("Location")).query)["state"][0]
        cookies = "; ".join(value.partition(";")[0] for value in begun.values("Set-Cookie"))
        query = urlencode({"code": "c", "state": state})
        return request("GET", f"/callback/stub?{query}", [("Cookie", cookies)], host=OWN_HOST)

    def hanging_logout(self) -> bytes:
        """The provider is told that the token is over."""
        ids = self.desk.sign_in(sub="leaves").ids
        form = urlencode({"csrf_token": ids.csrf_token}).encode()
        headers = [("Cookie", f"__Host-doorkey={encode(ids.session_secret)}")]
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        return request("POST", "/logout", headers, form, host=OWN_HOST)

    def due_check(self, sub: str) -> bytes:
        """Of somebody whose token is about to end, where the application is to be handed it."""
        now = time.time()
        token = Token("canary", now - 3600, now + 20, ("read",), ("read",), True, refresh_token="canary-refresh")
        session = self.desk.sessions.start(Identity(provider="stub", sub=sub), token)
        return check("/told", cookie=self.desk.cookie(session))

    def gate_token(self) -> str:
        store, keyring = self.desk.sessions._store, self.desk.sessions._keyring
        return GateTokens(store, keyring, time.time, os.urandom).new("robot", seconds=3600)[0]


@contextmanager
def world(folder: Path, command: servers.Command = servers.python_app, **changes: str) -> Iterator[World]:
    """One whose provider can be reached and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as provider:
        provider.settimeout(PATIENCE)
        url = f"http://127.0.0.1:{provider.getsockname()[1]}"
        settings = {**SETTINGS, **changes, "DOORKEY_INSTANCE": str(folder / "instance")}
        for name in ("TOKEN", "USERINFO", "REVOCATION", "INTROSPECTION"):
            settings[f"DOORKEY_PROVIDER_STUB_{name}_ENDPOINT"] = f"{url}/{name.lower()}"
        settings |= {"DOORKEY_BEARER_AUDIENCE": "app", "DOORKEY_BEARER_INTROSPECTION": "stub"}
        desk = desk_at(folder, POLICY, **settings)
        settings["DOORKEY_POLICY_FILE"] = str(folder / "policy.toml")
        with servers.server(command, folder, settings) as server:
            yield World(server, desk, settings, provider)


@contextmanager
def under_way(port: int, requests: Sequence[bytes]) -> Iterator[list[Connection]]:
    """Each over a connection of its own, and nobody reads the answers yet."""
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(port, seconds=2 * PATIENCE)) for _ in requests]
        for connection, raw in zip(connections, requests, strict=True):
            connection.send(raw)
        yield connections


def waiting(connections: Sequence[Connection]) -> int:
    """How many of them have heard nothing yet."""
    return len(connections) - len(select.select([one._socket for one in connections], [], [], 0)[0])


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("stalled")) as found:
        yield found
        assert "Traceback" not in found.server.log


def test_while_a_provider_hangs_the_checks_of_everybody_else_go_on(stalled: World) -> None:
    known = [stalled.known(f"known-{number}") for number in range(10)]
    strangers = [stalled.cookie(f"stranger-{number}") for number in range(40)]
    due = [stalled.due_check(f"due-{number}") for number in range(60)]
    opaque = [check(more=bearer(f"opaque-{number}")) for number in range(40)]
    pages = [stalled.hanging_callback() for _ in range(6)] + [stalled.hanging_logout() for _ in range(6)]
    with under_way(stalled.port, pages) as hanging, under_way(stalled.port, due + opaque):
        for number, cookie in enumerate(known * 5):
            assert stalled.user(check(cookie=cookie)) == f"known-{number % 10}"
        for number, cookie in enumerate(strangers):
            assert stalled.user(check(cookie=cookie)) == f"stranger-{number}"
        assert waiting(hanging) == len(hanging)


@pytest.mark.parametrize("who", ["a program with a gate token", "a person who sends a token too"])
def test_while_many_introspections_hang_who_needs_none_goes_on(stalled: World, who: str) -> None:
    opaque = [check(more=bearer(f"{who[2:9]}-{number}")) for number in range(120)]
    person = check(cookie=stalled.cookie("person"), more=bearer("theirs"))
    asked, name = (person, "person") if "person" in who else (check(more=bearer(stalled.gate_token())), "robot")
    with under_way(stalled.port, opaque) as others:
        assert stalled.status(request("GET", "/healthz")) == 200  # the server has taken the others, who came before
        assert stalled.user(asked) == name
        assert waiting(others) > 60


# ---- a store that hangs ----


@contextmanager
def locked_for_writing(settings: dict[str, str]) -> Iterator[None]:
    """The SQLite file, as by another process that does not come to an end."""
    with closing(sqlite3.connect(f"{settings['DOORKEY_INSTANCE']}/sessions.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def last_let_through(desk: GateDesk, session: OpenSession) -> float:
    found = desk.sessions.reopen(session)
    assert found, "signed out"
    return found.record.gate_seen


def test_while_writes_stall_everybody_passes_and_last_seen_is_noted_later(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        known = found.known("known")
        sessions = [found.desk.sign_in(sub=f"new-{number}") for number in range(50)]
        with locked_for_writing(found.settings):
            for number, session in enumerate(sessions):
                assert found.user(check(cookie=found.desk.cookie(session))) == f"new-{number}"
                assert found.user(check(cookie=known)) == "known"
        again = check(cookie=found.desk.cookie(sessions[0]))
        until(lambda: found.user(again) == "new-0" and last_let_through(found.desk, sessions[0]) > 0, "it is noted")
        assert all(found.desk.sessions.reopen(session) for session in sessions)


def test_while_redis_hangs_who_needs_it_is_told_in_time_and_nobody_else_waits(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as redis, world(tmp_path, DOORKEY_SESSION_STORE=redis.url) as found:
        people = [check(cookie=found.known(f"person-{number}")) for number in range(5)]
        strangers = [check(cookie=found.cookie(f"stranger-{number}")) for number in range(100)]
        redis.pause()
        with under_way(found.port, strangers) as asked:
            assert {found.status(check("/static/x")) for _ in range(10)} == {200}
            assert waiting(asked) > 40
            assert {connection.answer().status for connection in asked} == {503}
        assert {found.status(raw) for raw in people} == {503}
        redis.resume()
        until(lambda: found.status(people[0]) == 200, "it is back")
        assert {found.status(raw) for raw in people + strangers} == {200}


def test_a_server_stops_at_once_however_much_there_is_to_be_noted(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        asked = [check(cookie=found.cookie(f"new-{number}")) for number in range(400)]
        with locked_for_writing(found.settings):
            assert {found.status(raw) for raw in asked} == {200}
            began = time.monotonic()
            assert found.server.stop() == 0
            assert time.monotonic() - began < PATIENCE / 2  # noting all of them would take longer


def test_last_seen_is_noted_once_a_minute_for_each_session(make_gate: Make, clock: MovedClock) -> None:
    desk = GateDesk(make_gate(POLICY))
    sessions = [desk.sign_in(sub=f"user-{number}") for number in range(3)]
    for minute in range(1, 4):
        for _ in range(6):
            for session in sessions * 5:
                assert desk.ask(cookie=desk.cookie(session)).status == 200
            clock.advance(9.9)
        found = [desk.sessions.reopen(session) for session in sessions]
        assert [session.version for session in found if session] == [minute] * 3  # so often it was written
        clock.advance(0.7)


def test_last_seen_is_noted_in_each_process_of_gunicorn_too(tmp_path: Path) -> None:
    with world(tmp_path, lambda port: (*servers.gunicorn(port), "--workers", "2", "--preload")) as found:
        sessions = [found.desk.sign_in(sub=f"user-{number}") for number in range(20)]
        for number, session in enumerate(sessions):
            assert found.user(check(cookie=found.desk.cookie(session))) == f"user-{number}"
        until(lambda: all(last_let_through(found.desk, session) for session in sessions), "all are noted")


def test_a_fork_does_its_own_jobs() -> None:
    behind = Behind()
    behind.add(lambda: None)
    behind.settle()
    if (child := os.fork()) == 0:
        behind.add(lambda: os._exit(7))
        time.sleep(PATIENCE)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_jobs_that_cannot_be_done_are_dropped_and_take_no_threads() -> None:
    behind, free, done = Behind(threads=2, most_waiting=10), threading.Event(), []

    def job() -> None:
        free.wait(PATIENCE)
        done.append(1)

    before = threading.active_count()
    for _ in range(1000):
        behind.add(job)
    assert threading.active_count() == before + 2
    free.set()
    behind.settle()
    assert 10 <= len(done) <= 12


def cost(desk: GateDesk, *groups: str) -> float:
    """Of 200 checks of somebody who is known and in `groups`."""
    cookie = desk.cookie(desk.sign_in(groups=groups)).encode()
    raw = [*said("nginx", "https://app.example.com/team-5/x"), (b"accept", b"text/html"), (b"cookie", cookie)]
    asked = CheckRequest("GET", b"/check/nginx", b"", raw, "127.0.0.1")
    assert desk.checkpoint.answer(asked).status == 200
    desk.checkpoint.behind.settle()
    return cpu_seconds(lambda: [desk.checkpoint.answer(asked) for _ in range(200)], times=7)


def rules(count: int) -> str:
    rule = '[[rule]]\nname = "{0}"\nhost = {1}\npath = "/team-{0}"\nallow = {{ groups = ["team-{0}", "last"] }}\n'
    return "".join(rule.format(n, f'["{n % 50}.apps.example.com", "app.example.com"]') for n in range(count))


def test_a_check_costs_the_same_with_ten_thousand_rules(make_gate: Make) -> None:
    few, many = (cost(GateDesk(make_gate(rules(count))), "last") for count in (10, 10_000))  # one file, one by one
    assert many < 2 * few


def test_a_check_costs_the_same_for_somebody_in_a_thousand_groups(make_gate: Make) -> None:
    """But for the search in them, which is much less than the rest."""
    desk = GateDesk(make_gate(rules(10)))
    few, many = ([f"other-{number}" for number in range(count)] for count in (6, 999))
    assert cost(desk, *many, "last") < 3 * cost(desk, *few, "last")


def test_a_check_costs_the_same_when_thousands_are_known(make_gate: Make) -> None:
    desk = GateDesk(make_gate(rules(10)))
    few, lookup = cost(desk, "last"), desk.checkpoint._lookup
    kept, noted, _ = next(iter(lookup._kept.values()))
    for _ in range(3_000):
        lookup.keep(os.urandom(32), kept, noted)
    assert len(lookup._kept) > 3_000
    assert cost(desk, "last") < 2 * few


def test_a_check_of_somebody_known_does_not_touch_the_store(make_gate: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = GateDesk(make_gate(POLICY))
    known, stranger = (desk.cookie(desk.sign_in(sub=sub)) for sub in ("known", "stranger"))
    for _ in range(2):  # having noted it the first time, the desk knows another record
        assert desk.ask(cookie=known).status == 200
    asked: list[str] = []

    def away(store: SqliteStore) -> Any:
        asked.append("asked")
        raise StoreUnavailable("canary")

    monkeypatch.setattr(SqliteStore, "_connection", away)
    assert {desk.ask(cookie=known).status for _ in range(50)} == {200}
    assert {desk.ask(url="https://app.example.com/static/x").status, desk.ask().status} == {200, 401}
    assert asked == []
    assert desk.ask(cookie=stranger).status == 503
    assert asked
