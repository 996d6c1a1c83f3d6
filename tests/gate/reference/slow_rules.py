"""The rule that decides about a request, and whom it lets in: docs/policy.md from the top, one rule after the other.

`judge()` is the whole decision; rules are what policy_text.py read, and who asks is a `Visitor`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from doorkey.gate.policy import Condition, Rule
from doorkey.oauth.user_info import Identity
from tests.gate.reference.slow_reading import Asked

ALLOW, LOG_IN, FORBID = 0, 1, 2
NO_RULE = Rule("signed-in")
PROBE = Rule("probe")
PROBE_PROVIDER = "doorkey.check"


@dataclass(frozen=True)
class Visitor:
    """`session` is the public id, "" for whoever sent a token; `access_token` is the provider's, of a session."""

    identity: Identity
    scopes: tuple[str, ...]
    session: str = ""
    access_token: str = ""


@dataclass(frozen=True)
class Verdict:
    what: int
    reason: str
    rule: Rule
    visitor: Visitor | None = None


def judge(rules: Iterable[Rule], asked: Asked, visitor: Visitor | None, absent: str) -> Verdict:
    """For everything that may have been asked for; of several verdicts the strictest counts."""
    if visitor and visitor.identity.provider == PROBE_PROVIDER:
        may = asked.is_plain and asked.readings == ("/.doorkey/echo",)
        return Verdict(ALLOW if may else FORBID, "probe" if may else "not_allowed:probe", PROBE, visitor)
    verdicts = []
    for authority in (asked.authority, *asked.also):
        for reading in asked.readings:
            rule = first_that_fits(rules, authority, reading, asked)
            verdicts.append(judge_one(rule, visitor, absent))
    strictest = max(verdict.what for verdict in verdicts)
    same = [verdict for verdict in verdicts if verdict.what == strictest]
    headers, logins = same[0].rule.headers, {verdict.rule.login for verdict in same}
    for verdict in same:
        headers = headers & verdict.rule.headers
    login = same[0].rule.login
    if len(logins) > 1:
        login = "never" if "never" in logins else "auto"
    return replace(same[0], rule=replace(same[0].rule, headers=headers, login=login))


def judge_one(rule: Rule, visitor: Visitor | None, absent: str) -> Verdict:
    if rule.allow.anyone:
        return Verdict(ALLOW, "anyone", rule)
    if visitor is None:
        return Verdict(LOG_IN, absent, rule)
    if rule.provider and rule.provider != visitor.identity.provider:
        if visitor.session:
            return Verdict(LOG_IN, "other_provider", rule, visitor)
        return Verdict(FORBID, f"not_allowed:{rule.name}", rule, visitor)
    conditions = rule.allow.conditions
    fits = any(condition_fits(condition, visitor) for condition in conditions) if conditions else True
    if rule.allow.nobody or not fits:
        return Verdict(FORBID, f"not_allowed:{rule.name}", rule, visitor)
    return Verdict(ALLOW, "signed_in", rule, visitor)


# ---- which rule ----


def first_that_fits(rules: Iterable[Rule], authority: str, path: str, asked: Asked) -> Rule:
    for rule in rules:
        if rule.allow.anyone and not asked.is_plain:
            continue
        if rule.hosts and not any(host_fits(host, authority) for host in rule.hosts):
            continue
        if rule.paths and not any(path_fits(pattern, path) for pattern in rule.paths):
            continue
        if rule.methods and asked.method not in rule.methods:
            continue
        return rule
    return NO_RULE


def host_fits(pattern: str, authority: str) -> bool:
    """A name, or `*.suffix`: whole labels before it."""
    if pattern.startswith("*."):
        return authority.endswith(pattern[1:]) and len(authority) > len(pattern[1:])
    return authority == pattern


def path_fits(pattern: str, path: str) -> bool:
    """Where it begins; with a star, from end to end."""
    wanted = [segment for segment in pattern.split("/") if segment]
    segments = [segment for segment in path.split("/") if segment]
    if "*" not in pattern:
        return segments[: len(wanted)] == wanted
    written = ""
    for segment in wanted:
        if segment == "**":
            written += "(?:/[^/]+)*"
        else:
            written += "/" + "[^/]*".join(re.escape(piece) for piece in segment.split("*"))
    return re.fullmatch(written, "".join("/" + segment for segment in segments), re.DOTALL) is not None


# ---- whom it lets in ----


def condition_fits(condition: Condition, visitor: Visitor) -> bool:
    """Every part of it, by any of its values."""
    identity = visitor.identity
    return (
        (not condition.emails or email_fits(condition.emails, identity))
        and (not condition.domains or domain_fits(condition.domains, identity))
        and (not condition.groups or any(group in identity.groups for group in condition.groups))
        and (not condition.scopes or any(scope in visitor.scopes for scope in condition.scopes))
        and all(claim_fits(identity.claims, path, values) for path, values in condition.claims)
    )


def demand_fits(demand: dict[str, list[str]], visitor: Visitor) -> bool:
    """The same for what the address of a check demands; a demand without values fits nobody."""
    [(kind, wanted)] = demand.items()
    if kind == "groups":
        return any(group in visitor.identity.groups for group in wanted)
    if kind == "emails":
        return email_fits([one.lower() for one in wanted], visitor.identity)
    return domain_fits(["*" + one.lower() if one.startswith(".") else one.lower() for one in wanted], visitor.identity)


def email_fits(emails: Iterable[str], identity: Identity) -> bool:
    return is_verified(identity) and in_small_letters(identity.email) in emails


def domain_fits(domains: Iterable[str], identity: Identity) -> bool:
    """What is behind the only @."""
    if not is_verified(identity) or identity.email.count("@") != 1:
        return False
    domain = in_small_letters(identity.email).split("@")[1]
    if "" in domain.split("."):
        return False
    return any(host_fits(pattern, domain) for pattern in domains)


def is_verified(identity: Identity) -> bool:
    """Unless the provider says that it is not."""
    return "email_verified" not in identity.claims or identity.claims["email_verified"] in (True, "true")


def in_small_letters(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def claim_fits(claims: dict[str, Any], path: str, wanted: tuple[Any, ...]) -> bool:
    """A claim that is a list fits by any of its values; 1 is not true."""
    found: Any = claims
    if path in claims:
        found = claims[path]
    else:
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for value in values for one in wanted)
