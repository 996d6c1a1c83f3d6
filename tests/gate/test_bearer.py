"""API clients at the gate: when a bearer token is looked at, and what they are told (RFC 6750).

`check()` asks as nginx does; the tests of each kind of token use it too.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.errors import ProviderUnreachable, SettingsError, StoreUnavailable
from doorkey.gate.bearer import Bearers
from doorkey.gate.decide import Caller
from doorkey.gate.gate_tokens import PROVIDER, GateTokens
from doorkey.gate.original_request import Original
from doorkey.oauth.user_info import Identity
from doorkey.sessions.seal import Keyring
from doorkey.settings import load
from tests.conftest import KEY, MovedClock
from tests.support.person import Person

ORIGIN = "http://127.0.0.1:8000"
BARE = 'Bearer realm="doorkey"'
WRONG = 'Bearer realm="doorkey", error="invalid_token"'


def check(
    app: Flask,
    token: str | None = None,
    *,
    url: str = f"{ORIGIN}/page",
    method: str = "GET",
    client: Any = None,
    **headers: str,
) -> TestResponse:
    """What nginx is answered about a request for `url` with this token; `x_name` is the header x-name."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    asked = {"X-Original-Method": method, "X-Original-URL": url, **given}
    answer: TestResponse = (client or app.test_client()).get("/check/nginx", base_url=ORIGIN, headers=asked)
    return answer


def gate_tokens(app: Flask, clock: Callable[[], float]) -> GateTokens:
    """Beside the app, as the command line opens them."""
    return GateTokens(app.extensions["doorkey"].sessions._store, Keyring([KEY.encode()]), clock, os.urandom)


@pytest.fixture
def token(app: Flask, clock: MovedClock) -> str:
    return gate_tokens(app, clock).new("robot", seconds=3600)[0]


def who(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.headers
    return answer.headers["X-Doorkey-User"]


def test_a_token_lets_its_client_pass(app: Flask, token: str) -> None:
    answer = check(app, token)
    assert who(answer) == "robot"
    assert (answer.headers["X-Doorkey-Provider"], answer.headers["X-Doorkey-Session"]) == (PROVIDER, "")
    assert "Set-Cookie" not in answer.headers
    assert answer.data == b""


def test_without_a_token_the_challenge_names_no_error(app: Flask) -> None:
    answer = check(app)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, BARE)
    assert answer.get_json()["error"] == "login_required"
    assert "Location" not in answer.headers


@pytest.mark.parametrize("wrong", ["dkgt_", "dkgt_x", "dkgt_" + "A" * 43, "opaque", "a.b.c", "a.b.c.d.e", "x" * 16384])
def test_a_wrong_token_is_answered_with_invalid_token(app: Flask, token: str, wrong: str) -> None:
    """Also what nothing here is configured to read."""
    answer = check(app, wrong)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, WRONG)
    assert answer.headers["X-Doorkey-Reason"] == "invalid_token"
    assert "X-Doorkey-User" not in answer.headers
    assert wrong not in answer.text


@pytest.mark.parametrize(
    "header",
    ["Basic {}", "Bearer", "Bearer ", "Bearer{}", "Bearer {}, Bearer {}", "Bearer {} x", "Token {}", 'bearer="{}"'],
)
def test_only_one_bearer_token_in_its_own_form_counts(app: Flask, token: str, header: str) -> None:
    assert check(app, Authorization=header.format(token, token)).status_code == 401


def test_the_name_of_the_scheme_has_no_case(app: Flask, token: str) -> None:
    assert who(check(app, Authorization=f"bEARER {token}")) == "robot"


def test_two_authorization_headers_are_none(app: Flask, token: str) -> None:
    """Which of them the application would go by nobody can tell."""
    headers = [
        ("X-Original-Method", "GET"),
        ("X-Original-URL", f"{ORIGIN}/page"),
        ("Authorization", f"Bearer {token}"),
        ("Authorization", "Bearer other"),
    ]
    assert app.test_client().get("/check/nginx", base_url=ORIGIN, headers=headers).status_code == 401


@pytest.mark.parametrize("where", ["query", "cookie", "body"])
def test_a_token_anywhere_else_is_not_looked_at(app: Flask, token: str, where: str) -> None:
    url = f"{ORIGIN}/page" + (f"?access_token={token}" if where == "query" else "")
    more = {"Cookie": f"access_token={token}"} if where == "cookie" else {}
    if where == "body":
        more = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = app.test_client().post(
        "/check/nginx",
        base_url=ORIGIN,
        headers={"X-Original-Method": "POST", "X-Original-URL": url, **more},
        data=f"access_token={token}" if where == "body" else None,
    )
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, BARE)


def test_a_huge_token_is_none(app: Flask) -> None:
    assert check(app, "x" * 16385).status_code == 401


def test_a_browser_with_a_wrong_token_is_sent_to_sign_in(app: Flask) -> None:
    answer = check(app, "wrong", Accept="text/html", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    assert answer.headers["Location"].startswith(f"{ORIGIN}/login?rt=")


# ---- beside a session ----


class Counting:
    """A reader that says whom everybody is, and counts how often it is asked."""

    def __init__(self, outcome: Caller | Exception | None):
        self.outcome = outcome
        self.asked = 0

    asks_others = False

    def knows(self, token: str) -> bool:
        return True

    def read(self, token: str, original: Original) -> Caller | None:
        self.asked += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


ROBOT = Caller(Identity(provider="bearer", sub="robot"), 4e9)


def with_reader(app: Flask, outcome: Caller | Exception | None) -> Counting:
    reader = Counting(outcome)
    app.extensions["doorkey"].gate.checkpoint._bearers = Bearers([reader])
    return reader


def test_a_live_session_goes_before_a_token(app: Flask, person: Person) -> None:
    reader = with_reader(app, ROBOT)
    person.sign_in()
    assert who(check(app, "anything", client=person.client)) == "user-1"
    assert reader.asked == 0


def test_a_token_is_looked_at_when_the_session_is_over(app: Flask, person: Person, clock: MovedClock) -> None:
    reader = with_reader(app, ROBOT)
    person.sign_in()
    clock.advance(24 * 3600)
    assert who(check(app, "anything", client=person.client)) == "robot"
    assert reader.asked == 1


def test_a_session_and_a_wrong_token_are_a_session(app: Flask, person: Person) -> None:
    person.sign_in()
    assert who(check(app, "wrong", client=person.client)) == "user-1"


def test_where_everybody_may_go_no_token_is_looked_at(make_app: Callable[..., Flask], tmp_path: Any) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nname = "static"\npath = "/static"\nallow = "anyone"\n')
    app = make_app(DOORKEY_POLICY_FILE=str(policy))
    reader = with_reader(app, ROBOT)
    assert who(check(app, "anything", url=f"{ORIGIN}/static/a.css")) == ""
    assert reader.asked == 0


def test_the_end_of_a_token_is_looked_at_whoever_read_it(app: Flask, clock: MovedClock) -> None:
    with_reader(app, Caller(ROBOT.identity, clock.now))
    assert check(app, "anything").status_code == 401


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ProviderUnreachable("away"), ValueError("canary-bug")])
def test_whoever_cannot_tell_lets_nobody_pass(app: Flask, error: Exception) -> None:
    """503, so that a client tries again: 401 would have it throw its token away."""
    with_reader(app, error)
    answer = check(app, "anything")
    assert answer.status_code == 503
    assert "WWW-Authenticate" not in answer.headers
    assert "canary-bug" not in answer.text


def test_the_first_reader_that_knows_a_token_decides(app: Flask, token: str) -> None:
    """A gate token never reaches those who would ask somebody else about it."""
    bearers: Bearers = app.extensions["doorkey"].gate.checkpoint._bearers
    reader = Counting(ROBOT)
    app.extensions["doorkey"].gate.checkpoint._bearers = Bearers([*bearers._readers, reader])
    assert who(check(app, token)) == "robot"
    assert check(app, "dkgt_" + "A" * 43).status_code == 401
    assert reader.asked == 0
    assert who(check(app, "opaque")) == "robot"


def test_settings_without_an_audience_are_refused_in_development_too(environ: dict[str, str]) -> None:
    alone = {name: value for name, value in environ.items() if "PROVIDER" not in name and "PUBLIC_URL" not in name}
    with pytest.raises(SettingsError, match="DOORKEY_BEARER_AUDIENCE is missing"):
        load({**alone, "DOORKEY_BEARER_INTROSPECTION": "dev"})
