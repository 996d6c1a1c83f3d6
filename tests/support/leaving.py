"""A Doorkey with two OpenID providers, and what they send when somebody leaves there.

    with leaving(environ, clock) as here:
        una = here.sign_in("user-1", sid="sid-1")
        here.deliver(here.token(sid="sid-1")).status_code

Both providers, `stub` and `other`, are servers of their own (signing_provider.py) and may have users of the same name.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from werkzeug.test import TestResponse

from doorkey.clock import Clock
from doorkey.factory import create_app
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import LOGOUT_EVENT
from doorkey.settings import load
from tests.support.person import Person
from tests.support.signing_provider import NOW, SigningProvider, jwk, key_for, openid_environ, signed

ORIGIN = "http://127.0.0.1:8000"
ALGS = ("RS256", "ES256")
PATIENCE = 10.0
"""Seconds that something may take which comes after an answer."""


class Leaving:
    """`app` is the Doorkey; `changes` are settings of the provider `stub`, `settings` of Doorkey."""

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: Clock,
        stubs: Mapping[str, SigningProvider],
        *,
        transport: Transport | None = None,
        settings: Mapping[str, str] | None = None,
        **changes: str,
    ):
        issuers = {id: provider.issuer for id, provider in stubs.items()}
        self.environ = {**openid_environ(environ, issuers, **changes), **(settings or {})}
        self.stubs = stubs
        self._clock = clock
        self._transport = transport or Transport()
        self._jtis = 0
        self.app = self.new_process()

    def new_process(self) -> Flask:
        """Another Doorkey with the same settings and store, which has heard of no keys yet."""
        return create_app(load(self.environ), clock=self._clock, transport=self._transport)

    @property
    def stub(self) -> SigningProvider:
        return self.stubs["stub"]

    def sign_in(
        self, sub: str = "user-1", sid: str | None = None, provider: str = "stub", alg: str = "RS256", **more: Any
    ) -> Person:
        """Somebody in a browser of their own, whose ID token was signed with `alg`; `more` are claims in it."""
        person, stub = Person(self.app, ORIGIN), self.stubs[provider]
        begun = person.begin(provider)
        times = {"iat": self._now, "exp": self._now + 300}
        claims = stub.claims(begun.params["nonce"], sub=sub, sid=sid, at_hash=None, **times, **more)
        stub.hand_out(signed(claims, key_of(provider, alg), alg, kid=alg))
        arrived = person.come_back(urlencode({"code": "canary-code", "state": begun.state}), provider)
        assert arrived.status_code == 303, arrived.text
        return person

    def token(
        self,
        provider: str = "stub",
        *,
        alg: str = "RS256",
        key: Any = None,
        header: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """A right logout token of that provider, with `changes`; claims that are None are left out."""
        self._jtis += 1
        good = {
            "iss": self.stubs[provider].issuer,
            "aud": f"client-of-{provider}",
            "iat": self._now,
            "exp": self._now + 120,
            "jti": f"jti-{self._jtis}",
            "events": {LOGOUT_EVENT: {}},
            **changes,
        }
        claims = {name: value for name, value in good.items() if value is not None}
        shown = {"kid": alg, "typ": "logout+jwt", **(header or {})}
        return signed(claims, key or key_of(provider, alg), alg, **shown)

    def deliver(self, token: str, provider: str = "stub", *, app: Flask | None = None, **options: Any) -> TestResponse:
        """What Doorkey answers to a logout token at the address for `provider`."""
        options = {"data": {"logout_token": token}, **options}
        client = (app or self.app).test_client(use_cookies=False)
        # Buffered: what comes after an answer begins when it is out.
        return client.post(f"/backchannel-logout/{provider}", base_url=ORIGIN, buffered=True, **options)

    def forget_requests(self) -> None:
        for stub in self.stubs.values():
            stub.seen.clear()

    def asked(self) -> list[str]:
        """The paths that any provider was asked for since then."""
        return [seen.path for stub in self.stubs.values() for seen in stub.seen]

    @property
    def _now(self) -> int:
        return int(self._clock())


def key_of(provider: str, alg: str) -> Any:
    """Each provider has a key of its own for each algorithm."""
    return key_for(alg, 1 if provider == "stub" else 2)


@contextmanager
def leaving(environ: Mapping[str, str], clock: Clock, **options: Any) -> Iterator[Leaving]:
    """Both providers listen until the end of the block."""
    assert int(clock()) == NOW
    stubs = {id: SigningProvider(client_id=f"client-of-{id}") for id in ("stub", "other")}
    try:
        for id, stub in stubs.items():
            describe(stub)
            publish(stub, id)
        yield Leaving(environ, clock, stubs, **options)
    finally:
        for stub in stubs.values():
            stub.close()


def describe(stub: SigningProvider, **changes: Any) -> None:
    """With everything that a sign-out may use."""
    offered = {
        "id_token_signing_alg_values_supported": list(ALGS),
        "userinfo_endpoint": None,
        "end_session_endpoint": f"{stub.url}/leave",
        "revocation_endpoint": f"{stub.url}/revoke",
        **changes,
    }
    stub.describe(**offered)
    stub.answer("/revoke", b"")


def publish(stub: SigningProvider, id: str) -> None:
    stub.publish(*(jwk(key_of(id, alg), kid=alg, alg=alg) for alg in ALGS))


class Held:
    """What a provider answers at `path`, kept back until it is let go; `reached` is set when somebody waits for it."""

    def __init__(self, stub: SigningProvider, path: str):
        self.reached = threading.Event()
        self._may_go = threading.Event()
        self._answer = stub.answers[path]
        stub.answer_raw(path, self._serve)

    def let_go(self) -> None:
        self._may_go.set()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.reached.set()
        assert self._may_go.wait(PATIENCE)
        handler.send_response(self._answer.status)
        handler.send_header("Content-Length", str(len(self._answer.body)))
        handler.end_headers()
        with suppress(OSError):  # whoever asked may have gone
            handler.wfile.write(self._answer.body)


@contextmanager
def held(stub: SigningProvider, path: str) -> Iterator[Held]:
    """Let go at the end of the block at the latest."""
    kept = Held(stub, path)
    try:
        yield kept
    finally:
        kept.let_go()


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something has come about that no answer tells of."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, what
        time.sleep(0.005)
