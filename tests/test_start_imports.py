"""What a start imports: what it does not need yet costs every start, and the memory of every worker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURED = {
    "DOORKEY_CONFIG": os.devnull,
    "DOORKEY_PUBLIC_URL": "https://login.example.com",
    "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
    "DOORKEY_PROVIDERS": "acme",
    "DOORKEY_PROVIDER_ACME_ISSUER": "https://provider.example.com",
    "DOORKEY_PROVIDER_ACME_CLIENT_ID": "doorkey",
    "DOORKEY_PROVIDER_ACME_CLIENT_SECRET": "canary-client-secret",
}
START = "import sys, doorkey.cli.serve, doorkey.factory; doorkey.factory.create_asgi(); print(*sys.modules)"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of a process with a provider of its own, and sessions in SQLite."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("DOORKEY_")}
    environ = {**own, **CONFIGURED, "DOORKEY_INSTANCE": str(tmp_path_factory.mktemp("start") / "instance")}
    root = Path(__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", START], cwd=root, env=environ, capture_output=True, check=True)
    return set(found.stdout.decode().split())


@pytest.mark.parametrize(
    ("module", "why"),
    [
        pytest.param("redis", "sessions are in SQLite", id="Redis"),
        pytest.param("doorkey.devprovider", "another provider is configured", id="the development provider"),
        pytest.param("authlib.integrations", "requests are sent by our own transport", id="sessions of Authlib"),
        pytest.param("authlib.oidc", "ID tokens are checked by oauth/id_token.py", id="OpenID Connect of Authlib"),
    ],
)
def test_a_start_does_not_import_what_nobody_needs(imported: set[str], module: str, why: str) -> None:
    assert "doorkey.factory" in imported
    assert module not in imported, why
