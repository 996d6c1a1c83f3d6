"""Debian's nginx with deploy/nginx/doorkey.conf inside the smallest http block that needs no root."""

import os
from collections.abc import Sequence

from tests.proxies.running import Proxy, Site, deployed, program
from tests.support.servers import free_port

AROUND = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/doorkey.conf;
}}
"""


def command(site: Site) -> Sequence[str]:
    changes: dict[str, str | int] = {
        "listen 443 ": f"listen 127.0.0.1:{site.port} ",
        "listen 80 ": f"listen 127.0.0.1:{free_port()} ",
        "server_name app.example.com": f"server_name app.example.com {site.second_host}",
        "127.0.0.1:3000": f"127.0.0.1:{site.app_port}",
        "127.0.0.1:8000": f"127.0.0.1:{site.doorkey_port}",
    }
    for host in ("app.example.com", "login.example.com"):
        changes |= {f"/etc/ssl/{host}.pem": str(site.certificate), f"/etc/ssl/{host}.key": str(site.key)}
    user = "user root;" if os.geteuid() == 0 else ""  # the folders of a test are closed to everybody else
    (site.folder / "doorkey.conf").write_text(deployed("nginx/doorkey.conf", changes))
    (site.folder / "nginx.conf").write_text(AROUND.format(folder=site.folder, user=user))
    binary = program("nginx", package="nginx-light")
    return (binary, "-p", str(site.folder), "-c", str(site.folder / "nginx.conf"), "-e", "stderr")


PROXIES = (Proxy("nginx", command, "nginx", limits=frozenset({"keeps-unknown", "always-302"})),)
