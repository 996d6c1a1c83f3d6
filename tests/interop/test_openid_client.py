"""A certified client that is not ours signs in at the development provider: `openid-client` for Node.

The provider is a process (support/servers.py), the client is openid-client/run.js, which prints one
line for each step. Each line is a test here; what the steps do is in openid-client/steps.js and
failures.js. `npm ci` brings the client, as openid-client/package-lock.json says.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from doorkey.devprovider.failures import FAILURES
from tests.interop import node
from tests.support import servers

HERE = Path(__file__).parent / "openid-client"

STEPS = (
    "discovery-oidc",
    "discovery-oauth2",
    "discovery-oidc-of-another-issuer",
    "discovery-oauth2-of-another-issuer",
    "code-flow",
    "authorization-response-has-iss",
    "code-flow-without-state",
    "code-flow-without-openid",
    "wrong-code-verifier-is-refused",
    "unknown-user-without-a-page",
    "refresh",
    "userinfo",
    "userinfo-signed",
    "userinfo-refuses-a-foreign-token",
    "introspection",
    "revocation",
    "device-grant",
    "device-grant-denied",
    "pushed-authorization-request",
    "client-secret-basic",
    "client-secret-post",
    "public-client",
    "client-secret-jwt",
    "private-key-jwt-rs256",
    "private-key-jwt-es256",
    "wrong-client-secret-is-refused",
    "end-session",
    "client-credentials",
    "form-post",
    "id-token-rs256",
    "id-token-ps256",
    "id-token-es256",
    "id-token-eddsa",
    "jwt-access-token",
    "max-age-and-auth-time",
)
ENDPOINTS = ("id_token", "metadata", "authorize", "userinfo", "token", "refreshed_id_token", "jwks")
FAILURE_STEPS = tuple(
    f"{failure.kind}-{name}"
    for name, failure in FAILURES.items()
    if failure.kind in ("reject", "accept") and failure.at in ENDPOINTS
)


@dataclass(frozen=True)
class Step:
    """What run.js said of a step; `error` is None when it was ok."""

    ok: bool
    error: str | None


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    """Every step by its name, after one run of them all."""
    node.install(HERE)
    with servers.server(servers.dev_provider, tmp_path_factory.mktemp("provider")) as provider:
        done = node.node(HERE, "run.js", provider.url)
    lines = [json.loads(line) for line in done.splitlines()]
    return {line["step"]: Step(line["ok"], line["error"]) for line in lines}


@pytest.mark.parametrize("name", [*STEPS, *FAILURE_STEPS])
def test_openid_client(steps: dict[str, Step], name: str) -> None:
    assert name in steps, f"run.js has no step {name}"
    assert steps[name].ok, steps[name].error


def test_every_step_is_known_here(steps: dict[str, Step]) -> None:
    assert set(steps) == {*STEPS, *FAILURE_STEPS}
