"""A Doorkey at login.example.com that guards app.example.com, *.apps.example.com and other.example.org."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.support.gate_visits import GateVisitor

OWN_URL = "https://login.example.com"
APP = "https://app.example.com"
OUTSIDE = "https://other.example.org"


@pytest.fixture
def gate_settings() -> dict[str, str]:
    return {
        "DOORKEY_PUBLIC_URL": OWN_URL,
        "DOORKEY_COOKIE_DOMAIN": "example.com",
        "DOORKEY_ALLOWED_HOSTS": "app.example.com, *.apps.example.com, other.example.org, tool.example.com:8443",
        "DOORKEY_PROVIDERS": "stub",
    }


@pytest.fixture
def make_gate(
    make_app: Callable[..., Flask], gate_settings: dict[str, str], environ: dict[str, str], tmp_path: Path
) -> Callable[..., Flask]:
    """An app with `policy` as its policy file, and some settings changed."""
    for name in [name for name in environ if name.startswith("DOORKEY_PROVIDER_OTHER")]:
        del environ[name]

    def make(policy: str = "", **changes: str) -> Flask:
        if policy:
            file = tmp_path / "policy.toml"
            file.write_text(policy)
            changes["DOORKEY_POLICY_FILE"] = str(file)
        return make_app(**{**gate_settings, **changes})

    return make


@pytest.fixture
def gate_app(make_gate: Callable[..., Flask]) -> Flask:
    return make_gate()


class Member(GateVisitor):
    """Signs in at the scripted provider whenever the way leads there."""

    def sign_in(self, url: str = f"{OWN_URL}/login") -> str:
        """The whole way from /login; where the browser is sent then."""
        from urllib.parse import parse_qs, urlsplit

        begun = self.go(url)
        assert begun.status_code == 302, begun.text
        state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
        done = self.go(f"{OWN_URL}/callback/stub?code=canary-code&state={state}")
        if "Refresh" in done.headers:  # to another site
            return done.headers["Refresh"].removeprefix("0; url=")
        assert done.status_code == 303, done.text
        return done.headers["Location"]


@pytest.fixture
def member(gate_app: Flask) -> Member:
    return Member(gate_app, OWN_URL, "example.com")


@pytest.fixture
def make_member(make_gate: Callable[..., Flask]) -> Callable[..., Member]:
    def make(policy: str = "", **changes: str) -> Member:
        return Member(make_gate(policy, **changes), OWN_URL, "example.com")

    return make
