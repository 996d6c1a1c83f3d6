"""The app behind a proxy: it answers with what reached it, header by header, and accepts websockets.

with EchoApp() as app:
    app.port, app.requests            # see raw_server.py
"""

import base64
import hashlib
import json

from tests.proxies.raw_server import RawServer, Received, response

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class EchoApp(RawServer):
    def __init__(self) -> None:
        super().__init__(echo)


def echo(received: Received) -> bytes:
    """200 with everything as JSON, or 101 to a websocket's handshake."""
    key = received.header("Sec-WebSocket-Key")
    if received.header("Upgrade").lower() == "websocket" and key:
        accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET_GUID).digest()).decode()
        return response(101, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept})
    body = json.dumps(told(received)).encode()
    return response(200, {"Content-Type": "application/json", "X-Echo": "app"}, body, received.method)


def told(received: Received) -> dict[str, object]:
    """A request in the words of JSON."""
    headers = [[name, value] for name, value in received.headers]
    return {
        "method": received.method,
        "target": received.target,
        "headers": headers,
        "body_length": len(received.body),
    }
