"""Finding sessions without their cookie: by user, by the provider's session, and all of them.

Part of the suite that test_session_store.py begins.
"""

from dataclasses import replace

from doorkey.sessions.store import SessionStore
from tests.contract.store_samples import NOW, OTHER_USER, SID, THREADS, USER, at_once, names, record

HOLDS = "indexes"
OTHER_SID = b"t" * 32
MORE_THAN_A_PAGE = 520


def test_records_are_found_and_deleted_by_user(store: SessionStore) -> None:
    for name, user in (("a", USER), ("b", USER), ("c", OTHER_USER)):
        store.create(record(name, user=user))
    assert names(store.list_by_user(USER)) == ["a", "b"]
    assert store.delete_by_user(USER) == 2
    assert store.delete_by_user(USER) == 0
    assert store.list_by_user(USER) == []
    assert store.read(record("c").record_id) is not None


def test_records_are_found_and_deleted_by_the_providers_session(store: SessionStore) -> None:
    for name, sid in (("a", SID), ("b", SID), ("c", OTHER_SID), ("d", None)):
        store.create(record(name, sid=sid))
    assert names(store.list_by_sid(SID)) == ["a", "b"]
    assert store.delete_by_sid(SID) == 2
    assert store.delete_by_sid(SID) == 0
    assert store.list_by_sid(SID) == []
    assert [store.read(record(name).record_id) is None for name in "abcd"] == [True, True, False, False]
    assert names(store.list_by_user(USER)) == ["c", "d"]


def test_lists_have_whole_records_and_ended_ones_too(store: SessionStore) -> None:
    ended = replace(record("a", sid=SID), ends=NOW - 1, version=3)
    store.create(ended)
    store.create(record("b", sid=SID))
    for found in (store.list_by_user(USER), store.list_by_sid(SID), list(store.all())):
        assert sorted(found, key=lambda one: one.record_id) == [ended, record("b", sid=SID)]


def test_nobody_is_found_under_an_unknown_key(store: SessionStore) -> None:
    store.create(record(sid=SID))
    assert store.list_by_user(SID) == store.list_by_sid(USER) == store.list_by_user(b"") == store.list_by_sid(b"") == []
    assert store.delete_by_user(SID) == store.delete_by_sid(USER) == store.delete_by_sid(b"") == 0
    assert store.read(record().record_id) is not None


def test_after_an_update_a_record_is_found_under_its_new_keys_only(store: SessionStore) -> None:
    store.create(record("a", sid=SID))
    store.create(record("b", sid=SID))
    assert store.update(record("a", user=OTHER_USER, sid=OTHER_SID))
    assert names(store.list_by_user(USER)) == names(store.list_by_sid(SID)) == ["b"]
    assert names(store.list_by_user(OTHER_USER)) == names(store.list_by_sid(OTHER_SID)) == ["a"]
    assert store.update(record("a", version=1, user=OTHER_USER, sid=None))
    assert store.list_by_sid(OTHER_SID) == []
    assert store.delete_by_user(USER) == 1
    assert names(list(store.all())) == ["a"]


def test_an_update_that_came_too_late_moves_nothing(store: SessionStore) -> None:
    store.create(record(version=1, sid=SID))
    assert store.update(record(version=0, user=OTHER_USER, sid=OTHER_SID)) is False
    assert names(store.list_by_user(USER)) == names(store.list_by_sid(SID)) == ["a"]
    assert store.list_by_user(OTHER_USER) == store.list_by_sid(OTHER_SID) == []
    assert store.delete_by_user(OTHER_USER) == store.delete_by_sid(OTHER_SID) == 0


def test_a_deleted_record_is_in_no_list(store: SessionStore) -> None:
    store.create(record("a", sid=SID))
    store.create(record("b", sid=SID))
    store.delete(record("a").record_id)
    assert names(store.list_by_user(USER)) == names(store.list_by_sid(SID)) == names(list(store.all())) == ["b"]


def test_all_gives_every_record_once(store: SessionStore) -> None:
    assert list(store.all()) == []
    wanted = [record(f"{number}", user=b"%d" % number) for number in range(MORE_THAN_A_PAGE)]
    for one in wanted:
        store.create(one)
    store.mark_once(b"mark", now=NOW, ends=NOW + 60)
    store.acquire_lease(b"lease", b"owner", now=NOW, ends=NOW + 60)
    assert sorted(store.all(), key=lambda one: one.record_id) == sorted(wanted, key=lambda one: one.record_id)


def test_all_goes_on_while_records_are_deleted(store: SessionStore) -> None:
    """As an operator does who ends sessions while reading their list."""
    for number in range(50):
        store.create(record(f"{number}"))
    assert sum(store.delete(one.record_id) is not None for one in store.all()) == 50
    assert list(store.all()) == []


def test_who_signs_in_while_everything_of_theirs_is_ended_is_ended_or_listed(store: SessionStore) -> None:
    """A session that exists and is not listed could never be ended by its owner."""
    created = [f"{number}" for number in range(1, THREADS)]

    def sign_in_or_end_all(number: int) -> int:
        if number == 0:
            return sum(store.delete_by_user(USER) for _ in range(3))
        store.create(record(f"{number}", sid=SID))
        return 0

    ended = sum(at_once(sign_in_or_end_all))
    left = [name for name in created if store.read(record(name).record_id)]
    assert names(store.list_by_user(USER)) == names(store.list_by_sid(SID)) == names(list(store.all())) == sorted(left)
    assert ended == len(created) - len(left)
    assert store.delete_by_user(USER) == len(left)


def test_who_is_renamed_while_everything_of_theirs_is_ended_is_ended_or_listed(store: SessionStore) -> None:
    for number in range(1, THREADS):
        store.create(record(f"{number}"))

    def rename_or_end_all(number: int) -> None:
        if number == 0:
            store.delete_by_user(USER)
            store.delete_by_user(OTHER_USER)
        else:
            store.update(record(f"{number}", user=OTHER_USER))

    at_once(rename_or_end_all)
    left = [f"{number}" for number in range(1, THREADS) if store.read(record(f"{number}").record_id)]
    assert names([*store.list_by_user(USER), *store.list_by_user(OTHER_USER)]) == sorted(left)
