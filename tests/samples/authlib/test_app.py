"""The page through sign-in, forged ID tokens and new keys."""

import pytest

from app import create_app


@pytest.fixture
def client(oauth_provider):
    known = oauth_provider.config()
    return create_app(known["issuer"], known["client_id"], known["client_secret"]).test_client()


def test_somebody_signs_in(client, oauth_provider):
    oauth_provider.sign_in(client, user="alice")
    assert client.get("/").text == "Hello Alice Archer, alice@example.com."
    assert oauth_provider.requests.count("metadata") == 1
    assert oauth_provider.requests.count("jwks") == 1
    assert oauth_provider.requests.count("token") == 1


def test_a_user_without_an_address(client, oauth_provider):
    oauth_provider.sign_in(client, user="carol")
    assert client.get("/").text == "Hello Carol Chandler, no address."


def test_the_user_says_no(client, oauth_provider):
    answer = oauth_provider.sign_in(client, deny=True)
    assert (answer.status_code, answer.text) == (403, "Not signed in: access_denied")


@pytest.mark.parametrize(
    "failure",
    ["invalid-iss", "missing-sub", "nonce-invalid", "invalid-expired-exp", "invalid-sig-rs256", "foreign-key"],
)
def test_a_forged_id_token_is_refused(client, oauth_provider, failure):
    oauth_provider.next_response(failure=failure)
    assert oauth_provider.sign_in(client, user="alice").status_code in (403, 502)
    assert client.get("/").text == "Nobody is signed in."


@pytest.mark.parametrize("variation", ["valid-aud-as-array", "idtoken-sig-es256", "missing-athash"])
def test_what_a_provider_may_do(client, oauth_provider, variation):
    oauth_provider.next_response(failure=variation)
    oauth_provider.sign_in(client, user="alice")
    assert client.get("/").text.startswith("Hello Alice")


def test_the_provider_has_new_keys(client, oauth_provider):
    oauth_provider.sign_in(client, user="alice")
    oauth_provider.rotate_keys()
    oauth_provider.sign_in(client, user="bob")
    assert client.get("/").text.startswith("Hello Bob")
    assert oauth_provider.requests.count("jwks") == 2


def test_an_expired_code(client, oauth_provider):
    oauth_provider.next_response(failure="expired-code")
    assert oauth_provider.sign_in(client, user="alice").text == "Not signed in: invalid_grant"
