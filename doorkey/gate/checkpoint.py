"""From the request of a reverse proxy to its answer: the order of everything that the gate looks at.

    begin()     what needs no waiting: whom to trust, what was asked for, whether anybody may, or somebody who is
                known (lookup.py); an answer, or `Pending`
    finish()    opens the session or asks about the token, and decides; waits for the store, and in a second step for
                those whose token it is, who may be slow

Behind an answer (behind.py) the session is noted as used, and its token renewed when that is due. Adapters (asgi.py,
wsgi.py, authorizer.py) call these; the decision itself is decide.py, and what is answered replies.py.
"""

import hmac
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from msgspec.structs import replace

from doorkey import events
from doorkey.addresses import is_in
from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, GateMisconfigured, NotAllowed, StoreUnavailable, UntrustedProxy
from doorkey.gate.answer import Answer
from doorkey.gate.bearer import Bearers
from doorkey.gate.behind import Behind
from doorkey.gate.decide import PROBE_PROVIDER, Caller, Decision, decide, demand, the_rule
from doorkey.gate.gate_cookies import GateCookies
from doorkey.gate.gate_request import CheckRequest
from doorkey.gate.identity_headers import is_too_long
from doorkey.gate.lookup import KEEP_SECONDS, Kept, Lookup, Noted, compact
from doorkey.gate.oauth2_proxy_dialect import OAUTH2_PROXY, demands
from doorkey.gate.oauth2_proxy_dialect import PATH as OAUTH2_PROXY_PATH
from doorkey.gate.original_request import DIALECTS, FORWARD, Dialect, Headers, OddRequest
from doorkey.gate.policy import Guarded
from doorkey.gate.policy_file import PolicyFile
from doorkey.gate.replies import ACCESS_TOKEN, Pending, Replies
from doorkey.oauth.provider import Provider
from doorkey.sessions.ids import record_id_of
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.refresh import Refresher, due_from
from doorkey.setting_values import Network, Secret

SECRET_HEADER = b"x-doorkey-proxy-secret"
PREFIX_PATH = b"/check/"
TOKEN_PATIENCE = 1.0
"""Seconds that a check waits for a newer access token, where a rule hands it to the application."""

AGAIN_SECONDS = 10.0
"""When a session that was to be noted, and was not, is due again."""


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
        replies: Replies,
        lookup: Lookup,
        behind: Behind,
        clock: Clock,
    ):
        self.policy = policy
        self.behind = behind
        self.counts = replies.counts
        self.admits = lru_cache(maxsize=1024)(partial(is_in, networks=tuple(gate.trusted)))
        """Whether a peer of this address may ask."""
        self._gate = gate
        self._sessions = sessions
        self._refresher = refresher
        self._providers = providers
        self._bearers = bearers
        self._cookies = cookies
        self._replies = replies
        self._lookup = lookup
        self._clock = clock

    def takes(self, path: bytes) -> bool:
        """Whether a request of this raw path is the gate's."""
        return path.startswith(PREFIX_PATH) or (self._gate.oauth2_paths and path == OAUTH2_PROXY_PATH)

    def answer(self, check: CheckRequest) -> Answer:
        """All of it, for servers that give a thread to each request."""
        begun = self.begin(check)
        while not isinstance(begun, Answer):
            begun = self.finish(begun)
        return begun

    def begin(self, check: CheckRequest) -> Answer | Pending:
        request_id = f"{random.getrandbits(64):016x}"  # not secret: a name in the log
        dialect, policy, rest = _parts(check.path)
        if dialect is None:
            return self._replies.refusal(FORWARD, GateMisconfigured("no such dialect"), "no_dialect", 404, request_id)
        try:
            pending = self._understood(check, dialect, policy, rest, request_id)
            return self._for_somebody_known(pending) or self._for_anybody(pending) or pending
        except OddRequest as odd:
            error = GateMisconfigured(str(odd))
            return self._replies.refusal(dialect, error, "bad_gateway_config", dialect.odd_status, request_id)
        except (UntrustedProxy, NotAllowed) as error:
            reason = "host_not_allowed" if isinstance(error, NotAllowed) else error.code
            return self._replies.refusal(dialect, error, reason, 403, request_id)
        except Exception as error:
            return self._broken(dialect, error, request_id)

    def finish(self, pending: Pending) -> Answer | Pending:
        """The answer, or the same with `asks_others`, to be finished once more."""
        with events.of_request(pending.request_id):
            return self._finished(pending)

    def _finished(self, pending: Pending) -> Answer | Pending:
        try:
            session = None if pending.asks_others else self._session(pending)
            if not session and not pending.asks_others and self._bearers.asks_others(pending.credentials.bearer):
                return replace(pending, asks_others=True)
            caller, wrong_token = self._caller(pending, session)
            absent = "invalid_token" if wrong_token else pending.credentials.absent
            decision = self._decision(pending, caller, self._clock(), absent)
            if decision.verdict != "allow" or not session:
                return self._replies.answer(pending, decision)
            now = self._clock()
            if now >= self._due_from(session, now):
                self.behind.add(partial(self._note, session))
            if ACCESS_TOKEN in decision.rule.headers:
                session = self._with_live_token(session)
            return self._replies.answer(pending, decision, session)
        except DoorkeyError as error:
            return self._replies.refusal(pending.dialect, error, error.code, 503, pending.request_id)
        except Exception as error:
            return self._broken(pending.dialect, error, pending.request_id)

    def overloaded(self, pending: Pending) -> Answer:
        """For one too many."""
        error = StoreUnavailable("too many checks wait for the store")
        return self._replies.refusal(pending.dialect, error, "overloaded", 503, pending.request_id)

    def _understood(self, check: CheckRequest, dialect: Dialect, policy: str, rest: bytes, request_id: str) -> Pending:
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
        return Pending(dialect, original, rules, policy, self._cookies.read(headers, original), request_id, more)

    def _for_somebody_known(self, pending: Pending) -> Answer | None:
        """Without asking the store; None when it has to be asked."""
        secret, now = pending.credentials.gate_secret, self._clock()
        kept = self._lookup.find(record_id_of(secret), now) if secret else None
        if secret is None or kept is None:
            return None
        decision = self._decision_for(kept, pending, now)
        if decision.verdict == "allow" and decision.caller:
            if ACCESS_TOKEN in decision.rule.headers:
                return None  # no token is kept
            if now >= kept.due:
                kept.due = now + AGAIN_SECONDS
                self.behind.add(partial(self._note_by, secret))
        return self._replies.answer(pending, decision, lines=kept.lines)

    def _decision_for(self, kept: Kept, pending: Pending, now: float) -> Decision:
        """Where the same rule decides as the last time, it decides the same."""
        last, original = kept.decision, pending.original
        if last is None or pending.demands or last.rule is not the_rule(original, pending.rules):
            last = kept.decision = decide(kept.caller, original, pending.rules, now)
        return demand(last, pending.demands) if pending.demands else last

    def _for_anybody(self, pending: Pending) -> Answer | None:
        """When nobody in particular asks, or that makes no difference."""
        credentials, now = pending.credentials, self._clock()
        decision = decide(None, pending.original, pending.rules, now, absent=credentials.absent)
        if decision.verdict == "allow" or not credentials.any:
            return self._replies.answer(pending, decision)
        return None

    def _decision(self, pending: Pending, caller: Caller | None, now: float, absent: str) -> Decision:
        """About whoever came, as far as the rules and the address of the check demand."""
        decision = decide(caller, pending.original, pending.rules, now, absent=absent)
        decision = demand(decision, pending.demands)
        if decision.verdict == "allow" and caller and self._is_too_long(caller):
            return replace(decision, verdict="forbid", reason="user_too_long", missing="user")
        return decision

    def _session(self, pending: Pending) -> OpenSession | None:
        """The live session, if any; it is known from now on."""
        secret = pending.credentials.gate_secret
        if not secret:
            return None
        noted = self._lookup.note(record_id_of(secret))
        session = self._sessions.open_at_gate(secret)
        if session and noted:
            self._keep(session, noted)
        return session

    def _keep(self, session: OpenSession, noted: Noted) -> None:
        record, now = session.record, self._clock()
        caller = Caller.of_record(record, session.ids.public_id)
        if record.identity.provider == PROBE_PROVIDER or self._is_too_long(caller):
            return  # decided about in other ways
        kept = Kept(
            compact(caller),
            self._replies.lines(caller),
            since=now,
            ends=min(record.ends, now + KEEP_SECONDS),
            due=self._due_from(session, now),
        )
        self._lookup.keep(session.ids.record_id, kept, noted)

    def _due_from(self, session: OpenSession, now: float) -> float:
        """When `_note()` has something to do."""
        used = self._sessions.touch_due(session.record, now, at_gate=True)
        return min(used, due_from(session.record, now)) if self._provider_of(session) else used

    def _is_too_long(self, caller: Caller) -> bool:
        return is_too_long(caller, like_oauth2_proxy=self._gate.like_oauth2_proxy)

    def _caller(self, pending: Pending, session: OpenSession | None) -> tuple[Caller | None, bool]:
        """Who asks, and whether a token came that is none; a session goes before a token."""
        if session:
            return Caller.of_record(session.record, session.ids.public_id), False
        token = pending.credentials.bearer
        caller = self._bearers.caller(token, pending.original) if token else None
        return caller, bool(token) and caller is None

    def _note_by(self, gate_secret: bytes) -> None:
        session = self._sessions.open_at_gate(gate_secret)
        if session:
            self._note(session)

    def _note(self, session: OpenSession) -> None:
        """Last-seen, and a token that is about to end."""
        self._sessions.touch(session, at_gate=True)
        provider = self._provider_of(session)
        if provider:
            self._refresher.nudge(session, provider)

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

    def _broken(self, dialect: Dialect, error: Exception, request_id: str) -> Answer:
        """A mistake of ours: whatever it is, nobody passes because of it."""
        with events.of_request(request_id):
            events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, kind=type(error).__name__)
        return self._replies.refusal(dialect, DoorkeyError(), "internal_error", 503, request_id)


_HOST_HINT = "Add it to DOORKEY_ALLOWED_HOSTS if it should be."


@lru_cache(maxsize=256)
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
