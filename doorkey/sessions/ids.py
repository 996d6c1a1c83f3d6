"""The three names of one session.

    session_secret  32 random bytes; the host cookie; opens everything
    gate_secret     HMAC of it; the domain cookie; opens the check endpoint only
    record_id       SHA-256 of the gate secret; what the store knows

Each follows from the one above and never the other way round, so a sibling site that sees the
domain cookie cannot open the account page, and a dump of the store logs nobody in.
"""

import hashlib
import hmac
from dataclasses import dataclass

from doorkey.base64url import decode, encode


@dataclass(frozen=True, repr=False)
class SessionIds:
    """Made from a session secret, or (then without one) from a gate secret; neither may ever be stored or logged."""

    session_secret: bytes
    gate_secret: bytes
    record_id: bytes

    @classmethod
    def of(cls, session_secret: bytes) -> "SessionIds":
        gate_secret = hmac.digest(session_secret, b"doorkey gate", "sha256")
        return cls(session_secret, gate_secret, record_id_of(gate_secret))

    @classmethod
    def of_gate(cls, gate_secret: bytes) -> "SessionIds":
        """What the gate knows: enough to open the record, and nothing for forms and pages."""
        return cls(b"", gate_secret, record_id_of(gate_secret))

    @property
    def csrf_token(self) -> str:
        """Proof that a form came from a page that this session was given."""
        if not self.session_secret:
            raise ValueError("a gate secret opens no form")
        return encode(hmac.digest(self.session_secret, b"doorkey form", "sha256"))

    @property
    def public_id(self) -> str:
        """A name of the session for people, lists and logs."""
        return public_id(self.record_id)


def record_id_of(gate_secret: bytes) -> bytes:
    return hashlib.sha256(gate_secret).digest()


def public_id(record_id: bytes) -> str:
    """The name for people of the session that the store keeps under `record_id`."""
    return hashlib.sha256(b"doorkey public" + record_id).hexdigest()[:16]


def decode_secret(cookie: str) -> bytes | None:
    """The 32 bytes of a cookie value; None when it is anything else."""
    secret = decode(cookie)
    return secret if secret is not None and len(secret) == 32 else None
