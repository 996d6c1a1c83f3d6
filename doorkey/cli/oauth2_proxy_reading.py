"""A configuration of oauth2-proxy, in any of the forms it is written in: `read_given(text)`.

    client_id = "web"                       its configuration file (TOML)
    export OAUTH2_PROXY_CLIENT_ID=web       an environment file
    - --client-id=web                       arguments, one in a line or several, as in a manifest

Every value becomes a tuple of texts under the name in `OPTIONS`. Called by import_oauth2_proxy.py.
"""

import csv
import io
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dotenv.parser import parse_stream

from doorkey.cli.oauth2_proxy_options import LIST, OFF, ON, OPTIONS, known_name

PREFIX = "OAUTH2_PROXY_"
LARGEST = 4 * 1024 * 1024
Given = dict[str, tuple[str, ...]]

_NOT_ARGUMENTS = re.compile(r"(args|command):|(\S*/)?oauth2-proxy|exec|\\")
_YAML_ITEM = re.compile(r"\s*-\s+(?=[\"']?-|[\"']?\S*oauth2-proxy)")


class Unreadable(Exception):
    """The words say in which line, and never repeat a value."""


def read_given(text: str) -> Given:
    """Read a file whose form its own lines tell. Raises `Unreadable`."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise Unreadable("it is empty")
    if any(re.match(rf"(export\s+)?{PREFIX}\w+\s*=", line) for line in lines):
        return read_environment(_environment_lines(text))
    if any(re.match(r"(-\s+)?[\"']?--?[a-z]", line) for line in lines):
        return _read_arguments(text)
    return _read_toml(text)


def read_environment(environ: Mapping[str, str]) -> Given:
    """What stands under `OAUTH2_PROXY_*`."""
    found: Given = {}
    for name, value in environ.items():
        if name.startswith(PREFIX):
            _add(found, known_name(name.removeprefix(PREFIX)), value)
    return found


def _environment_lines(text: str) -> dict[str, str]:
    found = {}
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            raise Unreadable(f"line {line.original.line}: not of the form NAME=value")
        if line.key is not None:
            if not line.key.startswith(PREFIX):
                raise Unreadable(f"line {line.original.line}: a name that does not start with {PREFIX}")
            found[line.key] = line.value or ""
    return found


def _read_toml(text: str) -> Given:
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"\(at [^)]*\)", str(error))  # the words before it may repeat a value
        raise Unreadable(f"not TOML {place[0] if place else ''}".strip()) from None
    found: Given = {}
    for name, value in tables.items():
        for one in value if isinstance(value, list) else [value]:
            _add(found, known_name(name), _as_text(one), is_one=isinstance(value, list))
    return found


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_arguments(text: str) -> Given:
    found: Given = {}
    words = list(_words(text))
    while words:
        name, equals, value = words.pop(0).partition("=")
        if not name.startswith("-"):
            raise Unreadable("an argument stands where the name of an option should")
        name = known_name(name)
        kind = OPTIONS[name].kind if name in OPTIONS else ""
        if not equals and kind not in (ON, OFF) and words and not words[0].startswith("-"):
            value = words.pop(0)
        elif not equals:
            value = "true"
        _add(found, name, value)
    return found


def _words(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            words = shlex.split(_YAML_ITEM.sub("", line).strip().removesuffix("\\"), comments=True)
        except ValueError:
            raise Unreadable(f"line {number}: a quote is not closed") from None
        yield from (word for word in words if not _NOT_ARGUMENTS.fullmatch(word))


def _add(found: Given, name: str, value: str, *, is_one: bool = False) -> None:
    """A list may be given in one text, separated by commas, or bit by bit; of anything else the last counts."""
    if name in OPTIONS and OPTIONS[name].kind != LIST:
        found[name] = (value,)
        return
    values = [value] if is_one or name not in OPTIONS else _split(value)
    found[name] = (*found.get(name, ()), *(one for one in values if one))


def _split(value: str) -> Iterable[str]:
    try:
        return [one.strip() for row in csv.reader([value], skipinitialspace=True) for one in row]
    except csv.Error:
        return [value]
