"""From a decision to the answer of its dialect: what the application is told, where a browser is sent, what is logged.

Called by checkpoint.py for every check; the forms of the answers are in answer.py.
"""

import logging
from collections import Counter

import msgspec

from doorkey import events
from doorkey.clock import Clock
from doorkey.errors import BearerInvalid, DoorkeyError, LoginRequired, NotAllowed
from doorkey.gate.answer import Answer, allowed, field_lines, forbidden_page, refused, to_login
from doorkey.gate.decide import Caller, Decision
from doorkey.gate.gate_cookies import Credentials
from doorkey.gate.identity_headers import NO_TOKENS, identity_headers, visible
from doorkey.gate.original_request import Dialect, Original
from doorkey.gate.policy import Condition, RuleSet
from doorkey.gate.tickets import Ticket, Tickets, shorter
from doorkey.oauth.identity_assertion import Asserter
from doorkey.sessions.lifecycle import OpenSession

ACCESS_TOKEN = "access-token"  # noqa: S105
ASSERTION = "assertion"


class Pending(msgspec.Struct, frozen=True):
    """A request that was understood, and whose answer depends on who asks.

    `asks_others`: the store knows no session for it, and has been asked; it came with a token that others know about.
    """

    dialect: Dialect
    original: Original
    rules: RuleSet
    policy: str
    credentials: Credentials
    request_id: str
    demands: tuple[Condition, ...] = ()
    asks_others: bool = False


class Replies:
    """`counts` are the answers so far, by dialect and verdict."""

    def __init__(
        self, own_url: str, tickets: Tickets[Ticket], asserter: Asserter, clock: Clock, *, like_oauth2_proxy: bool
    ):
        self.counts: Counter[tuple[str, str]] = Counter()
        self._own_url = own_url
        self._login_url = f"{own_url}/login"
        self._tickets = tickets
        self._asserter = asserter
        self._clock = clock
        self._like_oauth2_proxy = like_oauth2_proxy
        self._nobody = self.lines(None)

    def lines(self, caller: Caller | None) -> bytes:
        """What an application is told of `caller` where its rule asks for no token: always the same."""
        return field_lines(identity_headers(caller, NO_TOKENS, like_oauth2_proxy=self._like_oauth2_proxy))

    def answer(
        self, pending: Pending, decision: Decision, session: OpenSession | None = None, lines: bytes = b""
    ) -> Answer:
        """`session` when one was opened, `lines` when they were made before."""
        dialect, original, request_id = pending.dialect, pending.original, pending.request_id
        self.counts[dialect.name, decision.verdict] += 1
        if decision.verdict == "allow":
            return allowed(decision.reason, self._identity(original, decision, session, lines), request_id)
        goes_away = dialect.sends_away and decision.sends_away(original)
        if decision.verdict == "log_in":
            if goes_away:
                location = f"{self._login_url}?rt={self._ticket(pending, decision)}"
                return to_login(dialect, original, location, decision.reason, request_id)
            error = BearerInvalid() if decision.reason == "invalid_token" else LoginRequired()
            return refused(dialect, error, decision.reason, request_id, login_url=self._login_url)
        with events.of_request(request_id):
            _log_refusal(original, decision)
        if goes_away:
            page = f"{self._own_url}/denied?rt={self._ticket(pending, decision)}"
            return forbidden_page(dialect, decision, page, request_id)
        return refused(dialect, NotAllowed(), decision.reason, request_id, rule=decision.rule.name)

    def refusal(self, dialect: Dialect, error: DoorkeyError, reason: str, status: int, request_id: str) -> Answer:
        """Of what nobody can decide about."""
        self.counts[dialect.name, reason] += 1
        name, detail = dialect.name, error.detail
        with events.of_request(request_id):
            events.log(events.GATE_REFUSED, level=logging.WARNING, code=reason, dialect=name, detail=detail)
        return refused(dialect, error, reason, request_id, status=status)

    def _identity(self, original: Original, decision: Decision, session: OpenSession | None, lines: bytes) -> bytes:
        """The headers for the application: all of them, whoever it is; what only some rules ask for is empty else."""
        caller, asked = decision.caller, decision.rule.headers
        if caller is None:
            return self._nobody
        if not asked:
            return lines or self.lines(caller)
        tokens = dict(NO_TOKENS)
        if ASSERTION in asked:
            tokens[ASSERTION] = self._asserter.sign(caller.identity, audience=original.origin, session=caller.session)
        if session and ACCESS_TOKEN in asked:
            tokens[ACCESS_TOKEN] = visible(session.record.token.access_token)
        return field_lines(identity_headers(caller, tokens, like_oauth2_proxy=self._like_oauth2_proxy))

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


def _log_refusal(original: Original, decision: Decision) -> None:
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
