"""A provider as a value: what its settings mean, and that it tells no secret (oauth/provider.py)."""

import pytest

from doorkey.oauth.provider import Provider
from doorkey.settings import load

SETTINGS = {
    "DOORKEY_CONFIG": "/dev/null",
    "DOORKEY_PUBLIC_URL": "https://login.example.com",
    "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
    "DOORKEY_PROVIDERS": "acme",
    "DOORKEY_PROVIDER_ACME_AUTHORIZATION_ENDPOINT": "https://acme.example/authorize",
    "DOORKEY_PROVIDER_ACME_TOKEN_ENDPOINT": "https://acme.example/token",
    "DOORKEY_PROVIDER_ACME_USERINFO_ENDPOINT": "https://acme.example/userinfo",
    "DOORKEY_PROVIDER_ACME_CLIENT_ID": "doorkey",
    "DOORKEY_PROVIDER_ACME_CLIENT_SECRET": "canary",
    "DOORKEY_PROVIDER_ACME_SCOPE": "read write",
}


def made(**changes: str) -> Provider:
    """The provider of `SETTINGS` with some of its settings changed: `made(PKCE="off")`."""
    environ = SETTINGS | {f"DOORKEY_PROVIDER_ACME_{name}": value for name, value in changes.items()}
    return Provider.from_settings(load(environ).providers[0])


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        pytest.param({}, "client_secret_basic", id="with a secret"),
        pytest.param({"CLIENT_SECRET": ""}, "none", id="without a secret"),
        pytest.param({"CLIENT_AUTH": "client_secret_post"}, "client_secret_post", id="as set"),
    ],
)
def test_the_client_authenticates_as_well_as_it_can(changes: dict[str, str], method: str) -> None:
    assert made(**changes).auth_method == method


@pytest.mark.parametrize(("asked", "endpoint"), [("auto", True), ("always", True), ("never", False)])
def test_the_user_is_asked_for_unless_never(asked: str, endpoint: bool) -> None:
    assert made(USERINFO=asked).wants_user_info is endpoint


def test_a_label_is_the_id_when_there_is_none() -> None:
    assert made().label == "acme"
    assert made(LABEL="Acme Inc.").label == "Acme Inc."


def test_a_configured_provider_stays_where_it_is() -> None:
    assert made().at("https://login.example.com") == made()


def test_its_words_tell_no_secret() -> None:
    assert "canary" not in f"{made()} {made()!r}"
