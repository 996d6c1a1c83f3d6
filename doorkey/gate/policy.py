"""The rules of the gate, compiled: which of them decides about a request does not depend on how many there are.

A rule is found by host (a dict), then by path (a tree of segments); of those that fit, the first in the file decides.
What a rule demands is in `Allow`. Read from TOML by policy_text.py, asked by decide.py and the command line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from doorkey.oauth.return_target import host_matches
from doorkey.oauth.user_info import Identity, claim_at
from doorkey.setting_urls import is_loopback

Login = Literal["auto", "always", "never"]

REMEMBERED = 4096
LONGEST_REMEMBERED = 200
"""Paths that are asked for often are looked up once."""


@dataclass(frozen=True)
class Condition:
    """Every part that is set must fit, by any of its values. All texts but claims and scopes are in lower case."""

    emails: frozenset[str] = frozenset()
    domains: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()
    claims: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    scopes: frozenset[str] = frozenset()

    def missing(self, identity: Identity, scopes: Sequence[str]) -> str:
        """The first part that does not fit; "" when all do."""
        if self.emails or self.domains:
            email = ascii_lower(identity.email) if _is_verified(identity) else ""
            if self.emails and email not in self.emails:
                return "emails"
            if self.domains and not (email.count("@") == 1 and host_matches(email.partition("@")[2], self.domains)):
                return "domains"
        if self.groups and self.groups.isdisjoint(identity.groups):
            return "groups"
        if self.scopes and self.scopes.isdisjoint(scopes):
            return "scopes"
        return next((path for path, values in self.claims if not _holds(identity.claims, path, values)), "")


def _is_verified(identity: Identity) -> bool:
    """Many that know their own people say nothing about it."""
    verified = identity.claims.get("email_verified", True)
    return verified is True or verified == "true"


def ascii_lower(text: str) -> str:
    """Other letters stay: some of them become ASCII ones in lower case."""
    return text.translate(_LOWER)


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _holds(claims: Mapping[str, Any], path: str, wanted: tuple[Any, ...]) -> bool:
    """A claim that is a list holds each of its values. 1 is not true here."""
    found = claim_at(claims, path)
    values = found if isinstance(found, list | tuple) else [found]
    return any(type(value) is type(one) and value == one for value in values for one in wanted)


@dataclass(frozen=True)
class Allow:
    """`anyone`, also who is not signed in; `nobody`; without conditions whoever is; else one condition must fit."""

    anyone: bool = False
    nobody: bool = False
    conditions: tuple[Condition, ...] = ()

    def missing(self, identity: Identity, scopes: Sequence[str]) -> str:
        """What the conditions miss; "" when one fits, or none is set."""
        if self.nobody:
            return "nobody"
        missed = ""
        for condition in self.conditions:
            missing = condition.missing(identity, scopes)
            if not missing:
                return ""
            missed = missed or missing
        return missed


@dataclass(frozen=True)
class Rule:
    """Empty `hosts`, `paths` and `methods` fit all. `line` is where it stands in the file, 0 for nowhere."""

    name: str
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()
    allow: Allow = Allow()
    provider: str = ""
    login: Login = "auto"
    headers: frozenset[str] = frozenset()
    line: int = 0


SIGNED_IN = Rule("signed-in")
"""Decides where no other rule does: whoever is signed in, at a host behind the gate."""


EVERY_METHOD = ""


@dataclass
class _Node:
    """A place in the tree of paths: the first rule for each method that holds from here on, and patterns to compare.

    `strict` leaves out rules that let everybody in. `globs` stand under a segment that the path must have, "" for none.
    """

    below: dict[str, "_Node"] = field(default_factory=dict)
    first: dict[str, tuple[int, Rule]] = field(default_factory=dict)
    strict: dict[str, tuple[int, Rule]] = field(default_factory=dict)
    globs: dict[str, list[tuple[int, Rule, list[str]]]] = field(default_factory=dict)


class RuleSet:
    """One list of rules; the first that fits decides."""

    def __init__(self, rules: Sequence[Rule]):
        self.rules = tuple(rules)
        self.looks_at_paths = any(rule.paths for rule in self.rules)
        self.looks_at_methods = any(rule.methods for rule in self.rules)
        self._exact: dict[str, _Node] = {}
        self._suffixes: dict[str, _Node] = {}
        self._everywhere = _Node()
        self._holds_everywhere = any(not rule.hosts for rule in self.rules)
        for number, rule in enumerate(self.rules):
            for root in self._roots(rule.hosts):
                for path in rule.paths or ("/",):
                    _add(root, number, rule, path)
        self._found: dict[tuple[str, str, str, bool], Rule] = {}

    def _roots(self, hosts: tuple[str, ...]) -> Iterator[_Node]:
        if not hosts:
            yield self._everywhere
        for host in hosts:
            table, name = (self._suffixes, host[2:]) if host.startswith("*.") else (self._exact, host)
            yield table.setdefault(name, _Node())

    def find(self, authority: str, path: str, method: str, *, is_plain: bool) -> Rule:
        """The rule that decides; what is not plain passes over rules that let everybody in."""
        asked = (authority, path, method, is_plain)
        found = self._found.get(asked)
        if found is None:
            found = self._find(*asked)
            if len(path) <= LONGEST_REMEMBERED:
                if len(self._found) >= REMEMBERED:
                    self._found.clear()
                self._found[asked] = found
        return found

    def _find(self, authority: str, path: str, method: str, is_plain: bool) -> Rule:
        first, best = len(self.rules), SIGNED_IN
        segments = [segment for segment in path.split("/") if segment]
        for root in self._trees(authority):
            for depth, node in enumerate(_on_the_way(root, segments)):
                held = node.first if is_plain else node.strict
                for found in (held.get(method), held.get(EVERY_METHOD)):
                    if found and found[0] < first:
                        first, best = found
                for number, rule, glob in _globs(node, segments[depth:]) if node.globs else ():
                    fits = number < first and (not rule.methods or method in rule.methods)
                    if fits and (is_plain or not rule.allow.anyone) and _glob_fits(glob, segments[depth:]):
                        first, best = number, rule
        return best

    def _trees(self, authority: str) -> list[_Node]:
        trees = [self._everywhere] if self._holds_everywhere else []
        if authority in self._exact:
            trees.append(self._exact[authority])
        name = authority
        while self._suffixes and "." in name:
            name = name.partition(".")[2]
            if name in self._suffixes:
                trees.append(self._suffixes[name])
        return trees


def _add(root: _Node, number: int, rule: Rule, path: str) -> None:
    """A glob hangs where its first segment with a star begins."""
    node, segments = root, [segment for segment in path.split("/") if segment]
    for depth, segment in enumerate(segments):
        if "*" in segment:
            needed = max((one for one in segments[depth:] if "*" not in one), key=len, default="")
            node.globs.setdefault(needed, []).append((number, rule, segments[depth:]))
            return
        node = node.below.setdefault(segment, _Node())
    for method in rule.methods or (EVERY_METHOD,):
        node.first.setdefault(method, (number, rule))
        if not rule.allow.anyone:
            node.strict.setdefault(method, (number, rule))


def _on_the_way(root: _Node, segments: list[str]) -> list[_Node]:
    """The places along a path, root first."""
    node, found = root, [root]
    for segment in segments:
        if segment not in node.below:
            break
        node = node.below[segment]
        found.append(node)
    return found


def _globs(node: _Node, segments: list[str]) -> Iterator[tuple[int, Rule, list[str]]]:
    """Those that may fit what is below a place: they need no segment, or one that is there."""
    for needed in {"", *segments}:
        yield from node.globs.get(needed, ())


def _glob_fits(glob: list[str], segments: list[str]) -> bool:
    """`**` stands for any number of segments. Both ends are compared first, the middle is found from the left."""
    first, *rest = _split(glob)
    if not rest:
        return len(first) == len(segments) and _all_fit(first, segments)
    *middle, last = rest
    if len(segments) < len(first) + len(last) or not _all_fit(first, segments):
        return False
    end = len(segments) - len(last)
    if not _all_fit(last, segments[end:]):
        return False
    at = len(first)
    for piece in middle:
        while at + len(piece) <= end and not _all_fit(piece, segments[at:]):
            at += 1
        if at + len(piece) > end:
            return False
        at += len(piece)
    return True


def _split(glob: list[str]) -> list[list[str]]:
    """The parts of a glob between its `**`."""
    parts: list[list[str]] = [[]]
    for segment in glob:
        if segment == "**":
            parts.append([])
        else:
            parts[-1].append(segment)
    return parts


def _all_fit(globs: list[str], segments: list[str]) -> bool:
    return all(_segment_fits(glob, segment) for glob, segment in zip(globs, segments, strict=False))


def _segment_fits(glob: str, segment: str) -> bool:
    """`*` stands for any characters of one segment. Pieces are found from the left: never more work than its length."""
    first, *rest = glob.split("*")
    if not rest:
        return segment == first
    *middle, last = rest
    if not segment.startswith(first) or not segment.endswith(last) or len(segment) < len(first) + len(last):
        return False
    start, end = len(first), len(segment) - len(last)
    for piece in middle:
        found = segment.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True


@dataclass(frozen=True)
class Guarded:
    """The hosts behind the gate: `patterns` (perhaps with ports), Doorkey's own, and where wanted all on loopback."""

    own_authority: str
    patterns: tuple[str, ...] = ()
    loopback_too: bool = False

    def has(self, authority: str) -> bool:
        if authority in self._names:
            return True
        host = authority if authority.startswith("[") else authority.partition(":")[0]
        if self.loopback_too and is_loopback(re.sub(r"\]:\d+\Z", "]", host)):
            return True
        return host_matches(authority, self._suffixes)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset((self.own_authority, *(name for name in self.patterns if not name.startswith("*."))))

    @cached_property
    def _suffixes(self) -> tuple[str, ...]:
        return tuple(name for name in self.patterns if name.startswith("*."))


@dataclass(frozen=True)
class Policy:
    """The rules of the file, and its named lists of rules."""

    rules: RuleSet = field(default_factory=lambda: RuleSet(()))
    named: Mapping[str, RuleSet] = field(default_factory=dict)

    def rules_of(self, name: str) -> RuleSet | None:
        """The rules of a policy by name, "" for the main list; None when there is no such policy."""
        return self.rules if not name else self.named.get(name)
