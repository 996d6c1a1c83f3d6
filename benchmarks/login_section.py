"""A whole sign-in: begin, callback, exchange of the code, user info, session. CPU of Doorkey's own process."""

import ssl
import statistics
from collections.abc import Callable, Mapping

import trustme

from benchmarks.depot import Depot
from benchmarks.doorkeys import SETTINGS, dev_provider_settings, start_doorkey
from benchmarks.measuring import say
from benchmarks.peers import apache_callback, start_apache, start_provider, start_tls_front
from benchmarks.report import Goal, Section
from benchmarks.servers import Server, Servers, cpu_seconds, free_port
from benchmarks.sign_in_client import Browser

SITE = SETTINGS["DOORKEY_PUBLIC_URL"]
HTTP, TLS, BASE = (
    "Doorkey, http to the provider",
    "Doorkey, TLS to the provider",
    "mod_auth_openidc, http to the provider",
)
MOST_MS = {HTTP: 4.0, TLS: 5.0}
WARM = 60
SignIns = tuple[Server, Callable[[], object]]


def measure(depot: Depot) -> list[Section]:
    with Servers(depot.section_folder()) as servers:
        ways = {HTTP: _over_http(servers), TLS: _over_tls(servers), BASE: _apache(servers)}
        for server, sign_in in ways.values():
            _cost(server, sign_in, WARM)
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(max(3, depot.effort.rounds)):
            say(f"  round {number + 1}")
            for name, (server, sign_in) in ways.items():
                found[name].append(_cost(server, sign_in, depot.effort.sign_ins))
    middle = {name: statistics.median(values) for name, values in found.items()}
    return [_section(found, middle)]


def _cost(server: Server, sign_in: Callable[[], object], times: int) -> float:
    """Milliseconds of CPU for one."""
    before = cpu_seconds([server])
    for _ in range(times):
        sign_in()
    return (cpu_seconds([server]) - before) / times * 1000


def _over_http(servers: Servers) -> SignIns:
    provider = start_provider(servers, f"{SITE}/callback/dev")
    return _doorkey(servers, "http", dev_provider_settings(provider.url), None)


def _over_tls(servers: Servers) -> SignIns:
    """The same provider behind nginx, with a certificate of an authority that only this Doorkey knows."""
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(servers.folder / "server.pem")
    certificate.private_key_pem.write_to_path(servers.folder / "server.key")
    bundle = servers.folder / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    issuer = f"https://127.0.0.1:{port}"
    provider = start_provider(servers, f"{SITE}/callback/dev", issuer=issuer)
    start_tls_front(servers, port, provider)
    known = ssl.create_default_context(cafile=str(bundle))
    return _doorkey(servers, "tls", dev_provider_settings(issuer), known, ca_bundle=str(bundle))


def _doorkey(
    servers: Servers, name: str, provider: Mapping[str, str], known: ssl.SSLContext | None, *, ca_bundle: str = ""
) -> SignIns:
    doorkey = start_doorkey(servers, name, "sqlite:", provider=provider, ca_bundle=ca_bundle)
    browser = Browser(known, ports={SITE: doorkey.port})

    def sign_in() -> object:
        browser.forget()
        return browser.sign_in(f"{SITE}/login?provider=dev")

    return doorkey, sign_in


def _apache(servers: Servers) -> SignIns:
    plain, guarded = free_port(), free_port()
    provider = start_provider(servers, apache_callback(guarded))
    apache = start_apache(servers, provider.url, plain, guarded)
    browser = Browser()

    def sign_in() -> object:
        browser.forget()
        return browser.sign_in(f"http://127.0.0.1:{guarded}/app/a/page-1")

    return apache.server, sign_in


def _section(found: Mapping[str, list[float]], middle: Mapping[str, float]) -> Section:
    return Section(
        name="sign-in",
        title="A sign-in",
        words=(
            "From the first redirect to the session: what `/login` and the callback cost Doorkey, with PKCE, nonce, an "
            "ID token (RS256), user info, and the record in SQLite, when its connections to the provider are open. The "
            "provider is another process and is not counted. mod_auth_openidc is there for comparison, with the same "
            "provider."
        ),
        columns=("", "CPU, ms", "lowest and highest round"),
        rows=tuple(
            (name, f"{middle[name]:.2f}", f"{min(values):.2f} to {max(values):.2f}") for name, values in found.items()
        ),
        goals=(
            Goal(
                "a whole login (begin, callback, exchange, session), CPU of Doorkey",
                f"under {MOST_MS[HTTP]:.0f} ms over http, under {MOST_MS[TLS]:.0f} ms over TLS with warm connections",
                f"{middle[HTTP]:.2f} ms, {middle[TLS]:.2f} ms",
                all(middle[name] < most for name, most in MOST_MS.items()),
            ),
        ),
        raw={"milliseconds": dict(found)},
    )
