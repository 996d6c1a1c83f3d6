"""Logouts by a frame in the provider's page, which browsers load without our cookies (web/provider_logout.py)."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from doorkey.oauth.http import Transport
from doorkey.settings import Settings
from tests.conftest import MovedClock
from tests.support.leaving import ORIGIN, Leaving, describe, leaving
from tests.support.person import Person


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


def frame(here: Leaving, query: Any, provider: str = "stub", method: str = "GET") -> TestResponse:
    """As browsers load it in a page of another site: without our cookies."""
    client = here.app.test_client(use_cookies=False)
    return client.open(f"/frontchannel-logout/{provider}", method=method, base_url=ORIGIN, query_string=query)


def right(here: Leaving, provider: str = "stub", sid: str = "sid-1") -> dict[str, str]:
    return {"iss": here.stubs[provider].issuer, "sid": sid}


def test_a_frame_ends_the_session_that_it_names(here: Leaving, una: Person) -> None:
    second = here.sign_in("user-1", "sid-2")
    here.forget_requests()
    answer = frame(here, right(here))
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not una.is_signed_in()
    assert second.is_signed_in()
    assert here.asked() == []


def test_a_frame_may_stand_in_the_providers_pages_and_nowhere_else(here: Leaving, una: Person) -> None:
    describe(here.stub, end_session_endpoint=f"{here.stub.url}/leave?x=1")
    for answer in (frame(here, right(here)), frame(here, right(here, sid="sid-over"))):
        assert "X-Frame-Options" not in answer.headers
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["frame-ancestors"] == here.stub.url
        assert policy["default-src"] == policy["form-action"] == "'none'"
    refused = frame(here, {**right(here), "iss": "https://evil.example"})
    assert refused.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in refused.headers["Content-Security-Policy"]


WRONG: dict[str, str] = {
    "nothing": "",
    "no iss": "sid=sid-1",
    "no sid": "iss={iss}",
    "empty sid": "iss={iss}&sid=",
    "empty iss": "iss=&sid=sid-1",
    "iss with a slash": "iss={iss}/&sid=sid-1",
    "iss of the other provider": "iss={other}&sid=sid-1",
    "iss twice": "iss={iss}&iss={iss}&sid=sid-1",
    "sid twice": "iss={iss}&sid=sid-1&sid=sid-1",
    "long sid": "iss={iss}&sid=sid-1" + "x" * 300,
    "in another spelling": "ISS={iss}&SID=sid-1",
}


@pytest.mark.parametrize("query", WRONG.values(), ids=WRONG)
def test_a_frame_that_does_not_say_whose_session_ends_nothing(here: Leaving, una: Person, query: str) -> None:
    asked = query.format(iss=here.stub.issuer, other=here.stubs["other"].issuer)
    assert frame(here, asked).status_code == 400
    assert una.is_signed_in()


def test_a_frame_for_a_session_that_is_not_there_is_calm(here: Leaving, una: Person) -> None:
    for query in (right(here, sid="sid-unknown"), f"iss={here.stub.issuer}&sid=%ff%fe"):
        assert frame(here, query).status_code == 200
    assert una.is_signed_in()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405), ("OPTIONS", 200)])
def test_only_loading_the_frame_ends_something(here: Leaving, una: Person, method: str, status: int) -> None:
    assert frame(here, right(here), method=method).status_code == status
    assert una.is_signed_in()


def test_frames_of_two_providers_do_not_mix(here: Leaving, una: Person) -> None:
    other = here.sign_in("user-1", "sid-1", provider="other")
    assert frame(here, right(here), "other").status_code == 400
    assert frame(here, right(here, "other"), "other").status_code == 200
    assert una.is_signed_in()
    assert not other.is_signed_in()


def test_a_frame_works_where_sign_outs_stay_here(environ: dict[str, str], clock: MovedClock) -> None:
    """END_SESSION=never is about leaving from here."""
    with leaving(environ, clock, END_SESSION="never") as here:
        una = here.sign_in("user-1", "sid-1")
        answer = frame(here, right(here))
        assert f"frame-ancestors {here.stub.url}" in answer.headers["Content-Security-Policy"]
        assert not una.is_signed_in()


def test_a_frame_that_comes_while_the_store_is_locked_has_not_worked(
    here: Leaving, una: Person, settings: Settings
) -> None:
    database = sqlite3.connect(settings.instance / "sessions.sqlite3", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    answer = frame(here, right(here))
    database.execute("ROLLBACK")
    database.close()
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert una.is_signed_in()
    assert frame(here, right(here)).status_code == 200
    assert not una.is_signed_in()


def test_frames_that_are_switched_off_are_not_there(environ: dict[str, str], clock: MovedClock) -> None:
    with leaving(environ, clock, FRONTCHANNEL_LOGOUT="off") as here:
        una = here.sign_in("user-1", "sid-1")
        assert frame(here, right(here)).status_code == 404
        assert una.is_signed_in()
