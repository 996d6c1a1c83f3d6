"""The state of one move from oauth2-proxy: what was given, what it became, and what has to be said.

Filled by oauth2_proxy_provider.py, oauth2_proxy_front.py and oauth2_proxy_policy.py, in this order; written and
told by import_oauth2_proxy.py. What an option means when nobody dealt with it stands in oauth2_proxy_options.py.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from doorkey.cli.oauth2_proxy_options import BY_HAND, LIST, LOCKED, NEEDLESS, OFF, ON, OPTIONS, REFUSED
from doorkey.settings import PREFIX, ProviderSettings, Settings, rows

TRUE = ("1", "t", "true", "yes", "on")
_REFERENCE = re.compile(r"\$(\(\w+\)|\{\w+\}|[A-Z][A-Z0-9_]*)")
_ABOUT_PEOPLE = re.compile(r"allow|deny|restrict|require|group|role|team|org|user|email|domain|tenant|member|config")
PARSERS: dict[type, dict[str, Any]] = {
    table: {row.metadata["name"]: row.metadata["parse"] for row in rows(table)}
    for table in (Settings, ProviderSettings)
}


def split(url: str) -> SplitResult:
    """The parts of a URL; none of what is no URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


@dataclass
class Move:
    """`settings` are lines of config.env; `carried`, `left` and `loud` say something of options, `tasks` of work.

    `locks` are reasons why nobody may get in: who could before is not known, or cannot be said.
    """

    given: dict[str, tuple[str, ...]]
    provider_id: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    carried: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    loud: dict[str, str] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    policy: str = ""

    def __post_init__(self) -> None:
        """A value that something else puts in later is not known here."""
        for name in list(self.given):
            if any(_REFERENCE.fullmatch(value) for value in self.given[name]):
                del self.given[name]
                self.loud[name] = "its value is put in by something else and is not known here"
                if name not in OPTIONS or _ABOUT_PEOPLE.search(name):
                    self.locks.append(f"{name}: {self.loud[name]}")

    def text(self, name: str) -> str:
        return self.given.get(name, ("",))[-1].strip()

    def items(self, name: str) -> tuple[str, ...]:
        return self.given.get(name, ())

    def is_on(self, name: str) -> bool:
        return self.text(name).lower() in TRUE if name in self.given else OPTIONS[name].kind == ON

    def put(self, option: str, name: str, value: str, *, of_provider: bool = False) -> bool:
        """Set `name` (without prefix) if Doorkey takes `value` for it; says so of `option`, the one or the other."""
        full = f"PROVIDER_{self.provider_id.upper().replace('-', '_')}_{name}" if of_provider else name
        try:
            PARSERS[ProviderSettings if of_provider else Settings][name](value)
        except (ValueError, OSError) as error:
            self.leave(option, f"{PREFIX}{full} {error}", loudly=True)
            return False
        self.settings[PREFIX + full] = value
        if option in self.given:
            self.carried[option] = f"{PREFIX}{full}"
        return True

    def put_provider(self, option: str, name: str, value: str | None = None) -> bool:
        """The same for a setting of the provider; without `value` as it was given, and only if it was."""
        value = self.text(option) if value is None else value
        return bool(value) and self.put(option, name, value, of_provider=True)

    def done(self, option: str, became: str) -> None:
        if option in self.given:
            self.carried[option] = became

    def leave(self, option: str, why: str, *, loudly: bool = False) -> None:
        if option in self.given:
            (self.loud if loudly else self.left)[option] = why

    def lock(self, option: str, why: str) -> None:
        self.loud[option] = why
        self.locks.append(f"{option}: {why}")

    def say_the_rest(self) -> None:
        """What nothing else dealt with, by the table; what the table does not know too."""
        for name in self.given:
            if name in self.carried or name in self.left or name in self.loud:
                continue
            if name not in OPTIONS:
                self._say_unknown(name)
            elif self._is_idle(name):
                self.carried[name] = "nothing to do: it was off, empty, or as it is anyway"
            else:
                self._say_known(name)

    def _say_known(self, name: str) -> None:
        option = OPTIONS[name]
        if option.fate == LOCKED:
            self.lock(name, option.says)
        elif option.fate == REFUSED:
            self.loud[name] = option.says
        elif option.fate == NEEDLESS:
            self.carried[name] = option.says
        else:
            self.left[name] = option.says if option.fate == BY_HAND else "it has no use without others"

    def _say_unknown(self, name: str) -> None:
        why = "not an option of oauth2-proxy 7 that is known here"
        if _ABOUT_PEOPLE.search(name):
            self.lock(name, why + ", and it may keep people out")
        else:
            self.loud[name] = why

    def _is_idle(self, name: str) -> bool:
        """An explicit yes to what Doorkey leaves to the proxy is worth a word."""
        kind = OPTIONS[name].kind
        if kind in (ON, OFF):
            return self.is_on(name) == (kind == ON) and (kind, OPTIONS[name].fate) != (ON, BY_HAND)
        return not any(self.items(name)) if kind == LIST else not self.text(name)
