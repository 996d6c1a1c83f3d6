"""wrk: as many requests as a server can answer on 16 kept-alive connections, from the other core.

The requests are written out before, with a NUL after each; a small Lua script hands them to wrk in turn, so that
building them costs the client nothing.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import Sample
from benchmarks.servers import CLIENT_CORE, BenchmarkFailed, Server, cpu_seconds, kept_environment, pinned

CONNECTIONS = 16
SCRIPT = """
local requests, at, once = {}, 0, false
function init(args)
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("([^%z]+)%z") do requests[#requests + 1] = request end
  file:close()
  once = args[2] == "once"
end
function request()
  if once and at == #requests then wrk.thread:stop() end
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, unused)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "errors": %d, "p50": %f, "p99": %f}\\n', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def write_requests(path: Path, requests: Sequence[bytes]) -> Path:
    """In the file that wrk reads, with the script beside it."""
    path.write_bytes(b"".join(request + b"\0" for request in requests))
    path.with_suffix(".lua").write_text(SCRIPT)
    return path


def wrk(port: int, requests: Path, seconds: float, servers: Sequence[Server], *, once: bool = False) -> Sample:
    """Ask at `port` for `seconds`, each request only `once` or again and again; the CPU is that of `servers`.

    Raises when any answer is an error.
    """
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "-s", str(requests.with_suffix(".lua"))]
    words = [f"http://127.0.0.1:{port}/", "--", str(requests), "once" if once else "again"]
    before = [cpu_seconds([server]) for server in servers]
    done = subprocess.run(
        pinned([*command, *words], CLIENT_CORE), env=kept_environment(), capture_output=True, text=True, check=False
    )
    parts = [cpu_seconds([server]) - then for server, then in zip(servers, before, strict=True)]
    return sample(done.stdout, parts)


def sample(printed: str, cpu_parts: Sequence[float]) -> Sample:
    """From what wrk printed (its last line is ours) and the CPU seconds of the processes."""
    last = (printed.strip().splitlines() or [""])[-1]
    try:
        found = json.loads(last)
    except ValueError:
        raise BenchmarkFailed(f"wrk said: {printed[-500:]}") from None
    count = found["requests"]
    if not count or found["errors"]:
        raise BenchmarkFailed(f"{found['errors']} errors among {count} answers")
    parts = tuple(part / count * 1e6 for part in cpu_parts)
    return Sample(
        cpu_us=sum(parts),
        rate=count / found["microseconds"] * 1e6,
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        count=count,
        parts_us=parts,
    )
