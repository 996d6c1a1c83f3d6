"""The command line without starting a server: help, refusals, exit codes (cli/)."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doorkey import __version__
from doorkey.cli import COMMANDS, main
from doorkey.cli.uvicorn_server import wanted_workers
from doorkey.devprovider.failures import FAILURES


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DOORKEY_HOST", "DOORKEY_PORT"):
        monkeypatch.setenv(name, "x")  # `serve --port` writes these; so they are put back afterwards
        monkeypatch.delenv(name)


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environ, prog_name="doorkey")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_command_with_a_sentence(option: str) -> None:
    result = run(option)
    assert result.exit_code == 0
    for name, (_, sentence) in COMMANDS.items():
        assert name in result.output
        assert sentence.split()[0] in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert COMMANDS[name][1].rstrip(".").partition(" (")[0].split()[0] in result.output


def test_the_version_is_told() -> None:
    assert __version__ in run("--version").output


def test_an_unknown_command_is_a_usage_error() -> None:
    result = run("sevre")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("serve", {"DOORKEY_SESSION_IDLE": "soon", "DOORKEY_THREADS": "many", "DOORKEY_TYPO": "canary"}),
        ("dev-provider", {"DOORKEY_DEV_REDIRECT_URIS": "soon", "DOORKEY_DEV_TYPO": "canary"}),
    ],
    ids=["serve", "dev-provider"],
)
def test_wrong_settings_are_all_listed_on_stderr_with_exit_code_2(command: str, wrong: dict[str, str]) -> None:
    result = run(command, **wrong)
    assert result.exit_code == 2
    for name in wrong:
        assert f"  - {name}" in result.stderr
    assert "hint: " in result.stderr
    assert result.stdout == ""
    assert "canary" not in result.stderr


def test_serve_refuses_development_on_a_public_address() -> None:
    result = run("serve", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "DOORKEY_INSECURE_DEV_PROVIDER" in result.stderr


def test_serve_refuses_an_instance_folder_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    result = run("serve", DOORKEY_INSTANCE=str(tmp_path / "file"))
    assert result.exit_code == 2
    assert "DOORKEY_INSTANCE" in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "my.laptop"])
def test_dev_provider_refuses_a_public_address_without_the_loud_setting(host: str) -> None:
    result = run("dev-provider", "--host", host)
    assert result.exit_code == 2
    assert "DOORKEY_INSECURE_DEV_PROVIDER=on" in result.stderr


@pytest.mark.parametrize("command", ["serve", "dev-provider"])
@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_an_impossible_port_is_a_usage_error(command: str, port: str) -> None:
    assert run(command, "--port", port).exit_code == 2


@pytest.mark.parametrize(("given", "workers"), [(None, 1), ("", 1), ("1", 1), ("4", 4)])
def test_the_number_of_workers_is_the_platforms(
    given: str | None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if given is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", given)
    assert wanted_workers() == workers


@pytest.mark.parametrize("given", ["0", "-2", "two", "٣", "2.5", "1000"])
def test_a_number_of_workers_that_is_none_stops_the_start(given: str) -> None:
    result = run("serve", WEB_CONCURRENCY=given)
    assert result.exit_code == 2
    assert "WEB_CONCURRENCY" in result.stderr


def test_a_redirect_uri_that_could_never_match_is_refused() -> None:
    result = run("dev-provider", "--redirect-uri", "127.0.0.1:3000/cb")
    assert result.exit_code == 2
    assert "127.0.0.1:3000/cb" in result.stderr


def test_every_failure_is_listed_with_what_it_does() -> None:
    result = run("dev-provider", "--list-failures")
    assert result.exit_code == 0
    for name, failure in FAILURES.items():
        assert name in result.output
        assert failure.summary in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fail", "invalid-isss"], "Do you mean invalid-iss?"),
        (["--fail", "closed"], "Say at which endpoint"),
        (["--fail", "token:status=99"], "status must be a number"),
        (["--issuer", "provider"], "--issuer provider"),
        (["--post-logout-redirect-uri", "here"], "--post-logout-redirect-uri here"),
        (["--users-file", "nowhere.toml"], "nowhere.toml"),
    ],
    ids=str,
)
def test_what_the_development_provider_cannot_do_is_said_and_it_does_not_start(options: list[str], words: str) -> None:
    result = run("dev-provider", *options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_all_mistakes_of_a_users_file_are_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    file.write_text('[users.ann]\nemial = "a@example.com"\n[lifetimes]\ncode = -1\n')
    result = run("dev-provider", "--users-file", str(file))
    assert result.exit_code == 2
    assert "users.ann" in result.stderr
    assert "email" in result.stderr
    assert "lifetimes" in result.stderr
