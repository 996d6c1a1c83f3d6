"""Several processes of one gate in one test, and what must be so: a model of what each of them may answer.

    with site_on_sqlite(folder) as site: ...    # three workers on one store, one clock for all
    known = site.sign_in("alice", ("staff",))
    site.check(known, worker=0)                 # fails when the answer is none that the model allows
    site.end(known, worker=1)                   # acknowledged: from now on nobody may pass
    held = site.hold_end(known, "counting")     # stands still inside: the store has it, nobody was told
    site.go_on(known, held)                     # or site.die(known, held)

A worker is an app with a store of its own, so the workers share what processes share: files, or a server. The model
knows nothing of counters. It knows what the store says since when, and for how long something older is excused.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from doorkey.clock import system_random
from doorkey.factory import create_app, open_store, server_keys
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.record import Record
from doorkey.sessions.roster import Roster
from doorkey.sessions.seal import Keyring
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.support.gate_desk import HOST, SETTINGS, GateDesk
from tests.support.held_calls import Held, places_to_stand
from tests.support.redis_servers import RedisServer, redis_server, until

IDLE, ABSOLUTE = 600, 3600
UNNOTED = 90.0
"""Seconds of use that may not be noted yet: a last-seen is written once a minute, and tried again after ten seconds."""

UNTOLD_SECONDS = 60.0
"""How long a change may go unseen whose writer died before it told anybody."""

TABLE_SECONDS = 1.0
"""How long somebody may go on with a table of counters that was deleted."""

TRUST_SECONDS = 0.5
"""How long what Redis said counts, when it says nothing more."""

WORKERS = 3
POLICY = '[[rule]]\nname = "admins"\npath = "/admin"\nallow = { groups = ["admins"] }\n'
PATHS = ("/x", "/admin")

Groups = tuple[str, ...]
View = Groups | None
"""The groups of somebody who may pass as one of them; None for nobody."""


@dataclass
class Known:
    """One session: `view` is what the store says, and `excused` what may still be answered until then."""

    session: OpenSession
    user: str
    view: View
    sure_until: float
    over_from: float
    excused: list[tuple[View, float]] = field(default_factory=list)
    changed_at: float = -inf
    """By the monotonic clock."""

    def used(self, now: float, *, noted: bool = True) -> None:
        absolute_ends = self.session.record.absolute_ends
        self.over_from = min(absolute_ends, max(self.over_from, now + IDLE))
        if noted:
            self.sure_until = min(absolute_ends, max(self.sure_until, now + IDLE - UNNOTED))

    def views(self, now: float, latest: float) -> set[View]:
        """What may be answered `now`; `latest` is the latest that the clock ever said."""
        told = {self.view, *(view for view, until in self.excused if latest < until)}
        if now >= self.over_from:
            return {None}
        return told if now < self.sure_until else {*told, None}


class Site:
    """`bound`: for so many seconds after an acknowledgement what was true before may still be answered."""

    def __init__(self, folder: Path, reads: Counter[str], *, store: str = "sqlite:", bound: float = 0.0):
        (folder / "policy.toml").write_text(POLICY)
        changes = {"DOORKEY_INSTANCE": str(folder / "instance"), "DOORKEY_POLICY_FILE": str(folder / "policy.toml")}
        lives = {"DOORKEY_SESSION_IDLE": f"{IDLE}s", "DOORKEY_SESSION_ABSOLUTE": f"{ABSOLUTE}s"}
        self._settings = load({**SETTINGS, **changes, **lives, "DOORKEY_SESSION_STORE": store})
        self.clock = MovedClock()
        self.bound = bound
        self._reads = reads
        self.seen: Counter[str] = Counter()
        self.delays: dict[float, float] = {}
        """How long something older was answered, by the time at which the change was acknowledged."""
        self.table = folder / "instance" / "sessions.sqlite3-generations"
        self._table_lost_until = self._latest = -inf
        self._desks = [self._started() for _ in range(WORKERS)]

    def _started(self) -> GateDesk:
        return GateDesk(create_app(self._settings, clock=self.clock))

    def generations(self, worker: int) -> Any:
        return self._desks[worker].checkpoint._lookup._generations

    def close(self, worker: int) -> None:
        if hasattr(self.generations(worker), "close"):
            self.generations(worker).close()

    def restart(self, worker: int) -> None:
        """The process ends, and another one takes its place."""
        self.close(worker)
        self._desks[worker] = self._started()

    def until_trusted(self) -> None:
        """Everybody keeps records again, and asks no longer than that."""
        for worker in range(WORKERS):
            self.generations(worker).look()
            until(lambda worker=worker: self.generations(worker).trusted, "it is trusted")  # type: ignore[misc]

    def elsewhere(self) -> tuple[Sessions, Roster]:
        """Another process at the same store, which answers no checks: pages, the command line."""
        store, keyring = open_store(self._settings, self.clock), Keyring(server_keys(self._settings), system_random)
        sessions = Sessions(store, keyring, idle=IDLE, absolute=ABSOLUTE, clock=self.clock, random=system_random)
        return sessions, Roster(store, keyring)

    def _at(self, worker: int | None) -> tuple[Sessions, Roster]:
        if worker is None:
            return self.elsewhere()
        desk = self._desks[worker]
        return desk.sessions, desk.app.extensions["doorkey"].roster

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._latest = max(self._latest, self.clock.now)

    def lose_table(self) -> None:
        """Who has the old one finds out when it looks again."""
        self._latest = max(self._latest, self.clock.now)
        self.table.unlink(missing_ok=True)
        self._table_lost_until = self._latest + TABLE_SECONDS

    def sign_in(self, user: str, groups: Groups, worker: int = 0) -> Known:
        now = self.clock.now
        session = self._desks[worker].sign_in(sub=user, groups=groups)
        return Known(session, user, groups, now + IDLE, now + IDLE)

    # ---- asking ----

    def ask(self, known: Known, worker: int, path: str = PATHS[0]) -> tuple[int, str]:
        """Status, and the groups that the application is told."""
        desk = self._desks[worker]
        answer = desk.ask(url=f"https://{HOST}{path}", cookie=desk.cookie(known.session))
        return answer.status, answer.get("x-doorkey-groups")

    def check(self, known: Known, worker: int, path: str = PATHS[0]) -> None:
        """The answer is one of those that may be given, at once or by the end of the bound."""
        while True:
            began, reads = time.monotonic(), self._reads.total()
            answer = self.ask(known, worker, path)
            self.seen["checks"] += 1
            self.seen["passed from memory"] += answer[0] == 200 and self._reads.total() == reads
            late = began - known.changed_at
            views = self.views(known)
            if self.allows(answer, views, path):
                break
            assert late <= self.bound, f"worker {worker}: {answer} for {path} {late:.3f} s later; right is {views}"
            self.delays[known.changed_at] = late
            time.sleep(0.0005)
        if answer[0] == 200:
            known.used(self.clock.now)

    def views(self, known: Known) -> set[View]:
        """What may be answered now."""
        self._latest = max(self._latest, self.clock.now)
        return known.views(self.clock.now, self._latest)

    def allows(self, answer: tuple[int, str], views: set[View], path: str) -> bool:
        """A store that is away may be told; nothing else that is not so."""
        if answer[0] == 503 and self.bound:
            self.seen["503"] += 1
            return True
        return answer in {_right(view, path) for view in views}

    # ---- changes: made by a worker, or elsewhere (None) ----

    def end(self, known: Known, worker: int | None = None) -> None:
        self._at(worker)[0].end(known.session.ids.session_secret)
        self.changed(known, None)

    def end_by_entry(self, known: Known, worker: int | None = None) -> None:
        """As an operator does, or on the page of one's sessions."""
        roster = self._at(worker)[1]
        for entry in roster.of_user("stub", known.user):
            if entry.record_id == known.session.ids.record_id:
                roster.end(entry)
        self._ended_by_list(known)

    def end_user(self, all_known: list[Known], user: str, worker: int | None = None) -> None:
        self._at(worker)[1].end_user("stub", user)
        for known in all_known:
            if known.user == user:
                self._ended_by_list(known)

    def _ended_by_list(self, known: Known) -> None:
        """What somebody else has ended, and not told yet, is in no list any more: that is his to acknowledge."""
        if known.view is not None or not known.excused:
            self.changed(known, None)

    def regroup(self, known: Known, groups: Groups, worker: int | None = None) -> bool:
        """As a refresh does whose provider says something new; False when the session is over."""
        sessions = self._at(worker)[0]
        current = sessions.reopen(known.session)
        if current and sessions.replace(current, lambda record: regrouped(record, groups)):
            self.changed(known, groups)
            return True
        assert None in self.views(known), "a live session was lost"
        return False

    def touch(self, known: Known, worker: int | None = None) -> None:
        sessions = self._at(worker)[0]
        current = sessions.reopen(known.session)
        if current:
            sessions.touch(current)
            known.used(self.clock.now)

    def sweep(self, all_known: list[Known], worker: int | None = None) -> None:
        now = self.clock.now
        self._at(worker)[0]._store.sweep(now)
        for known in all_known:
            if known.over_from <= now:
                self._ended_by_list(known)
            elif known.sure_until <= now:
                known.sure_until = -inf

    def changed(self, known: Known, view: View) -> None:
        """Acknowledged; nothing older is excused any more, unless somebody has the table that was lost."""
        old = {known.view, *(view for view, _ in known.excused)}
        known.excused = [(view, self._table_lost_until) for view in old - {view}]
        known.view = view
        known.changed_at = time.monotonic()
        self.seen["changes"] += 1

    # ---- and in the middle of them (held_calls.py) ----

    def hold_check(self, known: Known, worker: int) -> Held:
        return Held("read", lambda: self.ask(known, worker))

    def hold_end(self, known: Known, place: str) -> Held:
        held = Held(place, lambda: self.elsewhere()[0].end(known.session.ids.session_secret))
        self._changed_silently(known, None)
        return held

    def hold_end_user(self, known: Known, place: str) -> Held:
        """For somebody who has one session only."""
        held = Held(place, lambda: self.elsewhere()[1].end_user("stub", known.user))
        self._changed_silently(known, None)
        return held

    def hold_regroup(self, known: Known, groups: Groups, place: str) -> Held:
        sessions = self.elsewhere()[0]
        current = sessions.reopen(known.session)
        held = Held(place, lambda: current and sessions.replace(current, lambda record: regrouped(record, groups)))
        if held.stands:
            self._changed_silently(known, groups)
        return held

    def _changed_silently(self, known: Known, view: View) -> None:
        """In the store, and not acknowledged."""
        known.excused.append((known.view, inf))
        known.view = view

    def go_on(self, known: Known, held: Held) -> Any:
        """Now it is acknowledged, whatever others have changed meanwhile."""
        result = held.go_on()
        self.changed(known, known.view)
        return result

    def die(self, known: Known, held: Held) -> None:
        """Whoever was to tell of the change will not."""
        held.die()
        self._latest = max(self._latest, self.clock.now)
        known.excused = [(view, min(until, self._latest + UNTOLD_SECONDS)) for view, until in known.excused]


def regrouped(record: Record, groups: Groups) -> Record:
    """With a newer token too."""
    token = replace(record.token, access_token=f"canary {record.token.access_token}"[:60])
    return replace(record.renewed(token), identity=replace(record.identity, groups=groups))


def _right(view: View, path: str) -> tuple[int, str]:
    if view is None:
        return 401, ""
    return (200, ",".join(view)) if path != "/admin" or "admins" in view else (403, "")


@contextmanager
def site_on_sqlite(folder: Path) -> Iterator[Site]:
    reads: Counter[str] = Counter()
    with places_to_stand(reads):
        yield Site(folder, reads)


@contextmanager
def site_on_redis(folder: Path) -> Iterator[tuple[Site, RedisServer]]:
    with redis_server(folder / "redis", appendonly=False) as server, site_at(folder, server.url) as site:
        yield site, server


@contextmanager
def site_at(folder: Path, url: str) -> Iterator[Site]:
    """On a Redis that is there already."""
    reads: Counter[str] = Counter()
    with places_to_stand(reads):
        site = Site(folder, reads, store=url, bound=TRUST_SECONDS)
        site.until_trusted()
        yield site
        for worker in range(WORKERS):
            site.close(worker)


def cut_all_connections(server: RedisServer) -> None:
    with server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
