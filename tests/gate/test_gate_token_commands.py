"""`doorkey gate-token new | list | revoke` as an operator runs it, beside the app whose gate it opens."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from doorkey.cli import main
from doorkey.clock import iso, system_clock
from doorkey.factory import create_app
from doorkey.settings import load
from tests.gate.test_bearer import check, who
from tests.support.operator import environment, sessions_in
from tests.support.servers import ROOT

Run = Callable[..., Result]


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """In this process: what is said and how it ends is the same."""

    def command(*arguments: str, **changes: str) -> Result:
        return CliRunner().invoke(main, ["gate-token", *arguments], env={**environ, **changes}, prog_name="doorkey")

    return command


@pytest.fixture
def app(environ: dict[str, str]) -> Flask:
    """By the clock of this machine, as the command goes by it."""
    return create_app(load(environ))


def process(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "doorkey", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(environ), capture_output=True, text=True, timeout=60)


def test_a_token_is_made_used_listed_and_revoked(environ: dict[str, str]) -> None:
    """Processes of their own, beside an app that goes on."""
    made = process(
        environ, "gate-token", "new", "--user", "ci", "--scope", "read host:127.0.0.1:8000", "--expires", "2h"
    )
    secret = made.stdout.strip()
    app = create_app(load(environ))
    assert re.fullmatch(r"dkgt_[\w-]{43}", secret), made.stderr
    assert secret not in made.stderr
    assert who(check(app, secret)) == "ci"
    listed = process(environ, "gate-token", "list")
    (line,) = listed.stdout.splitlines()
    id, user, scopes, groups, ends = re.split(" {2,}", line)
    assert (user, scopes, groups) == ("ci", "read host:127.0.0.1:8000", "-")
    assert iso(system_clock() + 7000) < ends <= iso(system_clock() + 7200)
    assert f"id {id}, user ci, at 127.0.0.1:8000, until {ends}" in made.stderr
    assert secret.removeprefix("dkgt_") not in listed.stdout + listed.stderr
    assert CliRunner().invoke(main, ["sessions", "list", "--json"], env=environ).stdout == ""
    revoked = process(environ, "gate-token", "revoke", id)
    assert (revoked.returncode, revoked.stdout, revoked.stderr) == (0, "", "")
    assert check(app, secret).status_code == 401


def test_in_redis_it_is_the_same(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    with sessions_in("redis", environ, tmp_path / "redis"):
        app, made = create_app(load(environ)), json.loads(run("new", "--json").stdout)
        assert who(check(app, made["token"])) == "gate-token"
        assert run("list").stdout.startswith(made["id"])
        assert run("revoke", made["id"]).exit_code == 0
        assert check(app, made["token"]).status_code == 401
        assert run("list").stdout == ""


def test_json_says_all_of_it(run: Run, app: Flask) -> None:
    made = json.loads(run("new", "--group", "ops", "--group", "dev", "--scope", "a b", "--json").stdout)
    assert who(check(app, made["token"])) == made["user"] == "gate-token"
    (listed,) = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert listed == {name: value for name, value in made.items() if name != "token"}
    assert (listed["scopes"], listed["groups"]) == (["a", "b"], ["ops", "dev"])
    assert listed["expires_at"] - listed["created_at"] == 30 * 24 * 3600


def test_looking_makes_neither_a_store_nor_a_key(run: Run, environ: dict[str, str]) -> None:
    for arguments in (("list",), ("revoke", "x")):
        assert run(*arguments).exit_code == 5
    assert not Path(environ["DOORKEY_INSTANCE"]).exists()


def test_an_empty_list_says_so_on_stderr(run: Run) -> None:
    run("revoke", json.loads(run("new", "--json").stdout)["id"])
    result = run("list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "There is no gate token.\n")
    assert run("list", "--json").output == ""


def test_revoking_several_names_those_that_were_not_there(run: Run, app: Flask) -> None:
    one, two = (json.loads(run("new", "--json").stdout) for _ in range(2))
    result = run("revoke", one["id"], "unknown")
    assert (result.exit_code, result.stderr) == (1, "doorkey: there is no gate token unknown\n")
    assert check(app, one["token"]).status_code == 401
    assert who(check(app, two["token"])) == "gate-token"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--expires", "soon"),
        ("--expires", ""),
        ("--expires", "0"),
        ("--expires", "-1h"),
        ("--expires", "1e3"),
        ("--expires", "99999999999999d"),
        ("--scope", " ".join(f"s{number}" for number in range(1000))),
        ("--scope", "x" * 201),
        ("--scope", 'say"'),
        ("--scope", "läse"),
        ("--group", "a\x07"),
        ("--user", ""),
        ("--user", "a b"),
        ("--user", "a\nb"),
        ("--user", "x" * 101),
        ("--user", "ü"),
    ],
    ids=lambda wrong: " ".join(wrong)[:30],
)
def test_a_mistake_makes_no_token(run: Run, wrong: tuple[str, str]) -> None:
    result = run("new", *wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert wrong[0] in result.stderr
    assert "Traceback" not in result.stderr
    assert run("list", "--json").stdout == ""


def test_a_thousand_groups_are_too_many(run: Run) -> None:
    groups = [option for number in range(1000) for option in ("--group", f"g{number}")]
    assert run("new", *groups).exit_code == 2


@pytest.mark.parametrize("arguments", [("new",), ("list",), ("revoke", "some-id")], ids=lambda given: given[0])
def test_a_store_that_is_away_is_exit_code_5(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, DOORKEY_SESSION_STORE="redis://127.0.0.1:1/0")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "cannot use the session store redis://127.0.0.1:1 (DOORKEY_SESSION_STORE)" in result.stderr


def test_wrong_settings_are_exit_code_2(run: Run) -> None:
    result = run("new", DOORKEY_SESSION_IDLE="soon")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "DOORKEY_SESSION_IDLE" in result.stderr


def test_revoke_needs_an_id(run: Run) -> None:
    assert run("revoke").exit_code == 2
