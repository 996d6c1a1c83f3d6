"""Metadata and keys that were right once: what a later failure changes (doorkey/oauth/documents.py, keys.py)."""

import pytest

from tests.conftest import MovedClock
from tests.relying_party.answers import AT_CALLBACK, AT_METADATA, AT_TOKEN, AT_USER_INFO, KNOWN, NEW_KEYS
from tests.relying_party.conftest import MakeFrontDoor
from tests.relying_party.front_door import Browser

HOUR = 3600
OUTAGES = ("status", "closed", "truncated", "delay")
CONTRADICTIONS = ("discovery-issuer-mismatch", "discovery-issuer-missing", "trailing-slash-issuer")
FRESH = {"DOORKEY_METADATA_TTL": "0"}
SIGNATURE = (502, "signature_invalid", "ID token")


@pytest.mark.parametrize("failure", [*OUTAGES, *CONTRADICTIONS])
def test_metadata_that_is_known_is_not_asked_for(failure: str, front_door: MakeFrontDoor):
    door = front_door()
    browser = Browser(door)
    browser.sign_in()
    door.asked()
    if failure in OUTAGES:
        door.fail(failure, endpoint="metadata")
    elif failure != "trailing-slash-issuer":  # that one is in every answer
        door.fail(failure)

    assert browser.sign_in("bob").status == 303
    assert door.asked() == KNOWN


@pytest.mark.parametrize("settings", [FRESH, {}], ids=["ttl-0", "ttl-1h"])
@pytest.mark.parametrize("failure", OUTAGES)
def test_old_metadata_serves_during_an_outage(
    failure: str, settings: dict[str, str], front_door: MakeFrontDoor, clock: MovedClock
):
    """And nobody waits for the provider again within half a minute."""
    door = front_door(settings=settings)
    browser = Browser(door)
    browser.sign_in()
    clock.advance(HOUR)
    door.asked()
    door.fail(failure, endpoint="metadata", times="always")

    assert browser.sign_in("bob").status == 303
    assert door.asked() == AT_USER_INFO
    assert browser.sign_in("carol").status == 303
    assert "metadata" not in door.asked()
    clock.advance(31)
    assert browser.sign_in("dana").status == 303
    assert door.asked().count("metadata") == 1


@pytest.mark.parametrize("settings", [FRESH, {}], ids=["ttl-0", "ttl-1h"])
@pytest.mark.parametrize("failure", CONTRADICTIONS)
def test_old_metadata_does_not_stand_against_new(
    failure: str, settings: dict[str, str], front_door: MakeFrontDoor, clock: MovedClock
):
    door = front_door(settings=settings)
    browser = Browser(door)
    browser.sign_in()
    clock.advance(HOUR + 1)
    door.asked()
    door.fail(failure)

    assert browser.sign_in("bob").problem == (502, "metadata_invalid", "metadata")
    assert door.asked() == AT_METADATA
    door.mend()
    assert browser.sign_in("bob").status == 303
    assert door.asked() == AT_USER_INFO


def test_a_provider_that_goes_down_at_the_first_sign_in_is_asked_again_at_the_second(front_door: MakeFrontDoor):
    door = front_door()
    browser = Browser(door)
    door.fail("status", endpoint="metadata", status=404)

    assert browser.sign_in().status == 303, "the other well-known address has it too"
    assert door.asked() == ("metadata", *AT_USER_INFO)

    door = front_door()
    browser = Browser(door)
    door.fail("status", endpoint="metadata", status=404, times=2)
    assert browser.sign_in().problem == (502, "metadata_invalid", "metadata")
    assert [one.path for one in door.realm.log] == [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ]
    assert browser.sign_in().status == 303


def test_metadata_is_asked_for_once_in_a_sign_in_although_nothing_is_kept(front_door: MakeFrontDoor):
    door = front_door(settings=FRESH)
    for user in ("alice", "bob"):
        assert Browser(door).sign_in(user).status == 303
        assert door.asked() == AT_USER_INFO


@pytest.mark.parametrize("failure", ["status", "truncated", "delay", "garbage"])
def test_old_keys_do_not_serve_when_new_ones_cannot_be_had(failure: str, front_door: MakeFrontDoor, clock: MovedClock):
    """A key that was taken back must not live on because the provider cannot be asked."""
    door = front_door()
    browser = Browser(door)
    browser.sign_in()
    clock.advance(HOUR)
    door.asked()
    door.fail(failure, endpoint="jwks")

    seen = browser.sign_in("bob")

    assert (seen.status, seen.problem[2]) == (504 if failure == "delay" else 502, "keys")
    assert door.asked() == (*AT_TOKEN, "jwks")
    assert browser.sign_in("bob").status == 303
    assert door.asked() == NEW_KEYS


@pytest.mark.parametrize("failure", ["foreign-key", "invalid-sig-rs256", "jwk-header"])
def test_a_wrong_signature_asks_for_new_keys_twice_a_minute_at_most(
    failure: str, front_door: MakeFrontDoor, clock: MovedClock
):
    door = front_door()
    browser = Browser(door)
    browser.sign_in()
    door.asked()
    for passed, asked in ((0, ("jwks",)), (29, ()), (2, ("jwks",)), (1, ())):
        clock.advance(passed)
        door.fail(failure)
        assert browser.sign_in("bob").problem == SIGNATURE
        assert door.asked() == ("authorize", "token", *asked)
    assert browser.sign_in("bob").status == 303, "the keys that were known are still good"
    assert door.asked() == KNOWN


def test_new_keys_right_after_a_wrong_signature_are_found_half_a_minute_later(
    front_door: MakeFrontDoor, clock: MovedClock
):
    """As the hint on the page says."""
    door = front_door()
    browser = Browser(door)
    browser.sign_in()
    door.fail("foreign-key")
    browser.sign_in()
    door.realm.keys.rotate()
    door.asked()

    refused = browser.sign_in()
    assert refused.problem == SIGNATURE
    assert refused.answer
    assert "half a minute" in refused.answer.get_json()["hint"]
    assert door.asked() == ("authorize", "token")
    clock.advance(31)
    assert browser.sign_in().status == 303
    assert door.asked() == NEW_KEYS


def test_what_is_only_to_be_had_in_order_is_had(front_door: MakeFrontDoor):
    """The metadata, then the authorization, then the keys at the address that the metadata names, then the user."""
    door = front_door()
    door.fail("discovery-jwks-uri-keys")

    assert Browser(door).sign_in().status == 303

    paths = [one.path for one in door.realm.log]
    assert paths[:3] == ["/.well-known/openid-configuration", "/oauth/authorize", "/oauth/token"]
    assert paths[3].startswith("/oauth/jwks/")
    assert paths[4:] == ["/oauth/userinfo"]


def test_an_issuer_with_a_slash_is_another_one(front_door: MakeFrontDoor):
    """Configured with it and said without it, as well as the other way round."""
    door = front_door(op={"ISSUER": "http://127.0.0.1:9000/"})
    browser = Browser(door)

    assert browser.sign_in().problem == (502, "metadata_invalid", "metadata")
    assert door.asked() == AT_METADATA
    door.fail("trailing-slash-issuer")
    assert browser.sign_in().status == 303
    door.mend()
    assert browser.sign_in("bob").problem == (400, "issuer_mismatch", "callback")
    assert door.asked() == (*AT_USER_INFO, *AT_CALLBACK[1:])
