"""Every failure within a sign-in: what the browser sees, that nobody is signed in, and what the provider was asked.

The refusals and the variations of answers.py (doorkey/web/login.py, doorkey/oauth/flow.py).
"""

from collections.abc import Callable

import pytest

from doorkey.devprovider.failures import FAILURES
from tests.relying_party.answers import ACCEPTED, AT_THE_PROVIDER, AT_USER_INFO, NEW_KEYS, REFUSED, Case
from tests.relying_party.conftest import MakeFrontDoor
from tests.relying_party.front_door import HTML, Browser, leaked

EACH_REFUSED = pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.label)
EACH_ACCEPTED = pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.label)
FRESH = {"DOORKEY_METADATA_TTL": "0"}
"""Nothing is kept from one sign-in to the next, so that metadata and keys fail for somebody who was here before."""

CODE_STAYS_UNUSED = ("state_mismatch", "issuer_mismatch", "method_not_allowed")
NOBODY_IS_ASKED_FOR = ("id_token_invalid", "id_token_missing", "signature_invalid", "token_encrypted")


@EACH_REFUSED
def test_a_refusal_asks_nothing_further_and_can_be_followed_by_a_sign_in(case: Case, front_door: MakeFrontDoor):
    """In the same browser, with the metadata and keys that were right; a failure to get them is not kept."""
    door = front_door(op=case.op)
    browser = Browser(door)
    door.fail(case.name)

    seen = browser.sign_in()

    asked, failures = door.asked_with_failures()
    assert case.name in failures
    assert (seen.at, seen.problem) == (case.at, case.problem)
    assert asked == case.asked
    assert browser.user() == ""
    assert "doorkey" not in browser.person.cookies()
    pending = browser.pending()
    assert len(pending) == (0 if case.spent else 1)

    door.mend()
    seen = browser.sign_in()

    kept = {"metadata", "jwks"} & set(case.asked) if case.at == "callback" else set()
    assert (seen.at, seen.status, browser.user()) == ("callback", 303, "alice")
    assert door.asked() == tuple(one for one in AT_USER_INFO if one not in kept)
    assert browser.pending() == pending


@EACH_REFUSED
def test_a_refusal_is_a_page_that_gives_nothing_away_and_ends_no_session(
    case: Case, front_door: MakeFrontDoor, log_text: Callable[[], str]
):
    assert case.problem
    status, code, step = case.problem
    door = front_door(op=case.op, settings=FRESH)
    browser = Browser(door)
    assert browser.sign_in("bob").status == 303
    before = browser.person.cookies()["doorkey"]
    door.asked()
    door.fail(case.name)

    seen = browser.sign_in(accept=HTML)

    assert seen.answer
    assert (seen.status, seen.answer.mimetype) == (status, HTML)
    assert f"<code>{code}</code> (status {status})" in seen.text
    assert not step or f"<dt>Step</dt><dd>{step}</dd>" in seen.text
    assert door.asked() == case.asked
    assert not [line for line in seen.answer.headers.getlist("Set-Cookie") if line.startswith("doorkey=")]
    assert (browser.user(), browser.person.cookies()["doorkey"]) == ("bob", before)
    secrets = seen.secrets | door.secrets() | {before}
    assert len(secrets) >= 4
    assert leaked(seen.text, secrets) == []
    assert leaked(log_text(), secrets) == []
    assert step == "" or f'"code": "{code}"' in log_text()


@EACH_ACCEPTED
def test_a_variation_is_signed_in_with_and_again(case: Case, front_door: MakeFrontDoor):
    """The second time with metadata and keys that are known, and the same failure once more."""
    door = front_door(op=case.op)
    at_documents = FAILURES[case.name].seam in ("metadata", "jwks")
    for asked_for, user in ((case.asked, "alice"), (case.again, "bob")):
        browser = Browser(door)
        if not door.realm.script.waiting():
            door.fail(case.name)

        seen = browser.sign_in(user)

        asked, failures = door.asked_with_failures()
        assert (seen.at, seen.status) == ("callback", 303), seen.text
        assert asked == asked_for
        assert case.name in failures or (user == "bob" and at_documents)
        assert browser.user() == user
        assert browser.pending() == []


@pytest.mark.parametrize("name", AT_THE_PROVIDER)
def test_a_browser_that_is_kept_at_the_provider(name: str, front_door: MakeFrontDoor):
    door = front_door()
    browser = Browser(door)
    door.fail(name)

    seen = browser.sign_in()

    assert (seen.at, seen.status) == ("provider", 400)
    assert door.asked_with_failures() == (AT_THE_PROVIDER[name], {name})
    assert browser.user() == ""
    door.mend()
    assert browser.sign_in().status == 303
    assert door.asked() == NEW_KEYS


def test_a_damaged_hs256_signature_where_hs256_is_accepted(front_door: MakeFrontDoor):
    """The one setting under which a mended provider, which signs with its own key, is refused as well."""
    door = front_door(op={"ID_TOKEN_ALGS": "HS256"})
    browser = Browser(door)
    for name, code in (("invalid-sig-hs256", "signature_invalid"), ("idtoken-sig-rs256", "id_token_invalid")):
        door.fail(name)
        assert browser.sign_in().problem == (502, code, "ID token")
        assert "jwks" not in door.asked()
    assert browser.user() == ""


def test_keys_that_a_token_has_the_address_of_are_not_fetched(front_door: MakeFrontDoor):
    door = front_door()
    door.fail("jku-header")

    Browser(door).sign_in()

    assert [one.path for one in door.realm.log.of("jwks")] == ["/oauth/jwks"]


def test_a_redirect_of_the_token_endpoint_is_not_followed(front_door: MakeFrontDoor):
    door = front_door()
    door.fail("token-endpoint-redirect")

    Browser(door).sign_in()

    assert [(one.status, dict(one.query)) for one in door.realm.log.of("token")] == [(307, {})]


def test_claims_of_other_parties_say_nothing_of_a_person(front_door: MakeFrontDoor):
    """Nor are they fetched, from whatever address: a test that tried to would fail for that."""
    for name in ("aggregated-claims", "distributed-claims"):
        door = front_door()
        browser = Browser(door)
        door.fail(name)
        browser.sign_in()
        session = browser.session()
        assert session
        assert not {"score", "_claim_names", "_claim_sources"} & session.record.identity.claims.keys()


def test_what_the_table_says_of_whole_classes():
    """No token request when the way back was wrong, no user info when the ID token was."""
    for case in REFUSED:
        assert case.problem
        if case.problem[1] in CODE_STAYS_UNUSED:
            assert "token" not in case.asked, case.label
        if case.problem[1] in NOBODY_IS_ASKED_FOR:
            assert case.asked.count("token") == 1, case.label
            assert "userinfo" not in case.asked, case.label
    assert all(case.asked.count("token") == 1 and case.again.count("token") == 1 for case in ACCEPTED)
