"""Logouts that a provider's server tells of: who is meant, and what ends nothing (web/provider_logout.py).

What a logout token has to say is in test_logout_token.py, who waits for whom in test_backchannel_waiting.py; logouts by
a frame in the provider's page are in test_frontchannel_logout.py.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from doorkey.base64url import encode
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import LOGOUT_EVENT
from tests.conftest import MovedClock
from tests.support.leaving import ORIGIN, Leaving, leaving
from tests.support.person import Person
from tests.support.signing_provider import NOW, SECRET, key_for


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def here(environ: dict[str, str], clock: MovedClock, transport: Transport) -> Iterator[Leaving]:
    with leaving(environ, clock, transport=transport) as found:
        yield found


@pytest.fixture
def una(here: Leaving) -> Person:
    person = here.sign_in("user-1", "sid-1")
    here.forget_requests()
    return person


def assert_refused(answer: TestResponse, status: int = 400, code: str = "logout_token_invalid") -> None:
    assert (answer.status_code, answer.mimetype) == (status, "application/json"), answer.text
    assert answer.get_json()["error"] == code
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.getlist("Set-Cookie") == []


def assert_carried_out(answer: TestResponse) -> None:
    assert (answer.status_code, answer.data) == (200, b""), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.getlist("Set-Cookie") == []


# ---- who is meant ----


def test_a_token_by_session_ends_that_session_and_no_other(here: Leaving, una: Person) -> None:
    others = here.sign_in("user-1", "sid-2"), here.sign_in("user-1"), here.sign_in("user-2", "sid-3")
    assert_carried_out(here.deliver(here.token(sid="sid-1")))
    assert not una.is_signed_in()
    assert all(other.is_signed_in() for other in others)


def test_one_session_at_the_provider_may_be_several_here(here: Leaving, una: Person) -> None:
    second = here.sign_in("user-1", "sid-1")
    assert_carried_out(here.deliver(here.token(sid="sid-1", sub="user-1")))
    assert not una.is_signed_in()
    assert not second.is_signed_in()


def test_a_token_by_user_ends_all_of_that_user_at_that_provider(here: Leaving, una: Person) -> None:
    second, bob = here.sign_in("user-1", "sid-2"), here.sign_in("user-2", "sid-3")
    same_name = here.sign_in("user-1", "sid-1", provider="other")
    assert_carried_out(here.deliver(here.token(sub="user-1")))
    assert not una.is_signed_in()
    assert not second.is_signed_in()
    assert bob.is_signed_in()
    assert same_name.is_signed_in()


def test_two_providers_with_the_same_sid_do_not_mix(here: Leaving, una: Person) -> None:
    same_sid = here.sign_in("user-9", "sid-1", provider="other")
    assert_carried_out(here.deliver(here.token("other", sid="sid-1"), "other"))
    assert una.is_signed_in()
    assert not same_sid.is_signed_in()


@pytest.mark.parametrize("who", [{"sid": "sid-unknown"}, {"sub": "user-unknown"}, {"sub": "user-1", "sid": "sid-no"}])
def test_a_session_that_is_not_there_is_over(here: Leaving, una: Person, who: dict[str, Any]) -> None:
    """Section 2.7: that it was over already is a success."""
    assert_carried_out(here.deliver(here.token(**who)))
    assert una.is_signed_in()


def test_a_session_that_ended_by_itself_is_over(here: Leaving, una: Person) -> None:
    una.sign_out()
    assert_carried_out(here.deliver(here.token(sid="sid-1")))


def test_the_session_of_another_user_is_not_ended(here: Leaving, una: Person) -> None:
    answer = here.deliver(here.token(sid="sid-1", sub="user-2"))
    assert_refused(answer)
    assert "another user" in answer.get_json()["message"]
    assert una.is_signed_in()


def test_the_old_cookie_opens_nothing_and_new_sign_ins_work(here: Leaving, una: Person) -> None:
    assert_carried_out(here.deliver(here.token(sid="sid-1")))
    assert una.get("/account/sessions").headers["Location"] == "/"
    assert "user-1" not in una.get("/").text
    again = here.sign_in("user-1", "sid-2")
    assert again.is_signed_in()


def test_a_session_of_a_provider_without_a_sid_ends_by_user(here: Leaving) -> None:
    una = here.sign_in("user-1")
    assert_carried_out(here.deliver(here.token(sub="user-1")))
    assert not una.is_signed_in()


# ---- what is refused ----

BROKEN: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "client-of-other"},
    "one more audience": {"aud": ["client-of-stub", "client-of-other"]},
    "no audience": {"aud": None},
    "no iat": {"iat": None},
    "issued long ago": {"iat": NOW - 661},
    "issued tomorrow": {"iat": NOW + 86400},
    "expired": {"exp": NOW - 61},
    "no exp": {"exp": None},
    "no jti": {"jti": None},
    "jti of a number": {"jti": 1},
    "long jti": {"jti": "j" * 256},
    "no events": {"events": None},
    "another event": {"events": {LOGOUT_EVENT + "-other": {}}},
    "event without an object": {"events": {LOGOUT_EVENT: "yes"}},
    "a nonce": {"nonce": "n"},
    "nobody": {"sid": None},
    "an empty sid": {"sid": ""},
    "a sid of a list": {"sid": ["sid-1"]},
    "a long sid": {"sid": "s" * 256},
    "an ID token": {"header": {"typ": "JWT"}, "nonce": "n", "events": None},
    "an access token": {"header": {"typ": "at+jwt"}},
    "a critical header": {"header": {"crit": ["x"], "x": 1}},
    "signed in another way": {"alg": "ES256"},
    "an unknown key": {"header": {"kid": "unknown"}},
    "another key": {"key": key_for("RS256", 3)},
    "the client secret as the key": {"alg": "HS256", "key": SECRET.encode()},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_ends_nothing(here: Leaving, una: Person, changes: dict[str, Any]) -> None:
    assert_refused(here.deliver(here.token(**{"sid": "sid-1", **changes})))
    assert una.is_signed_in()
    assert_carried_out(here.deliver(here.token(sid="sid-1")))
    assert not una.is_signed_in()


def test_unsigned_and_damaged_tokens_end_nothing(here: Leaving, una: Person) -> None:
    head, claims, signature = here.token(sid="sid-1").split(".")
    for token in (
        f"{encode(json.dumps({'alg': 'none', 'typ': 'logout+jwt'}).encode())}.{claims}.",
        f"{head}.{claims}.",
        f"{head}.{claims}.{signature[::-1]}",
        f"{head}.{claims}",
        f"{head}.{claims}.{signature}.a.b",
        f"{head}.e30.{signature}",
        f" {head}.{claims}.{signature}",
        "",
        "rubbish",
        "\0",
        "ä.ö.ü",
        "." * 60_000,
    ):
        assert_refused(here.deliver(token))
    assert una.is_signed_in()


def test_it_is_carried_out_once(here: Leaving, una: Person, clock: MovedClock) -> None:
    """Whoever got hold of one cannot end later sessions with it, for as long as it would be taken."""
    token = here.token(sub="user-1", exp=NOW + 86400)
    assert_carried_out(here.deliver(token))
    for seconds in (0, 60, 600, 120):
        clock.advance(seconds)
        again = here.sign_in("user-1", "sid-2")
        assert_refused(here.deliver(token))
        assert again.is_signed_in()
    assert not una.is_signed_in()


def test_the_same_jti_of_two_providers_is_two(here: Leaving, una: Person) -> None:
    other = here.sign_in("user-1", "sid-1", provider="other")
    assert_carried_out(here.deliver(here.token("other", sid="sid-1", jti="same"), "other"))
    assert_carried_out(here.deliver(here.token(sid="sid-1", jti="same")))
    assert not una.is_signed_in()
    assert not other.is_signed_in()


def test_a_refused_token_does_not_use_up_its_jti(here: Leaving, una: Person) -> None:
    assert_refused(here.deliver(here.token(sid="sid-1", jti="one", alg="ES256")))
    assert_carried_out(here.deliver(here.token(sid="sid-1", jti="one")))
    assert not una.is_signed_in()


def test_a_session_is_ended_in_the_way_it_was_signed_in_with(here: Leaving) -> None:
    una = here.sign_in("user-1", "sid-1", alg="ES256")
    assert_refused(here.deliver(here.token(sid="sid-1")))
    assert una.is_signed_in()
    assert_carried_out(here.deliver(here.token(sid="sid-1", alg="ES256")))
    assert not una.is_signed_in()


def test_a_token_of_one_provider_is_nothing_at_another(here: Leaving, una: Person) -> None:
    other = here.sign_in("user-1", "sid-1", provider="other")
    assert_refused(here.deliver(here.token(sid="sid-1"), "other"))
    assert_refused(here.deliver(here.token("other", sid="sid-1"), "stub"))
    assert una.is_signed_in()
    assert other.is_signed_in()


BODIES: dict[str, dict[str, Any]] = {
    "nothing": {"data": b""},
    "another name": {"data": {"token": "{token}"}},
    "twice": {"data": {"logout_token": ["{token}", "{token}"]}},
    "in the query": {"query_string": {"logout_token": "{token}"}},
    "as JSON": {"json": {"logout_token": "{token}"}},
    "as text": {"data": "logout_token={token}", "content_type": "text/plain"},
    "bare": {"data": "{token}", "content_type": "application/jwt"},
    "beside 50 kB": {"data": {"logout_token": ["{token}", "x" * 50_000]}},
}


def filled(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return {name: filled(inner, token) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, token) for inner in value]
    return value.replace("{token}", token) if isinstance(value, str) else value


@pytest.mark.parametrize("options", BODIES.values(), ids=BODIES)
def test_only_a_form_with_one_token_counts(here: Leaving, una: Person, options: dict[str, Any]) -> None:
    token = here.token(sid="sid-1")
    assert_refused(here.deliver("", **{"data": None, **filled(options, token)}))
    assert una.is_signed_in()
    assert_carried_out(here.deliver(token))


@pytest.mark.parametrize("more", [{"more": "x" * 100_000}, {"logout_token": "x" * 100_000}], ids=["beside", "in it"])
def test_what_no_logout_token_needs_is_too_large(here: Leaving, una: Person, more: dict[str, str]) -> None:
    assert_refused(here.deliver("", data={"logout_token": here.token(sid="sid-1"), **more}), 413, "too_large")
    assert una.is_signed_in()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(here: Leaving, una: Person, method: str) -> None:
    client, form = here.app.test_client(), {"logout_token": here.token(sid="sid-1")}
    url = f"/backchannel-logout/stub?{urlencode(form)}"
    answer = client.open(url, method=method, base_url=ORIGIN, data=form)
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"POST", "OPTIONS"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert una.is_signed_in()


@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/json", ""])
def test_a_refusal_is_json_whatever_is_asked_for(here: Leaving, accept: str) -> None:
    assert_refused(here.deliver("rubbish", headers={"Accept": accept}))


def test_an_unknown_provider_has_no_such_address(here: Leaving, una: Person) -> None:
    assert_refused(here.deliver(here.token(sid="sid-1"), "nobody"), 404, "unknown_provider")
    assert una.is_signed_in()


@pytest.mark.parametrize("changes", [{"BACKCHANNEL_LOGOUT": "off"}, {"SCOPE": "read"}], ids=["off", "not OpenID"])
def test_where_it_is_switched_off_there_is_nothing(
    environ: dict[str, str], clock: MovedClock, changes: dict[str, str]
) -> None:
    with leaving(environ, clock, **changes) as here:
        if "SCOPE" not in changes:
            una = here.sign_in("user-1", "sid-1")
            assert_refused(here.deliver(here.token(sid="sid-1")), 404, "unknown_provider")
            assert una.is_signed_in()
        assert_refused(here.deliver(here.token(sub="user-1")), 404, "unknown_provider")
        other = here.sign_in("user-1", "sid-1", provider="other")
        assert_carried_out(here.deliver(here.token("other", sid="sid-1"), "other"))
        assert not other.is_signed_in()
