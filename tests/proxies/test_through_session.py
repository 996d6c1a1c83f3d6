"""Who `doorkey check --through` is when it signs in: somebody for a few minutes, who sees one page and then is gone."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from doorkey.cli.raw_request import Target
from doorkey.cli.through_visitor import PATH, Visitor
from doorkey.factory import create_app
from doorkey.gate.echo import ECHO_PATH, PROBE_HEADER, Echo
from doorkey.gate.gate_request import CheckRequest
from doorkey.gate.tickets import PROBE_SECONDS, ProbeKey
from doorkey.settings import load
from tests.proxies.through_desk import APP, KINDS, Desk, open_desk
from tests.support.gate_desk import GateDesk, desk_at
from tests.support.servers import PATIENCE, environment


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("session"), [KINDS["nginx"]]) as desk:
        yield desk


@contextmanager
def relay(port: int, desk: Desk) -> Iterator[tuple[int, threading.Event]]:
    """A way to `port` that leads nowhere from the moment when somebody is signed in; the event says so."""
    held, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # nobody came any more
            while not held.is_set():
                near, _ = listener.accept()
                with near:
                    if desk.sessions:
                        held.set()
                        over.wait(PATIENCE)
                    else:
                        pump(near, port)

    over, thread = threading.Event(), threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], held
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE)


def pump(near: socket.socket, port: int) -> None:
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)) as far:  # one side closed it
        while True:
            for source in select.select([near, far], [], [], PATIENCE)[0]:
                data = source.recv(1 << 16)
                if not data:
                    return
                (far if source is near else near).sendall(data)


def listen_to_ctrl_c() -> None:
    """A shell that starts the tests in the background has its children ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_findings_come_at_once_and_ctrl_c_ends_the_session(desk: Desk, tmp_path: Path) -> None:
    with relay(desk.proxy("nginx").port, desk) as (port, held):
        process = subprocess.Popen(
            [sys.executable, "-m", "doorkey", "check", "--through", APP, "--connect", f"127.0.0.1:{port}"],
            env=environment(tmp_path, 1, {**desk.settings, "PYTHONUNBUFFERED": ""}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=listen_to_ctrl_c,
        )
        with process:
            try:
                assert held.wait(PATIENCE)
                assert process.stdout is not None
                os.set_blocking(process.stdout.fileno(), False)
                so_far = process.stdout.read().decode()
                sessions = desk.sessions
            finally:
                process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=PATIENCE)
    assert "A program that is not signed in gets 401." in so_far
    assert len(sessions) == 1
    assert (process.returncode, b"Traceback" in stderr) == (1, False), stderr
    assert desk.sessions == []


def visitor_of(desk: Desk) -> Visitor:
    proxy = desk.proxy("nginx")
    doorkey = create_app(load(desk.settings)).extensions["doorkey"]
    return Visitor(doorkey, Target(APP, ("127.0.0.1", proxy.port), desk.settings["DOORKEY_CA_BUNDLE"]), APP)


def test_the_session_of_the_check_opens_its_page_and_nothing_else(desk: Desk) -> None:
    visitor = visitor_of(desk)
    desk.world.app.requests.clear()
    with visitor.session("admins") as session:
        answer = visitor.ask_signed_in(session)
        assert answer is not None
        assert answer.status == 200
        cookie = [("Cookie", f"{visitor.cookie_name}={visitor._cookie(session)}")]
        for target in (
            "/",
            "/admin",
            PATH + "/",
            PATH + "/../../admin",
            PATH + "%2f..",
            "/.doorkey//echo",
            PATH + ";a",
        ):
            refused = visitor.ask("GET", target, cookie)
            assert refused is not None
            assert refused.status == 403, target
        assert session.record.absolute_ends > 0
        reopened = visitor.doorkey.sessions.reopen(session)
        assert reopened is not None
        assert reopened.record.ends <= session.record.created + PROBE_SECONDS
    assert desk.world.app.requests == []


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> GateDesk:
    return desk_at(tmp_path_factory.mktemp("echo"))


def test_the_page_says_nothing_without_a_fresh_key(gate: GateDesk) -> None:
    doorkey = gate.app.extensions["doorkey"]
    keys, now = doorkey.gate.probe_keys, doorkey.clock()
    page, fresh = Echo(keys), keys.seal(ProbeKey("a-nonce", now))
    sign_in = gate.ask().get("location").rpartition("=")[2]

    def answer(*given: str) -> tuple[int, bytes]:
        raw = [(b"x-doorkey-user", b"alice"), *((PROBE_HEADER, key.encode()) for key in given)]
        told = page.answer(CheckRequest("GET", ECHO_PATH, b"", raw, "127.0.0.1"))
        return told.status, told.body

    status, body = answer(fresh)
    assert (status, json.loads(body)["echo"]) == (200, "a-nonce")
    old, ahead = (keys.seal(ProbeKey("a", now + by)) for by in (-PROBE_SECONDS - 1, 3600))
    for given in ([], [""], [fresh, fresh], [fresh[:-2] + "AA"], [old], [ahead], [sign_in]):
        assert answer(*given) == (404, b"{}"), given
