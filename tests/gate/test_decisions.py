"""The table of cases of `decide()`, without HTTP: who asks for what under which rule, and what comes of it."""

import pytest

from doorkey.gate.decide import Caller, Decision, decide, demand
from doorkey.gate.original_request import Headers, Original, original
from doorkey.gate.policy import Condition
from doorkey.gate.policy_text import load_policy
from doorkey.oauth.user_info import Identity

NOW = 1000.0
POLICY = """
[[rule]]
name = "static"
path = ["/static", "/favicon.ico"]
methods = ["GET", "HEAD"]
allow = "anyone"

[[rule]]
name = "admins"
host = "app.example.com"
path = "/admin"
allow = [{ groups = ["admins"] }, { emails = ["root@example.com"] }]

[[rule]]
name = "corp"
path = "/corp"
allow = "signed-in"
provider = "corp"

[[rule]]
name = "api"
path = "/api"
allow = { scopes = ["api:read"] }
login = "never"

[[rule]]
name = "corp admins"
path = "/both"
allow = { groups = ["admins"] }
provider = "corp"

[[rule]]
name = "always"
path = "/always"
allow = "signed-in"
login = "always"
"""
RULES = load_policy(POLICY).rules


def person(*groups: str, provider: str = "stub", email: str = "", ends: float = NOW + 1) -> Caller:
    return Caller(Identity(provider, "bob", email=email, groups=groups), ends, ("read",), session="public-id")


def token(*scopes: str, groups: tuple[str, ...] = (), ends: float = NOW + 1) -> Caller:
    return Caller(Identity("doorkey.token", "robot", groups=groups), ends, scopes)


def asked(target: str, method: str = "GET", host: str = "app.example.com", accept: str = "text/html") -> Original:
    return original(method, "https", host, target, Headers([(b"accept", accept.encode())]))


NOBODY, BOB, ADMIN = None, person("staff"), person("staff", "admins")
ROOT, CORP = person(email="Root@Example.com"), person(provider="corp")
CASES = [
    # who, method and target, verdict, reason, rule
    (NOBODY, "GET /static/x.css", "allow", "anyone", "static"),
    (NOBODY, "HEAD /favicon.ico", "allow", "anyone", "static"),
    (NOBODY, "POST /static/x.css", "log_in", "no_session", "signed-in"),
    (NOBODY, "OPTIONS /static/x.css", "log_in", "no_session", "signed-in"),
    (NOBODY, "get /static/x.css", "log_in", "no_session", "signed-in"),
    (NOBODY, "GET /staticx", "log_in", "no_session", "signed-in"),
    (NOBODY, "GET /static/../admin", "log_in", "no_session", "signed-in"),
    (NOBODY, "GET /static/%2e%2e/admin", "log_in", "no_session", "signed-in"),
    (NOBODY, "GET /static//x", "log_in", "no_session", "signed-in"),
    (NOBODY, "GET /admin?/static/", "log_in", "no_session", "admins"),
    (NOBODY, "GET /", "log_in", "no_session", "signed-in"),
    (NOBODY, "GET /api/x", "log_in", "no_session", "api"),
    (BOB, "GET /static/x.css", "allow", "anyone", "static"),
    (BOB, "GET /", "allow", "signed_in", "signed-in"),
    (BOB, "DELETE /", "allow", "signed_in", "signed-in"),
    (BOB, "GET /admin", "forbid", "not_allowed:admins", "admins"),
    (BOB, "GET /static/../admin/x", "forbid", "not_allowed:admins", "admins"),
    (BOB, "GET //admin", "forbid", "not_allowed:admins", "admins"),
    (BOB, "GET /admin/..", "forbid", "not_allowed:admins", "admins"),
    (BOB, "GET /adminx", "allow", "signed_in", "signed-in"),
    (ADMIN, "GET /admin/x", "allow", "signed_in", "admins"),
    (ADMIN, "GET /x/../admin/x", "allow", "signed_in", "signed-in"),
    (ROOT, "GET /admin", "allow", "signed_in", "admins"),
    (BOB, "GET /corp", "log_in", "other_provider", "corp"),
    (CORP, "GET /corp", "allow", "signed_in", "corp"),
    (CORP, "GET /both", "forbid", "not_allowed:corp admins", "corp admins"),
    (ADMIN, "GET /both", "log_in", "other_provider", "corp admins"),
    (person("admins", provider="corp"), "GET /both", "allow", "signed_in", "corp admins"),
    (BOB, "GET /api", "forbid", "not_allowed:api", "api"),
    (token("api:read"), "GET /api", "allow", "signed_in", "api"),
    (token("api:reader", "api"), "GET /api", "forbid", "not_allowed:api", "api"),
    (token("api:read"), "GET /", "allow", "signed_in", "signed-in"),
    (token("api:read"), "GET /corp", "forbid", "not_allowed:corp", "corp"),
    (token(), "GET /admin", "forbid", "not_allowed:admins", "admins"),
    (token(groups=("admins",)), "GET /admin", "allow", "signed_in", "admins"),
    (person("admins", ends=NOW), "GET /admin", "log_in", "expired", "admins"),
    (person("admins", ends=NOW), "GET /static/x.css", "allow", "anyone", "static"),
    (person("admins", ends=NOW - 1), "GET /corp", "log_in", "expired", "corp"),
    (token("api:read", ends=NOW), "GET /api", "log_in", "expired", "api"),
]


@pytest.mark.parametrize(("who", "line", "verdict", "reason", "rule"), CASES)
def test_the_table(who: Caller | None, line: str, verdict: str, reason: str, rule: str) -> None:
    method, _, target = line.partition(" ")
    decision = decide(who, asked(target, method), RULES, NOW)
    assert (decision.verdict, decision.reason, decision.rule.name) == (verdict, reason, rule)


def test_a_known_person_who_is_refused_is_never_asked_to_sign_in() -> None:
    """R15: a 401 would send them round and round."""
    for caller in (BOB, CORP, token()):
        assert decide(caller, asked("/admin"), RULES, NOW).verdict == "forbid"


def test_whoever_is_let_in_by_a_rule_for_anyone_is_nobody() -> None:
    decision = decide(ADMIN, asked("/static/x"), RULES, NOW)
    assert (decision.verdict, decision.caller) == ("allow", None)


def test_a_rule_of_another_host_does_not_count() -> None:
    assert decide(BOB, asked("/admin", host="two.example.com"), RULES, NOW).verdict == "allow"


def test_a_refusal_says_what_is_missing() -> None:
    assert decide(BOB, asked("/admin"), RULES, NOW).missing == "groups"
    assert decide(token(), asked("/corp"), RULES, NOW).missing == "provider"


def test_why_there_is_no_session_is_passed_on() -> None:
    assert decide(None, asked("/"), RULES, NOW, absent="invalid_token").reason == "invalid_token"


def test_the_strictest_of_several_readings_decides_in_any_order() -> None:
    rule = '[[rule]]\nname = "{0}"\npath = "/{0}"\nallow = {{ groups = ["{1}"] }}\n'
    for first, second in (("staff", "admins"), ("admins", "staff")):
        rules = load_policy(rule.format("a", first) + rule.format("b", second)).rules
        for target in ("/a/../b", "/b/../a", "/a/..%2fb", "/b/..;/a"):
            assert decide(BOB, asked(target), rules, NOW).verdict == "forbid"
            assert decide(ADMIN, asked(target), rules, NOW).verdict == "allow"


@pytest.mark.parametrize(
    ("target", "accept", "sent"),
    [
        ("/", "text/html", True),
        ("/", "application/json", False),
        ("/api/x", "text/html", False),
        ("/always", "application/json", True),
    ],
)
def test_who_is_sent_to_the_sign_in_page_can_be_set_by_rule(target: str, accept: str, sent: bool) -> None:
    request = asked(target, accept=accept)
    assert decide(None, request, RULES, NOW).sends_away(request) is sent


def test_more_demands_only_restrict() -> None:
    demands = (Condition(groups=frozenset(["admins"])), Condition(domains=("example.com",)))
    good = person("admins", email="x@example.com")

    def verdict(caller: Caller | None, target: str = "/") -> Decision:
        return demand(decide(caller, asked(target), RULES, NOW), demands)

    assert verdict(good).verdict == "allow"
    assert verdict(ADMIN).verdict == verdict(person(email="x@example.com")).verdict == "forbid"
    assert verdict(None).verdict == "log_in"
    assert verdict(person("admins", email="x@example.com", ends=0)).verdict == "log_in"
    assert verdict(good, "/api").verdict == "forbid"
