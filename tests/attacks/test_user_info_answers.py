"""What a UserInfo endpoint may answer: without a usable identifier there is no session."""

import pytest

from tests.support.attack_asserts import assert_refused

BAD = {
    "401": (401, {"error": "invalid_token"}),
    "403": (403, {}),
    "500": (500, "oops"),
    "500-with-claims": (500, {"sub": "u"}),
    "201-with-claims": (201, {"sub": "u"}),
    "204": (204, b""),
    "html": (200, "<html><body>Sign in</body>"),
    "empty": (200, b""),
    "list": (200, [{"sub": "u"}]),
    "string": (200, '"u"'),
    "null": (200, "null"),
    "not-utf-8": (200, b'{"sub":"\xff"}'),
    "deep": (200, '{"sub":' + "[" * 30_000 + "]" * 30_000 + "}"),
    "sub-twice": (200, '{"sub":"a","sub":"b"}'),
    "no-sub": (200, {"name": "Una", "email": "una@example.com"}),
    "sub-empty": (200, {"sub": ""}),
    "sub-null": (200, {"sub": None}),
    "sub-object": (200, {"sub": {"id": "u"}}),
    "sub-list": (200, {"sub": ["u"]}),
    "sub-true": (200, {"sub": True}),
    "sub-fraction": (200, {"sub": 1.5}),
    "sub-300-characters": (200, {"sub": "u" * 300}),
    "sub-400-digits": (200, '{"sub":' + "9" * 400 + "}"),
    "sub-lone-surrogate": (200, '{"sub":"\\ud800"}'),
    "sub-surrogate-inside": (200, '{"sub":"user-\\udfff-1"}'),
    "error-is-object": (400, {"error": {"message": "x"}}),
    "jwt": (200, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1In0."),
}


@pytest.mark.parametrize(("status", "body"), BAD.values(), ids=BAD)
def test_a_user_info_answer_without_an_identifier_signs_nobody_in(status, body, person, stub):
    stub.answer("/userinfo", body, status)
    assert_refused(person, person.sign_in(), 502)
    assert len(stub.requests_to("/userinfo")) == 1


ODD = {
    "lone-surrogates": '"name":"\\ud800","email":"\\udc00","groups":["\\udc00","staff"]',
    "surrogate-as-group-only": '"groups":["\\ud800"]',
    "numbers": '"name":1,"email":2,"groups":3',
    "nulls": '"name":null,"email":null,"groups":null',
    "objects": '"name":{"a":1},"email":[],"groups":{"admin":true}',
    "groups-string": '"groups":"admin"',
    "groups-nested": '"groups":[["admin"],{"a":1},null,"",5,"staff"]',
    "control-characters": '"name":"a\\r\\nSet-Cookie: x=1\\u0000","groups":["a\\r\\nb"]',
    "long": '"name":"' + "n" * 20_000 + '","email":"' + "e" * 20_000 + '"',
    "many-groups": '"groups":[' + ",".join(f'"g{n}"' for n in range(6000)) + "]",
    "very-large-number": '"x":' + "9" * 4000,
}


@pytest.mark.parametrize("claims", ODD.values(), ids=ODD)
def test_odd_claims_beside_a_good_identifier_are_no_error(claims, person, stub):
    stub.answer("/userinfo", '{"sub":"user-1",' + claims + "}")
    answer = person.sign_in()
    assert answer.status_code == 303, answer.text
    session = person.session()
    assert session["user"] == "user-1"
    assert isinstance(session["name"], str)
    assert len(session["name"]) <= 320
    assert all(isinstance(group, str) and group for group in session["groups"])
    assert len(session["groups"]) <= 1000
    page = person.get("/")
    assert page.status_code == 200
    assert "x" not in page.headers.get("Set-Cookie", "")


@pytest.mark.parametrize("groups", ['"admin"', '{"admin":1}', '[["admin"]]', "null", '[{"name":"admin"}]'])
def test_only_a_list_of_strings_gives_groups(groups, person, stub):
    stub.answer("/userinfo", '{"sub":"user-1","groups":' + groups + "}")
    person.sign_in()
    assert person.session()["groups"] == []
