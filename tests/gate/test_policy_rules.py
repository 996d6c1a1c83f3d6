"""Which rule decides: the first that fits by host, path and method; and what a rule demands of somebody."""

import gc
import weakref
from typing import Any

import pytest

from doorkey.gate.policy import REMEMBERED, SIGNED_IN, Allow, Condition, Guarded, Rule, RuleSet
from doorkey.oauth.user_info import Identity
from tests.support.cpu_time import cpu_seconds

HOST = "app.example.com"


def found(rules: RuleSet, path: str = "/", *, host: str = HOST, method: str = "GET", is_plain: bool = True) -> str:
    return rules.find(host, path, method, is_plain=is_plain).name


def of_path(*patterns: str) -> RuleSet:
    return RuleSet([Rule("it", paths=patterns)])


# ---- order ----


def test_the_first_rule_that_fits_decides_however_specific_the_others_are() -> None:
    wide, exact = (
        Rule("wide", paths=("/a",)),
        Rule("exact", hosts=(HOST,), paths=("/a/b/c",), methods=frozenset(["GET"])),
    )
    assert found(RuleSet([wide, exact]), "/a/b/c") == "wide"
    assert found(RuleSet([exact, wide]), "/a/b/c") == "exact"
    assert found(RuleSet([exact, wide]), "/a/b") == "wide"


@pytest.mark.parametrize("turn", range(4))
def test_order_counts_across_hosts_globs_and_prefixes(turn: int) -> None:
    rules = [
        Rule("by host", hosts=(HOST,)),
        Rule("by suffix", hosts=("*.example.com",)),
        Rule("by glob", paths=("/**/c",)),
        Rule("by path", paths=("/a/b/c",)),
    ]
    turned = rules[turn:] + rules[:turn]
    assert found(RuleSet(turned), "/a/b/c") == turned[0].name


def test_no_rule_means_whoever_is_signed_in() -> None:
    assert RuleSet([]).find(HOST, "/", "GET", is_plain=True) is SIGNED_IN
    assert not SIGNED_IN.allow.anyone


def test_rules_for_anyone_are_passed_over_for_what_is_not_plain_and_the_others_count() -> None:
    rules = RuleSet([Rule("open", allow=Allow(anyone=True)), Rule("closed", paths=("/a",))])
    assert found(rules, "/a") == "open"
    assert found(rules, "/a", is_plain=False) == "closed"
    assert found(rules, "/b", is_plain=False) == "signed-in"


# ---- paths ----

PREFIXES = [
    (
        "/static",
        ["/static", "/static/", "/static/x", "/static/x/y"],
        ["/", "/staticx", "/stati", "/STATIC", "/x/static"],
    ),
    ("/a/b", ["/a/b", "/a/b/c"], ["/a", "/a/", "/a/bc", "/a/c/b"]),
    ("/", ["/", "/x"], []),
    ("/a/", ["/a", "/a/b"], ["/ab"]),
    ("/é x", ["/é x", "/é x/y"], ["/e x", "/%C3%A9%20x"]),
]
GLOBS = [
    ("/a/*", ["/a/x"], ["/a", "/a/", "/a/x/y", "/b/x"]),
    ("/a/*/c", ["/a/x/c"], ["/a/c", "/a/x/y/c", "/a/x/c/d"]),
    ("/a/**", ["/a", "/a/x", "/a/x/y"], ["/ab", "/b"]),
    ("/**/c", ["/c", "/a/c", "/a/b/c"], ["/c/d", "/xc", "/"]),
    ("/a/**/c/*.js", ["/a/c/x.js", "/a/b/b/c/x.js", "/a/c/c/.js"], ["/a/c/x.jsx", "/a/x.js", "/c/x.js"]),
    ("/**", ["/", "/a", "/a/b"], []),
    ("/*", ["/a"], ["/", "/a/b"]),
    ("/*.css", ["/a.css", "/.css"], ["/a.css/b", "/a.cs", "/acss"]),
    ("/a*b*c", ["/abc", "/axbxc", "/abbcc"], ["/ab", "/acb", "/abcd"]),
    ("/ab*ba", ["/abba", "/abxba"], ["/aba", "/ab"]),
    ("/a*aa*a", ["/aaaa", "/axaaxa"], ["/aaa", "/aa"]),
    ("/v*/x", ["/v1/x", "/v/x"], ["/x/x", "/v1/x/y"]),
    ("/**/a/**/b", ["/a/b", "/x/a/y/b", "/a/a/b/b"], ["/b/a", "/a", "/a/b/c"]),
    ("/**/*", ["/a", "/a/b"], ["/"]),
]


@pytest.mark.parametrize(("pattern", "fits", "fits_not"), PREFIXES + GLOBS)
def test_a_path_pattern_fits_by_segments(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    assert [path for path in fits if found(of_path(pattern), path) != "it"] == []
    assert [path for path in fits_not if found(of_path(pattern), path) == "it"] == []


def test_several_paths_and_several_hosts_are_alternatives() -> None:
    rules = RuleSet([Rule("it", hosts=("a.example", "*.b.example"), paths=("/x", "/y/*"))])
    fits = [
        (h, p)
        for h in ("a.example", "c.b.example", "b.example")
        for p in ("/x", "/y/z", "/y")
        if found(rules, p, host=h) == "it"
    ]
    assert fits == [(h, p) for h in ("a.example", "c.b.example") for p in ("/x", "/y/z")]


# ---- methods ----


def test_a_method_must_be_named_exactly() -> None:
    rules = RuleSet([Rule("it", methods=frozenset(["GET", "M-SEARCH"]))])
    assert [m for m in ("GET", "HEAD", "get", "GETX", "M-SEARCH", "OPTIONS") if found(rules, method=m) == "it"] == [
        "GET",
        "M-SEARCH",
    ]


# ---- hosts ----


@pytest.mark.parametrize(
    "host", ["apps.example.com", "xapps.example.com", "a.apps.example.com.evil.example", "apps.example.com:8443", "com"]
)
def test_a_suffix_fits_by_labels_and_never_the_bare_domain(host: str) -> None:
    rules = RuleSet([Rule("it", hosts=("*.apps.example.com",))])
    assert found(rules, host=host) == "signed-in"
    assert found(rules, host="a.apps.example.com") == found(rules, host="a.b.apps.example.com") == "it"


def test_a_host_with_a_port_is_another_host() -> None:
    rules = RuleSet([Rule("it", hosts=("tool.example.com:8443",)), Rule("apps", hosts=("*.apps.example.com:8443",))])
    assert found(rules, host="tool.example.com") == "signed-in"
    assert found(rules, host="tool.example.com:8443") == "it"
    assert found(rules, host="a.apps.example.com:8443") == "apps"


GUARDED = Guarded("login.example.com", ("app.example.com", "*.apps.example.com", "tool.example.com:8443"))


@pytest.mark.parametrize(
    "host", ["login.example.com", "app.example.com", "x.apps.example.com", "tool.example.com:8443"]
)
def test_hosts_behind_the_gate(host: str) -> None:
    assert GUARDED.has(host)


@pytest.mark.parametrize(
    "host",
    [
        *("apps.example.com", "xapps.example.com", "x.app.example.com", "app.example.com.evil.example", "example.com"),
        *(
            "app.example.com:8443",
            "app.example.com:80",
            "tool.example.com",
            "tool.example.com:8444",
            "localhost",
            "[::1]",
        ),
        *(
            "127.0.0.1",
            "login.example.com:8000",
            "x.apps.example.com:8443",
            ".apps.example.com",
            "evil.example",
            "",
            "com",
        ),
    ],
)
def test_hosts_that_are_not_behind_the_gate(host: str) -> None:
    assert not GUARDED.has(host)


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:3000", "[::1]:5", "127.8.9.1", "[::1]"])
def test_loopback_is_behind_the_gate_of_a_developer_only(host: str) -> None:
    assert Guarded("127.0.0.1:8000", loopback_too=True).has(host)
    assert not Guarded("127.0.0.1:8000").has(host)


@pytest.mark.parametrize(
    "host", ["localhost.evil.example", "127.0.0.1.nip.io", "2130706433", "0x7f.1", "[::]", "0.0.0.0", "[::1:2]"]
)
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    assert not Guarded("127.0.0.1:8000", loopback_too=True).has(host)


# ---- what a rule demands ----


def missing(allow: Condition | tuple[Condition, ...], scopes: tuple[str, ...] = (), **told: Any) -> str:
    conditions = allow if isinstance(allow, tuple) else (allow,)
    return Allow(conditions=conditions).missing(Identity("stub", "bob", **told), scopes)


def test_every_part_of_a_table_must_fit_and_any_of_its_values() -> None:
    table = Condition(groups=frozenset(["a", "b"]), domains=("example.com",), scopes=frozenset(["read"]))
    assert missing(table, ("read",), email="x@example.com", groups=("b",)) == ""
    assert missing(table, ("read",), email="x@example.com", groups=("c",)) == "groups"
    assert missing(table, ("read",), email="x@example.org", groups=("b",)) == "domains"
    assert missing(table, (), email="x@example.com", groups=("b",)) == "scopes"


def test_of_several_tables_one_must_fit() -> None:
    tables = Condition(groups=frozenset(["a"])), Condition(emails=frozenset(["x@example.com"]))
    assert missing(tables, email="x@example.com") == missing(tables, groups=("a",)) == ""
    assert missing(tables, email="y@example.com", groups=("b",)) == "groups"


@pytest.mark.parametrize(
    "groups", [(), ("",), ("ADMINS",), ("admin",), ("admins ",), ("xadmins",), ("a,admins",), ("admins,a",)]
)
def test_a_group_that_only_looks_like_it_does_not_fit(groups: tuple[str, ...]) -> None:
    assert missing(Condition(groups=frozenset(["admins"])), groups=groups) == "groups"


@pytest.mark.parametrize(
    "email",
    [
        "x@badexample.com",
        "x@example.com.evil",
        "x@example.com@evil.example",
        "example.com",
        "@x",
        "",
        "x@sub.example.com",
        "x@EXAMPLE.C0M",
    ],
)
def test_a_domain_fits_by_labels_and_only_behind_an_at_sign(email: str) -> None:
    assert missing(Condition(domains=("example.com",)), email=email) == "domains"


def test_domains_and_addresses_do_not_depend_on_capitals() -> None:
    assert missing(Condition(domains=("example.com",)), email="X@Example.COM") == ""
    assert missing(Condition(domains=("*.example.com",)), email="x@sub.example.com") == ""
    assert missing(Condition(emails=frozenset(["x@example.com"])), email="X@Example.COM") == ""


@pytest.mark.parametrize("email", ["\u212aate@example.com", "kate@e\u017fample.com", "kate@\u212aorp.example"])
def test_letters_that_only_become_ascii_when_they_are_made_small_are_other_letters(email: str) -> None:
    """U+212A, the sign for Kelvin, becomes k."""
    table = Condition(emails=frozenset(["kate@example.com", "kate@esample.com", "kate@korp.example"]))
    assert missing(table, email=email) == "emails"
    assert missing(Condition(domains=("korp.example", "esample.com")), email=email) == "domains"


@pytest.mark.parametrize("verified", [False, "false", "False", "no", 0, "0", "", None, [], {}])
def test_an_address_that_the_provider_does_not_vouch_for_fits_nothing(verified: Any) -> None:
    told: dict[str, Any] = {"email": "x@example.com", "claims": {"email_verified": verified}}
    assert missing(Condition(domains=("example.com",)), **told) == "domains"
    assert missing(Condition(emails=frozenset(["x@example.com"])), **told) == "emails"


@pytest.mark.parametrize("claims", [{}, {"email_verified": True}, {"email_verified": "true"}])
def test_an_address_of_a_provider_that_vouches_or_says_nothing_fits(claims: dict[str, Any]) -> None:
    assert missing(Condition(domains=("example.com",)), email="x@example.com", claims=claims) == ""


@pytest.mark.parametrize(
    ("claims", "fits"),
    [
        ({"level": 2}, True),
        ({"level": [1, 2]}, True),
        ({"level": "2"}, False),
        ({"level": 2.0}, False),
        ({"level": True}, False),
        ({"level": None}, False),
        ({"level": {"2": 2}}, False),
        ({"level": [[2]]}, False),
        ({}, False),
    ],
)
def test_a_claim_fits_by_value_and_type(claims: dict[str, Any], fits: bool) -> None:
    assert (missing(Condition(claims=(("level", (2, 3)),)), claims=claims) == "") is fits


def test_a_claim_inside_another_is_named_by_dots() -> None:
    table = Condition(claims=(("realm.level", (True,)),))
    assert missing(table, claims={"realm": {"level": True}}) == missing(table, claims={"realm.level": True}) == ""
    assert missing(table, claims={"realm": {"level": 1}}) == "realm.level"
    assert missing(table, claims={"realm": ["level"]}) == "realm.level"


# ---- how long it takes ----


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/**/admin{}", "/a" * 4000),
        ("/**/a/a/a/a/a/a/a/a/x{}", "/a" * 4000),
        ("/**/*a*a*a*b{}", "/" + "a" * 8000),
        ("/a/**/b/**/c{}", "/a/b" * 2000),
    ],
)
def test_no_path_makes_a_hundred_globs_slow(pattern: str, path: str) -> None:
    """Anybody can ask for it, without a session, and all other checks wait meanwhile."""
    rules = of_path(*(pattern.format(number) for number in range(100)))
    assert cpu_seconds(lambda: found(rules, path)) < 0.2


def test_ten_thousand_rules_cost_no_more_than_ten() -> None:
    rules = RuleSet([Rule(f"r{n}", hosts=(f"h{n}.example.com",), paths=(f"/p{n}/x",)) for n in range(10_000)])
    assert found(rules, "/p9999/x/y", host="h9999.example.com") == "r9999"
    assert cpu_seconds(lambda: found(rules, "/p1/x"), times=5) < 0.005


def test_rules_that_were_replaced_go_at_once_and_what_is_remembered_of_them_is_bounded() -> None:
    """Without a collection of garbage: what was there at the start is never looked through for it."""
    rules = of_path("/a")
    for number in range(REMEMBERED + 10):
        found(rules, f"/a/{number}")
        found(rules, f"/{'long' * 100}/{number}")
    assert len(rules._found) <= REMEMBERED
    gone = weakref.ref(rules)
    gc.disable()
    try:
        del rules
        assert gone() is None
    finally:
        gc.enable()
