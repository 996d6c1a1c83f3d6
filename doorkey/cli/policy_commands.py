"""`doorkey policy check [FILE]`: can the policy be read, and does every rule mean something here?

Exit codes: 0 it can be used, 1 it can be used and something looks wrong, 2 it cannot be read.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from doorkey.cli.settings_errors import load_settings
from doorkey.gate.parts import guarded_hosts
from doorkey.gate.policy import Policy, Rule, RuleSet
from doorkey.gate.policy_file import read_policy
from doorkey.gate.policy_text import PolicyError
from doorkey.settings import Settings


@click.group("policy")
def command() -> None:
    """Check the policy file."""


@command.command("check")
@click.argument("file", required=False)
def check(file: str | None) -> None:
    """Read FILE, or the one that DOORKEY_POLICY_FILE names, and say every mistake with its line."""
    settings = load_settings()
    path = file or settings.policy_file
    if not path:
        raise click.UsageError("DOORKEY_POLICY_FILE is not set, so whoever is signed in is let in; or name a FILE")
    providers = frozenset(provider.id for provider in settings.providers) or frozenset(["dev"])
    try:
        policy = read_policy(Path(path), providers)
    except PolicyError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        raise SystemExit(2) from None
    doubts = list(_doubts(policy, settings))
    for doubt in doubts:
        click.echo(doubt, err=True)
    lists = {"": policy.rules, **policy.named}
    rules = sum(len(found.rules) for found in lists.values())
    click.echo(f"{path}: {rules} rules" + (f", named policies: {', '.join(policy.named)}" if policy.named else ""))
    raise SystemExit(1 if doubts else 0)


def _doubts(policy: Policy, settings: Settings) -> Iterator[str]:
    guarded = guarded_hosts(settings)
    for rules in (policy.rules, *policy.named.values()):
        for rule in rules.rules:
            for host in rule.hosts:
                if not host.startswith("*.") and not guarded.has(host):
                    yield f"line {rule.line}: rule {rule.name!r}: {host} is not in DOORKEY_ALLOWED_HOSTS"
        yield from _never_reached(rules)


def _never_reached(rules: RuleSet) -> Iterator[str]:
    """A rule behind one that fits everything that it does."""
    catch_all: Rule | None = None
    for rule in rules.rules:
        if catch_all:
            yield f"line {rule.line}: rule {rule.name!r} is never reached: {catch_all.name!r} fits every request"
        elif not (rule.hosts or rule.paths or rule.methods or rule.allow.anyone):
            catch_all = rule
