"""That no failure of the development provider is forgotten by the table (doorkey/devprovider/failures.py)."""

from doorkey.devprovider.failures import ENDPOINTS as ALL_ENDPOINTS
from doorkey.devprovider.failures import FAILURES, names
from tests.relying_party.answers import (
    ACCEPTED,
    AT_THE_PROVIDER,
    CONNECTION,
    ELSEWHERE,
    ENDPOINTS,
    FRAMES,
    LOGOUT_TOKENS,
    REFRESHES,
    REFUSED,
    SIGN_INS,
    WAYS_BACK,
)
from tests.relying_party.test_failures_of_a_logout import AT_LOGOUT
from tests.relying_party.test_failures_of_the_connection import AT_AUTHORIZE

NOT_ASKED = {"introspect", "device_authorization"}
"""Endpoints of the provider that no sign-in and no sign-out has anything to do with."""


def test_the_tables_are_all_there_is():
    tables = (AT_THE_PROVIDER, REFRESHES, WAYS_BACK, LOGOUT_TOKENS, FRAMES, ELSEWHERE, CONNECTION)
    groups = [{case.name for case in SIGN_INS}, *map(set, tables)]
    assert set().union(*groups) == set(FAILURES)
    assert sum(map(len, groups)) == len(FAILURES), "each in one group only"


def test_a_client_has_to_reject_what_is_rejected():
    refused, accepted = {case.name for case in REFUSED}, {case.name for case in ACCEPTED}
    assert not accepted & set(names("reject"))
    assert refused & set(names("accept")) == {"trailing-slash-issuer"}, "where the issuer is configured without it"
    assert {"trailing-slash-issuer"} <= accepted


def test_every_failure_of_the_connection_at_every_endpoint_that_is_asked():
    assert set(CONNECTION) == set(names("transport")) == set(AT_AUTHORIZE) == set(AT_LOGOUT)
    assert {*ENDPOINTS, "authorize", "revoke", "logout"} == set(ALL_ENDPOINTS) - NOT_ASKED


def test_the_tables_of_sign_outs_have_all_that_happens_there():
    assert {*WAYS_BACK, *LOGOUT_TOKENS, *FRAMES} == {
        name for name, failure in FAILURES.items() if failure.at in ("logout", "logout_token")
    }
    rejected = {name for name, effect in {**WAYS_BACK, **FRAMES}.items() if not effect}
    rejected |= {name for name, why in LOGOUT_TOKENS.items() if why}
    assert {name for name in names("reject") if name in {*WAYS_BACK, *LOGOUT_TOKENS, *FRAMES}} == rejected
