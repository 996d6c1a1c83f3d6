"""`doorkey explain URL`: the same decision as a check, which rule it was, and why the ones before it were not."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from doorkey.cli import main
from tests.support.gate_desk import HOST, SETTINGS, desk_at

POLICY = """
[[rule]]
name = "static"
host = "app.example.com"
path = "/static"
methods = ["GET"]
allow = "anyone"

[[rule]]
name = "admins"
path = ["/admin", "/**/secret"]
allow = { groups = ["admins"], claims = { department = ["it"] } }

[[rule]]
name = "writers"
methods = ["POST"]
allow = [{ emails = ["root@example.com"] }, { scopes = ["write"] }]

[[policy.mail]]
name = "our people"
allow = { domains = ["example.com"] }
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.toml").write_text(POLICY)
    settings = {**SETTINGS, "DOORKEY_INSTANCE": str(tmp_path / "instance")}

    def explain(*arguments: str, **changes: str) -> Result:
        env = {**settings, "DOORKEY_POLICY_FILE": str(tmp_path / "policy.toml"), **changes}
        return CliRunner().invoke(main, ["explain", *arguments], env=env, prog_name="doorkey")

    return explain


def told(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_a_page_for_anyone(run: Run) -> None:
    found = told(run, f"https://{HOST}/static/x")
    assert (found["verdict"], found["rule"], found["line"], found["passed_over"]) == ("allow", "static", 2, [])


def test_who_has_to_sign_in_who_is_refused_and_who_gets_in(run: Run) -> None:
    url = f"https://{HOST}/admin"
    assert told(run, url)["verdict"] == "log_in"
    bob = told(run, url, "--user", "bob", "--group", "staff")
    assert (bob["verdict"], bob["missing"], bob["user"]) == ("forbid", "groups", "bob")
    admin = ("--user", "ann", "--group", "admins", "--group", "staff")
    assert told(run, url, *admin)["missing"] == "department"
    assert told(run, url, *admin, "--claim", "department=it")["verdict"] == "allow"
    assert told(run, url, *admin, "--claim", 'department=["it", "hr"]')["verdict"] == "allow"


def test_methods_addresses_and_scopes(run: Run) -> None:
    url = f"https://{HOST}/x"
    assert told(run, url, "--method", "POST", "--user", "root@example.com")["verdict"] == "allow"
    assert told(run, url, "--method", "POST", "--user", "u", "--email", "root@example.com")["verdict"] == "allow"
    assert told(run, url, "--method", "POST", "--user", "u", "--scope", "write")["verdict"] == "allow"
    assert told(run, url, "--method", "POST", "--user", "u")["rule"] == "writers"
    assert told(run, url, "--user", "u")["rule"] == "signed-in"


def test_why_the_rules_before_do_not_decide(run: Run) -> None:
    def because(*arguments: str) -> list[str]:
        return [passed["because"] for passed in told(run, *arguments)["passed_over"]]

    assert because("https://two.apps.example.com/x")[0] == "host is two.apps.example.com"
    assert because(f"https://{HOST}/x")[:2] == ["path is /x", "path is /x"]
    assert because(f"https://{HOST}/static", "--method", "PUT")[0] == "method is PUT"
    assert "several ways" in because(f"https://{HOST}/static/%2e")[0]


def test_a_path_that_can_be_read_in_several_ways_is_explained_as_the_strictest(run: Run) -> None:
    found = told(run, f"https://{HOST}/static/..%2fadmin", "--user", "bob")
    assert (found["verdict"], found["rule"], found["canonical"]) == ("forbid", "admins", False)
    assert "/admin" in run(f"https://{HOST}/static/..%2fadmin", "--user", "bob").output


def test_a_host_that_is_not_behind_the_gate_is_forbidden_to_everybody(run: Run) -> None:
    found = told(run, "https://evil.example/static/x", "--user", "root@example.com", "--group", "admins")
    assert (found["guarded"], found["verdict"]) == (False, "forbid")
    assert "DOORKEY_ALLOWED_HOSTS" in run("https://evil.example/").output


def test_a_named_policy(run: Run) -> None:
    url = f"https://{HOST}/admin"
    assert told(run, url, "--policy", "mail", "--user", "x@example.com")["verdict"] == "allow"
    assert told(run, url, "--policy", "mail", "--user", "x@example.org")["missing"] == "domains"
    unknown = run(url, "--policy", "none")
    assert unknown.exit_code == 2
    assert "mail" in unknown.stderr


def test_words_say_who_rule_line_and_verdict(run: Run) -> None:
    text = run(f"https://{HOST}/admin", "--user", "bob").output
    for words in ("bob: FORBIDDEN", "admins (line 9)", "passed over", "static (line 2)", "groups has admins"):
        assert words in text
    assert "no rule fits" in run(f"https://{HOST}/x").output


@pytest.mark.parametrize(
    "url",
    [
        "app.example.com/x",
        "https://",
        "/x",
        "https://a b/",
        "ftp://app.example.com/",
        "",
        "https://app.example.com/a b",
    ],
)
def test_what_no_browser_asks_for_is_a_usage_error(run: Run, url: str) -> None:
    result = run(url)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("claim", ["department", "=it", "="])
def test_a_claim_without_a_value_is_a_usage_error(run: Run, claim: str) -> None:
    assert run(f"https://{HOST}/", "--user", "u", "--claim", claim).exit_code == 2


def test_a_policy_that_cannot_be_read_is_told_with_its_lines(run: Run, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\nname = "x"\nfoo = 1\nallow = "anyone"\n')
    result = run(f"https://{HOST}/")
    assert result.exit_code == 2
    assert "line 3" in result.stderr


def test_without_a_policy_whoever_is_signed_in_is_let_in(run: Run) -> None:
    assert "signed-in" in run(f"https://{HOST}/", DOORKEY_POLICY_FILE="").output


ASKED = [
    "/",
    "/static",
    "/static/x",
    "/static/%2e%2e/admin",
    "/admin",
    "//admin",
    "/a/b/secret",
    "/x?y=/admin",
    "/adm%69n",
    "/é",
]


def test_it_says_what_a_check_says(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    desk = desk_at(tmp_path_factory.mktemp("gate"), POLICY)
    bob, statuses = (
        desk.cookie(desk.sign_in(sub="bob", groups=("staff",))),
        {"allow": 200, "log_in": 401, "forbid": 403},
    )
    for path in ASKED:
        for method in ("GET", "POST"):
            url = f"https://{HOST}{path}"
            raw = url.encode().decode("latin-1")
            as_nobody = told(run, url, "--method", method)["verdict"]
            as_bob = told(run, url, "--method", method, "--user", "bob", "--group", "staff")["verdict"]
            assert desk.ask(url=raw, method=method, more=[]).status == statuses[as_nobody], url
            assert desk.ask(url=raw, method=method, more=[], cookie=bob).status == statuses[as_bob], url


def test_nothing_is_written_and_no_server_is_needed(run: Run, tmp_path: Path) -> None:
    run(f"https://{HOST}/")
    assert sorted(os.listdir(tmp_path)) in (["policy.toml"], ["instance", "policy.toml"])
