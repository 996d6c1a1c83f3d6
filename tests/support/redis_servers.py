"""Real Redis servers as processes of their own, which a test may pause, kill, start again and move in time.

    with redis_server(tmp_path) as running:      # at running.url, empty, with an append-only file
        running.kill()                           # SIGKILL: as when the machine takes it away
        running.start()                          # same port, same files; waits until it answers

A port stays reserved as long as its server is used, also while the server is dead: nobody else can take it then.
Sentinel and Cluster are made of these servers: support/redis_topologies.py.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE = 20.0
"""Seconds that a server may take to start, to load its files or to stop on a busy machine."""

HOST = "127.0.0.1"

FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"
"""Of the Debian package libfaketime; the loader puts the machine's own library folder in."""


def until(happened: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Ask again and again until it happened; a server has no event for a stranger to wait for.

    A server that ends connections while it changes its role has not got there yet.
    """
    deadline = time.monotonic() + seconds
    while True:
        error: Exception | None = None
        try:
            if happened():
                return
        except (redis.ConnectionError, redis.TimeoutError) as caught:
            error = caught
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds} seconds: {what}") from error
        time.sleep(0.005)


@dataclass
class RedisServer:
    """One server process, also a Sentinel or a node of a Cluster. `seconds` is how long its last start took."""

    url: str
    port: int
    folder: Path
    command: Sequence[str]
    environment: Mapping[str, str]
    password: str = ""
    ca_file: Path | None = None
    clock: Path | None = None
    seconds: float = 0.0
    paused: bool = False
    offset: float = 0.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process, "never started"
        return self._process

    @property
    def alive(self) -> bool:
        """Is there a process, be it a paused one?"""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote so far, over all its starts."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    @property
    def _log_file(self) -> Path:
        return self.folder / f"{self.port}.log"

    def client(self, **options: object) -> redis.Redis:
        """A client that tries once and does not try again; close it, or use it in a `with`."""
        tls: dict[str, object] = {"ssl": True, "ssl_ca_certs": str(self.ca_file)} if self.ca_file else {}
        defaults = {"password": self.password or None, "decode_responses": True, "retry": Retry(NoBackoff(), 0)}
        times = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        return redis.Redis(HOST, self.port, **{**defaults, **times, **tls, **options})  # type: ignore[arg-type]

    def start(self) -> None:
        """Start it, again on the same port and files; returns when it answers and has loaded everything."""
        assert not self.alive, "it runs already"
        began = time.monotonic()
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.paused = False
        self._wait_until_it_answers()
        self.seconds = time.monotonic() - began

    def pause(self) -> None:
        """SIGSTOP: connections stay open and new ones are accepted by the system, but nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        # The signal is on its way when the call returns: wait until the process really stands still.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert self.alive, "it was dead before it could be paused"
        self.paused = True

    def resume(self) -> None:
        """SIGCONT: it goes on, with whatever was sent to it in between."""
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def kill(self) -> None:
        """SIGKILL, for a paused server too. What it answered is in its files, for the system has them."""
        if self.alive:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
        self.paused = False

    def stop(self) -> int:
        """SIGTERM, as an orderly restart does; returns the exit code."""
        if self.paused:
            self.resume()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def move_clock(self, seconds: float) -> None:
        """Move the server's wall clock; only with `fake_time`. It stays moved over restarts.

        Expiry follows at once. Timers that run on the monotonic clock do not notice.
        """
        assert self.clock, "start it with fake_time=True"
        self.offset += seconds
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(f"{self.offset:+.3f}\n")
        fresh.replace(self.clock)  # read at every look at the clock: never half a number

    def _wait_until_it_answers(self) -> None:
        with self.client(socket_timeout=1.0) as client:
            until(lambda: self._answers(client), f"answer of the server at port {self.port}")
        if self.clock:
            self._insist_on_a_fake_clock()

    def _answers(self, client: redis.Redis) -> bool:
        if not self.alive:
            raise AssertionError(f"the server ended with {self.process.returncode} before it answered")
        return bool(client.ping())  # an error while it loads its files

    def _insist_on_a_fake_clock(self) -> None:
        """The loader only warns when the library is missing, and then no clock would ever move."""
        if "faketime" not in Path(f"/proc/{self.process.pid}/maps").read_text():
            raise AssertionError("libfaketime was not loaded: is the package faketime installed?")


@contextmanager
def redis_server(
    folder: Path,
    *,
    port: int = 0,
    password: str = "",
    tls: trustme.CA | None = None,
    appendonly: bool = True,
    options: Sequence[str] = (),
    fake_time: bool = False,
    program: str = "redis-server",
) -> Iterator[RedisServer]:
    """A server at `port` (a free one when 0), its files in `folder`; stopped at the end.

    With `tls` it speaks nothing else, with a certificate of that authority for 127.0.0.1.
    `options` are further words of its command line; they win over those given here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port(port) as port:
        made = RedisServer(
            url=_url(port, password, secure=tls is not None),
            port=port,
            folder=folder,
            command=[program, *_options(port, folder, password, appendonly=appendonly), *options],
            environment=bare_environment(),
            password=password,
        )
        if tls:
            _speak_tls(made, tls)
        if fake_time:
            _fake_the_clock(made)
        with kept_running(made):
            yield made


@contextmanager
def kept_running(server: RedisServer) -> Iterator[None]:
    """Started, and killed at the end in whatever state it is; a failure tells what it wrote."""
    try:
        server.start()
        yield
    except BaseException as error:
        error.add_note(f"redis at {server.port} wrote:\n{server.log[-2000:]}")
        raise
    finally:
        server.kill()


@contextmanager
def reserved_port(port: int = 0) -> Iterator[int]:
    """A free port (or this one) that only a server which asks for exactly this one can get.

    The socket is bound and never listens: the system gives the port to nobody on its own, a connection to it is
    refused while no server runs, and Redis, which sets SO_REUSEADDR, can still listen there.
    """
    with socket.socket() as holder:
        if port:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, port))
        # After the search for a free port: before it, another reserved one would count as free.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield int(holder.getsockname()[1])


def _url(port: int, password: str, *, secure: bool) -> str:
    return f"{'rediss' if secure else 'redis'}://{user_info(password)}{HOST}:{port}"


def user_info(password: str) -> str:
    """What stands before the hosts of a URL."""
    return f":{quote(password, safe='')}@" if password else ""


def bare_environment() -> dict[str, str]:
    """Nothing of the caller's but what a program needs to run at all."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}


def _options(port: int, folder: Path, password: str, *, appendonly: bool) -> list[str]:
    """No snapshots: what survives is what the append-only file has.

    That must be everything that was acknowledged. `--appendfsync everysec` does not promise it, not even for a killed
    process: while a sync is under way Redis keeps new commands in its own memory.
    """
    return [
        *("--port", str(port), "--bind", HOST, "--protected-mode", "no"),
        *("--dir", str(folder), "--save", "", "--appendonly", "yes" if appendonly else "no"),
        *("--appendfsync", "no", "--repl-diskless-sync-delay", "0"),
        *(("--requirepass", password, "--masterauth", password) if password else ()),
    ]


def _speak_tls(server: RedisServer, authority: trustme.CA) -> None:
    certificate = authority.issue_cert(HOST, "localhost")
    server.ca_file = server.folder / "ca.pem"
    authority.cert_pem.write_to_path(server.ca_file)
    chain, key = server.folder / "server.pem", server.folder / "server.key"
    certificate.cert_chain_pems[0].write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    server.command = [
        *server.command,
        *("--port", "0", "--tls-port", str(server.port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-ca-cert-file", str(server.ca_file)),
    ]


def _fake_the_clock(server: RedisServer) -> None:
    """libfaketime between the server and its clock; it reads the offset from a file at every look.

    Debian's Redis takes its memory from jemalloc, which looks at the clock before libfaketime is ready and so ends
    the server at its start. With the C library named next, malloc is the C library's again.
    """
    server.clock = server.folder / "clock"
    server.move_clock(0)
    server.environment = {
        **server.environment,
        "LD_PRELOAD": f"{FAKETIME} libc.so.6",
        "FAKETIME_TIMESTAMP_FILE": str(server.clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    # A child that rewrites the file would be forked with the library's lock in any state.
    server.command = [*server.command, "--auto-aof-rewrite-percentage", "0"]
