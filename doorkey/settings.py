"""Every setting of Doorkey, read once: from the environment and `config.env` to a frozen `Settings`.

`load()` returns it or raises `SettingsError` with every mistake found. The table of settings is setting_tables.py, the
rules between them are setting_rules.py; parsers of single values live in setting_values.py, setting_urls.py and
setting_stores.py.

Called by factory.py and the command line; calls nothing but the other words.
"""

import io
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dotenv.parser import parse_stream

from doorkey import setting_values as values
from doorkey.errors import SettingsError
from doorkey.presets import PRESETS
from doorkey.setting_rules import check_provider, cross_check
from doorkey.setting_tables import ProviderSettings as ProviderSettings
from doorkey.setting_tables import Settings as Settings
from doorkey.setting_tables import provider_settings as provider_settings
from doorkey.setting_tables import rows as rows

PREFIX = "DOORKEY_"
UNPREFIXED = ("HOST", "PORT")
"""Names that hosting platforms set by themselves, honoured without the prefix too."""

DISCOVERED_SCOPE = "openid profile email"

T = TypeVar("T", bound="ProviderSettings | Settings")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and `config.env` (or the file named by `DOORKEY_CONFIG`).

    The environment wins over the file. Raises `SettingsError` listing every problem.
    """
    environ = os.environ if environ is None else environ
    reader = _Reader(environ)
    settings = reader.read(Settings, PREFIX)
    settings = replace(settings, providers=tuple(reader.provider(id) for id in reader.provider_ids))
    reader.refuse_unknown()
    for involved, sentence in cross_check(settings, debug=environ.get("FLASK_DEBUG", "0") not in ("", "0")):
        if not reader.failed & set(involved):  # what is wrong with those was said already
            reader.problems.append(sentence)
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


class _Reader:
    """Collects values and problems; `failed` are the names (without prefix) of values that did not parse."""

    def __init__(self, environ: Mapping[str, str]):
        self.problems: list[str] = []
        self.failed: set[str] = set()
        self._texts: dict[str, str | None] = {}
        self._known = {PREFIX + "CONFIG"}
        unprefixed = {PREFIX + name: environ[name] for name in UNPREFIXED if name in environ}
        prefixed = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        self._given = self._read_file(environ.get(PREFIX + "CONFIG", "")) | unprefixed | prefixed

    def _read_file(self, chosen: str) -> dict[str, str]:
        path = Path(chosen or "config.env")
        if not chosen and not path.exists():
            return {}
        try:
            content = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self.problems.append(f"{PREFIX}CONFIG: there is no file {path}")
            return {}
        except (OSError, ValueError) as error:  # UnicodeDecodeError is one, and a NUL in a name another
            self.problems.append(f"{PREFIX}CONFIG: cannot read {path}: {_reason(error)}")
            return {}
        found: dict[str, str] = {}
        for line in parse_stream(io.StringIO(content)):
            written = line.original.string
            number = line.original.line + written[: len(written) - len(written.lstrip())].count("\n")
            name = PREFIX + line.key if line.key in UNPREFIXED else line.key
            if line.error or (name and line.value is None):
                self.problems.append(f"{path} line {number}: not of the form NAME=value")
            elif name and not name.startswith(PREFIX):
                self.problems.append(f"{path} line {number}: {name} is not a setting")
            elif name:
                found[name] = line.value or ""
        return found

    def raw(self, name: str) -> str | None:
        """The text given for `name`, directly or through `<name>_FILE`; None when not given."""
        if name not in self._texts:
            self._known |= {name, name + "_FILE"}
            self._texts[name] = self._find(name)
        return self._texts[name]

    def _find(self, name: str) -> str | None:
        value, file = self._given.get(name), self._given.get(name + "_FILE")
        if file is None:
            return value
        if value is not None:
            self.problems.append(f"{name} and {name}_FILE are both set; keep one")
        try:
            return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:  # UnicodeDecodeError is one, and a NUL in a name another
            self.problems.append(f"{name}_FILE: cannot read {file}: {_reason(error)}")
            self.failed.add(name.removeprefix(PREFIX))
            return None

    @property
    def provider_ids(self) -> tuple[str, ...]:
        """The ids of `PROVIDERS`; none when that was refused."""
        return () if "PROVIDERS" in self.failed else values.provider_ids(self.raw(PREFIX + "PROVIDERS") or "")

    def read(self, table: type[T], prefix: str, defaults: Mapping[str, str] | None = None, **given: Any) -> T:
        """Fill `table` from `<prefix><NAME>`; a value that does not parse is a problem, not an exception."""
        found = dict(given)
        for row in rows(table):
            name = prefix + row.metadata["name"]
            text = self.raw(name)
            fallback = (defaults or {}).get(row.name, row.metadata["default"])
            try:
                found[row.name] = row.metadata["parse"](fallback if text is None else text.strip())
            except ValueError as error:
                self.problems.append(f"{name}{'_FILE' if name + '_FILE' in self._given else ''}: {error}")
                self.failed.add(name.removeprefix(PREFIX))
                found[row.name] = row.metadata["parse"](row.metadata["default"])
        return table(**found)

    def provider(self, id: str) -> ProviderSettings:
        """The settings of one provider, its preset's values as defaults."""
        prefix = f"{PREFIX}PROVIDER_{id.upper().replace('-', '_')}_"
        defaults = dict(PRESETS.get((self.raw(prefix + "PRESET") or "").strip(), {}))
        by_issuer_alone = self.raw(prefix + "ISSUER") and not self.raw(prefix + "AUTHORIZATION_ENDPOINT")
        if by_issuer_alone and "scope" not in defaults:
            defaults["scope"] = DISCOVERED_SCOPE
        provider = self.read(ProviderSettings, prefix, defaults, id=id)
        without_issuer = (prefix + "ISSUER").removeprefix(PREFIX) in self.failed
        for name, sentence in check_provider(provider):
            meant = without_issuer and name != "CLIENT_ID"  # what is missing may be what the issuer would have told
            if not meant and (prefix + name).removeprefix(PREFIX) not in self.failed:
                self.problems.append(f"{prefix}{name} {sentence}")
        return provider

    def refuse_unknown(self) -> None:
        for name in sorted(set(self._given) - self._known):
            hint = " (is its provider listed in DOORKEY_PROVIDERS?)" if name.startswith(PREFIX + "PROVIDER_") else ""
            self.problems.append(f"{name} is not a setting{hint}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "no file has such a name"
