"""A request as every adapter hands it in."""

from dataclasses import dataclass

from doorkey.gate.original_request import RawHeaders


@dataclass(frozen=True)
class CheckRequest:
    """`path` and `query` as they came; header names in lower case; `peer` "" when unknown.

    `is_admitted`: whoever it came through has looked at the peer.
    """

    method: str
    path: bytes
    query: bytes
    headers: RawHeaders
    peer: str
    is_admitted: bool = False
