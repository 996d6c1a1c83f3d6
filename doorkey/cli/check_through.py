"""`doorkey check --through URL`: does somebody's own reverse proxy keep its side of the gate?

Asks for the echo page of Doorkey behind that proxy, first as nobody and then with a session of a minute that opens
nothing else, and sends what visitors might: identity headers of their own, in every spelling, and headers that name
another request. What reached the page is what an application would have seen; what Doorkey was told is read from the
sealed ticket in its answer. Called by check.py.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from doorkey.base64url import encode
from doorkey.cli.raw_request import RawAnswer, Target
from doorkey.gate.decide import PROBE_PROVIDER
from doorkey.gate.echo import ECHO_HEADER, ECHO_PATH, PROBE_HEADER
from doorkey.gate.gate_cookies import DOMAIN_COOKIE
from doorkey.gate.tickets import ProbeKey
from doorkey.oauth.provider_check import FAILED, NOTE, OK, WARNING, Finding
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.lifecycle import OpenSession
from doorkey.web.runtime import Doorkey

PATH = ECHO_PATH.decode()
ECHO = ECHO_HEADER.decode()
SPOOFED = "spoofed-by-a-visitor"
NAMES = ("User", "Email", "Name", "Groups", "Provider", "Session", "Assertion", "Access-Token")
PAGE = (("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))
Headers = tuple[tuple[str, str], ...]

SPELLINGS: dict[str, Headers] = {
    "X-Doorkey-*": tuple((f"X-Doorkey-{name}", SPOOFED) for name in NAMES),
    "X_Doorkey_*": tuple((f"X_Doorkey_{name.replace('-', '_')}", SPOOFED) for name in NAMES),
    "x-dOORKEY_*": tuple((f"x-dOORKEY_{name}", SPOOFED) for name in NAMES),
    "X-Auth-Request-*": (("X-Auth-Request-User", SPOOFED), ("X_Auth_Request_Email", SPOOFED)),
}
STEERING: dict[str, Headers] = {
    "X-Original-URL": (("X-Original-URL", "https://elsewhere.example/public"), ("X-Original-Method", "OPTIONS")),
    "X_Original_URL": (("X_Original_URL", "https://elsewhere.example/public"), ("X_Original_Method", "OPTIONS")),
    "X-Forwarded-Uri": (("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "OPTIONS")),
    "X_Forwarded_Uri": (("X_Forwarded_Uri", "/public"), ("X_Forwarded_Method", "OPTIONS")),
    "X-Forwarded-Host": (("X-Forwarded-Host", "elsewhere.example"), ("Forwarded", "host=elsewhere.example")),
    "X-Forwarded-Proto": (("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "1"), ("X-Forwarded-Prefix", "/public")),
    "X-HTTP-Method-Override": (("X-HTTP-Method-Override", "OPTIONS"), ("X-Rewrite-URL", "/public")),
}
METHODS = ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PROPFIND", "TRACE", "FOO")


@dataclass(frozen=True)
class Through:
    """`target` is the proxy, `doorkey` what stands behind `--through` here, `url` the page to ask for."""

    doorkey: Doorkey
    target: Target
    url: str

    def findings(self) -> Iterator[Finding]:
        """One after the other. What cannot be reached ends them."""
        try:
            yield from self._as_nobody()
            session = self._probe_session(groups=("doorkey-check",))
            try:
                yield from self._signed_in(session)
            finally:
                self._end(session)
        except OSError as error:
            yield Finding(FAILED, f"{self.url} cannot be reached: {error}", "Is the proxy running? See --connect.")

    def _as_nobody(self) -> Iterator[Finding]:
        """Nobody may get to the page, whatever they send; and the gate must be told what was really asked for."""
        page = self._ask("GET", PATH + "?x=%2F&y", PAGE)
        yield self._judge_redirect("a browser that is not signed in", page, "GET", PATH + "?x=%2F&y")
        program = self._ask("GET", PATH, (("Accept", "application/json"),))
        is_told = program is not None and program.status == 401 and "location" not in program.headers
        status = program.status if program else "nothing"
        hint = "Programs need 401 and no redirect; compare with what doorkey proxy-config prints."
        yield Finding(
            OK if is_told else WARNING, f"A program that is not signed in gets {status}.", "" if is_told else hint
        )
        for method in METHODS:
            yield from self._only_if_passed(f"{method} without a session", self._ask(method, PATH, PAGE))
        for name, headers in STEERING.items():
            answer = self._ask("GET", PATH, (*PAGE, *headers))
            yield self._judge_redirect(f"a visitor who sends {name}", answer, "GET", PATH)
        for name, headers in SPELLINGS.items():
            yield from self._only_if_passed(
                f"a visitor who sends {name} and no session", self._ask("GET", PATH, headers)
            )

    def _judge_redirect(self, who: str, answer: RawAnswer | None, method: str, target: str) -> Finding:
        """Refused is well too; sent to sign in, it must be with the very address that was asked for."""
        if answer is not None and ECHO in answer.headers:
            return Finding(FAILED, f"The application was open to {who}.", "Does the proxy ask the gate for this path?")
        if answer is None or answer.status in (400, 403, 404, 405, 431):
            refused = "the connection closed" if answer is None else str(answer.status)
            return Finding(OK if who.startswith("a visitor") else WARNING, f"Refused: {who} ({refused}).")
        ticket = self._ticket(answer)
        if ticket is None:
            hint = f"Is it a proxy of this Doorkey, {self.doorkey.settings.own_url}?"
            return Finding(FAILED, f"Not sent to sign in here: {who} ({answer.status}).", hint)
        wanted = (self.url.partition(PATH)[0] + target, method)
        if (ticket.url, ticket.method) != wanted:
            hint = "The proxy must set all headers of its dialect itself; see doorkey proxy-config."
            return Finding(FAILED, f"Doorkey was told {ticket.method} {ticket.url} by {who}.", hint)
        return Finding(OK, f"Sent to sign in, and back to the same address: {who}.")

    def _ticket(self, answer: RawAnswer) -> Any:
        location = urlsplit(answer.headers.get("location", ""))
        given = parse_qs(location.query).get("rt", [""])
        return self.doorkey.gate.return_tickets.open(given[0])

    def _only_if_passed(self, who: str, answer: RawAnswer | None) -> Iterator[Finding]:
        passed = answer is not None and (ECHO in answer.headers or 200 <= answer.status < 300)
        if passed:
            yield Finding(FAILED, f"The application was open to {who}.", "Does the proxy ask the gate for this method?")
        else:
            yield Finding(OK, f"Kept out: {who}.")

    def _signed_in(self, session: OpenSession) -> Iterator[Finding]:
        seen = self._seen(session, ())
        if seen is None:
            hint = f"Does the proxy treat {PATH} as the application, and hand it to Doorkey? See doorkey proxy-config."
            yield Finding(FAILED, "Somebody who is signed in does not get to the page behind the proxy.", hint)
            return
        yield from self._judge_identity("somebody who is signed in", seen, session)
        for name, headers in SPELLINGS.items():
            seen = self._seen(session, headers)
            yield from self._judge_identity(f"somebody who is signed in and sends {name}", seen, session)
        nominated = (("Connection", "close, X-Doorkey-User, X-Doorkey-Groups"),)
        yield from self._judge_identity(
            "somebody whose Connection header names identity headers", self._seen(session, nominated), session
        )
        yield from self._judge_cookies(self._seen(session, ()))
        many = self._probe_session(groups=tuple(f"group-number-{number:03}" for number in range(200)))
        try:
            fits = self._seen(many, ()) is not None
        finally:
            self._end(many)
        hint = "Give the proxy room for an answer of 4 KB (nginx: proxy_buffer_size)."
        yield Finding(OK if fits else FAILED, "Somebody with 200 groups gets through.", "" if fits else hint)

    def _judge_identity(self, who: str, seen: dict[str, Any] | None, session: OpenSession) -> Iterator[Finding]:
        """Refused is well; let through, the application must see Doorkey's words, all of them, and nobody else's."""
        if seen is None:
            yield Finding(OK, f"Refused: {who}.")
            return
        headers: list[list[str]] = seen["headers"]
        leaked = sorted({name for name, value in headers if SPOOFED in value})
        if leaked:
            hint = "The proxy must delete these names, with - and with _, before it sets its own."
            yield Finding(FAILED, f"The application saw {', '.join(leaked)} of {who}.", hint)
            return
        users = [value for name, value in headers if name.replace("_", "-") == "x-doorkey-user"]
        if users != [session.record.identity.user]:
            hint = "The proxy must hand on X-Doorkey-User of Doorkey's answer; see doorkey proxy-config."
            yield Finding(FAILED, f"The application was not told who is there: {who}.", hint)
            return
        yield Finding(OK, f"The application sees who is there, and nothing else: {who}.")

    def _judge_cookies(self, seen: dict[str, Any] | None) -> Iterator[Finding]:
        if seen and self._cookie_name() in seen["cookies"]:
            hint = (
                "It opens every application behind the gate until it is over; let the proxy take it out where it can."
            )
            yield Finding(NOTE, f"The application is sent the cookie {self._cookie_name()}.", hint)

    def _seen(self, session: OpenSession, headers: Headers) -> dict[str, Any] | None:
        """What the page saw; None when nobody got there."""
        cookie = f"{self._cookie_name()}={self._cookie(session)}"
        answer = self._ask("GET", PATH, (*headers, ("Cookie", cookie)))
        if answer is None or answer.status != 200 or ECHO not in answer.headers:
            return None
        found: dict[str, Any] = json.loads(answer.body)
        return found

    def _ask(self, method: str, target: str, headers: Sequence[tuple[str, str]]) -> RawAnswer | None:
        key = self.doorkey.gate.probe_keys.seal(ProbeKey(secrets.token_hex(8), self.doorkey.clock()))
        body = (("Content-Length", "0"),) if method in ("POST", "PUT") else ()
        return self.target.ask(method, target, (*headers, (PROBE_HEADER.decode(), key), *body))

    def _probe_session(self, groups: tuple[str, ...]) -> OpenSession:
        """A session that opens the page and nothing else. Raises `StoreUnavailable`."""
        user = "probe-" + secrets.token_hex(6)
        now = self.doorkey.clock()
        token = Token("none", now, expires_at=now, scope_asked=(), scope_granted=(), scope_confirmed=False)
        identity = Identity(provider=PROBE_PROVIDER, sub=user, groups=groups)
        return self.doorkey.sessions.start(identity, token, label="doorkey check")

    def _end(self, session: OpenSession) -> None:
        self.doorkey.sessions.end(session.ids.session_secret)

    def _cookie_name(self) -> str:
        host = urlsplit(self.url).hostname or ""
        cookies = self.doorkey.gate.cookies
        if not cookies.reaches(host):
            return cookies.outside
        return DOMAIN_COOKIE if self.doorkey.settings.cookie_domain else cookies.own

    def _cookie(self, session: OpenSession) -> str:
        cookies, host = self.doorkey.gate.cookies, urlsplit(self.url).hostname or ""
        if not cookies.reaches(host):
            return cookies.for_outside(session.ids.gate_secret, host)
        return encode(session.ids.gate_secret if self.doorkey.settings.cookie_domain else session.ids.session_secret)
