"""Doorkey as it is really served: every documented way to start it, and how it stops.

Servers are processes (support/servers.py), visitors are `requests`.
"""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from doorkey.presets import DEV_SCOPE
from tests.support import servers
from tests.support.servers import ROOT, Command, Running

KEY = "a-key-for-tests-0123456789-abcdefghijkl"
SECRET = "canary-dev-client-secret"
JSON = {"Accept": "application/json"}


class Visitor(requests.Session):
    """A browser without scripts that follows only what it chooses to follow."""

    def __init__(self, origin: str):
        super().__init__()
        self.trust_env = False
        self.origin = origin

    def come_to_the_callback(self, user: str = "alice") -> str:
        """Begin, choose `user` at the development provider, and stop before the URL it leads to."""
        begun = self.get(f"{self.origin}/login", allow_redirects=False, timeout=10)
        assert begun.status_code == 302, begun.text
        decided = self.choose(self.get(begun.headers["Location"], timeout=10), user)
        assert decided.status_code == 302, decided.text
        return decided.headers["Location"]

    def choose(self, page: requests.Response, user: str) -> requests.Response:
        """Press the button of `user` on a page of the development provider."""
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert ticket, page.text
        scope = re.findall(r'name="scope" value="([^"]+)"', page.text)
        choice = {"ticket": ticket[1], "user": user, "scope": scope}
        return self.post(page.url.partition("?")[0], data=choice, allow_redirects=False, timeout=10)

    def sign_in(self, user: str = "alice") -> None:
        back = self.get(self.come_to_the_callback(user), allow_redirects=False, timeout=10)
        assert (back.status_code, back.headers["Location"]) == (303, "/"), back.text


@pytest.fixture
def visitor() -> Iterator[type[Visitor]]:
    """`visitor(origin)`; connections are closed at the end."""
    made: list[Visitor] = []

    class Closed(Visitor):
        def __init__(self, origin: str):
            super().__init__(origin)
            made.append(self)

    yield Closed
    for each in made:
        each.close()


# ---- every way to serve it ----


@pytest.mark.parametrize("command", [servers.python_app, servers.flask_run, servers.gunicorn, servers.uvicorn])
def test_a_newcomer_signs_in_under_every_server(command: Command, tmp_path: Path, visitor: type[Visitor]) -> None:
    with servers.server(command, tmp_path) as running:
        somebody = visitor(running.url)
        somebody.sign_in()
        session = somebody.get(f"{running.url}/session", timeout=10).json()
    assert session["active"] is True
    assert session["user"] == "alice"
    assert session["scope"] == session["requested_scope"] == DEV_SCOPE
    assert 0 < session["expires_at"] - time.time() <= 24 * 3600
    assert SECRET not in running.log
    assert "Traceback" not in running.log


def test_two_first_visits_at_the_same_moment_both_end_signed_in(tmp_path: Path, visitor: type[Visitor]) -> None:
    """As when a browser restores its tabs: both requests leave before either answer brought a cookie."""
    with servers.app_server(tmp_path) as running:
        somebody = visitor(running.url)
        pages = []
        for _ in range(2):
            with visitor(running.url) as tab:
                pages.append(tab.get(f"{running.url}/login", timeout=10))
                somebody.cookies.update(tab.cookies)
        for page in pages:
            answer = somebody.choose(page, "alice")
            assert answer.status_code == 302, answer.text
            assert somebody.get(answer.headers["Location"], allow_redirects=False, timeout=10).status_code == 303


def test_the_second_start_is_ready_in_less_than_a_second_and_a_half(tmp_path: Path) -> None:
    """The first one compiles the modules and makes the key. What else runs on the machine may hold up some, not all."""
    seconds: list[float] = []
    while len(seconds) < 2 or (min(seconds[1:]) >= 1.5 and len(seconds) < 12):
        with servers.app_server(tmp_path) as running:
            seconds.append(running.seconds)
    assert min(seconds[1:]) < 1.5, seconds


def test_the_start_says_where_to_go_and_that_it_is_for_development(tmp_path: Path) -> None:
    with servers.app_server(tmp_path) as running:
        assert f"Doorkey is ready: {running.url}" in running.log
        assert "development provider" in running.log


# ---- several workers and a provider of its own ----


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two uvicorn workers that know the development provider as an ordinary one, in another process."""
    folder, port = tmp_path_factory.mktemp("two-workers"), servers.free_port()
    url = f"http://127.0.0.1:{port}"
    own = {"DOORKEY_DEV_CLIENT_SECRET": SECRET, "DOORKEY_DEV_REDIRECT_URIS": f"{url}/callback/dev"}
    with servers.server(servers.dev_provider, folder / "provider", own) as provider:
        settings = {
            "WEB_CONCURRENCY": "2",
            "DOORKEY_PUBLIC_URL": url,
            "DOORKEY_SECRET_KEY": KEY,
            "DOORKEY_PROVIDERS": "dev",
            "DOORKEY_PROVIDER_DEV_AUTHORIZATION_ENDPOINT": f"{provider.url}/oauth/authorize",
            "DOORKEY_PROVIDER_DEV_TOKEN_ENDPOINT": f"{provider.url}/oauth/token",
            "DOORKEY_PROVIDER_DEV_USERINFO_ENDPOINT": f"{provider.url}/oauth/userinfo",
            "DOORKEY_PROVIDER_DEV_CLIENT_ID": "doorkey-dev",
            "DOORKEY_PROVIDER_DEV_CLIENT_SECRET": SECRET,
            "DOORKEY_PROVIDER_DEV_SCOPE": "message_read profile_read",
        }
        with servers.server(servers.python_app, folder / "app", settings, port=port) as app:
            yield app
            assert SECRET not in app.log


def test_a_session_of_one_worker_is_known_to_the_other(two_workers: Running, visitor: type[Visitor]) -> None:
    somebody = visitor(two_workers.url)
    somebody.sign_in("bob")

    def ask(_: int) -> object:
        """Over a connection of its own, so that both workers get some."""
        return requests.get(f"{two_workers.url}/session", cookies=somebody.cookies, timeout=10).json().get("user")

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(ask, range(100))) == ["bob"] * 100


def test_of_ten_parallel_callbacks_with_one_state_exactly_one_succeeds(
    two_workers: Running, visitor: type[Visitor]
) -> None:
    somebody = visitor(two_workers.url)
    callback = somebody.come_to_the_callback()

    def come_back(_: int) -> tuple[int, str]:
        answer = requests.get(callback, cookies=somebody.cookies, headers=JSON, allow_redirects=False, timeout=20)
        return answer.status_code, answer.json()["error"] if answer.status_code != 303 else ""

    with ThreadPoolExecutor(10) as pool:
        answers = sorted(pool.map(come_back, range(10)))
    assert answers == [(303, "")] + [(400, "login_already_used")] * 9


# ---- stopping, and starts that are refused ----


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_server_stops_cleanly_when_asked(how: signal.Signals, tmp_path: Path) -> None:
    with servers.app_server(tmp_path) as running:
        assert running.stop(how) == 0
        assert "Traceback" not in running.log


def test_several_workers_stop_cleanly_when_asked(tmp_path: Path) -> None:
    settings = {
        "WEB_CONCURRENCY": "2",
        "DOORKEY_PUBLIC_URL": "http://127.0.0.1",
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_PROVIDERS": "dev",
        "DOORKEY_PROVIDER_DEV_AUTHORIZATION_ENDPOINT": "http://127.0.0.1:9/authorize",
        "DOORKEY_PROVIDER_DEV_TOKEN_ENDPOINT": "http://127.0.0.1:9/token",
        "DOORKEY_PROVIDER_DEV_CLIENT_ID": "client",
    }
    with servers.app_server(tmp_path, **settings) as running:
        assert running.stop() == 0
        assert "Traceback" not in running.log


def start(folder: Path, port: int, **settings: str) -> "subprocess.CompletedProcess[str]":
    """A start that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=servers.environment(folder, port, settings),
        capture_output=True,
        text=True,
        timeout=servers.PATIENCE,
        check=False,
    )


def test_wrong_settings_are_all_named_and_stop_the_start_with_2(tmp_path: Path) -> None:
    wrong = {
        "DOORKEY_SESSION_IDLE": "soon",
        "DOORKEY_RATE_LIMIT": "many",
        "DOORKEY_PUBLIC_URL": "ftp://login.example.com",
        "DOORKEY_SESION_ABSOLUTE": "1h",
    }
    ended = start(tmp_path, servers.free_port(), **wrong)
    assert ended.returncode == 2
    assert [name for name in wrong if name not in ended.stderr] == []
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_said_in_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = start(tmp_path, port)
    assert ended.returncode != 0
    assert str(port) in ended.stderr
    assert "in use" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "is ready" not in ended.stdout
