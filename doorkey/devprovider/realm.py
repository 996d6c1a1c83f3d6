"""Everything that one issuer of the development provider knows, and one request to it.

`Realm` owns the stores; `reset()` is a new start. `Visit` is what the endpoints work with: the realm, the
time, the issuer's address and the failures of this one request.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from doorkey.clock import Clock, system_clock
from doorkey.devprovider.device_codes import DeviceCodes
from doorkey.devprovider.drafts import Draft, Occasion
from doorkey.devprovider.provider_sessions import ProviderSessions
from doorkey.devprovider.provider_store import ProviderStore
from doorkey.devprovider.pushed_requests import PushedRequests
from doorkey.devprovider.request_log import RequestLog
from doorkey.devprovider.script import Play, Rule, Script
from doorkey.devprovider.signing_keys import KeyPool, SigningKeys
from doorkey.devprovider.users import USERS, Client, Lifetimes, User

D = TypeVar("D", bound=Draft)
MOST_DEFINITIONS = 1000
"""Users, and clients, that can be added while it runs."""


@dataclass(frozen=True)
class DevProvider:
    """What the provider starts with.

    `anywhere`: it answers other machines too; `issuer`: its address, when that is not the one that was asked;
    `clock_offset`: seconds that its clock is ahead;
    `control_token` opens `/dev/` to other machines; without one it is for this machine only.
    """

    clients: Sequence[Client]
    users: Sequence[User] = USERS
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    script: Sequence[Rule] = ()
    anywhere: bool = False
    issuer: str = ""
    control_token: str = ""
    clock_offset: float = 0.0


class MovableClock:
    """`clock`, moved; seconds since the epoch."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self.offset = 0.0

    def __call__(self) -> float:
        return self._clock() + self.offset

    def advance(self, seconds: float) -> None:
        """Forwards, or backwards below zero. Only the provider's own time moves."""
        self.offset += seconds


class Full(Exception):
    """As many users or clients as can be."""


class Realm:
    """One issuer. Its parts are safe under threads."""

    def __init__(self, config: DevProvider, *, clock: Clock = system_clock, pool: KeyPool | None = None):
        self.config = config
        self.clock = MovableClock(clock)
        self._pool = pool or KeyPool()
        self._lock = threading.Lock()
        self.log = RequestLog()
        self.script = Script()
        self.reset()

    def reset(self, config: DevProvider | None = None) -> None:
        """As it was at the start (of `config`): codes, tokens, keys, clock, failures, log, users and clients."""
        self.config = config or self.config
        self.users = {user.sub: user for user in self.config.users}
        self.clients = {client.client_id: client for client in self.config.clients}
        self.store = ProviderStore(self.config.lifetimes)
        self.devices = DeviceCodes(self.config.lifetimes.device_code)
        self.pushed = PushedRequests(self.config.lifetimes.pushed_request)
        self.sessions = ProviderSessions()
        self.keys = SigningKeys(self._pool)
        self.clock.offset = self.config.clock_offset
        self.script.clear()
        self.log.clear()
        for rule in self.config.script:
            self.script.add(Rule(**{**vars(rule), "memory": {}}))

    def put_user(self, user: User) -> bool:
        """Add or replace; True when it is new. Raises `Full`."""
        with self._lock:
            return _put(self, "users", user.sub, user)

    def put_client(self, client: Client) -> bool:
        with self._lock:
            return _put(self, "clients", client.client_id, client)

    def remove(self, kind: str, name: str) -> bool:
        """True when there was one."""
        with self._lock:
            found: dict[str, Any] = dict(getattr(self, kind))
            there = found.pop(name, None) is not None
            setattr(self, kind, found)
            return there


def _put(realm: Realm, kind: str, name: str, value: Any) -> bool:
    """Into a copy, so that whoever is reading goes on reading the old one."""
    known: dict[str, Any] = getattr(realm, kind)
    if name not in known and len(known) >= MOST_DEFINITIONS:
        raise Full(f"There are {MOST_DEFINITIONS} {kind} already.")
    setattr(realm, kind, {**known, name: value})
    return name not in known


@dataclass
class Visit:
    """One request. `base` is the address that endpoints begin with; the client is known once it proved itself."""

    realm: Realm
    base: str
    play: Play
    now: float
    client: Client | None = None
    client_auth: str = ""
    _issuer: str = ""

    @property
    def issuer(self) -> str:
        if not self._issuer:
            self._issuer = str(self.change("issuer", Draft({"issuer": self.base})).fields["issuer"])
        return self._issuer

    def change(self, seam: str, draft: D) -> D:
        """`draft` after the failures at `seam`. Raises `CannotFail`."""
        return self.play.change(seam, draft, self._occasion(seam))

    def _occasion(self, seam: str) -> Callable[[dict[str, Any]], Occasion]:
        issuer = self.base if seam == "issuer" else self.issuer
        return lambda memory: Occasion(self.realm.keys, issuer, self.client, self.now, memory)
