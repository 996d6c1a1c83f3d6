"""`/dev/*` of the development provider: users, clients, tokens, and what is to go wrong."""

import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.test import Client as Browser

from doorkey.devprovider.failures import FAILURES
from doorkey.devprovider.realm import MOST_DEFINITIONS
from doorkey.devprovider.script import MOST_RULES
from doorkey.devprovider.users import USERS
from doorkey.events import fingerprint
from tests.conftest import MovedClock
from tests.support.controls import REDIRECT_URI, SECRET, Controls, claims_of


@pytest.fixture
def dev(clock: MovedClock) -> Controls:
    return Controls(clock)


def test_a_user_comes_signs_in_and_goes(dev: Controls) -> None:
    assert [user["sub"] for user in dev.does("GET", "/dev/users")["users"]] == [user.sub for user in USERS]
    given = {"name": "Erin", "email": "erin@example.com", "groups": ["staff"], "claims": {"locale": "de"}}
    assert dev.does("PUT", "/dev/users/erin", given, status=201) == {"sub": "erin", "about": "", **given}
    token = dev.does("POST", "/dev/tokens", {"sub": "erin", "scope": "openid profile"}, status=201)["access_token"]
    assert json.loads(dev.user_info(token).data)["locale"] == "de"
    replaced = dev.does("PUT", "/dev/users/erin", {})
    assert (replaced["name"], replaced["email"], replaced["claims"]) == ("erin", "", {})
    assert dev.does("DELETE", "/dev/users/erin", status=204) is None
    assert dev.user_info(token).status_code == 401
    dev.does("DELETE", "/dev/users/erin", status=404)


def test_a_client_comes_works_and_goes(dev: Controls) -> None:
    given = {"client_secret": "canary-other-secret", "redirect_uris": [REDIRECT_URI], "scope": "read"}
    assert dev.does("PUT", "/dev/clients/new", given, status=201)["scopes"] == ["read"]
    form = {"grant_type": "client_credentials"}
    assert dev.send("POST", "/oauth/token", data=form, auth=("new", "canary-other-secret")).status_code == 200
    listed = dev.does("GET", "/dev/clients")["clients"]
    assert [(one["client_id"], one["has_secret"]) for one in listed] == [
        ("app", True),
        ("public", False),
        ("new", True),
    ]
    assert "canary" not in json.dumps(listed)
    dev.does("PUT", "/dev/clients/new", given)
    dev.does("DELETE", "/dev/clients/new", status=204)
    assert dev.send("POST", "/oauth/token", data=form, auth=("new", "canary-other-secret")).status_code == 401


def test_names_may_hold_what_a_path_may(dev: Controls) -> None:
    for name in ("a b", "a/b", "a//b", "auth0|1", "x%25y", "erin@example.com"):
        sub = dev.does("PUT", "/dev/users/" + name.replace(" ", "%20").replace("|", "%7C"), {}, status=201)["sub"]
        assert sub == name.replace("%25", "%")


WRONG_DEFINITIONS = {
    "a key that is none": ("users", {"nmae": "E"}, "did you mean name?"),
    "a type": ("users", {"groups": "staff"}, "groups must be a list of text"),
    "a claim of the provider's own": ("users", {"claims": {"iss": "x"}}, "claims must not have iss"),
    "a client's key": ("clients", {"client_secret": "s", "redirect_url": "x"}, "did you mean redirect_uris?"),
    "a choice": ("clients", {"client_secret": "s", "redirect_check": "no"}, "one of exact, local, any"),
    "no secret": ("clients", {}, "client_secret is missing"),
    "no object": ("users", [], "The body must be a JSON object."),
}


@pytest.mark.parametrize(("kind", "body", "said"), WRONG_DEFINITIONS.values(), ids=WRONG_DEFINITIONS)
def test_what_is_wrong_with_a_definition_is_named(dev: Controls, kind: str, body: Any, said: str) -> None:
    before = dev.does("GET", f"/dev/{kind}")
    assert said in dev.wrong("PUT", f"/dev/{kind}/new", body)
    assert dev.does("GET", f"/dev/{kind}") == before


@pytest.mark.parametrize(("kind", "body"), [("users", {}), ("clients", {"client_secret": "s"})])
def test_a_thousand_are_enough(dev: Controls, kind: str, body: dict[str, str]) -> None:
    known = len(dev.does("GET", f"/dev/{kind}")[kind])
    for number in range(MOST_DEFINITIONS - known):
        dev.does("PUT", f"/dev/{kind}/n{number}", body, status=201)
    assert dev.wrong("PUT", f"/dev/{kind}/more", body) == f"There are {MOST_DEFINITIONS} {kind} already."
    dev.does("PUT", f"/dev/{kind}/n0", body)
    dev.does("DELETE", f"/dev/{kind}/n0", status=204)
    dev.does("PUT", f"/dev/{kind}/more", body, status=201)


def test_a_token_for_a_user_and_one_for_the_client_itself(dev: Controls) -> None:
    of_alice = dev.does("POST", "/dev/tokens", {"sub": "alice", "scope": "openid email"}, status=201)
    assert json.loads(dev.user_info(of_alice["access_token"]).data)["email"] == "alice@example.com"
    assert claims_of(of_alice["id_token"])["sub"] == "alice"
    assert "error" not in dev.token(grant_type="refresh_token", refresh_token=of_alice["refresh_token"])
    own = dev.does("POST", "/dev/tokens", status=201)
    assert (own["scope"], "refresh_token" in own, "id_token" in own) == ("read write", False, False)
    shown = dev.does("GET", "/dev/tokens")["tokens"]
    assert {fingerprint(of_alice["access_token"]), fingerprint(own["access_token"])} <= {
        one["fingerprint"] for one in shown
    }
    assert own["access_token"] not in json.dumps(shown)


@pytest.mark.parametrize("format", ["opaque", "jwt"])
def test_a_token_may_have_expired_before_it_was_issued(dev: Controls, clock: MovedClock, format: str) -> None:
    made = dev.does("POST", "/dev/tokens", {"sub": "alice", "expires_in": -60, "format": format}, status=201)
    assert made["expires_in"] == -60
    assert 'error="invalid_token"' in dev.user_info(made["access_token"]).headers["WWW-Authenticate"]
    form = {"token": made["access_token"]}
    assert json.loads(dev.send("POST", "/oauth/introspect", data=form, auth=("app", SECRET)).data) == {"active": False}
    if format == "jwt":
        assert claims_of(made["access_token"])["exp"] == int(clock()) - 60


def test_claims_make_a_token_a_signed_jwt(dev: Controls) -> None:
    order = {"sub": "bob", "claims": {"tenant": "t1", "roles": ["a"]}}
    token = dev.does("POST", "/dev/tokens", order, status=201)["access_token"]
    found = jwt.decode(token, KeySet.import_key_set(dev.does("GET", "/oauth/jwks")))
    assert found.header["typ"] == "at+jwt"
    assert {"sub": "bob", "client_id": "app", "tenant": "t1", "roles": ["a"]}.items() <= found.claims.items()
    assert dev.user_info(token).status_code == 200


WRONG_TOKENS = [
    ({"sub": "mallory"}, "There is no user mallory."),
    ({"client_id": "nobody"}, "There is no client nobody."),
    ({"format": "saml"}, "format must be jwt or opaque."),
    ({"format": "opaque", "claims": {"a": 1}}, "claims go into JWTs only; leave format out or say jwt."),
    ({"expires_in": 10**12}, "expires_in is at most 315360000."),
    ({"expires_in": True}, "expires_in has the wrong type."),
    ({"expires_in": "60"}, "expires_in has the wrong type."),
    ({"subject": "alice"}, "subject is not known here; known are sub, client_id, scope, expires_in, format, claims."),
]


@pytest.mark.parametrize(("order", "said"), WRONG_TOKENS, ids=[str(order) for order, _ in WRONG_TOKENS])
def test_what_is_wrong_with_an_order_of_tokens_is_named(dev: Controls, order: dict[str, Any], said: str) -> None:
    assert dev.wrong("POST", "/dev/tokens", order) == said
    assert dev.does("GET", "/dev/tokens") == {"tokens": []}


def test_the_tokens_of_one_user_end(dev: Controls) -> None:
    alice, bob = (dev.does("POST", "/dev/tokens", {"sub": sub}, status=201) for sub in ("alice", "bob"))
    own = dev.does("POST", "/dev/tokens", status=201)
    assert dev.does("POST", "/dev/tokens/revoke", {"sub": "alice"}) == {"revoked": 2}
    assert [dev.user_info(one["access_token"]).status_code for one in (alice, bob)] == [401, 200]
    assert dev.token(grant_type="refresh_token", refresh_token=alice["refresh_token"])["error"] == "invalid_grant"
    for body in ({}, {"sub": ""}):
        assert dev.wrong("POST", "/dev/tokens/revoke", body) == "Say whose: sub."
    assert fingerprint(own["access_token"]) in json.dumps(dev.does("GET", "/dev/tokens"))


def test_a_scripted_response_comes_as_often_as_it_was_asked_for(dev: Controls) -> None:
    order = {"endpoint": "token", "status": 503, "headers": {"Retry-After": "7"}, "times": 2}
    waits = {"endpoint": "token", "name": "token:status=503", "spec": "token:status=503", "left": 2}
    assert dev.does("POST", "/dev/responses", order, status=201) == waits
    ask = {"data": {"grant_type": "client_credentials"}, "auth": ("app", SECRET)}
    answers = [dev.send("POST", "/oauth/token", **ask) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert dev.does("GET", "/dev/responses") == {"responses": []}


def test_a_named_failure_and_fields_of_ones_own(dev: Controls) -> None:
    dev.does("POST", "/dev/responses", {"failure": "invalid-iss"}, status=201)
    dev.does("POST", "/dev/responses", {"endpoint": "token", "merge": {"expires_in": None, "x": {"y": 1}}}, status=201)
    found = dev.tokens()
    assert claims_of(found["id_token"])["iss"] == "http://localhost1"
    assert ("expires_in" in found, found["x"]) == (False, {"y": 1})
    dev.does("POST", "/dev/responses", {"failure": "closed", "endpoint": "userinfo", "times": "always"}, status=201)
    assert dev.does("GET", "/dev/responses")["responses"][0]["left"] == "always"
    assert dev.does("DELETE", "/dev/responses") == {"responses": []}
    assert dev.user_info(found["access_token"]).status_code == 200


def test_every_failure_is_in_the_vocabulary_and_can_be_asked_for(dev: Controls) -> None:
    listed = dev.does("GET", "/dev/failures")["failures"]
    assert [one["name"] for one in listed] == list(FAILURES)
    for one in listed:
        where = {"endpoint": "token"} if one["endpoint"] == "*" else {}
        dev.does("POST", "/dev/responses", {"failure": one["name"], **where}, status=201)
    assert {one["name"] for one in dev.does("GET", "/dev/responses")["responses"]} == set(FAILURES)


WRONG_RESPONSES = [
    ({}, "Say at which endpoint"),
    ({"endpoint": "token"}, "Say what is to happen"),
    ({"failure": "invalid-is"}, "Do you mean invalid-iss?"),
    ({"failure": []}, "failure has the wrong type."),
    ({"endpoint": [], "status": 500}, "endpoint has the wrong type."),
    ({"endpoint": "token", "status": True}, "status has the wrong type."),
    ({"endpoint": "token", "status": None}, "status has the wrong type."),
    ({"endpoint": "token", "delay": 3600}, "delay must be seconds, at most 60."),
    ({"endpoint": "token", "statsu": 500}, "statsu is not known here"),
]


@pytest.mark.parametrize(("order", "said"), WRONG_RESPONSES, ids=[str(order)[:50] for order, _ in WRONG_RESPONSES])
def test_what_is_wrong_with_a_scripted_response_is_named(dev: Controls, order: dict[str, Any], said: str) -> None:
    assert said in dev.wrong("POST", "/dev/responses", order)
    assert dev.does("GET", "/dev/responses") == {"responses": []}


def test_a_thousand_responses_may_wait(dev: Controls) -> None:
    for _ in range(MOST_RULES):
        dev.does("POST", "/dev/responses", {"endpoint": "par", "status": 500}, status=201)
    said = dev.wrong("POST", "/dev/responses", {"endpoint": "jwks", "status": 500})
    assert said == f"{MOST_RULES} responses are waiting already."


def test_the_clock_moves_for_the_provider_alone(dev: Controls, clock: MovedClock) -> None:
    token = dev.tokens()["access_token"]
    before = clock()
    assert dev.does("POST", "/dev/clock", {"advance": 3599}) == {"now": before + 3599, "offset": 3599}
    assert dev.user_info(token).status_code == 200
    dev.does("POST", "/dev/clock", {"advance": 1})
    assert dev.user_info(token).status_code == 401
    assert dev.does("POST", "/dev/clock", {"advance": -0.5})["offset"] == 3599.5
    assert dev.user_info(token).status_code == 200
    assert clock() == before


@pytest.mark.parametrize("advance", [315_360_001, -315_360_001, 1e300, 10**400])
def test_the_clock_moves_ten_years_at_most(dev: Controls, advance: float) -> None:
    assert dev.wrong("POST", "/dev/clock", {"advance": advance}) == "The clock moves ten years at most."
    dev.does("POST", "/dev/clock", {"advance": 315_360_000})
    dev.wrong("POST", "/dev/clock", {"advance": 1})
    assert dev.does("GET", "/dev/clock")["offset"] == 315_360_000


@pytest.mark.parametrize("keep", [False, True])
def test_keys_are_rotated(dev: Controls, keep: bool) -> None:
    old = dev.does("GET", "/oauth/jwks")
    before = dev.tokens()["id_token"]
    new = dev.does("POST", "/dev/keys", {"keep": keep})
    assert new == dev.does("GET", "/oauth/jwks")
    kids = [{key["kid"] for key in keys["keys"]} for keys in (old, new)]
    assert kids[0] <= kids[1] if keep else not kids[0] & kids[1]
    jwt.decode(dev.tokens()["id_token"], KeySet.import_key_set(new))
    jwt.decode(before, KeySet.import_key_set(old))
    assert not {"d", "p", "q", "k"} & {member for key in new["keys"] for member in key}


def test_new_keys_may_hide_under_the_old_names(dev: Controls) -> None:
    old, new = dev.does("GET", "/oauth/jwks")["keys"], dev.does("POST", "/dev/keys", {"same_kid": True})["keys"]
    assert [key["kid"] for key in old] == [key["kid"] for key in new]
    assert old != new
    assert dev.wrong("POST", "/dev/keys", {"keep": 1}) == "keep has the wrong type."


def waiting_device(dev: Controls) -> dict[str, Any]:
    form = {"scope": "openid read"}
    found: dict[str, Any] = json.loads(
        dev.send("POST", "/oauth/device_authorization", data=form, auth=("app", SECRET)).data
    )
    return found


def poll(dev: Controls, device: dict[str, Any]) -> dict[str, Any]:
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    return dev.token(grant_type=grant, device_code=device["device_code"])


def test_a_device_is_allowed_as_far_as_is_said(dev: Controls) -> None:
    device = waiting_device(dev)
    assert poll(dev, device)["error"] == "authorization_pending"
    decision = {"user_code": device["user_code"].lower().replace("-", " "), "user": "bob", "scope": "read write"}
    assert dev.does("POST", "/dev/device", decision) == {"user_code": device["user_code"], "decision": "allow"}
    found = poll(dev, device)
    assert found["scope"] == "read"
    assert json.loads(dev.user_info(found["access_token"]).data)["sub"] == "bob"
    dev.does("POST", "/dev/device", decision, status=404)


def test_a_device_is_denied(dev: Controls) -> None:
    device = waiting_device(dev)
    said = dev.does("POST", "/dev/device", {"user_code": device["user_code"], "deny": True})
    assert said["decision"] == "deny"
    assert poll(dev, device)["error"] == "access_denied"


@pytest.mark.parametrize("who", [{}, {"user": "mallory"}, {"user": "bob", "deny": True}, {"user": "", "deny": False}])
def test_somebody_has_to_decide_for_a_device(dev: Controls, who: dict[str, Any]) -> None:
    device = waiting_device(dev)
    said = dev.wrong("POST", "/dev/device", {"user_code": device["user_code"], **who})
    assert said == "Say who decides, as user, or deny."
    assert poll(dev, device)["error"] == "authorization_pending"


def test_leaving_elsewhere_ends_sessions_and_tells_the_clients(dev: Controls) -> None:
    browsers = [Browser(dev.app) for _ in range(3)]
    for browser, user in zip(browsers, ["alice", "alice", "bob"], strict=True):
        assert "code" in dev.sign_in(browser, login_hint=user)
    found = dev.does("POST", "/dev/logout", {"sub": "alice"})
    assert [one["sub"] for one in found["ended"]] == ["alice", "alice"]
    told = {"client_id": "app", "uri": "http://127.0.0.1:8000/left", "status": 204}
    assert found["told"] == [told, told]
    claims = [claims_of(token) for _, token in dev.told]
    assert {one["sid"] for one in claims} == {one["sid"] for one in found["ended"]}
    assert {one["aud"] for one in claims} == {"app"}
    assert [dev.sign_in(browser).get("error") for browser in browsers] == ["login_required", "login_required", None]
    assert dev.does("POST", "/dev/logout", {"sub": "alice"}) == {"ended": [], "told": []}


def test_one_session_can_end_by_its_name(dev: Controls) -> None:
    sids = [claims_of(dev.tokens()["id_token"])["sid"] for _ in range(2)]
    assert dev.does("POST", "/dev/logout", {"sid": sids[0]})["ended"] == [{"sid": sids[0], "sub": "alice"}]
    assert dev.wrong("POST", "/dev/logout", {"sub": ""}) == "Say who: sub, or sid."


def test_reset_is_a_new_start(dev: Controls) -> None:
    lists = ("users", "clients", "tokens", "responses", "clock")
    before = {name: dev.does("GET", f"/dev/{name}") for name in lists}
    keys = dev.does("GET", "/oauth/jwks")
    dev.does("PUT", "/dev/users/erin", {}, status=201)
    dev.does("DELETE", "/dev/clients/public", status=204)
    found = dev.tokens()
    dev.does("POST", "/dev/responses", {"failure": "invalid-iss"}, status=201)
    dev.does("POST", "/dev/clock", {"advance": 60})
    dev.does("POST", "/dev/keys")
    assert dev.does("POST", "/dev/reset") == {"reset": True}
    assert {name: dev.does("GET", f"/dev/{name}") for name in lists} == before
    assert dev.does("GET", "/dev/requests")["count"] == 0
    assert dev.does("GET", "/oauth/jwks") == keys
    assert dev.user_info(found["access_token"]).status_code == 401
    assert dev.token(grant_type="refresh_token", refresh_token=found["refresh_token"])["error"] == "invalid_grant"
    assert dev.wrong("POST", "/dev/reset", {"hard": True}) == "hard is not known here; known are none."
