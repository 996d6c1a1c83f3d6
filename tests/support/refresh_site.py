"""Real Doorkeys in front of one provider: several workers of one server, or several servers as behind a load balancer.

    with refresh_site(tmp_path, rotating, workers=2) as site:
        cookie = site.sign_in()
        site.ask(cookie, at=1).json()

Every request has a connection of its own, so that any worker may get it.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.support import servers
from tests.support.rotating_provider import RotatingProvider, rotating_settings
from tests.support.servers import Running

KEY = "a-key-for-tests-0123456789-abcdefghijkl"
PATIENCE = 60.0


@dataclass
class Site:
    """`running` are the servers; the first one's address is the public one."""

    running: list[Running]

    def ask(self, cookie: str, path: str = "/session", *, at: int = 0, method: str = "GET", **options: Any) -> Any:
        """What the server number `at` answers (they come round); the browser thinks that there is one."""
        address = self.running[at % len(self.running)].url
        headers = {"Host": urlsplit(self.running[0].url).netloc, "Connection": "close"}
        with requests.Session() as browser:
            browser.trust_env = False
            cookies = {"doorkey": cookie, **options.pop("cookies", {})}
            options = {"allow_redirects": False, "timeout": PATIENCE, **options}
            return browser.request(method, address + path, headers=headers, cookies=cookies, **options)

    def sign_in(self) -> str:
        """The cookie of a new session."""
        begun = self.ask("", "/login?provider=stub")
        state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
        back = "/callback/stub?" + urlencode({"code": "canary-code", "state": state})
        arrived = self.ask("", back, cookies=begun.cookies.get_dict())
        assert arrived.status_code == 303, arrived.text
        return str(arrived.cookies["doorkey"])

    def post(self, cookie: str, path: str, *, at: int = 0) -> Any:
        """A form of ours."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.ask(cookie, "/logout", at=at).text)
        assert token
        return self.ask(cookie, path, at=at, method="POST", data={"csrf_token": token[1]})

    @property
    def log(self) -> str:
        return "".join(running.log for running in self.running)


@contextmanager
def refresh_site(
    folder: Path, rotating: RotatingProvider, *, workers: int = 1, instances: int = 1, store: str = ""
) -> Iterator[Site]:
    """Without a `store`, all share one SQLite file."""
    ports = [servers.free_port() for _ in range(instances)]
    settings = {
        "WEB_CONCURRENCY": str(workers),
        "DOORKEY_PUBLIC_URL": f"http://127.0.0.1:{ports[0]}",
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_SESSION_STORE": store or f"sqlite:{folder / 'sessions.sqlite3'}",
        **rotating_settings(rotating.url),
    }
    with ExitStack() as stack:
        started = [servers.server(servers.python_app, folder, settings, port=port) for port in ports]
        yield Site([stack.enter_context(each) for each in started])
