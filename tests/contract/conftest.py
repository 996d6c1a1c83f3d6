"""What the two suites run against.

`provider`: the same development provider in process, over a socket, and inside Doorkey.
`store`: each session store, empty; `kind` and `where` are its row in stores.py, `other` a second process at it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.inprocess import InProcessAdapter
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.users import Client
from doorkey.factory import create_app
from doorkey.sessions.store import SessionStore
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.contract.party import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SECOND_REDIRECT_URI, Party
from tests.contract.store_places import Places
from tests.contract.stores import STORES, OtherProcess, ProcessPool

OTHER_CLIENT = ("other-client", "other-secret")
WAYS = ("in process", "over http", "mounted in doorkey")


@pytest.fixture(params=WAYS)
def provider(request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock) -> Iterator[Party]:
    """The provider, reached in each way."""
    with _reached(request.param, tmp_path, clock) as party:
        yield party


@pytest.fixture(params=WAYS[:2])
def provider_of_two(request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock) -> Iterator[Party]:
    """The provider with a second client; inside Doorkey it has one only."""
    with _reached(request.param, tmp_path, clock) as party:
        yield party


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Started when first needed, and then kept: servers are slow to start and quick to empty."""
    found = Places(tmp_path_factory.mktemp("stores"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPool]:
    pool = ProcessPool()
    yield pool
    pool.close()


@pytest.fixture(params=list(STORES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def where(kind: str, places: Places) -> str:
    return places.fresh(kind)


@pytest.fixture
def store(kind: str, where: str) -> SessionStore:
    return STORES[kind](where)


@pytest.fixture
def other(kind: str, where: str, processes: ProcessPool) -> OtherProcess:
    return processes.take(kind, where)[0]


@contextmanager
def _reached(way: str, folder: Path, clock: MovedClock) -> Iterator[Party]:
    with requests.Session() as session:
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a test sends the cookies it means to send
        if way == "over http":
            with _serving(_alone(clock)) as url:
                yield Party(url, session, clock, OTHER_CLIENT)
            return
        app = _inside_doorkey(folder, clock) if way == "mounted in doorkey" else _alone(clock)
        session.mount("http://", InProcessAdapter(app))
        yield Party("http://127.0.0.1:8000", session, clock, OTHER_CLIENT)


def _alone(clock: MovedClock) -> Flask:
    clients = [
        Client(CLIENT_ID, CLIENT_SECRET, (REDIRECT_URI, SECOND_REDIRECT_URI)),
        Client(*OTHER_CLIENT, (REDIRECT_URI,)),
    ]
    return create_provider_app(DevProvider(clients), clock=clock)


def _inside_doorkey(folder: Path, clock: MovedClock) -> Flask:
    environ = {
        "DOORKEY_CONFIG": "/dev/null",
        "DOORKEY_INSTANCE": str(folder / "instance"),
        "DOORKEY_DEV_CLIENT_ID": CLIENT_ID,
        "DOORKEY_DEV_CLIENT_SECRET": CLIENT_SECRET,
        "DOORKEY_DEV_REDIRECT_URIS": SECOND_REDIRECT_URI,
    }
    return create_app(load(environ), clock=clock)


@contextmanager
def _serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
