"""Where an operator sits who tries `doorkey check --through`: a real Doorkey, proxies in front of it, and its settings.

with open_desk(folder, kinds) as desk:
    desk.check(desk.proxy("nginx").port, "--json")
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from doorkey.cli import main
from tests.proxies.every import PROXIES
from tests.proxies.gate_world import World, open_world, settings_for
from tests.proxies.running import Proxy, RunningProxy
from tests.support.servers import free_port

APP = "https://app.example.com"
KINDS = {kind.name: kind for kind in PROXIES}


@dataclass
class Desk:
    """Where an operator sits: `settings` are those of the Doorkey in `world`."""

    world: World
    settings: dict[str, str]

    def proxy(self, name: str) -> RunningProxy:
        found = self.world.proxies[name]
        if isinstance(found, BaseException):
            raise found
        return found

    def check(self, port: int, *more: str, through: str = APP, **changes: str) -> Result:
        arguments = ["check", "--through", through, "--connect", f"127.0.0.1:{port}", *more]
        return CliRunner().invoke(main, arguments, env={**self.settings, **changes}, prog_name="doorkey")

    @property
    def sessions(self) -> list[str]:
        with self.world.store.client() as store:
            return [str(key) for key in store.scan_iter("doorkey:session:*")]


@contextmanager
def open_desk(folder: Path, kinds: Sequence[Proxy] = PROXIES) -> Iterator[Desk]:
    with open_world(folder, kinds) as world:
        settings = settings_for(world.provider, world.store, folder / "policy.toml", free_port())
        own = {"DOORKEY_CONFIG": os.devnull, "DOORKEY_INSTANCE": str(folder / "instance")}
        yield Desk(world, {**settings, **own, "DOORKEY_CA_BUNDLE": str(folder / "ca.pem")})
