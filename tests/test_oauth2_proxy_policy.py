"""After a move from oauth2-proxy nobody gets in who could not before: policies made by the import, asked."""

import re
from itertools import product
from pathlib import Path

import pytest

from doorkey.cli.oauth2_proxy_options import LIST, LOCKED, OPTIONS
from doorkey.cli.oauth2_proxy_routes import plain_paths
from tests.support.oauth2_proxy import BASE, Importer, moved

PEOPLE = BASE.replace('email_domains = ["*"]\n', "")


def test_a_star_is_whoever_is_signed_in() -> None:
    done = moved(BASE)
    assert done.lets_in("somebody@anywhere.example")
    assert not done.is_open("/")
    assert "NOBODY" not in done.out


def test_domains_let_in_their_own_people_only() -> None:
    done = moved(PEOPLE + 'email_domains = ["Example.com", ".sub.example.org"]')
    assert done.lets_in("a@example.com")
    assert done.lets_in("a@x.sub.example.org")
    for stranger in ("a@evil.example", "a@example.com.evil.example", "a@sub.example.org", ""):
        assert not done.lets_in(stranger)


def test_an_address_of_the_list_is_enough_without_the_domain(tmp_path: Path) -> None:
    emails = tmp_path / "emails"
    emails.write_text('# friends\nBob@Friend.example\n  "eve@friend.example"  \nnobody\n@x\n')
    done = moved(PEOPLE + f'email_domains = ["example.com"]\nauthenticated_emails_file = "{emails}"')
    assert done.lets_in("a@example.com")
    assert done.lets_in("bob@friend.example")
    assert done.lets_in("eve@friend.example")
    assert not done.lets_in("mallory@friend.example")


def test_address_and_group_must_both_fit() -> None:
    done = moved(PEOPLE + 'email_domains = ["example.com"]\nallowed_groups = ["dev", "ops"]')
    assert done.lets_in("a@example.com", "ops")
    assert not done.lets_in("a@example.com", "other")
    assert not done.lets_in("a@elsewhere.example", "ops")


def test_roles_of_keycloak_are_groups_from_its_claim(tmp_path: Path) -> None:
    done = Importer(tmp_path)(
        BASE.replace('"oidc"', '"keycloak-oidc"') + 'allowed_roles = ["admin"]\nallowed_groups = ["role:lead"]'
    )
    assert done.settings.providers[0].claim_groups == "realm_access.roles"
    assert done.lets_in("a@example.com", "admin")
    assert done.lets_in("a@example.com", "lead")
    assert not done.lets_in("a@example.com", "dev")


def test_groups_and_roles_together_keep_the_groups_and_say_so() -> None:
    done = moved(BASE + 'allowed_roles = ["admin"]\nallowed_groups = ["dev"]')
    assert done.lets_in("a@example.com", "dev")
    assert not done.lets_in("a@example.com", "admin")
    assert done.is_loud("allowed_roles")


@pytest.mark.parametrize("option", [name for name, option in OPTIONS.items() if option.fate == LOCKED])
def test_a_restriction_that_cannot_be_said_lets_nobody_in(option: str) -> None:
    value = '["x"]' if OPTIONS[option].kind == LIST else '"x"'
    done = moved(BASE + f"{option} = {value}")
    assert done.is_locked
    assert option in done.policy_text
    assert not done.lets_in("a@example.com", "x")
    assert not done.lets_in("nobody@nobody.invalid", "x")


@pytest.mark.parametrize(
    "lines",
    [
        "",
        'authenticated_emails_file = "/nowhere/emails"',
        "email_domains = []",
        'email_domains = ["not a domain"]',
        'email_domains = ["*"]\nallowed_team = "x"',
        'email_domains = ["*"]\nentra_id_allowed_tenants = ["a", "b"]\nprovider = "entra-id"',
    ],
)
def test_when_it_is_not_known_who_could_nobody_can(lines: str) -> None:
    rest = PEOPLE.replace('provider = "oidc"\n', "") if "provider" in lines else PEOPLE
    done = moved(rest + lines)
    assert done.is_locked
    assert not done.lets_in("a@example.com")


def test_a_lock_does_not_close_what_was_open_to_everybody() -> None:
    done = moved(BASE + 'github_org = "acme"\nskip_auth_routes = ["^/public"]')
    assert done.is_locked
    assert done.is_open("/public/x")


def test_an_exact_path_is_open_and_nothing_below_it() -> None:
    done = moved(BASE + 'skip_auth_routes = ["GET=^/health$"]')
    assert done.is_open("/health")
    assert not done.is_open("/health", "POST")
    assert not done.is_open("/health/secret")
    assert not done.is_open("/healthy")


def test_what_is_below_a_folder_is_open_and_the_folder_is_not() -> None:
    done = moved(BASE + 'skip_auth_regex = ["^/static/"]')
    assert done.is_open("/static/a/b.js")
    assert not done.is_open("/static")


def test_an_exact_path_does_not_close_another_opening() -> None:
    done = moved(BASE + 'skip_auth_routes = ["^/a$", "^/a/b", "^/a/c$"]')
    assert all(done.is_open(path) for path in ("/a", "/a/b", "/a/b/x"))
    assert not done.is_open("/a/d")


@pytest.mark.parametrize(
    "route", ["GET!=^/api", "!=^/x", "^/api=x", "^/x?a=b", "^/[a-z]+$", "(?i)^/x", "^/a.*b", "^/x?", "^/%2e", "^//x"]
)
def test_a_route_that_is_no_plain_path_stays_closed_and_is_named(route: str) -> None:
    done = moved(BASE + f"skip_auth_routes = ['{route}']")
    assert done.is_loud("skip_auth_routes")
    assert route in done.out
    assert "anyone" not in done.policy_text


EXPRESSION_LIST = r"""
    ^/api ^/api/ ^/api/.* ^/api/.*$ ^/api$ /api ^/(api|app)/ ^/(api|app)$ ^/api(/.*)?$ ^/api/?$ ^/api(/|$) ^/a|^/b/
    ^/a.js$ ^/a\.js$ ^/ .* ^/a/b$ ^/a|b a$ ^/a+ ^/a(b|)$ ^/api/v(1|2)/x ^/ap(i|p/a)$ ^/$ ^ ^/api/$ ^/a\.*
    ^/(a|b)+$ ^(/a|/b)$ ^/api(/.*)? ^/a$|^/b (/a) ^/(a|b)/(x|ab)$ ^/api(/|$)x ^/a()b
"""
EXPRESSIONS = EXPRESSION_LIST.split()
PIECES = ("", "a", "b", "api", "app", "apis", "a.js", "axjs", "v1", "x", "ab")
PATHS = ["/" + "/".join(piece for piece in pieces if piece) for pieces in product(PIECES, repeat=3)]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_no_path_is_open_that_the_expression_did_not_open(expression: str) -> None:
    done = moved(BASE + f"skip_auth_regex = ['{expression}', 'never\\d']")
    opened = [path for path in sorted(set(PATHS)) if done.is_open(path)] if plain_paths(expression) else []
    assert [path for path in opened if not re.search(expression, path)] == []


@pytest.mark.parametrize(
    "expression",
    ["^/api", "^/api/.*", "^/api/.*$", "^/api(/.*)?$", "^/(api|x)/", "^/a|^/api/", r"^/api/a\.js$", "/api", "^/"],
)
def test_the_usual_expressions_open_what_they_opened(expression: str) -> None:
    assert moved(BASE + f"skip_auth_routes = ['{expression}']").is_open("/api/a.js")


def test_preflight_requests_pass_as_before() -> None:
    done = moved(BASE + "skip_auth_preflight = true")
    assert done.is_open("/x", "OPTIONS")
    assert not done.is_open("/x", "GET")


def test_an_api_is_never_redirected_and_not_opened() -> None:
    done = moved(BASE + 'api_routes = ["^/api"]')
    assert done.rule("/api/x").login == "never"
    assert done.rule("/x").login == "auto"
    assert not done.is_open("/api/x")
    assert moved(BASE + "force_json_errors = true").rule("/x").login == "never"


def test_the_access_token_goes_on_only_if_it_did() -> None:
    assert moved(BASE + "pass_access_token = true").rule("/").headers == {"access-token"}
    assert moved(BASE).rule("/").headers == frozenset()


def test_a_group_cannot_end_its_text() -> None:
    group = 'x"] }\n[[rule]]\nname = "evil"\nallow = "anyone"\n#\x7f😀'
    done = moved(
        BASE
        + "allowed_groups = ["
        + '"'
        + group.replace('"', '\\"').replace("\n", "\\n").replace("\x7f", "\\u007f")
        + '"]'
    )
    assert not done.is_open("/")
    assert done.lets_in("a@example.com", group)
