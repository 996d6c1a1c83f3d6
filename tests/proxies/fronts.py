"""A proxy with what stands behind it, and the requests that the suite sends through it.

`Front.ask` sends one request and forgets what earlier ones left; `Front.reached` is what the app then got.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.proxies.echo_app import EchoApp
from tests.proxies.every import PROXIES
from tests.proxies.raw_client import APP_HOST, Answer, request, send
from tests.proxies.raw_server import Received
from tests.proxies.running import Proxy, RunningProxy, Site, certified, running
from tests.proxies.stub_check import GATE, StubCheck, original
from tests.proxies.stub_fastcgi import StubFastCgi

Headers = Iterable[tuple[str, str]]
SIGNED_IN = ("Cookie", f"before=1; {GATE}=good; after=2")
BROWSER = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
API = ("Accept", "application/json")
WEBSOCKET = (
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
)


def gate(value: str) -> tuple[str, str]:
    """The Cookie header whose gate cookie makes the stub answer so."""
    return ("Cookie", f"{GATE}={value}")


@dataclass
class Behind:
    """What all proxies stand in front of."""

    app: EchoApp
    doorkey: StubCheck
    fastcgi: StubFastCgi

    def forget(self) -> None:
        self.app.requests.clear()
        self.doorkey.requests.clear()

    @contextmanager
    def without_doorkey(self) -> Iterator[None]:
        """Connections are refused inside the block."""
        self.doorkey.stop()
        self.fastcgi.stop()
        try:
            yield
        finally:
            self.doorkey.start()
            self.fastcgi.start()


@dataclass
class Front:
    proxy: RunningProxy
    behind: Behind

    @property
    def kind(self) -> Proxy:
        return self.proxy.kind

    def ask(
        self, method: str, target: str, headers: Headers = (), body: bytes = b"", *, host: str = APP_HOST
    ) -> Answer:
        return self.send(request(method, target, headers, body, host=host))

    def send(self, raw: bytes, *, seconds: float = 5.0) -> Answer:
        self.behind.forget()
        return send(self.proxy.port, raw, tls=self.proxy.site.client_tls, seconds=seconds)

    @property
    def reached(self) -> Received:
        """The one request that the app got."""
        (received,) = self.behind.app.requests
        return received

    @property
    def checked(self) -> tuple[str, str]:
        """Method and URL that the one check asked about."""
        (received,) = self.behind.doorkey.checks
        return original(received)


TRIES = 3


@contextmanager
def all_fronts(folder: Path) -> Iterator[dict[str, Front | BaseException]]:
    """Every proxy in front of the stand-in for Doorkey."""
    with EchoApp() as app, StubCheck() as doorkey, StubFastCgi(doorkey) as fastcgi, ExitStack() as stack:
        behind = Behind(app, doorkey, fastcgi)
        every = start_all(stack, certified(folder, app.port, doorkey.port, fastcgi.port))
        yield {
            name: Front(proxy, behind) if isinstance(proxy, RunningProxy) else proxy for name, proxy in every.items()
        }


def start_all(
    stack: ExitStack, site: Site, kinds: Sequence[Proxy] = PROXIES
) -> dict[str, RunningProxy | BaseException]:
    """Every proxy, started side by side; one that does not start is its error, for the tests that need it."""

    def start(kind: Proxy) -> RunningProxy | BaseException:
        """Again with another port when somebody else has taken this one meanwhile."""
        failure: BaseException = AssertionError("never tried")
        for number in range(TRIES):
            try:
                return stack.enter_context(running(kind, site.named(f"{kind.name}-{number}")))
            except Exception as error:
                failure = error
        return failure

    with ThreadPoolExecutor(len(kinds)) as pool:
        started = list(pool.map(start, kinds))
    return {kind.name: proxy for kind, proxy in zip(kinds, started, strict=True)}
