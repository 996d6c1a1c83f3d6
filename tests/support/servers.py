"""Real servers as processes of their own: the app under any server, and the development provider alone.

    with app_server(tmp_path) as running:       # python app.py, nothing configured
        requests.get(running.url)

Each is given its whole environment, is asked until it answers, and is always stopped. When the
`with` block fails, what the server wrote is added to the failure.

Used by tests/test_serving.py, tests/browser/ and scripts/screenshot.py.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds that a server may take to start or to stop on a busy machine."""

Command = Callable[[int], Sequence[str]]
"""The arguments of a server for a port; the interpreter that runs the tests comes first."""


def python_app(port: int) -> Sequence[str]:
    """`python app.py`; the port comes by PORT."""
    return ("app.py",)


def flask_run(port: int) -> Sequence[str]:
    return ("-m", "flask", "run", "-p", str(port))


def gunicorn(port: int) -> Sequence[str]:
    return ("-m", "gunicorn", "app:app", "-b", f"127.0.0.1:{port}", "--threads", "8")


def uvicorn(port: int) -> Sequence[str]:
    return ("-m", "uvicorn", "app:asgi", "--port", str(port))


def dev_provider(port: int) -> Sequence[str]:
    return ("-m", "doorkey", "dev-provider", "--port", str(port))


@dataclass
class Running:
    """A server that answers at `url`; `seconds` is how long its start took."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path
    seconds: float = 0.0

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def log(self) -> str:
        """What it wrote so far, stdout and stderr together."""
        return self.log_file.read_text(errors="replace")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code; killed when it does not."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"the server did not stop\n{self.log}") from None


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(folder: Path, port: int, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """A whole environment: nothing of the caller's but what a program needs to run at all."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    own = {"PORT": str(port), "DOORKEY_INSTANCE": str(folder / "instance"), "PYTHONUNBUFFERED": "1"}
    if (ROOT / "config.env").exists():  # somebody's own settings must not decide what is tested
        own["DOORKEY_CONFIG"] = os.devnull
    return {**kept, **own, **(settings or {})}


@contextmanager
def server(
    command: Command, folder: Path, settings: Mapping[str, str] | None = None, *, port: int = 0
) -> Iterator[Running]:
    """`command` at `port` (a free one when 0), its files in `folder`; stopped at the end."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / f"{port}.log"
    began = time.monotonic()
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command(port)],
            cwd=ROOT,
            env=environment(folder, port, settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Running(f"http://127.0.0.1:{port}", process, log_file)
    try:
        _wait_until_it_answers(running)
        running.seconds = time.monotonic() - began
        yield running
    except BaseException as error:
        error.add_note(f"{' '.join(process.args)} wrote:\n{running.log[-3000:]}")  # type: ignore[arg-type]
        raise
    finally:
        running.stop()


def app_server(folder: Path, **settings: str) -> Any:
    """`python app.py`; without `settings` as a newcomer gets it."""
    return server(python_app, folder, settings)


def _wait_until_it_answers(running: Running) -> None:
    """Any HTTP answer counts: a port may be open before anybody listens."""
    deadline = time.monotonic() + PATIENCE
    while not _answers(running.port):
        if running.process.poll() is not None:
            raise AssertionError(f"the server ended with {running.process.returncode} before it answered")
        if time.monotonic() > deadline:
            raise AssertionError("the server did not answer in time")
        time.sleep(0.01)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except OSError:
        return False
    except http.client.HTTPException:
        return False
    finally:
        connection.close()
    return True
