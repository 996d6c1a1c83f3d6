"""Introspection (RFC 7662), revocation (RFC 7009), and the five ways a client can prove itself."""

import itertools
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from tests.contract.party import CLIENT_ID, Party, basic, fields_of

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET = "another-secret-0123456789-abcdefghij"
KEY = ECKey.generate_key("P-256", {"kid": "client-key", "use": "sig", "alg": "ES256"})
NUMBERS = itertools.count()


def introspected(provider: Party, token: str, auth: str = "") -> dict[str, Any]:
    return fields_of(provider.form("/oauth/introspect", {"token": token}, auth=auth))


def test_a_live_access_token_is_described(provider: Party) -> None:
    token = provider.tokens(scope="openid message_read")["access_token"]
    now = int(provider.clock())
    assert introspected(provider, token) == {
        "active": True,
        "scope": "openid message_read",
        "client_id": CLIENT_ID,
        "username": "Alice Archer",
        "token_type": "bearer",
        "exp": now + 3600,
        "iat": now,
        "sub": "alice",
        "aud": provider.url,
        "iss": provider.url,
    }


def test_a_refresh_token_is_described_too_and_has_no_type(provider: Party) -> None:
    found = introspected(provider, provider.tokens()["refresh_token"])
    assert found["active"] is True
    assert "token_type" not in found


@pytest.mark.parametrize("token", ["unknown", "dk-dev-at-unknown", "a.b.c"])
def test_about_anything_else_nothing_is_said(provider: Party, token: str) -> None:
    assert introspected(provider, token) == {"active": False}


def test_an_expired_token_is_not_active(provider: Party) -> None:
    token = provider.tokens()["access_token"]
    provider.clock.advance(3601)
    assert introspected(provider, token) == {"active": False}


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
def test_who_does_not_prove_to_be_a_client_learns_nothing(provider: Party, path: str) -> None:
    token = provider.tokens()["access_token"]
    for auth in (None, basic(secret="wrong"), "Bearer " + token):
        answer = provider.form(path, {"token": token}, auth=auth)
        assert (answer.status_code, fields_of(answer)["error"]) == (401, "invalid_client")
    assert introspected(provider, token)["active"] is True


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
def test_a_token_has_to_be_named(provider: Party, path: str) -> None:
    answer = provider.form(path, {})
    assert (answer.status_code, fields_of(answer)["error"]) == (400, "invalid_request")


def test_a_public_client_may_not_ask(provider: Party) -> None:
    provider.register("app", token_endpoint_auth_method="none", client_secret="")
    answer = provider.form("/oauth/introspect", {"token": "x", "client_id": "app"}, auth=None)
    assert answer.status_code == 401


def test_a_revoked_access_token_is_dead_and_its_refresh_token_lives(provider: Party) -> None:
    fields = provider.tokens(scope="openid")
    answer = provider.form("/oauth/revoke", {"token": fields["access_token"], "token_type_hint": "access_token"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert provider.user_info(fields["access_token"]).status_code == 401
    assert provider.refresh(fields["refresh_token"]).status_code == 200


def test_a_revoked_refresh_token_takes_its_access_tokens_along(provider: Party) -> None:
    fields = provider.tokens(scope="openid")
    provider.form("/oauth/revoke", {"token": fields["refresh_token"]})
    assert provider.user_info(fields["access_token"]).status_code == 401
    assert fields_of(provider.refresh(fields["refresh_token"]))["error"] == "invalid_grant"


def test_an_unknown_token_is_no_error(provider: Party) -> None:
    assert provider.form("/oauth/revoke", {"token": "unknown"}).status_code == 200


def test_another_clients_token_cannot_be_revoked(provider: Party) -> None:
    fields = provider.tokens(scope="openid")
    auth = provider.register("other")
    answer = provider.form("/oauth/revoke", {"token": fields["refresh_token"]}, auth=auth)
    assert (answer.status_code, fields_of(answer)["error"]) == (400, "unauthorized_client")
    assert introspected(provider, fields["access_token"])["active"] is True


def own_token(provider: Party, form: dict[str, str], auth: str | None = None) -> tuple[int, str]:
    answer = provider.form("/oauth/token", {"grant_type": "client_credentials", **form}, auth=auth)
    return answer.status_code, fields_of(answer).get("error", "")


def assertion(provider: Party, key: Any, alg: str, **changes: Any) -> dict[str, str]:
    claims = {
        "iss": "proving",
        "sub": "proving",
        "aud": provider.url,
        "exp": int(provider.clock()) + 60,
        "jti": f"jti-{next(NUMBERS)}",
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return {"client_assertion_type": ASSERTION, "client_assertion": jwt.encode({"alg": alg}, claims, key)}


@pytest.mark.parametrize("audience", ["issuer", "endpoint", "list"])
def test_private_key_jwt_proves_a_client(provider: Party, audience: str) -> None:
    register_with_key(provider)
    said = {"issuer": provider.url, "endpoint": provider.url + "/oauth/token", "list": ["x", provider.url]}[audience]
    assert own_token(provider, assertion(provider, KEY, "ES256", aud=said)) == (200, "")


def register_with_key(provider: Party) -> None:
    public = KEY.as_dict(private=False)
    provider.register("proving", token_endpoint_auth_method="private_key_jwt", client_secret="", jwks=[public])


@pytest.mark.parametrize(
    "changes",
    [{"iss": "x"}, {"sub": "x"}, {"aud": "https://elsewhere"}, {"aud": None}, {"exp": 1}, {"exp": None}, {"jti": None}],
    ids=str,
)
def test_an_assertion_that_says_something_else_proves_nothing(provider: Party, changes: dict[str, Any]) -> None:
    register_with_key(provider)
    assert own_token(provider, assertion(provider, KEY, "ES256", **changes)) == (401, "invalid_client")


def test_an_assertion_by_another_key_or_by_none_proves_nothing(provider: Party) -> None:
    register_with_key(provider)
    foreign = ECKey.generate_key("P-256")
    assert own_token(provider, assertion(provider, foreign, "ES256")) == (401, "invalid_client")
    header = urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    unsigned = assertion(provider, KEY, "ES256")["client_assertion"].split(".")
    form = {"client_assertion_type": ASSERTION, "client_assertion": f"{header}.{unsigned[1]}."}
    assert own_token(provider, form) == (401, "invalid_client")


def test_an_assertion_works_once(provider: Party) -> None:
    register_with_key(provider)
    form = assertion(provider, KEY, "ES256")
    assert [own_token(provider, form)[0], own_token(provider, form)[0]] == [200, 401]


def test_client_secret_jwt_proves_a_client(provider: Party) -> None:
    provider.register("proving", token_endpoint_auth_method="client_secret_jwt")
    key = OctKey.import_key(SECRET)
    assert own_token(provider, assertion(provider, key, "HS256")) == (200, "")
    wrong = OctKey.import_key("wrong" + SECRET)
    assert own_token(provider, assertion(provider, wrong, "HS256")) == (401, "invalid_client")


def test_client_secret_post_proves_a_client_registered_for_it(provider: Party) -> None:
    provider.register("proving", token_endpoint_auth_method="client_secret_post")
    assert own_token(provider, {"client_id": "proving", "client_secret": SECRET}) == (200, "")
    assert own_token(provider, {"client_id": "proving", "client_secret": "wrong"}) == (401, "invalid_client")
    assert own_token(provider, {}, auth=basic("proving", SECRET)) == (401, "invalid_client")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"client_id": CLIENT_ID}, id="none"),
        pytest.param({"client_id": CLIENT_ID, "client_secret": "s%41+ü:€&=/ ?"}, id="post"),
        pytest.param({"client_assertion_type": ASSERTION, "client_assertion": "a.b.c"}, id="assertion"),
    ],
)
def test_a_client_registered_for_basic_cannot_prove_itself_otherwise(provider: Party, form: dict[str, str]) -> None:
    assert own_token(provider, form) == (401, "invalid_client")


def test_any_takes_basic_and_post_and_no_less(provider: Party) -> None:
    auth = provider.register("proving", token_endpoint_auth_method="any")
    assert own_token(provider, {}, auth=auth)[0] == 200
    assert own_token(provider, {"client_id": "proving", "client_secret": SECRET})[0] == 200
    assert own_token(provider, {"client_id": "proving"})[0] == 401


def test_a_public_client_needs_pkce_and_has_no_token_of_its_own(provider: Party) -> None:
    provider.register("app", token_endpoint_auth_method="none", client_secret="")
    assert own_token(provider, {"client_id": "app"}) == (400, "unauthorized_client")
    answer = provider.authorize(client_id="app", prompt="none", login_hint="alice")
    assert "error=invalid_request" in answer.headers["Location"]


@pytest.mark.parametrize("text", ["", ".", "a.b", "a.b.c.d", "é.b.c", "A" * 60_000])
def test_what_is_no_assertion_is_refused_calmly(provider: Party, text: str) -> None:
    form = {"client_assertion_type": ASSERTION, "client_assertion": text}
    assert own_token(provider, form)[0] == 401
    assert own_token(provider, {**form, "client_assertion_type": "x"})[0] in (400, 401)
