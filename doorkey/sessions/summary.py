"""What others than its owner may know of a session: for the list of my sessions, for operators, for logout tokens.

A record opens with the secret in its browser's cookie only. Its summary is sealed too, but under a server key alone;
there is no token in it, and nothing that logs in.
"""

import msgspec

from doorkey.oauth.jws import unchecked_alg
from doorkey.sessions.record import Record
from doorkey.sessions.seal import Keyring

PURPOSE = "session summary"


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """Times are seconds since the epoch. `alg` is how the ID token was signed, "" when there is none."""

    provider: str
    sub: str
    user: str
    label: str
    created: float
    last_seen: float
    absolute_ends: float
    alg: str = ""

    @classmethod
    def of(cls, record: Record) -> "Summary":
        identity = record.identity
        return cls(
            provider=identity.provider,
            sub=identity.sub,
            user=identity.user,
            label=record.label,
            created=record.created,
            last_seen=record.last_seen,
            absolute_ends=record.absolute_ends,
            alg=unchecked_alg(record.token.id_token) if record.token.id_token else "",
        )

    def seal(self, keyring: Keyring, record_id: bytes) -> bytes:
        """For the store; it opens only beside the record that it was made for."""
        return keyring.seal(msgspec.msgpack.encode(self), purpose=PURPOSE, bound_to=record_id)

    @classmethod
    def open(cls, sealed: bytes, keyring: Keyring, record_id: bytes) -> "Summary | None":
        """None for what these keys did not seal, and for what an older Doorkey did not write."""
        content = keyring.open(sealed, purpose=PURPOSE, bound_to=record_id)
        if content is None:
            return None
        try:
            return _DECODER.decode(content)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None


_DECODER = msgspec.msgpack.Decoder(Summary)
"""Made by whoever imports this: the first look of msgspec at a type crashes when several threads take it together."""
