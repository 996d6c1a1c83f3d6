"""What the development provider costs: start, one `POST /oauth/token`, and memory through very many tokens.

    python -m benchmarks.dev_provider [--tokens 100000] [--rounds 5] [--requests 2000]

Runs `doorkey dev-provider` and, in the same rounds, an empty Flask view under the same server. CPU is that of the
server's process; the client is on the other core. As a section of `make bench` it makes fewer tokens.
"""

import argparse
import base64
import http.client
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from benchmarks.depot import Depot
from benchmarks.measuring import say
from benchmarks.peers import DEV_CLIENT, DEV_SECRET, start_provider
from benchmarks.report import Section, table
from benchmarks.servers import SERVER_CORE, BenchmarkFailed, Server, Servers, cpu_seconds, free_port, memory_mb, python

REDIRECT_URI = "http://127.0.0.1:8000/callback/dev"
FORM = "application/x-www-form-urlencoded"
KINDS = ("client_credentials", "code", "code with ID token")
EMPTY_VIEW = "an empty Flask view"
COLUMNS = ("", "CPU, ms", "times an empty Flask view")
WARM = 200
MEMORY_STEPS = 5
EMPTY = """
import sys
from flask import Flask
from doorkey.cli.uvicorn_server import run
from doorkey.web.pages_asgi import DoorkeyAsgi
app = Flask("empty")
app.add_url_rule("/oauth/token", view_func=lambda: {"ok": True}, methods=["POST"])
run(DoorkeyAsgi(app, threads=32), host="127.0.0.1", port=int(sys.argv[1]), announce=lambda: None)
"""


class Client:
    """One kept connection to a server."""

    def __init__(self, server: Server):
        self.server = server
        self._http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        credentials = base64.b64encode(f"{DEV_CLIENT}:{DEV_SECRET}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": FORM} if form else {}
        self._http.request(method, path, urlencode(form) if form else None, headers)
        response = self._http.getresponse()
        return response.status, dict(response.headers), response.read()

    def reconnect(self) -> None:
        """The server closes connections that nobody uses for a while."""
        self._http.close()


def measure(depot: Depot) -> list[Section]:
    effort = depot.effort
    with Servers(depot.section_folder()) as servers:
        found = measure_requests(servers, max(3, effort.rounds), effort.provider_tokens)
    return [
        Section(
            name="dev-provider",
            title="A token of the development provider",
            words=(
                "`POST /oauth/token` of `doorkey dev-provider`, which tests of other programs wait for, beside a Flask "
                "view that does nothing under the same server."
            ),
            columns=COLUMNS,
            rows=rows(found),
            raw={"milliseconds": found},
        )
    ]


def measure_requests(servers: Servers, rounds: int, count: int) -> dict[str, list[float]]:
    """CPU milliseconds of one request, round by round."""
    provider = Client(start_provider(servers, core=SERVER_CORE))
    port = free_port()
    empty = Client(servers.start("empty", python("-c", EMPTY, str(port)), port))
    for warm in (provider, empty):
        cost_ms(warm, [{"grant_type": "client_credentials"}] * WARM)
    code(provider, "openid")
    found: dict[str, list[float]] = {EMPTY_VIEW: [], **{kind: [] for kind in KINDS}}
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        found[EMPTY_VIEW].append(cost_ms(empty, [{"a": "b"}] * count))
        for kind in KINDS:
            found[kind].append(cost_ms(provider, grants(provider, kind, count)))
    return found


def rows(found: Mapping[str, Sequence[float]]) -> tuple[tuple[str, str, str], ...]:
    base = found[EMPTY_VIEW]
    return tuple(
        (
            kind,
            f"{statistics.median(values):.2f}",
            f"{statistics.median(one / other for one, other in zip(values, base, strict=True)):.1f}",
        )
        for kind, values in found.items()
    )


def code(client: Client, scope: str) -> str:
    query = {"client_id": DEV_CLIENT, "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "s",
             "scope": scope, "nonce": "n", "prompt": "none", "login_hint": "alice"}  # fmt: skip
    _, headers, _ = client.ask("GET", "/oauth/authorize?" + urlencode(query))
    return parse_qs(urlsplit(headers["location"]).query)["code"][0]


def grants(client: Client, kind: str, count: int) -> list[dict[str, str]]:
    """Forms for `count` token requests; codes are fetched before, outside of what is measured."""
    if kind == "client_credentials":
        return [{"grant_type": kind}] * count
    scope = "openid profile" if kind == "code with ID token" else "message_read"
    client.reconnect()
    codes = [code(client, scope) for _ in range(count)]
    return [{"grant_type": "authorization_code", "code": one, "redirect_uri": REDIRECT_URI} for one in codes]


def cost_ms(client: Client, forms: Sequence[Mapping[str, str]]) -> float:
    """CPU milliseconds of one request."""
    client.reconnect()
    before = cpu_seconds([client.server])
    for form in forms:
        status, _, body = client.ask("POST", "/oauth/token", form)
        if status != 200:
            raise BenchmarkFailed(f"{status}: {body[:300]!r}")
    return (cpu_seconds([client.server]) - before) / len(forms) * 1000


def measure_memory(servers: Servers, tokens: int) -> Iterator[tuple[str, str, str]]:
    provider = Client(start_provider(servers, core=SERVER_CORE))
    yield "start until it answers", f"{provider.server.seconds:.2f} s", ""
    for step in range(1, MEMORY_STEPS + 1):
        for form in grants(provider, "client_credentials", tokens // MEMORY_STEPS):
            provider.ask("POST", "/oauth/token", form)
        memory = memory_mb(provider.server.process.pid)[0]
        yield f"memory after {step * tokens // MEMORY_STEPS:,} tokens", f"{memory:.0f} MB", ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doorkey-bench-") as folder, Servers(Path(folder)) as servers:
        print(table(COLUMNS, rows(measure_requests(servers, given.rounds, given.requests))), flush=True)
        print(table(("", "", ""), measure_memory(servers, given.tokens)))


if __name__ == "__main__":
    main()
