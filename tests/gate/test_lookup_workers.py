"""Real workers that keep who asks them again, while another process ends sessions: nobody passes after that.

Each worker is asked all the time over a connection of its own. What counts is a 200 to a question that was asked
after the end had been acknowledged: on one machine there is none, on Redis none after 0.5 seconds, and nine of
ten sessions are over everywhere within 50 ms. `LOOKUP_ENDS=3000` ends so many sessions in each of these tests.
"""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import pytest

from doorkey.base64url import encode
from doorkey.clock import system_clock, system_random
from doorkey.factory import open_store, server_keys
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.seal import Keyring
from doorkey.settings import load
from tests.proxies.raw_client import CLOSED, Connection, request
from tests.support import servers
from tests.support.gate_desk import DOMAIN_COOKIE, SETTINGS, URL
from tests.support.redis_servers import redis_server, reserved_port, until
from tests.support.servers import Command, Running

WORKERS = 3
ENDS = int(os.environ.get("LOOKUP_ENDS", "0"))
HITS = 2
"""So often each worker passes somebody before the end, the last time from memory; and is asked after it."""

SOON_SECONDS, LATEST_SECONDS = 0.05, 0.5
PATIENCE = 20.0
METRICS = request("GET", "/metrics", host="127.0.0.1")


def gunicorn_with_forks(port: int) -> Sequence[str]:
    """The app is made once, and its process forked."""
    command = servers.gunicorn(port)
    return (*command, "--preload", "--workers", str(WORKERS), "--keep-alive", "60")


@dataclass
class Target:
    """A session that is asked about; by worker, how often it passed before its end, and was refused after it."""

    raw: bytes
    ended_at: float = inf
    passed: list[int] = field(default_factory=lambda: [0] * WORKERS)
    refused: list[int] = field(default_factory=lambda: [0] * WORKERS)
    late: list[float] = field(default_factory=list)
    """How long after the end somebody asked who passed, for each time."""


class Asker(threading.Thread):
    """Asks one worker, or the one in its place, about whatever the target is."""

    def __init__(self, site: "Workers", number: int):
        super().__init__(daemon=True)
        self.process = 0
        self._site = site
        self._number = number

    def run(self) -> None:
        try:
            while not self._site.over.is_set():
                with Connection(self._site.port, seconds=PATIENCE) as connection:
                    if self._is_at_a_worker_of_its_own(connection):
                        self._ask(connection)
                time.sleep(0.01)  # the next one may be another worker's
        except BaseException as error:
            self._site.errors.append(error)

    def _is_at_a_worker_of_its_own(self, connection: Connection) -> bool:
        connection.send(METRICS)
        found = re.search(r'process="(\d+)"', connection.answer().body.decode())
        return self._site.takes(self, int(found[1])) if found else False

    def _ask(self, connection: Connection) -> None:
        while not self._site.over.is_set():
            target = self._site.target
            ended_at, began = target.ended_at, time.monotonic()
            connection.send(target.raw)
            status = connection.answer().status
            if status == CLOSED:
                return
            assert status in (200, 401), status
            if ended_at == inf:
                target.passed[self._number] += status == 200
            elif status == 200:
                target.late.append(began - ended_at)
            else:
                target.refused[self._number] += 1
            if target is not self._site.target or target.refused[self._number] > HITS:
                time.sleep(0.001)


class Workers:
    """Three of them, and this process: it signs people in and ends their sessions at the same store."""

    def __init__(self, server: Running, settings: dict[str, str]):
        self.port = server.port
        self.over = threading.Event()
        self.errors: list[BaseException] = []
        self.processes: set[int] = set()
        self.late: list[float] = []
        """The longest for each session that was late at all."""
        chosen = load(settings)
        keyring = Keyring(server_keys(chosen), system_random)
        lives = {"idle": chosen.session_idle, "absolute": chosen.session_absolute}
        store = open_store(chosen)
        self._sessions = Sessions(store, keyring, **lives, clock=system_clock, random=system_random)
        self._guard = threading.Lock()
        self._session, self.target = self._next()
        self._askers = [Asker(self, number) for number in range(WORKERS)]

    def takes(self, asker: Asker, process: int) -> bool:
        """Whether nobody else asks that worker."""
        with self._guard:
            if any(other.process == process for other in self._askers if other is not asker):
                return False
            asker.process = process
            self.processes.add(process)
            return True

    def end_many(self, ends: int, *, kill_after: Sequence[int] = ()) -> None:
        for asker in self._askers:
            asker.start()
        try:
            for number in range(ends):
                self._wait(lambda: min(self.target.passed) >= HITS)
                if number in kill_after:
                    os.kill(self._askers[number % WORKERS].process, signal.SIGKILL)
                self._sessions.end(self._session.ids.session_secret)
                self.target.ended_at = time.monotonic()
                self._wait(lambda: min(self.target.refused) >= HITS)
                self.late += [max(self.target.late)] if self.target.late else []
                self._session, self.target = self._next()
        finally:
            self.over.set()
            for asker in self._askers:
                asker.join(PATIENCE)
        assert not self.errors
        assert len(self.processes) == WORKERS + len(kill_after)

    def _wait(self, happened: Callable[[], bool]) -> None:
        until(lambda: bool(self.errors) or happened(), f"passed {self.target.passed}, refused {self.target.refused}")
        assert not self.errors

    def _next(self) -> tuple[OpenSession, Target]:
        token = Token("canary-access-token", system_clock(), None, (), (), True)
        session = self._sessions.start(Identity("stub", "alice"), token)
        said = [
            ("X-Original-Method", "GET"),
            ("X-Original-URL", URL),
            ("Cookie", f"{DOMAIN_COOKIE}={encode(session.ids.gate_secret)}"),
        ]
        return session, Target(request("GET", "/check/nginx", said))


@contextmanager
def workers(command: Command, folder: Path, **changes: str) -> Iterator[Workers]:
    settings = {**SETTINGS, "WEB_CONCURRENCY": str(WORKERS), "DOORKEY_INSTANCE": str(folder / "instance"), **changes}
    with reserved_port() as port, servers.server(command, folder, settings, port=port) as server:
        yield Workers(server, settings)
        assert "Traceback" not in server.log
        os.killpg(server.process.pid, signal.SIGKILL)  # an orderly end takes seconds, and is no matter of this test


@pytest.mark.parametrize(("command", "ends"), [(servers.python_app, 200), (gunicorn_with_forks, 100)])
def test_on_one_machine_nobody_passes_who_asked_after_the_end(tmp_path: Path, command: Command, ends: int) -> None:
    """A worker is killed meanwhile, and another one takes its place."""
    with workers(command, tmp_path) as site:
        site.end_many(ENDS or ends, kill_after=(ends // 2,))
    assert site.late == []


def test_on_redis_the_end_is_known_to_all_soon(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path / "redis", appendonly=False) as server,
        workers(servers.python_app, tmp_path, DOORKEY_SESSION_STORE=server.url) as site,
    ):
        site.end_many(ENDS or 60)
    assert max(site.late, default=0.0) <= LATEST_SECONDS
    assert len([delay for delay in site.late if delay > SOON_SECONDS]) <= (ENDS or 60) / 10
