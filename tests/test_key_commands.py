"""`doorkey keys new`, as an operator runs it."""

import subprocess
import sys

from doorkey.settings import load
from tests.support.operator import environment
from tests.support.servers import ROOT


def new_key() -> tuple[str, str]:
    """The line on stdout, and stderr."""
    command = [sys.executable, "-m", "doorkey", "keys", "new"]
    done = subprocess.run(command, cwd=ROOT, env=environment({}), capture_output=True, text=True, check=True)
    key, end, rest = done.stdout.partition("\n")
    assert (end, rest) == ("\n", "")
    return key, done.stderr


def test_a_new_key_is_long_random_and_alone_on_stdout(environ: dict[str, str]) -> None:
    keys = [new_key()[0] for _ in range(3)]
    assert len(set(keys)) == 3
    assert min(len(key) for key in keys) >= 32
    given = load({**environ, "DOORKEY_SECRET_KEY": ",".join(keys)}).secret_key
    assert [key.reveal() for key in given] == keys


def test_what_to_do_with_it_is_said_beside_it_and_does_not_repeat_it() -> None:
    key, hint = new_key()
    assert "DOORKEY_SECRET_KEY=NEW,OLD" in hint
    assert "DOORKEY_SESSION_ABSOLUTE" in hint
    assert key not in hint
