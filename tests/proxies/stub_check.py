"""What stands in for Doorkey where a proxy must meet an answer that the real one seldom gives, or gives slowly.

with StubCheck() as doorkey:
    doorkey.port, doorkey.checks      # where it listens; the checks it was asked, in order
    with doorkey.silent(): ...        # asked and never answering; everything ends with the block

The cookie `__Secure-doorkey-gate` decides: `good` is alice of dev and ops, `denied` is 403, `down` is 503, `teapot` is
a status that nobody expects, anything else must log in. Whatever is no check is answered as the echo app does.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from tests.proxies.echo_app import echo
from tests.proxies.raw_server import RawServer, Received, response

IDENTITY = {
    "X-Doorkey-User": "alice",
    "X-Doorkey-Email": "alice@example.com",
    "X-Doorkey-Name": "Alice",
    "X-Doorkey-Groups": "dev,ops",
    "X-Doorkey-Provider": "corp",
    "X-Doorkey-Session": "s1",
}
GATE = "__Secure-doorkey-gate"
LOGIN = "https://login.example.com/login?rt="
FORBIDDEN_PAGE = "https://login.example.com/forbidden?rt=x"
ERROR_BODY = '{"error":"%s"}'

Parts = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body."""


class StubCheck(RawServer):
    def __init__(self) -> None:
        self._may_answer = threading.Event()
        self._may_answer.set()
        super().__init__(self._answer_to)

    @property
    def checks(self) -> list[Received]:
        return [request for request in self.requests if request.target.startswith("/check/")]

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Connections and requests are taken, and nothing is answered before the block ends."""
        self._may_answer.clear()
        try:
            yield
        finally:
            self._may_answer.set()

    def stop(self) -> None:
        self._may_answer.set()
        super().stop()

    def wait_for_permission(self) -> None:
        """Returns when an answer may be given."""
        self._may_answer.wait()

    def _answer_to(self, received: Received) -> bytes:
        if not received.target.startswith("/check/"):
            return echo(received)
        self.wait_for_permission()
        status, headers, body = check(received)
        return response(status, headers, body, received.method)


def check(received: Received) -> Parts:
    """The answer in the dialect that the path names."""
    nginx = received.target.startswith("/check/nginx")
    browser = "text/html" in received.header("Accept")
    method, url = original(received)
    return decide(gate_cookie(received), nginx=nginx, browser=browser, method=method, url=url)


def gate_cookie(received: Received) -> str:
    """Its value, the first when it came more than once."""
    cookies = "; ".join(received.values("Cookie")).split(";")
    named = [value.strip() for name, _, value in (cookie.partition("=") for cookie in cookies) if name.strip() == GATE]
    return named[0] if named else ""


def decide(gate: str, *, nginx: bool, browser: bool, method: str, url: str) -> Parts:
    """What the value of the gate cookie brings; also for stubs that speak no HTTP."""
    common = {"Cache-Control": "no-store", "X-Doorkey-Reason": gate or "no_session"}
    if gate == "good":
        return 200, {**common, **IDENTITY}, b""
    if gate == "down":
        return 503, {**common, "Retry-After": "5"}, b""
    if gate == "teapot":
        return 418, common, b""
    if gate == "denied":
        return _denied(common, nginx=nginx, browser=browser)
    if browser:
        status = 401 if nginx else 302 if method in ("GET", "HEAD") else 303
        return status, {**common, "Location": LOGIN + quote(url, safe="")}, b""
    return 401, {**common, "WWW-Authenticate": "Bearer", **_json("login_required")}, _body("login_required")


def _denied(common: Mapping[str, str], *, nginx: bool, browser: bool) -> Parts:
    page = {"X-Doorkey-Page": FORBIDDEN_PAGE} if nginx and browser else {}
    return 403, {**common, **page, **_json("forbidden")}, _body("forbidden")


def _json(error: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "X-Doorkey-Body": ERROR_BODY % error}


def _body(error: str) -> bytes:
    return (ERROR_BODY % error).encode()


def original(received: Received) -> tuple[str, str]:
    """Method and URL of the request that a check asks about, as its dialect tells them."""
    return _original_method(received), _original_url(received)


def _original_method(received: Received) -> str:
    if received.target.startswith(("/check/nginx", "/check/fastcgi")):
        return received.header("X-Original-Method")
    if received.target.startswith("/check/envoy"):
        return received.method
    return received.header("X-Forwarded-Method")


def _original_url(received: Received) -> str:
    if received.target.startswith(("/check/nginx", "/check/fastcgi")):
        return received.header("X-Original-URL")
    scheme = received.header("X-Forwarded-Proto")
    if received.target.startswith("/check/envoy"):
        return f"{scheme}://{received.header('Host')}{received.target.removeprefix('/check/envoy')}"
    return f"{scheme}://{received.header('X-Forwarded-Host')}{received.header('X-Forwarded-Uri')}"
