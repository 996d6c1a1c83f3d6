"""The life of a session above the store: start, open, touch, end, spend (sessions/lifecycle.py)."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import SWEEP_RECORDS, SWEEP_SECONDS, OpenSession, Sessions
from doorkey.sessions.record import TOUCH_SECONDS
from doorkey.sessions.seal import Keyring
from doorkey.sessions.sqlite_store import SqliteStore
from tests.conftest import MovedClock
from tests.test_token import read

OLD, NEW = b"o" * 32, b"n" * 32
UNA = Identity(provider="acme", sub="canary-user", name="Una", email="canary@example.com", groups=("canary-group",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


def sessions_of(path: Path, clock: MovedClock, *keys: bytes) -> Sessions:
    return Sessions(SqliteStore(path), Keyring(keys or [OLD]), idle=600, absolute=3600, clock=clock, random=os.urandom)


@pytest.fixture
def sessions(path: Path, clock: MovedClock) -> Sessions:
    return sessions_of(path, clock)


def start(sessions: Sessions, identity: Identity = UNA) -> OpenSession:
    return sessions.start(identity, read({"access_token": "canary-at", "refresh_token": "canary-rt"}), label="here")


def stored(path: Path, column: str, table: str = "sessions") -> list[bytes]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute(f"SELECT {column} FROM {table}")]


def test_a_started_session_opens_with_its_secret_and_no_other(sessions: Sessions) -> None:
    started = start(sessions)
    opened = sessions.open(started.ids.session_secret)
    assert opened == started
    assert sessions.open(started.ids.gate_secret) is None
    assert sessions.open(started.ids.record_id) is None


def test_two_sessions_of_one_person_share_nothing(sessions: Sessions) -> None:
    assert start(sessions).ids != start(sessions).ids


def test_the_file_tells_neither_who_nor_which_token_nor_a_way_in(sessions: Sessions, path: Path) -> None:
    ids = start(sessions).ids
    content = b"".join(found.read_bytes() for found in path.parent.iterdir())
    assert b"canary" not in content
    assert ids.session_secret not in content
    assert ids.gate_secret not in content


def test_records_cannot_be_swapped_in_the_store(sessions: Sessions, path: Path) -> None:
    mine, other = start(sessions), start(sessions, Identity(provider="acme", sub="root"))
    with closing(sqlite3.connect(path)) as db, db:
        sealed = db.execute("SELECT sealed FROM sessions WHERE record_id = ?", (other.ids.record_id,)).fetchone()
        db.execute("UPDATE sessions SET sealed = ? WHERE record_id = ?", (*sealed, mine.ids.record_id))
    assert sessions.open(mine.ids.session_secret) is None
    assert sessions.open(other.ids.session_secret) is not None


def test_an_unreadable_record_is_no_session_and_can_be_ended(sessions: Sessions, path: Path) -> None:
    secret = start(sessions).ids.session_secret
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE sessions SET sealed = x'00'")
    assert sessions.open(secret) is None
    sessions.end(secret)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_a_new_key_in_front_signs_nobody_out(sessions: Sessions, path: Path, clock: MovedClock) -> None:
    secret = start(sessions).ids.session_secret
    assert sessions_of(path, clock, NEW, OLD).open(secret)
    assert sessions_of(path, clock, NEW).open(secret) is None


def test_a_touch_is_written_after_a_minute_and_moves_the_idle_end(sessions: Sessions, clock: MovedClock) -> None:
    started = start(sessions)
    clock.advance(TOUCH_SECONDS - 1)
    sessions.touch(started)
    assert sessions.open(started.ids.session_secret) == started
    clock.advance(1)
    sessions.touch(started)
    opened = sessions.open(started.ids.session_secret)
    assert opened
    assert (opened.version, opened.record.last_seen) == (1, clock.now)
    assert opened.record.idle_ends == clock.now + 600


def test_a_touch_of_an_ended_session_does_not_bring_it_back(sessions: Sessions, clock: MovedClock) -> None:
    started = start(sessions)
    sessions.end(started.ids.session_secret)
    clock.advance(TOUCH_SECONDS)
    sessions.touch(started)
    assert sessions.open(started.ids.session_secret) is None


def test_a_name_is_spent_once_until_its_end(sessions: Sessions, clock: MovedClock) -> None:
    assert [sessions.spend("a", seconds=60), sessions.spend("a", seconds=60)] == [True, False]
    assert sessions.spend("b", seconds=60)
    clock.advance(60)
    assert sessions.spend("a", seconds=60)


def test_ended_sessions_are_swept_now_and_then(sessions: Sessions, path: Path, clock: MovedClock) -> None:
    sessions.spend("first", seconds=60)
    start(sessions)
    clock.advance(SWEEP_SECONDS - 1)
    start(sessions)
    sessions.spend("second", seconds=60)
    assert len(stored(path, "record_id")) == 2
    clock.advance(1)
    sessions.spend("third", seconds=60)
    assert (len(stored(path, "record_id")), len(stored(path, "mark", "marks"))) == (2, 3), "not ended when last looked"
    clock.advance(SWEEP_SECONDS)
    sessions.spend("fourth", seconds=60)
    assert (len(stored(path, "record_id")), len(stored(path, "mark", "marks"))) == (1, 3)


def test_a_clock_that_jumps_ahead_and_back_costs_nobody_the_session(sessions: Sessions, clock: MovedClock) -> None:
    sessions.spend("before", seconds=60)
    session = start(sessions)
    clock.advance(86400)
    assert sessions.spend("far ahead", seconds=60)
    clock.advance(300)
    assert sessions.spend("still ahead", seconds=60)
    clock.advance(-86400 - 300)
    assert sessions.spend("back again", seconds=60)
    assert sessions.open(session.ids.session_secret) is not None


def test_sessions_of_one_person_are_found_together_and_others_are_not(sessions: Sessions, path: Path) -> None:
    for identity in (UNA, UNA, Identity(provider="acme", sub="other"), Identity(provider="else", sub=UNA.sub)):
        start(sessions, identity)
    assert len(set(stored(path, "user_key"))) == 3


def test_people_of_whom_nothing_is_known_are_not_one_person(sessions: Sessions, path: Path) -> None:
    """A provider without user info gives no identifier; "log out everywhere" must not end strangers' sessions."""
    for _ in range(2):
        start(sessions, Identity(provider="acme"))
    assert len(set(stored(path, "user_key"))) == 2


def test_many_sign_ins_do_not_leave_their_marks_behind(sessions: Sessions, path: Path, clock: MovedClock) -> None:
    """Marks end after minutes and sessions after hours, so a sweep that looks at sessions only falls behind."""
    for n in range(3 * SWEEP_RECORDS):
        assert sessions.spend(f"login {n}", seconds=60)
    clock.advance(SWEEP_SECONDS)
    sessions.spend("what has ended by now", seconds=1)
    clock.advance(SWEEP_SECONDS)
    for n in range(4):
        assert sessions.spend(f"later {n}", seconds=60)
        clock.advance(1)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM marks").fetchone() == (5,)
