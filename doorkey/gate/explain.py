"""Which rule decides about a request, why the ones before it do not, and what it decides: for people who write rules.

Asks the same code as a check does, one rule at a time. Called by `doorkey explain`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from doorkey.gate.decide import Caller, Decision, decide
from doorkey.gate.original_request import Original
from doorkey.gate.policy import Rule, RuleSet


@dataclass(frozen=True)
class PassedOver:
    """A rule that comes first and does not fit."""

    rule: Rule
    because: str


@dataclass(frozen=True)
class Explained:
    """`decision` is what a check would decide, reading the path as `reading`."""

    decision: Decision
    reading: str
    passed_over: tuple[PassedOver, ...]


def explain(caller: Caller | None, original: Original, rules: RuleSet, now: float) -> Explained:
    """For the reading of the path that decides, the strictest of all."""
    decision = decide(caller, original, rules, now)
    decider = decision.rule.name
    reading = next(one for one in original.path.readings if _find(rules, original, one).name == decider)
    return Explained(decision, reading, tuple(_before(decision.rule, original, rules, reading)))


def _find(rules: RuleSet, original: Original, reading: str) -> Rule:
    return rules.find(original.authority, reading, original.method, is_plain=original.is_plain)


def _before(decider: Rule, original: Original, rules: RuleSet, reading: str) -> Iterator[PassedOver]:
    for rule in rules.rules:
        if rule.name == decider.name:
            return
        yield PassedOver(rule, _why_not(rule, original, reading))


def _why_not(rule: Rule, original: Original, reading: str) -> str:
    """The first part of the rule that does not fit."""
    anywhere = replace(rule, paths=(), methods=frozenset(), allow=replace(rule.allow, anyone=False))
    if _find(RuleSet([anywhere]), original, reading) is not anywhere:
        return f"host is {original.authority}"
    here = replace(anywhere, paths=rule.paths)
    if _find(RuleSet([here]), original, reading) is not here:
        return f"path is {reading}"
    if rule.methods and original.method not in rule.methods:
        return f"method is {original.method}"
    return "it lets everybody in, and this path can be read in several ways"


def demands(rule: Rule) -> str:
    """What a rule asks of somebody, in words."""
    if rule.allow.anyone:
        return "anyone, signed in or not"
    if rule.allow.nobody:
        return "nobody"
    provider = f" by {rule.provider}" if rule.provider else ""
    if not rule.allow.conditions:
        return f"whoever is signed in{provider}"
    return " or ".join(_words(condition) for condition in rule.allow.conditions) + provider


def _words(condition: object) -> str:
    parts = []
    for name in ("emails", "domains", "groups", "scopes"):
        values = sorted(getattr(condition, name))
        if values:
            parts.append(f"{name} has {' or '.join(values)}")
    for path, wanted in getattr(condition, "claims", ()):
        parts.append(f"{path} is {' or '.join(map(str, wanted))}")
    return " and ".join(parts)
