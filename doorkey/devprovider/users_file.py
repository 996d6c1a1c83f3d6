"""The TOML file that `--users-file` names: users, clients and lifetimes of the development provider.

Called by the command line; what single tables mean is in definitions.py, an example in
docs/dev-users.example.toml. Everything that is wrong is said at once.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from doorkey.devprovider.definitions import (
    DefinitionError,
    Reader,
    read_client,
    read_fields,
    read_lifetimes,
    read_user,
    switch,
    table,
)
from doorkey.devprovider.users import USERS, Client, Lifetimes, User

T = TypeVar("T")
LARGEST_FILE = 1024 * 1024
FILE_KEYS: Mapping[str, Reader] = {"users": table, "clients": table, "lifetimes": table, "builtin_users": switch}

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class UsersFile:
    """The built-in users come first, unless the file has them not; a table of the same name replaces one."""

    users: tuple[User, ...] = USERS
    clients: tuple[Client, ...] = ()
    lifetimes: Lifetimes = field(default_factory=Lifetimes)


class UsersFileError(ValueError):
    """`problems` are all that is wrong, each with its section and key, or with the file's name."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = problems


def read_users_file(path: Path) -> UsersFile:
    """Raises `UsersFileError`."""
    problems: list[str] = []
    document = _parse(path)
    _attempt(problems, "", lambda: read_fields("the users file", FILE_KEYS, document))
    sections = {name: section for name, section in document.items() if isinstance(section, dict)}
    users = _read_each(problems, "users", sections, read_user)
    clients = _read_each(problems, "clients", sections, read_client)
    lifetimes = _attempt(problems, "lifetimes: ", lambda: read_lifetimes(sections.get("lifetimes", {})))
    if problems or lifetimes is None:
        raise UsersFileError(problems)
    builtin = {user.sub: user for user in USERS} if document.get("builtin_users", True) else {}
    return UsersFile(tuple((builtin | users).values()), tuple(clients.values()), lifetimes)


def _parse(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UsersFileError([f"{path} is not usable: its values are nested too deeply"]) from None
    except ValueError as error:  # a number of thousands of digits is not a TOMLDecodeError
        last = f"at the end, line {len(text.splitlines())}"
        reason = str(error).replace("at end of document", last).partition("; use sys.")[0]
        raise UsersFileError([f"{path} is not valid TOML: {reason}"]) from None


def _read_text(path: Path) -> str:
    """Without the byte order mark that some editors write."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsersFileError([f"{path} cannot be read: {error.strerror or error}"]) from None
    if len(content) > LARGEST_FILE:
        raise UsersFileError([f"{path} is larger than {LARGEST_FILE // 1024**2} MiB"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsersFileError([f"{path} is not UTF-8 text"]) from None


def _read_each(
    problems: list[str], section: str, document: Mapping[str, Any], read: Callable[[str, Any], T]
) -> dict[str, T]:
    """The tables of `section` by name, without those that have problems."""
    found = {}
    for name, fields in document.get(section, {}).items():
        where = f"{section}.{_written(name)}: "
        value = _attempt(problems, where, partial(read, name, fields))
        if value is None:
            problems += [f"{where}{said}" for said in _dotted_names(section, name, fields)]
        else:
            found[name] = value
    return found


def _attempt(problems: list[str], where: str, read: Callable[[], T]) -> T | None:
    try:
        return read()
    except DefinitionError as error:
        problems += [where + said for said in error.problems]
        return None


def _dotted_names(section: str, name: str, fields: Any) -> list[str]:
    """`[users.ann.lee]` is the key lee of ann in TOML, which nobody means."""
    tables = fields.items() if isinstance(fields, dict) else ()
    inner = [key for key, value in tables if isinstance(value, dict) and key not in ("claims", "jwks")]
    return [f"a name with a dot needs quotes: [{section}.{json.dumps(f'{name}.{key}'):.80}]" for key in inner]


def _written(name: str) -> str:
    """As a key is written in TOML."""
    return name if _BARE_KEY.fullmatch(name) else f"{json.dumps(name):.80}"
