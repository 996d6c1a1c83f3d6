"""Beside what Doorkey is measured: nginx, Apache with mod_auth_openidc, a bare uvicorn; and what it needs.

All of them are Debian's own, with configurations and files in a folder of the run, at free ports. Nothing of the
system is changed or used besides the programs.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import (
    CLIENT_CORE,
    ROOT,
    SERVER_CORE,
    BenchmarkFailed,
    Server,
    Servers,
    free_port,
    kept_environment,
    python,
)

DEV_CLIENT, DEV_SECRET = "bench", "bench-secret-0123456789"
USER = "erin"
APACHE_CALLBACK = "/app/oidc-callback"
FILE_BYTES = 1024
MODULES = "/usr/lib/apache2/modules"

USERS_FILE = """
[users.erin]
name = "Erin Engineer"
email = "erin@example.com"
groups = ["admins", "ops", "team-0", "team-1", "team-2", "team-3", "team-4"]

[lifetimes]
access_token = {access_token}
"""

NGINX = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""
NO_CONTENT = "server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}"
PLAIN_FILE = """server {{ listen 127.0.0.1:{port}; root {folder}/www;
    location / {{ default_type text/html; try_files /page.html =404; }} }}"""
TLS_FRONT = """upstream provider {{ server 127.0.0.1:{behind}; keepalive 16; }}
    server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
        location / {{ proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; }} }}"""

APACHE = """
ServerRoot {folder}
ServerName app.example.com
PidFile {folder}/apache.pid
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{guarded}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
ErrorLog /dev/stderr
LogLevel warn
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ServerLimit 1
StartServers 1
ThreadsPerChild 32
MaxRequestWorkers 32
MinSpareThreads 32
MaxSpareThreads 32
MaxConnectionsPerChild 0
<Directory {folder}/www>
    Require all granted
</Directory>
AliasMatch "^/(?!app/oidc-callback).*" "{folder}/www/page.html"
<VirtualHost 127.0.0.1:{plain}>
</VirtualHost>
<VirtualHost 127.0.0.1:{guarded}>
    OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
    OIDCClientID {client}
    OIDCClientSecret {secret}
    OIDCRedirectURI http://127.0.0.1:{guarded}{callback}
    OIDCCryptoPassphrase a-passphrase-for-benchmarks
    OIDCScope "openid profile email groups"
    OIDCAuthRequestParams prompt=none&login_hint={sub}
    OIDCSessionType server-cache
    OIDCCacheType shm
    OIDCSessionInactivityTimeout 3600
    OIDCUnAuthAction 401 "%{{HTTP_USER_AGENT}} !~ /sign-in/"
    <Location />
        AuthType openid-connect
        Require claim groups:ops
    </Location>
    <Location /closed>
        Require claim groups:nobody-is-in-it
        AuthzSendForbiddenOnFailure On
    </Location>
</VirtualHost>
"""

UVICORN = """
import sys
from doorkey.cli.uvicorn_server import run

HEADERS = [
    (b"cache-control", b"no-store"), (b"x-doorkey-reason", b"rule: the rest"), (b"x-doorkey-user", b"user-1"),
    (b"x-doorkey-email", b"person.1@example.com"), (b"x-doorkey-name", b"Person%20Number%201"),
    (b"x-doorkey-groups", b"admins,ops,team-0,team-1,team-2,team-3,team-4"), (b"x-doorkey-provider", b"stub"),
    (b"x-doorkey-session", b"0123456789abcdef"), (b"x-doorkey-request-id", b"0123456789abcdef"),
    (b"content-length", b"0"),
]
START = {"type": "http.response.start", "status": 200, "headers": HEADERS}
BODY = {"type": "http.response.body", "body": b""}

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send(START)
        await send(BODY)
    elif scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

run(app, host="127.0.0.1", port=int(sys.argv[1]), announce=lambda: None)
"""
"""An application that answers what a check answers, without looking: what is left is the server."""


@dataclass(frozen=True)
class Nginx:
    """One process for all: `no_content` and `plain_file` answer themselves, `guarded` asks Doorkey first (0: none)."""

    server: Server
    no_content: int
    plain_file: int
    guarded: int


@dataclass(frozen=True)
class Apache:
    server: Server
    plain: int
    guarded: int


def write_page(folder: Path) -> None:
    """The small file, and a folder that servers under another user can read."""
    folder.chmod(0o755)
    site = folder / "www"
    site.mkdir(exist_ok=True)
    page = b"<!doctype html><title>A page</title><p>"
    (site / "page.html").write_bytes(page + b"x" * (FILE_BYTES - len(page)))


def start_nginx(servers: Servers, doorkey: Server | None = None, *, name: str = "nginx") -> Nginx:
    folder = servers.folder
    write_page(folder)
    no_content, plain, guarded = free_port(), free_port(), free_port()
    parts = [NO_CONTENT.format(port=no_content), PLAIN_FILE.format(port=plain, folder=folder)]
    if doorkey:
        parts.append(deployed(guarded, doorkey.port, folder / "www"))
    server = _nginx(servers, name, no_content, "\n".join(parts))
    return Nginx(server, no_content, plain, guarded if doorkey else 0)


def deployed(port: int, doorkey_port: int, site: Path) -> str:
    """deploy/nginx/doorkey.conf: the site with its check, without TLS, and a file in place of the application."""
    text = (ROOT / "deploy/nginx/doorkey.conf").read_text()
    text, found, _ = text.partition("# Doorkey itself.")
    text = re.sub(r"\n *ssl_certificate(_key)? .*", "", text)
    changes = {
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} default_server;",
        "server_name app.example.com;": "server_name _;",
        "proxy_pass http://app;": f"root {site}; default_type text/html; try_files /page.html =404;",
        "127.0.0.1:8000;": f"127.0.0.1:{doorkey_port};",
    }
    for old, new in changes.items():
        if old not in text or not found:
            raise BenchmarkFailed(f"deploy/nginx/doorkey.conf has no {old!r} any more")
        text = text.replace(old, new)
    return text


def start_tls_front(servers: Servers, port: int, behind: Server) -> Server:
    """TLS in front of a provider, on the client's core; server.pem and server.key are in the folder."""
    text = TLS_FRONT.format(port=port, behind=behind.port, folder=servers.folder)
    return _nginx(servers, "tls-front", port, text, core=CLIENT_CORE)


def _nginx(servers: Servers, name: str, port: int, text: str, *, core: int = SERVER_CORE) -> Server:
    folder = servers.folder / name
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # the folders of a run are closed to everybody else
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, user=user, servers=text))
    return servers.start(name, ["nginx", "-p", str(folder), "-c", str(config), "-e", "stderr"], port, core=core)


def start_apache(servers: Servers, issuer: str, plain: int, guarded: int) -> Apache:
    """Debian's event MPM, one process with 32 threads: as quick as Apache gets on one core."""
    folder = servers.folder
    write_page(folder)
    (folder / "logs").mkdir(exist_ok=True)
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    words = {"folder": folder, "modules": MODULES, "user": user, "plain": plain, "guarded": guarded, "issuer": issuer}
    client = {"client": DEV_CLIENT, "secret": DEV_SECRET, "sub": USER, "callback": APACHE_CALLBACK}
    config = folder / "apache.conf"
    config.write_text(APACHE.format(**words, **client))
    server = servers.start("apache", ["apache2", "-f", str(config), "-DFOREGROUND"], guarded)
    return Apache(server, plain, guarded)


def apache_callback(port: int) -> str:
    return f"http://127.0.0.1:{port}{APACHE_CALLBACK}"


def start_redis(servers: Servers, name: str) -> Server:
    """Without files: what is measured is reading."""
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return servers.start(f"redis-{name}", ["redis-server", *words, "--dir", str(servers.folder)], port)


def start_uvicorn(servers: Servers) -> Server:
    port = free_port()
    return servers.start("uvicorn", python("-c", UVICORN, str(port)), port)


def start_provider(
    servers: Servers, *redirect_uris: str, port: int = 0, issuer: str = "", access_token: int = 3600, core: int = 1
) -> Server:
    """The development provider. Nobody measures it, so it runs on the client's core, and lets the client go first."""
    port = port or free_port()
    users = servers.folder / f"users-{port}.toml"
    users.write_text(USERS_FILE.format(access_token=access_token))
    command = python("-m", "doorkey", "dev-provider", "--port", str(port), "--users-file", str(users))
    for uri in redirect_uris:
        command += ["--redirect-uri", uri]
    if issuer:
        command += ["--issuer", issuer]
    environment = {"DOORKEY_DEV_CLIENT_ID": DEV_CLIENT, "DOORKEY_DEV_CLIENT_SECRET": DEV_SECRET}
    return servers.start("provider", command, port, environment, core=core, niceness=10)


def versions() -> dict[str, str]:
    """What the peers call themselves."""
    commands = {
        "nginx": ["nginx", "-v"],
        "Apache": ["apache2", "-v"],
        "Redis": ["redis-server", "--version"],
        "wrk": ["wrk", "-v"],
        "mod_auth_openidc": ["dpkg-query", "-W", "-f", "${Version}", "libapache2-mod-auth-openidc"],
    }
    return {name: _version(command) for name, command in commands.items()}


def _version(command: list[str]) -> str:
    done = subprocess.run(command, env=kept_environment(), capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "?"
