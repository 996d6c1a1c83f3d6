"""What every experiment runs on: one development provider for all, and for each a Doorkey of its own.

    with provider(folder) as at: ...           # `doorkey dev-provider`, tokens of a few seconds
    with running_site(folder, at, "sqlite:") as site: ...

Both are processes (support/servers.py). A site may be stopped and started again with other settings.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.support import servers
from tests.support.servers import Command, Running

SECRET = "client-secret-of-the-fault-experiments"
KEY = "a-key-for-fault-experiments-0123456789-abcdef"
CLIENT = "doorkey-dev"
PEOPLE = 21
LIFETIMES = {"access_token": 4, "refresh_token": 3600}
"""An access token this short is renewed by itself after two seconds."""


def names() -> list[str]:
    return [f"member-{number}" for number in range(PEOPLE)]


@contextmanager
def provider(folder: Path, *failures: str) -> Iterator[str]:
    """The development provider's address; `failures` as for `--fail`."""
    folder.mkdir(parents=True, exist_ok=True)
    users = folder / "users.toml"
    lifetimes = [f"{name} = {seconds}" for name, seconds in LIFETIMES.items()]
    people = [f'[users."{name}"]\nname = "Member"' for name in names()]
    users.write_text("\n".join(["[lifetimes]", *lifetimes, *people]) + "\n")
    words = ("--users-file", str(users), *(word for failure in failures for word in ("--fail", failure)))
    own = {"DOORKEY_DEV_CLIENT_SECRET": SECRET, "DOORKEY_DEV_CLIENT_ID": CLIENT}
    with servers.server(lambda port: (*servers.dev_provider(port), *words), folder, own) as running:
        yield running.url


class Site:
    """Doorkey at `url`, with settings that stay the same over all its starts unless `start()` is given others."""

    def __init__(self, folder: Path, settings: Mapping[str, str], command: Command):
        self.port = servers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.instance = folder / "instance"
        self._folder = folder
        self._settings = {"DOORKEY_PUBLIC_URL": self.url, **settings}
        self._command = command
        self._context: AbstractContextManager[Running] | None = None
        self._running: Running | None = None
        self._logs = ""

    @property
    def pid(self) -> int:
        assert self._running
        return self._running.process.pid

    @property
    def log(self) -> str:
        """What it wrote over all its starts."""
        return self._logs + (self._running.log if self._running else "")

    def start(self, **changes: str) -> None:
        settings = {**self._settings, **changes}
        self._context = servers.server(self._command, self._folder, settings, port=self.port)
        self._running = self._context.__enter__()

    def stop(self) -> None:
        if self._context:
            context, self._context = self._context, None
            self._logs = self.log
            context.__exit__(None, None, None)
            self._running = None


@contextmanager
def running_site(
    folder: Path, provider_url: str, store: str, command: Command, changes: Mapping[str, str]
) -> Iterator[Site]:
    """`store` as DOORKEY_SESSION_STORE; `changes` are settings and other variables of its environment."""
    settings = {
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_SESSION_STORE": store,
        "DOORKEY_SESSION_IDLE": "60s",
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": "dev",
        "DOORKEY_PROVIDER_DEV_ISSUER": provider_url,
        "DOORKEY_PROVIDER_DEV_CLIENT_ID": CLIENT,
        "DOORKEY_PROVIDER_DEV_CLIENT_SECRET": SECRET,
        "DOORKEY_PROVIDER_DEV_SCOPE": "openid profile offline_access message_read",
    }
    site = Site(folder / "app", {**settings, **changes}, command)
    site.start()
    try:
        yield site
    finally:
        site.stop()


def plain_oauth(provider_url: str) -> dict[str, str]:
    """Changes that leave OpenID Connect out: no token is signed for a time, so no clock has to agree with another."""
    endpoints = {"AUTHORIZATION": "authorize", "TOKEN": "token", "USERINFO": "userinfo", "REVOCATION": "revoke"}
    return {
        "DOORKEY_PROVIDER_DEV_ISSUER": "",
        "DOORKEY_PROVIDER_DEV_SCOPE": "message_read profile_read",
        **{f"DOORKEY_PROVIDER_DEV_{name}_ENDPOINT": f"{provider_url}/oauth/{path}" for name, path in endpoints.items()},
    }
