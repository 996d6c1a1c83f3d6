"""Doorkey as users start it: `python -m doorkey serve`, settings from the environment, a policy file.

The rules are made for 50 hosts with path prefixes, methods and groups. However many there are, the requests of
targets.py meet one of the last, so that nobody is quick by being first in the file.
"""

import os
from collections.abc import Mapping, Sequence

from benchmarks.peers import DEV_CLIENT, DEV_SECRET, USER
from benchmarks.servers import Server, Servers, free_port, python
from benchmarks.targets import HOST, Target, insist_on_checks

SECRET_KEY = "a-key-for-benchmarks-0123456789-abcdefghij"
DOMAIN_COOKIE = "__Secure-doorkey-gate"
PROVIDER = "stub"
HOSTS = 50
FORBIDDEN_PATH = "/closed/door"
FULL_RULES = 200
"""The rules of every section that does not vary them: 50 hosts, four rules each."""

SETTINGS = {
    "DOORKEY_CONFIG": os.devnull,
    "DOORKEY_SECRET_KEY": SECRET_KEY,
    "DOORKEY_RATE_LIMIT": "0",
    "DOORKEY_PUBLIC_URL": "https://login.example.com",
    "DOORKEY_COOKIE_DOMAIN": "example.com",
}
NOBODYS_PROVIDER = {
    "DOORKEY_PROVIDERS": PROVIDER,
    "DOORKEY_PROVIDER_STUB_AUTHORIZATION_ENDPOINT": "http://127.0.0.1:9/authorize",
    "DOORKEY_PROVIDER_STUB_TOKEN_ENDPOINT": "http://127.0.0.1:9/token",
    "DOORKEY_PROVIDER_STUB_USERINFO_ENDPOINT": "http://127.0.0.1:9/userinfo",
    "DOORKEY_PROVIDER_STUB_CLIENT_ID": "client",
    "DOORKEY_PROVIDER_STUB_CLIENT_SECRET": "secret-of-the-client",
}
"""Nobody asks it: sessions are seeded."""


def dev_provider_settings(issuer: str) -> dict[str, str]:
    """The development provider at `issuer`, told to let somebody in without asking."""
    prefix = "DOORKEY_PROVIDER_DEV"
    return {
        "DOORKEY_PROVIDERS": "dev",
        f"{prefix}_ISSUER": issuer,
        f"{prefix}_CLIENT_ID": DEV_CLIENT,
        f"{prefix}_CLIENT_SECRET": DEV_SECRET,
        f"{prefix}_SCOPE": "openid profile email groups",
        f"{prefix}_AUTHORIZATION_PARAMS": f"prompt=none&login_hint={USER}",
    }


def hosts() -> list[str]:
    return [f"app-{number:02}.example.com" for number in range(HOSTS)]


def rules(count: int) -> str:
    """A policy file of `count` rules, at least four: for every host the last ones are those that are met."""
    if count < 4:
        raise ValueError("at least four: nobody, two for groups, one for staff")
    named = hosts()
    met = [*_met(HOST)]
    others = [other for other in named if other != HOST]
    filler = [_filler(others, number) for number in range(count - len(met))]
    return "\n".join([*filler, *met])


def _met(host: str) -> list[str]:
    """Those that decide about the requests of the benchmark."""
    return [
        _rule(f"closed at {host}", host, ["/closed"], 'allow = { groups = ["nobody-is-in-it"] }'),
        _rule(f"a and b at {host}", host, ["/app/a", "/app/b"], 'allow = { groups = ["ops", "team-5"] }'),
        _rule(f"c at {host}", host, ["/app/c"], 'methods = ["GET", "HEAD"]\nallow = { domains = ["example.com"] }'),
        _rule(f"the rest at {host}", host, ["/app"], 'allow = { groups = ["admins", "team-6"] }'),
    ]


def _filler(others: Sequence[str], number: int) -> str:
    """Every fourth is for the host that is asked for, with a path that nobody asks for."""
    host = HOST if number % 4 == 0 else others[number % len(others)]
    paths = [f"/area-{number}", f"/api/v{number}"]
    return _rule(f"rule {number}", host, paths, f'allow = {{ groups = ["group-{number}"] }}')


def _rule(name: str, host: str, paths: Sequence[str], rest: str) -> str:
    listed = ", ".join(f'"{path}"' for path in paths)
    return f'[[rule]]\nname = "{name}"\nhost = "{host}"\npath = [{listed}]\n{rest}\n'


def start_doorkey(
    servers: Servers,
    name: str,
    store: str,
    *,
    provider: Mapping[str, str] = NOBODYS_PROVIDER,
    rule_count: int = FULL_RULES,
    workers: int = 1,
    ca_bundle: str = "",
) -> Server:
    """On the server core; `store` is a value of DOORKEY_SESSION_STORE, `provider` its settings."""
    folder = servers.folder / f"doorkey-{name}"
    folder.mkdir()
    policy = folder / "policy.toml"
    policy.write_text(rules(rule_count))
    environment = {
        **SETTINGS,
        **provider,
        "DOORKEY_SESSION_STORE": store,
        "DOORKEY_ALLOWED_HOSTS": ", ".join(hosts()),
        "DOORKEY_POLICY_FILE": str(policy),
        "DOORKEY_INSTANCE": str(folder / "instance"),
        "DOORKEY_CA_BUNDLE": ca_bundle,
        "WEB_CONCURRENCY": str(workers),
    }
    port = free_port()
    command = python("-m", "doorkey", "serve", "--port", str(port))
    return servers.start(f"doorkey-{name}", command, port, environment)


def check_target(name: str, doorkey: Server, cookies: Sequence[str], *more: Server) -> Target:
    """The check of nginx; `more` are servers whose CPU counts too, such as Redis. It is proved to work first."""
    target = Target(name, doorkey.port, (doorkey, *more), cookies, path="/check/nginx")
    prove(target)
    return target


def prove(target: Target, header: str = "x-doorkey-user") -> None:
    made_up = f"{DOMAIN_COOKIE}={'A' * 43}"
    insist_on_checks(target, made_up=made_up, forbidden=FORBIDDEN_PATH, header=header)
