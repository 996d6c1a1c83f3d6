"""One worker as far as renewing tokens goes: sessions in a real SQLite file, a `Refresher`, a provider to ask.

    desk = open_desk(tmp_path / "sessions.sqlite3", rotating.url, clock)
    session = desk.sign_in()          # with a token of the provider
    desk.fresh(session)               # as a page would ask

Two desks at one file are two workers.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError
from doorkey.oauth.flow import Checks
from doorkey.oauth.http import Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.oauth.token_endpoint import exchange_code
from doorkey.oauth.trace import Trace
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.refresh import Refresher
from doorkey.sessions.seal import Keyring
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import SessionStore
from doorkey.settings import provider_settings

PATIENCE = 20.0
UNA = Identity(provider="stub", sub="user-1", name="Una")
HOUR = 3600


@dataclass
class Asking:
    """A `fresh()` in a thread of its own."""

    thread: threading.Thread
    found: list[OpenSession | None] = field(default_factory=list)
    failed: list[DoorkeyError] = field(default_factory=list)

    def result(self) -> OpenSession | None:
        """What it gave; what it raised is raised here."""
        self.thread.join(PATIENCE)
        if self.failed:
            raise self.failed[0]
        return self.found[0]

    def access_token(self) -> str:
        """Of the session that it gave."""
        found = self.result()
        assert found, "the session is over"
        return found.record.token.access_token


@dataclass
class Desk:
    store: SessionStore
    sessions: Sessions
    refresher: Refresher
    provider: Provider
    transport: Transport
    clock: Clock

    def sign_in(self) -> OpenSession:
        """A session with a token that the provider gives now."""
        token = exchange_code(
            self.provider,
            code="canary-code",
            redirect_uri="http://127.0.0.1:8000/callback/stub",
            verifier="canary-verifier",
            scope_asked=("read", "write"),
            transport=self.transport,
            trace=Trace(),
            clock=self.clock,
        )
        return self.sessions.start(UNA, token, provider_sid="sid-1")

    def now(self, session: OpenSession) -> OpenSession:
        """The session as the store has it."""
        found = self.sessions.reopen(session)
        assert found, "the session is over"
        return found

    def fresh(self, session: OpenSession, *, wanted: bool = False) -> OpenSession | None:
        return self.refresher.fresh(session, self.provider, wanted=wanted)

    def visit(self, session: OpenSession, *, wanted: bool = False) -> OpenSession:
        """A page: it reads the session, asks for a token that lives, and is shown what there is."""
        found = self.fresh(self.now(session), wanted=wanted)
        assert found, "the session is over"
        return found

    def asking(self, session: OpenSession, *, wanted: bool = False) -> Asking:
        """`fresh()` while the test goes on."""
        asking = Asking(threading.Thread())

        def ask() -> None:
            try:
                asking.found.append(self.fresh(session, wanted=wanted))
            except DoorkeyError as error:
                asking.failed.append(error)

        asking.thread = threading.Thread(target=ask)
        asking.thread.start()
        return asking


def open_desk(
    file: Path,
    url: str,
    clock: Clock,
    *,
    transport: Transport | None = None,
    store: SessionStore | None = None,
    **options: Any,
) -> Desk:
    """A worker at `file`, whose provider is at `url`; `options` are the refresher's."""
    transport = transport or Transport()
    store = store or SqliteStore(file)
    keyring = Keyring([b"a server key of the tests, 32 bytes and more"])
    sessions = Sessions(store, keyring, idle=HOUR, absolute=12 * HOUR, clock=clock, random=os.urandom)
    given = provider_settings(
        "stub",
        authorization_endpoint=f"{url}/authorize",
        token_endpoint=f"{url}/token",
        revocation_endpoint=f"{url}/revoke",
        client_id="client-of-stub",
        client_secret="canary-client-secret",
        scope="read write",
    )
    provider = Provider.from_settings(given)
    directory = ProviderDirectory({"stub": provider}, transport, ttl=HOUR, clock=clock)
    checks = Checks(directory.keys, clock, 60)
    refresher = Refresher(sessions, directory, checks, transport, clock, **options)
    return Desk(store, sessions, refresher, provider, transport, clock)


def two_desks(file: Path, url: str, clock: Clock, transport: Transport) -> list[Desk]:
    return [open_desk(file, url, clock, transport=transport) for _ in range(2)]


def with_half_a_minute_left(desk: Desk, clock: Any) -> OpenSession:
    """A session in use, whose token is about to end; `clock` is moved there."""
    session = desk.sign_in()
    clock.advance(HOUR - 30)
    desk.sessions.touch(session)
    return desk.now(session)


def with_an_ended_token(desk: Desk, clock: Any) -> OpenSession:
    session = with_half_a_minute_left(desk, clock)
    clock.advance(60)
    return session


def all_at_once(count: int, ask: Callable[[int], Any]) -> list[Any]:
    """What `ask(n)` gives to each of `count` threads that begin together."""
    start = threading.Barrier(count)

    def run(n: int) -> Any:
        start.wait(PATIENCE)
        return ask(n)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else writes to the file for as long as the block takes: nobody else can."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
