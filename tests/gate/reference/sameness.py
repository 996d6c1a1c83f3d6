"""Two answers compared, byte for byte, once what differs each time is brought into the form of slow_answers.py.

A ticket is opened, an assertion is verified and read, and the request id has to be a new one each time.
"""

import base64
import json
import re
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from doorkey.gate.tickets import Ticket, Tickets
from doorkey.oauth.identity_assertion import Asserter
from tests.gate.reference.slow_answers import REQUEST_ID, Told, sealed

TICKET = re.compile(r"rt=([A-Za-z0-9_-]+)")


class Sameness:
    """Opens what `tickets` sealed, and verifies what `asserter` signed."""

    def __init__(self, tickets: Tickets[Ticket], asserter: Asserter):
        self._tickets = tickets
        self._key_id = asserter.keys[0].kid
        public = asserter.keys[0].key.as_dict(private=False)["x"]
        self._key = Ed25519PublicKey.from_public_bytes(_decoded(str(public)))
        self._last_id = ""

    def check(self, way: str, wanted: Told, got: Told) -> None:
        """Raises `AssertionError`."""
        found = self._readable(got)
        assert found == wanted, f"{way} says {found}\nand not {wanted}"

    def _readable(self, got: Told) -> Told:
        status, headers, body = got
        lengths = [value for name, value in headers if name == "content-length"]
        assert lengths == [str(len(body))], f"{lengths} for {len(body)} bytes"
        id = self._request_id(headers)
        text = self._without_ticket(body.decode("latin-1"), id).replace(id, REQUEST_ID)
        readable = []
        for name, value in headers:
            if name == "content-length":
                value = str(len(text))
            elif name == "x-doorkey-assertion" and value:
                value = self._claims(value)
            else:
                value = self._without_ticket(value, id).replace(id, REQUEST_ID)
            readable.append((name, value))
        return status, readable, text.encode("latin-1")

    def _request_id(self, headers: list[tuple[str, str]]) -> str:
        [id] = [value for name, value in headers if name == "x-doorkey-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", id), id
        assert id != self._last_id, "two requests have one id"
        self._last_id = id
        return id

    def _without_ticket(self, text: str, id: str) -> str:
        def opened(match: re.Match[str]) -> str:
            ticket = self._tickets.open(match[1])
            assert ticket, "the ticket does not open"
            content: dict[str, Any] = msgspec.structs.asdict(ticket)
            assert content["request_id"] == id
            return "rt=" + sealed({**content, "request_id": REQUEST_ID})

        return TICKET.sub(opened, text) if "/login?rt=" in text or "/denied?rt=" in text else text

    def _claims(self, jwt: str) -> str:
        signed, _, signature = jwt.rpartition(".")
        self._key.verify(_decoded(signature), signed.encode())
        head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        assert head == {"alg": "EdDSA", "kid": self._key_id, "typ": "doorkey-identity+jwt"}
        return sealed(claims)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
