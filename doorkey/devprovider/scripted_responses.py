"""Reading what is to fail, in the two ways it can be said: as fields and as a word.

    {"endpoint": "token", "status": 503, "times": 2}      /dev/responses, next_response()
    token:status=503*2                                    --fail, the page

Both make the same `Rule`. The names are those of failures.py.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from doorkey.devprovider.failures import ENDPOINTS, FAILURES, MINTED, Failure
from doorkey.devprovider.script import NO_ANSWER, Early, Rule, delivered_at

FIELDS = ("endpoint", "failure", "error", "error_description", "status", "body", "headers", "merge", "delay", "times")
LONGEST_DELAY = 60.0
LARGEST_BODY = 64 * 1024
DEEPEST = 50
MOST_TIMES = 10_000
TAKES = {
    "status": "a number such as 503 (then *2 or *always)",
    "delay": "seconds",
    "merge": "a JSON object",
    "headers": "a JSON object of names and values",
}
SPEC = re.compile(
    r"(?:(?P<endpoint>[a-z_]+):)?(?P<name>[A-Za-z0-9_-]+)(?:=(?P<value>.*?))?(?:\*(?P<times>[0-9]{1,9}|always))?", re.S
)
_ERROR = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,200}")
_PRINTABLE = "1 to 200 printable ASCII characters without quotes and backslashes"
_TOKEN = re.compile(r"[A-Za-z0-9-]+")
_CHANGES = ("error", "error_description", "status", "body", "headers", "merge", "delay")


class ScriptError(ValueError):
    """Says what is wrong with a scripted response."""


def read_spec(text: str) -> Rule:
    """`[ENDPOINT:]NAME[=VALUE][*TIMES]`. Raises `ScriptError`."""
    found = SPEC.fullmatch(text)
    if not found:
        raise ScriptError(f"{text[:200]!r} is not of the form [ENDPOINT:]NAME[=VALUE][*TIMES].")
    fields: dict[str, Any] = {"endpoint": found["endpoint"]} if found["endpoint"] else {}
    times = found["times"] or "1"
    fields["times"] = times if times == "always" else int(times)
    name, value = found["name"], found["value"]
    if value is None:
        fields["failure"] = name
    elif name in ("error", "body"):
        fields[name] = value
    elif name in ("status", "delay", "merge", "headers"):
        try:
            fields[name] = json.loads(value)
        except (ValueError, RecursionError):
            raise ScriptError(f"{name}={value[:200]} cannot be read: {name} takes {TAKES[name]}.") from None
    else:
        raise ScriptError(f"{name} takes no value.")
    return read_response(fields)


def read_response(fields: Mapping[str, Any]) -> Rule:
    """The rule that `fields` ask for. Raises `ScriptError`."""
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise ScriptError(f"{str(unknown[0])[:60]} is not known here; known are {', '.join(FIELDS)}.")
    failure = _failure(fields.get("failure"))
    endpoint = _endpoint(fields.get("endpoint"), failure)
    merge = _merge(fields.get("merge"))
    early = _early(fields, failure)
    if failure is None and early is None and not merge:
        raise ScriptError("Say what is to happen: failure, error, status, body, merge or delay.")
    if early and endpoint in MINTED:
        raise ScriptError(f"{endpoint} is not an endpoint of its own; only merge and named failures work there.")
    times = _times(fields.get("times", 1), failure)
    seam = endpoint if failure is None or failure.at == "*" else failure.seam
    rule = Rule(endpoint, seam, _spec_of(fields, endpoint, failure), times, failure, early, merge)
    _check_together(fields, failure, rule)
    return rule


def _failure(name: Any) -> Failure | None:
    if name is None:
        return None
    if isinstance(name, str) and name in FAILURES:
        return FAILURES[name]
    near = difflib.get_close_matches(str(name), FAILURES, 1)
    raise ScriptError(f"There is no failure {str(name)[:60]}." + (f" Do you mean {near[0]}?" if near else ""))


def _endpoint(given: Any, failure: Failure | None) -> str:
    known = (*ENDPOINTS, *MINTED)
    if failure and failure.at != "*":
        if given not in (None, *delivered_at(failure)):
            raise ScriptError(f"{failure.name} happens at {failure.at}, not at {given}.")
        return failure.at
    if given is None:
        raise ScriptError(f"Say at which endpoint: {', '.join(known)}.")
    if given not in known:
        raise ScriptError(f"endpoint must be one of {', '.join(known)}.")
    return str(given)


def _merge(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ScriptError("merge must be an object.")
    _json("merge", given)
    return dict(given)


def _json(name: str, value: Any) -> str:
    """`value` as JSON. Raises `ScriptError` for what every reader of JSON could not read."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise ScriptError(f"{name} holds something that JSON does not have.") from None
    if size > LARGEST_BODY or _depth(value) > DEEPEST:
        raise ScriptError(f"{name} must be JSON of at most {LARGEST_BODY} bytes, nested at most {DEEPEST} deep.")
    return text


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _early(fields: Mapping[str, Any], failure: Failure | None) -> Early | None:
    asked = {name: fields[name] for name in _CHECKS if fields.get(name) is not None}
    for name, value in asked.items():
        holds, sentence = _CHECKS[name]
        if not holds(value):
            raise ScriptError(sentence)
    given = {**((failure.early if failure else None) or {}), **asked}
    if isinstance(given.get("body"), dict | list):
        headers = {"Content-Type": "application/json", **given.get("headers", {})}
        given |= {"body": _json("body", given["body"]), "headers": headers}
    return Early(**given) if given else None


def _check_together(fields: Mapping[str, Any], failure: Failure | None, rule: Rule) -> None:
    """What would not happen is a mistake too. Raises `ScriptError`."""
    fitting = _fitting(failure, rule.endpoint) if failure else _CHANGES
    unfitting = [name for name in _CHANGES if fields.get(name) is not None and name not in fitting]
    if failure and unfitting:
        raise ScriptError(f"{failure.name} and {unfitting[0]} do not go together.")
    early = rule.early or Early()
    has_answer = bool(early.status) or early.body is not None
    mistakes = {
        "error_description goes with an error.": early.error_description and not early.error,
        "headers go with a status or a body.": early.headers and (early.error or not has_answer),
        "An error has a body of its own.": early.error and early.body is not None,
        "At authorize an error is a redirect, which has no status to choose.": early.error
        and early.status
        and rule.endpoint == "authorize",
        "merge changes the right answer, and here is none.": rule.merge and early.replaces_answer,
    }
    for sentence, is_made in mistakes.items():
        if is_made:
            raise ScriptError(sentence)


def _fitting(failure: Failure, endpoint: str) -> Collection[str]:
    """The other fields that do something beside `failure`."""
    if failure.early is None:
        return ("merge", "delay") if failure.seam == endpoint else ()
    if failure.early.get("wire") in NO_ANSWER:
        return ("delay",)
    return _CHANGES if failure.at == "*" else ("error_description", "status", "headers", "delay")


def _is_text(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599


def _is_delay(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST_DELAY


def _is_body(value: Any) -> bool:
    if isinstance(value, dict | list):
        return True
    try:
        return isinstance(value, str) and len(value.encode()) <= LARGEST_BODY
    except UnicodeEncodeError:
        return False


def _are_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_header(name, text) for name, text in value.items())


def _is_header(name: Any, value: Any) -> bool:
    return (
        isinstance(name, str)
        and _TOKEN.fullmatch(name) is not None
        and name.lower() not in ("content-length", "transfer-encoding", "connection")
        and isinstance(value, str)
        and len(value) <= 2000
        and (value == "" or (value.isascii() and value.isprintable()))
    )


_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "status": (_is_status, "status must be a number from 200 to 599."),
    "error": (_is_text(_ERROR), f"error must be {_PRINTABLE}."),
    "error_description": (_is_text(_ERROR), f"error_description must be {_PRINTABLE}."),
    "body": (_is_body, f"body must be text or JSON of at most {LARGEST_BODY} bytes."),
    "headers": (_are_headers, "headers must be an object of header names and values, not of those that HTTP needs."),
    "delay": (_is_delay, f"delay must be seconds, at most {LONGEST_DELAY:.0f}."),
}


def _times(given: Any, failure: Failure | None) -> float:
    counts = isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= MOST_TIMES
    if given != "always" and not counts:
        raise ScriptError(f"times must be a number from 1 to {MOST_TIMES}, or always.")
    if given == "always" or (failure and failure.until_cleared):
        return math.inf
    return float(given * (failure.uses if failure else 1))


def _spec_of(fields: Mapping[str, Any], endpoint: str, failure: Failure | None) -> str:
    """How the same is said in a word, as far as it can be."""
    prefix = "" if failure and failure.at != "*" else f"{endpoint}:"
    values = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name in ("error", "status", "body", "merge", "delay")
        if (value := fields.get(name)) is not None
    ]
    return prefix + ",".join([*([failure.name] if failure else []), *values])[:200]
