"""What a test says to the provider beside signing in: users, clients, tokens, failures, clock, keys, sessions."""

import dataclasses
import json
import time
from typing import Any

import pytest
import requests
from flask import Flask, request
from joserfc import jwt
from joserfc.jwk import KeySet

from doorkey.devprovider.definitions import LIFETIME_KEYS
from doorkey.testing import IssuedToken, OAuthProvider
from tests.support.strict_client import strict_client


def user_info(oauth_provider: OAuthProvider, token: IssuedToken) -> requests.Response:
    return requests.get(oauth_provider.config()["userinfo_endpoint"], headers=token.auth_header, timeout=5)


def ask_token(oauth_provider: OAuthProvider, client_id: str = "doorkey-tests", **form: str) -> requests.Response:
    known = oauth_provider.config(client_id)
    credentials = (known["client_id"], known["client_secret"])
    return requests.post(known["token_endpoint"], data=form, auth=credentials, timeout=5)


def test_the_configuration_is_what_the_metadata_says(oauth_provider: OAuthProvider) -> None:
    known = oauth_provider.config()
    metadata = requests.get(f"{oauth_provider.issuer}/.well-known/openid-configuration", timeout=5).json()
    own = {"client_id", "client_secret", "scope"}
    assert known.keys() == own | {"issuer", "jwks_uri"} | {name for name in known if name.endswith("_endpoint")}
    assert {name: metadata[name] for name in known.keys() - own} == {name: known[name] for name in known.keys() - own}
    assert (known["client_id"], known["scope"]) == ("doorkey-tests", "openid profile email")
    assert (oauth_provider.url, oauth_provider.issuer) == ("https://provider.test", "https://provider.test")


def test_a_user_is_added_and_changed(oauth_provider: OAuthProvider) -> None:
    oauth_provider.add_user("erin", name="Erin Eames", claims={"locale": "en"})
    oauth_provider.add_user("erin", email="erin@example.org", groups=["admin"])
    found = user_info(
        oauth_provider, oauth_provider.issue_token(sub="erin", scope="openid profile email groups")
    ).json()
    assert found == {
        "sub": "erin", "name": "Erin Eames", "locale": "en", "email": "erin@example.org", "groups": ["admin"],
    } | {name: found[name] for name in found.keys() & {"email_verified", "preferred_username"}}  # fmt: skip
    with pytest.raises(ValueError, match="did you mean email"):
        oauth_provider.add_user("erin", emial="")


def test_a_client_is_added_and_changed(oauth_provider: OAuthProvider) -> None:
    made = oauth_provider.add_client("notes", scope="notes.read")
    assert oauth_provider.config("notes")["client_secret"] == made.client_secret != ""
    assert made.redirect_check == "local"
    answer = ask_token(oauth_provider, "notes", grant_type="client_credentials")
    assert answer.json()["scope"] == "notes.read"
    changed = oauth_provider.add_client("notes", scope="notes.write", access_token_format="jwt")
    assert changed == dataclasses.replace(made, scopes=("notes.write",), access_token_format="jwt")
    assert oauth_provider.add_client("page", token_endpoint_auth_method="none").is_public
    exact = oauth_provider.add_client("exact", redirect_uris=["https://app.test/callback"])
    assert exact.redirect_check == "exact"
    with pytest.raises(ValueError, match="redirect_uri"):
        oauth_provider.add_client("notes", redirect_uri="https://app.test/")


def test_a_token_without_a_sign_in(oauth_provider: OAuthProvider) -> None:
    token = oauth_provider.issue_token(sub="bob", scope="openid email")
    assert user_info(oauth_provider, token).json()["sub"] == "bob"
    assert (token.scope, token.token_type.lower(), token.expires_in) == ("openid email", "bearer", 3600)
    refreshed = ask_token(oauth_provider, grant_type="refresh_token", refresh_token=token.refresh_token)
    assert refreshed.status_code == 200
    expired = oauth_provider.issue_token(sub="bob", scope="openid", expires_in=-5)
    assert user_info(oauth_provider, expired).status_code == 401
    own = oauth_provider.issue_token(scope="space_read")
    assert (own.refresh_token, own.id_token) == ("", "")


def test_a_token_with_claims_is_a_jwt(oauth_provider: OAuthProvider) -> None:
    token = oauth_provider.issue_token(sub="alice", scope="space_read", claims={"jti": "1"}, format="jwt")
    keys = KeySet.import_key_set(requests.get(oauth_provider.config()["jwks_uri"], timeout=5).json())
    claims = jwt.decode(token.access_token, keys).claims
    assert (claims["iss"], claims["sub"], claims["jti"]) == (oauth_provider.issuer, "alice", "1")
    for wrong in ({"sub": "zoe"}, {"client_id": "who"}, {"format": "saml"}, {"format": "opaque", "claims": {"a": 1}}):
        with pytest.raises(ValueError, match=r"\w+"):
            oauth_provider.issue_token(**wrong)


def test_secrets_are_text_that_is_not_shown(oauth_provider: OAuthProvider) -> None:
    token, known = oauth_provider.issue_token(sub="alice", scope="openid"), oauth_provider.config()
    secrets = [token.access_token, token.refresh_token, token.id_token, known["client_secret"]]
    shown = f"{token} {token!r} {token.auth_header} {known} {dict(known)} {[token.access_token]}"
    assert all(len(secret) > 20 for secret in secrets)
    assert not [secret for secret in secrets if str(secret) in shown]
    assert str(token) != token.access_token
    assert json.loads(json.dumps(known))["client_secret"] == known["client_secret"]
    assert f"Bearer {token.access_token}" == token.auth_header["Authorization"]


def test_the_next_responses(oauth_provider: OAuthProvider) -> None:
    form = {"grant_type": "client_credentials"}
    oauth_provider.next_response("token", error="temporarily_unavailable", error_description="Later.", times=2)
    oauth_provider.next_response("token", status=429, body={"slow": "down"}, headers={"Retry-After": "7"})
    oauth_provider.next_response("token", merge={"expires_in": 0, "scope": None})
    answers = [ask_token(oauth_provider, **form) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [503, 503, 429, 200, 200]
    assert answers[0].json()["error_description"] == "Later."
    assert (answers[2].headers["Retry-After"], answers[2].json()) == ("7", {"slow": "down"})
    assert (answers[3].json()["expires_in"], "scope" in answers[3].json()) == (0, False)
    assert (answers[4].json()["expires_in"], "scope" in answers[4].json()) == (3600, True)
    with pytest.raises(ValueError, match="Do you mean invalid-iss"):
        oauth_provider.next_response(failure="invalid-is")
    with pytest.raises(ValueError, match="at which endpoint"):
        oauth_provider.next_response(status=500)


@pytest.mark.oauth_provider(access_token_lifetime=60, lifetimes={"refresh_token": 120})
def test_time_goes_by(oauth_provider: OAuthProvider) -> None:
    token, began = oauth_provider.issue_token(sub="alice", scope="openid"), oauth_provider.clock.now
    assert token.expires_in == 60
    oauth_provider.clock.advance(61)
    assert 61 <= oauth_provider.clock.now - began < 65
    assert user_info(oauth_provider, token).status_code == 401
    oauth_provider.clock.advance(60)
    refused = ask_token(oauth_provider, grant_type="refresh_token", refresh_token=token.refresh_token)
    assert refused.json()["error"] == "invalid_grant"
    with pytest.raises(ValueError, match="ten years"):
        oauth_provider.clock.advance(1e12)


def test_keys_and_revocation(oauth_provider: OAuthProvider) -> None:
    def kids() -> set[str]:
        return {key["kid"] for key in requests.get(oauth_provider.config()["jwks_uri"], timeout=5).json()["keys"]}

    first = kids()
    oauth_provider.rotate_keys(keep=True)
    both = kids()
    oauth_provider.rotate_keys()
    assert first < both
    assert not kids() & both
    now = kids()
    oauth_provider.rotate_keys(same_kid=True)
    assert kids() == now
    token = oauth_provider.issue_token(sub="alice", scope="openid")
    assert oauth_provider.revoke_all("alice") == 2
    assert user_info(oauth_provider, token).status_code == 401


def test_a_device(oauth_provider: OAuthProvider) -> None:
    known = oauth_provider.config()
    credentials = (known["client_id"], known["client_secret"])

    def begin() -> Any:
        data = {"scope": "profile email"}
        return requests.post(known["device_authorization_endpoint"], data=data, auth=credentials, timeout=5).json()

    def poll(device: Any) -> Any:
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        return ask_token(oauth_provider, grant_type=grant, device_code=device["device_code"]).json()

    one, other = begin(), begin()
    assert poll(one)["error"] == "authorization_pending"
    oauth_provider.approve_device(one["user_code"], user="bob", scope="email")
    assert poll(one)["scope"] == "email"
    oauth_provider.approve_device(other["user_code"], deny=True)
    assert poll(other)["error"] == "access_denied"
    with pytest.raises(ValueError, match="No device"):
        oauth_provider.approve_device("BCDF-BCDF", user="bob")


def test_a_client_is_told_that_somebody_left(oauth_provider: OAuthProvider) -> None:
    app = strict_client(oauth_provider.config())
    told: list[str] = []

    @app.post("/left")
    def left() -> str:
        told.append(request.form["logout_token"])
        return "noted"

    oauth_provider.add_client("doorkey-tests", backchannel_logout_uri="http://localhost/left")
    client = app.test_client()
    oauth_provider.sign_in(client, user="alice")
    (answered,) = oauth_provider.log_out(sub="alice", client=client)
    assert (answered["client_id"], answered["uri"], answered["status"]) == (
        "doorkey-tests",
        "http://localhost/left",
        200,
    )
    keys = KeySet.import_key_set(requests.get(oauth_provider.config()["jwks_uri"], timeout=5).json())
    assert jwt.decode(told[0], keys).claims["sub"] == "alice"
    assert oauth_provider.log_out(sub="alice", client=client) == []
    silent = strict_client(oauth_provider.config(), prompt="none").test_client()
    assert "login_required" in oauth_provider.sign_in(silent).text
    with pytest.raises(ValueError, match="sub, or sid"):
        oauth_provider.log_out()


def test_nobody_listens_for_a_logout(oauth_provider: OAuthProvider) -> None:
    oauth_provider.add_client("doorkey-tests", backchannel_logout_uri="http://127.0.0.1:9/left")
    oauth_provider.sign_in(strict_client(oauth_provider.config()).test_client())
    assert [told["status"] for told in oauth_provider.log_out(sub="alice")] == [0]


def test_reset_is_a_new_start(oauth_provider: OAuthProvider) -> None:
    app: Flask = strict_client(oauth_provider.config())
    oauth_provider.add_user("erin")
    oauth_provider.sign_in(app.test_client(), user="erin")
    oauth_provider.next_response("token", status=500)
    oauth_provider.clock.advance(1000)
    token, clock = oauth_provider.issue_token(sub="alice", scope="openid"), oauth_provider.clock
    oauth_provider.reset()
    assert len(oauth_provider.requests) == 0
    assert user_info(oauth_provider, token).status_code == 401
    assert abs(clock.now - time.time()) < 100
    with pytest.raises(ValueError, match="no user erin"):
        oauth_provider.sign_in(app.test_client(), user="erin")
    silent = strict_client(oauth_provider.config(), prompt="none").test_client()
    assert "login_required" in oauth_provider.sign_in(silent).text
    assert oauth_provider.sign_in(app.test_client(), user="alice").status_code == 302


class TestOptions:
    """The same words for `OAuthProvider` and for the marker."""

    def test_users(self) -> None:
        provider = OAuthProvider(users=["bob", "zoe", {"sub": "erin", "name": "Erin Eames"}])
        assert [user.name for user in provider._realm.users.values()] == ["Bob Baker", "zoe", "Erin Eames"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"transport": "pigeon"}, "responses, server"),
            ({"users": "alice"}, "users must be a list"),
            ({"users": [{"name": "x"}]}, "with a sub"),
            ({"users": [{"sub": "x", "mail": "y"}]}, "mail"),
            ({"access_token_lifetime": 0}, "access_token must be whole seconds"),
            ({"access_token_lifetime": 1, "lifetimes": {"access_token": 2}}, "keep one"),
            ({"lifetimes": {"acces_token": 2}}, "did you mean access_token"),
            ({"redirect_uris": "http://x.test/"}, "redirect_uris must be a list"),
        ],
    )
    def test_mistakes(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            OAuthProvider(**options)

    @pytest.mark.parametrize("name", list(LIFETIME_KEYS))
    def test_lifetimes(self, name: str) -> None:
        assert getattr(OAuthProvider(lifetimes={name: 7})._realm.config.lifetimes, name) == 7

    @pytest.mark.parametrize(
        ("options", "uri", "good"),
        [
            ({}, "https://app.test/cb", True),
            ({}, "http://localhost:5000/cb", True),
            ({}, "https://example.com/cb", False),
            ({"strict": False}, "https://example.com/cb", True),
            ({"redirect_uris": ["https://example.com/cb"]}, "https://example.com/cb", True),
            ({"redirect_uris": ["https://example.com/cb"]}, "http://localhost:5000/cb", False),
        ],
    )
    def test_redirect_uris(self, options: dict[str, Any], uri: str, good: bool) -> None:
        client = OAuthProvider(**options)._realm.clients["doorkey-tests"]
        assert client.allows_redirect_to(uri) is good

    @pytest.mark.parametrize(("strict", "status"), [(True, 401), (False, 200)])
    def test_how_the_secret_may_come(self, strict: bool, status: int) -> None:
        with OAuthProvider(strict=strict) as provider:
            known = provider.config()
            form = {name: known[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
            assert requests.post(known["token_endpoint"], data=form, timeout=5).status_code == status
