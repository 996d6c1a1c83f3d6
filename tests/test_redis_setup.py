"""The wrong kind of server is refused with words that help; what is set up badly is said (sessions/redis_setup.py)."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from doorkey.clock import Clock
from doorkey.errors import SettingsError, StoreUnavailable
from doorkey.sessions.redis_store import RedisStore
from doorkey.setting_stores import session_store
from tests.support.redis_servers import HOST, RedisServer, redis_server
from tests.support.redis_topologies import SentinelSetup, cluster, sentinel_setup
from tests.support.servers import ROOT

PASSWORD = "sword:fish"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path, password=PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSetup]:
    with sentinel_setup(tmp_path_factory.mktemp("sentinels"), sentinels=1) as running:
        yield running


def concerns(url: str, clock: Clock = time.time) -> list[str]:
    return RedisStore(session_store(url), clock).concerns()


def refused(url: str) -> str:
    """Why it is refused."""
    with pytest.raises(SettingsError) as caught:
        concerns(url)
    (problem,) = caught.value.problems
    assert problem.startswith("DOORKEY_SESSION_STORE: ")
    assert "fish" not in problem
    return problem.removeprefix("DOORKEY_SESSION_STORE: ")


def test_a_good_server_raises_no_concern(server: RedisServer) -> None:
    assert concerns(server.url) == []


def test_one_that_forgets_at_a_restart_is_a_concern(tmp_path: Path) -> None:
    with redis_server(tmp_path, appendonly=False) as server:
        (concern,) = concerns(server.url)
    assert "appendonly is off" in concern


def test_one_that_drops_sessions_when_memory_is_short_is_a_concern(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert concerns(server.url) == []  # without a limit nothing is dropped
        client.config_set("maxmemory", "100mb")
        (concern,) = concerns(server.url)
        assert "maxmemory-policy is allkeys-lru" in concern
        client.config_set("maxmemory-policy", "noeviction")
        assert concerns(server.url) == []


@pytest.mark.parametrize("ahead", [-60, 60])
def test_a_clock_that_differs_from_the_servers_is_a_concern(server: RedisServer, ahead: int) -> None:
    (concern,) = concerns(server.url, lambda: time.time() + ahead)
    assert re.search(r"differ by (59|60|61) seconds", concern)
    assert concerns(server.url, lambda: time.time() + ahead / 60) == []


def test_what_is_wrong_with_one_node_of_a_cluster_is_said_once(tmp_path: Path) -> None:
    with cluster(tmp_path, masters=2, options=("--maxmemory", "100mb")) as nodes:
        assert concerns(nodes.url) == []
        for node in nodes.nodes:
            with node.client() as client:
                client.config_set("maxmemory-policy", "volatile-ttl")
        (concern,) = concerns(nodes.url)
        assert "volatile-ttl" in concern
        plain = f"redis://{HOST}:{nodes.nodes[0].port}"
        assert refused(plain) == f"{plain} leads to a server in cluster mode; write redis+cluster://"


def test_sentinels_are_not_servers(sentinels: SentinelSetup) -> None:
    assert concerns(sentinels.url) == []
    sentinel = f"{HOST}:{sentinels.sentinels[0].port}"
    advice = "leads to a server in sentinel mode; write redis+sentinel://"
    assert refused(f"redis://{sentinel}") == f"redis://{sentinel} {advice}"
    assert "write redis+sentinel://" in refused(f"redis+cluster://{sentinel}")


def test_a_replica_is_not_a_master(sentinels: SentinelSetup) -> None:
    replica = f"redis://{HOST}:{sentinels.replicas[0].port}"
    assert refused(replica) == f"{replica} is a replica, which cannot be written; name its master"


def test_a_service_that_the_sentinels_do_not_know_is_named(sentinels: SentinelSetup) -> None:
    with pytest.raises(StoreUnavailable, match="knows no service 'other'"):
        concerns(sentinels.url.rpartition("/")[0] + "/other")


@pytest.mark.parametrize(
    ("scheme", "path", "words"),
    [("redis+sentinel", "/service", "names no Sentinels; write redis://"), ("redis+cluster", "", "is not a Cluster")],
)
def test_one_server_is_neither_sentinels_nor_a_cluster(server: RedisServer, scheme: str, path: str, words: str) -> None:
    credentials = f":{PASSWORD}@" if scheme == "redis+cluster" else ""
    query = f"?sentinel_password={PASSWORD}" if scheme == "redis+sentinel" else ""
    assert words in refused(f"{scheme}://{credentials}{HOST}:{server.port}{path}{query}")


def test_a_server_that_is_away_is_no_mistake_in_the_settings(server: RedisServer) -> None:
    server.kill()
    with pytest.raises(StoreUnavailable):
        concerns(server.url)


def test_tls_files_that_are_none_are_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "text.pem").write_text("not a certificate")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for query in ("ssl_ca_certs=empty.pem", "ssl_ca_certs=text.pem", "ssl_certfile=text.pem", "ssl_certfile=ca.pem"):
        address = f"rediss://:{PASSWORD}@{HOST}:6379?{query.replace('=', f'={tmp_path}/')}"
        assert "TLS files of rediss://127.0.0.1:6379 cannot be used" in refused(address)


def test_a_certificate_of_our_own_is_shown(tmp_path: Path) -> None:
    authority = trustme.CA()
    pair = authority.issue_cert("doorkey")
    pair.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    with redis_server(tmp_path / "redis", tls=authority) as server:
        with server.client() as client:
            client.config_set("tls-auth-clients", "yes")
        url = f"{server.url}?ssl_ca_certs={server.ca_file}"
        with pytest.raises(StoreUnavailable):
            concerns(url)
        assert concerns(f"{url}&ssl_certfile={tmp_path}/own.pem") == []


def test_the_app_does_not_start_with_the_wrong_kind_of_server(sentinels: SentinelSetup, tmp_path: Path) -> None:
    """A mistake that every request would meet, some of them only."""
    wrong = f"redis://{HOST}:{sentinels.sentinels[0].port}"
    found = serve(wrong, tmp_path)
    assert found.returncode == 2, found.stderr
    assert "write redis+sentinel://" in found.stderr
    assert "Traceback" not in found.stderr


def serve(store: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {"DOORKEY_SESSION_STORE": store, "DOORKEY_CONFIG": os.devnull, "DOORKEY_INSTANCE": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "doorkey", "serve", "--port", "1"],
        cwd=ROOT,
        env={**{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
