"""Back-channel logout while the provider waits for our answer: keys, other requests, a store that is away.

doorkey/web/provider_logout.py; OpenID Connect Back-Channel Logout 1.0 sections 2.5 to 2.8.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.oauth.http import Transport
from doorkey.settings import Settings
from doorkey.web import provider_logout
from tests.conftest import MovedClock
from tests.support.leaving import Leaving, eventually, held, leaving
from tests.support.person import Person
from tests.support.signing_provider import jwk, key_for


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


BUSY = 5.0
"""Seconds that a second may be on a busy machine."""
METADATA, KEYS = "/.well-known/openid-configuration", "/keys"


def status(here: Leaving, token: str, app: Flask | None = None) -> int:
    return here.deliver(token, app=app).status_code


# ---- keys ----


def test_nobody_is_asked_while_the_provider_waits(here: Leaving, una: Person, clock: MovedClock) -> None:
    """However old metadata and keys are: the provider may answer nobody until it has our answer."""
    for seconds in (0, 2 * 3600):
        clock.advance(seconds)
        assert status(here, here.token(sub="user-1")) == 200
        assert status(here, here.token(sub="user-1", aud="somebody-else")) == 400
    assert here.asked() == []
    assert not una.is_signed_in()


def test_a_new_process_fetches_what_it_needs_beside_the_answer(
    here: Leaving, una: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: the second logout token finds everything there."""
    monkeypatch.setattr(provider_logout, "KEYS_SECONDS", BUSY)
    process = here.new_process()
    second = here.sign_in("user-1", "sid-2")
    here.forget_requests()
    assert status(here, here.token(sid="sid-1"), process) == 200
    assert status(here, here.token(sid="sid-2"), process) == 200
    assert here.asked() == [METADATA, KEYS]
    assert not una.is_signed_in()
    assert not second.is_signed_in()


@pytest.mark.parametrize("path", [METADATA, KEYS])
def test_a_new_process_does_not_wait_for_a_provider_that_waits_for_it(here: Leaving, una: Person, path: str) -> None:
    """400 in about a second; what the token says is done when the provider answers at last."""
    process = here.new_process()
    with held(here.stub, path) as kept:
        began = time.monotonic()
        assert status(here, here.token(sid="sid-1"), process) == 400
        assert provider_logout.KEYS_SECONDS <= time.monotonic() - began < BUSY
        assert kept.reached.is_set()
        assert una.is_signed_in()
        kept.let_go()
        eventually(lambda: not una.is_signed_in(), "the logout token was not carried out")


def test_a_new_process_whose_provider_is_down_says_so_at_once(
    here: Leaving, una: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, token = here.new_process(), here.token(sid="sid-1")
    here.stub.stop()
    began = time.monotonic()
    assert status(here, token, process) == 400
    assert time.monotonic() - began < BUSY
    assert una.is_signed_in()
    here.stub.start_again()
    monkeypatch.setattr(provider_logout, "KEYS_SECONDS", BUSY)
    assert status(here, here.token(sid="sid-1"), here.new_process()) == 200


def test_keys_that_have_changed_are_looked_for_after_the_answer(here: Leaving, una: Person) -> None:
    key = key_for("RS256", 7)
    here.stub.publish(jwk(key, kid="new", alg="RS256"))
    with held(here.stub, KEYS) as kept:
        assert status(here, here.token(sid="sid-1", key=key, header={"kid": "new"})) == 400
        assert una.is_signed_in()
        assert kept.reached.wait(10)
    eventually(lambda: not una.is_signed_in(), "the logout token was not carried out")
    assert here.asked() == [KEYS]
    assert status(here, here.token(sub="user-1", key=key, header={"kid": "new"})) == 200, "they are known now"


def test_keys_that_have_changed_under_the_same_name_too(here: Leaving, una: Person) -> None:
    key = key_for("RS256", 8)
    here.stub.publish(jwk(key, kid="RS256", alg="RS256"))
    assert status(here, here.token(sid="sid-1", key=key)) == 400
    eventually(lambda: not una.is_signed_in(), "the logout token was not carried out")


def test_what_is_carried_out_late_is_checked_as_well(here: Leaving, una: Person, clock: MovedClock) -> None:
    """And strangers cannot have keys fetched again and again, nor fill a log with tracebacks."""
    key = key_for("RS256", 9)
    here.stub.publish(jwk(key, kid="new", alg="RS256"))
    for name in ("aud", "nonce", "iss"):
        wrong: dict[str, Any] = {"sid": "sid-1", name: "wrong"}
        assert status(here, here.token(key=key, header={"kid": "new"}, **wrong)) == 400
    for number in range(3):
        assert status(here, here.token(sid="sid-1", header={"kid": f"unknown-{number}"})) == 400
    eventually(lambda: "logout" not in {thread.name for thread in threading.enumerate()}, "still at work")
    assert here.asked() == [KEYS]
    assert una.is_signed_in()
    clock.advance(31)
    assert status(here, here.token(sid="sid-1", header={"kid": "unknown"})) == 400
    eventually(lambda: here.asked() == [KEYS, KEYS], "nobody looked again")


# ---- others ----


def test_it_is_carried_out_while_another_request_of_the_same_session_is_open(
    here: Leaving, una: Person, clock: MovedClock
) -> None:
    """That request has a token to renew, and waits for the very provider that waits for us."""
    clock.advance(3580)
    answers: list[TestResponse] = []
    with held(here.stub, "/token") as kept:
        opened = threading.Thread(target=lambda: answers.append(una.get("/account/sessions")))
        renewing = threading.Thread(target=lambda: answers.append(una.get("/session")))
        renewing.start()
        assert kept.reached.wait(10)
        opened.start()
        assert status(here, here.token(sid="sid-1")) == 200
        opened.join()
    renewing.join()
    assert len(answers) == 2
    assert not una.is_signed_in(), "nor brought back by the token that came then"


def test_while_the_store_is_locked_the_provider_is_told_to_come_again(
    here: Leaving, una: Person, settings: Settings
) -> None:
    """Within a second; the same token is good later."""
    database = sqlite3.connect(settings.instance / "sessions.sqlite3", isolation_level=None)
    token = here.token(sid="sid-1")
    database.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    answer = here.deliver(token)
    took = time.monotonic() - began
    database.execute("ROLLBACK")
    database.close()
    assert (answer.status_code, answer.get_json()["error"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert took < BUSY
    assert una.is_signed_in()
    assert status(here, token) == 200
    assert not una.is_signed_in()
