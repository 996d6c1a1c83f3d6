"""Whom `doorkey check --through` sends to the proxy: with a key for the echo page, and perhaps with a session.

A session of the check opens that page and nothing else, is over after five minutes, and is ended when its block is
left, also by Ctrl-C. Used by check_through.py.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from doorkey.base64url import encode
from doorkey.cli.raw_request import RawAnswer, Target
from doorkey.gate.decide import PROBE_PROVIDER
from doorkey.gate.echo import ECHO_HEADER, ECHO_PATH, PROBE_HEADER
from doorkey.gate.gate_cookies import DOMAIN_COOKIE
from doorkey.gate.tickets import PROBE_SECONDS, ProbeKey, Ticket
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession
from doorkey.sessions.record import Record
from doorkey.web.runtime import Doorkey

PATH = ECHO_PATH.decode()
ECHO = ECHO_HEADER.decode()
PAGE = (("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Visitor:
    """`target` is the proxy, `doorkey` what stands behind it, `origin` the application's, as browsers write it."""

    doorkey: Doorkey
    target: Target
    origin: str

    def ask(self, method: str, target: str, headers: Headers = (), *, host: str = "") -> RawAnswer | None:
        """None when no answer came, for whatever reason. Raises `OSError` when there is no connection."""
        try:
            return self.first_ask(method, target, headers, host=host)
        except TimeoutError:
            return None

    def first_ask(self, method: str, target: str, headers: Headers = (), *, host: str = "") -> RawAnswer | None:
        """As `ask()`. Raises `TimeoutError` too: one who says nothing now is not asked forty times more."""
        key = self.doorkey.gate.probe_keys.seal(ProbeKey(secrets.token_hex(8), self.doorkey.clock()))
        body = (("Content-Length", "0"),) if method in ("POST", "PUT") else ()
        return self.target.ask(method, target, (*headers, (PROBE_HEADER.decode(), key), *body), host=host)

    def ask_signed_in(self, session: OpenSession, headers: Headers = ()) -> RawAnswer | None:
        cookie = ("Cookie", f"{self.cookie_name}={self._cookie(session)}")
        return self.ask("GET", PATH, (*PAGE, *headers, cookie))

    def ticket(self, answer: RawAnswer | None) -> Ticket | None:
        """What Doorkey was told, when the answer sends a browser to sign in here."""
        location = urlsplit(answer.headers.get("location", "") if answer else "")
        given = parse_qs(location.query).get("rt", [""])
        return self.doorkey.gate.return_tickets.open(given[0])

    @contextmanager
    def session(self, *groups: str) -> Iterator[OpenSession]:
        """Somebody with these groups is signed in inside the block. Raises `StoreUnavailable`."""
        now = self.doorkey.clock()
        token = Token("none", now, expires_at=now, scope_asked=(), scope_granted=(), scope_confirmed=False)
        identity = Identity(provider=PROBE_PROVIDER, sub="probe-" + secrets.token_hex(6), groups=groups)
        session = self.doorkey.sessions.start(identity, token, label="doorkey check")
        try:
            self.doorkey.sessions.replace(session, _short)
            yield session
        finally:
            self.doorkey.sessions.end(session.ids.session_secret)

    def at_own_host(self) -> "Visitor | None":
        """The same at the public URL of Doorkey, where that is another host."""
        own_url = self.doorkey.settings.own_url
        return None if own_url == self.origin else replace(self, target=self.target.at(own_url), origin=own_url)

    @property
    def cookie_name(self) -> str:
        cookies = self.doorkey.gate.cookies
        if not cookies.reaches(self._host):
            return cookies.outside
        return DOMAIN_COOKIE if self.doorkey.settings.cookie_domain else cookies.own

    def _cookie(self, session: OpenSession) -> str:
        cookies, ids = self.doorkey.gate.cookies, session.ids
        if not cookies.reaches(self._host):
            return cookies.for_outside(ids.gate_secret, self._host)
        return encode(ids.gate_secret if self.doorkey.settings.cookie_domain else ids.session_secret)

    @property
    def _host(self) -> str:
        return urlsplit(self.origin).hostname or ""


def echoed(answer: RawAnswer | None) -> dict[str, Any] | None:
    """What the echo page saw; None when the answer is not its."""
    if answer is None or answer.status != 200 or ECHO not in answer.headers:
        return None
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("echo") == answer.headers[ECHO] else None


def reason_of(answer: RawAnswer | None) -> str:
    """Doorkey's word for it, where the proxy passes that on, in a header or in the body."""
    if answer is None or "x-doorkey-reason" in answer.headers:
        return answer.headers["x-doorkey-reason"] if answer else ""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return ""
    return str(body.get("error", "")) if isinstance(body, dict) else ""


def _short(record: Record) -> Record:
    return msgspec.structs.replace(record, absolute_ends=min(record.absolute_ends, record.created + PROBE_SECONDS))
