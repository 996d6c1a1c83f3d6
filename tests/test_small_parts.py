"""Modules too small for a file of their own: device_label, key_file, mount, ops, paths."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from doorkey import paths
from doorkey.errors import SettingsError
from doorkey.factory import create_app
from doorkey.sessions.key_file import load_or_make_key
from doorkey.settings import load
from doorkey.web.device_label import device_label
from doorkey.web.mount import mount
from tests.support.person import Person
from tests.test_provider import SETTINGS

MOZILLA = "Mozilla/5.0 "


@pytest.mark.parametrize(
    ("agent", "label"),
    [
        (MOZILLA + "(X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Linux"),
        (MOZILLA + "(Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36", "Chrome on Windows"),
        (MOZILLA + "(Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Windows"),
        (MOZILLA + "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18 Safari/605", "Safari on macOS"),
        (MOZILLA + "(iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604", "Safari on iPhone"),
        (MOZILLA + "(Linux; Android 15) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "Unknown device"),
        ("", "Unknown device"),
        ("<script>", "Unknown device"),
    ],
)
def test_a_browser_gets_a_coarse_name(agent: str, label: str) -> None:
    assert device_label(agent) == label


class TestKeyFile:
    def test_a_key_is_made_once_and_for_this_user_only(self, tmp_path: Path) -> None:
        key = load_or_make_key(tmp_path / "new")
        assert len(key) >= 32
        assert load_or_make_key(tmp_path / "new") == key
        assert (tmp_path / "new" / "secret_key").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        assert [found.name for found in (tmp_path / "new").iterdir()] == ["secret_key"]

    def test_many_at_once_agree_on_one(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(20) as pool:
            assert len(set(pool.map(load_or_make_key, [tmp_path / "new"] * 20))) == 1

    def test_a_folder_that_cannot_be_made_is_an_os_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(OSError, match="file"):
            load_or_make_key(tmp_path / "file" / "folder")


class TestWhatTheFactoryRefuses:
    """Everything an operator can get wrong is a `SettingsError`, so that `serve` says it and exits with 2."""

    def refused(self, **changes: str) -> str:
        with pytest.raises(SettingsError) as caught:
            create_app(load({"DOORKEY_CONFIG": "/dev/null", **changes}))
        return str(caught.value)

    def test_an_instance_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        assert "DOORKEY_INSTANCE" in self.refused(DOORKEY_INSTANCE=str(tmp_path / "file"))

    def test_a_generated_key_that_was_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "secret_key").write_text("")
        assert "secret_key" in self.refused(DOORKEY_INSTANCE=str(tmp_path))

    def test_a_ca_bundle_without_certificates(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")
        assert "CA_BUNDLE" in self.refused(DOORKEY_INSTANCE=str(tmp_path), DOORKEY_CA_BUNDLE=str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/oauth/token", "provider"), ("/.well-known/x", "provider"), ("/dev/", "provider"), ("/", "app"),
        ("/oauth", "app"), ("/oauthx/", "app"), ("/developers", "app"), ("", "app"),
    ],
)  # fmt: skip
def test_the_provider_gets_its_own_paths_whole_and_the_app_the_rest(path: str, who: str) -> None:
    def named(name: str) -> Any:
        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            return [f"{name} {environ.get('PATH_INFO')}".encode()]

        return app

    mounted = mount(named("app"), named("provider"))
    assert list(mounted({"PATH_INFO": path}, None)) == [f"{who} {path}".encode()]


def test_the_address_of_an_asset_changes_with_its_content() -> None:
    assert re.fullmatch(r"/static/site\.css\?v=[0-9a-f]{12}", paths.asset("site.css"))
    assert paths.asset("site.css") != paths.asset("favicon.svg").replace("favicon.svg", "site.css")


class TestProbes:
    @pytest.fixture
    def app(self, tmp_path: Path) -> Flask:
        return create_app(load(SETTINGS | {"DOORKEY_SESSION_STORE": f"sqlite:{tmp_path}/store/s.sqlite3"}))

    def test_alive_says_nothing_else(self, app: Flask) -> None:
        response = Person(app, "http://10.1.2.3:8000").get("/healthz")
        assert (response.status_code, response.text) == (200, "ok\n")

    def test_ready_when_the_store_answers(self, app: Flask) -> None:
        response = Person(app, "http://10.1.2.3:8000").get("/readyz")
        assert (response.status_code, response.get_json()) == (
            200,
            {"ready": True, "store": "ok", "policy": "ok", "providers": {"acme": "ok"}},
        )

    def test_not_ready_when_it_does_not_but_alive(self, app: Flask, tmp_path: Path) -> None:
        (tmp_path / "store").write_text("a file where the folder should be")
        person = Person(app, "http://10.1.2.3:8000")
        response = person.get("/readyz")
        assert (response.status_code, response.get_json()["ready"]) == (503, False)
        assert int(response.headers["Retry-After"]) > 0
        assert str(tmp_path) not in response.text
        assert person.get("/healthz").status_code == 200
