"""uvicorn as Doorkey runs it, and one line when the port is really open.

No access log (Doorkey writes its own, without query strings), no Server header, and no belief in
X-Forwarded-* (Doorkey reads those itself, after it looked at the peer).
"""

import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

from doorkey.cli.bounded_http import BoundedHttpProtocol

HEALTHCHECK_SECONDS = 15
"""A worker that does not answer its supervisor for so long is replaced; a busy machine alone must not cost one."""


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]):
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()


class _Workers(Multiprocess):
    """SIGHUP is for the workers, who read the policy again; nobody is replaced, so no request is lost."""

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGHUP)


class _Config(uvicorn.Config):
    """Read by every worker when it starts."""

    def configure_logging(self) -> None:
        """Also: uvicorn stops gracefully and then raises SIGTERM again, which would cut off refreshes under way."""
        super().configure_logging()
        if multiprocessing.parent_process() is not None:
            signal.signal(signal.SIGTERM, lambda *_: None)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until gate/lifespan.py listens to it


def server_config(app: Any, *, grace: int = 15, lifespan: str = "off", **more: Any) -> uvicorn.Config:
    """How every server of ours is; `grace` are the seconds that open requests have when it stops."""
    return _Config(
        app,
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws="none",
        lifespan=lifespan,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=grace,
        timeout_worker_healthcheck=HEALTHCHECK_SECONDS,
        **more,
    )


def run(app: Any, *, host: str, port: int, announce: Callable[[], None], workers: int = 1) -> None:
    """Serve until stopped. `app` is an ASGI app, or an import string of a factory with several `workers`."""
    factory = isinstance(app, str)
    config = server_config(app, host=host, port=port, workers=workers, factory=factory, lifespan="auto")
    _check_port(host, port)
    if workers > 1:
        listening = config.bind_socket()
        listening.listen(config.backlog)  # from here on nobody is refused, only kept waiting for the workers
        announce()
        _Workers(config, sockets=[listening]).run()
        return
    server = _AnnouncingServer(config, announce)
    # uvicorn stops gracefully and then raises the signal again; stopping when asked is not a failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until gate/lifespan.py listens to it
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(1)


def _check_port(host: str, port: int) -> None:
    """Exit with 1, in words, when somebody else is there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            click.echo(f"doorkey: cannot listen on {host} port {port}: {error.strerror}", err=True)
            click.echo("hint: choose another port with --port, or PORT in the environment", err=True)
            raise SystemExit(1) from None


def wanted_workers() -> int:
    """`WEB_CONCURRENCY`, as hosting platforms set it; 1 when it is absent. Raises `ValueError` for no number."""
    given = os.environ.get("WEB_CONCURRENCY") or "1"
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= 256:
        raise ValueError("WEB_CONCURRENCY must be a whole number from 1 to 256")
    return int(given)
