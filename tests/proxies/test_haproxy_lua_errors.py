"""HAProxy goes on with a request when a Lua action fails; the file in deploy/ must not let it through."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.proxies.echo_app import EchoApp
from tests.proxies.haproxy_proxy import PROXIES, command
from tests.proxies.raw_client import request, send
from tests.proxies.running import Site, certified, running
from tests.proxies.stub_check import StubCheck

(HAPROXY,) = PROXIES
SIGNED_IN = ("Cookie", "__Secure-doorkey-gate=good")


@pytest.mark.parametrize("before", ["local function ask(txn)\n", "        keep_app_cookies(txn)\n"])
def test_an_error_in_the_lua_action_lets_nobody_in(tmp_path: Path, before: str) -> None:
    def broken(site: Site) -> Sequence[str]:
        arguments = command(site)
        lua = site.folder / "doorkey.lua"
        text = lua.read_text(encoding="utf-8")
        assert before in text
        lua.write_text(text.replace(before, before + 'error("no")\n'), encoding="utf-8")
        return arguments

    with EchoApp() as app, StubCheck() as doorkey:
        site = certified(tmp_path, app.port, doorkey.port).named("broken")
        with running(dataclasses.replace(HAPROXY, command=broken), site) as proxy:
            answer = send(proxy.port, request("GET", "/", [SIGNED_IN]), tls=proxy.site.client_tls)
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert app.requests == []
