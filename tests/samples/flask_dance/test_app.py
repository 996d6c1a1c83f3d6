"""The page through sign-in, refresh and what goes wrong."""

import pytest

from app import create_app


@pytest.fixture
def client(oauth_provider):
    app = create_app(oauth_provider.config())
    app.config["PREFERRED_URL_SCHEME"] = "https"  # oauthlib takes no other
    return app.test_client()


def sign_in(oauth_provider, client, **choice):
    return oauth_provider.sign_in(client, start="/login/provider", **choice)


def test_somebody_signs_in(client, oauth_provider):
    assert sign_in(oauth_provider, client, user="alice").location == "/"
    assert client.get("/").text == "Hello Alice Archer."
    assert oauth_provider.requests.count("token") == 1


def test_the_user_says_no(client, oauth_provider):
    sign_in(oauth_provider, client, deny=True)
    assert client.get("/").text == "Not signed in: access_denied Nobody is signed in."
    assert oauth_provider.requests.count("token") == 0


def test_a_stale_token_is_refreshed_once(client, oauth_provider):
    oauth_provider.next_response("token", merge={"expires_in": -1})
    sign_in(oauth_provider, client, user="alice")
    assert client.get("/").text == client.get("/").text == "Hello Alice Archer."
    assert oauth_provider.requests.count("token", grant_type="refresh_token") == 1


def test_a_revoked_refresh_token_leads_to_a_new_sign_in(client, oauth_provider):
    oauth_provider.next_response("token", merge={"expires_in": -1})
    sign_in(oauth_provider, client, user="alice")
    oauth_provider.revoke_all("alice")
    assert client.get("/").location == "/login/provider"


@pytest.mark.parametrize(
    ("failure", "answer"),
    [("invalid-state", "mismatching_state"), ("expired-code", "invalid_grant")],
)
def test_what_goes_wrong_at_the_provider(client, oauth_provider, failure, answer):
    oauth_provider.next_response(failure=failure)
    assert sign_in(oauth_provider, client, user="alice").text == f"Not signed in: {answer}"
    assert "Nobody" in client.get("/").text
