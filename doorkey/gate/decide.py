"""Allow, log in or forbid: the decision about one request, as a pure function.

Called by checkpoint.py with what it knows, and by `doorkey explain` with what somebody supposes.
"""

import dataclasses
from typing import Literal

import msgspec

from doorkey.gate.original_request import Original
from doorkey.gate.policy import Condition, Login, Rule, RuleSet
from doorkey.oauth.user_info import Identity
from doorkey.sessions.record import Record

Verdict = Literal["allow", "log_in", "forbid"]
SEVERITY: dict[Verdict, int] = {"allow": 0, "log_in": 1, "forbid": 2}


PROBE_PROVIDER = "doorkey.check"
"""Where the sessions of `doorkey check --through` come from; no provider's id has a dot."""

_PROBES = Rule("probe")


class Caller(msgspec.Struct, frozen=True):
    """Who asks, by a session or by a token: until `ends` (seconds since the epoch), with these `scopes`.

    `session` is the public id of the session, "" for a token.
    """

    identity: Identity
    ends: float
    scopes: tuple[str, ...] = ()
    session: str = ""

    @classmethod
    def of_record(cls, record: Record, public_id: str) -> "Caller":
        return cls(record.identity, record.ends, tuple(record.token.scope_granted), public_id)


class Decision(msgspec.Struct, frozen=True):
    """`rule` decided. `reason` is for logs and headers: a word, or `not_allowed:<rule>`; `missing` what it missed."""

    verdict: Verdict
    reason: str
    rule: Rule
    caller: Caller | None = None
    missing: str = ""

    def sends_away(self, original: Original) -> bool:
        """Whether somebody who has to log in is sent there, instead of being told."""
        return original.wants_page if self.rule.login == "auto" else self.rule.login == "always"


def decide(
    caller: Caller | None, original: Original, rules: RuleSet, now: float, *, absent: str = "no_session"
) -> Decision:
    """The decision for `caller`; `absent` says why there is none. Of several readings of a path the strictest wins."""
    present = caller if caller and now < caller.ends else None
    if present and present.identity.provider == PROBE_PROVIDER:
        return _judge_probe(present, original)
    if caller and not present:
        absent = "expired"
    rule = the_rule(original, rules)
    if rule:
        return _judge(present, rule, absent)
    decisions = [_judge(present, rule, absent) for rule in _rules(original, rules)]
    strictest = max(decisions, key=lambda decision: SEVERITY[decision.verdict])
    return _together([decision for decision in decisions if decision.verdict == strictest.verdict])


def _together(decisions: list[Decision]) -> Decision:
    """One for all readings: an application is told only what each of their rules tells it."""
    rules = [decision.rule for decision in decisions]
    headers = frozenset.intersection(*(rule.headers for rule in rules))
    logins = {rule.login for rule in rules}
    login: Login = rules[0].login if len(logins) == 1 else "never" if "never" in logins else "auto"
    if len(rules) == 1:
        return decisions[0]
    together = dataclasses.replace(rules[0], headers=headers, login=login)
    return msgspec.structs.replace(decisions[0], rule=together)


def demand(decision: Decision, conditions: tuple[Condition, ...]) -> Decision:
    """The same, if whoever is let in fits all of these too."""
    caller = decision.caller
    if decision.verdict == "allow" and caller:
        for condition in conditions:
            if missing := condition.missing(caller.identity, caller.scopes):
                return Decision("forbid", "not_allowed:address-of-the-check", decision.rule, caller, missing)
    return decision


def the_rule(original: Original, rules: RuleSet) -> Rule | None:
    """The one that decides; None when the request can be read in several ways."""
    readings = original.path.readings
    if len(readings) != 1 or original.also:
        return None
    return rules.find(original.authority, readings[0], original.method, is_plain=original.is_plain)


def _rules(original: Original, rules: RuleSet) -> list[Rule]:
    """One for each thing that may have been asked for."""
    return [
        rules.find(authority, reading, original.method, is_plain=original.is_plain)
        for authority in (original.authority, *original.also)
        for reading in original.path.readings
    ]


def _judge_probe(caller: Caller, original: Original) -> Decision:
    may = original.is_plain and original.path.readings == ("/.doorkey/echo",)
    return Decision("allow" if may else "forbid", "probe" if may else "not_allowed:probe", _PROBES, caller)


def _judge(caller: Caller | None, rule: Rule, absent: str) -> Decision:
    if rule.allow.anyone:
        return Decision("allow", "anyone", rule)
    if caller is None:
        return Decision("log_in", absent, rule)
    if rule.provider and caller.identity.provider != rule.provider:
        if caller.session:
            return Decision("log_in", "other_provider", rule, caller, "provider")
        return Decision("forbid", f"not_allowed:{rule.name}", rule, caller, "provider")
    missing = rule.allow.missing(caller.identity, caller.scopes)
    if missing:
        return Decision("forbid", f"not_allowed:{rule.name}", rule, caller, missing)
    return Decision("allow", "signed_in", rule, caller)
