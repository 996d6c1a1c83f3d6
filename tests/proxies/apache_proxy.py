"""Apache httpd, from deploy/apache/doorkey.conf and Debian's own modules."""

from collections.abc import Sequence
from pathlib import Path

from tests.proxies.running import DEPLOY, Proxy, Site, deployed, program

MODULES_AT = Path("/usr/lib/apache2/modules")
MODULES = "mpm_event authn_core authz_core authz_user authnz_fcgi headers lua ssl socache_shmcb proxy proxy_http"
MAIN = """
ServerRoot {folder}
ServerName app.example.com
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog /dev/stderr
User www-data
Group www-data
Listen 127.0.0.1:{port}
Include {folder}/doorkey.conf
"""


def command(site: Site) -> Sequence[str]:
    apache = program("apache2")
    changes = {
        "/etc/apache2/doorkey.lua": str(DEPLOY / "apache/doorkey.lua"),
        "*:443": f"127.0.0.1:{site.port}",
        "127.0.0.1:3000": f"127.0.0.1:{site.app_port}",
        "127.0.0.1:8000": f"127.0.0.1:{site.doorkey_port}",
        "127.0.0.1:9001": f"127.0.0.1:{site.fastcgi_port}",
        "/etc/ssl/app.example.com.pem": str(site.certificate),
        "/etc/ssl/app.example.com.key": str(site.key),
        "/etc/ssl/login.example.com.pem": str(site.certificate),
        "/etc/ssl/login.example.com.key": str(site.key),
    }
    modules = "".join(f"LoadModule {name}_module {MODULES_AT}/mod_{name}.so\n" for name in MODULES.split())
    (site.folder / "doorkey.conf").write_text(deployed("apache/doorkey.conf", changes), encoding="utf-8")
    main = site.folder / "apache2.conf"
    main.write_text(modules + MAIN.format(folder=site.folder, port=site.port), encoding="utf-8")
    return [apache, "-d", str(site.folder), "-f", str(main), "-DFOREGROUND"]


PROXIES = (Proxy("apache", command, dialect="fastcgi", gives_up=10.0),)
