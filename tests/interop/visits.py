"""Doorkey in process with providers of other people behind it, and browsers that sign in there (all of doorkey/).

    front_door = FrontDoor(provider, folder, {"basic": {"CLIENT_ID": "basic", ...}})
    visit = front_door.visit("basic")
    response = visit.arrive(provider.sign_in(visit.begin()))
    visit.outcome(response)                                  # "signed in", or the code on the page

Used by the steps of test_oidc_provider_*.py and test_django_sign_ins.py, which are the rows of tried.py.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from doorkey.base64url import decode
from doorkey.clock import system_clock
from doorkey.factory import create_app
from doorkey.oauth import flow
from doorkey.oauth.http import read_json_object
from doorkey.oauth.token import Token
from doorkey.oauth.trace import Trace
from doorkey.sessions.ids import decode_secret
from doorkey.sessions.record import Record
from doorkey.settings import load
from doorkey.web.runtime import Doorkey
from tests.interop.reverse_proxy import ReverseProxy
from tests.interop.tried import SIGNED_IN
from tests.support.person import Person

ORIGIN = "https://login.example.test"
COOKIE = "__Host-doorkey"

_numbers = count()


class Provider(Protocol):
    issuer: str
    ca_file: Path


P = TypeVar("P", bound=Provider)


@dataclass
class Visit:
    """One browser at one provider of one Doorkey."""

    app: Flask
    provider: str
    person: Person = field(init=False)

    def __post_init__(self) -> None:
        self.person = Person(self.app, ORIGIN)

    def begin(self, **query: str) -> str:
        """The URL at the provider."""
        return self.person.begin(self.provider, **query).url

    def arrive(self, address: str) -> TestResponse:
        """At the address that the provider sends the browser to."""
        path = f"/callback/{self.provider}"
        assert address.startswith(f"{ORIGIN}{path}?"), address
        return self.person.get(f"{path}?{urlsplit(address).query}")

    def arrive_by_post(self, action: str, fields: Mapping[str, str]) -> TestResponse:
        """By a form of the provider's page: browsers leave Lax cookies out there, and keep what the answer sets."""
        assert action == f"{ORIGIN}/callback/{self.provider}"
        stranger = Person(self.app, ORIGIN)
        parked = stranger.post(urlsplit(action).path, data=dict(fields))
        assert parked.status_code == 303
        for name, value in stranger.cookies().items():
            self.person.client.set_cookie(name, value, domain=urlsplit(ORIGIN).hostname or "", secure=True)
        location = urlsplit(parked.headers["Location"])
        return self.person.get(f"{location.path}?{location.query}")

    def outcome(self, response: TestResponse) -> str:
        """What the person sees: the home page of somebody who is signed in, or the code on the page of a problem."""
        if response.status_code == 303:
            assert response.headers["Location"] == "/"
            assert self.person.is_signed_in()
            return SIGNED_IN
        assert not self.person.is_signed_in()
        found = re.findall(r"<dt>Error</dt><dd><code>([a-z_]+)</code>", response.text)
        assert len(found) == 1, response.text
        return str(found[0])

    def renew_by_button(self) -> None:
        first = self.token
        form = {"csrf_token": self.person.form_token()}
        assert self.person.post("/account/refresh", data=form).status_code == 303
        assert self.token.access_token != first.access_token

    def leave(self) -> str:
        """Press the button; the address that the browser is sent to, when the session here has ended."""
        old = self.person.cookies()[COOKIE]
        response = self.person.sign_out()
        assert response.status_code == 303
        self.person.client.set_cookie(COOKIE, old, domain=urlsplit(ORIGIN).hostname or "", secure=True)
        assert not self.person.is_signed_in(), "the old cookie opens a session that has ended"
        return response.headers["Location"]

    def told_page(self, address: str) -> bool:
        """Whether the page at which a sign-out ends says that the provider was told."""
        assert address.startswith(f"{ORIGIN}/logged-out"), address
        page = self.person.get(address.removeprefix(ORIGIN))
        assert page.status_code == 200
        assert "You are signed out" in page.text
        return f"{self.provider} was told to end its own" in page.text

    @property
    def record(self) -> Record:
        """The session as it is stored."""
        secret = decode_secret(self.person.cookies()[COOKIE])
        found = self.doorkey.sessions.open(secret) if secret else None
        assert found, "there is no session"
        return found.record

    @property
    def token(self) -> Token:
        return self.record.token

    def renew(self, token: Token) -> Token:
        """A newer one, checked as Doorkey does. Raises `TokenRefused` or what else `flow.renew()` raises."""
        described = self.doorkey.directory.describe(self.doorkey.providers[self.provider])
        checks, transport = self.doorkey.checks, self.doorkey.transport
        return flow.renew(described, token, checks=checks, transport=transport, trace=Trace())

    @property
    def doorkey(self) -> Doorkey:
        found: Doorkey = self.app.extensions["doorkey"]
        return found


@dataclass(frozen=True)
class FrontDoor(Generic[P]):
    """`clients` are settings of Doorkey's providers by their ids; ISSUER is added. Its clock is `ahead` in seconds.

    What the provider's server sends to `proxy` arrives at the Doorkey that was made last.
    """

    provider: P
    folder: Path
    clients: Mapping[str, Mapping[str, str]]
    ahead: float = 0
    proxy: ReverseProxy | None = None

    def visit(self, id: str, **changes: str) -> Visit:
        """At a new Doorkey that has all clients, with `changes` in the settings of `id`."""
        return self.visit_at(self.folder / f"instance-{next(_numbers)}", id, **changes)

    def visit_at(self, instance: Path, id: str, **changes: str) -> Visit:
        """The same, with the sessions that are in the folder `instance`."""
        rows = {client: {"ISSUER": self.provider.issuer, **given} for client, given in self.clients.items()}
        rows[id] |= changes
        settings = {
            f"DOORKEY_PROVIDER_{_capitals(id)}_{name}": v for id, row in rows.items() for name, v in row.items()
        }
        common = {
            "DOORKEY_CONFIG": os.devnull,
            "DOORKEY_PUBLIC_URL": ORIGIN,
            "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
            "DOORKEY_INSTANCE": str(instance),
            "DOORKEY_CA_BUNDLE": str(self.provider.ca_file),
            "DOORKEY_PROVIDERS": ",".join(self.clients),
        }
        app = create_app(load({**common, **settings}), clock=lambda: system_clock() + self.ahead)
        if self.proxy:
            self.proxy.app = app
        return Visit(app, id)


def _capitals(id: str) -> str:
    return id.upper().replace("-", "_")


Step = Callable[[FrontDoor[P]], str]
"""What one row of tried.py does; gives the outcome."""


class Steps(dict[str, Step[P]]):
    """The steps of one provider by the names of the rows."""

    def row(self, name: str) -> Callable[[Step[P]], Step[P]]:
        """A decorator."""

        def add(step: Step[P]) -> Step[P]:
            assert name not in self, f"two steps for {name}"
            self[name] = step
            return step

        return add


def part_of_token(token: str | None, number: int) -> dict[str, Any]:
    """0: the header of a signed token, 1: its claims; not verified."""
    return read_json_object(decode((token or "").split(".")[number]) or b"")
