"""Random policies, people and gate tokens: few names, so that rules and requests meet."""

import json
from typing import Any

from msgspec.structs import replace

from doorkey.oauth.user_info import Identity
from tests.gate.reference.choices import Choices

GROUPS = ("admins", "ops", "staff", "ops, all", "100%", "ünï;x")
SCOPES = ("read", "reports", "host:app.example.com", "host:*.apps.example.com", "host:other.example.org")
HOSTS = (
    *("app.example.com", "*.apps.example.com", "*.example.com", "other.example.org", "login.example.com"),
    *("tool.example.com:8443", "a.b.apps.example.com", "127.0.0.1:8000", "APP.example.com"),
)
PATHS = (
    *(
        "/admin",
        "/admin",
        "/static",
        "/admin",
        "/public",
        "/",
        "/admin",
        "/admin/users",
        "/admin/",
        "/static",
        "/public",
        "/.doorkey",
        "/a",
    ),
    *("/api/**/reports/*.csv", "/**/edit", "/adm*", "/static/*", "/*/users", "/**", "/a/**/b/**/c", "/*.*"),
)
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PROPFIND")
CONDITIONS: dict[str, list[Any]] = {
    "emails": ["una@example.com", ["UNA@EXAMPLE.COM", "bo@it.example.com"], "k@example.com"],
    "domains": ["example.com", "*.example.com", ["example.org", "it.example.com"]],
    "groups": ["admins", ["ops", "staff"], "ops, all", "ünï;x"],
    "claims": [{"department": ["it", "hr"]}, {"address.country": "DE"}, {"level": 1}, {"staff": True}, {"a.b": "x"}],
    "scopes": ["read", ["reports", "write"]],
}

TOKEN_SECONDS = (10**6, 60, 1000)


def toml(value: Any) -> str:
    """Texts, lists and inline tables; JSON's texts are TOML's."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


NAMES = ("", '<b>&amp;"quoted"', " behind a space")
ALLOW = (*["signed-in"] * 4, "anyone", "anyone", "nobody", "table", "table", "tables")
LOGINS: Any = ([], [], [], [], "always", "never")
PROVIDERS: Any = ([], [], [], [], [], [], [], "stub", "other")
HEADERS: Any = ([], [], ["assertion"], ["assertion"], ["access-token"], ["assertion", "access-token"])


def random_policy(choices: Choices) -> str:
    """The text of a policy file: a main list, and two named ones."""
    text = ""
    for table, fewest, most in (("rule", 0, 5), ("policy.admins", 1, 2), ("policy.staff", 0, 2)):
        for number in range(fewest + choices.number(most - fewest + 1)):
            rule = {"name": f"rule {number}{NAMES[number % 3]}", **random_rule(choices)}
            text += f"[[{table}]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in rule.items())
    return text


def random_rule(choices: Choices) -> dict[str, Any]:
    allow: Any = choices.of(ALLOW)
    if allow in ("table", "tables"):
        allow = [random_condition(choices) for _ in range(len(allow) - 4)]
    rule = {
        "allow": allow,
        "host": choices.some(HOSTS, 2) if choices.number(2) else (),
        "path": choices.some(PATHS, 2),
        "methods": choices.some(METHODS, 2) if choices.number(2) else (),
        "login": choices.of(LOGINS),
        "provider": choices.of(PROVIDERS),
        "headers": choices.of(HEADERS),
    }
    if allow == "anyone":
        del rule["provider"]  # which means nothing there, and is refused
    return {key: value for key, value in rule.items() if value not in ([], ())}


def random_condition(choices: Choices) -> dict[str, Any]:
    names = (*choices.some(sorted(CONDITIONS), 1), choices.of(sorted(CONDITIONS)))
    return {name: choices.of(CONDITIONS[name]) for name in names}


def random_person(choices: Choices) -> Identity:
    person = choices.mostly(USUAL_PEOPLE, ODD_PEOPLE, 3)
    return replace(person, groups=person.groups + random_groups(choices))


def random_groups(choices: Choices) -> tuple[str, ...]:
    return choices.some(GROUPS, 3)


def random_scopes(choices: Choices) -> tuple[str, ...]:
    return choices.some(SCOPES[:2], 2)


def random_token(choices: Choices) -> tuple[str, tuple[str, ...], tuple[str, ...], int]:
    """User, scopes, groups, seconds."""
    user = choices.of(("job", "b\xfcro <1>"))
    return user, choices.some(SCOPES, 2), random_groups(choices), choices.of(TOKEN_SECONDS)


USUAL_PEOPLE = (
    Identity("stub", "una", name="Una Ünsal", email="Una@Example.com", claims={"department": "it", "level": 1}),
    Identity("stub", "bo-1", alias="Bö 100%, ;", name="Bö <b>", email="bo@it.example.com", claims={"a.b": "x"}),
    Identity("other", "una", email="una@example.com", claims={"email_verified": False, "staff": True}),
    Identity(
        "other", "cy", name="C", email="cy@example.com@example.org", claims={"address": {"country": ["FR", "DE"]}}
    ),
    Identity("stub", "kay", email="\u212a@example.com", claims={"level": True, "staff": 1, "email_verified": "true"}),
)
ODD_PEOPLE = (
    Identity("stub", "over", name="N" * (2601 - len("overstub0123456789abcdef"))),
    Identity("stub", "more", name="N" * (1301 - len("morestub0123456789abcdef"))),
    Identity("stub", "many", name="N" * 700, email="m@example.com", groups=tuple(f"{n}-ünïcödé" for n in range(90))),
    Identity("stub", "l", alias="l" * 1400, name="long", email="l" * 300 + "@example.com"),
    Identity("stub", "longer", alias="%" * 900, name="longer than all headers"),
    Identity("stub", "wordy", name="N" * 1500, groups=tuple(f"{n} ünï" for n in range(80))),
    Identity("stub", "full", name="N" * (2600 - len("fullstub0123456789abcdef"))),
    Identity("stub", "over", name="N" * (2601 - len("overstub0123456789abcdef"))),
    Identity("stub", "half", name="N" * (1300 - len("halfstub0123456789abcdef"))),
    Identity("stub", "more", name="N" * (1301 - len("morestub0123456789abcdef"))),
    Identity("stub", "u", alias="u" * 1300),
    Identity("stub", "v", alias="v" * 1301),
    Identity("doorkey.check", "probe"),
    Identity("stub"),
    Identity("stub", "dots", email="d@.example.com", groups=tuple("abcdefgh" * 13)),
)
