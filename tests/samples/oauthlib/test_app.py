"""The program through sign-in, refresh and what goes wrong."""

import pytest
from oauthlib.oauth2 import (
    AccessDeniedError,
    InvalidGrantError,
    MismatchingStateError,
    MissingTokenError,
)

from app import Account

HERE = "https://app.test/callback"


@pytest.fixture
def account(oauth_provider):
    oauth_provider.add_client("notes", redirect_uris=[HERE], token_endpoint_auth_method="client_secret_post")
    return Account(oauth_provider.config("notes"), HERE)


def test_somebody_signs_in(oauth_provider, account):
    account.finish(oauth_provider.authorize(account.begin(), user="alice"))
    assert account.name() == "Alice Archer"
    assert oauth_provider.requests.count("token") == 1


def test_the_user_says_no(oauth_provider, account):
    with pytest.raises(AccessDeniedError):
        account.finish(oauth_provider.authorize(account.begin(), deny=True))
    assert account.token is None


def test_a_stale_token_is_refreshed_once(oauth_provider, account):
    oauth_provider.next_response("token", merge={"expires_in": -1})
    account.finish(oauth_provider.authorize(account.begin(), user="alice"))
    before = account.token
    assert account.name() == account.name() == "Alice Archer"
    assert account.token["access_token"] != before["access_token"]
    assert oauth_provider.requests.count("token", grant_type="refresh_token") == 1


def test_a_refresh_token_that_was_revoked(oauth_provider, account):
    oauth_provider.next_response("token", merge={"expires_in": -1})
    account.finish(oauth_provider.authorize(account.begin(), user="alice"))
    oauth_provider.revoke_all("alice")
    with pytest.raises(InvalidGrantError):
        account.name()


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ("invalid-state", MismatchingStateError),
        ("expired-code", InvalidGrantError),
        ("missing-access_token", MissingTokenError),
    ],
)
def test_what_goes_wrong_at_the_provider(oauth_provider, account, failure, error):
    oauth_provider.next_response(failure=failure)
    with pytest.raises(error):
        account.finish(oauth_provider.authorize(account.begin(), user="alice"))
    assert account.token is None
