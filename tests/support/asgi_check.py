"""A check by way of the gate's ASGI callable, without a server."""

from typing import Any

from doorkey.gate.asgi import GateAsgi
from doorkey.gate.gate_request import CheckRequest


async def ask_by_asgi(gate: GateAsgi, check: CheckRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two messages of the answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("a check never waits for a body")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": check.method,
        "path": check.path.decode("latin-1"),
        "raw_path": check.path,
        "query_string": check.query,
        "headers": list(check.headers),
        "client": (check.peer, 5),
    }
    await gate(scope, receive, send)
    start, body = sent
    return start, body
