"""`python -m doorkey` in processes of their own that do not have to import it again.

    done = run_copy(("sessions", "list"), environ)

One process imports everything and then makes a copy of itself (a fork) for each command; it has one thread only. The
copy has its own environment, output, processor time and end, as any process. Used by operator.py, for whose many
commands the start took ten times as long as the work.
"""

import atexit
import functools
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Ended:
    """What a copy left behind; `work` are its seconds of processor time."""

    code: int
    out: bytes
    err: bytes
    work: float


def run_afresh(arguments: Sequence[str], environ: Mapping[str, str]) -> Ended:
    """The same, from the start: where the environment is for Python itself."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "doorkey", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ended(done.returncode, done.stdout, done.stderr, work)


def run_copy(arguments: Sequence[str], environ: Mapping[str, str]) -> Ended:
    """Run `python -m doorkey` with `arguments` and nothing but `environ`, and wait for its end."""
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        task = {"arguments": list(arguments), "environ": dict(environ), "out": out.name, "err": err.name}
        original = _original()
        assert original.stdin
        assert original.stdout
        original.stdin.write(json.dumps(task).encode() + b"\n")
        original.stdin.flush()
        code, work = json.loads(original.stdout.readline())
        return Ended(code, out.read(), err.read(), work)


@functools.cache
def _original() -> "subprocess.Popen[bytes]":
    """Started when it is first needed; it ends with the tests."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.command_copies"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(process.communicate)
    return process


def _serve() -> None:
    """The original: a task a line on stdin, how its copy ended on stdout."""
    import doorkey.cli.session_commands
    import doorkey.sessions.redis_store  # noqa: F401

    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            _become(json.loads(line))
        _, status, used = os.wait4(child, 0)
        answer = json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime])
        os.write(1, answer.encode() + b"\n")


def _become(task: Mapping[str, Any]) -> None:
    """The copy: the streams of a program that was just started, and its end. Never returns."""
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, task["out"], os.O_RDWR), (2, task["err"], os.O_RDWR)):
        file = os.open(name, flags)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(task["environ"])
    sys.argv = ["doorkey", *task["arguments"]]
    code: object = 1
    try:
        runpy.run_module("doorkey", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
