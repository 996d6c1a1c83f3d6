"""Envoy, from deploy/envoy/envoy.yaml."""

from collections.abc import Sequence

from tests.proxies.running import Proxy, Site, deployed, wheel_program


def command(site: Site) -> Sequence[str]:
    changes = {
        "address: 0.0.0.0, port_value: 443": f"address: 127.0.0.1, port_value: {site.port}",
        "port_value: 3000": f"port_value: {site.app_port}",
        "port_value: 8000": f"port_value: {site.doorkey_port}",
        "127.0.0.1:8000": f"127.0.0.1:{site.doorkey_port}",
        "/etc/ssl/example.com.pem": str(site.certificate),
        "/etc/ssl/example.com.key": str(site.key),
    }
    file = site.folder / "envoy.yaml"
    file.write_text(deployed("envoy/envoy.yaml", changes), encoding="utf-8")
    # With hot restart, Envoy ends as soon as the thread that started it does.
    envoy = wheel_program("envoy")
    return [envoy, "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]


PROXIES = (Proxy("envoy", command, dialect="envoy"),)
