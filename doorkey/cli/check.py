"""`doorkey check [PROVIDER]...`: tries everything that a sign-in needs, and says in plain words what is wrong.

    ok | note | warning | FAILED   one line for each finding, as it comes; `--json` gives one object a line

With `--through URL` it tries a reverse proxy instead (check_through.py).

Exit codes: 0 nothing failed, 2 settings, 4 a provider refuses us, 5 it (or the proxy, or the store) cannot be reached
or answers nonsense, 6 it is not who it should be, 7 the proxy does not keep its side. The first failure decides.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import click

from doorkey.cli.check_through import Through
from doorkey.cli.raw_request import Target
from doorkey.cli.settings_errors import fail, load_settings
from doorkey.cli.through_visitor import Visitor
from doorkey.errors import (
    AuthorizationRefused,
    DoorkeyError,
    IdTokenInvalid,
    IssuerMismatch,
    MetadataInvalid,
    PushedRequestRefused,
    SettingsError,
    StateMismatch,
    StoreUnavailable,
    TokenRefused,
)
from doorkey.events import clean_text
from doorkey.factory import create_app
from doorkey.gate.original_request import DEFAULT_PORTS
from doorkey.oauth.provider_check import FAILED, NOTE, OK, WARNING, Finding, Trial
from doorkey.oauth.provider_probes import check_provider
from doorkey.settings import Settings
from doorkey.web.runtime import Doorkey

LONGEST = 1000
REFUSED, UNUSABLE, NOT_WHO_IT_SHOULD_BE, LEAKED = 4, 5, 6, 7


@click.command("check")
@click.argument("provider", nargs=-1)
@click.option("--through", metavar="URL", help="Try the reverse proxy in front of this application, such as https://app.example.com.")  # fmt: skip  # noqa: E501
@click.option("--connect", metavar="HOST:PORT", help="Reach the proxy of --through at this address.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each finding.")
def command(provider: tuple[str, ...], through: str | None, connect: str | None, as_json: bool) -> None:
    """Try everything that a sign-in needs at the configured providers, or at those that are named."""
    if (through and provider) or (connect and not through):
        raise click.UsageError("--through is about a proxy and not about providers; --connect is for --through")
    settings = load_settings()
    with _quiet():
        raise SystemExit(_try(settings, through, connect, as_json) if through else _check(settings, provider, as_json))


@contextmanager
def _quiet() -> Iterator[None]:
    """What a log would say is said in the findings."""
    logger = logging.getLogger("doorkey")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _check(settings: Settings, provider: tuple[str, ...], as_json: bool) -> int:
    try:
        doorkey: Doorkey = create_app(settings).extensions["doorkey"]
    except SettingsError as error:
        fail(error)
    unknown = [id for id in provider if id not in doorkey.providers]
    if unknown:
        known = ", ".join(doorkey.providers)
        raise click.UsageError(f"there is no provider {unknown[0]} in DOORKEY_PROVIDERS; there is {known}")
    own, path = settings.own_url, settings.callback_path
    trial = Trial(own, path, doorkey.directory, doorkey.checks, doorkey.transport, doorkey.random)
    code = _tell("doorkey", _check_doorkey(settings, doorkey), as_json)
    for id in provider or doorkey.providers:
        findings = check_provider(doorkey.providers[id].at(settings.own_url), trial)
        found = _tell(id, findings, as_json)
        code = code or found
    return code


def _try(settings: Settings, through: str, connect: str | None, as_json: bool) -> int:
    """What the proxy in front of `through` lets pass."""
    origin, path = _site(through)
    address = _address(connect) if connect else None
    try:
        doorkey: Doorkey = create_app(settings).extensions["doorkey"]
    except SettingsError as error:
        fail(error)
    if not doorkey.gate.guarded.has(urlsplit(origin).netloc):
        raise click.UsageError(f"{urlsplit(origin).netloc} is not in DOORKEY_ALLOWED_HOSTS")
    if origin.startswith("http:") and settings.own_url.startswith("https:"):
        raise click.UsageError(f"--through {through}: must be https, because Doorkey's cookies go nowhere else")
    visitor = Visitor(doorkey, Target(origin, address, settings.ca_bundle), origin)
    with closing(Through(visitor, (path,)).findings()) as findings:
        return _tell(through, findings, as_json, failure=LEAKED)


def _site(url: str) -> tuple[str, str]:
    """Origin as browsers write it, and path."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    is_odd = "@" in parts.netloc or " " in url or not (url.isascii() and url.isprintable())
    if parts.scheme not in DEFAULT_PORTS or not host or is_odd:
        raise click.UsageError(f"--through {url}: must be a URL such as https://app.example.com")
    name = f"[{host}]" if ":" in host else host
    has_port = port is not None and port != DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{name}{f':{port}' if has_port else ''}", parts.path or "/"


def _address(connect: str) -> tuple[str, int]:
    host, _, port = connect.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise click.UsageError(f"--connect {connect}: must be HOST:PORT")
    return host.strip("[]"), int(port)


def _check_doorkey(settings: Settings, doorkey: Doorkey) -> Iterator[Finding]:
    """What is the same for all providers: the address, its cookies, the store."""
    if settings.development:
        what = "Nothing is configured here: this is the built-in development provider, and not yours."
        yield Finding(WARNING, what, "Settings come from the environment and from config.env in this folder.")
    secure = settings.own_url.startswith("https://")
    cookies = "Secure cookies of this host alone" if secure else "cookies without Secure, for this machine only"
    yield Finding(OK if secure else NOTE, f"People open {settings.own_url}, with {cookies}.")
    yield from _check_store(settings, doorkey)
    if settings.allowed_hosts:
        yield from _check_gate(settings, doorkey)


def _check_gate(settings: Settings, doorkey: Doorkey) -> Iterator[Finding]:
    """What the hosts behind the gate need."""
    rules = len(doorkey.gate.policy.current().rules.rules)
    who = f"by the {rules} rules of {settings.policy_file}" if settings.policy_file else "to whoever is signed in"
    yield Finding(OK, f"The gate is open {who}, at {', '.join(settings.allowed_hosts)}.")
    names = [pattern.partition(":")[0] for pattern in settings.allowed_hosts]
    outside = [name for name in names if not doorkey.gate.cookies.reaches(name.removeprefix("*."))]
    if outside:
        what = f"{', '.join(outside)}: the cookie of a sign-in does not get there, so each has one of its own."
        yield Finding(NOTE, what, "The proxy must hand /.doorkey/accept of these hosts to Doorkey.")
    if not settings.trusted_proxies:
        what = "Sign-ins are counted by the proxy's address, for all visitors together."
        yield Finding(NOTE, what, "Name the proxy in DOORKEY_TRUSTED_PROXIES (127.0.0.1 when it is on this machine).")


def _check_store(settings: Settings, doorkey: Doorkey) -> Iterator[Finding]:
    """Is it the right kind of server, set up as it should be, and can it be used?"""
    try:
        for concern in doorkey.sessions.store_concerns():
            yield Finding(WARNING, concern, "See docs/sessions.md.")
        doorkey.sessions.check_store()
        yield Finding(OK, f"Sessions can be written and read ({settings.session_store.kind}).")
    except SettingsError as error:
        yield Finding(FAILED, "; ".join(error.problems), "See DOORKEY_SESSION_STORE.", error)
    except StoreUnavailable as error:
        yield Finding(FAILED, f"{error.message} ({error.detail})", "See DOORKEY_SESSION_STORE.", error)


def _tell(name: str, findings: Iterator[Finding], as_json: bool, *, failure: int = UNUSABLE) -> int:
    """Print each finding as it comes; the exit code of the first failure, or 0. `failure` has no error of its own."""
    code = 0
    if not as_json:
        click.echo(name)
    for finding in map(_clean, findings):
        if as_json:
            line = {"of": name, "result": finding.result, "what": finding.what, "hint": finding.hint}
            click.echo(json.dumps(line | {"error": finding.error.code if finding.error else None}))
        else:
            result = finding.result.upper() if finding.result == FAILED else finding.result
            click.echo(f"  {result:<8} {finding.what}")
            if finding.hint:
                click.echo(f"  {'':<8} {finding.hint}")
        if finding.result == FAILED:
            code = code or (_exit_code(finding.error) if finding.error else failure)
    return code


def _clean(finding: Finding) -> Finding:
    """A terminal obeys what is not text."""
    return replace(finding, what=clean_text(finding.what, limit=LONGEST), hint=clean_text(finding.hint, limit=LONGEST))


def _exit_code(error: DoorkeyError) -> int:
    if isinstance(error, TokenRefused | AuthorizationRefused | PushedRequestRefused):
        return REFUSED
    if isinstance(error, IdTokenInvalid | IssuerMismatch | StateMismatch) or (
        isinstance(error, MetadataInvalid) and error.contradicts
    ):
        return NOT_WHO_IT_SHOULD_BE
    return UNUSABLE
