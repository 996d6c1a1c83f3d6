"""The program through sign-in, refresh and what goes wrong, without a socket and once with one."""

import httpx
import pytest

from app import SignIn, SignInFailed, who_am_i

HERE = "http://127.0.0.1:5000/callback"


@pytest.fixture
def http(oauth_provider):
    with httpx.Client(transport=httpx.WSGITransport(app=oauth_provider.app)) as client:
        yield client


def sign_in(oauth_provider, http, **choice):
    begun = SignIn(oauth_provider.config(), HERE)
    return begun.finish(oauth_provider.authorize(begun.url, **choice), http)


def test_somebody_signs_in(oauth_provider, http):
    token = sign_in(oauth_provider, http, user="bob")
    assert who_am_i(oauth_provider.config(), token, http) == "Bob Baker"
    assert oauth_provider.requests.count("token") == 1


def test_the_user_says_no(oauth_provider, http):
    with pytest.raises(SignInFailed, match="access_denied"):
        sign_in(oauth_provider, http, deny=True)
    assert oauth_provider.requests.count("token") == 0


@pytest.mark.oauth_provider(access_token_lifetime=60)
def test_the_provider_says_that_the_token_expired(oauth_provider, http):
    token = sign_in(oauth_provider, http, user="alice")
    oauth_provider.clock.advance(61)
    assert who_am_i(oauth_provider.config(), token, http) == "Alice Archer"
    assert [asked.status for asked in oauth_provider.requests.of("userinfo")] == [401, 200]
    assert oauth_provider.requests.count("token", grant_type="refresh_token") == 1


def test_a_refusal_to_refresh(oauth_provider, http):
    oauth_provider.next_response("token", merge={"expires_in": -1})
    token = sign_in(oauth_provider, http, user="alice")
    oauth_provider.next_response("token", error="invalid_grant")
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        who_am_i(oauth_provider.config(), token, http)


@pytest.mark.parametrize("failure", ["invalid-state", "missing-state", "invalid-authorization-response-iss"])
def test_an_answer_to_nobody_is_refused(oauth_provider, http, failure):
    oauth_provider.next_response(failure=failure)
    with pytest.raises(SignInFailed, match="not an answer"):
        sign_in(oauth_provider, http, user="alice")


@pytest.mark.oauth_provider(transport="server")
def test_over_a_real_socket(oauth_provider):
    assert oauth_provider.url.startswith("http://127.0.0.1:")
    with httpx.Client(trust_env=False) as http:
        token = sign_in(oauth_provider, http, user="carol")
        assert who_am_i(oauth_provider.config(), token, http) == "Carol Chandler"
    assert oauth_provider.requests.count("userinfo") == 1
