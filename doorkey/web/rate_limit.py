"""How often one address may do something: a bucket per address that fills up again.

Kept in memory, per process and bounded; it slows down a flood, and stops nobody for long.
"""

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Sequence

from doorkey.addresses import is_in, parse_address
from doorkey.clock import Clock
from doorkey.errors import TooManyRequests
from doorkey.setting_values import Network

MOST_ADDRESSES = 10_000


class RateLimit:
    """`per_minute` in the long run and twice as many in a burst; 0 lets everything pass."""

    def __init__(self, per_minute: int, clock: Clock):
        self._per_minute = per_minute
        self._most = 2.0 * per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def spend(self, what: str, address: str) -> None:
        """Take one. Raises `TooManyRequests` when none is left."""
        if not self._per_minute:
            return
        key, now = (what, _network_of(address)), self._clock()
        with self._lock:
            left, since = self._left.pop(key, (self._most, now))
            left = min(self._most, left + max(0.0, now - since) * self._per_minute / 60)
            allowed = left >= 1
            self._left[key] = (left - 1 if allowed else left, now)
            if len(self._left) > MOST_ADDRESSES:
                self._left.popitem(last=False)
        if not allowed:
            raise TooManyRequests(f"{what} from {address}")


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Who asks: the peer, or, when the peer is a trusted proxy, the last address that no trusted proxy has."""
    hops = [hop.strip() for hop in forwarded_for.split(",")] if forwarded_for else []
    address = peer
    while hops and is_in(address, trusted):
        address = hops.pop()
    return address


def _network_of(address: str) -> str:
    """An IPv6 customer has 2**64 addresses, so those count as one."""
    parsed = parse_address(address)
    if parsed is None:
        return address[:64]
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
