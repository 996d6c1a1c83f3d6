"""Fixtures for all tests: an app with two scripted providers, people with browsers, a moved clock."""

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from doorkey.factory import create_app
from doorkey.settings import Settings, load
from tests.support.made_once import made_once
from tests.support.person import Person
from tests.support.scripted_provider import ScriptedProvider

pytest_plugins = ["pytester", "doorkey.pytest_plugin"]

KEY = "a-key-for-tests-0123456789-abcdefghijkl"
ORIGIN = "http://127.0.0.1:8000"


class MovedClock:
    """Seconds since the epoch that move when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0):
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches beyond this machine is a mistake."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    with made_once():
        yield


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where that exists, and gone afterwards: thousands of sign-ins would wait for the disk otherwise."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="doorkey-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def stub() -> Iterator[ScriptedProvider]:
    """Nobody waits for its end, which takes a moment that thousands of tests cannot afford."""
    provider = ScriptedProvider()
    yield provider
    threading.Thread(target=provider.close, daemon=True).start()


def provider_settings(id: str, url: str) -> dict[str, str]:
    """The environment of one provider with the endpoints of a `ScriptedProvider`."""
    prefix = f"DOORKEY_PROVIDER_{id.upper().replace('-', '_')}_"
    return {
        prefix + "AUTHORIZATION_ENDPOINT": f"{url}/authorize",
        prefix + "TOKEN_ENDPOINT": f"{url}/token",
        prefix + "USERINFO_ENDPOINT": f"{url}/userinfo",
        prefix + "CLIENT_ID": f"client-of-{id}",
        prefix + "CLIENT_SECRET": "canary-client-secret",
        prefix + "SCOPE": "read write",
    }


@pytest.fixture
def environ(stub: ScriptedProvider, tmp_path: Path) -> dict[str, str]:
    """Settings as an operator would give them, with two providers at the same scripted server."""
    return {
        "DOORKEY_CONFIG": os.devnull,
        "DOORKEY_PUBLIC_URL": ORIGIN,
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_INSTANCE": str(tmp_path / "instance"),
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": "stub,other",
        **provider_settings("stub", stub.url),
        **provider_settings("other", stub.url),
    }


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return load(environ)


@pytest.fixture
def make_app(environ: dict[str, str], clock: MovedClock) -> Callable[..., Flask]:
    """An app from the usual settings with some changed: `make_app(DOORKEY_RATE_LIMIT="60")`."""

    def make(**changes: str) -> Flask:
        return create_app(load({**environ, **changes}), clock=clock)

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def person(app: Flask) -> Person:
    return Person(app)


@pytest.fixture
def dev_app(tmp_path: Path, clock: MovedClock) -> Flask:
    """Doorkey as a newcomer gets it: nothing configured."""
    environ = {"DOORKEY_INSTANCE": str(tmp_path / "instance"), "DOORKEY_RATE_LIMIT": "0", "DOORKEY_CONFIG": os.devnull}
    return create_app(load(environ), clock=clock)
