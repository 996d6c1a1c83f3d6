"""The page through sign-in, refresh and what goes wrong."""

import pytest

from app import create_app


@pytest.fixture
def client(oauth_provider):
    return create_app(oauth_provider.config()).test_client()


def test_somebody_signs_in(client, oauth_provider):
    assert oauth_provider.sign_in(client, user="alice").status_code == 302
    assert client.get("/").text == "Hello Alice Archer."
    assert oauth_provider.requests.count("token") == 1
    assert oauth_provider.requests.count("userinfo") == 1


def test_a_user_of_our_own(client, oauth_provider):
    oauth_provider.add_user("erin", name="Erin Eames")
    oauth_provider.sign_in(client, user="erin")
    assert client.get("/").text == "Hello Erin Eames."


def test_the_user_says_no(client, oauth_provider):
    answer = oauth_provider.sign_in(client, deny=True)
    assert answer.status_code == 403
    assert "access_denied" in answer.text
    assert oauth_provider.requests.count("token") == 0
    assert client.get("/").text == "Nobody is signed in."


def test_a_stale_token_is_refreshed_once(client, oauth_provider):
    oauth_provider.next_response("token", merge={"expires_in": 0})
    oauth_provider.sign_in(client, user="alice")
    client.get("/")
    client.get("/")
    assert oauth_provider.requests.count("token", grant_type="authorization_code") == 1
    assert oauth_provider.requests.count("token", grant_type="refresh_token") == 1


def test_a_revoked_token_leads_to_a_new_sign_in(client, oauth_provider):
    oauth_provider.sign_in(client, user="alice")
    oauth_provider.revoke_all("alice")
    assert client.get("/").location == "/login"


@pytest.mark.parametrize("failure", ["invalid-state", "missing-state"])
def test_an_answer_to_nobody_is_refused(client, oauth_provider, failure):
    oauth_provider.next_response(failure=failure)
    assert oauth_provider.sign_in(client, user="alice").status_code == 400
    assert oauth_provider.requests.count("token") == 0


def test_the_provider_is_down(client, oauth_provider):
    oauth_provider.next_response("token", status=503)
    assert oauth_provider.sign_in(client, user="alice").status_code == 502
