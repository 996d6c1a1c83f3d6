"""`doorkey check --through URL`: does somebody's own reverse proxy keep its side of the gate?

Asks for the echo page of Doorkey behind that proxy, first as nobody and then with a session of five minutes that opens
nothing else, and sends what visitors might: identity headers of their own, in every spelling, and headers that name
another request. What reached the page is what an application would have seen; what Doorkey was told is read from the
sealed ticket in its answer. Called by check.py; who is sent there: through_visitor.py; what else is
asked for: through_paths.py.
"""

import ssl
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from doorkey.cli.raw_request import RawAnswer
from doorkey.cli.through_paths import doors_of_doorkey, other_paths
from doorkey.cli.through_visitor import ECHO, PAGE, PATH, Headers, Visitor, echoed, reason_of
from doorkey.errors import DoorkeyError, StoreUnavailable
from doorkey.gate.identity_headers import visible
from doorkey.gate.tickets import Ticket
from doorkey.oauth.provider_check import FAILED, NOTE, OK, WARNING, Finding
from doorkey.sessions.lifecycle import OpenSession

SPOOFED = "spoofed-by-a-visitor"
NAMES = ("User", "Email", "Name", "Groups", "Provider", "Session", "Assertion", "Access-Token")
OAUTH2_PROXY_NAMES = ("User", "Email", "Preferred-Username", "Groups", "Access-Token")
MANY_GROUPS = tuple(f"group-number-{number:03}" for number in range(140))
"""More are left out by Doorkey."""

METHODS = ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PROPFIND", "TRACE", "FOO")
REFUSALS = (400, 403, 404, 405, 421, 426, 431, 501)
TOLD = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
"""What applications commonly believe of a proxy."""

SPELLINGS: dict[str, Headers] = {
    "X-Doorkey-*": tuple((f"X-Doorkey-{name}", SPOOFED) for name in NAMES),
    "X_Doorkey_*": tuple((f"X_Doorkey_{name.replace('-', '_')}", SPOOFED) for name in NAMES),
    "x-dOORKEY_*": tuple((f"x-dOORKEY_{name}", SPOOFED) for name in NAMES),
    "X-Auth-Request-*": tuple((f"X-Auth-Request-{name}", SPOOFED) for name in OAUTH2_PROXY_NAMES),
    "X_Auth_Request_*": tuple((f"X_Auth_Request_{name.replace('-', '_')}", SPOOFED) for name in OAUTH2_PROXY_NAMES),
}
SETS_ITSELF = "Let the proxy set every header of its dialect itself, from the request; see doorkey proxy-config."
DELETES = "Let the proxy delete these names, with - and with _, before it sets its own; see doorkey proxy-config."
HANDS_ON = "Let the proxy set the X-Doorkey-* headers from Doorkey's answer; see doorkey proxy-config."
TRAP = "Let the proxy drop the visitor's Connection header, or set it; see doorkey proxy-config."
ROOM = "Give the proxy room for an answer of 4 KB (nginx: proxy_buffer_size)."
COOKIE = "It opens every application behind the gate until it is over; let the proxy take it out where it can."
SAME = "Does this command have the settings of the running Doorkey (DOORKEY_SESSION_STORE, DOORKEY_SECRET_KEY)?"
TO_DOORKEY = (
    f"Let the proxy guard {PATH} as the application, but hand it to Doorkey, which must be run by doorkey serve or "
    "uvicorn: under a WSGI server it has no such page."
)


class ProxyUnreachable(DoorkeyError):
    code = "proxy_unreachable"


def steering(elsewhere: str) -> dict[str, Headers]:
    """What names another request than this one: another host behind the gate, a public path, another method."""
    return {
        "X-Original-URL": (("X-Original-URL", f"https://{elsewhere}/public"), ("X-Original-Method", "HEAD")),
        "X_Original_URL": (("X_Original_URL", f"https://{elsewhere}/public"), ("X_Original_Method", "HEAD")),
        "X-Forwarded-Uri": (("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "HEAD")),
        "X_Forwarded_Uri": (("X_Forwarded_Uri", "/public"), ("X_Forwarded_Method", "HEAD")),
        "X-Forwarded-Host": (("X-Forwarded-Host", elsewhere), ("Forwarded", f"host={elsewhere}")),
        "X-Forwarded-Proto": (("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "1"), ("X-Forwarded-Prefix", "/a")),
        "X-HTTP-Method-Override": (("X-HTTP-Method-Override", "HEAD"), ("X-Rewrite-URL", "/public")),
    }


@dataclass(frozen=True)
class Through:
    """`paths` of the application are tried besides the echo page."""

    visitor: Visitor
    paths: tuple[str, ...] = ("/",)

    def findings(self) -> Generator[Finding]:
        """One after the other. What cannot be reached ends them."""
        url = self.visitor.origin
        try:
            yield from self._all()
        except ssl.SSLCertVerificationError as error:
            yield Finding(FAILED, f"{url} has no right certificate: {error.verify_message}.", _certificate(error))
        except ssl.SSLError as error:
            hint = "Does it serve this host, with a certificate for it?"
            yield Finding(FAILED, f"The proxy refuses TLS for {url}: {error.reason or error}.", hint)
        except OSError as error:
            why = "it says nothing" if isinstance(error, TimeoutError) else str(error.strerror or error)
            hint = "Is the proxy running, and does the name resolve? --connect HOST:PORT names another address."
            yield Finding(FAILED, f"{url} cannot be reached: {why}.", hint, ProxyUnreachable(why))
        except StoreUnavailable as error:
            yield Finding(FAILED, f"{error.message} ({error.detail})", "See DOORKEY_SESSION_STORE.", error)

    def _all(self) -> Iterator[Finding]:
        target = PATH + "?x=%2F&y"
        page = self.visitor.first_ask("GET", target, PAGE)
        yield self._judge_redirect("a browser that is not signed in", page, target, is_plain=True)
        ticket = self.visitor.ticket(page)
        if ticket is None:
            return
        yield from self._as_nobody()
        yield from other_paths(self.visitor, self.paths, ticket.policy)
        yield from doors_of_doorkey(self.visitor)
        with self.visitor.session("doorkey-check") as session:
            yield from self._signed_in(session)

    def _as_nobody(self) -> Iterator[Finding]:
        """Nobody may get to the page, whatever they send; and the gate must be told what was really asked for."""
        program = self.visitor.ask("GET", PATH, (("Accept", "application/json"),))
        if program is not None and program.status == 401 and "location" not in program.headers:
            yield Finding(OK, "A program that is not signed in gets 401.")
        else:
            got = program.status if program else "no answer"
            hint = "Programs need 401 and no redirect; compare with what doorkey proxy-config prints."
            yield Finding(WARNING, f"A program that is not signed in gets {got}.", hint)
        for method in METHODS:
            yield self._only_if_passed(f"{method} without a session", self.visitor.ask(method, PATH, PAGE))
        elsewhere = urlsplit(self.visitor.doorkey.settings.own_url).netloc
        for name, headers in steering(elsewhere).items():
            yield self._judge_redirect(f"a visitor who sends {name}", self.visitor.ask("GET", PATH, (*PAGE, *headers)))
        yield self._two_hosts(elsewhere)
        for name, headers in SPELLINGS.items():
            answer = self.visitor.ask("GET", PATH, headers)
            yield self._only_if_passed(f"a visitor who sends {name} and no session", answer)

    def _two_hosts(self, elsewhere: str) -> Finding:
        """The proxy chooses a site by one of them; the gate must not be told the other."""
        who = "a visitor whose request line and Host name two hosts"
        answer = self.visitor.ask("GET", self.visitor.origin + PATH, PAGE, host=elsewhere)
        seen = echoed(answer)
        if seen and seen["host"] == elsewhere:  # Doorkey's own site has such a page as well
            return Finding(OK, f"Sent to {elsewhere} itself: {who}.")
        return self._judge_redirect(who, answer)

    def _judge_redirect(
        self, who: str, answer: RawAnswer | None, target: str = PATH, *, is_plain: bool = False
    ) -> Finding:
        """Sent to sign in, it must be with the very address that was asked for. Refusing what is not plain is well."""
        if answer is not None and ECHO in answer.headers:
            hint = f"Let the proxy ask the gate for every path, and no rule let anyone in at {PATH}."
            return Finding(FAILED, f"The application was open to {who}.", hint if is_plain else SETS_ITSELF)
        if not is_plain and (answer is None or answer.status in REFUSALS):
            return Finding(OK, f"Refused: {who} ({answer.status if answer else 'no answer'}).")
        ticket = self.visitor.ticket(answer)
        if ticket is None:
            got = answer.status if answer else "no answer"
            hint = _why_not_sent(answer, self.visitor.doorkey.settings.own_url) if is_plain else SETS_ITSELF
            return Finding(FAILED, f"Not sent to sign in here: {who} ({got}).", hint)
        if (ticket.url, ticket.method) != (self.visitor.origin + target, "GET"):
            told = f"{ticket.method} {ticket.url}, and not GET {self.visitor.origin}{target}"
            return Finding(FAILED, f"Doorkey was told {told}: {who}.", SETS_ITSELF)
        return Finding(OK, f"Sent to sign in, and back to the same address: {who}.")

    def _only_if_passed(self, who: str, answer: RawAnswer | None) -> Finding:
        if answer is not None and (ECHO in answer.headers or 200 <= answer.status < 300):
            hint = "Let the proxy ask the gate about every request, whatever its method and headers."
            return Finding(FAILED, f"The application was open to {who}.", hint)
        return Finding(OK, f"Kept out: {who}.")

    def _signed_in(self, session: OpenSession) -> Iterator[Finding]:
        answer = self.visitor.ask_signed_in(session)
        seen = echoed(answer)
        if seen is None:
            yield self._why_not_in(answer)
            return
        yield from self._judge_all_identities(session, seen)
        yield from self._judge_claims(session)
        if self.visitor.cookie_name in seen["cookies"]:
            yield Finding(NOTE, f"The application is sent the cookie {self.visitor.cookie_name}.", COOKIE)
        with self.visitor.session(*MANY_GROUPS) as many:
            fits = echoed(self.visitor.ask_signed_in(many)) is not None
        words = "gets through" if fits else "does not get through"
        yield Finding(OK if fits else FAILED, f"Somebody with {len(MANY_GROUPS)} groups {words}.", "" if fits else ROOM)

    def _why_not_in(self, answer: RawAnswer | None) -> Finding:
        what = "Somebody who is signed in does not get in"
        ticket = self.visitor.ticket(answer)
        if ticket is not None:
            return _unknown_to_doorkey(what, ticket)
        if answer is None:
            return Finding(FAILED, f"{what}: no answer came.", TO_DOORKEY)
        if answer.status in (401, 403) or answer.status >= 500:
            hint = "Let the proxy tell Doorkey the request as it is and pass on its answer; see doorkey proxy-config."
            return Finding(FAILED, f"{what} ({_status(answer)}).", hint)
        return Finding(FAILED, f"Something else than Doorkey answers at {PATH} ({answer.status}).", TO_DOORKEY)

    def _judge_all_identities(self, session: OpenSession, seen: dict[str, Any]) -> Iterator[Finding]:
        """What is missing without any tricks is said once."""
        missing = _missing(seen, session)
        if missing:
            what = f"The application is not told {_listed(missing)} of somebody who is signed in."
            yield Finding(FAILED, what, HANDS_ON)
        else:
            yield Finding(OK, "The application is told who is signed in.")
        for name, headers in SPELLINGS.items():
            got = echoed(self.visitor.ask_signed_in(session, headers))
            yield _judge_identity(f"somebody signed in sends {name}", got, session, HANDS_ON, missing)
        trap = "close, " + ", ".join(f"X-Doorkey-{name}" for name in NAMES)
        got = echoed(self.visitor.ask_signed_in(session, (("Connection", trap),)))
        yield _judge_identity("somebody signed in names these in Connection", got, session, TRAP, missing)

    def _judge_claims(self, session: OpenSession) -> Iterator[Finding]:
        claims = tuple((name.title(), SPOOFED) for name in TOLD)
        seen = echoed(self.visitor.ask_signed_in(session, claims)) or {"headers": []}
        believed = sorted({name for name, value in seen["headers"] if name in TOLD and SPOOFED in value})
        if believed:
            hint = "Applications often believe these; let the proxy set them from the connection."
            yield Finding(WARNING, f"The application sees what a visitor says in {', '.join(believed)}.", hint)


def _judge_identity(
    when: str, seen: dict[str, Any] | None, session: OpenSession, hint: str, known: set[str]
) -> Finding:
    """Refused is well; let through, the application must see Doorkey's words, all of them, and nobody else's.

    `known` to be missing is not said again.
    """
    if seen is None:
        return Finding(OK, f"Refused when {when}.")
    leaked = {name for name, value in seen["headers"] if SPOOFED in value}
    if leaked:
        return Finding(FAILED, f"The application sees {_listed(leaked)} of a visitor's own, when {when}.", DELETES)
    missing = _missing(seen, session) - known
    if missing:
        return Finding(FAILED, f"The application is not told {_listed(missing)} when {when}.", hint)
    return Finding(OK, f"The application sees no identity but Doorkey's when {when}.")


def _missing(seen: dict[str, Any], session: OpenSession) -> set[str]:
    """The headers that do not say what Doorkey said."""
    identity = session.record.identity
    wanted = {
        "x-doorkey-user": visible(identity.user),
        "x-doorkey-groups": ",".join(identity.groups),
        "x-doorkey-provider": identity.provider,
        "x-doorkey-session": session.ids.public_id,
    }
    return {
        name for name, value in wanted.items() if [got for given, got in seen["headers"] if given == name] != [value]
    }


def _unknown_to_doorkey(what: str, ticket: Ticket) -> Finding:
    if ticket.cookies == "none":
        hint = "Let the proxy send the visitor's Cookie header along when it asks Doorkey; see doorkey proxy-config."
        return Finding(FAILED, f"{what}: the proxy does not hand their cookie to Doorkey.", hint)
    return Finding(FAILED, f"{what}: Doorkey does not know their session ({ticket.reason}).", SAME)


def _why_not_sent(answer: RawAnswer | None, own_url: str) -> str:
    if answer is not None and answer.status == 401:
        return "Let the proxy hand Accept and Sec-Fetch-* to the gate, and browsers Location (if no rule says never)."
    reason = reason_of(answer)
    if reason:
        return f"Doorkey's reason is {reason}; compare the proxy with what doorkey proxy-config prints."
    if answer is None or answer.status >= 500:
        return "Does the proxy reach Doorkey, and Doorkey its session store?"
    return f"Does this proxy ask the Doorkey of {own_url}, about {PATH} too? Compare with doorkey proxy-config."


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if "ostname mismatch" in error.verify_message or "not valid for" in error.verify_message:
        return "Give the proxy a certificate for this host name, and this host the right site there."
    return "A certificate of an authority of your own: name its file in DOORKEY_CA_BUNDLE."


def _status(answer: RawAnswer) -> str:
    reason = reason_of(answer)
    return f"{answer.status}, {reason}" if reason else str(answer.status)


def _listed(names: Iterable[str]) -> str:
    first = sorted(names)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "")
