"""That no failure of the development provider is forgotten by the table (doorkey/devprovider/failures.py)."""

from doorkey.devprovider.failures import ENDPOINTS as ALL_ENDPOINTS
from doorkey.devprovider.failures import FAILURES, names
from tests.relying_party.answers import (
    ACCEPTED,
    AT_THE_PROVIDER,
    CONNECTION,
    ENDPOINTS,
    LATER,
    REFRESHES,
    REFUSED,
    SIGN_INS,
)
from tests.relying_party.test_failures_of_the_connection import AT_AUTHORIZE

NOT_ASKED = {"introspect", "device_authorization", "logout"}
"""Endpoints of the provider that no sign-in, and no sign-out so far, has anything to do with."""


def test_the_table_and_what_comes_later_are_all_there_is():
    groups = [{case.name for case in SIGN_INS}, set(AT_THE_PROVIDER), set(REFRESHES), set(CONNECTION), set(LATER)]
    assert set().union(*groups) == set(FAILURES)
    assert sum(map(len, groups)) == len(FAILURES), "each in one group only"


def test_a_client_has_to_reject_what_is_rejected():
    refused, accepted = {case.name for case in REFUSED}, {case.name for case in ACCEPTED}
    assert not accepted & set(names("reject"))
    assert refused & set(names("accept")) == {"trailing-slash-issuer"}, "where the issuer is configured without it"
    assert {"trailing-slash-issuer"} <= accepted


def test_every_failure_of_the_connection_at_every_endpoint_that_is_asked():
    assert set(CONNECTION) == set(names("transport")) == set(AT_AUTHORIZE)
    assert {*ENDPOINTS, "authorize", "revoke"} == set(ALL_ENDPOINTS) - NOT_ASKED


def test_what_comes_later_says_why():
    assert all(len(why) > 20 for why in LATER.values())
    assert {FAILURES[name].at for name in LATER} == {"logout", "logout_token", "authorize"}
