"""From the request of a reverse proxy to its answer: the order of everything that the gate looks at.

    begin()     what needs no waiting: whom to trust, what was asked for, whether anybody may; an answer, or `Pending`
    finish()    opens the session or asks about the token, and decides; may wait for the store
    note()      afterwards: the session was used, and its token may be due for renewal

Adapters (asgi.py, wsgi.py, fastcgi.py) call these; the decision itself is decide.py.
"""

import hmac
import ipaddress
import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from doorkey import events
from doorkey.clock import Clock
from doorkey.errors import (
    BearerInvalid,
    DoorkeyError,
    GateMisconfigured,
    LoginRequired,
    NotAllowed,
    StoreUnavailable,
    UntrustedProxy,
)
from doorkey.gate.answer import Answer, allowed, forbidden_page, refused, to_login
from doorkey.gate.bearer import Bearers
from doorkey.gate.decide import Caller, Decision, decide, demand
from doorkey.gate.gate_cookies import Credentials, GateCookies
from doorkey.gate.gate_request import CheckRequest
from doorkey.gate.identity_headers import Header, identity_headers, is_too_long, visible
from doorkey.gate.oauth2_proxy_dialect import OAUTH2_PROXY, demands
from doorkey.gate.oauth2_proxy_dialect import PATH as OAUTH2_PROXY_PATH
from doorkey.gate.original_request import DIALECTS, FORWARD, Dialect, Headers, OddRequest, Original
from doorkey.gate.policy import Condition, Guarded, RuleSet
from doorkey.gate.policy_file import PolicyFile
from doorkey.gate.tickets import Ticket, Tickets, shorter
from doorkey.oauth.identity_assertion import Asserter
from doorkey.oauth.provider import Provider
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.refresh import Refresher
from doorkey.setting_values import Network, Secret

SECRET_HEADER = "x-doorkey-proxy-secret"  # noqa: S105
PREFIX_PATH = b"/check/"
TOKEN_PATIENCE = 1.0
"""Seconds that a check waits for a newer access token, where a rule hands it to the application."""


@dataclass(frozen=True)
class Pending:
    """A request that was understood, and whose answer depends on who asks."""

    dialect: Dialect
    original: Original
    rules: RuleSet
    policy: str
    credentials: Credentials
    request_id: str
    demands: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Gate:
    """What is configured. `trusted` networks may ask, and who knows `secret`; `oauth2_paths`: at /oauth2/auth too."""

    own_url: str
    guarded: Guarded
    trusted: Sequence[Network]
    secret: Secret
    like_oauth2_proxy: bool
    oauth2_paths: bool = False


class Checkpoint:
    """One for each process; no method raises."""

    def __init__(
        self,
        gate: Gate,
        policy: PolicyFile,
        sessions: Sessions,
        refresher: Refresher,
        providers: Mapping[str, Provider],
        bearers: Bearers,
        cookies: GateCookies,
        tickets: Tickets[Ticket],
        asserter: Asserter,
        clock: Clock,
    ):
        self.policy = policy
        self.counts: Counter[tuple[str, str]] = Counter()
        self._gate = gate
        self._sessions = sessions
        self._refresher = refresher
        self._providers = providers
        self._bearers = bearers
        self._cookies = cookies
        self._tickets = tickets
        self._asserter = asserter
        self._clock = clock

    def takes(self, path: bytes) -> bool:
        """Whether a request of this raw path is the gate's."""
        return path.startswith(PREFIX_PATH) or (self._gate.oauth2_paths and path == OAUTH2_PROXY_PATH)

    def answer(self, check: CheckRequest) -> Answer:
        """All of it, for servers that give a thread to each request."""
        begun = self.begin(check)
        if isinstance(begun, Answer):
            return begun
        answer, session = self.finish(begun)
        self.note(session)
        return answer

    def begin(self, check: CheckRequest) -> Answer | Pending:
        events.request_id.set(secrets.token_hex(8))
        dialect, policy, rest = _parts(check.path)
        if dialect is None:
            return self._refuse(FORWARD, GateMisconfigured("no such dialect"), "no_dialect", 404)
        try:
            pending = self._understood(check, dialect, policy, rest)
            credentials = pending.credentials
            decision = decide(None, pending.original, pending.rules, self._clock(), absent=credentials.absent)
            if decision.verdict == "allow" or not credentials.any:
                return self._answer(pending, decision, None)
            return pending
        except OddRequest as odd:
            return self._refuse(dialect, GateMisconfigured(str(odd)), "bad_gateway_config", dialect.odd_status)
        except (UntrustedProxy, NotAllowed) as error:
            reason = "host_not_allowed" if isinstance(error, NotAllowed) else error.code
            return self._refuse(dialect, error, reason, 403)
        except Exception as error:
            return self._broken(dialect, error)

    def _understood(self, check: CheckRequest, dialect: Dialect, policy: str, rest: bytes) -> Pending:
        """Who asks, and for what. Raises `OddRequest`, `UntrustedProxy`, or `NotAllowed` for another host."""
        headers = Headers(check.headers)
        if not check.is_admitted and not self._is_trusted(check.peer, headers):
            raise UntrustedProxy(f"peer {check.peer}")
        original = dialect.read(check.method, rest, check.query, headers)
        rules = self.policy.current().rules_of(policy)
        if rules is None or (rest and not dialect.has_path_behind):
            raise OddRequest("there is no policy of this name")
        if rules.looks_at_paths and not original.knows_path:
            raise OddRequest("there are rules for paths, and the proxy did not tell the path")
        if rules.looks_at_methods and not original.knows_method:
            raise OddRequest("there are rules for methods, and the proxy did not tell the method")
        if not self._gate.guarded.has(original.authority):
            raise NotAllowed(original.authority, message="This host is not behind the gate.", hint=_HOST_HINT)
        if original.also:
            original = replace(original, also=tuple(filter(self._gate.guarded.has, original.also)))
        more = tuple(demands(check.query)) if dialect is OAUTH2_PROXY else ()
        credentials = self._cookies.read(headers, original)
        return Pending(dialect, original, rules, policy, credentials, events.request_id.get(), more)

    def finish(self, pending: Pending) -> tuple[Answer, OpenSession | None]:
        """The answer, and the session that was let through."""
        events.request_id.set(pending.request_id)
        try:
            session = self._session(pending)
            decision = self._decision(pending, session)
            if decision.verdict != "allow" or not session:
                return self._answer(pending, decision, None), None
            if "access-token" in decision.rule.headers:
                session = self._with_live_token(session)
            return self._answer(pending, decision, session), session
        except DoorkeyError as error:
            return self._refuse(pending.dialect, error, error.code, 503), None
        except Exception as error:
            return self._broken(pending.dialect, error), None

    def _decision(self, pending: Pending, session: OpenSession | None) -> Decision:
        """About whoever came, as far as the rules and the address of the check demand."""
        caller, wrong_token = self._caller(pending, session)
        absent = "invalid_token" if wrong_token else pending.credentials.absent
        decision = decide(caller, pending.original, pending.rules, self._clock(), absent=absent)
        decision = demand(decision, pending.demands)
        like_oauth2_proxy = self._gate.like_oauth2_proxy
        if decision.verdict == "allow" and caller and is_too_long(caller, like_oauth2_proxy=like_oauth2_proxy):
            return replace(decision, verdict="forbid", reason="user_too_long", missing="user")
        return decision

    def _broken(self, dialect: Dialect, error: Exception) -> Answer:
        """A mistake of ours: whatever it is, nobody passes because of it."""
        events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, kind=type(error).__name__)
        return self._refuse(dialect, DoorkeyError(), "internal_error", 503)

    def overloaded(self, pending: Pending) -> Answer:
        """For one too many."""
        error = StoreUnavailable("too many checks wait for the store")
        return self._refuse(pending.dialect, error, "overloaded", 503)

    def note(self, session: OpenSession | None) -> None:
        """Last-seen, and a token that is about to end: neither keeps anybody waiting."""
        if session is None:
            return
        try:
            self._sessions.touch(session, at_gate=True)
            provider = self._provider_of(session)
            if provider:
                self._refresher.nudge(session, provider)
        except StoreUnavailable as error:
            events.log(events.STORE_FAILED, level=logging.WARNING, detail=error.detail)
        except Exception as error:  # the answer is right, and sent
            events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, kind=type(error).__name__)

    def _with_live_token(self, session: OpenSession) -> OpenSession:
        """As far as that can be had at once."""
        provider = self._provider_of(session)
        fresh = self._refresher.fresh(session, provider, patience=TOKEN_PATIENCE) if provider else None
        return fresh or session

    def _provider_of(self, session: OpenSession) -> Provider | None:
        provider = self._providers.get(session.record.identity.provider)
        return provider.at(self._gate.own_url) if provider else None

    def _is_trusted(self, peer: str, headers: Headers) -> bool:
        """By address, or by a secret that only the proxy knows; a wrong one is a mistake that should show."""
        if headers.has(SECRET_HEADER):
            given, wanted = headers.get(SECRET_HEADER).encode("latin-1"), self._gate.secret.reveal().encode()
            return bool(wanted) and hmac.compare_digest(given, wanted)
        return self.admits(peer)

    def admits(self, peer: str) -> bool:
        """Whether a peer of this address may ask."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._gate.trusted)

    def _session(self, pending: Pending) -> OpenSession | None:
        secret = pending.credentials.gate_secret
        return self._sessions.open_at_gate(secret) if secret else None

    def _caller(self, pending: Pending, session: OpenSession | None) -> tuple[Caller | None, bool]:
        """Who asks, and whether a token came that is none; a session goes before a token."""
        if session:
            return Caller.of_record(session.record, session.ids.public_id), False
        token = pending.credentials.bearer
        caller = self._bearers.caller(token, pending.original) if token else None
        return caller, bool(token) and caller is None

    def _answer(self, pending: Pending, decision: Decision, session: OpenSession | None) -> Answer:
        dialect, original, request_id = pending.dialect, pending.original, pending.request_id
        self.counts[dialect.name, decision.verdict] += 1
        if decision.verdict == "allow":
            return allowed(decision.reason, self._identity(pending, decision, session), request_id)
        goes_away = dialect.sends_away and decision.sends_away(original)
        if decision.verdict == "log_in":
            if goes_away:
                location = f"{self._gate.own_url}/login?rt={self._ticket(pending, decision)}"
                return to_login(dialect, original, location, decision.reason, request_id)
            error = BearerInvalid() if decision.reason == "invalid_token" else LoginRequired()
            login_url = f"{self._gate.own_url}/login"
            return refused(dialect, error, decision.reason, request_id, login_url=login_url)
        self._log_refusal(original, decision)
        if goes_away:
            page = f"{self._gate.own_url}/denied?rt={self._ticket(pending, decision)}"
            return forbidden_page(dialect, decision, page, request_id)
        return refused(dialect, NotAllowed(), decision.reason, request_id, rule=decision.rule.name)

    def _log_refusal(self, original: Original, decision: Decision) -> None:
        """Who was refused what, and which rule decided: paths stay out, they may hold secrets."""
        events.log(
            events.GATE_REFUSED,
            code="not_allowed",
            user=decision.caller.identity.user if decision.caller else "",
            method=original.method,
            host=original.authority,
            rule=decision.rule.name,
            missing=decision.missing,
        )

    def _identity(self, pending: Pending, decision: Decision, session: OpenSession | None) -> list[Header]:
        """The headers for the application: all of them, whoever it is; what only some rules ask for is empty else."""
        caller, asked = decision.caller, decision.rule.headers
        assertion = access = ""
        if caller and "assertion" in asked:
            audience = pending.original.origin
            assertion = self._asserter.sign(caller.identity, audience=audience, session=caller.session)
        if session and "access-token" in asked:
            access = visible(session.record.token.access_token)
        tokens = {"assertion": assertion, "access-token": access}
        return identity_headers(caller, tokens, like_oauth2_proxy=self._gate.like_oauth2_proxy)

    def _ticket(self, pending: Pending, decision: Decision) -> str:
        original = pending.original
        return self._tickets.seal(
            Ticket(
                url=shorter(original.url, original.origin),
                authority=original.authority,
                method=original.method,
                reason=decision.reason.partition(":")[0],
                issued=self._clock(),
                cookies=pending.credentials.seen,
                rule=decision.rule.name,
                policy=pending.policy,
                dialect=pending.dialect.name,
                provider=decision.rule.provider,
                request_id=pending.request_id,
            )
        )

    def _refuse(self, dialect: Dialect, error: DoorkeyError, reason: str, status: int) -> Answer:
        self.counts[dialect.name, reason] += 1
        events.log(events.GATE_REFUSED, level=logging.WARNING, code=reason, dialect=dialect.name, detail=error.detail)
        return refused(dialect, error, reason, events.request_id.get(), status=status)


_HOST_HINT = "Add it to DOORKEY_ALLOWED_HOSTS if it should be."


def _parts(path: bytes) -> tuple[Dialect | None, str, bytes]:
    """Dialect, policy, and what stands behind: `nginx/admins`, `envoy/original/path`, `envoy:admins/original/path`."""
    if path == OAUTH2_PROXY_PATH:
        return OAUTH2_PROXY, "", b""
    name, slash, rest = path.removeprefix(PREFIX_PATH).partition(b"/")
    known, _, policy = name.decode("latin-1").partition(":")
    dialect = DIALECTS.get(known)
    if dialect and dialect.has_path_behind:
        return dialect, policy, slash + rest
    policy_name, slash, behind = rest.partition(b"/")
    return DIALECTS.get(name.decode("latin-1")), policy_name.decode("latin-1"), slash + behind if behind else b""
