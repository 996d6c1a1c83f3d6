"""A target: an address that is hit, the processes that answer, the requests, and the proof that it works.

Every request is what a browser sends through a proxy: twelve headers, three other cookies around the one that counts,
and paths that differ. All targets of a table are sent the same.
"""

import http.client
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import write_requests, wrk
from benchmarks.measuring import Sample
from benchmarks.servers import BenchmarkFailed, Server, cpu_seconds

HOST = "app-07.example.com"
OTHER_COOKIES = ("_ga=GA1.2.1189243911.1763996112", "theme=dark", "csrftoken=Xb4mK9qTz1LrW8sNvC2hJ6yD0fGpEaUo")
PATHS = 500
MINUTE = 63.0
"""With something over."""

ROOM_SECONDS = 20.0
WARM_SECONDS = 1.0
IDLE_SECONDS = 0.2
MOST_IDLE_SECONDS = 8.0


@dataclass(frozen=True)
class Target:
    """`servers` are all processes whose CPU counts; `cookies` the sessions that are used in turn."""

    name: str
    port: int
    servers: Sequence[Server]
    cookies: Sequence[str]
    path: str = ""
    """Where the request goes; "" for the varied paths of a browser."""

    host: str = HOST

    def requests(self) -> list[bytes]:
        """One for each cookie at least, and enough for all paths."""
        count = max(len(self.cookies), PATHS)
        return [self.request(self.cookies[n % len(self.cookies)], browser_path(n)) for n in range(count)]

    def request(self, cookie: str, path: str) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers(cookie, path))
        return f"GET {self.path or path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")

    def headers(self, cookie: str, path: str) -> Iterator[tuple[str, str]]:
        first, second, third = OTHER_COOKIES
        yield "Host", self.host
        yield "X-Original-Method", "GET"
        yield "X-Original-URL", f"https://{self.host}{path}"
        yield "X-Forwarded-For", "203.0.113.7"
        yield "X-Forwarded-Proto", "https"
        yield "Cookie", "; ".join(part for part in (first, second, cookie, third) if part)
        yield "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        yield "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        yield "Accept-Language", "en-US,en;q=0.5"
        yield "Accept-Encoding", "gzip, deflate, br, zstd"
        yield "Sec-Fetch-Dest", "document"
        yield "Sec-Fetch-Mode", "navigate"

    def ask(self, cookie: str, path: str = "/app/a/page-1") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest("GET", self.path or path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers(cookie, path):
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def browser_path(number: int) -> str:
    """Where somebody goes: 500 different ones under the paths that the rules let them open."""
    number %= PATHS
    return f"/app/{'abcd'[number % 4]}/page-{number}?tab={number % 7}"


class Hits:
    """Hits targets by name: writes their requests once, then runs wrk."""

    def __init__(self, folder: Path, targets: Sequence[Target], seconds: float):
        self._seconds = seconds
        self._warmth = Warmth()
        self._targets = {target.name: target for target in targets}
        self._files = {
            target.name: write_requests(folder / f"requests-{number}.bin", target.requests())
            for number, target in enumerate(targets)
        }

    @property
    def names(self) -> list[str]:
        return list(self._targets)

    def __call__(self, name: str) -> Sample:
        target = self._targets[name]
        try:
            self._warmth.bring(target, self._files[name])
            return wrk(target.port, self._files[name], self._seconds, target.servers)
        except BenchmarkFailed as error:
            raise BenchmarkFailed(f"{name}: {error}") from error


class Warmth:
    """Brings a target to where it is while there is always something to do; nothing of this counts.

    Once a minute Doorkey writes a session down as seen and reads it again. Spread over a minute that is little; a
    target that is hit for two seconds now and then would have all of it there. So it is done before, and not left to
    fall due while a sample is taken.
    """

    def __init__(self) -> None:
        self._done: dict[int, float] = {}

    def bring(self, target: Target, requests: Path) -> None:
        doorkey = next((server.process.pid for server in target.servers if server.name.startswith("doorkey-")), 0)
        age = time.monotonic() - self._done.get(doorkey, -MINUTE)
        if doorkey and age > MINUTE - ROOM_SECONDS:
            time.sleep(max(0.0, MINUTE - age))
            self._done[doorkey] = time.monotonic()
            for _ in range(2):
                _ask_for_each(target)
                _wait_until_idle(target)
        wrk(target.port, requests, WARM_SECONDS, target.servers)


def _ask_for_each(target: Target) -> None:
    """Once with every request."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=30) as connection:
        answers = connection.makefile("rb")
        for request in target.requests():
            connection.sendall(request)
            lines = iter(answers.readline, b"\r\n")
            lengths = [int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")]
            answers.read(lengths[0] if lengths else 0)


def _wait_until_idle(target: Target) -> None:
    deadline, spent = time.monotonic() + MOST_IDLE_SECONDS, cpu_seconds(target.servers)
    while time.monotonic() < deadline:
        time.sleep(IDLE_SECONDS)
        before, spent = spent, cpu_seconds(target.servers)
        if spent - before < IDLE_SECONDS / 10:
            return


def insist(target: Target, cookie: str, expected: int, *, path: str = "/app/a/page-1", header: str = "") -> bytes:
    """Ask once; raise unless the status is the expected one, with `header` not empty."""
    status, headers, body = target.ask(cookie, path)
    if status != expected or (header and not headers.get(header)):
        raise BenchmarkFailed(f"{target.name}, {path}: {status} in place of {expected}, {headers}, {body[:300]!r}")
    return body


def insist_on_checks(target: Target, *, made_up: str, forbidden: str, header: str = "") -> None:
    """It lets a good session in, knows a made-up one for what it is, and refuses where a rule says so."""
    insist(target, target.cookies[0], 200, header=header)
    insist(target, target.cookies[-1], 200, header=header)
    insist(target, made_up, 401)
    insist(target, target.cookies[0], 403, path=forbidden)
