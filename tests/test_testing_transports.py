"""How requests reach the provider: through `responses`, with a test's own beside it, and through a socket."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import responses
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from doorkey.testing import OAuthProvider
from tests.support.strict_client import strict_client

ROOT = Path(__file__).parents[1]
SERVER = pytest.mark.oauth_provider(transport="server")


def metadata(oauth_provider: OAuthProvider, **options: object) -> requests.Response:
    options.setdefault("timeout", 5)
    url = f"{oauth_provider.url}/.well-known/openid-configuration"
    return requests.get(url, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ("closed", requests.ConnectionError),
        ("truncated", requests.exceptions.ChunkedEncodingError),
        ("delay", requests.exceptions.ReadTimeout),
    ],
)
@pytest.mark.parametrize(
    "transport", [pytest.param(t, marks=pytest.mark.oauth_provider(transport=t)) for t in ("responses", "server")]
)
def test_failures_of_the_connection_are_what_requests_makes_of_them(
    oauth_provider: OAuthProvider, transport: str, failure: str, error: type[Exception]
) -> None:
    oauth_provider.next_response("metadata", failure=failure)
    with pytest.raises(error):
        metadata(oauth_provider, timeout=(2, 0.3))
    assert metadata(oauth_provider).status_code == 200


def test_a_delay_within_the_time_out_is_an_answer(oauth_provider: OAuthProvider) -> None:
    oauth_provider.next_response("metadata", delay=0.05)
    began = time.monotonic()
    assert metadata(oauth_provider, timeout=5).status_code == 200
    assert time.monotonic() - began >= 0.05


def test_cookies_work_as_over_http(oauth_provider: OAuthProvider) -> None:
    page = f"{oauth_provider.url}/oauth/authorize?client_id=doorkey-tests&response_type=code&state=s"
    with requests.Session() as session:
        session.get(f"{page}&redirect_uri=http://localhost/cb", timeout=5)
        assert [cookie.path for cookie in session.cookies] == ["/oauth/"]


def test_everything_else_goes_where_it_went(oauth_provider: OAuthProvider) -> None:
    with pytest.raises(requests.ConnectionError, match=r"127\.0\.0\.1.*9"):
        requests.get("http://127.0.0.1:9/", timeout=1)
    with pytest.raises(requests.RequestException):
        requests.get("https://provider.test.localhost:9/", timeout=1)
    assert len(oauth_provider.requests) == 0


@pytest.fixture
def weather() -> Iterator[responses.RequestsMock]:
    """A test's own mock, there before the provider."""
    with responses.RequestsMock() as mock:
        mock.get("https://weather.test/", json={"sky": "blue"})
        yield mock


def test_a_mock_that_was_there_before(weather: responses.RequestsMock, oauth_provider: OAuthProvider) -> None:
    assert requests.get("https://weather.test/", timeout=5).json() == {"sky": "blue"}
    assert metadata(oauth_provider).status_code == 200
    assert len(weather.calls) == 1


def test_a_mock_that_retries_does_so_once(oauth_provider: OAuthProvider) -> None:
    """Two mocks over one another would each try again."""
    with responses.RequestsMock() as outer, OAuthProvider(url="https://other.test"), requests.Session() as session:
        outer.get("https://weather.test/", status=503)
        retry = Retry(total=2, status_forcelist=[503], raise_on_status=False, backoff_factor=0)
        session.mount("https://", HTTPAdapter(max_retries=retry))
        assert session.get("https://weather.test/", timeout=5).status_code == 503
        assert len(outer.calls) == 3


def test_a_mock_that_comes_later_is_told_of_the_provider(oauth_provider: OAuthProvider) -> None:
    with responses.RequestsMock() as mock:
        oauth_provider.install(mock)
        mock.get("https://weather.test/", json={"sky": "grey"})
        assert requests.get("https://weather.test/", timeout=5).json() == {"sky": "grey"}
        assert metadata(oauth_provider).json()["issuer"] == oauth_provider.url


@responses.activate
def test_activate(oauth_provider: OAuthProvider) -> None:
    responses.get("https://weather.test/", json={"sky": "red"})
    with pytest.raises(requests.ConnectionError, match="Connection refused by Responses"):
        metadata(oauth_provider)
    oauth_provider.install(responses)
    assert metadata(oauth_provider).status_code == 200
    assert requests.get("https://weather.test/", timeout=5).json() == {"sky": "red"}
    client = strict_client(oauth_provider.config()).test_client()
    assert oauth_provider.sign_in(client, user="alice").status_code == 302


@responses.activate(assert_all_requests_are_fired=True)
def test_a_provider_that_is_not_asked_is_no_mistake(oauth_provider: OAuthProvider) -> None:
    oauth_provider.install(responses)


def test_two_providers(oauth_provider: OAuthProvider) -> None:
    with OAuthProvider(url="https://other.test") as other:
        assert metadata(other).json()["issuer"] == "https://other.test"
        assert metadata(oauth_provider).json()["issuer"] == "https://provider.test"
        assert (len(other.requests), len(oauth_provider.requests)) == (1, 1)


def test_many_threads(oauth_provider: OAuthProvider) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: metadata(oauth_provider).status_code, range(40)))
    assert answers == [200] * 40
    assert oauth_provider.requests.count("metadata") == 40


def running_servers() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name == "doorkey-provider"}


def test_nothing_is_left_behind() -> None:
    send, environ, servers = HTTPAdapter.send, dict(os.environ), running_servers()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for transport in ("responses", "server"):
        with OAuthProvider(transport=transport) as provider:
            assert metadata(provider).status_code == 200
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
            assert dict(os.environ) == environ
        with pytest.raises(requests.RequestException):
            requests.get(provider.url, timeout=0.5)
    assert HTTPAdapter.send is send
    assert running_servers() == servers


@SERVER
def test_the_port_answers_any_program(oauth_provider: OAuthProvider) -> None:
    port = int(oauth_provider.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"GET /oauth/jwks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
    assert oauth_provider.requests.count("jwks") == 1


PORTS: list[str] = []


@SERVER
@pytest.mark.parametrize("test", [1, 2])
def test_one_server_serves_all_tests(oauth_provider: OAuthProvider, test: int) -> None:
    PORTS.append(oauth_provider.url)
    assert len(oauth_provider.requests) == 0
    assert metadata(oauth_provider).json()["issuer"] == oauth_provider.url
    assert len(set(PORTS)) == 1


def test_a_delay_does_not_outlive_its_test() -> None:
    with OAuthProvider(transport="server") as provider:
        provider.next_response("metadata", delay=30)
        with pytest.raises(requests.Timeout):
            metadata(provider, timeout=0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_options_that_do_not_fit_leave_no_port_open() -> None:
    with pytest.raises(ValueError, match="users"):
        OAuthProvider(transport="server", users="alice")


class WithoutPytest(unittest.TestCase):
    """As a project with unittest uses it."""

    def setUp(self) -> None:
        self.oauth_provider = self.enterContext(OAuthProvider(access_token_lifetime=60))
        self.client = strict_client(self.oauth_provider.config()).test_client()

    def test_somebody_signs_in(self) -> None:
        self.oauth_provider.sign_in(self.client, user="bob")
        assert self.client.get("/").text == "Hello Bob Baker."

    def test_nothing_of_the_other_test_is_left(self) -> None:
        assert len(self.oauth_provider.requests) == 0


def test_without_the_package_responses(tmp_path: Path) -> None:
    """One sentence says what to do; a server does without it."""
    program = """
import sys
sys.modules["responses"] = None
from doorkey.testing import OAuthProvider
with OAuthProvider(transport="server") as provider:
    print(provider.url)
try:
    OAuthProvider().start()
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    url, words = done.stdout.splitlines()
    assert url.startswith("http://127.0.0.1:")
    assert words == "The package responses is missing: pip install responses (or use transport='server')."
