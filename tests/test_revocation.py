"""Signing out revokes the token there, and ends the session here whatever comes of that (oauth/revocation.py)."""

import logging
from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.person import Person
from tests.support.scripted_provider import GOOD_TOKEN, ScriptedProvider

MakeApp = Callable[..., Flask]


@pytest.fixture
def person(make_app: MakeApp, stub: ScriptedProvider) -> Person:
    stub.answer("/revoke", b"")
    return Person(make_app(DOORKEY_PROVIDER_STUB_REVOCATION_ENDPOINT=f"{stub.url}/revoke"))


def test_the_refresh_token_is_revoked_with_the_clients_proof(person: Person, stub: ScriptedProvider) -> None:
    person.sign_in()
    person.sign_out()
    (request,) = stub.requests_to("/revoke")
    assert request.form == {"token": "canary-refresh-token", "token_type_hint": "refresh_token"}
    assert request.headers["Authorization"].startswith("Basic ")


def test_without_a_refresh_token_the_access_token_is(person: Person, stub: ScriptedProvider) -> None:
    stub.answer("/token", {name: value for name, value in GOOD_TOKEN.items() if name != "refresh_token"})
    person.sign_in()
    person.sign_out()
    (request,) = stub.requests_to("/revoke")
    assert request.form == {"token": "canary-access-token", "token_type_hint": "access_token"}


def test_a_provider_without_revocation_is_not_asked(person: Person, stub: ScriptedProvider) -> None:
    person.sign_in("other")
    person.sign_out()
    assert not stub.requests_to("/revoke")


def test_asking_to_sign_out_and_forged_forms_revoke_nothing(person: Person, stub: ScriptedProvider) -> None:
    person.sign_in()
    person.get("/logout")
    assert person.post("/logout", data={"csrf_token": "wrong"}).status_code == 403
    assert not stub.requests_to("/revoke")


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503, 307])
def test_a_refusal_is_logged_and_the_session_is_over_all_the_same(
    person: Person, stub: ScriptedProvider, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    stub.answer("/revoke", {"error": "canary-words"}, status, headers={"Location": f"{stub.url}/userinfo"})
    person.sign_in()
    with caplog.at_level(logging.WARNING):
        answer = person.sign_out()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/logged-out")
    assert not person.is_signed_in()
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["revocation_failed"]
    assert "canary" not in str([vars(record) for record in caplog.records])


def test_a_provider_that_is_down_does_not_keep_anybody_signed_in(person: Person, stub: ScriptedProvider) -> None:
    person.sign_in()
    token = person.form_token()
    stub.close()
    assert person.post("/logout", data={"csrf_token": token}).status_code == 303
    assert not person.is_signed_in()
