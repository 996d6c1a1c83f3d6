"""Paths of a policy for the regular expressions of oauth2-proxy, where that is possible: `plain_paths(expression)`.

Its expressions are searched for anywhere in the path, ours are whole segments from the start. So what is found here
admits the same or less, never more. Called by oauth2_proxy_policy.py; the paths are judged by gate/policy.py.
"""

import re
from dataclasses import dataclass
from itertools import islice, product

_PIECE = re.compile(
    r"\\(?P<escaped>[./_~@:!&=-])|(?P<plain>[A-Za-z0-9/_~@:!&=.-])|\((?:\?:)?(?P<either>[A-Za-z0-9/_.|-]+)\)"
)
_ENDS = (
    (re.compile(r"\(/\.\*\)\?\$?|\(/\|\$\)|\(\?:/\|\$\)|\(\?:/\.\*\)\?\$?"), "segment"),
    (re.compile(r"/\?\$"), "exact"),
    (re.compile(r"\$"), "exact"),
    (re.compile(r"\.\*\$?|"), "open"),
)
MOST = 50


@dataclass(frozen=True)
class PlainPath:
    """`is_exact`: nothing below it. `below`: only what is below it."""

    path: str
    is_exact: bool = False
    below: bool = False

    @property
    def glob(self) -> str:
        return self.path.rstrip("/") + "/*/**" if self.below else self.path


def split_method(route: str) -> tuple[str, str] | None:
    """Method (empty for all) and expression of `GET=^/api`; None for what is turned around with `!=` or has no method.

    The first = counts, wherever it stands, as it did there.
    """
    method, equals, expression = route.partition("=")
    if not equals:
        return "", route
    return (method.upper(), expression) if re.fullmatch(r"[A-Za-z]*", method) else None


def plain_paths(expression: str) -> tuple[PlainPath, ...]:
    """The paths that `expression` stands for; none when a policy cannot say them."""
    found: list[PlainPath] = []
    for part in _alternatives(expression):
        one = _one(part)
        if not one:
            return ()
        found += one
    return tuple(dict.fromkeys(found)) if len(found) <= MOST else ()


def _alternatives(expression: str) -> list[str]:
    """At the top level, where both sides stand for themselves."""
    depth, parts = 0, [""]
    for character in expression:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _one(expression: str) -> list[PlainPath]:
    anchored = expression.startswith("^")
    rest = expression.removeprefix("^")
    if rest in ("", "/", ".*", "/.*", ".*$", "/.*$"):
        return [PlainPath("/")] if anchored or rest else []
    literals, rest = _literals(rest)
    end = next((kind for pattern, kind in _ENDS if pattern.fullmatch(rest)), "")
    usable = bool(literals) and all(_is_path(literal) for literal in literals)
    slashed = any(literal.endswith("/") for literal in literals)
    if not end or not usable or (end == "exact" and (slashed or not anchored)):
        return []
    return [_path(literal, end) for literal in literals]


def _path(literal: str, end: str) -> PlainPath:
    if end == "exact":
        return PlainPath(literal, is_exact=True)
    return PlainPath(literal.rstrip("/"), below=literal.endswith("/"))


def _literals(expression: str) -> tuple[list[str], str]:
    """Every text that the expression begins with, and what follows. A dot is taken as a dot, which is less."""
    choices: list[list[str]] = []
    position = 0
    while match := _PIECE.match(expression, position):
        follows = expression[match.end() : match.end() + 1]
        if follows and follows in "*+?{":  # it is not there once, but any number of times
            break
        if match["either"] and re.fullmatch(r"\(/\|\$\)", match[0]):
            break
        choices.append(match["either"].split("|") if match["either"] else [match["escaped"] or match["plain"]])
        position = match.end()
    return ["".join(picked) for picked in islice(product(*choices), MOST + 1)], expression[position:]


def _is_path(literal: str) -> bool:
    """What a policy takes as a path, and a request can have in plain form."""
    segments = literal.split("/")
    return literal.startswith("/") and literal != "/" and "//" not in literal and not {".", ".."} & set(segments)
