"""The record of one session: who signed in, with which token, and when it ends.

Stored as msgpack inside a seal; decoding is typed, so whatever does not have this shape is
refused as a whole and can never become code or a half-read session.
"""

import msgspec

from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity

TOUCH_SECONDS = 60
"""Last-seen is written at most this often."""


class Record(msgspec.Struct, frozen=True):
    """All times are seconds since the epoch. `provider_sid` is the provider's name of its own session.

    `gate_seen` is when the gate last let the session through, 0 for never.
    `refresh_after` is when the token may be renewed again; `refresh_error` the code of what went wrong last time.
    """

    identity: Identity
    token: Token
    created: float
    authenticated: float
    last_seen: float
    idle_ends: float
    absolute_ends: float
    label: str = ""
    provider_sid: str = ""
    refresh_after: float = 0.0
    refresh_error: str = ""
    gate_seen: float = 0.0

    def is_live(self, now: float) -> bool:
        return now < self.ends

    @property
    def ends(self) -> float:
        """When the session is over unless it is used before."""
        return min(self.idle_ends, self.absolute_ends)

    def seen(self, now: float, idle_seconds: int, *, at_gate: bool = False) -> "Record":
        """The same record after a request at `now`; the absolute end never moves, and the idle end never comes nearer.

        A clock that was put back and is right again later has cost nobody the session.
        """
        idle_ends = max(self.idle_ends, now + idle_seconds)
        gate_seen = now if at_gate else self.gate_seen
        return msgspec.structs.replace(self, last_seen=now, idle_ends=idle_ends, gate_seen=gate_seen)

    def renewed(self, token: Token) -> "Record":
        """The same record with a newer token; neither end moves."""
        return msgspec.structs.replace(self, token=token, refresh_after=0.0, refresh_error="")

    def not_renewed(self, code: str, *, again_at: float) -> "Record":
        """After a failure that may pass: the token is kept, and nobody tries before `again_at`."""
        return msgspec.structs.replace(self, refresh_after=again_at, refresh_error=code)

    def refused(self, code: str) -> "Record":
        """After the provider's last word: the access token may live on until it ends, and is not renewed."""
        token = msgspec.structs.replace(self.token, refresh_token=None)
        return msgspec.structs.replace(self, token=token, refresh_after=0.0, refresh_error=code)

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Record | None":
        """None for anything that is not a record."""
        try:
            return _DECODER.decode(content)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None


_DECODER = msgspec.msgpack.Decoder(Record)
"""Made by whoever imports this: the first look of msgspec at a type crashes when several threads take it together."""
