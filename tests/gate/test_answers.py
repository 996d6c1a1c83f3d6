"""Decisions in the words of each dialect: the table of answers, and what is on every one of them."""

import json

import pytest
from msgspec.structs import replace

from doorkey.errors import BearerInvalid, GateMisconfigured, LoginRequired, NotAllowed, StoreUnavailable
from doorkey.gate.answer import MOST_IN_HEADER, Answer, allowed, forbidden_page, refused, to_login
from doorkey.gate.decide import Caller, Decision
from doorkey.gate.oauth2_proxy_dialect import OAUTH2_PROXY
from doorkey.gate.original_request import ENVOY, FORWARD, NGINX, Dialect, Headers, Original, original
from doorkey.gate.policy import Rule
from doorkey.oauth.user_info import Identity

ALL = [NGINX, FORWARD, ENVOY, OAUTH2_PROXY]
LOGIN = "https://login.example.com/login?rt=x"
PAGE = "https://login.example.com/denied?rt=x"


def asked(method: str = "GET") -> Original:
    return original(method, "https", "app.example.com", "/x", Headers([]))


def decision(rule: str = "admins only", **told: str) -> Decision:
    identity = Identity("stub", **{"sub": "bob", **told})  # type: ignore[arg-type]
    return Decision("forbid", f"not_allowed:{rule}", Rule(rule), Caller(identity, ends=9.0, session="s"), "groups")


def every_answer(dialect: Dialect) -> list[Answer]:
    return [
        allowed("signed_in", b"x-doorkey-user: bob\r\n", "id"),
        to_login(dialect, asked(), LOGIN, "no_session", "id"),
        to_login(dialect, asked("POST"), LOGIN, "expired", "id"),
        refused(dialect, LoginRequired(), "no_session", "id", login_url=LOGIN),
        refused(dialect, BearerInvalid(), "invalid_token", "id", login_url=LOGIN),
        refused(dialect, NotAllowed(), "not_allowed:x", "id", rule="x"),
        refused(dialect, StoreUnavailable("x"), "store_unavailable", "id", status=503),
        refused(dialect, GateMisconfigured("x"), "bad_gateway_config", "id", status=dialect.odd_status),
        forbidden_page(dialect, decision(), PAGE, "id"),
    ]


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_every_answer_says_what_it_has_to_and_sets_no_cookie(dialect: Dialect) -> None:
    for answer in every_answer(dialect):
        names = [name for name, _ in answer.headers]
        assert len(set(names)) == len(names)
        assert b"set-cookie" not in names
        assert answer.get("cache-control") == "no-store"
        assert answer.get("x-doorkey-request-id") == "id"
        assert answer.get("x-doorkey-reason")
        assert answer.get("content-length") == str(len(answer.body))
        assert all(0x20 <= byte < 0x7F for name, value in answer.headers for byte in name + value)
        assert len(answer.body) <= 1500


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_yes_is_exactly_200_without_a_body(dialect: Dialect) -> None:
    answer = allowed("signed_in", b"x-doorkey-user: bob\r\n", "id")
    assert (answer.status, answer.body, answer.get("x-doorkey-user")) == (200, b"", "bob")


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_nothing_else_is_a_yes(dialect: Dialect) -> None:
    assert all(answer.status >= 300 for answer in every_answer(dialect)[1:])


@pytest.mark.parametrize("dialect", [NGINX, OAUTH2_PROXY], ids=lambda dialect: dialect.name)
def test_nginx_gets_no_status_that_it_makes_a_500_of_but_for_outages(dialect: Dialect) -> None:
    assert {answer.status for answer in every_answer(dialect)} == {200, 401, 403, 503}


@pytest.mark.parametrize("dialect", [FORWARD, ENVOY], ids=lambda dialect: dialect.name)
def test_the_others_redirect_and_a_form_becomes_a_get(dialect: Dialect) -> None:
    statuses = {method: to_login(dialect, asked(method), LOGIN, "x", "id").status for method in ("GET", "HEAD", "POST")}
    assert statuses == {"GET": 302, "HEAD": 302, "POST": 303}


def test_an_api_client_gets_a_challenge_and_json_and_no_location() -> None:
    answer = refused(FORWARD, LoginRequired(), "no_session", "id", login_url=LOGIN)
    told = json.loads(answer.body)
    assert (answer.status, answer.get("www-authenticate"), answer.get("location")) == (
        401,
        'Bearer realm="doorkey"',
        "",
    )
    assert (told["error"], told["login_url"], told["request_id"]) == ("login_required", LOGIN, "id")
    assert answer.get("content-type") == "application/json"


def test_a_token_that_is_not_accepted_is_said_to_be_invalid() -> None:
    challenge = refused(FORWARD, BearerInvalid(), "invalid_token", "id").get("www-authenticate")
    assert challenge == 'Bearer realm="doorkey", error="invalid_token"'
    assert not refused(FORWARD, NotAllowed(), "x", "id").get("www-authenticate")


def test_what_a_client_reads_travels_in_a_header_where_bodies_are_lost() -> None:
    for error in (LoginRequired(), NotAllowed()):
        answer = refused(NGINX, error, "x", "id", rule="r")
        assert answer.get("x-doorkey-body").encode() == answer.body
        assert not refused(FORWARD, error, "x", "id").get("x-doorkey-body")


def test_a_body_that_is_too_long_for_a_header_is_left_out_of_it() -> None:
    answer = refused(NGINX, NotAllowed(hint="h" * MOST_IN_HEADER), "x", "id")
    assert not answer.get("x-doorkey-body")


def test_an_outage_says_when_to_try_again() -> None:
    answer = refused(NGINX, StoreUnavailable("x"), "store_unavailable", "id", status=503)
    assert (answer.status, int(answer.get("retry-after")) > 0, answer.get("location")) == (503, True, "")


@pytest.mark.parametrize("name", ['<script>alert("1")</script>', "\r\nX: y", "&lt;", "日本😀", "x" * 2000])
def test_a_refused_account_is_named_and_nothing_of_it_is_markup(name: str) -> None:
    answer = forbidden_page(NGINX, decision(sub=name, email=""), PAGE, "id")
    page = answer.body.decode("ascii")
    assert "<script" not in page
    assert answer.get("x-doorkey-page") == PAGE
    assert answer.get("content-security-policy")
    assert answer.get("x-content-type-options") == "nosniff"


def test_the_rule_that_refused_is_named_in_a_header_without_spaces() -> None:
    answer = forbidden_page(FORWARD, decision('admins <only>, "here"'), PAGE, "id")
    assert answer.get("x-doorkey-reason") == 'not_allowed:admins%20<only>,%20"here"'
    assert b"admins &lt;only&gt;" in answer.body


def test_nobody_who_was_refused_is_named_where_nobody_is_known() -> None:
    nobody = replace(decision(), caller=None)
    assert b"<b></b>" in forbidden_page(FORWARD, nobody, PAGE, "id").body
