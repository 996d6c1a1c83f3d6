"""A request as every adapter hands it in."""

import msgspec

from doorkey.gate.original_request import RawHeaders


class CheckRequest(msgspec.Struct, frozen=True):
    """`path` and `query` as they came; header names in lower case; `peer` "" when unknown.

    `is_admitted`: whoever it came through has looked at the peer.
    """

    method: str
    path: bytes
    query: bytes
    headers: RawHeaders
    peer: str
    is_admitted: bool = False
