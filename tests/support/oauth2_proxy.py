"""Imports of configurations of oauth2-proxy, and what came of them."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from click.testing import CliRunner

from doorkey.cli.import_oauth2_proxy import command, convert, report
from doorkey.cli.oauth2_proxy_reading import read_given
from doorkey.gate.policy import Policy, Rule
from doorkey.gate.policy_text import load_policy
from doorkey.oauth.user_info import Identity
from doorkey.settings import Settings, load

BASE = """
provider = "oidc"
oidc_issuer_url = "https://sso.example.com"
client_id = "web"
client_secret = "canary-client"
cookie_secret = "canary-cookie-16"
redirect_url = "https://login.example.com/oauth2/callback"
whitelist_domains = [".example.com"]
email_domains = ["*"]
"""


@dataclass
class Moved:
    """What a configuration became: what is said of it, and its policy."""

    out: str
    policy_text: str

    @property
    def is_locked(self) -> bool:
        return "NOBODY GETS IN" in self.out and "NOBODY GETS IN" in self.policy_text

    def is_loud(self, option: str) -> bool:
        return f"\n  ! {option}: " in self.out

    def lists(self, option: str) -> bool:
        return re.search(rf"^  (?:! |  ){re.escape(option)}: \S", self.out, re.MULTILINE) is not None

    @cached_property
    def policy(self) -> Policy:
        return load_policy(self.policy_text)

    def rule(self, path: str, method: str = "GET") -> Rule:
        """The rule that decides about a plain path."""
        return self.policy.rules.find("app.example.com", path, method, is_plain=True)

    def is_open(self, path: str, method: str = "GET") -> bool:
        """Whether everybody may open it."""
        return self.rule(path, method).allow.anyone

    def lets_in(self, email: str, *groups: str, path: str = "/") -> bool:
        """Whether this person may open what is not open to everybody."""
        rule = self.rule(path)
        identity = Identity(provider="oidc", sub="1", email=email, groups=groups)
        return not rule.allow.anyone and not rule.allow.missing(identity, ())


@dataclass
class Imported(Moved):
    """What one run of the command left behind."""

    code: int
    folder: Path

    @property
    def settings(self) -> Settings:
        return load({"DOORKEY_CONFIG": str(self.folder / "config.env")})


def moved(text: str) -> Moved:
    """The same without a command line and without files, for many of them."""
    move = convert(read_given(text), Path())
    return Moved("\n".join(report(move, Path())), move.policy)


class Importer:
    """Imports a text, as if it came through a pipe."""

    def __init__(self, folder: Path):
        self.folder = folder / "out"

    def __call__(self, text: str, *more: str) -> Imported:
        arguments = ["-", "--out", str(self.folder), *more]
        done = CliRunner().invoke(command, arguments, input=text, catch_exceptions=False)
        policy = self.folder / "policy.toml"
        return Imported(done.output, policy.read_text() if policy.exists() else "", done.exit_code, self.folder)
