"""HAProxy, from deploy/haproxy/."""

from collections.abc import Sequence

from tests.proxies.running import Proxy, Site, deployed, program


def command(site: Site) -> Sequence[str]:
    certificate = site.folder / "site.pem"
    certificate.write_bytes(site.certificate.read_bytes() + site.key.read_bytes())
    name = f"abns@doorkey-check-{site.port}"  # shared by all processes of a machine
    changes = {
        "    user haproxy\n    group haproxy\n": "",  # needs root
        "/etc/haproxy/doorkey.lua": str(site.folder / "doorkey.lua"),
        "bind :443": f"bind 127.0.0.1:{site.port}",
        "127.0.0.1:3000": f"127.0.0.1:{site.app_port}",
        "127.0.0.1:8000": f"127.0.0.1:{site.doorkey_port}",
        "/etc/ssl/app.example.com.pem": str(certificate),
        "/etc/ssl/login.example.com.pem": str(certificate),
        "abns@doorkey-check": name,
    }
    file = site.folder / "haproxy.cfg"
    file.write_text(deployed("haproxy/haproxy.cfg", changes), encoding="utf-8")
    lua = deployed("haproxy/doorkey.lua", {"abns@doorkey-check": name})
    (site.folder / "doorkey.lua").write_text(lua, encoding="utf-8")
    return [program("haproxy"), "-f", str(file)]


PROXIES = (Proxy("haproxy", command, dialect="nginx"),)
