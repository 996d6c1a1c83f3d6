"""`doorkey sessions` when something is in its way: settings, keys, a store that is away; and when there are many."""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from doorkey.cli import main
from doorkey.factory import create_app
from doorkey.settings import load
from tests.conftest import KEY
from tests.support.operator import (
    STORE_PASSWORD,
    Operator,
    environment,
    plant,
    public_id,
    sessions_in,
    signed_in,
)
from tests.support.redis_servers import RedisServer, redis_server, reserved_port
from tests.support.redis_topologies import cluster
from tests.support.servers import ROOT

NEWER_KEY = "a-newer-key-for-tests-0123456789-abcdef"
ALL_COMMANDS = (("list", "--json"), ("revoke", "0123456789abcdef"), ("revoke-user", "user-1"))
IN_TIME = 2.0
"""Seconds that a command may take while the store is away."""

MANY = 5000
each_store = pytest.mark.parametrize("store", ["sqlite", "redis"], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, environ: dict[str, str], tmp_path: Path) -> Iterator[RedisServer | None]:
    """SQLite unless a test asks for another; the server when it is Redis."""
    with sessions_in(getattr(request, "param", "sqlite"), environ, tmp_path / "redis") as running:
        yield running


@pytest.fixture
def doorkey(environ: dict[str, str]) -> Operator:
    return Operator(environ)


@pytest.fixture
def app(store: RedisServer | None, environ: dict[str, str]) -> Flask:
    """By the clock of this machine, as the command goes by it."""
    return create_app(load(environ))


# ---- settings and keys ----


def test_all_wrong_settings_are_said(doorkey: Operator) -> None:
    wrong = {"DOORKEY_SESSION_STORE": "redis://canary@host", "DOORKEY_SESSION_IDLE": "soon", "DOORKEY_TYPO": "x"}
    for arguments in ALL_COMMANDS:
        done = doorkey(*arguments, **wrong)
        assert (done.code, done.out) == (2, "")
        assert [name for name in wrong if f"  - {name}" not in done.err] == []
        assert "canary" not in done.err


@each_store
def test_sessions_that_other_keys_sealed_are_counted_and_not_passed_over(app: Flask, doorkey: Operator) -> None:
    una, other = signed_in(app), signed_in(app)
    done = doorkey("list", DOORKEY_SECRET_KEY=NEWER_KEY)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("2 sessions in the store cannot be read with these server keys (DOORKEY_SECRET_KEY)")
    assert "Nobody" not in done.err
    done = doorkey("revoke-user", "user-1", DOORKEY_SECRET_KEY=NEWER_KEY)
    assert (done.code, done.out) == (1, "0 sessions ended.\n")
    assert done.err.startswith("2 sessions in the store cannot be read")
    done = doorkey("revoke", public_id(una), DOORKEY_SECRET_KEY=NEWER_KEY)  # an id is enough
    assert (done.code, done.out) == (0, "1 session ended.\n")
    assert [una.is_signed_in(), other.is_signed_in()] == [False, True]


def test_those_that_can_be_read_are_listed_beside_those_that_cannot(
    app: Flask, environ: dict[str, str], doorkey: Operator
) -> None:
    signed_in(app)
    newer = signed_in(create_app(load({**environ, "DOORKEY_SECRET_KEY": NEWER_KEY})))
    done = doorkey("list", "--json", DOORKEY_SECRET_KEY=NEWER_KEY)
    assert (done.code, [row["id"] for row in done.rows]) == (0, [public_id(newer)])
    assert done.err.startswith("1 session in the store cannot be read")
    done = doorkey("list", "--json", DOORKEY_SECRET_KEY=f"{NEWER_KEY},{KEY}")
    assert (done.code, len(done.rows), done.err) == (0, 2, "")


def test_without_a_key_nothing_is_read_and_no_key_is_made(app: Flask, tmp_path: Path, doorkey: Operator) -> None:
    signed_in(app)
    for arguments in ALL_COMMANDS:
        done = doorkey(*arguments, DOORKEY_SECRET_KEY=None)
        assert (done.code, done.out) == (2, "")
        assert f"  - DOORKEY_SECRET_KEY is not set, and there is no {tmp_path}/instance/secret_key" in done.err
    assert not (tmp_path / "instance" / "secret_key").exists()


def test_the_key_that_development_made_is_used(environ: dict[str, str], doorkey: Operator) -> None:
    del environ["DOORKEY_SECRET_KEY"]
    una = signed_in(create_app(load(environ)))
    assert [row["id"] for row in doorkey("list", "--json").rows] == [public_id(una)]


# ---- a store that is away ----


@pytest.mark.parametrize("how", ["paused", "dead", "another password"])
def test_a_redis_that_is_away_is_said_in_one_line_and_soon(
    environ: dict[str, str], tmp_path: Path, doorkey: Operator, how: str
) -> None:
    with redis_server(tmp_path, password=STORE_PASSWORD) as running:
        environ["DOORKEY_SESSION_STORE"] = running.url
        if how == "another password":
            environ["DOORKEY_SESSION_STORE"] = running.url.replace(STORE_PASSWORD, "canary-wrong")
        else:
            (running.pause if how == "paused" else running.kill)()
        for arguments in ALL_COMMANDS:
            done = doorkey(*arguments)
            assert (done.code, done.out, done.err.count("\n")) == (5, "", 1)
            start = f"doorkey: cannot use the session store redis://127.0.0.1:{running.port} (DOORKEY_SESSION_STORE): "
            assert done.err.startswith(start)
            assert "canary" not in done.err
            assert seconds_of(environ, *arguments) < IN_TIME


def seconds_of(environ: Mapping[str, str], *arguments: str) -> float:
    """How long the command takes in this process: the start of another one takes any time on a busy machine."""
    began = time.monotonic()
    assert CliRunner().invoke(main, ["sessions", *arguments], env=environ).exit_code == 5
    return time.monotonic() - began


@pytest.mark.parametrize("how", ["missing", "a folder", "rubbish"])
def test_a_file_that_is_no_store_is_said_and_none_is_made(tmp_path: Path, doorkey: Operator, how: str) -> None:
    """Made by an operator it would be the operator's, and the app could not write it."""
    file = tmp_path / "instance" / "sessions.sqlite3"
    if how != "missing":
        file.parent.mkdir()
        file.mkdir() if how == "a folder" else file.write_bytes(b"rubbish " * 1000)
    for arguments in ALL_COMMANDS:
        done = doorkey(*arguments)
        assert (done.code, done.out, done.err.count("\n")) == (5, "", 1)
        assert str(file) in done.err
    assert file.parent.exists() is (how != "missing")


def test_one_node_of_a_cluster_is_not_taken_for_all_of_it(tmp_path: Path, doorkey: Operator) -> None:
    with (
        reserved_port() as bus,
        redis_server(tmp_path, options=["--cluster-enabled", "yes", "--cluster-port", str(bus)]) as node,
    ):
        done = doorkey("list", DOORKEY_SESSION_STORE=node.url)
    assert done.code == 2
    assert "redis+cluster://" in done.err


def test_all_of_a_cluster_is_listed_and_ended(environ: dict[str, str], tmp_path: Path, doorkey: Operator) -> None:
    with cluster(tmp_path) as masters:
        environ["DOORKEY_SESSION_STORE"] = masters.url
        app = create_app(load(environ))
        for number in range(30):
            plant(app, f"user-{number % 2}")
        assert len({row["id"] for row in doorkey("list", "--json").rows}) == 30
        assert doorkey("revoke-user", "user-1").out == "15 sessions ended.\n"
        assert {row["user"] for row in doorkey("list", "--json").rows} == {"user-0"}


# ---- many ----


@each_store
def test_thousands_are_listed_in_seconds_and_a_reader_may_leave(
    app: Flask, environ: dict[str, str], doorkey: Operator
) -> None:
    for number in range(MANY):
        plant(app, f"user-{number}", label="Firefox on Linux")
    done = doorkey("list")
    assert (done.code, done.err, len(done.lines)) == (0, "", MANY + 1)
    assert done.work < 10  # 2 to 4
    said, out = in_terminal(environ, "doorkey sessions list | head -1")
    assert re.fullmatch(r"ID +USER +PROVIDER +DEVICE +SIGNED IN +LAST SEEN\n", out)
    assert re.fullmatch(r"(\r\d+ sessions read )+\r\x1b\[K", said)
    assert f"\r{MANY} sessions read" in said


def in_terminal(environ: Mapping[str, str], line: str) -> tuple[str, str]:
    """What a shell's `line` writes to stderr, which is a terminal, and to stdout, which is not."""
    near, far = pty.openpty()
    command = line.replace("doorkey", f"{sys.executable} -m doorkey")
    said = b""
    with subprocess.Popen(
        ["sh", "-c", command], cwd=ROOT, env=environment(environ), stdout=subprocess.PIPE, stderr=far
    ) as process:
        os.close(far)
        assert process.stdout
        out = process.stdout.read()
        with suppress(OSError):  # Linux says so when nobody has the other end any more
            while more := os.read(near, 1000):
                said += more
    os.close(near)
    return said.decode(), out.decode()
