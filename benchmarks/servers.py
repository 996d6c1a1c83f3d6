"""Server processes: pinned to a core, asked until they answer, counted with all their children, always stopped.

with Servers(folder) as servers:
    nginx = servers.start("nginx", ["nginx", ...], port)
    before = cpu_seconds([nginx]); ...; cpu_seconds([nginx]) - before
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE = 0
CLIENT_CORE = 1
PATIENCE = 60.0
"""Seconds that a server may take to start: a Redis or SQLite of a million records, on a busy machine."""

PORTS = (20_000, 32_000)
KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
SBIN = "/usr/sbin"
"""Where Debian has Apache and nginx; not in everybody's PATH."""


class BenchmarkFailed(Exception):
    """Something does not work, so there is nothing to measure."""


@dataclass
class Server:
    """A process with its children. `seconds` is how long it took until its port was open."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log_file: Path
    seconds: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


class Servers:
    """Those of one section; each is started in a session of its own, so that its children end with it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._running: list[Server] = []

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for server in reversed(self._running):
            if error:
                error.add_note(f"{server.name} wrote:\n{server.log[-400:]}")
            stop(server)

    def start(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        environment: Mapping[str, str] | None = None,
        *,
        core: int = SERVER_CORE,
        niceness: int = 0,
    ) -> Server:
        """Start it and wait until its port is open."""
        log_file = self.folder / f"{name}-{port}.log"
        began = time.monotonic()
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                pinned(command, core, niceness),
                cwd=ROOT,
                env={**kept_environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = Server(name, port, process, log_file)
        self._running.append(server)
        wait_until_open(server)
        server.seconds = time.monotonic() - began
        return server

    def stop(self, server: Server) -> None:
        self._running.remove(server)
        stop(server)


def pinned(command: Sequence[str], core: int, niceness: int = 0) -> list[str]:
    """The command on one core only (`python` first where it is a module of ours)."""
    polite = ["nice", "-n", str(niceness)] if niceness else []
    return ["taskset", "-c", str(core), *polite, *command]


def python(*words: str) -> list[str]:
    return [sys.executable, *words]


def kept_environment() -> dict[str, str]:
    """Nothing of the caller's but what a program needs to run at all."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    kept["PATH"] = f"{kept.get('PATH', '/usr/bin:/bin')}:{SBIN}"
    return {**kept, "PYTHONUNBUFFERED": "1"}


def wait_until_open(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        if server.process.poll() is not None:
            raise BenchmarkFailed(f"{server.name} ended with {server.process.returncode}:\n{server.log[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"{server.name} does not listen:\n{server.log[-2000:]}") from None
            time.sleep(0.005)


def stop(server: Server) -> None:
    """Ask it, and end whatever is left of its session."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(10)
    try:
        os.killpg(server.process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        server.process.wait()


def free_port() -> int:
    """One that no outgoing connection is given by the system: those begin at 32,768."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def family(pid: int) -> list[int]:
    """The process and all its descendants, itself first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += parents.get(pid, [])
    return found


def cpu_seconds(servers: Iterable[Server]) -> float:
    """User and system time of these servers and their children so far."""
    return sum(process_seconds(pid) for server in servers for pid in family(server.process.pid))


def process_seconds(pid: int) -> float:
    """Of one process with all its threads, those that ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS of one process, in megabytes of 1,000,000 bytes."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0]) * 1024 / 1e6
    return values["Rss"], values["Pss"]


def workers_of(server: Server) -> list[int]:
    """The processes that answer: the children where there are several workers, the process itself else.

    The resource tracker of multiprocessing is a child too; it answers nothing.
    """
    children = [pid for pid in family(server.process.pid)[1:] if "resource_tracker" not in command_line(pid)]
    return children or [server.process.pid]


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
