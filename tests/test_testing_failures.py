"""A client that checks everything rejects every `oauth_failure`, and accepts every `oauth_variation`."""

from typing import Any

import pytest
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for
from joserfc.errors import JoseError

from doorkey.devprovider.failures import FAILURES
from doorkey.testing import OAuthProvider, failure_names
from tests.support.strict_client import strict_client


def test_a_strict_client_rejects(oauth_provider: OAuthProvider, oauth_failure: str) -> None:
    client = strict_client(oauth_provider.config()).test_client()
    oauth_provider.next_response(failure=oauth_failure)
    assert oauth_provider.sign_in(client, user="alice").status_code == 502
    assert client.get("/").text == "Nobody."
    assert any(oauth_failure in asked.failures for asked in oauth_provider.requests)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc would have it called Ed25519
def test_a_strict_client_accepts(oauth_provider: OAuthProvider, oauth_variation: str) -> None:
    client = strict_client(oauth_provider.config()).test_client()
    oauth_provider.next_response(failure=oauth_variation)
    answer = oauth_provider.sign_in(client, user="alice")
    assert answer.status_code == 302, answer.text
    assert client.get("/").text == "Hello Alice Archer."


def test_after_a_failure_all_is_well(oauth_provider: OAuthProvider, oauth_failure: str) -> None:
    client = strict_client(oauth_provider.config()).test_client()
    oauth_provider.next_response(failure=oauth_failure)
    oauth_provider.sign_in(client, user="alice")
    assert oauth_provider.sign_in(client, user="bob").status_code == 302
    assert client.get("/").text == "Hello Bob Baker."


@pytest.mark.parametrize("kind", ["reject", "accept"])
def test_the_rule_of_what_one_sign_in_can_have(kind: str) -> None:
    left_out = [name for name, failure in FAILURES.items() if failure.kind == kind and name not in failure_names(kind)]
    assert all(
        FAILURES[name].at in ("logout", "logout_token", "refreshed_id_token")
        or FAILURES[name].uses > 1
        or name == "trailing-slash-issuer"
        for name in left_out
    )
    assert {FAILURES[name].kind for name in failure_names(kind)} == {kind}


def test_names_of_some_endpoints() -> None:
    assert failure_names("reject", "authorize")[:2] == ["invalid-state", "missing-state"]
    assert set(failure_names("reject", "token", "authorize")) < set(failure_names("reject"))
    assert failure_names("reject", "id_token", "userinfo") != failure_names("reject", "id_token")
    with pytest.raises(ValueError, match="tokken"):
        failure_names("reject", "tokken")
    with pytest.raises(ValueError, match="either"):
        failure_names("either")


def authlib_client(config: dict[str, str]) -> Flask:
    app = Flask("authlib-client")
    app.config["SECRET_KEY"] = "a key of these tests"
    provider = OAuth(app).register(
        "provider",
        client_id=config["client_id"],
        client_secret=config["client_secret"],
        server_metadata_url=f"{config['issuer']}/.well-known/openid-configuration",
        client_kwargs={"scope": config["scope"], "code_challenge_method": "S256"},
    )

    @app.get("/login")
    def login() -> Any:
        return provider.authorize_redirect(url_for("callback", _external=True))

    @app.get("/callback")
    def callback() -> Any:
        session["name"] = provider.authorize_access_token()["userinfo"]["name"]
        return redirect("/")

    @app.get("/")
    def home() -> str:
        return str(session.get("name"))

    @app.errorhandler(AuthlibBaseError)
    @app.errorhandler(JoseError)
    def refused(error: Exception) -> tuple[str, int]:
        return type(error).__name__, 403

    return app


@pytest.mark.parametrize("transport", [pytest.param(t, marks=pytest.mark.oauth_provider(transport=t))
                                       for t in ("responses", "server")])  # fmt: skip
def test_authlib_signs_in_with_openid(oauth_provider: OAuthProvider, transport: str) -> None:
    client = authlib_client(oauth_provider.config()).test_client()
    assert oauth_provider.sign_in(client, user="carol").location == "/"
    assert client.get("/").text == "Carol Chandler"
    assert oauth_provider.url.startswith("https://provider.test" if transport == "responses" else "http://127.0.0.1:")


@pytest.mark.parametrize("oauth_failure", ["invalid-iss", "invalid-expired-exp", "nonce-invalid", "foreign-key"])
def test_authlib_rejects(oauth_provider: OAuthProvider, oauth_failure: str) -> None:
    client = authlib_client(oauth_provider.config()).test_client()
    oauth_provider.next_response(failure=oauth_failure)
    assert oauth_provider.sign_in(client, user="alice").status_code == 403
    assert client.get("/").text == "None"


def test_authlib_meets_new_keys(oauth_provider: OAuthProvider) -> None:
    client = authlib_client(oauth_provider.config()).test_client()
    oauth_provider.sign_in(client, user="alice")
    oauth_provider.rotate_keys()
    oauth_provider.sign_in(client, user="bob")
    assert client.get("/").text == "Bob Baker"
    assert oauth_provider.requests.count("jwks") == 2
