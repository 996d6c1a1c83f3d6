"""Traefik of requirements-proxies.txt with both files of deploy/traefik/."""

from collections.abc import Sequence

from tests.proxies.running import Proxy, Site, deployed, wheel_program

QUIET = """
global:
  checkNewVersion: false
  sendAnonymousUsage: false
"""


def command(site: Site) -> Sequence[str]:
    dynamic = site.folder / "doorkey.yaml"
    static = site.folder / "traefik.yaml"
    here: dict[str, str | int] = {'":443"': f'"127.0.0.1:{site.port}"', "/etc/traefik/doorkey.yaml": str(dynamic)}
    changes: dict[str, str | int] = {
        "127.0.0.1:3000": f"127.0.0.1:{site.app_port}",
        "127.0.0.1:8000": f"127.0.0.1:{site.doorkey_port}",
    }
    if site.second_host:
        changes["Host(`app.example.com`)"] = f"(Host(`app.example.com`) || Host(`{site.second_host}`))"
    for host in ("app.example.com", "login.example.com"):
        changes |= {f"/etc/ssl/{host}.pem": str(site.certificate), f"/etc/ssl/{host}.key": str(site.key)}
    static.write_text(deployed("traefik/traefik.yaml", here) + QUIET)
    dynamic.write_text(deployed("traefik/doorkey.yaml", changes))
    return (wheel_program("traefik"), f"--configFile={static}")


LIMITS = frozenset({"keeps-cookies", "away-is-500", "bad-body-is-5xx"})
PROXIES = (Proxy("traefik", command, "forward", gives_up=30.0, limits=LIMITS),)
