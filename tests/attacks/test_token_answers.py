"""What a token endpoint may answer: only a bearer token in a 200 JSON object signs anybody in."""

import json

import pytest

from tests.support.attack_asserts import assert_refused, session_cookies_set_by

GOOD = {"access_token": "canary-access", "token_type": "bearer", "expires_in": 3600}


def changed(**fields):
    return {**GOOD, **fields}


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


BAD = {
    "200-empty-object": (200, {}),
    "200-only-token_type": (200, {"token_type": "bearer"}),
    "401-message-only": (401, {"message": "Unauthorized"}),
    "400-without-error": (400, {"message": "no"}),
    "429-without-error": (429, {"message": "slow down"}),
    "400-with-a-good-token": (400, GOOD),
    "500-with-a-good-token": (500, GOOD),
    "201-with-a-good-token": (201, GOOD),
    "206-with-a-good-token": (206, GOOD),
    "204": (204, b""),
    "302": (302, b""),
    "302-with-a-good-token": (302, GOOD),
    "400-oauth-error": (400, {"error": "invalid_grant", "error_description": "used"}),
    "401-oauth-error": (401, {"error": "invalid_client"}),
    "500-seed-error": (500, {"error": "server_error", "message": "m", "path": "/oauth/token", "status": "500"}),
    "200-with-error": (200, changed(error="invalid_grant")),
    "200-with-empty-error": (200, changed(error="")),
    "200-with-error-false": (200, changed(error=False)),
    "error-is-object": (400, {"error": {"code": 400, "message": "graph style"}}),
    "error-is-list": (400, {"error": ["invalid_grant"]}),
    "error-description-is-object": (400, {"error": "x", "error_description": {"a": 1}}),
    "500-html": (500, "<html>oops"),
    "404-html": (404, "<html>not here"),
    "200-html": (200, "<html>Sign in to the hotel wireless"),
    "200-form-encoded": (200, "access_token=canary-access&token_type=bearer"),
    "200-empty": (200, b""),
    "200-list": (200, [GOOD]),
    "200-string": (200, '"canary-access"'),
    "200-null": (200, "null"),
    "200-number": (200, "5"),
    "200-nan": (200, "NaN"),
    "200-two-objects": (200, json.dumps(GOOD) * 2),
    "200-cut-off": (200, json.dumps(GOOD)[:-5]),
    "200-bom": (200, b"\xef\xbb\xbf" + json.dumps(GOOD).encode()),
    "200-utf-16": (200, json.dumps(GOOD).encode("utf-16")),
    "200-not-utf-8": (200, b'{"access_token":"a\xff\xfe","token_type":"bearer"}'),
    "200-deep": (200, "[" * 30_000 + "]" * 30_000),
    "200-deep-inside": (200, '{"access_token":"a","token_type":"bearer","x":' + "[" * 30_000 + "]" * 30_000 + "}"),
    "200-huge-number": (200, '{"access_token":"a","token_type":"bearer","expires_in":' + "9" * 20_000 + "}"),
    "200-name-twice": (200, '{"access_token":"a","access_token":"b","token_type":"bearer"}'),
    "200-nul-bytes": (200, b"\0" * 100),
    "no-access_token": (200, without("access_token")),
    "access_token-empty": (200, changed(access_token="")),
    "access_token-null": (200, changed(access_token=None)),
    "access_token-number": (200, changed(access_token=5)),
    "access_token-true": (200, changed(access_token=True)),
    "access_token-list": (200, changed(access_token=["a"])),
    "access_token-object": (200, changed(access_token={"a": 1})),
    "access_token-newline": (200, changed(access_token="a\r\nX-Evil: 1")),
    "access_token-nul": (200, changed(access_token="a\0b")),
    "access_token-unicode": (200, changed(access_token="tökén")),
    "access_token-surrogate": (200, changed(access_token="\ud800")),
    "access_token-20000": (200, changed(access_token="a" * 20_000)),
    "token_type-mac": (200, changed(token_type="mac")),
    "token_type-DPoP": (200, changed(token_type="DPoP")),
    "token_type-absent": (200, without("token_type")),
    "token_type-null": (200, changed(token_type=None)),
    "token_type-empty": (200, changed(token_type="")),
    "token_type-list": (200, changed(token_type=["bearer"])),
    "token_type-number": (200, changed(token_type=1)),
    "token_type-space": (200, changed(token_type="bearer ")),
    "scope-list": (200, changed(scope=["read"])),
    "scope-number": (200, changed(scope=7)),
    "scope-newline": (200, changed(scope="read\nwrite")),
    "refresh_token-number": (200, changed(refresh_token=7)),
    "refresh_token-newline": (200, changed(refresh_token="a\nb")),
    "id_token-object": (200, changed(id_token={})),
}


@pytest.mark.parametrize(("status", "body"), BAD.values(), ids=BAD)
def test_a_token_answer_that_is_none_signs_nobody_in(status, body, person, stub):
    stub.answer("/token", body, status)
    state = person.begin().state
    answer = person.come_back(f"code=c&state={state}")
    assert_refused(person, answer, 502)
    assert "canary-access" not in answer.text
    assert len(stub.requests_to("/token")) == 1
    assert stub.requests_to("/userinfo") == [], "no token may be used that was not accepted"


def test_the_person_can_sign_in_again_after_a_bad_answer(person, stub):
    stub.answer("/token", {}, 200)
    assert person.sign_in().status_code == 502
    stub.answer("/token", GOOD)
    assert person.sign_in().status_code == 303


def test_a_bad_answer_leaves_the_session_of_before_alone(person, stub):
    person.sign_in()
    stub.answer("/token", {"error": "invalid_grant"}, 400)
    assert person.sign_in().status_code == 502
    assert person.is_signed_in()


LIVES = {
    "number": (3600, 3600),
    "string": ("3600", 3600),
    "fraction": (3600.7, 3600),
    "string-fraction": ("3600.7", 3600),
    "one": (1, 1),
    "zero": (0, 0),
    "string-zero": ("0", 0),
    "negative": (-5, -5),
    "string-negative": ("-5", -5),
    "null": (None, None),
    "word": ("abc", None),
    "empty": ("", None),
    "true": (True, None),
    "list": ([3600], None),
    "object": ({}, None),
    "nan-string": ("NaN", None),
    "infinity-string": ("Infinity", None),
    "hex": ("0x10", None),
    "exponent-string": ("1e400", None),
    "arabic-digits": ("٣٦٠٠", None),
    "spaces": (" 3600 ", None),
}


@pytest.mark.parametrize(("given", "left"), LIVES.values(), ids=LIVES)
def test_expires_in_is_read_as_what_it_says_or_as_unknown(given, left, person, stub, clock):
    stub.answer("/token", changed(expires_in=given))
    assert_signed_in_with_life(person, left, clock)


@pytest.mark.parametrize(
    ("raw", "left"),
    [("1e400", None), ("-1e400", None), ("NaN", None), ("Infinity", None), ("3.6e3", 3600), ("9" * 30, 2**31 - 1)],
    ids=["too-large", "too-small", "nan", "infinity", "exponent", "thirty-digits"],
)
def test_numbers_at_the_edge_of_json_are_no_error(raw, left, person, stub, clock):
    stub.answer("/token", '{"access_token":"a","token_type":"bearer","expires_in":' + raw + "}")
    assert_signed_in_with_life(person, left, clock)


def test_an_absent_expires_in_is_unknown(person, stub, clock):
    stub.answer("/token", without("expires_in"))
    assert_signed_in_with_life(person, None, clock)


def test_the_provider_cannot_set_expires_at(person, stub, clock):
    stub.answer("/token", {**without("expires_in"), "expires_at": 99_999_999_999, "userinfo": {"sub": "root"}})
    assert person.sign_in().status_code == 303
    assert person.session()["user"] == "user-1"
    assert_signed_in_with_life(person, None, clock)


def assert_signed_in_with_life(person, left, clock) -> None:
    """`left` are seconds from now, None means unknown: then the page says so, and the session ends all the same."""
    answer = person.sign_in()
    assert answer.status_code == 303, answer.text
    assert session_cookies_set_by(answer) != []
    session, page = person.session(), person.get("/").text
    if left is None:
        assert session["expires_at"] is None
        assert not session["expired"]
        assert "did not say when this token ends" in page
    else:
        assert session["expires_at"] == int(clock.now + left)
        assert session["expired"] is (left <= 0)
        assert ('data-state="expired"' in page) is (left <= 0)
    clock.advance(12 * 3600)
    assert not person.is_signed_in()


@pytest.mark.parametrize("spelling", ["bearer", "Bearer", "BEARER"])
def test_bearer_counts_in_any_case(spelling, person, stub):
    stub.answer("/token", changed(token_type=spelling))
    assert person.sign_in().status_code == 303
