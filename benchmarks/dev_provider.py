"""What the development provider costs: start, one `POST /oauth/token`, and memory through 100,000 tokens.

    python benchmarks/dev_provider.py [--tokens 100000] [--rounds 5] [--requests 2000]

Runs `doorkey dev-provider` and, side by side in the same rounds, an empty Flask view under the same
server. CPU is that of the server's process, from /proc; the client is on the other side of a socket.
"""

import argparse
import base64
import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")
CLIENT_ID, SECRET, REDIRECT_URI = "bench", "bench-secret-0123456789", "http://127.0.0.1:8000/callback/dev"
FORM = "application/x-www-form-urlencoded"
EMPTY = """
from flask import Flask
from doorkey.cli.uvicorn_server import run
from doorkey.web.pages_asgi import DoorkeyAsgi
app = Flask("empty")
app.add_url_rule("/oauth/token", view_func=lambda: {"ok": True}, methods=["POST"])
run(DoorkeyAsgi(app, threads=32), host="127.0.0.1", port=%d, announce=lambda: print("is ready", flush=True))
"""


class Server:
    """A running server; `seconds` is how long it took to answer."""

    def __init__(self, command: list[str], port: int):
        environ = {**os.environ, "DOORKEY_DEV_CLIENT_ID": CLIENT_ID, "DOORKEY_DEV_CLIENT_SECRET": SECRET}
        began = time.perf_counter()
        self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        while "is ready" not in self.process.stdout.readline():
            if self.process.poll() is not None:
                raise SystemExit(f"{command} did not start")
        self.seconds = time.perf_counter() - began
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        credentials = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": FORM} if form else {}
        self._http.request(method, path, urlencode(form) if form else None, headers)
        response = self._http.getresponse()
        return response.status, dict(response.headers), response.read()

    def reconnect(self) -> None:
        """The server closes connections that nobody uses for a while."""
        self._http.close()

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident_mib(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@contextmanager
def serving(command: list[str], port: int) -> Iterator[Server]:
    server = Server(command, port)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def provider_command(port: int) -> list[str]:
    return [sys.executable, "-m", "doorkey", "dev-provider", "--port", str(port)]


def code(server: Server, scope: str) -> str:
    query = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "s",
             "scope": scope, "nonce": "n", "prompt": "none", "login_hint": "alice"}  # fmt: skip
    _, headers, _ = server.ask("GET", "/oauth/authorize?" + urlencode(query))
    return parse_qs(urlsplit(headers["location"]).query)["code"][0]


def grants(server: Server, kind: str, count: int) -> Iterator[dict[str, str]]:
    """Forms for `count` token requests; codes are fetched before, outside of what is measured."""
    if kind == "client_credentials":
        return iter([{"grant_type": kind}] * count)
    scope = "openid profile" if kind == "code with ID token" else "message_read"
    server.reconnect()
    codes = [code(server, scope) for _ in range(count)]
    return iter([{"grant_type": "authorization_code", "code": c, "redirect_uri": REDIRECT_URI} for c in codes])


def cost_ms(server: Server, forms: Iterator[dict[str, str]]) -> float:
    """CPU milliseconds of one request."""
    server.reconnect()
    before, count = server.cpu_seconds(), 0
    for form in forms:
        status, _, body = server.ask("POST", "/oauth/token", form)
        assert status == 200, body
        count += 1
    return (server.cpu_seconds() - before) / count * 1000


def measure_requests(rounds: int, count: int) -> None:
    kinds = ("client_credentials", "code", "code with ID token")
    ours, other = free_port(), free_port()
    with (
        serving(provider_command(ours), ours) as provider,
        serving([sys.executable, "-c", EMPTY % other], other) as empty,
    ):
        for warm in (provider, empty):
            cost_ms(warm, iter([{"grant_type": "client_credentials"}] * 200))
        code(provider, "openid")
        found: dict[str, list[float]] = {kind: [] for kind in (*kinds, "empty Flask view")}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            found["empty Flask view"].append(cost_ms(empty, iter([{"a": "b"}] * count)))
            for kind in kinds:
                found[kind].append(cost_ms(provider, grants(provider, kind, count)))
        base = statistics.median(found["empty Flask view"])
        for kind, values in found.items():
            middle = statistics.median(values)
            print(f"| POST /oauth/token, {kind} | {middle:.2f} ms CPU | {middle / base:.1f} |")


def measure_memory(tokens: int) -> None:
    port = free_port()
    with serving(provider_command(port), port) as provider:
        print(f"| start until it answers | {provider.seconds:.2f} s | |")
        for step in range(1, 6):
            for form in grants(provider, "client_credentials", tokens // 5):
                provider.ask("POST", "/oauth/token", form)
            print(f"| memory after {step * tokens // 5:,} tokens | {provider.resident_mib():.0f} MiB | |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    print("| what | value | times an empty Flask view |\n|---|---|---|", flush=True)
    measure_requests(given.rounds, given.requests)
    measure_memory(given.tokens)


if __name__ == "__main__":
    main()
