"""Fixtures of the attacks: one transport for all, and an app with short time limits."""

import pytest

from doorkey.factory import create_app
from doorkey.oauth.http import Transport
from doorkey.settings import load
from tests.support.person import Person

APPS = {"DOORKEY_ALLOWED_HOSTS": "app.example.test,*.apps.example.test"}
HTTPS = {"DOORKEY_PUBLIC_URL": "https://login.example.test"}


@pytest.fixture(scope="session")
def transport():
    """One for all apps: reading the certificate authorities takes longer than most tests."""
    return Transport()


@pytest.fixture(scope="session")
def hasty_transport():
    return Transport(connect=0.5, answer=0.25)


@pytest.fixture
def make_app(environ, clock, transport):
    def make(**changes):
        return create_app(load({**environ, **changes}), clock=clock, transport=transport)

    return make


@pytest.fixture
def hurried(environ, clock, hasty_transport):
    """A person whose Doorkey waits a quarter of a second for an answer of the provider."""
    return Person(create_app(load(environ), clock=clock, transport=hasty_transport))


@pytest.fixture
def secure(make_app):
    """A person at an https public URL with a gate cookie."""
    return Person(make_app(**HTTPS, DOORKEY_COOKIE_DOMAIN="example.test"), "https://login.example.test")
