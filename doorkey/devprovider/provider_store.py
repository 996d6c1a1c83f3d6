"""Codes and tokens of the development provider: in memory, bounded, safe under threads.

Everything that came from one code is a family. A code that comes twice, or a refresh token
that was already replaced, ends the whole family (RFC 6749 section 10.5, RFC 9700 section 4.14).
"""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

CODE_SECONDS = 60
ACCESS_SECONDS = 3600
REFRESH_SECONDS = 24 * 3600
MOST_ENTRIES = 20_000
"""Of each kind; the oldest goes first."""

T = TypeVar("T")


@dataclass(frozen=True)
class Grant:
    """What a person (or, without `sub`, a client for itself) allowed."""

    client_id: str
    scope: tuple[str, ...]
    sub: str = ""
    redirect_uri: str = ""
    challenge: str = ""
    family: str = ""


class ScopeTooWide(Exception):
    """More was asked for than was allowed."""


@dataclass(frozen=True)
class Issued:
    """A new access token and, when there is one, the refresh token beside it."""

    access_token: str
    refresh_token: str
    scope: tuple[str, ...]


class _Expiring(Generic[T]):
    """A dict whose entries all live equally long, so the oldest is always the first to go."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._entries: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T, now: float) -> None:
        self._entries[key] = (now + self._seconds, value)
        while self._entries and (len(self._entries) > MOST_ENTRIES or next(iter(self._entries.values()))[0] <= now):
            self._entries.popitem(last=False)

    def get(self, key: str, now: float) -> T | None:
        ends, value = self._entries.get(key, (0.0, None))
        return value if ends > now else None

    def pop(self, key: str, now: float) -> T | None:
        value = self.get(key, now)
        self._entries.pop(key, None)
        return value

    def __len__(self) -> int:
        return len(self._entries)


class ProviderStore:
    """Every method takes the time, in seconds since the epoch, and is atomic."""

    def __init__(self, *, access_seconds: int = ACCESS_SECONDS, code_seconds: int = CODE_SECONDS):
        self.access_seconds = access_seconds
        self._lock = threading.Lock()
        self._codes: _Expiring[Grant] = _Expiring(code_seconds)
        self._access: _Expiring[Grant] = _Expiring(access_seconds)
        self._refresh: _Expiring[Grant] = _Expiring(REFRESH_SECONDS)
        self._spent: _Expiring[str] = _Expiring(REFRESH_SECONDS)
        self._ended: _Expiring[bool] = _Expiring(REFRESH_SECONDS)
        self._once: _Expiring[bool] = _Expiring(REFRESH_SECONDS)

    def new_code(self, grant: Grant, now: float) -> str:
        """A code for `grant`, which starts a family."""
        code = _token("code")
        with self._lock:
            self._codes.put(code, Grant(**{**vars(grant), "family": _token("family")}), now)
        return code

    def take_code(self, code: str, now: float) -> Grant | None:
        """The grant of `code`, for one caller only; a second one ends what the first was given."""
        with self._lock:
            return self._take(self._codes, code, now)

    def take_refresh_token(
        self, refresh_token: str, client_id: str, now: float, *, scope: tuple[str, ...] = ()
    ) -> Grant | None:
        """The grant of `refresh_token`, for one caller only; a second one ends the family.

        Another client gets None, and a `scope` beyond the grant raises `ScopeTooWide`; neither spends anything.
        """
        with self._lock:
            grant = self._refresh.get(refresh_token, now)
            if grant and grant.client_id != client_id:
                return None
            if grant and not set(scope) <= set(grant.scope):
                raise ScopeTooWide
            return self._take(self._refresh, refresh_token, now)

    def _take(self, kind: _Expiring[Grant], key: str, now: float) -> Grant | None:
        grant = kind.pop(key, now)
        if grant is None:
            family = self._spent.get(key, now)
            if family:
                self._ended.put(family, True, now)
            return None
        self._spent.put(key, grant.family, now)
        return None if self._ended.get(grant.family, now) else grant

    def issue(self, grant: Grant, now: float, *, scope: tuple[str, ...] | None = None, refresh: bool) -> Issued:
        """New tokens; `scope` narrows the access token, the refresh token keeps the grant's (RFC 6749 section 6)."""
        access_scope = grant.scope if scope is None else scope
        access_token, refresh_token = _token("at"), _token("rt") if refresh else ""
        with self._lock:
            self._access.put(access_token, Grant(**{**vars(grant), "scope": access_scope}), now)
            if refresh:
                self._refresh.put(refresh_token, grant, now)
        return Issued(access_token, refresh_token, access_scope)

    def grant_of(self, access_token: str, now: float) -> Grant | None:
        """What a live access token stands for; None when it is unknown, expired or its family ended."""
        with self._lock:
            grant = self._access.get(access_token, now)
            return None if grant is None or self._ended.get(grant.family, now) else grant

    def spend(self, name: str, now: float) -> bool:
        """True for the first caller with `name`."""
        with self._lock:
            first = self._once.get(name, now) is None
            self._once.put(name, True, now)
            return first


def _token(kind: str) -> str:
    """Unmistakably a token of the development provider, wherever it turns up."""
    return f"dk-dev-{kind}-{secrets.token_urlsafe(32)}"
