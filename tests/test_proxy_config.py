"""`doorkey proxy-config`: the files of deploy/ with somebody's own addresses, and nothing else, in them."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner, Result

from doorkey.cli.proxy_config import PROXIES, command
from doorkey.paths import DEPLOY

OWN = (
    *("--app", "http://app.internal:3456", "--doorkey", "http://gate.internal:8123"),
    *("--host", "wiki.acme.org", "--login-host", "login.acme.org", "--fastcgi", "gate.internal:9123"),
)
PLACES = r"127\.0\.0\.1:(3000|8000|9001)|\bexample\.com|(address: *127\.0\.0\.1,? *)?port_value: *(3000|8000)"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.mark.parametrize("proxy", PROXIES)
def test_every_place_is_filled(proxy: str) -> None:
    done = run(proxy, *OWN)
    assert done.exit_code == 0
    assert re.search(PLACES, done.output) is None
    wanted = ["wiki.acme.org", "login.acme.org", "app.internal", "3456", "gate.internal", "8123"]
    assert [word for word in wanted if word not in done.output] == []


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_example_addresses_give_the_files_as_they_are(proxy: str, tmp_path: Path) -> None:
    done = run(proxy, "--app", "http://127.0.0.1:3000", "--doorkey", "http://127.0.0.1:8000/", "--out", str(tmp_path))
    assert done.exit_code == 0
    files = {path.name: path.read_text() for path in (DEPLOY / proxy).iterdir()}
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == files


def test_several_files_are_told_apart() -> None:
    done = run("traefik", *OWN)
    assert re.findall(r"^# ---- file: (.*) ----$", done.output, re.MULTILINE) == sorted(
        path.name for path in (DEPLOY / "traefik").iterdir()
    )


@pytest.mark.parametrize(
    ("proxy", "wanted"),
    [
        ("nginx", "/check/nginx/admins;"),
        ("caddy", "uri /check/forward/admins?"),
        ("traefik", "/check/forward/admins\n"),
        ("haproxy", "/check/nginx/admins"),
        ("envoy", "path_prefix: /check/envoy:admins"),
    ],
)
def test_a_named_policy_stands_in_the_path_of_the_check(proxy: str, wanted: str) -> None:
    assert wanted in run(proxy, *OWN, "--policy", "admins").output
    assert "admins" not in run(proxy, *OWN).output


def test_apache_names_a_policy_by_a_variable_in_the_server_of_the_application() -> None:
    done = run("apache", *OWN, "--policy", "admins")
    assert done.exit_code == 0
    assert re.search(r"ServerName \S+\n    SetEnvIf Request_URI \^ DK_POLICY=admins\n", done.output)
    assert done.output.count("DK_POLICY=admins") == 1


HOSTILE = [
    "a;b",
    "a b",
    "a\nb",
    "a}b",
    "a{b",
    "a`b",
    "a$b",
    'a"b',
    "a'b",
    "a#b",
    "a\\b",
    "a/b",
    "a..b",
    "-a",
    "a\x00b",
    "",
]


@pytest.mark.parametrize("word", HOSTILE)
def test_nothing_can_break_out_of_a_configuration(word: str) -> None:
    good = dict(zip(OWN[::2], OWN[1::2], strict=True)) | {"--policy": "admins"}
    bad = {
        "--app": f"http://{word}:3000",
        "--doorkey": f"http://{word}:8000",
        "--host": f"{word}.example.org",
        "--login-host": f"{word}.example.org",
        "--fastcgi": f"{word}:9001",
        "--policy": word or "-",
    }
    for name, value in bad.items():
        if (name, word) in (("--policy", "-a"),):
            value = "A"
        done = run("nginx", *(part for pair in (good | {name: value}).items() for part in pair))
        assert done.exit_code == 2, (name, done.output)
        assert "server_name" not in done.output


@pytest.mark.parametrize(
    "url",
    [
        "https://app:3000",
        "http://app:0",
        "http://app:70000",
        "http://app/path",
        "http://u@app:3000",
        "app:3000",
        "http://[::1]:3000",
    ],
)
def test_an_address_that_the_files_cannot_have_is_refused(url: str) -> None:
    done = run("nginx", "--app", url, "--doorkey", "http://127.0.0.1:8000")
    assert (done.exit_code, "http://127.0.0.1:3000" in done.output) == (2, True)


def test_doorkey_and_the_application_need_different_hosts() -> None:
    done = run("nginx", *OWN[:4], "--host", "a.example.org", "--login-host", "A.example.org")
    assert done.exit_code == 2


def test_hosts_without_a_common_domain_leave_the_cookie_domain_alone() -> None:
    output = run("nginx", *OWN[:4], "--host", "app.one.org", "--login-host", "login.other.net").output
    assert "DOORKEY_COOKIE_DOMAIN=example.com" in output


def test_nothing_is_overwritten_unless_told(tmp_path: Path) -> None:
    file = tmp_path / "Caddyfile"
    file.write_text("mine")
    arguments = ["caddy", *OWN, "--out", str(tmp_path)]
    assert run(*arguments).exit_code == 1
    assert file.read_text() == "mine"
    assert run(*arguments, "--force").exit_code == 0
    assert "wiki.acme.org" in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["Caddyfile"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("caddy", *OWN, "--out", str(tmp_path / "file"))
    assert (done.exit_code, "cannot write" in done.output) == (1, True)


def test_envoy_looks_names_up() -> None:
    clusters = yaml.safe_load(run("envoy", *OWN).output)["static_resources"]["clusters"]
    assert [cluster["type"] for cluster in clusters] == ["STRICT_DNS"] * 2
