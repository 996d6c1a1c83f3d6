"""Caddy with deploy/caddy/Caddyfile: Debian's, which is old, and the current one of requirements-proxies.txt."""

from collections.abc import Callable, Sequence

from tests.proxies.running import Proxy, Site, deployed, program, wheel_program
from tests.support.servers import free_port

BEFORE = """{{
	admin off
	storage file_system {folder}/storage
	default_bind 127.0.0.1
	https_port {port}
	http_port {other}
}}
"""


def caddy(binary: Callable[[], str]) -> Callable[[Site], Sequence[str]]:
    def command(site: Site) -> Sequence[str]:
        changes: dict[str, str | int] = {
            "127.0.0.1:3000": f"127.0.0.1:{site.app_port}",
            "127.0.0.1:8000": f"127.0.0.1:{site.doorkey_port}",
        }
        if site.second_host:
            changes["\napp.example.com {"] = f"\napp.example.com, {site.second_host} {{"
        for host in ("app.example.com", "login.example.com"):
            changes |= {f"/etc/ssl/{host}.pem": str(site.certificate), f"/etc/ssl/{host}.key": str(site.key)}
        before = BEFORE.format(folder=site.folder, port=site.port, other=free_port())
        (site.folder / "Caddyfile").write_text(before + deployed("caddy/Caddyfile", changes))
        return (binary(), "run", "--config", str(site.folder / "Caddyfile"), "--adapter", "caddyfile")

    return command


def debians() -> str:
    return program("/usr/bin/caddy", package="caddy")


def current() -> str:
    return wheel_program("caddy")


LIMITS = frozenset({"bad-body-is-5xx"})
PROXIES = (
    Proxy("caddy-2.6", caddy(debians), "forward", limits=LIMITS),
    Proxy("caddy", caddy(current), "forward", limits=LIMITS | {"wants-the-body"}),
)
