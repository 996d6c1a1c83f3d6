"""Codes and tokens of the development provider: in memory, bounded, safe under threads.

Everything that came from one code is a family. A code that comes twice, or a refresh token
that was already replaced, ends the whole family (RFC 6749 section 10.5, RFC 9700 section 4.14).
"""

import itertools
import secrets
import threading
from dataclasses import dataclass, replace

from doorkey.devprovider.expiring import Expiring
from doorkey.devprovider.users import Lifetimes

REMEMBERED_SECONDS = 50 * 365 * 24 * 3600
"""What is over stays over: longer than any token can live, and than the clock can be moved. Bounded by number."""


@dataclass(frozen=True)
class Grant:
    """What a person (or, without `sub`, a client for itself) allowed, and how the request for it went."""

    client_id: str
    scope: tuple[str, ...]
    sub: str = ""
    redirect_uri: str = ""
    challenge: str = ""
    family: str = ""
    nonce: str = ""
    acr: str = ""
    sid: str = ""
    auth_time: int = 0
    resource: tuple[str, ...] = ()
    openid: bool = False


class ScopeTooWide(Exception):
    """More was asked for than was allowed."""


@dataclass(frozen=True)
class Issued:
    """A new access token and, when there is one, the refresh token beside it."""

    access_token: str
    refresh_token: str
    scope: tuple[str, ...]
    expires_in: int


@dataclass(frozen=True)
class LiveToken:
    """A token that still works; times are seconds since the epoch."""

    grant: Grant
    kind: str
    issued_at: int
    expires_at: int


class ProviderStore:
    """Every method takes the time, in seconds since the epoch, and is atomic."""

    def __init__(self, lifetimes: Lifetimes | None = None):
        self.lifetimes = lifetimes or Lifetimes()
        self._lock = threading.Lock()
        self._codes: Expiring[Grant] = Expiring(self.lifetimes.code)
        self._access: Expiring[LiveToken] = Expiring(self.lifetimes.access_token)
        self._refresh: Expiring[LiveToken] = Expiring(self.lifetimes.refresh_token)
        self._spent: Expiring[str] = Expiring(REMEMBERED_SECONDS)
        self._ended: Expiring[bool] = Expiring(REMEMBERED_SECONDS)
        self._once: Expiring[bool] = Expiring(REMEMBERED_SECONDS)

    def new_code(self, grant: Grant, now: float) -> str:
        """A code for `grant`, which starts a family."""
        code = new_token("code")
        with self._lock:
            self._codes.put(code, replace(grant, family=new_token("family")), now)
        return code

    def take_code(self, code: str, now: float) -> Grant | None:
        """The grant of `code`, for one caller only; a second one ends what the first was given."""
        with self._lock:
            return self._live(self._codes.pop(code, now), code, now)

    def take_refresh_token(
        self, refresh_token: str, client_id: str, now: float, *, scope: tuple[str, ...] = ()
    ) -> Grant | None:
        """The grant of `refresh_token`, for one caller only; a second one ends the family.

        Another client gets None, and a `scope` beyond the grant raises `ScopeTooWide`; neither spends anything.
        """
        with self._lock:
            token = self._refresh.get(refresh_token, now)
            if token and token.grant.client_id != client_id:
                return None
            if token and not set(scope) <= set(token.grant.scope):
                raise ScopeTooWide
            self._refresh.pop(refresh_token, now)
            return self._live(token.grant if token else None, refresh_token, now)

    def _live(self, grant: Grant | None, key: str, now: float) -> Grant | None:
        """`grant`, which was taken with `key` just now, unless that was not the first time."""
        if grant is None:
            family = self._spent.get(key, now)
            if family:
                self._ended.put(family, True, now)
            return None
        self._spent.put(key, grant.family, now)
        return None if self._ended.get(grant.family, now) else grant

    def issue(
        self,
        grant: Grant,
        now: float,
        *,
        refresh: bool,
        scope: tuple[str, ...] | None = None,
        resource: tuple[str, ...] = (),
        access_token: str = "",
        expires_in: int | None = None,
    ) -> Issued:
        """New tokens; `scope` and `resource` narrow the access token, the refresh token keeps the grant's
        (RFC 6749 section 6, RFC 8707 section 2.2).

        `access_token` is a ready-made one (a JWT); `expires_in` are its seconds when not the usual ones.
        """
        access_scope = grant.scope if scope is None else scope
        seconds = self.lifetimes.access_token if expires_in is None else expires_in
        access_token = access_token or new_token("at")
        refresh_token = new_token("rt") if refresh else ""
        allowed = replace(grant, scope=access_scope, resource=resource or grant.resource)
        access = LiveToken(allowed, "access_token", int(now), int(now) + seconds)
        with self._lock:
            self._access.put(access_token, access, now, seconds=seconds)
            if refresh:
                ends = int(now) + self.lifetimes.refresh_token
                self._refresh.put(refresh_token, LiveToken(grant, "refresh_token", int(now), ends), now)
        return Issued(access_token, refresh_token, access_scope, seconds)

    def find(self, token: str, now: float) -> LiveToken | None:
        """A live access or refresh token; None when it is unknown, expired, revoked or its family ended."""
        with self._lock:
            found = self._access.get(token, now) or self._refresh.get(token, now)
            return None if found is None or self._ended.get(found.grant.family, now) else found

    def grant_of(self, access_token: str, now: float) -> Grant | None:
        """What a live access token stands for."""
        found = self.find(access_token, now)
        return found.grant if found and found.kind == "access_token" else None

    def revoke(self, token: str, now: float) -> None:
        """An access token alone; a refresh token with everything of its family (RFC 7009 section 2.1)."""
        with self._lock:
            self._access.pop(token, now)
            refresh = self._refresh.pop(token, now)
            if refresh:
                self._ended.put(refresh.grant.family, True, now)

    def revoke_all(self, sub: str, now: float) -> int:
        """End every token of a user; how many were alive."""
        of_user = [(key, token) for key, token in self.live(now) if token.grant.sub == sub]
        with self._lock:
            for key, token in of_user:
                self._access.pop(key, now)
                self._refresh.pop(key, now)
                if token.grant.family:
                    self._ended.put(token.grant.family, True, now)
        return len(of_user)

    def live(self, now: float, *, most: int | None = None) -> list[tuple[str, LiveToken]]:
        """The living tokens, access tokens first and then the newest first, at most `most` of each kind."""
        with self._lock:
            return [
                (key, token)
                for kind in (self._access, self._refresh)
                for key, token in itertools.islice(kind.newest(now), most)
                if not self._ended.get(token.grant.family, now)
            ]

    def spend(self, name: str, now: float) -> bool:
        """True for the first caller with `name`."""
        with self._lock:
            first = self._once.get(name, now) is None
            self._once.put(name, True, now)
            return first


def new_token(kind: str) -> str:
    """Unmistakably a token of the development provider, wherever it turns up."""
    return f"dk-dev-{kind}-{secrets.token_urlsafe(32)}"
