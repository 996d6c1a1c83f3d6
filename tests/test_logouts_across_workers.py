"""Logouts that begin at a provider, at real servers: two workers, a restart, a provider in another process.

The provider waits for the answer to each logout token. doorkey/web/provider_logout.py, doorkey/devprovider/.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.support import servers
from tests.support.leaving import eventually
from tests.support.servers import Running

CLIENT, SECRET = "front-door", "canary-client-secret-0123456789-0123456789"
MANY = 24
"""Requests over connections of their own, so that both workers get some."""


class Site:
    """A Doorkey in `folder` whose one provider is at `provider`; it is started and stopped by the test."""

    def __init__(self, folder: Path, provider: str):
        self.provider = provider
        self._folder = folder
        self._port = servers.free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._control("PUT", f"/dev/clients/{CLIENT}", self._registration())

    def _registration(self) -> dict[str, Any]:
        return {
            "client_secret": SECRET,
            "redirect_uris": [f"{self.url}/callback/op"],
            "post_logout_redirect_uris": [f"{self.url}/logged-out"],
            "backchannel_logout_uri": f"{self.url}/backchannel-logout/op",
        }

    @contextmanager
    def running(self, workers: int = 1) -> Iterator[Running]:
        settings = {
            "WEB_CONCURRENCY": str(workers),
            "DOORKEY_PUBLIC_URL": self.url,
            "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
            "DOORKEY_RATE_LIMIT": "0",
            "DOORKEY_PROVIDERS": "op",
            "DOORKEY_PROVIDER_OP_ISSUER": self.provider,
            "DOORKEY_PROVIDER_OP_CLIENT_ID": CLIENT,
            "DOORKEY_PROVIDER_OP_CLIENT_SECRET": SECRET,
        }
        with servers.server(servers.python_app, self._folder, settings, port=self._port) as running:
            yield running
            assert "Traceback" not in running.log
            assert SECRET not in running.log

    def sign_in(self, user: str) -> dict[str, str]:
        """The cookies of a browser of their own."""
        with requests.Session() as browser:
            browser.trust_env = False
            query = urlencode({"prompt": "none", "login_hint": user})
            url = f"{self.url}/login?{query}"
            for status in (302, 302, 303):
                answer = browser.get(url, allow_redirects=False, timeout=10)
                assert answer.status_code == status, answer.text
                url = answer.headers["Location"]
            return {"doorkey": str(browser.cookies["doorkey"])}

    def user(self, cookies: dict[str, str]) -> str:
        said = requests.get(f"{self.url}/session", cookies=cookies, timeout=10).json()
        return str(said["user"]) if said["active"] else ""

    def users(self, cookies: dict[str, str]) -> set[str]:
        """What `MANY` requests at once were told."""
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(lambda _: self.user(cookies), range(MANY)))

    def end_at_provider(self, user: str) -> list[int]:
        """Alice leaves there; what Doorkey answered to each logout token."""
        return [one["status"] for one in self._control("POST", "/dev/logout", {"sub": user})["told"]]

    def _control(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.request(method, self.provider + path, json=body, timeout=20)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.server(servers.dev_provider, tmp_path_factory.mktemp("provider")) as running:
        yield running.url


@pytest.fixture
def site(provider: str, tmp_path: Path) -> Site:
    return Site(tmp_path, provider)


def test_both_workers_know_at_once_that_a_session_has_ended(site: Site) -> None:
    with site.running(workers=2):
        alice, again, bob = site.sign_in("alice"), site.sign_in("alice"), site.sign_in("bob")
        assert site.users(alice) == {"alice"}
        assert site.end_at_provider("alice") == [200, 200]
        assert site.users(alice) == site.users(again) == {""}
        assert site.users(bob) == {"bob"}


def test_a_process_that_was_just_started_carries_it_out(site: Site) -> None:
    """It has no keys, and asks the provider for them while the provider waits for its answer.

    On a busy machine that may take more than the second that it has; then it is carried out a moment later.
    """
    with site.running():
        alice, bob = site.sign_in("alice"), site.sign_in("bob")
    with site.running():
        assert site.end_at_provider("alice") in ([200], [400])
        eventually(lambda: site.user(alice) == "", "the logout token was not carried out")
        assert site.user(bob) == "bob"
    with site.running():
        assert (site.user(alice), site.user(bob)) == ("", "bob"), "what has ended stays ended"


def test_what_is_no_logout_token_is_refused_by_the_real_server_too(site: Site) -> None:
    url = f"{site.url}/backchannel-logout/op"
    with site.running():
        alice = site.sign_in("alice")
        for body in (b"", b"logout_token=x", b"logout_token=" + b"x" * 60_000, b"\xff\xfe=\x00"):
            for kind in ("application/x-www-form-urlencoded", "application/json", ""):
                headers = {"Content-Type": kind} if kind else {}
                answer = requests.post(url, data=body, headers=headers, timeout=10)
                assert answer.status_code == 400, answer.text
                assert answer.json()["error"] == "logout_token_invalid"
                assert answer.headers["Cache-Control"] == "no-store"
        assert requests.post(url, data={"logout_token": "x" * 100_000}, timeout=10).status_code == 413
        assert requests.get(url, params={"logout_token": "x"}, timeout=10).status_code == 405
        assert site.user(alice) == "alice"
