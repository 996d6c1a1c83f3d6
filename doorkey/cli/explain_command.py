"""`doorkey explain URL`: which rule of the policy decides about a request, and what it decides for whom.

Nothing is asked of a running Doorkey: it reads the same settings and the same file. Exit codes: 0 it was explained,
2 settings, a policy that cannot be read, or a URL that no browser asks for.
"""

import json
import time

import click

from doorkey.cli.settings_errors import fail, load_settings
from doorkey.errors import SettingsError
from doorkey.gate.decide import Caller
from doorkey.gate.explain import Explained, demands, explain
from doorkey.gate.original_request import Headers, OddRequest, Original, from_nginx
from doorkey.gate.parts import guarded_hosts, open_policy
from doorkey.oauth.user_info import Identity

VERDICTS = {"allow": "ALLOWED", "log_in": "HAS TO SIGN IN", "forbid": "FORBIDDEN"}


@click.command("explain")
@click.argument("url")
@click.option("--method", default="GET", show_default=True, help="Method of the request.")
@click.option("--policy", "name", default="", help="A named policy, as in /check/nginx/NAME.")
@click.option("--user", help="Suppose that this user is signed in; nobody is without it.")
@click.option("--email", help="Their e-mail address (the user name, when that is one).")
@click.option("--group", "groups", multiple=True, help="A group of theirs; may be given again.")
@click.option(
    "--claim", "claims", multiple=True, metavar="NAME=VALUE", help="A claim of theirs, VALUE as JSON or text."
)
@click.option("--scope", "scopes", multiple=True, help="A scope of their token.")
@click.option("--provider", default="", help="Where they signed in.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    url: str,
    method: str,
    name: str,
    user: str | None,
    email: str | None,
    groups: tuple[str, ...],
    claims: tuple[str, ...],
    scopes: tuple[str, ...],
    provider: str,
    as_json: bool,
) -> None:
    """Say which rule decides about a request to URL, and why."""
    settings = load_settings()
    try:
        policy = open_policy(settings).current()
    except SettingsError as error:
        fail(error)
    rules = policy.rules_of(name)
    if rules is None:
        raise click.UsageError(f"there is no policy {name}; there is {', '.join(policy.named) or 'none with a name'}")
    original = _original(url, method)
    caller = None
    if user is not None or groups or email:
        email = email if email is not None else user if user and "@" in user else ""
        told = dict(map(_claim, claims))
        only = settings.providers[0].id if len(settings.providers) == 1 else "dev" if settings.development else ""
        identity = Identity(
            provider=provider or only, sub=user or "somebody", email=email or "", groups=groups, claims=told
        )
        caller = Caller(identity, time.time() + 60, scopes, session="supposed")
    explained = explain(caller, original, rules, time.time())
    is_guarded = guarded_hosts(settings).has(original.authority)
    (_tell_json if as_json else _tell)(explained, original, caller, is_guarded)


def _original(url: str, method: str) -> Original:
    headers = [
        (b"x-original-url", url.encode("utf-8")),
        (b"x-original-method", method.encode()),
        (b"accept", b"text/html"),
    ]
    try:
        return from_nginx("GET", b"", b"", Headers(headers))
    except OddRequest as odd:
        odd_words = "is no URL that a browser asks for, such as https://app.example.com/path"
        raise click.UsageError(f"{url} {odd_words}" if "x-original-url" in str(odd) else f"{url}: {odd}") from None


def _claim(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"--claim {text}: must be NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _tell(explained: Explained, original: Original, caller: Caller | None, is_guarded: bool) -> None:
    decision = explained.decision
    click.echo(f"{original.method} {original.url}")
    if not is_guarded:
        click.echo(f"  FORBIDDEN for everybody: {original.authority} is not in DOORKEY_ALLOWED_HOSTS")
        return
    if not original.is_plain:
        click.echo(
            f"  The path can be read in several ways, so every one of them counts; decided as {explained.reading}"
        )
    for passed in explained.passed_over:
        click.echo(f"  passed over  {_place(passed.rule)}: {passed.because}")
    click.echo(f"  decides      {_place(decision.rule)}: lets in {demands(decision.rule)}")
    who = f"{caller.identity.user}" if caller else "somebody who is not signed in"
    missing = f", because of {decision.missing}" if decision.missing else ""
    click.echo(f"  {who}: {VERDICTS[decision.verdict]}{missing}")


def _place(rule: object) -> str:
    name, line = getattr(rule, "name", ""), getattr(rule, "line", 0)
    return f"{name} (line {line})" if line else f"{name} (no rule fits)" if name == "signed-in" else name


def _tell_json(explained: Explained, original: Original, caller: Caller | None, is_guarded: bool) -> None:
    decision = explained.decision
    told = {
        "url": original.url,
        "method": original.method,
        "guarded": is_guarded,
        "verdict": decision.verdict if is_guarded else "forbid",
        "reason": decision.reason if is_guarded else "host_not_allowed",
        "rule": decision.rule.name,
        "line": decision.rule.line,
        "missing": decision.missing,
        "user": caller.identity.user if caller else None,
        "canonical": original.is_plain,
        "passed_over": [{"rule": passed.rule.name, "because": passed.because} for passed in explained.passed_over],
    }
    click.echo(json.dumps(told))
