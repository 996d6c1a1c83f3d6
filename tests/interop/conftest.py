"""Providers of other people, each a process for one test module, with Doorkey before them."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.interop import django_oauth_toolkit, oidc_provider
from tests.interop.django_oauth_toolkit import DjangoProvider
from tests.interop.oidc_provider import OidcProvider
from tests.interop.provider_keys import JWKS, PEMS
from tests.interop.reverse_proxy import ReverseProxy, reverse_proxy
from tests.interop.visits import ORIGIN, FrontDoor
from tests.samples.environments import Environment

OIDC_SETTINGS = {
    "post": {"CLIENT_AUTH": "client_secret_post"},
    "jwt-secret": {"CLIENT_AUTH": "client_secret_jwt"},
    "par": {"PUSHED_AUTHORIZATION": "always"},
    "par-key": {"PUSHED_AUTHORIZATION": "always"},
    "form-post": {"RESPONSE_MODE": "form_post"},
}
"""What clients need beside the issuer, id, secret or key, and scope."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[ReverseProxy]:
    """Where providers reach the Doorkey that was made last."""
    with reverse_proxy(ORIGIN) as running:
        yield running


@pytest.fixture(scope="module")
def running_oidc_provider(tmp_path_factory: pytest.TempPathFactory, proxy: ReverseProxy) -> Iterator[OidcProvider]:
    with oidc_provider.running(
        tmp_path_factory.mktemp("oidc-provider"),
        redirect_uri=f"{ORIGIN}/callback/{{client}}",
        post_logout_redirect_uri=f"{ORIGIN}/logged-out",
        backchannel_logout_uri=f"{proxy.url}/backchannel-logout/{{client}}",
        jwks=JWKS,
    ) as provider:
        yield provider


@pytest.fixture
def oidc_front_door(
    running_oidc_provider: OidcProvider, proxy: ReverseProxy, tmp_path: Path
) -> FrontDoor[OidcProvider]:
    """Doorkey knows every client of the provider under the client's own id; no requests have been seen yet."""
    running_oidc_provider.forget_requests()
    proxy.passed.clear()
    clients = {}
    for client in running_oidc_provider.clients.values():
        secret = {"CLIENT_SECRET": client.secret} if client.secret else {}
        key = {"PRIVATE_KEY": PEMS["RS256"]} if client.auth_method == "private_key_jwt" else {}
        common = {"CLIENT_ID": client.id, "SCOPE": "openid profile email"}
        clients[client.id] = {**common, **secret, **key, **OIDC_SETTINGS.get(client.id, {})}
    return FrontDoor(running_oidc_provider, tmp_path, clients, proxy=proxy)


DJANGO_SETTINGS = {
    "post-client": {"CLIENT_AUTH": "client_secret_post"},
    "hs256-client": {"ID_TOKEN_ALGS": "HS256"},
}
DJANGO_CLIENTS = ("basic-client", "post-client", "public-client", "hs256-client")


@pytest.fixture(scope="session")
def django_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return django_oauth_toolkit.make_environment(tmp_path_factory.mktemp("django"))


@pytest.fixture(scope="module")
def running_django(
    tmp_path_factory: pytest.TempPathFactory, django_environment: Environment
) -> Iterator[DjangoProvider]:
    with django(tmp_path_factory, django_environment, {}) as provider:
        yield provider


@pytest.fixture(scope="module")
def running_django_without_iss(
    tmp_path_factory: pytest.TempPathFactory, django_environment: Environment
) -> Iterator[DjangoProvider]:
    """It promises no `iss` in its answers (RFC 9207), so that errors without it are as they should be."""
    settings = {"COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": False}
    with django(tmp_path_factory, django_environment, settings) as provider:
        yield provider


def django(
    folders: pytest.TempPathFactory, environment: Environment, settings: Mapping[str, Any]
) -> AbstractContextManager[DjangoProvider]:
    return django_oauth_toolkit.running(
        folders.mktemp("django-provider"),
        redirect_uri=" ".join(f"{ORIGIN}/callback/{client}" for client in DJANGO_CLIENTS),
        post_logout_redirect_uri=f"{ORIGIN}/logged-out",
        environment=environment,
        settings=settings,
    )


@pytest.fixture
def django_front_door(running_django: DjangoProvider, tmp_path: Path) -> FrontDoor[DjangoProvider]:
    return django_door(running_django, tmp_path)


@pytest.fixture
def django_front_door_without_iss(
    running_django_without_iss: DjangoProvider, tmp_path: Path
) -> FrontDoor[DjangoProvider]:
    return django_door(running_django_without_iss, tmp_path)


def django_door(provider: DjangoProvider, folder: Path) -> FrontDoor[DjangoProvider]:
    """Doorkey knows every client of the provider under the client's own id."""
    clients = {}
    for client in provider.clients.values():
        secret = {"CLIENT_SECRET": client.secret} if client.secret else {}
        common = {"CLIENT_ID": client.id, "SCOPE": "openid profile email"}
        clients[client.id] = {**common, **secret, **DJANGO_SETTINGS.get(client.id, {})}
    return FrontDoor(provider, folder, clients)
