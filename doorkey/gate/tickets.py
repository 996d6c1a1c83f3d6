"""Where somebody wanted to go, sealed by the gate, and the way back there once they have signed in.

    Ticket          in `/login?rt=`: what was asked for and why it was not let through; ten minutes
    AcceptTicket    in `/.doorkey/accept?t=` of a host that the gate cookie does not reach; half a minute, once
    ProbeKey        in the requests of `doorkey check --through`; five minutes

Nothing in a URL is of the visitor's choosing, so `/login` cannot be made a way to other sites.
Made by checkpoint.py and web/gate_return.py.
"""

import zlib
from typing import Generic, TypeVar

import msgspec

from doorkey.base64url import decode, encode
from doorkey.clock import Clock
from doorkey.sessions.seal import Keyring

TICKET_SECONDS = 600
ACCEPT_SECONDS = 30
PROBE_SECONDS = 300
LONGEST_URL = 2048
EARLY_SECONDS = 60
"""How far ahead the clock may be of whoever sealed a ticket."""

T = TypeVar("T", bound="Ticket | AcceptTicket | ProbeKey")


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """`authority` is the host of `url`, with its port. `cookies`: what came along, for whoever has to explain a circle.

    `provider` is one that the rule insists on, or "". `issued` are seconds since the epoch.
    """

    url: str
    authority: str
    method: str
    reason: str
    issued: float
    cookies: str = ""
    rule: str = ""
    policy: str = ""
    dialect: str = ""
    provider: str = ""
    request_id: str = ""

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Ticket | None":
        """None for none, and for one of another version of Doorkey."""
        try:
            return _TICKET.decode(content) if content else None
        except msgspec.MsgspecError:
            return None

    @property
    def is_form(self) -> bool:
        """Something was sent that is lost now."""
        return self.method not in ("GET", "HEAD")

    @property
    def ends(self) -> float:
        return self.issued + TICKET_SECONDS


_TICKET = msgspec.msgpack.Decoder(Ticket)


class AcceptTicket(msgspec.Struct, frozen=True, array_like=True):
    """`secret` is the gate secret of the session; `id` is spent by whoever comes first."""

    url: str
    authority: str
    secret: bytes
    id: bytes
    issued: float

    @property
    def ends(self) -> float:
        return self.issued + ACCEPT_SECONDS


class ProbeKey(msgspec.Struct, frozen=True, array_like=True):
    """What opens the echo page to `doorkey check --through`; `nonce` comes back with each answer."""

    nonce: str
    issued: float

    @property
    def ends(self) -> float:
        return self.issued + PROBE_SECONDS


class Tickets(Generic[T]):
    """Seals values of one `kind`, for the `purpose` and nothing else."""

    def __init__(self, keyring: Keyring, kind: type[T], clock: Clock):
        self._keyring = keyring
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._clock = clock
        self._purpose = f"gate {kind.__name__}"

    def seal(self, ticket: T) -> str:
        content = zlib.compress(msgspec.msgpack.encode(ticket), 9, wbits=-15)
        return encode(self._keyring.seal(content, purpose=self._purpose, bound_to=b""))

    def open(self, text: str, *, over_too: bool = False) -> T | None:
        """None when it is over (unless `over_too`), was altered, or is none."""
        sealed = decode(text) if len(text) <= 4 * LONGEST_URL else None
        content = self._keyring.open(sealed, purpose=self._purpose, bound_to=b"") if sealed else None
        if content is None:
            return None
        try:
            ticket: T = self._decoder.decode(zlib.decompress(content, wbits=-15))
        except (zlib.error, msgspec.DecodeError):  # sealed by another version of Doorkey
            return None
        return ticket if over_too or self.is_live(ticket) else None

    def is_live(self, ticket: T) -> bool:
        return ticket.issued - EARLY_SECONDS <= self._clock() < ticket.ends


def shorter(url: str, origin: str) -> str:
    """`url`, or what a ticket can hold of it: without its query, else the start of its site."""
    if len(url) <= LONGEST_URL:
        return url
    path = url.partition("?")[0]
    return path if len(path) <= LONGEST_URL else origin + "/"
