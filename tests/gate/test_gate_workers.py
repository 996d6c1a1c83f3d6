"""A changed policy and several workers: read by all at a signal; a broken one is told in log, metrics and readiness."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.proxies.raw_client import request, send
from tests.support import servers
from tests.support.redis_servers import until
from tests.support.servers import Running, free_port

OPEN = '[[rule]]\nname = "static"\npath = "/static"\nallow = "anyone"\n'
BROKEN = OPEN + '\n[[rule]]\nname = "broken"\n'
ASKED = [("X-Original-Method", "GET"), ("X-Original-URL", "http://127.0.0.1:3000/static/x")]
PROVIDER = {
    "AUTHORIZATION_ENDPOINT": "http://127.0.0.1:9/authorize",
    "TOKEN_ENDPOINT": "http://127.0.0.1:9/token",
    "USERINFO_ENDPOINT": "http://127.0.0.1:9/userinfo",
    "CLIENT_ID": "client",
}


class Workers:
    """Two of them behind one port, with a policy file."""

    def __init__(self, server: Running, policy: Path):
        self.server, self.policy = server, policy

    def write(self, text: str) -> None:
        """As an editor does, another file in its place; and the signal."""
        fresh = self.policy.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.policy)
        os.kill(self.server.process.pid, signal.SIGHUP)

    def answers(self) -> set[int]:
        """Of checks over connections of their own, so that both workers get some."""
        return {send(self.server.port, request("GET", "/check/nginx", ASKED)).status for _ in range(12)}

    def stale(self) -> dict[str, str]:
        """By process, as metrics tell it."""
        found: dict[str, str] = {}
        for _ in range(60):
            text = requests.get(f"{self.server.url}/metrics", timeout=10).text
            found |= re.findall(r'doorkey_policy_stale\{process="(\d+)"\} (\d)', text)
            if len(found) == 2:
                break
        return found


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    port, policy = free_port(), tmp_path / "policy.toml"
    settings = {f"DOORKEY_PROVIDER_STUB_{name}": value for name, value in PROVIDER.items()}
    settings |= {"DOORKEY_PUBLIC_URL": f"http://127.0.0.1:{port}", "DOORKEY_PROVIDERS": "stub", "WEB_CONCURRENCY": "2"}
    settings |= {"DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl", "DOORKEY_POLICY_FILE": str(policy)}
    policy.write_text(OPEN)
    with servers.server(servers.python_app, tmp_path, settings, port=port) as server:
        found = Workers(server, policy)
        until(lambda: len(found.stale()) == 2, "both workers are up")
        yield found
        assert "Traceback" not in server.log


def test_all_workers_read_a_changed_policy_and_keep_the_old_one_when_it_is_broken(workers: Workers) -> None:
    assert workers.answers() == {200}
    workers.write(BROKEN)
    until(lambda: workers.answers() == {200} and set(workers.stale().values()) == {"1"}, "both complain")
    assert "line 6" in workers.server.log
    ready = requests.get(f"{workers.server.url}/readyz", timeout=10)
    assert (ready.status_code, ready.json()["policy"]) == (200, "stale")
    workers.write("")
    until(lambda: workers.answers() == {401} and set(workers.stale().values()) == {"0"}, "both read the new one")
