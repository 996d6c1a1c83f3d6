"""`doorkey dev-provider` as a process of its own: its options, its start, its memory (cli/dev_provider.py)."""

import re
from collections.abc import Sequence
from pathlib import Path

import requests

from tests.support import servers

QUICK_SECONDS = 2.0
"""It is ready in a third of a second (benchmarks/dev_provider.py); this bound only notices a start that got heavy."""


def with_options(*options: str) -> servers.Command:
    def command(port: int) -> Sequence[str]:
        return (*servers.dev_provider(port), *options)

    return command


def test_it_starts_quickly_and_prints_where_to_look(tmp_path: Path) -> None:
    seconds: list[float] = []
    while not seconds or (min(seconds) >= QUICK_SECONDS and len(seconds) < 8):  # others use the machine too
        with servers.server(servers.dev_provider, tmp_path) as running:
            seconds.append(running.seconds)
            assert f"{running.url}/dev/" in running.log
            assert requests.get(f"{running.url}/dev/", timeout=5).status_code == 200
    assert min(seconds) < QUICK_SECONDS, seconds


def test_what_is_to_fail_can_be_said_at_the_start(tmp_path: Path) -> None:
    options = with_options("--fail", "token:status=503*2", "--fail", "discovery-issuer-mismatch")
    with servers.server(options, tmp_path) as running:
        assert "Will fail: token:status=503" in running.log
        answers = [requests.post(f"{running.url}/oauth/token", timeout=5).status_code for _ in range(3)]
        assert answers == [503, 503, 400]
        document = f"{running.url}/.well-known/openid-configuration"
        issuers = [requests.get(document, timeout=5).json()["issuer"] for _ in range(2)]
        assert issuers == [running.url + "INVALID", running.url]


def test_users_clients_and_lifetimes_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    file.write_text(
        '[users.erin]\nname = "Erin"\n[clients.my-app]\nclient_secret = "s"\n'
        'redirect_uris = ["http://127.0.0.1:3000/cb"]\n[lifetimes]\naccess_token = 77\n'
    )
    with servers.server(with_options("--users-file", str(file)), tmp_path) as running:
        users = requests.get(f"{running.url}/dev/users", timeout=5).json()["users"]
        assert [user["sub"] for user in users] == ["alice", "bob", "carol", "dana", "erin"]
        form = {"grant_type": "client_credentials"}
        fields = requests.post(f"{running.url}/oauth/token", form, auth=("my-app", "s"), timeout=5).json()
        assert fields["expires_in"] == 77


def test_it_is_known_by_the_address_it_was_told(tmp_path: Path) -> None:
    with servers.server(with_options("--issuer", "https://provider.example.test/"), tmp_path) as running:
        document = requests.get(f"{running.url}/.well-known/openid-configuration", timeout=5).json()
        assert document["issuer"] == "https://provider.example.test"
        assert document["token_endpoint"] == "https://provider.example.test/oauth/token"


def resident_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def test_memory_stays_bounded_when_clients_send_much(tmp_path: Path) -> None:
    with servers.server(servers.dev_provider, tmp_path) as running, requests.Session() as session:
        session.trust_env = False

        def flood() -> None:
            for number in range(400):
                session.get(f"{running.url}/oauth/authorize", params={"state": f"{number}" * 1500}, timeout=5)

        flood()
        flood()
        flood()
        before = resident_mib(running.process.pid)
        flood()
        flood()
        assert resident_mib(running.process.pid) - before < 8
