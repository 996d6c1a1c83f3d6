"""Starts a real proxy in front of an app and Doorkey, from the files in deploy/, and always stops it.

    NGINX = Proxy("nginx", command)              # command(Site) writes into site.folder and returns the arguments
    with running(NGINX, site) as proxy:          # returns when its port answers
        send(proxy.port, request(...), tls=site.client_tls)

`with_ports` is the only change that a deploy file may see: it puts the test's ports and files in.
"""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import trustme

from tests.proxies.raw_client import APP_HOST, Connection, request, send
from tests.support.servers import PATIENCE, ROOT, free_port

DEPLOY = ROOT / "deploy"
HOSTS = ("app.example.com", "login.example.com", "other.example.com")


@dataclass(frozen=True)
class Site:
    """What one proxy is given: a folder of its own to write to, the ports on both sides, a certificate for `HOSTS`."""

    folder: Path
    app_port: int
    doorkey_port: int
    certificate: Path
    key: Path
    authority: Path
    fastcgi_port: int = 0
    second_host: str = ""
    """Another name of the app, for those kinds whose adapter knows how an operator would add it."""
    port: int = field(default_factory=free_port)

    @cached_property
    def client_tls(self) -> ssl.SSLContext:
        """For a client that trusts this certificate and speaks HTTP/1.1 only."""
        return ssl.create_default_context(cafile=str(self.authority))

    def named(self, name: str) -> "Site":
        """The same for a proxy of that name: its own folder and port."""
        return replace(self, folder=_made(self.folder / name), port=free_port())


@dataclass(frozen=True)
class Proxy:
    """A kind of proxy: how it is started, and where it differs from what the suite expects of all."""

    name: str
    command: Callable[[Site], Sequence[str]]
    dialect: str
    """`nginx`, `forward`, `envoy` or `fastcgi`: what it speaks with Doorkey."""
    gives_up: float = 3.0
    """Seconds after which it answers for a Doorkey that says nothing."""
    limits: frozenset[str] = frozenset()
    """Words that tests/proxies/every.py explains: what this kind cannot do."""


@dataclass
class RunningProxy:
    kind: Proxy
    site: Site
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def port(self) -> int:
        return self.site.port

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ask it and all that it started to stop; killed when it takes too long."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"{self.kind.name} did not stop\n{self.log[-3000:]}") from None


@contextmanager
def running(kind: Proxy, site: Site) -> Iterator[RunningProxy]:
    """`kind` in front of `site`; what it wrote is added to a failure."""
    log_file = site.folder / "proxy.log"
    arguments = list(kind.command(site))
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            arguments,
            cwd=site.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(site.folder), "TMPDIR": str(site.folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    proxy = RunningProxy(kind, site, process, log_file)
    try:
        _wait_until_it_listens(proxy)
        _wait_until_it_knows_those_behind(proxy)
        yield proxy
    except BaseException as error:
        error.add_note(f"{kind.name} ({' '.join(arguments)}) wrote:\n{proxy.log[-3000:]}")
        raise
    finally:
        proxy.stop()


def _wait_until_it_listens(proxy: RunningProxy) -> None:
    """A finished TLS handshake: then the file was read and the certificate loaded."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with Connection(proxy.port, tls=proxy.site.client_tls):
                return
        except OSError as error:
            if proxy.process.poll() is not None:
                raise AssertionError(f"{proxy.kind.name} ended before it listened") from error
            if time.monotonic() > deadline:
                raise AssertionError(f"{proxy.kind.name} did not listen in time") from error
        time.sleep(0.02)


def _wait_until_it_knows_those_behind(proxy: RunningProxy) -> None:
    """For a moment Envoy may answer 503, though they are there; whoever tests an outage has two seconds to wait."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            answer = send(proxy.port, request("GET", "/", host=APP_HOST), tls=proxy.site.client_tls)
        except OSError:
            return
        if answer.status != 503:
            return
        time.sleep(0.05)


def with_ports(text: str, changes: Mapping[str, str | int]) -> str:
    """`text` with every key replaced by its value; a key that is not there is a failure."""
    for old, new in changes.items():
        assert old in text, f"the deploy file no longer has {old!r}"
        text = text.replace(old, str(new))
    return text


def deployed(path: str, changes: Mapping[str, str | int]) -> str:
    """The text of deploy/<path> with the test's ports and files."""
    return with_ports((DEPLOY / path).read_text(encoding="utf-8"), changes)


def program(name: str, *, package: str = "") -> str:
    """Where Debian's `name` is; servers are not on everybody's PATH."""
    found = shutil.which(name, path=os.environ["PATH"] + os.pathsep + "/usr/sbin")
    assert found, f"{name} is missing: it comes with Debian's package {package or name}, and `make test` installs that"
    return found


def wheel_program(name: str) -> str:
    """Where the `name` of requirements-proxies.txt is: beside this Python, else on PATH, but never the system's."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not folder.startswith(("/usr/", "/bin"))]
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), *folders]))
    assert found, f"{name} is missing: it comes with requirements-proxies.txt, and `make test` installs that"
    return found


def certified(folder: Path, app_port: int, doorkey_port: int, fastcgi_port: int = 0) -> Site:
    """A `Site` with a fresh certificate; `.named()` makes one for each proxy of it."""
    certificate, key, authority = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    made = trustme.CA()
    issued = made.issue_cert(*HOSTS)
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    made.cert_pem.write_to_path(str(authority))
    return Site(folder, app_port, doorkey_port, certificate, key, authority, fastcgi_port)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
