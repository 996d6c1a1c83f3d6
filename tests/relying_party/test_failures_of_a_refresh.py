"""A token that is renewed: the newer one has to speak of the same person (doorkey/oauth/flow.py, `renew`)."""

import pytest

from doorkey.errors import IdTokenInvalid, ProviderError, TokenRefused
from doorkey.oauth.flow import renew
from doorkey.oauth.token import Token
from doorkey.oauth.trace import Trace
from tests.conftest import MovedClock
from tests.relying_party.answers import KNOWN, REFRESHES
from tests.relying_party.conftest import MakeFrontDoor
from tests.relying_party.front_door import Browser, FrontDoor, leaked


def token_of(browser: Browser) -> Token:
    session = browser.session()
    assert session
    return session.record.token


def renewed(door: FrontDoor, token: Token) -> Token:
    here = door.doorkey
    provider = here.directory.describe(here.providers["op"])
    return renew(provider, token, checks=here.checks, transport=here.transport, trace=Trace())


def signed_in(door: FrontDoor) -> Browser:
    browser = Browser(door)
    assert browser.sign_in().status == 303
    door.asked()
    return browser


@pytest.mark.parametrize("name", [name for name, claim in REFRESHES.items() if not claim])
def test_a_right_refresh_brings_a_newer_token(name: str, front_door: MakeFrontDoor, clock: MovedClock):
    door = front_door()
    token = token_of(signed_in(door))
    door.fail(name)
    clock.advance(1800)

    newer = renewed(door, token)

    assert door.asked_with_failures() == (("token",), {name})
    for field in ("access_token", "refresh_token", "id_token"):
        assert getattr(newer, field) not in (None, getattr(token, field)), field
    assert newer.expires_at == token.expires_at + 1800 if token.expires_at else False
    assert renewed(door, newer).access_token != newer.access_token


@pytest.mark.parametrize(("name", "claim"), [(name, claim) for name, claim in REFRESHES.items() if claim])
def test_a_refreshed_id_token_of_somebody_else(name: str, claim: str, front_door: MakeFrontDoor):
    """The session stays as it was; nobody is asked who that might be."""
    door = front_door()
    browser = signed_in(door)
    token = token_of(browser)
    door.fail(name)

    with pytest.raises(IdTokenInvalid) as caught:
        renewed(door, token)

    assert door.asked_with_failures() == (("token",), {name})
    assert caught.value.step == "refreshed ID token"
    assert f"({claim})" in caught.value.message
    assert caught.value.detail.startswith(f"{claim} is ")
    assert leaked(f"{caught.value.message} {caught.value.detail}", door.secrets()) == []
    assert (browser.user(), token_of(browser)) == ("alice", token)
    assert browser.sign_in("bob").status == 303
    assert door.asked() == KNOWN


def test_a_refused_refresh_asks_once(front_door: MakeFrontDoor):
    """A used refresh token: the provider ends the whole family (RFC 9700 section 4.14.2)."""
    door = front_door()
    token = token_of(signed_in(door))
    renewed(door, token)
    door.asked()

    with pytest.raises(TokenRefused) as caught:
        renewed(door, token)

    assert door.asked() == ("token",)
    assert caught.value.provider_error
    assert caught.value.provider_error["error"] == "invalid_grant"


def test_new_keys_in_between_are_fetched(front_door: MakeFrontDoor):
    door = front_door()
    token = token_of(signed_in(door))
    door.realm.keys.rotate()

    assert renewed(door, token).id_token != token.id_token
    assert door.asked() == ("token", "jwks")


@pytest.mark.parametrize("failure", ["status", "garbage", "truncated", "closed"])
def test_a_refresh_that_meets_a_broken_connection(failure: str, front_door: MakeFrontDoor):
    door = front_door()
    browser = signed_in(door)
    door.fail(failure, endpoint="token")

    with pytest.raises(ProviderError) as caught:
        renewed(door, token_of(browser))

    assert not isinstance(caught.value, TokenRefused), "the refresh token may still be good"
    assert door.asked() == ("token",)
    assert browser.user() == "alice"
