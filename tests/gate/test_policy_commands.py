"""`doorkey policy check`: exit code 0 when a policy can be used, 1 with doubts, 2 when it cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doorkey.cli import main
from tests.support.gate_desk import SETTINGS

GOOD = """
[[rule]]
name = "static"
host = ["app.example.com", "*.apps.example.com"]
path = "/static"
allow = "anyone"

[[rule]]
name = "everybody"
allow = "signed-in"

[[policy.admins]]
name = "admins"
allow = { groups = ["admins"] }
provider = "stub"
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def check(text: str | bytes | None = None, *arguments: str, **changes: str) -> Result:
        file = tmp_path / "policy.toml"
        if text is not None:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        env = {**SETTINGS, "DOORKEY_INSTANCE": str(tmp_path / "instance"), "DOORKEY_POLICY_FILE": str(file), **changes}
        return CliRunner().invoke(main, ["policy", "check", *arguments], env=env, prog_name="doorkey")

    return check


def test_a_good_policy_is_counted_and_its_lists_are_named(run: Run) -> None:
    result = run(GOOD)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "3 rules" in result.output
    assert "admins" in result.output


def test_another_file_than_that_of_the_settings_can_be_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(GOOD)
    assert run("broken = ", "other.toml").exit_code == 0
    assert run(GOOD, "missing.toml").exit_code == 2


def test_every_mistake_is_told_with_line_and_rule(run: Run) -> None:
    text = '[[rule]]\nname = "a"\nalow = 1\nallow = "anyone"\n\n[[rule]]\nname = "b"\npath = "x"\nallow = "anyone"\n'
    result = run(text)
    assert result.exit_code == 2
    assert "line 3: rule 'a': alow" in result.stderr
    assert "line 8: rule 'b': path" in result.stderr


@pytest.mark.parametrize("text", ["[[rule", b"\xff", "a = 1" + "0" * 5000, "a = " + "[" * 50_000, "[rule]\n"])
def test_what_is_no_policy_is_told_in_words(run: Run, text: str | bytes) -> None:
    result = run(text)
    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


def test_an_unknown_provider_is_a_mistake(run: Run) -> None:
    result = run(GOOD.replace("stub", "corp"))
    assert result.exit_code == 2
    assert "corp" in result.stderr


def test_a_host_that_is_not_behind_the_gate_is_a_doubt(run: Run) -> None:
    result = run(GOOD.replace('"app.example.com"', '"ap.example.com"'))
    assert result.exit_code == 1
    assert "ap.example.com is not in DOORKEY_ALLOWED_HOSTS" in result.stderr
    assert "'static'" in result.stderr


def test_a_rule_behind_one_that_fits_everything_is_a_doubt(run: Run) -> None:
    text = '[[rule]]\nname = "all"\nallow = "signed-in"\n\n[[rule]]\nname = "late"\npath = "/admin"\nallow = "anyone"\n'
    result = run(text)
    assert result.exit_code == 1
    assert "'late' is never reached: 'all'" in result.stderr


def test_a_rule_behind_one_for_anyone_is_still_reached_by_odd_paths(run: Run) -> None:
    text = '[[rule]]\nname = "all"\nallow = "anyone"\n\n[[rule]]\nname = "late"\nallow = { groups = ["a"] }\n'
    assert run(text).exit_code == 0


def test_an_empty_file_is_a_policy_without_rules(run: Run) -> None:
    assert (run("").exit_code, "0 rules" in run("").output) == (0, True)


def test_without_a_file_there_is_nothing_to_check(run: Run) -> None:
    result = run(None, DOORKEY_POLICY_FILE="")
    assert result.exit_code == 2
    assert "DOORKEY_POLICY_FILE" in result.stderr


def test_a_mistake_in_the_settings_comes_first(run: Run) -> None:
    result = run(GOOD, DOORKEY_ALLOWED_HOSTS="https://app.example.com")
    assert result.exit_code == 2
    assert "DOORKEY_ALLOWED_HOSTS" in result.stderr


def test_doorkey_check_says_what_the_gate_needs(gate_settings: dict[str, str], environ: dict[str, str]) -> None:
    settings = {**environ, **gate_settings, "DOORKEY_PROVIDERS": "stub"}
    for name in [name for name in settings if name.startswith("DOORKEY_PROVIDER_OTHER")]:
        del settings[name]
    told = CliRunner().invoke(main, ["check"], env=settings, prog_name="doorkey").stdout
    assert "The gate is open to whoever is signed in, at app.example.com, *.apps.example.com" in told
    assert "other.example.org: the cookie of a sign-in does not get there" in told
    assert "app.example.com: the cookie" not in told
    assert "Sign-ins are counted by the proxy's address" in told
    named = {**settings, "DOORKEY_TRUSTED_PROXIES": "127.0.0.1"}
    assert "counted" not in CliRunner().invoke(main, ["check"], env=named, prog_name="doorkey").stdout
