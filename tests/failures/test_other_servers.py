"""The same failures of the connection inside Doorkey, behind gunicorn and Werkzeug, and in process.

Over uvicorn each endpoint is asked: test_transport.py. Here the metadata stands for all.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.inprocess import InProcessAdapter
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.users import Client
from tests.failures.raw_http import Http
from tests.failures.raw_socket import Received, arrivals, ask, counted, message
from tests.support import servers

PATH = "/.well-known/openid-configuration"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module", params=[servers.gunicorn, servers.flask_run], ids=["gunicorn", "werkzeug"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.server(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running.url
        assert "Traceback" not in running.log
        running.process.kill()  # a drip that was left may keep it


def fail(url: str, failure: str, **fields: Any) -> None:
    http = Http(url)
    http.control("POST", "/dev/responses", {"endpoint": "metadata", "failure": failure, **fields})
    http.close()


def answer(url: str) -> Received:
    return ask(url, message("GET", url + PATH, Connection="close"))


def test_a_server_that_is_not_ours_carries_them_out_too(url: str):
    right = answer(url)
    assert json.loads(right.body)["issuer"] == url

    fail(url, "closed", times=2)
    for _ in range(2):
        received = answer(url)
        assert (received.head, received.body, received.ended) == ("", b"", True)

    fail(url, "truncated", times=2)
    for _ in range(2):
        received = answer(url)
        assert received.header("content-length") == str(len(right.body))
        assert received.body == right.body[: len(right.body) // 2]
        assert received.ended

    fail(url, "status", status=503)
    assert answer(url).status == 503
    fail(url, "garbage")
    assert not answer(url).body.startswith(b'{"issuer"')
    fail(url, "delay", delay=0.2)
    assert 0.2 <= answer(url).seconds < 2
    fail(url, "huge")
    assert counted(url, message("GET", url + PATH), 61 * MEGABYTE)[1] >= 61 * MEGABYTE
    fail(url, "drip")
    pieces = arrivals(url, message("GET", url + PATH), 3)
    assert right.body.startswith(b"".join(piece for _, piece in pieces))
    assert pieces[2][0] > pieces[0][0]

    assert answer(url).body == right.body


HERE = "https://provider.test"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    client = Client("rp", "secret", (f"{HERE}/callback",))
    app = create_provider_app(DevProvider([client], issuer=HERE, anywhere=True))
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", InProcessAdapter(app))
        yield session


def arm(session: requests.Session, failure: str, **fields: Any) -> None:
    body = {"endpoint": "metadata", "failure": failure, **fields}
    assert session.post(HERE + "/dev/responses", json=body, timeout=5).status_code == 201


def test_in_process_they_are_what_requests_raises(session: requests.Session):
    for failure, error in (
        ("closed", requests.exceptions.ConnectionError),
        ("truncated", requests.exceptions.ChunkedEncodingError),
        ("delay", requests.exceptions.ReadTimeout),
    ):
        arm(session, failure, times=2)
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(error) as raised:
                session.get(HERE + PATH, timeout=5)
            assert type(raised.value) is error
            assert time.monotonic() - began < 1, "a wait that ends in a time-out is not waited for"
        assert session.get(HERE + PATH, timeout=5).json()["issuer"] == HERE


def test_in_process_the_others_are_answers(session: requests.Session):
    right = session.get(HERE + PATH, timeout=5).content

    arm(session, "status", status=418, body="tea", headers={"X-Pot": "short"})
    found = session.get(HERE + PATH, timeout=5)
    assert (found.status_code, found.text, found.headers["X-Pot"]) == (418, "tea", "short")
    arm(session, "garbage")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        session.get(HERE + PATH, timeout=5).json()
    arm(session, "delay", delay=0.1)
    began = time.monotonic()
    assert session.get(HERE + PATH, timeout=5).content == right
    assert time.monotonic() - began >= 0.1
    arm(session, "huge")
    assert len(session.get(HERE + PATH, timeout=5, stream=True).raw.read()) > 60 * MEGABYTE

    assert session.get(HERE + PATH, timeout=5).content == right


def test_in_process_a_drip_that_is_too_slow_for_the_client(session: requests.Session):
    """Half a second between two bytes of a short answer."""
    arm(session, "drip", body="short")
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(HERE + PATH, timeout=0.3)
    assert session.get(HERE + PATH, timeout=0.3).json()["issuer"] == HERE
