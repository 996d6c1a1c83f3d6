"""Codes and tokens of the development provider: bounded whatever happens (devprovider/provider_store.py)."""

import pytest

from doorkey.devprovider.expiring import MOST_ENTRIES, Expiring
from doorkey.devprovider.provider_store import Grant, ProviderStore
from doorkey.devprovider.users import Lifetimes

NOW = 1_800_000_000.0
GRANT = Grant("client", ("read", "write"), "alice", "http://127.0.0.1/cb")


def sizes(store: ProviderStore) -> dict[str, int]:
    return {name: len(kept) for name, kept in vars(store).items() if isinstance(kept, Expiring)}


def test_a_hundred_thousand_sign_ins_keep_everything_bounded() -> None:
    store = ProviderStore()
    for n in range(100_000):
        code = store.new_code(GRANT, NOW)
        granted = store.take_code(code, NOW)
        assert granted
        refresh_token = store.issue(granted, NOW, refresh=True).refresh_token
        if n % 2:
            store.take_refresh_token(refresh_token, GRANT.client_id, NOW)
        if n % 3 == 0:
            store.take_code(code, NOW)
        store.spend(str(n), NOW)
    found = sizes(store)
    assert len(found) == 6
    assert max(found.values()) <= MOST_ENTRIES


def test_what_expired_makes_room_by_itself() -> None:
    store = ProviderStore()
    for _ in range(100):
        store.issue(GRANT, NOW, refresh=False)
    store.issue(GRANT, NOW + Lifetimes().access_token, refresh=False)
    assert sizes(store)["_access"] == 1


def test_tokens_cannot_be_taken_for_those_of_another_provider() -> None:
    issued = ProviderStore().issue(GRANT, NOW, refresh=True)
    assert issued.access_token.startswith("dk-dev-at-")
    assert issued.refresh_token.startswith("dk-dev-rt-")
    assert len(issued.access_token) >= 40


def test_a_name_is_spent_once() -> None:
    store = ProviderStore()
    assert [store.spend("a", NOW), store.spend("a", NOW), store.spend("b", NOW)] == [True, False, True]


@pytest.mark.parametrize("scope", [None, ("read",), ()])
def test_a_narrowed_access_token_does_not_narrow_its_refresh_token(scope: tuple[str, ...] | None) -> None:
    store = ProviderStore()
    issued = store.issue(GRANT, NOW, scope=scope, refresh=True)
    live, kept = (
        store.grant_of(issued.access_token, NOW),
        store.take_refresh_token(issued.refresh_token, GRANT.client_id, NOW),
    )
    assert live
    assert kept
    assert live.scope == issued.scope == (GRANT.scope if scope is None else scope)
    assert kept.scope == GRANT.scope
