"""Programs of Node for the tests here: their packages as locked, and Node itself as requirements-dev.txt brings it.

    node.install(folder)                 # npm ci, when what is locked is not what is installed
    out = node.node(folder, "run.js")    # until it ends
    node.start(folder, "server.js", log=log_file)

Used by test_openid_client.py and oidc_provider.py.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 120.0
"""Seconds that a program may take on a busy machine."""

_PROGRAMS = Path(sys.executable).parent


def install(folder: Path) -> None:
    """`npm ci`, unless what is installed is newer than what was locked; one test process at a time."""
    wanted, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    with wanted.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            _run(folder, "npm", "ci", "--silent", "--ignore-scripts")


def node(folder: Path, *arguments: str) -> str:
    """What a script in `folder` printed; an AssertionError with all its output when it failed."""
    return _run(folder, "node", *arguments)


def start(
    folder: Path, *arguments: str, log: Path, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A script in `folder` that goes on, its output in `log`. Whoever starts it stops it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(_PROGRAMS / "node"), *arguments],
            cwd=folder,
            env={**_environ(), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _run(folder: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(_PROGRAMS / program), *arguments],
        env=_environ(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    words = " ".join((program, *arguments))
    assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _environ() -> dict[str, str]:
    """npm is a script that looks for node in PATH."""
    return {**os.environ, "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
