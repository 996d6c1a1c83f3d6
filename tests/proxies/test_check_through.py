"""`doorkey check --through`: content with every proxy of deploy/, and not with one that lacks a safeguard.

The command has the settings of the Doorkey behind the proxies, and the authority of their certificates.
Its session, and its page: test_through_session.py.
"""

import dataclasses
import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result

from doorkey.cli import main, raw_request
from doorkey.cli.through_visitor import PATH
from tests.proxies.running import Site, running
from tests.proxies.through_desk import APP, KINDS, Desk, open_desk
from tests.support.servers import free_port


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("through")) as desk:
        yield desk


def findings(result: Result, kind: str) -> list[str]:
    return [line for line in result.stdout.splitlines() if line.startswith(f"  {kind} ")]


# ---- what it says of proxies ----


@pytest.mark.parametrize("name", KINDS)
def test_every_proxy_of_deploy_passes(desk: Desk, name: str) -> None:
    result = desk.check(desk.proxy(name).port)
    assert result.exit_code == 0, result.output
    assert (findings(result, "FAILED"), findings(result, "warning")) == ([], [])
    notes = ["The application is sent the cookie __Secure-doorkey-gate."] if name == "traefik" else []
    assert [line.removeprefix("  note     ") for line in findings(result, "note")] == notes
    assert len(findings(result, "ok")) > 30
    assert "Somebody with 140 groups gets through." in result.stdout
    assert desk.sessions == []


@dataclass(frozen=True)
class Broken:
    """The deploy file of a proxy with `changes` made to it, and what must be said of that."""

    kind: str
    file: str
    changes: Sequence[tuple[str, str]]
    says: Sequence[str]

    def command(self, site: Site) -> Sequence[str]:
        arguments = KINDS[self.kind].command(site)
        file = site.folder / self.file
        text = file.read_text(encoding="utf-8")
        for old, new in self.changes:
            assert old in text, f"{self.file} no longer has {old!r}"
            text = text.replace(old, new.replace("APP_PORT", str(site.app_port)))
        file.write_text(text, encoding="utf-8")
        return arguments


NGINX_ECHO = "    location = /.doorkey/echo {"
BROKEN = {
    "an identity header is not deleted": Broken(
        "nginx",
        "doorkey.conf",
        [("    proxy_set_header X-Doorkey-Groups       $dk_groups;\n", "")],
        [
            "The application is not told x-doorkey-groups",
            "sees x-doorkey-groups of a visitor's own",
            "set the X-Doorkey",
        ],
    ),
    "underscores pass": Broken(
        "nginx",
        "doorkey.conf",
        [(NGINX_ECHO, "    underscores_in_headers on;\n" + NGINX_ECHO)],
        ["sees x_doorkey_access_token", "sees x_auth_request_access_token", "delete these names, with - and with _"],
    ),
    "the gate is told the Host header": Broken(
        "nginx",
        "doorkey.conf",
        [("$scheme://$host$request_uri;", "$scheme://$http_host$request_uri;")],
        [f"told GET https://login.example.com{PATH}, and not GET {APP}{PATH}", "two hosts", "set every header"],
    ),
    "files and the check are open": Broken(
        "nginx",
        "doorkey.conf",
        [
            (NGINX_ECHO, "    location ~ [.]css$ { proxy_pass http://127.0.0.1:APP_PORT; }\n" + NGINX_ECHO),
            ("    location ~ ^/(check|metrics|oauth2/auth)(/|$) { return 404; }\n", ""),
        ],
        ["Open without a session: /static/doorkey-check.css (200)", "reaches https://login.example.com/check", "404"],
    ),
    "no cookie is handed on": Broken(
        "nginx",
        "doorkey.conf",
        [("        proxy_set_header Cookie            $http_cookie;\n", "")],
        ["the proxy does not hand their cookie to Doorkey", "send the visitor's Cookie header along"],
    ),
    "Connection names identity headers": Broken(
        "caddy-2.6",
        "Caddyfile",
        [("\trequest_header -Connection\n", "")],
        ["not told x-doorkey-groups", "names these in Connection", "drop the visitor's Connection header"],
    ),
    "a visitor's X-Forwarded-Host is believed": Broken(
        "caddy",
        "Caddyfile",
        [("\t\turi /check/forward?\n", "\t\turi /check/forward?\n\t\ttrusted_proxies 127.0.0.1/32\n")],
        [f"told GET https://login.example.com{PATH}", "a visitor who sends X-Forwarded-Host", "told GET http://app"],
    ),
    "the echo page is not handed to Doorkey": Broken(
        "haproxy",
        "haproxy.cfg",
        [(" or { path /.doorkey/echo }", "")],
        [f"Something else than Doorkey answers at {PATH} (200)", "hand it to Doorkey"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_missing_safeguard_is_named_and_what_to_do(desk: Desk, name: str) -> None:
    broken = BROKEN[name]
    site = desk.proxy(broken.kind).site.named("broken-" + name.replace(" ", "-"))
    with running(dataclasses.replace(KINDS[broken.kind], command=broken.command), site) as proxy:
        result = desk.check(proxy.port)
    assert result.exit_code == 7, result.output
    assert findings(result, "FAILED")
    for words in broken.says:
        assert words in result.stdout, result.output
    assert desk.sessions == []


def test_a_certificate_for_another_host_is_told_from_one_of_an_unknown_authority(desk: Desk, tmp_path: Path) -> None:
    third = {"DOORKEY_ALLOWED_HOSTS": "third.example.com, app.example.com"}
    other = desk.check(desk.proxy("haproxy").port, through="https://third.example.com", **third)
    assert (other.exit_code, "third.example.com has no right certificate: Hostname mismatch" in other.stdout) == (
        7,
        True,
    )
    assert "Give the proxy a certificate for this host name" in other.stdout
    refused = desk.check(desk.proxy("nginx").port, through="https://third.example.com", **third)
    assert (refused.exit_code, "The proxy refuses TLS for https://third.example.com" in refused.stdout) == (7, True)
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    unknown = desk.check(desk.proxy("nginx").port, DOORKEY_CA_BUNDLE=str(stranger))
    assert (unknown.exit_code, "name its file in DOORKEY_CA_BUNDLE" in unknown.stdout) == (7, True), unknown.output


def test_what_is_open_by_a_rule_is_a_note_and_a_path_of_the_url_is_tried(desk: Desk) -> None:
    port = desk.proxy("nginx").port
    public = desk.check(port, through=APP + "/public")
    assert (public.exit_code, "/public is open to anyone, by the rule public pages." in public.stdout) == (0, True)
    assert "Nobody is let in without a session at /reports, " in desk.check(port, through=APP + "/reports").stdout


def test_a_session_that_doorkey_does_not_know_is_a_matter_of_settings(desk: Desk, tmp_path: Path) -> None:
    result = desk.check(desk.proxy("nginx").port, DOORKEY_SESSION_STORE=f"sqlite:{tmp_path / 'other.db'}")
    assert (result.exit_code, "Doorkey does not know their session (expired)" in result.stdout) == (7, True), (
        result.output
    )
    assert "DOORKEY_SESSION_STORE" in result.stdout


# ---- what cannot be tried ----


def test_a_proxy_that_is_away_or_silent_is_said_to_be(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    away = desk.check(free_port())
    assert (away.exit_code, f"{APP} cannot be reached: Connection refused." in away.stdout) == (5, True), away.output
    monkeypatch.setattr(raw_request, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = desk.check(silent.getsockname()[1])
    assert (result.exit_code, "cannot be reached: it says nothing." in result.stdout) == (5, True), result.output


def test_a_store_that_is_away_is_not_a_fault_of_the_proxy(desk: Desk) -> None:
    result = desk.check(desk.proxy("nginx").port, DOORKEY_SESSION_STORE=f"redis://127.0.0.1:{free_port()}/0")
    assert (result.exit_code, "See DOORKEY_SESSION_STORE." in result.stdout) == (5, True), result.output
    assert result.stdout.count(f"{APP}\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--through", "http://app.example.com"], "must be https"),
        (["--through", "app.example.com"], "must be a URL"),
        (["--through", "https://app.example.com:99999"], "must be a URL"),
        (["--through", "https://me@app.example.com"], "must be a URL"),
        (["--through", "https://app.example.com/a b"], "must be a URL"),
        (["--through", "https://[::1"], "must be a URL"),
        (["--through", "https://elsewhere.example"], "elsewhere.example is not in DOORKEY_ALLOWED_HOSTS"),
        (["--through", APP, "--connect", "8443"], "must be HOST:PORT"),
        (["--through", APP, "stub"], "--through is about a proxy"),
        (["--connect", "127.0.0.1:8443"], "--connect is for --through"),
    ],
)
def test_a_mistake_in_the_command_is_named(desk: Desk, arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(main, ["check", *arguments], env=desk.settings, prog_name="doorkey")
    assert (result.exit_code, says in result.stderr) == (2, True), result.output
    assert result.stdout == ""


def test_json_gives_one_object_a_line_also_for_a_proxy(desk: Desk) -> None:
    result = desk.check(desk.proxy("nginx").port, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {(line["of"], line["result"], line["error"]) for line in lines} == {(APP, "ok", None)}
    (line,) = [json.loads(line) for line in desk.check(free_port(), "--json").stdout.splitlines()]
    assert (line["result"], line["error"]) == ("failed", "proxy_unreachable")
