"""An operator at the command line, beside an app that people are signed in to.

doorkey = Operator(environ)
doorkey("list", "--json").rows      # `python -m doorkey sessions list --json`, a process of its own
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from doorkey.base64url import decode
from doorkey.oauth.user_info import Identity
from doorkey.sessions.ids import SessionIds
from doorkey.sessions.lifecycle import Sessions
from tests.support.command_copies import run_afresh, run_copy
from tests.support.person import Person
from tests.support.redis_servers import RedisServer, redis_server
from tests.test_token import read

STORE_PASSWORD = "canary-store-password"


@dataclass
class Done:
    """What a command left behind; `work` are the seconds of processor time that it took."""

    code: int
    out: str
    err: str
    work: float

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[dict[str, str]]:
        """Of `list --json`."""
        return [json.loads(line) for line in self.lines]


class Operator:
    """Has the settings of the app."""

    def __init__(self, environ: Mapping[str, str]):
        self._environ = environ

    def __call__(self, *arguments: str, **changes: str | None) -> Done:
        """Run `doorkey sessions`; `NAME=value` changes a setting, None leaves it out."""
        given = {name: value for name, value in {**self._environ, **changes}.items() if value is not None}
        run = run_copy if all(name.startswith("DOORKEY_") for name in changes) else run_afresh
        done = run(("sessions", *arguments), environment(given))
        assert b"Traceback" not in done.err, done.err.decode()
        return Done(done.code, done.out.decode(), done.err.decode(), done.work)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """`given`, and what a program needs to run at all."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, **given}


@contextmanager
def sessions_in(kind: str, environ: dict[str, str], folder: Path) -> Iterator[RedisServer | None]:
    """Has `environ` keep sessions in `sqlite` or `redis`; the server when it is Redis."""
    if kind == "sqlite":
        yield None
        return
    with redis_server(folder, password=STORE_PASSWORD) as running:
        environ["DOORKEY_SESSION_STORE"] = running.url
        yield running


def signed_in(app: Flask, device: str = "", provider: str = "stub") -> Person:
    """Whoever the provider lets in, with a browser of their own."""
    somebody = Person(app)
    somebody.client.environ_base["HTTP_USER_AGENT"] = device
    somebody.sign_in(provider)
    assert somebody.is_signed_in()
    return somebody


def plant(app: Flask, sub: str, *, alias: str = "", label: str = "") -> None:
    """A session of somebody whom no provider let in: any name, and many at once."""
    sessions: Sessions = app.extensions["doorkey"].sessions
    sessions.start(Identity(provider="stub", sub=sub, alias=alias), read({"expires_in": None}), label=label)


def ids_of(person: Person) -> SessionIds:
    """Of the session whose cookie this browser holds."""
    return SessionIds.of(decode(person.cookies()["doorkey"]) or b"")


def public_id(person: Person) -> str:
    return ids_of(person).public_id
