"""A client that asks at fixed times, and counts from the time a request was due, not from when it could be sent.

    python -m benchmarks.steady_load PORT REQUESTS_FILE --rate 1000 --seconds 10

A client that waits for an answer before it asks again does not notice a server that hesitates: it asks less often.
Here a request that is due goes out on whatever connection is free, or on a new one. Prints percentiles in
milliseconds as JSON. Waits with select(), whose clock is finer than a millisecond.
"""

import argparse
import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measuring import percentile

CONNECTIONS = 16
MOST_CONNECTIONS = 900
"""select() knows no more than 1,024."""

PERCENTS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)
FIRST_SHARE = 0.1
"""Of the requests, the first tenth: they open connections and are not counted."""

URGENT = -10
LINGER = 5.0
HUNG_UP = 0


@dataclass(frozen=True)
class Latencies:
    """`milliseconds` by percent, as text because JSON has no other keys; `bad`: answers that were not 2xx, or none."""

    count: int
    bad: int
    connections: int
    milliseconds: dict[str, float]


class Connection:
    """One request at a time; `due` is when the one under way should have been sent."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.used = False
        self.due = 0.0
        self.request = b""
        self._read = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        self.request, self.due, self._read = request, due, b""
        with contextlib.suppress(ConnectionError):  # reading says so too
            self.socket.sendall(request)

    def status(self) -> int | None:
        """Read what is there: the status once the answer is complete, `HUNG_UP` when there is nothing to come."""
        try:
            part = self.socket.recv(65536)
        except ConnectionError:
            part = b""
        if not part:
            self.socket.close()
            return HUNG_UP
        self._read += part
        return complete(self._read)


def complete(answer: bytes) -> int | None:
    """The status of an answer with a Content-Length (or 204) that is all there; None while it is not."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return None
    status = int(head[9:12])
    length = 0
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    return status if len(body) >= length else None


def ask_steadily(port: int, requests: Sequence[bytes], per_second: float, seconds: float) -> Latencies:
    """Requests are due at equal distances; the first tenth of them is not counted."""
    total = int(per_second * seconds)
    idle, busy = [Connection(port) for _ in range(CONNECTIONS)], list[Connection]()
    opened, bad, found = len(idle), 0, list[float]()
    began, sent = time.perf_counter() + 0.01, 0
    while sent < total or busy:
        now = time.perf_counter()
        while sent < total and began + sent / per_second <= now and (idle or len(busy) < MOST_CONNECTIONS):
            if not idle:
                idle.append(Connection(port))
                opened += 1
            connection = idle.pop()
            connection.send(requests[sent % len(requests)], began + sent / per_second)
            busy.append(connection)
            sent += 1
        if sent == total and now > began + seconds + LINGER:
            bad += len(busy)
            break
        next_due = began + sent / per_second if sent < total else now + 0.05
        readable, _, _ = select.select(busy, [], [], max(0.0, next_due - time.perf_counter()))
        for connection in readable:
            status = connection.status()
            if status is None:
                continue
            busy.remove(connection)
            if status == HUNG_UP and connection.used:  # a kept connection: whoever asks tries again on a new one
                busy.append(Connection(port))
                busy[-1].send(connection.request, connection.due)
                continue
            bad += not 200 <= status < 300
            if status != HUNG_UP:
                connection.used = True
                idle.append(connection)
            if connection.due >= began + seconds * FIRST_SHARE:
                found.append((time.perf_counter() - connection.due) * 1000)
    return Latencies(len(found), bad, opened, {f"{percent:g}": percentile(found, percent) for percent in PERCENTS})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("requests", type=Path, help="requests with a NUL after each")
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    with contextlib.suppress(PermissionError):  # who signs in meanwhile, on this core too, waits for this client
        os.setpriority(os.PRIO_PROCESS, 0, URGENT)
    requests = given.requests.read_bytes().split(b"\0")[:-1]
    print(json.dumps(asdict(ask_steadily(given.port, requests, given.rate, given.seconds))))


if __name__ == "__main__":
    main()
