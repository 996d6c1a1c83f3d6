"""Sessions found and ended without their cookie, and never somebody else's (sessions/roster.py)."""

from pathlib import Path

import pytest

from doorkey.clock import system_random
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.roster import Entry, Roster
from doorkey.sessions.seal import Keyring
from doorkey.sessions.sqlite_store import SqliteStore
from tests.conftest import MovedClock
from tests.test_token import read

OLD, NEW = b"o" * 32, b"n" * 32


class House:
    """Sessions and their roster over one store, with these server keys."""

    def __init__(self, store: SqliteStore, clock: MovedClock, *keys: bytes):
        keyring = Keyring(keys)
        self.sessions = Sessions(store, keyring, idle=600, absolute=3600, clock=clock, random=system_random)
        self.roster = Roster(store, keyring)

    def sign_in(self, sub: str = "una", provider: str = "acme", sid: str = "") -> OpenSession:
        identity = Identity(provider=provider, sub=sub, alias=f"{sub}@example.com" if sub else "")
        return self.sessions.start(identity, read(), label=f"{sub}'s browser", provider_sid=sid)

    def is_live(self, session: OpenSession) -> bool:
        return self.sessions.open(session.ids.session_secret) is not None


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "sessions.sqlite3")


@pytest.fixture
def house(store: SqliteStore, clock: MovedClock) -> House:
    return House(store, clock, OLD)


def ids(found: list[Entry]) -> set[str]:
    assert len({entry.public_id for entry in found}) == len(found)
    return {entry.public_id for entry in found}


def of(*sessions: OpenSession) -> set[str]:
    return {session.ids.public_id for session in sessions}


def test_a_person_finds_all_their_sessions_at_this_provider_and_nobody_elses(house: House) -> None:
    here, there = house.sign_in(), house.sign_in()
    house.sign_in("other")
    house.sign_in(provider="elsewhere")
    assert ids(house.roster.same_person(here)) == ids(house.roster.of_user("acme", "una")) == of(here, there)
    assert house.roster.of_user("acme", "una@example.com") == []


def test_an_entry_says_what_its_owner_may_know(house: House, clock: MovedClock) -> None:
    session = house.sign_in()
    (entry,) = house.roster.same_person(session)
    assert entry.summary
    assert (entry.summary.label, entry.summary.user, entry.summary.sub) == ("una's browser", "una@example.com", "una")
    assert (entry.public_id, entry.ends) == (session.ids.public_id, clock() + 600)


def test_the_unnamed_are_not_one_person(house: House) -> None:
    mine, other = house.sign_in(""), house.sign_in("")
    assert ids(house.roster.same_person(mine)) == of(mine)
    assert house.roster.of_user("acme", "") == []
    assert house.roster.end_user("acme", "") == 0
    assert house.is_live(other)


def test_who_has_just_been_signed_out_has_no_sessions(house: House) -> None:
    named, unnamed = house.sign_in(), house.sign_in("")
    for session in (named, unnamed):
        house.sessions.end(session.ids.session_secret)
        assert house.roster.same_person(session) == []


def test_one_session_is_ended_and_the_others_stay(house: House) -> None:
    mine, other = house.sign_in(), house.sign_in()
    entry = next(entry for entry in house.roster.same_person(mine) if entry.public_id == other.ids.public_id)
    assert house.roster.end(entry) is True
    assert house.roster.end(entry) is False
    assert (house.is_live(mine), house.is_live(other)) == (True, False)


def test_all_of_a_person_are_ended_and_nobody_elses(house: House) -> None:
    mine = [house.sign_in() for _ in range(3)]
    others = [house.sign_in("other"), house.sign_in(provider="elsewhere"), house.sign_in("")]
    assert house.roster.end_user("acme", "una") == 3
    assert [house.is_live(session) for session in mine] == [False] * 3
    assert [house.is_live(session) for session in others] == [True] * 3


def test_a_session_at_the_provider_ends_what_was_started_in_it(house: House) -> None:
    mine = [house.sign_in(sid="s-1"), house.sign_in("other", sid="s-1")]
    others = [house.sign_in(sid="s-2"), house.sign_in(provider="elsewhere", sid="s-1"), house.sign_in()]
    assert ids(house.roster.of_provider_session("acme", "s-1")) == of(*mine)
    assert house.roster.end_provider_session("acme", "s-1") == 2
    assert [house.is_live(session) for session in mine] == [False] * 2
    assert [house.is_live(session) for session in others] == [True] * 3


def test_names_that_run_together_are_not_the_same(house: House) -> None:
    """The provider ab and the user c are not the provider a and the user bc."""
    house.sign_in("c", provider="ab", sid="d")
    assert house.roster.of_user("a", "bc") == house.roster.of_provider_session("a", "bd") == []
    assert house.roster.of_provider_session("ab", "c") == house.roster.of_user("ab", "d") == []


def test_sessions_from_before_a_new_key_are_found_and_ended_with_those_after(
    house: House, store: SqliteStore, clock: MovedClock
) -> None:
    before = [house.sign_in(sid="s-1"), house.sign_in(sid="s-1")]
    rotated = House(store, clock, NEW, OLD)
    after = rotated.sign_in(sid="s-1")
    clock.advance(61)
    opened = rotated.sessions.open(before[0].ids.session_secret)
    assert opened
    rotated.sessions.touch(opened)  # from now on under the new key
    everybody = of(*before, after)
    assert ids(rotated.roster.same_person(after)) == ids(rotated.roster.of_provider_session("acme", "s-1")) == everybody
    assert rotated.roster.end_user("acme", "una") == 3
    assert list(rotated.roster.all()) == []


def test_a_session_that_no_key_of_today_opens_is_listed_without_a_word_and_can_be_ended(
    house: House, store: SqliteStore, clock: MovedClock
) -> None:
    lost = house.sign_in()
    later = House(store, clock, NEW)
    known = later.sign_in()
    entries = {entry.public_id: entry for entry in later.roster.all()}
    assert entries.keys() == of(lost, known)
    assert entries[lost.ids.public_id].summary is None
    assert later.roster.end(entries[lost.ids.public_id]) is True
    assert ids(list(later.roster.all())) == of(known)
