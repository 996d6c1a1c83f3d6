"""The real Doorkey with a Redis, a scripted provider and an app, and real proxies in front of both."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.conftest import KEY, provider_settings
from tests.proxies.echo_app import EchoApp
from tests.proxies.every import PROXIES
from tests.proxies.fronts import start_all
from tests.proxies.running import Proxy, RunningProxy, certified
from tests.support.redis_servers import RedisServer, redis_server
from tests.support.scripted_provider import ScriptedProvider
from tests.support.servers import Running, free_port, python_app, server

POLICY = """
[[rule]]
name = "public pages"
path = "/public"
allow = "anyone"

[[rule]]
name = "admins"
path = "/admin"
allow = { groups = ["admins"] }
"""


@dataclass
class World:
    """Everything real, and an app that tells what reached it."""

    app: EchoApp
    doorkey: Running
    store: RedisServer
    provider: ScriptedProvider
    proxies: dict[str, RunningProxy | BaseException]


@contextmanager
def open_world(folder: Path, kinds: Sequence[Proxy] = PROXIES, *, second_host: str = "") -> Iterator[World]:
    """`kinds` of proxies, side by side; with `second_host` the app is there under that name as well."""
    policy = folder / "policy.toml"
    policy.write_text(POLICY)
    with ExitStack() as stack:
        provider = ScriptedProvider()
        stack.callback(provider.close)
        app = stack.enter_context(EchoApp())
        store = stack.enter_context(redis_server(folder / "redis"))
        fastcgi = free_port()
        settings = settings_for(provider, store, policy, fastcgi)
        doorkey = stack.enter_context(server(python_app, folder / "doorkey", settings))
        site = replace(certified(folder, app.port, doorkey.port, fastcgi), second_host=second_host)
        yield World(app, doorkey, store, provider, start_all(stack, site, kinds))
        assert "Traceback" not in doorkey.log


def settings_for(provider: ScriptedProvider, store: RedisServer, policy: Path, fastcgi: int) -> dict[str, str]:
    return {
        "DOORKEY_PUBLIC_URL": "https://login.example.com",
        "DOORKEY_COOKIE_DOMAIN": "example.com",
        "DOORKEY_ALLOWED_HOSTS": "app.example.com,other.example.com",
        "DOORKEY_TRUSTED_PROXIES": "127.0.0.1/32",
        "DOORKEY_FASTCGI": f"127.0.0.1:{fastcgi}",
        "DOORKEY_POLICY_FILE": str(policy),
        "DOORKEY_SESSION_STORE": store.url,
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": "stub",
        **provider_settings("stub", provider.url),
    }
