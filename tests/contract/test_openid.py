"""OpenID Connect on top of the plain contract: ID tokens, UserInfo, metadata, keys (OpenID Connect Core, Discovery).

The plain contract has suites of its own beside this one; here is also that it does not change.
"""

import hashlib
import json
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from tests.contract.party import CLIENT_ID, REDIRECT_URI, STATE, Party, fields_of, query_of

ALGS = ["RS256", "PS256", "ES256", "EdDSA"]


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def verified(provider: Party, token: str) -> jwt.Token:
    """The token, checked against the keys that are published now."""
    keys = KeySet.import_key_set(provider.get("/oauth/jwks").json())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # RFC 9864 would like EdDSA to be called Ed25519
        return jwt.decode(token, keys, algorithms=ALGS)


def test_an_id_token_says_who_for_whom_and_from_when_to_when(provider: Party) -> None:
    fields = provider.tokens(scope="openid profile email", nonce="n-1")
    token = verified(provider, fields["id_token"])
    now = int(provider.clock())
    half = hashlib.sha256(fields["access_token"].encode()).digest()[:16]
    assert token.header["alg"] == "RS256"
    assert token.header["kid"].startswith("dk-dev-")
    assert token.claims == {
        "iss": provider.url,
        "sub": "alice",
        "aud": CLIENT_ID,
        "exp": now + 3600,
        "iat": now,
        "auth_time": now,
        "nonce": "n-1",
        "at_hash": urlsafe_b64encode(half).rstrip(b"=").decode(),
        "sid": token.claims["sid"],
        "name": "Alice Archer",
        "preferred_username": "alice",
        "groups": ["admins", "staff"],
        "email": "alice@example.com",
        "email_verified": True,
    }


def test_without_openid_nothing_of_it_appears(provider: Party) -> None:
    fields = provider.tokens(scope="message_read", nonce="n-1")
    assert list(fields) == ["access_token", "token_type", "expires_in", "refresh_token", "scope"]
    refreshed = fields_of(provider.refresh(fields["refresh_token"]))
    contract = ["access_token", "token_type", "expires_in", "refresh_token", "scope"]
    assert list(refreshed) == [*contract, "id", "displayName", "jti", "providerId", "permissions"]
    answer = provider.authorize(prompt="none", login_hint="alice", scope="message_read")
    assert "Set-Cookie" not in answer.headers
    assert set(query_of(answer)) == {"code", "state", "iss"}


def test_openid_is_never_given_unasked(provider: Party) -> None:
    assert "openid" not in provider.tokens()["scope"]


def test_a_refresh_brings_an_id_token_of_the_same_sign_in(provider: Party) -> None:
    first = provider.tokens(scope="openid", nonce="n-1")
    provider.clock.advance(100)
    second = fields_of(provider.refresh(first["refresh_token"]))
    before, after = claims_of(first["id_token"]), verified(provider, second["id_token"]).claims
    assert "nonce" not in after
    assert [after[name] for name in ("iss", "sub", "aud", "auth_time", "sid")] == [
        before[name] for name in ("iss", "sub", "aud", "auth_time", "sid")
    ]
    assert after["iat"] == before["iat"] + 100


def test_an_access_token_narrowed_below_openid_comes_without_id_token(provider: Party) -> None:
    first = provider.tokens(scope="openid message_read")
    assert "id_token" not in fields_of(provider.refresh(first["refresh_token"], scope="message_read"))


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", {"sub"}),
        ("openid email", {"sub", "email", "email_verified"}),
        ("openid profile", {"sub", "name", "preferred_username", "groups"}),
        ("openid groups", {"sub", "groups"}),
        ("message_read", {"sub", "name", "email", "groups"}),
    ],
)
def test_userinfo_says_what_the_scope_releases(provider: Party, scope: str, claims: set[str]) -> None:
    assert set(provider.user_info(provider.tokens(scope=scope)["access_token"]).json()) == claims


def test_userinfo_takes_the_token_from_a_form_too(provider: Party) -> None:
    token = provider.tokens(scope="openid")["access_token"]
    assert provider.form("/oauth/userinfo", {"access_token": token}, auth=None).json() == {"sub": "alice"}


@pytest.mark.parametrize(
    ("header", "form", "status", "challenge"),
    [
        ("", {}, 401, 'Bearer realm="Doorkey development provider"'),
        ("Bearer wrong", {}, 401, 'error="invalid_token"'),
        ("Basic abc", {}, 401, 'Bearer realm="Doorkey development provider"'),
        ("Bearer wrong", {"access_token": "wrong"}, 400, 'error="invalid_request"'),
    ],
)
def test_userinfo_refuses_as_rfc_6750_says(
    provider: Party, header: str, form: dict[str, str], status: int, challenge: str
) -> None:
    answer = provider.form("/oauth/userinfo", form, auth=header or None)
    assert answer.status_code == status
    assert challenge in answer.headers["WWW-Authenticate"]
    assert ("error=" in answer.headers["WWW-Authenticate"]) == ("error=" in challenge)


def test_a_token_in_the_query_is_none(provider: Party) -> None:
    token = provider.tokens(scope="openid")["access_token"]
    assert provider.get(f"/oauth/userinfo?access_token={token}").status_code == 401


@pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
def test_both_metadata_documents_are_what_authlib_takes_for_right(provider: Party, name: str) -> None:
    document = provider.get(f"/.well-known/{name}").json()
    assert document["issuer"] == provider.url
    # Authlib lets no issuer and no endpoint be http, which this provider is by design.
    secure = json.loads(json.dumps(document).replace("http://127.0.0.1", "https://127.0.0.1"))
    OpenIDProviderMetadata(secure).validate()
    AuthorizationServerMetadata(secure).validate()


def test_every_endpoint_of_the_metadata_is_there(provider: Party) -> None:
    document = provider.get("/.well-known/openid-configuration").json()
    endpoints = {name: url for name, url in document.items() if name.endswith(("_endpoint", "jwks_uri"))}
    assert len(endpoints) == 9
    for url in endpoints.values():
        assert url.startswith(provider.url + "/oauth/")
        assert provider.get(url.removeprefix(provider.url)).status_code != 404


def test_rotated_keys_replace_the_published_ones(provider: Party) -> None:
    old = provider.tokens(scope="openid")["id_token"]
    provider.control("POST", "/dev/keys", {})
    with pytest.raises(JoseError):
        verified(provider, old)
    assert verified(provider, provider.tokens(scope="openid")["id_token"]).claims["sub"] == "alice"


def test_kept_keys_still_verify(provider: Party) -> None:
    old = provider.tokens(scope="openid")["id_token"]
    provider.control("POST", "/dev/keys", {"keep": True})
    assert verified(provider, old).claims["sub"] == "alice"
    assert len(provider.get("/oauth/jwks").json()["keys"]) == 6


def test_the_keys_are_public_only(provider: Party) -> None:
    for key in provider.get("/oauth/jwks").json()["keys"]:
        assert not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


@pytest.mark.parametrize("alg", ALGS)
def test_a_client_chooses_how_its_id_tokens_are_signed(provider: Party, alg: str) -> None:
    auth = provider.register("signed", id_token_signed_response_alg=alg)
    fields = provider.tokens(scope="openid", auth=auth, client_id="signed")
    token = verified(provider, fields["id_token"])
    digest = hashlib.sha512 if alg == "EdDSA" else hashlib.sha256
    half = digest(fields["access_token"].encode()).digest()
    assert token.header["alg"] == alg
    assert token.claims["at_hash"] == urlsafe_b64encode(half[: len(half) // 2]).rstrip(b"=").decode()


def test_a_client_chooses_jwts_for_access_tokens(provider: Party) -> None:
    auth = provider.register("jwts", access_token_format="jwt")
    fields = provider.tokens(scope="openid message_read", auth=auth, client_id="jwts")
    token = verified(provider, fields["access_token"])
    assert token.header["typ"] == "at+jwt"
    assert {name: token.claims[name] for name in ("iss", "sub", "client_id", "scope", "aud")} == {
        "iss": provider.url,
        "sub": "alice",
        "client_id": "jwts",
        "scope": "openid message_read",
        "aud": provider.url,
    }
    assert provider.user_info(fields["access_token"]).json() == {"sub": "alice"}


def test_resource_indicators_become_the_audience(provider: Party) -> None:
    auth = provider.register("jwts", access_token_format="jwt")
    apis = ["https://api.example/a", "https://api.example/b"]
    code = query_of(provider.authorize(prompt="none", login_hint="alice", client_id="jwts", resource=apis))["code"]
    narrowed = fields_of(provider.redeem(code, auth=auth, resource=apis[1]))
    assert verified(provider, narrowed["access_token"]).claims["aud"] == apis[1]
    code = query_of(provider.authorize(prompt="none", login_hint="alice", client_id="jwts", resource=apis))["code"]
    assert verified(provider, fields_of(provider.redeem(code, auth=auth))["access_token"]).claims["aud"] == apis
    code = query_of(provider.authorize(prompt="none", login_hint="alice", client_id="jwts", resource=apis))["code"]
    assert fields_of(provider.redeem(code, auth=auth, resource="https://evil.example"))["error"] == "invalid_target"


def test_a_refresh_may_name_a_resource_and_loses_nothing_when_it_may_not(provider: Party) -> None:
    auth = provider.register("jwts", access_token_format="jwt")
    apis = ["https://api.example/a", "https://api.example/b"]
    code = query_of(provider.authorize(prompt="none", login_hint="alice", client_id="jwts", resource=apis))["code"]
    token = fields_of(provider.redeem(code, auth=auth, resource=apis[0]))["refresh_token"]
    assert fields_of(provider.refresh(token, auth=auth, resource="https://evil.example"))["error"] == "invalid_target"
    second = fields_of(provider.refresh(token, auth=auth, resource=apis[1]))
    assert verified(provider, second["access_token"]).claims["aud"] == apis[1]
    third = fields_of(provider.refresh(second["refresh_token"], auth=auth))
    assert verified(provider, third["access_token"]).claims["aud"] == apis


def test_signed_userinfo_comes_as_a_jwt(provider: Party) -> None:
    auth = provider.register("signed", userinfo_signed_response_alg="ES256")
    answer = provider.user_info(provider.tokens(scope="openid", auth=auth, client_id="signed")["access_token"])
    assert answer.headers["Content-Type"] == "application/jwt"
    assert verified(provider, answer.text).claims == {"sub": "alice", "iss": provider.url, "aud": "signed"}


def test_a_form_posts_itself_when_form_post_is_asked(provider: Party) -> None:
    page = provider.authorize(prompt="none", login_hint="alice", scope="openid", response_mode="form_post")
    assert page.status_code == 200
    assert f'action="{REDIRECT_URI}"' in page.text
    for field in ("code", "state", "iss"):
        assert f'name="{field}"' in page.text
    assert "form-action 'self' http://127.0.0.1:8000" in page.headers["Content-Security-Policy"]


def test_an_error_is_posted_too(provider: Party) -> None:
    page = provider.authorize(prompt="none", login_hint="nobody", scope="openid", response_mode="form_post")
    assert 'value="login_required"' in page.text
    assert f'value="{STATE}"' in page.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "e30."}, "request_not_supported"),
        ({"resource": "relative"}, "invalid_target"),
        ({"scope": "openid unheard_of"}, "invalid_scope"),
        ({"prompt": "none", "login_hint": "nobody"}, "login_required"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_what_is_wrong_goes_back_with_its_error(provider: Party, changes: dict[str, str], error: str) -> None:
    found = query_of(provider.authorize(**{"scope": "openid", **changes}))
    assert (found["error"], found["state"], found["iss"]) == (error, STATE, provider.url)


def test_openid_recommends_a_state_and_the_contract_demands_it(provider: Party) -> None:
    assert "code" in query_of(provider.authorize(scope="openid", state=None, prompt="none", login_hint="alice"))
    assert query_of(provider.authorize(state=None))["error"] == "invalid_request"


def test_who_is_signed_in_is_remembered_for_prompt_none(provider: Party) -> None:
    first = provider.authorize(scope="openid", prompt="none", login_hint="alice")
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    provider.clock.advance(50)
    again = provider.authorize(scope="openid", prompt="none", cookie=cookie, max_age="100")
    fields = fields_of(provider.redeem(query_of(again)["code"]))
    assert claims_of(fields["id_token"])["auth_time"] == int(provider.clock()) - 50
    provider.clock.advance(51)
    late = provider.authorize(scope="openid", prompt="none", cookie=cookie, max_age="100")
    assert query_of(late)["error"] == "login_required"


def test_acr_values_come_back_as_acr(provider: Party) -> None:
    fields = provider.tokens(scope="openid", acr_values="gold silver")
    assert claims_of(fields["id_token"])["acr"] == "gold"


def test_a_hint_at_somebody_else_needs_a_page(provider: Party) -> None:
    alice = provider.tokens(scope="openid")["id_token"]
    asked = {"scope": "openid", "prompt": "none", "id_token_hint": alice}
    assert "code" in query_of(provider.authorize(login_hint="alice", **asked))
    assert query_of(provider.authorize(login_hint="bob", **asked))["error"] == "login_required"


def test_an_authorization_request_may_come_as_a_form(provider: Party) -> None:
    form = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "response_type": "code", "state": STATE,
            "scope": "openid", "prompt": "none", "login_hint": "alice"}  # fmt: skip
    assert "code" in query_of(provider.form("/oauth/authorize", form, auth=None))


def test_a_failure_is_not_escaped_by_a_parameter_of_ones_own(provider: Party) -> None:
    provider.control("POST", "/dev/responses", {"endpoint": "jwks", "status": 503})
    assert [provider.get("/oauth/jwks?followed=1").status_code for _ in range(2)] == [503, 200]
