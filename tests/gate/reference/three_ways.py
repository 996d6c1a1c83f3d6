"""One gate that is asked in three ways, and everything about it that may change between two requests.

    world = open_worlds(folder)[0]
    world.begin(policy_text)
    world.sign_in(identity)
    world.ask(request)            # the slow view, ASGI and the checkpoint, which must agree

Sessions are changed by the process that is asked or by another one at the same store, as `elsewhere` says.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask

from doorkey.base64url import encode
from doorkey.factory import create_app, open_store, server_keys
from doorkey.gate import asgi as gate_asgi
from doorkey.gate.asgi import GateAsgi
from doorkey.gate.echo import Echo
from doorkey.gate.gate_request import CheckRequest
from doorkey.gate.gate_tokens import GateTokens
from doorkey.gate.parts import LOOPBACK, GateParts
from doorkey.gate.policy import Policy
from doorkey.gate.policy_text import load_policy
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.record import Record
from doorkey.sessions.seal import Keyring
from doorkey.settings import load
from doorkey.web.runtime import Doorkey
from tests.gate.reference.sameness import Sameness
from tests.gate.reference.slow_answers import Told
from tests.gate.reference.slow_reading import Raw, Site
from tests.gate.reference.slow_view import Gate, reference_app, takes
from tests.gate.reference.slow_view import ask as ask_slowly
from tests.support.asgi_check import ask_by_asgi
from tests.support.gate_desk import DOMAIN_COOKIE, SETTINGS

IDLE, ABSOLUTE = 900, 3600
PROXY_SECRET = "a-secret-of-the-proxy-0123456789-abcdefg"
PROVIDERS = ("stub", "other")
SITES: dict[str, dict[str, str]] = {
    "cookie domain": {"DOORKEY_OAUTH2_PROXY_PATHS": "on", "DOORKEY_PROXY_SECRET": PROXY_SECRET},
    "oauth2-proxy's headers": {
        "DOORKEY_OAUTH2_PROXY_PATHS": "on",
        "DOORKEY_GATE_HEADERS": "oauth2-proxy",
        "DOORKEY_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1",
    },
    "no cookie domain": {"DOORKEY_COOKIE_DOMAIN": "", "DOORKEY_PROXY_SECRET": PROXY_SECRET},
    "loopback": {
        "DOORKEY_PUBLIC_URL": "http://127.0.0.1:8000",
        "DOORKEY_COOKIE_DOMAIN": "",
        "DOORKEY_ALLOWED_HOSTS": "",
        "DOORKEY_OAUTH2_PROXY_PATHS": "on",
    },
}


@dataclass(frozen=True)
class Asking:
    """A request as a proxy sends it; header names in lower case."""

    method: str
    path: bytes
    query: bytes
    raw: Raw
    peer: str


class AtOnce(Executor):
    """In the place of the gate's threads: what it does beside an answer is done when the answer is there."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Clock:
    """Seconds since the epoch, as the example says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """`people` are all sessions that were begun, `tokens` the gate tokens, ended ones too; `story` is what was done."""

    fast: Doorkey
    elsewhere: Doorkey
    asgi: GateAsgi
    site: Site
    slow: Flask
    loop: asyncio.AbstractEventLoop
    clock: Clock
    sameness: Sameness
    gate_tokens: GateTokens
    policy_path: Path
    policy: Policy = field(default_factory=Policy)
    people: list[OpenSession] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    story: list[Any] = field(default_factory=list)
    asked: int = 0
    seen: Counter[tuple[int, str]] = field(default_factory=Counter)

    @property
    def parts(self) -> GateParts:
        return self.fast.gate

    # ---- what changes ----

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def begin(self, policy: str = "") -> None:
        """A new day: nobody is signed in."""
        for session in self.people:
            self.elsewhere.sessions.end(session.ids.session_secret)
        for listed in self.gate_tokens.all():
            self.gate_tokens.revoke(listed.id)
        self.people, self.tokens, self.story = [], [], []
        self.clock.now = float(round(self.clock.now) + 10 * ABSOLUTE)
        self.write_policy(policy)

    def write_policy(self, text: str) -> None:
        """Read at once, as after SIGHUP."""
        self.policy_path.write_text(text, encoding="utf-8")
        self.policy = load_policy(text, providers=frozenset(PROVIDERS))
        self.parts.policy.look_now()

    def sign_in(self, identity: Identity, scopes: tuple[str, ...]) -> None:
        begun = self.fast.sessions.start(identity, self.token(scopes), provider_sid="sid-1")
        self.people.append(begun)

    def token(self, scopes: tuple[str, ...]) -> Token:
        """One that nobody ever renews; each is another one."""
        return Token(f"access token {self.asked}%", self.clock(), None, scopes, scopes, True)

    def sessions_of(self, elsewhere: bool) -> Sessions:
        return (self.elsewhere if elsewhere else self.fast).sessions

    def end(self, number: int, elsewhere: bool) -> None:
        self.sessions_of(elsewhere).end(self.people[number].ids.session_secret)

    def end_all_of(self, number: int, elsewhere: bool) -> None:
        """Every session of a person, as an operator does it."""
        identity = self.people[number].record.identity
        (self.elsewhere if elsewhere else self.fast).roster.end_user(identity.provider, identity.sub)

    def renew(self, number: int, elsewhere: bool, scopes: tuple[str, ...]) -> None:
        """As after a refresh."""
        self.change(number, elsewhere, lambda record: record.renewed(self.token(scopes)))

    def regroup(self, number: int, elsewhere: bool, groups: tuple[str, ...]) -> None:
        def change(record: Record) -> Record:
            identity = msgspec.structs.replace(record.identity, groups=groups)
            return msgspec.structs.replace(record, identity=identity)

        self.change(number, elsewhere, change)

    def change(self, number: int, elsewhere: bool, change: Callable[[Record], Record]) -> None:
        sessions = self.sessions_of(elsewhere)
        if found := sessions.reopen(self.people[number]):
            sessions.replace(found, change)

    def touch(self, number: int, elsewhere: bool) -> None:
        sessions = self.sessions_of(elsewhere)
        if found := sessions.reopen(self.people[number]):
            sessions.touch(found)

    def make_token(self, user: str, scopes: tuple[str, ...], groups: tuple[str, ...], seconds: int) -> None:
        secret, _ = self.gate_tokens.new(user, scopes=scopes, groups=groups, seconds=seconds)
        self.tokens.append(secret)

    def revoke_token(self, number: int) -> None:
        listed, _ = self.gate_tokens.open(self.tokens[number])
        if listed:
            self.gate_tokens.revoke(listed.id)

    # ---- asking ----

    def gate_cookie(self, number: int) -> str:
        """Good at every host of the cookie domain."""
        return f"{DOMAIN_COOKIE}={encode(self.people[number].ids.gate_secret)}"

    def ask(self, asking: Asking) -> None:
        """Raises `AssertionError` when one of the three says something else."""
        is_taken = takes(asking.path, has_oauth2_paths=self.fast.settings.oauth2_proxy_paths)
        assert self.parts.checkpoint.takes(asking.path) == is_taken
        if not is_taken:
            return  # it is a page's
        ways = [self.by_asgi, self.by_checkpoint]
        if self.asked % 2:
            ways.reverse()
        self.asked += 1
        wanted = self.by_view(asking)
        for way in ways:
            self.sameness.check(way.__name__, wanted, way(asking))
            self.parts.checkpoint.behind.settle()  # what is noted is noted at this time, and not later
        self.count(wanted)

    def count(self, told: Told) -> None:
        headers = dict(told[1])
        reason = headers["x-doorkey-reason"].partition(":")[0]
        where = " and where to go" if "location" in headers or "x-doorkey-page" in headers else ""
        self.seen[told[0], reason + where] += 1

    def by_view(self, asking: Asking) -> Told:
        return ask_slowly(self.slow, asking.method, asking.path, asking.query, asking.raw, asking.peer)

    def by_checkpoint(self, asking: Asking) -> Told:
        check = CheckRequest(asking.method, asking.path, asking.query, tuple(asking.raw), asking.peer)
        answer = self.parts.checkpoint.answer(check)
        return answer.status, [(n.decode("latin-1"), v.decode("latin-1")) for n, v in answer.headers], answer.body

    def by_asgi(self, asking: Asking) -> Told:
        check = CheckRequest(asking.method, asking.path, asking.query, tuple(asking.raw), asking.peer)
        start, body = self.loop.run_until_complete(ask_by_asgi(self.asgi, check))
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return start["status"], headers, body["body"]


@contextmanager
def open_worlds(folder: Path) -> Iterator[list[World]]:
    """One for each of `SITES`."""
    loop = asyncio.new_event_loop()
    with pytest.MonkeyPatch.context() as patch, closing(loop):
        patch.setattr(gate_asgi, "ThreadPoolExecutor", AtOnce)
        yield [_world(folder / str(number), changes, loop) for number, changes in enumerate(SITES.values())]


def _world(folder: Path, changes: dict[str, str], loop: asyncio.AbstractEventLoop) -> World:
    folder.mkdir()
    policy_path = folder / "policy.toml"
    policy_path.write_text("")
    named = {name.replace("STUB", "OTHER"): value for name, value in SETTINGS.items() if "STUB" in name}
    of_all = {
        "DOORKEY_INSTANCE": str(folder / "instance"),
        "DOORKEY_POLICY_FILE": str(policy_path),
        "DOORKEY_PROVIDERS": ",".join(PROVIDERS),
        "DOORKEY_ALLOWED_HOSTS": SETTINGS["DOORKEY_ALLOWED_HOSTS"] + ", tool.example.com:8443",
        "DOORKEY_SESSION_IDLE": f"{IDLE}s",
        "DOORKEY_SESSION_ABSOLUTE": f"{ABSOLUTE}s",
    }
    settings = load({**SETTINGS, **named, **of_all, **changes})
    clock = Clock()
    fast, elsewhere = (create_app(settings, clock=clock).extensions["doorkey"] for _ in range(2))
    keyring = Keyring(server_keys(settings))
    store = open_store(settings, clock)
    sessions = Sessions(store, keyring, idle=IDLE, absolute=ABSOLUTE, clock=clock, random=os.urandom)
    own_url = settings.own_url
    tokens = GateTokens(store, keyring, clock, os.urandom)
    host = own_url.partition("://")[2].partition(":")[0]
    gate = Gate(
        site=Site(own_url, host, settings.cookie_domain, keyring),
        allowed_hosts=settings.allowed_hosts,
        trusted=settings.trusted_proxies or LOOPBACK,
        secret=settings.proxy_secret.reveal(),
        like_oauth2_proxy=settings.gate_headers == "oauth2-proxy",
        has_oauth2_paths=settings.oauth2_proxy_paths,
        sessions=sessions,
        tokens=tokens,
        policy=lambda: world.policy,
        clock=clock,
    )
    world = World(
        fast=fast,
        elsewhere=elsewhere,
        asgi=GateAsgi(fast.gate.checkpoint, Echo(fast.gate.probe_keys)),
        site=gate.site,
        slow=reference_app(gate),
        loop=loop,
        clock=clock,
        sameness=Sameness(fast.gate.return_tickets, fast.gate.asserter),
        gate_tokens=tokens,
        policy_path=policy_path,
    )
    return world
