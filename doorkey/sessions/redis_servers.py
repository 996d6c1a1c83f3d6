"""From an address to the servers behind it: one server, a master that Sentinels name, or the masters of a Cluster.

`connect(address)` gives `Servers`; redis_store.py asks them by key and knows nothing of the arrangement. Nothing here
tries anything twice: redis_store.py does that once, after `look_again()`.

    OneServer
    SentinelServers   KnownToOthers: the master, by any Sentinel      Clients: one client for each server
    ClusterServers    KnownToOthers: the slots, by any node
"""

import bisect
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, Protocol, TypeVar

from redis import Connection, ConnectionPool, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from doorkey.errors import SettingsError
from doorkey.sessions.forks import in_a_fork
from doorkey.setting_stores import StoreAddress

TIMEOUT_SECONDS = 0.3
LOOK_TIMEOUT_SECONDS = 0.15
"""For asking where the data is: twice this and two tries at the data are less than a second."""

LOOK_SECONDS = 1.0
"""How old the answer may be: for so long a master that was replaced may still be asked."""

MOST_CONNECTIONS = 10_000
"""To one server; there are never more than threads, and a thread that finds none would fail."""

Place = tuple[str, int]
Known = TypeVar("Known")
Server = Any
"""A client of redis-py; its types answer for the asynchronous ones too, and help nobody."""


class Servers(Protocol):
    """`at()` and `everywhere()` may raise any `RedisError`."""

    def at(self, key: bytes) -> Server:
        """The server that has `key`."""

    def taking_over(self, place: Place) -> Server:
        """The server there, for one call about a key that it is just being given (ASK); close it."""

    def has_replica(self, key: bytes) -> bool:
        """Whether that server may have a replica."""

    def everywhere(self) -> list[Server]:
        """Every server that can be written."""

    def connections(self) -> list[Any]:
        """To each of these a connection of its own that speaks RESP3, not opened yet."""

    def look_again(self) -> None:
        """Something failed: find out who is there before the next call."""

    def on_change(self, call: Callable[[], None]) -> None:
        """Call this, from any thread, whenever others serve than before."""


def connect(address: StoreAddress) -> Servers:
    """Nothing is sent yet. Raises `SettingsError` for TLS files that are none."""
    try:
        clients = Clients(address)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError([f"DOORKEY_SESSION_STORE: the TLS files of {address} cannot be used: {error}"]) from error
    if address.kind == "sentinel":
        return SentinelServers(address, clients)
    return ClusterServers(address, clients) if address.kind == "cluster" else OneServer(address, clients)


class Clients:
    """One client for each server, made when it is first asked for: short waits, no tries of its own.

    Nothing is said at the start that we do not need, so that a connection is soon there and old servers understand.
    """

    def __init__(self, address: StoreAddress):
        self._options: dict[str, Any] = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,
            "max_connections": MOST_CONNECTIONS,
            "username": address.username or None,
            "password": address.password or None,
            "db": address.database,
        }
        if address.tls:
            self._options |= {"connection_class": _TlsConnection, "context": _tls_context(address)}
        self._made: dict[Place, Server] = {}
        self._unlock()
        in_a_fork(self._unlock)

    def _unlock(self) -> None:
        """A thread that is not in the fork may have had it."""
        self._guard = threading.Lock()

    def at(self, place: Place) -> Server:
        with self._guard:
            if place not in self._made:
                self._made[place] = self.new(place)
            return self._made[place]

    def new(self, place: Place, **changes: Any) -> Server:
        """One that nobody else uses."""
        return Redis.from_pool(ConnectionPool(host=place[0], port=place[1], **self._options | changes))

    def new_for_looks(self, place: Place, **changes: Any) -> Server:
        waits = {"socket_timeout": LOOK_TIMEOUT_SECONDS, "socket_connect_timeout": LOOK_TIMEOUT_SECONDS}
        return self.new(place, **waits, **changes)

    def connection(self, place: Place) -> Any:
        options = {**self._options, "host": place[0], "port": place[1], "protocol": 3, "db": 0}
        del options["max_connections"]
        return options.pop("connection_class", Connection)(**options)


class _TlsConnection(SSLConnection):
    """With one context for all connections: redis-py reads all certificates of the system again for each of them."""

    def __init__(self, *, context: ssl.SSLContext, **options: Any):
        self._context = context
        super().__init__(**options)

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        return self._context.wrap_socket(sock, server_hostname=self.host)


def _tls_context(address: StoreAddress) -> ssl.SSLContext:
    """Authorities that are given stand in place of those of the system."""
    context = ssl.create_default_context(cafile=address.option("ssl_ca_certs") or None)
    if address.option("ssl_certfile"):
        context.load_cert_chain(address.option("ssl_certfile"), address.option("ssl_keyfile") or None)
    return context


class KnownToOthers(Generic[Known]):
    """What others know and may change: one thread asks them, for all threads.

    Of the `places` those that failed come last, so that one that hangs is waited for once. A call waits for the thread
    that asks only when what was known is doubted or really old; then the old master may be back, and wrong.
    """

    def __init__(self, places: Callable[[], Iterable[Place]], ask: Callable[[Place], Known]):
        self._places = places
        self._ask = ask
        self._found: Known | None = None
        self._error: Exception = RedisConnectionError("nobody was asked")
        self._failed_at: dict[Place, float] = {}
        self._asked_at = -inf
        self._doubted = False
        self._on_change: list[Callable[[], None]] = []
        self._unlock()
        in_a_fork(self._unlock)

    def _unlock(self) -> None:
        """As in `Clients`."""
        self._asking = threading.Lock()

    def get(self) -> Known:
        age = time.monotonic() - self._asked_at
        if self._found is None or self._doubted or age > LOOK_SECONDS:
            self._look(wait=self._found is None or self._doubted or age > 2 * LOOK_SECONDS)
        if self._found is None:
            raise RedisConnectionError(f"{type(self._error).__name__}: {self._error}")
        return self._found

    def doubt(self) -> None:
        self._doubted = True

    def on_change(self, call: Callable[[], None]) -> None:
        self._on_change.append(call)

    def _look(self, *, wait: bool) -> None:
        came = time.monotonic()
        if not self._asking.acquire(blocking=wait):
            return
        try:
            if self._asked_at < came:
                self._doubted = False
                self._ask_one_after_the_other()
                self._asked_at = time.monotonic()
        finally:
            self._asking.release()

    def _ask_one_after_the_other(self) -> None:
        """Until one answers, or the time is over; then what was known goes on being used."""
        began = time.monotonic()
        for place in sorted(self._places(), key=lambda place: self._failed_at.get(place, -inf)):
            try:
                before, self._found = self._found, self._ask(place)
                for call in self._on_change if before not in (None, self._found) else ():
                    call()
                return
            except RedisError as error:
                self._error = error
                self._failed_at[place] = time.monotonic()
                if self._failed_at[place] - began >= LOOK_TIMEOUT_SECONDS:
                    return


class OneServer:
    def __init__(self, address: StoreAddress, clients: Clients):
        self._place = address.hosts[0]
        self._clients = clients

    def at(self, key: bytes) -> Server:
        return self._clients.at(self._place)

    def taking_over(self, place: Place) -> Server:
        raise RedisConnectionError("this is a node of a Cluster")

    def has_replica(self, key: bytes) -> bool:
        """One address stands for one server; whoever hides several behind it says what they promise."""
        return False

    def everywhere(self) -> list[Server]:
        return [self.at(b"")]

    def connections(self) -> list[Any]:
        return [self._clients.connection(self._place)]

    def look_again(self) -> None:
        """There is nobody else."""

    def on_change(self, call: Callable[[], None]) -> None:
        """Never."""


class SentinelServers:
    """The master is asked for once a second, so that a paused one that comes back is not believed for long."""

    def __init__(self, address: StoreAddress, clients: Clients):
        self._service = address.service
        self._clients = clients
        own = {"db": 0, **{name: address.option(f"sentinel_{name}") or None for name in ("username", "password")}}
        self._sentinels = {place: clients.new_for_looks(place, **own) for place in address.hosts}
        self._master = KnownToOthers(lambda: self._sentinels, self._named_by)

    def at(self, key: bytes) -> Server:
        return self._clients.at(self._master.get())

    def taking_over(self, place: Place) -> Server:
        raise RedisConnectionError("this is a node of a Cluster")

    def has_replica(self, key: bytes) -> bool:
        return True

    def everywhere(self) -> list[Server]:
        return [self.at(b"")]

    def connections(self) -> list[Any]:
        return [self._clients.connection(self._master.get())]

    def look_again(self) -> None:
        self._master.doubt()

    def on_change(self, call: Callable[[], None]) -> None:
        self._master.on_change(call)

    def _named_by(self, place: Place) -> Place:
        found = self._sentinels[place].execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        if not found:
            raise RedisConnectionError(f"the Sentinel at {place[0]}:{place[1]} knows no service {self._service!r}")
        return _text(found[0]), int(found[1])


@dataclass(frozen=True)
class SlotRange:
    """Slots up to `last`, from where the range before ends."""

    first: int
    last: int
    master: Place
    has_replica: bool


class ClusterServers:
    """The map of slots is read once a second, from any node, and again after a failure."""

    def __init__(self, address: StoreAddress, clients: Clients):
        self._named = address.hosts
        self._clients = clients
        self._for_looks: dict[Place, Server] = {}
        self._masters: list[Place] = []
        self._slots = KnownToOthers(lambda: dict.fromkeys((*self._masters, *self._named)), self._drawn_by)

    def at(self, key: bytes) -> Server:
        return self._clients.at(self._range(key).master)

    def taking_over(self, place: Place) -> Server:
        """With the one connection that has said ASKING, which counts for the next command."""
        server = self._clients.new(place, max_connections=1)
        server.execute_command("ASKING")
        return server

    def has_replica(self, key: bytes) -> bool:
        return self._range(key).has_replica

    def everywhere(self) -> list[Server]:
        return [self._clients.at(master) for master in dict.fromkeys(one.master for one in self._slots.get())]

    def connections(self) -> list[Any]:
        return [self._clients.connection(master) for master in dict.fromkeys(one.master for one in self._slots.get())]

    def look_again(self) -> None:
        self._slots.doubt()

    def on_change(self, call: Callable[[], None]) -> None:
        self._slots.on_change(call)

    def _range(self, key: bytes) -> SlotRange:
        ranges, slot = self._slots.get(), key_slot(key)
        at = bisect.bisect_left(ranges, slot, key=lambda one: one.last)
        if at == len(ranges) or slot < ranges[at].first:
            raise RedisConnectionError(f"no node of the Cluster has slot {slot}")
        return ranges[at]

    def _drawn_by(self, place: Place) -> list[SlotRange]:
        if place not in self._for_looks:
            self._for_looks[place] = self._clients.new_for_looks(place)
        rows = self._for_looks[place].execute_command("CLUSTER", "SLOTS")
        found = sorted((_slot_range(row, place) for row in rows), key=lambda one: one.last)
        if not found:
            raise RedisConnectionError(f"the Cluster of {place[0]}:{place[1]} has no slots")
        self._masters = [one.master for one in found]
        return found


def _slot_range(row: list[Any], told_by: Place) -> SlotRange:
    """A node that does not know its own name leaves it out."""
    first, last, master, *replicas = row
    return SlotRange(int(first), int(last), (_text(master[0] or b"") or told_by[0], int(master[1])), bool(replicas))


def _text(given: bytes | str) -> str:
    return given.decode() if isinstance(given, bytes) else given
