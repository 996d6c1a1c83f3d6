"""Faults of the SQLite file: locked by somebody else, on a full disk, not to be written."""

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.experiment import Experiment, Outcome, experiment

AWAY = 1.2
LOCKED = 2.0
AFTER = 0.6
DISK_BYTES = 8 * 1024 * 1024
HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
db.close()
"""
WITHOUT_OVERRIDE = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "app.py"])
"""
"""Root may write to what nobody may write to; without this capability it may not."""


def locked(folder: Path, provider: str) -> Outcome:
    """By another process, as a tool that makes a copy does. Who only reads notices nothing."""
    with experiment(folder, provider, "sqlite:") as run, run.load():
        with run.away(), _held(run.site.instance / "sessions.sqlite3"):
            run.wait(LOCKED)
        run.wait(AFTER)
    return run.outcome


@contextmanager
def _held(path: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.communicate()


def disk_full(folder: Path, provider: str) -> Outcome:
    """A small disk of its own where one may be mounted; else the file may not grow, which is the same to SQLite."""
    disk = folder / "disk"
    with _small_disk(disk) as is_small:
        if not is_small:
            return file_may_not_grow(folder, provider)
        with experiment(folder, provider, f"sqlite:{disk}/sessions.sqlite3") as run, run.load():
            with run.away():
                _fill(disk / "filler")
                run.wait(AWAY)
                (disk / "filler").unlink()
            run.wait(AFTER)
    return run.outcome


@contextmanager
def _small_disk(place: Path) -> Iterator[bool]:
    place.mkdir(parents=True)
    mounted = _quietly("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(place))
    try:
        yield mounted
    finally:
        if mounted:
            _quietly("umount", "--lazy", str(place))


def _quietly(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except OSError:
        return False


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as filler:
        while filler.write(b"x" * 4096):
            """Until there is no room."""


def file_may_not_grow(folder: Path, provider: str) -> Outcome:
    """RLIMIT_FSIZE of the running process, as a quota would be."""
    with experiment(folder, provider, "sqlite:") as run, run.load():
        log = run.site.instance / "sessions.sqlite3-wal"
        with run.away():
            before = resource.prlimit(run.site.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
            run.wait(AWAY)
            resource.prlimit(run.site.pid, resource.RLIMIT_FSIZE, before)
        run.wait(AFTER)
    return run.outcome


def _without_override(port: int) -> Sequence[str]:
    return ("-c", WITHOUT_OVERRIDE)


def read_only(folder: Path, provider: str) -> Outcome:
    """First under the running app, whose open files stay open; then it is started again and has nothing else."""
    with experiment(folder, provider, "sqlite:", command=_without_override) as run:
        with run.load(), run.away():
            _protect(run)
            run.wait(AFTER)
            _give_back(run)
        _protect(run)
        run.site.stop()
        run.site.start()
        with run.load(calm=0):
            with run.away():
                run.wait(AFTER)
                _give_back(run)
            run.wait(AFTER)
    return run.outcome


def _protect(run: Experiment) -> None:
    for path in run.site.instance.glob("sessions.sqlite3*"):
        path.chmod(0o444)
    run.site.instance.chmod(0o555)


def _give_back(run: Experiment) -> None:
    run.site.instance.chmod(0o700)
    for path in run.site.instance.glob("sessions.sqlite3*"):
        path.chmod(0o600)
