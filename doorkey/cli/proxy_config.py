"""`doorkey proxy-config PROXY --app URL --doorkey URL`: the files of deploy/ with your addresses in them.

What is put in is a host name, an address or a port and nothing else, so that it cannot end a line or a block of
any configuration. Exit codes: 0 done, 1 refused to overwrite or to write, 2 an address is none.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from doorkey.paths import DEPLOY
from doorkey.setting_urls import HOST_NAME

PROXIES = ("nginx", "caddy", "traefik", "haproxy", "apache", "envoy")
APP, DOORKEY, FASTCGI = "127.0.0.1:3000", "127.0.0.1:8000", "127.0.0.1:9001"
APP_HOST, LOGIN_HOST, DOMAIN = "app.example.com", "login.example.com", "example.com"
"""What stands in deploy/ for somebody's own."""

_URL = re.compile(r"http://(?P<host>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?/?", re.IGNORECASE)
_ADDRESS = re.compile(r"(?P<host>[a-z0-9.-]+):(?P<port>[0-9]{1,5})", re.IGNORECASE)
_POLICY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TWO_LINES = re.compile(
    r"(?P<before>\baddress: *)127\.0\.0\.1(?P<between>,? *(?:\n *)?port_value: *)(?P<port>3000|8000)\b"
)
"""How Envoy writes an address."""

_CHECK = re.compile(r"(?P<path>/check/(?:nginx|forward|envoy))(?![/:\w<-])")


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class AddressType(click.ParamType[Address]):
    """An address that Doorkey or the application listens at: a URL, or for FastCGI host and port alone."""

    name = "URL"

    def __init__(self, pattern: re.Pattern[str], example: str):
        self._pattern, self._example = pattern, example

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        match = self._pattern.fullmatch(str(value))
        port = int(match["port"] or 80) if match else 0
        if not match or not HOST_NAME.fullmatch(match["host"].lower()) or not 0 < port < 65536:
            self.fail(f"{value!r} is not like {self._example} (a name or an IPv4 address, no path)", param, ctx)
        return Address(match["host"].lower(), port)


class HostType(click.ParamType[str]):
    """A host that browsers know, without a port: the files listen on 443."""

    name = "HOST"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        host = str(value).lower()
        if not HOST_NAME.fullmatch(host) or "." not in host:
            self.fail(f"{value!r} is not a host name such as {APP_HOST}", param, ctx)
        return host


@click.command("proxy-config")
@click.argument("proxy", type=click.Choice(PROXIES))
@click.option("--app", required=True, type=AddressType(_URL, f"http://{APP}"), help="Where the application listens.")
@click.option("--doorkey", required=True, type=AddressType(_URL, f"http://{DOORKEY}"), help="Where Doorkey listens.")
@click.option("--host", type=HostType(), default=APP_HOST, show_default=True, help="What people open.")
@click.option("--login-host", type=HostType(), default=LOGIN_HOST, show_default=True, help="Doorkey's own host.")
@click.option("--fastcgi", type=AddressType(_ADDRESS, FASTCGI), help="DOORKEY_FASTCGI, for Apache.")
@click.option("--policy", default="", metavar="NAME", help="A named policy in place of the main list of rules.")
@click.option("--out", "folder", type=click.Path(path_type=Path), help="Write the files there instead.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def command(
    proxy: str,
    app: Address,
    doorkey: Address,
    host: str,
    login_host: str,
    fastcgi: Address | None,
    policy: str,
    folder: Path | None,
    force: bool,
) -> None:
    """Print the configuration of PROXY in front of an application, with Doorkey as its gate."""
    if host == login_host:
        raise click.UsageError("--host and --login-host must differ: Doorkey needs a host name of its own")
    if policy and not _POLICY.fullmatch(policy):
        raise click.UsageError(f"{policy!r} is no name of a policy: lower-case letters, digits, single hyphens")
    names = {APP_HOST: host, LOGIN_HOST: login_host, DOMAIN: _common_domain(host, login_host)}
    addresses = {APP: app, DOORKEY: doorkey, FASTCGI: fastcgi or Address(doorkey.host, 9001)}
    files = filled(proxy, names, addresses)
    if policy:
        files = _with_policy(files, policy, proxy) if proxy != "apache" else _with_apache_policy(files, policy, host)
    if folder is None:
        click.echo(_joined(files), nl=False)
    else:
        _write(folder, files, force)


def filled(proxy: str, names: Mapping[str, str], addresses: Mapping[str, Address]) -> dict[str, str]:
    """The files of deploy/<proxy>/ by name. All places are filled at once: what is put in is not looked at again."""
    given = {**names, **{place: str(address) for place, address in addresses.items()}}
    places = re.compile(r"(?<![\w.-])(?:" + "|".join(map(re.escape, given)) + r")(?![\w-])")
    ports = {place.rpartition(":")[2]: address for place, address in addresses.items()}

    def in_two_lines(match: re.Match[str]) -> str:
        address = ports[match["port"]]
        return f"{match['before']}{address.host}{match['between']}{address.port}"

    found = {}
    for path in sorted((DEPLOY / proxy).iterdir()):
        if path.is_file() and not path.name.startswith("."):
            text = _TWO_LINES.sub(in_two_lines, path.read_text(encoding="utf-8"))
            found[path.name] = places.sub(lambda match: given[match[0]], text)
    return found


def _common_domain(host: str, login_host: str) -> str:
    """What a gate cookie for both would be set for; the place stays where there is none."""
    ends: list[str] = []
    for one, other in zip(reversed(host.split(".")), reversed(login_host.split(".")), strict=False):
        if one != other:
            break
        ends.insert(0, one)
    return ".".join(ends) if len(ends) > 1 else DOMAIN


def _with_policy(files: Mapping[str, str], policy: str, proxy: str) -> dict[str, str]:
    """Comments keep the plain path, as an explanation."""
    separator = ":" if proxy == "envoy" else "/"
    found, count = {}, 0
    for name, text in files.items():
        lines = text.splitlines(keepends=True)
        for number, line in enumerate(lines):
            if not line.lstrip().startswith(("#", "--")):
                lines[number], hits = _CHECK.subn(rf"\g<path>{separator}{policy}", line)
                count += hits
        found[name] = "".join(lines)
    if not count:
        raise click.UsageError(f"{proxy} asks without a path, so that it cannot name a policy")
    return found


def _with_apache_policy(files: Mapping[str, str], policy: str, host: str) -> dict[str, str]:
    """Its check has no path: a variable names the policy, in the server of the application."""
    mark = f"    ServerName {host}\n"
    named = f"{mark}    SetEnvIf Request_URI ^ DK_POLICY={policy}\n"
    return {name: text.replace(mark, named) for name, text in files.items()}


def _joined(files: Mapping[str, str]) -> str:
    if len(files) == 1:
        return next(iter(files.values()))
    return "".join(f"# ---- file: {name} ----\n{text}" for name, text in files.items())


def _write(folder: Path, files: Mapping[str, str], force: bool) -> None:
    taken = [name for name in files if os.path.lexists(folder / name)]
    if taken and not force:
        click.echo(f"doorkey: {' and '.join(taken)} in {folder} would be overwritten; use --force", err=True)
        raise SystemExit(1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            _replace(folder / name, text)
    except OSError as error:
        click.echo(f"doorkey: cannot write to {folder}: {error.strerror}", err=True)
        raise SystemExit(1) from None
    for name in files:
        click.echo(folder / name)


def _replace(path: Path, content: str) -> None:
    """All of it or nothing."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(content)
    os.chmod(name, 0o644)
    os.replace(name, path)
