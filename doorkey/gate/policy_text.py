"""A policy from its TOML text, or every mistake in it with its line and rule.

    [[rule]]                the main list, in order
    [[policy.NAME]]         the rules of a named policy, for /check/<dialect>/NAME

Called by policy_file.py and the command line.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from doorkey.gate.policy import Allow, Condition, Policy, Rule, RuleSet, ascii_lower
from doorkey.setting_urls import authority_patterns, host_patterns

KEYS = ("name", "host", "path", "methods", "allow", "provider", "login", "headers")
CONDITION_KEYS = ("emails", "domains", "groups", "claims", "scopes")
HEADERS = ("assertion", "access-token")
LOGINS = ("auto", "always", "never")
_NAME = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?")
_POLICY_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_HEADER = re.compile(r"\s*\[\[\s*(rule|policy\s*\.\s*[^\]\s]+)\s*\]\]")
LARGEST_FILE = 4 * 1024 * 1024


class PolicyError(Exception):
    """`problems`: every mistake, a sentence each, with its line."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = problems


class _Mistake(Exception):
    """At `key` of the rule that is being read."""

    def __init__(self, key: str, words: str):
        super().__init__(words)
        self.key = key


def load_policy(text: str, *, source: str = "policy", providers: frozenset[str] | None = None) -> Policy:
    """Read a policy; with `providers` a rule that names another one is a mistake. Raises `PolicyError`."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for numbers of thousands of digits
        raise PolicyError([f"{source}: {error}"]) from None
    reader = _Reader(source, _Lines(text), providers)
    policy = reader.read(tables)
    if reader.problems:
        raise PolicyError(reader.problems)
    return policy


class _Lines:
    """Where rules and their keys stand: TOML readers do not tell."""

    def __init__(self, text: str):
        self._lines = text.splitlines()
        self._starts: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines, start=1):
            if match := _HEADER.match(line):
                name = re.sub(r"[\s\"']", "", match[1])
                self._starts.setdefault(name, []).append(number)

    def of_table(self, name: str) -> int:
        """Where something stands that should not be there; 0 when it is not found."""
        fits = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(name)}\b")
        return next((number for number, line in enumerate(self._lines, start=1) if fits.match(line)), 0)

    def of_rule(self, table: str, index: int) -> int:
        starts = self._starts.get(table, [])
        return starts[index] if index < len(starts) else 0

    def of_key(self, start: int, key: str) -> int:
        """The line of `key` in the rule that starts at `start`; that of the rule when it is not found."""
        inline = 0
        for number in range(start, len(self._lines)):
            line = self._lines[number]
            if line.lstrip().startswith("[["):
                break
            if re.match(rf"\s*(\[.*\b{re.escape(key)}\b|[\"']?{re.escape(key)}\b)", line):
                return number + 1
            if re.search(rf"[{{,]\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                inline = inline or number + 1
        return inline or start


class _Reader:
    def __init__(self, source: str, lines: _Lines, providers: frozenset[str] | None):
        self.problems: list[str] = []
        self._source = source
        self._lines = lines
        self._providers = providers

    def read(self, tables: dict[str, Any]) -> Policy:
        for key in sorted(tables.keys() - {"rule", "policy"}):
            at = f" line {line}" if (line := self._lines.of_table(key)) else ""
            self.problems.append(f"{self._source}{at}: {key} is not known; there are [[rule]] and [[policy.NAME]]")
        named = tables.get("policy", {})
        if not isinstance(named, dict):
            self.problems.append(f"{self._source}: policy must be written [[policy.NAME]]")
            named = {}
        for name in named:
            if not _POLICY_NAME.fullmatch(name):
                self.problems.append(
                    f"{self._source}: {name!r} is no name for a policy: lower-case letters, digits, hyphens"
                )
        return Policy(
            self._rules("rule", tables.get("rule", [])),
            {name: self._rules(f"policy.{name}", rules) for name, rules in named.items()},
        )

    def _rules(self, table: str, given: Any) -> RuleSet:
        if not isinstance(given, list) or not all(isinstance(rule, dict) for rule in given):
            self.problems.append(f"{self._source}: {table} must be written [[{table}]]")
            return RuleSet(())
        rules: list[Rule] = []
        names: set[str] = set()
        for index, keys in enumerate(given):
            line = self._lines.of_rule(table, index)
            rule, mistakes = _rule(keys, line, self._providers)
            if rule and rule.name in names:
                mistakes.append(_Mistake("name", f"another rule is called {rule.name!r} already"))
            for mistake in mistakes:
                self._complain(keys, line, mistake)
            if rule and not mistakes:
                names.add(rule.name)
                rules.append(rule)
        return RuleSet(rules)

    def _complain(self, keys: dict[str, Any], line: int, mistake: _Mistake) -> None:
        at = self._lines.of_key(line, mistake.key) if line else 0
        called = f" {keys['name']!r}" if isinstance(keys.get("name"), str) else ""
        self.problems.append(f"{self._source} line {at}: rule{called}: {mistake.key}: {mistake}")


def _rule(keys: dict[str, Any], line: int, providers: frozenset[str] | None) -> tuple[Rule | None, list[_Mistake]]:
    """The rule, and every mistake in it."""
    known = f"is not a key of a rule; there are {', '.join(KEYS)}"
    mistakes = [_Mistake(key, known) for key in keys if key not in KEYS]

    def take(parse: Callable[[], Any]) -> Any:
        try:
            return parse()
        except _Mistake as mistake:
            mistakes.append(mistake)
            return None

    found = {
        "name": take(lambda: _name(keys)),
        "hosts": take(lambda: _hosts(keys)),
        "paths": take(lambda: _paths(keys)),
        "methods": take(lambda: _methods(keys)),
        "allow": take(lambda: _allow(keys)),
        "provider": take(lambda: _provider(keys, providers)),
        "login": take(lambda: _login(keys)),
        "headers": take(lambda: _headers(keys)),
    }
    return (None if mistakes else Rule(**found, line=line)), mistakes


def _name(keys: dict[str, Any]) -> str:
    name = keys.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _Mistake("name", "is missing, or no name of 1 to 100 ASCII characters")
    return name


def _provider(keys: dict[str, Any], providers: frozenset[str] | None) -> str:
    provider = keys.get("provider", "")
    if "provider" in keys and (not isinstance(provider, str) or not provider):
        raise _Mistake("provider", "must be the id of a provider")
    if provider and keys.get("allow") == "anyone":
        raise _Mistake("provider", 'means nothing where allow = "anyone"')
    if provider and providers is not None and provider not in providers:
        raise _Mistake("provider", f"{provider} is not in DOORKEY_PROVIDERS")
    return str(provider)


def _login(keys: dict[str, Any]) -> str:
    login = keys.get("login", "auto")
    if login not in LOGINS:
        raise _Mistake("login", f"must be one of {', '.join(LOGINS)}")
    return str(login)


def _headers(keys: dict[str, Any]) -> frozenset[str]:
    headers = frozenset(_texts(keys, "headers"))
    if unknown := sorted(headers - set(HEADERS)):
        raise _Mistake("headers", f"{unknown[0]} is not among {', '.join(HEADERS)}")
    return headers


def _texts(keys: dict[str, Any], key: str) -> tuple[str, ...]:
    """One text or a list of them; none when the key is absent."""
    if key not in keys:
        return ()
    given = keys[key] if isinstance(keys[key], list) else [keys[key]]
    if not given or not all(isinstance(one, str) and one for one in given):
        raise _Mistake(key, "must be a text or a list of texts, and none of them empty")
    return tuple(given)


def _hosts(keys: dict[str, Any]) -> tuple[str, ...]:
    given = _texts(keys, "host")
    try:
        found = tuple(pattern for text in given for pattern in authority_patterns(text))
    except ValueError as error:
        raise _Mistake("host", str(error)) from None
    if len(found) != len(given):
        raise _Mistake("host", "must be a host or a list of them, each a text of its own")
    return found


def _paths(keys: dict[str, Any]) -> tuple[str, ...]:
    found = _texts(keys, "path")
    for path in found:
        segments = path.split("/")
        if not path.startswith("/") or any(c in path for c in "?#\\;%") or not path.isprintable():
            raise _Mistake(
                "path", f"{path!r} must start with / and be written as people read it, without escapes and query"
            )
        if any(segment in (".", "..") for segment in segments) or "//" in path:
            raise _Mistake("path", f"{path!r} has dot segments or //")
        if any("**" in segment and segment != "**" for segment in segments):
            raise _Mistake("path", f"{path!r}: ** stands for whole segments, between slashes")
    return found


def _methods(keys: dict[str, Any]) -> frozenset[str]:
    found = frozenset(_texts(keys, "methods"))
    for method in found:
        if not re.fullmatch(r"[A-Z][A-Z0-9_-]*", method):
            raise _Mistake("methods", f"{method!r} is no method; write them in capitals")
    return found


def _allow(keys: dict[str, Any]) -> Allow:
    if "allow" not in keys:
        raise _Mistake("allow", 'is missing: "anyone", "signed-in", "nobody", or a table such as { groups = ["ops"] }')
    given = keys["allow"]
    if given == "anyone":
        return Allow(anyone=True)
    if given == "signed-in":
        return Allow()
    if given == "nobody":
        return Allow(nobody=True)
    tables = given if isinstance(given, list) else [given]
    if not tables or not all(isinstance(table, dict) and table for table in tables):
        raise _Mistake(
            "allow", 'must be "anyone", "signed-in", or a table such as { groups = ["ops"] }, or a list of tables'
        )
    return Allow(conditions=tuple(map(_condition, tables)))


def _condition(table: dict[str, Any]) -> Condition:
    for key in table:
        if key not in CONDITION_KEYS:
            raise _Mistake(key, f"is not a key of allow; there are {', '.join(CONDITION_KEYS)}")
    try:
        domains = tuple(pattern for text in _texts(table, "domains") for pattern in host_patterns(text))
    except ValueError as error:
        raise _Mistake("domains", str(error)) from None
    emails = frozenset(ascii_lower(text) for text in _texts(table, "emails"))
    for email in emails:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            raise _Mistake("emails", f"{email!r} is no address; whole domains go into domains")
    return Condition(
        emails=emails,
        domains=domains,
        groups=frozenset(_texts(table, "groups")),
        claims=tuple(_claims(table["claims"])) if "claims" in table else (),
        scopes=frozenset(_texts(table, "scopes")),
    )


def _claims(given: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
    if not isinstance(given, dict) or not given:
        raise _Mistake("claims", 'must be a table such as { department = ["it"] }')
    for path, values in given.items():
        values = values if isinstance(values, list) else [values]
        if not path or not values or not all(isinstance(value, str | int | bool) for value in values):
            raise _Mistake("claims", f"{path} must be a text, a number, true, false, or a list of them")
        yield path, tuple(values)
