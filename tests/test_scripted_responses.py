"""How it is said what is to fail: two spellings of the same, and a sentence for every mistake."""

import contextlib
import json
import math
import string
from typing import Any

import pytest

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.failures import ENDPOINTS, FAILURES, MINTED
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.scripted_responses import (
    DEEPEST,
    FIELDS,
    LARGEST_BODY,
    MOST_TIMES,
    ScriptError,
    read_response,
    read_spec,
)
from doorkey.devprovider.users import Client

EVERYWHERE = [name for name, failure in FAILURES.items() if failure.at == "*"]
SOMEWHERE = [name for name in FAILURES if name not in EVERYWHERE]


@pytest.mark.parametrize("name", SOMEWHERE)
@pytest.mark.parametrize(("suffix", "times"), [("", {}), ("*3", {"times": 3}), ("*always", {"times": "always"})])
def test_a_name_is_the_same_in_both_spellings(name: str, suffix: str, times: dict[str, Any]):
    endpoint = FAILURES[name].at
    bare = read_response({"failure": name, **times})

    assert read_spec(f"{name}{suffix}") == bare
    assert read_spec(f"{endpoint}:{name}{suffix}") == read_response({"endpoint": endpoint, "failure": name, **times})
    assert read_spec(f"{endpoint}:{name}{suffix}") == bare
    assert (bare.endpoint, bare.seam, bare.failure) == (endpoint, FAILURES[name].seam, FAILURES[name])
    assert read_spec(bare.text) == read_response({"failure": name})


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_failure_of_the_connection_is_asked_for_at_an_endpoint(name: str, endpoint: str):
    rule = read_spec(f"{endpoint}:{name}*2")
    assert rule == read_response({"endpoint": endpoint, "failure": name, "times": 2})
    assert (rule.endpoint, rule.seam, rule.left) == (endpoint, endpoint, 2)
    assert read_spec(f"{rule.text}*2") == rule


VALUES: list[tuple[str, dict[str, Any]]] = [
    ("token:status=503", {"status": 503}),
    ("token:status=200*4", {"status": 200, "times": 4}),
    ("token:delay=2", {"delay": 2}),
    ("token:delay=0.25*always", {"delay": 0.25, "times": "always"}),
    ("token:error=invalid_grant", {"error": "invalid_grant"}),
    ("token:error=a b=c:d", {"error": "a b=c:d"}),
    ("token:body=", {"body": ""}),
    ("token:body=<html>*2", {"body": "<html>", "times": 2}),
    ("token:body=two\nlines", {"body": "two\nlines"}),
    ('token:body={"a": 1}', {"body": '{"a": 1}'}),
    ('token:merge={"scope": null, "a": {"b": [1]}}', {"merge": {"scope": None, "a": {"b": [1]}}}),
    ('token:merge={"expires_in": -1}*3', {"merge": {"expires_in": -1}, "times": 3}),
]


@pytest.mark.parametrize(("spec", "fields"), VALUES)
def test_a_value_is_the_same_in_both_spellings(spec: str, fields: dict[str, Any]):
    rule = read_spec(spec)
    assert rule == read_response({"endpoint": "token", **fields})
    times = "*always" if math.isinf(rule.left) else f"*{int(rule.left)}"
    assert read_spec(rule.text + times) == rule


def test_what_is_minted_inside_an_endpoint_can_be_merged_into():
    for minted in MINTED:
        rule = read_spec(f'{minted}:merge={{"iss": "x"}}')
        assert (rule.endpoint, rule.seam, rule.merge) == (minted, minted, {"iss": "x"})
    assert read_response({"endpoint": "token", "failure": "invalid-iss"}).seam == "id_token"
    assert read_response({"endpoint": "logout", "failure": "backchannel-logout-nonce"}).seam == "logout_token"


def test_some_uses_are_more_than_one_answer():
    assert read_spec("signing-key-rotation*3").left == 6
    assert read_spec("token:closed").left == 1


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("invalid_iss", "invalid-iss"),
        ("invlid-iss", "invalid-iss"),
        ("missing-nonse", "missing-nonce"),
        ("Happy-Path", "happy-path"),
        ("backchannel-logout-wrong-issuer", "backchannel-logout-wrong-iss"),
        ("token-type-unkown", "token-type-unknown"),
        ("form_post", "form-post"),
        ("close", "closed"),
    ],
)
def test_who_nearly_knows_the_name_is_told_it(wrong: str, right: str):
    for read in (lambda: read_spec(wrong), lambda: read_response({"failure": wrong})):
        with pytest.raises(ScriptError) as raised:
            read()
        assert str(raised.value) == f"There is no failure {wrong}. Do you mean {right}?"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({}, "Say at which endpoint: authorize, "),
    ({"endpoint": "token"}, "Say what is to happen: failure, error, status, body, merge or delay."),
    ({"endpoint": "token", "merge": {}}, "Say what is to happen"),
    ({"endpoint": "token", "stauts": 500}, "stauts is not known here; known are endpoint, failure, "),
    ({"failure": "nothing-like-it"}, "There is no failure nothing-like-it."),
    ({"failure": "x" * 5000}, "There is no failure xxxx"),
    ({"failure": ["invalid-iss"]}, "There is no failure ['invalid-iss']."),
    ({"failure": {"name": "invalid-iss"}}, "There is no failure {"),
    ({"failure": "closed"}, "Say at which endpoint"),
    ({"failure": "closed", "endpoint": "tokens"}, "endpoint must be one of authorize, "),
    ({"status": 500, "endpoint": ["token"]}, "endpoint must be one of "),
    ({"failure": "invalid-iss", "endpoint": "userinfo"}, "invalid-iss happens at id_token, not at userinfo."),
    ({"endpoint": "id_token", "status": 500}, "id_token is not an endpoint of its own; only merge and named failures"),
    ({"endpoint": "logout_token", "failure": "closed"}, "logout_token is not an endpoint of its own"),
    ({"endpoint": "token", "status": 199}, "status must be a number from 200 to 599."),
    ({"endpoint": "token", "status": 600}, "status must be"),
    ({"endpoint": "token", "status": 0}, "status must be"),
    ({"endpoint": "token", "status": "500"}, "status must be"),
    ({"endpoint": "token", "status": 500.0}, "status must be"),
    ({"endpoint": "token", "status": True}, "status must be"),
    ({"endpoint": "token", "delay": -0.1}, "delay must be seconds, at most 60."),
    ({"endpoint": "token", "delay": 60.001}, "delay must be"),
    ({"endpoint": "token", "delay": math.nan}, "delay must be"),
    ({"endpoint": "token", "delay": math.inf}, "delay must be"),
    ({"endpoint": "token", "delay": "1"}, "delay must be"),
    ({"endpoint": "token", "delay": True}, "delay must be"),
    ({"endpoint": "token", "error": 'a"b'}, "error must be 1 to 200 printable ASCII characters without quotes"),
    ({"endpoint": "token", "error": "a\\b"}, "error must be"),
    ({"endpoint": "token", "error": ""}, "error must be"),
    ({"endpoint": "token", "error": "a" * 201}, "error must be"),
    ({"endpoint": "token", "error": "a\r\nSet-Cookie: b"}, "error must be"),
    ({"endpoint": "token", "error": "schön"}, "error must be"),
    ({"endpoint": "token", "error": 5}, "error must be"),
    ({"endpoint": "token", "error": "e", "error_description": "a\nb"}, "error_description must be"),
    ({"endpoint": "token", "error": "e", "error_description": ["a"]}, "error_description must be"),
    ({"endpoint": "token", "body": "x" * (LARGEST_BODY + 1)}, "body must be text or JSON of at most 65536 bytes."),
    ({"endpoint": "token", "body": "ä" * (LARGEST_BODY // 2 + 1)}, "body must be"),
    ({"endpoint": "token", "body": ["x" * LARGEST_BODY]}, "body must be JSON of at most 65536 bytes"),
    ({"endpoint": "token", "body": "\ud800"}, "body must be"),
    ({"endpoint": "token", "body": b"bytes"}, "body must be"),
    ({"endpoint": "token", "body": 5}, "body must be"),
    ({"endpoint": "token", "body": {"a": object()}}, "body holds something that JSON does not have."),
    ({"endpoint": "token", "status": 500, "headers": "A: b"}, "headers must be an object"),
    ({"endpoint": "token", "status": 500, "headers": {"A B": "c"}}, "headers must be"),
    ({"endpoint": "token", "status": 500, "headers": {"A": "b\r\nC: d"}}, "headers must be"),
    ({"endpoint": "token", "status": 500, "headers": {"A": "ä"}}, "headers must be"),
    ({"endpoint": "token", "status": 500, "headers": {"A": 1}}, "headers must be"),
    ({"endpoint": "token", "status": 500, "headers": {"Content-Length": "1"}}, "headers must be"),
    ({"endpoint": "token", "status": 500, "headers": {"transfer-encoding": "chunked"}}, "headers must be"),
    ({"endpoint": "token", "status": 500, "headers": {"CONNECTION": "close"}}, "headers must be"),
    ({"endpoint": "token", "merge": []}, "merge must be an object."),
    ({"endpoint": "token", "merge": "scope"}, "merge must be an object."),
    ({"endpoint": "token", "merge": {"a": math.nan}}, "merge holds something that JSON does not have."),
    ({"endpoint": "token", "merge": {"a": "\ud800"}}, "merge holds something"),
    ({"endpoint": "token", "merge": {"a": {1, 2}}}, "merge holds something"),
    ({"endpoint": "token", "merge": {"a": "x" * LARGEST_BODY}}, "merge must be JSON of at most 65536 bytes, nested"),
    ({"failure": "invalid-iss", "times": 0}, "times must be a number from 1 to 10000, or always."),
    ({"failure": "invalid-iss", "times": MOST_TIMES + 1}, "times must be"),
    ({"failure": "invalid-iss", "times": -1}, "times must be"),
    ({"failure": "invalid-iss", "times": 1.0}, "times must be"),
    ({"failure": "invalid-iss", "times": True}, "times must be"),
    ({"failure": "invalid-iss", "times": "2"}, "times must be"),
    ({"failure": "invalid-iss", "times": "Always"}, "times must be"),
    ({"failure": "invalid-iss", "times": None}, "times must be"),
    ({"failure": "trailing-slash-issuer", "times": "many"}, "times must be"),
    ({"endpoint": "token", "error_description": "Why."}, "error_description goes with an error."),
    ({"endpoint": "token", "status": 500, "error_description": "Why."}, "error_description goes with an error."),
    ({"endpoint": "token", "headers": {"A": "b"}}, "headers go with a status or a body."),
    ({"endpoint": "token", "delay": 1, "headers": {"A": "b"}}, "headers go with a status or a body."),
    ({"endpoint": "token", "error": "e", "headers": {"A": "b"}}, "headers go with a status or a body."),
    ({"endpoint": "token", "error": "e", "body": "b"}, "An error has a body of its own."),
    ({"endpoint": "authorize", "error": "e", "status": 400}, "At authorize an error is a redirect"),
    ({"endpoint": "token", "status": 500, "merge": {"a": 1}}, "merge changes the right answer, and here is none."),
    ({"endpoint": "token", "error": "e", "merge": {"a": 1}}, "merge changes the right answer"),
    ({"failure": "invalid-iss", "status": 500}, "id_token is not an endpoint of its own"),
    ({"failure": "token-type-unknown", "status": 500}, "token-type-unknown and status do not go together."),
    ({"failure": "token-type-unknown", "error": "e"}, "token-type-unknown and error do not go together."),
    ({"failure": "client-secret-post", "delay": 1}, "client-secret-post and delay do not go together."),
    ({"failure": "client-secret-post", "merge": {"a": 1}}, "client-secret-post and merge do not go together."),
    ({"failure": "expired-code", "body": "b"}, "expired-code and body do not go together."),
    ({"failure": "closed", "endpoint": "token", "status": 500}, "closed and status do not go together."),
    ({"failure": "garbage", "endpoint": "token", "merge": {"a": 1}}, "garbage and merge do not go together."),
]


@pytest.mark.parametrize(("fields", "sentence"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_a_mistake_is_a_sentence(fields: dict[str, Any], sentence: str):
    with pytest.raises(ScriptError) as raised:
        read_response(fields)
    said = str(raised.value)
    assert said.startswith(sentence)
    assert said.endswith((".", "?"))
    assert len(said) < 600


def test_what_goes_together():
    """Beside a failure those fields that do something."""
    for fields in (
        {"failure": "token-type-unknown", "merge": {"scope": None}, "delay": 1},
        {"failure": "invalid-iss", "merge": {"sub": None}},
        {"failure": "expired-code", "error_description": "Too late.", "status": 401, "delay": 1},
        {"failure": "token-endpoint-redirect", "status": 302, "headers": {"X-A": "b"}},
        {"failure": "status", "endpoint": "jwks", "status": 404, "body": {"a": 1}, "headers": {"X-A": "b"}},
        {"failure": "truncated", "endpoint": "jwks", "body": "{}", "status": 500, "delay": 1},
        {"failure": "drip", "endpoint": "jwks", "merge": {"keys": []}},
        {"failure": "huge", "endpoint": "jwks", "delay": 60},
        {"endpoint": "token", "error": "slow_down", "status": 429, "error_description": "Slower.", "delay": 1},
        {"endpoint": "token", "body": {"access_token": 5}, "headers": {"content-type": "text/json"}},
    ):
        rule = read_response(fields)
        early = vars(rule.early) if rule.early else {}
        for name in set(fields) & {"status", "delay", "error", "error_description"}:
            assert early[name] == fields[name]
        assert rule.merge == fields.get("merge", {})


def test_bounds_are_within():
    read_response({"endpoint": "token", "status": 599, "body": "x" * LARGEST_BODY, "times": MOST_TIMES, "delay": 60})
    read_response({"endpoint": "token", "error": "".join(c for c in string.printable[:94] if c not in '"\\')})
    for depth, fits in ((DEEPEST, True), (DEEPEST + 1, False), (5000, False)):
        nested: Any = 1
        for _ in range(depth):
            nested = {"a": nested}
        if fits:
            assert read_response({"endpoint": "token", "merge": nested}).merge == nested
            continue
        with pytest.raises(ScriptError):
            read_response({"endpoint": "token", "merge": nested})


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("", "'' is not of the form [ENDPOINT:]NAME[=VALUE][*TIMES]."),
        ("invalid iss", "'invalid iss' is not of the form"),
        ("token:", "'token:' is not of the form"),
        (":closed", "':closed' is not of the form"),
        ("token:closed*", "'token:closed*' is not of the form"),
        ("token:closed*-1", "'token:closed*-1' is not of the form"),
        ("token:closed*99999999999999999999", "'token:closed*999"),
        ("token:closed*0", "times must be a number from 1 to 10000, or always."),
        ("token:closed*10001", "times must be"),
        ("token:status=many", "status=many cannot be read: status takes a number such as 503 (then *2 or *always)."),
        ("token:status=", "status= cannot be read: status takes a number such as 503 (then *2 or *always)."),
        ("token:status=" + "9" * 5000, "status=999"),
        ("token:merge={", "merge={ cannot be read: merge takes a JSON object."),
        ("token:merge=" + '{"a":' * 30_000, "merge={"),
        ("token:merge=[1]", "merge must be an object."),
        ("token:delay=NaN", "delay must be seconds"),
        ("token:status=null", "Say what is to happen"),
        ('token:headers={"A": "b"}', "headers go with a status or a body."),
        ("token:invalid=5", "invalid takes no value."),
        ("token:closed=5", "closed takes no value."),
        ("closed", "Say at which endpoint"),
        ("toke:closed", "endpoint must be one of"),
        ("Token:closed", "'Token:closed' is not of the form"),
        ("userinfo:invalid-iss", "invalid-iss happens at id_token, not at userinfo."),
        ("x" * 100_000 + " ", "'xxx"),
    ],
)
def test_a_word_that_is_wrong_is_a_sentence_too(spec: str, sentence: str):
    with pytest.raises(ScriptError) as raised:
        read_spec(spec)
    said = str(raised.value)
    assert said.startswith(sentence)
    assert said.endswith((".", "?"))
    assert len(said) < 600


NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, 10**400, math.nan, math.inf, "", " ", "a", "\x00", "\ud800", "*", "é" * 9,
    b"a", [], {}, [[]], {"": None}, {"a": {"b": None}}, [None], {"\ud800": 1}, {1: 2}, object(), {1}, 1j, (1,),
    "always",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_whatever_is_given_is_a_rule_or_a_sentence(field: str):
    """Never another exception: it would be an error of ours on the page, and a traceback at the command line."""
    for base in ({}, {"endpoint": "token"}, {"endpoint": "authorize", "error": "e"}, {"failure": "invalid-iss"},
                 {"endpoint": "jwks", "failure": "drip"}, {"endpoint": "token", "status": 500}):  # fmt: skip
        for value in NASTY:
            with contextlib.suppress(ScriptError):
                rule = read_response({**base, field: value})
                json.dumps(rule.described()).encode()


SAID_BEFORE = ("The body is not JSON.", *(f"{field} has the wrong type." for field in FIELDS))
"""By the controls, which look at every body first."""


def test_over_http_it_is_an_error_that_can_be_read():
    app = create_provider_app(DevProvider([Client("rp", "secret")]))
    client = app.test_client()
    for fields, sentence in MISTAKES:
        try:
            body = json.dumps(fields, allow_nan=False)
        except (TypeError, ValueError):  # only Python can say this
            continue
        answer = client.post("/dev/responses", data=body, content_type="application/json", base_url="http://127.0.0.1")
        too_long = len(body) > 64 * 1024
        assert answer.status_code == 400, fields
        found: Any = answer.json
        assert found["error"] == "invalid_request"
        assert too_long or found["error_description"].startswith((sentence, *SAID_BEFORE))
    assert client.get("/dev/responses", base_url="http://127.0.0.1").json == {"responses": []}
