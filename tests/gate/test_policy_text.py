"""Policies as people write them: what they mean, and every mistake with its line and rule."""

import pytest

from doorkey.gate.policy import Rule
from doorkey.gate.policy_text import KEYS, PolicyError, load_policy
from tests.support.cpu_time import cpu_seconds

FULL = """
[[rule]]
name = "static files"
host = ["app.example.com", "*.Apps.example.com", "tool.example.com:8443"]
path = ["/static", "/é/*.css"]
methods = ["GET", "HEAD"]
allow = "anyone"

[[rule]]
name = "admins"
host = "app.example.com"
path = "/admin"
allow = [
    { groups = ["admins", "ops"], claims = { department = ["it", 7, true], "a.b" = "c" } },
    { emails = "Root@Example.com" },
]
provider = "corp"
login = "never"
headers = ["assertion", "access-token"]

[[policy.admins]]
name = "admins"
allow = { domains = ["*.Example.com"], scopes = "read" }
"""


def rules(text: str) -> tuple[Rule, ...]:
    return load_policy(text).rules.rules


def problems(text: str, providers: frozenset[str] | None = None) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_policy(text, source="policy.toml", providers=providers)
    return caught.value.problems


def mistake(line: str, *, allow: str = 'allow = "signed-in"') -> str:
    """The only problem of a rule that has `line` as its fourth."""
    (problem,) = problems(f'[[rule]]\nname = "it"\n{allow}\n{line}\n')
    return problem


def test_a_full_policy_is_read_as_written() -> None:
    policy = load_policy(FULL, providers=frozenset(["corp"]))
    static, admins = policy.rules.rules
    assert static.hosts == ("app.example.com", "*.apps.example.com", "tool.example.com:8443")
    assert static.paths == ("/static", "/é/*.css")
    assert static.methods == {"GET", "HEAD"}
    assert (static.allow.anyone, static.login, static.headers, static.line) == (True, "auto", frozenset(), 2)
    first, second = admins.allow.conditions
    assert first.groups == {"admins", "ops"}
    assert first.claims == (("department", ("it", 7, True)), ("a.b", ("c",)))
    assert second.emails == {"root@example.com"}
    assert (admins.provider, admins.login) == ("corp", "never")
    assert admins.headers == {"assertion", "access-token"}
    assert (admins.line, list(policy.named)) == (9, ["admins"])
    (named,) = policy.named["admins"].rules
    assert named.allow.conditions[0].domains == ("*.example.com",)
    assert named.allow.conditions[0].scopes == {"read"}


def test_a_policy_has_names_for_its_lists() -> None:
    policy = load_policy(FULL)
    assert policy.rules_of("") is policy.rules
    assert policy.rules_of("admins") is policy.named["admins"]
    for name in ("Admins", "admin", "admins/", "rule", " "):
        assert policy.rules_of(name) is None


def test_an_empty_file_has_no_rules() -> None:
    assert rules("") == rules("# nothing\n") == ()


@pytest.mark.parametrize("key", KEYS)
def test_an_unknown_key_is_refused_with_its_line_and_rule(key: str) -> None:
    problem = mistake(f"{key}s = 1" if key != "methods" else "method = 1")
    assert problem.startswith("policy.toml line 4: rule 'it': ")
    assert "is not a key" in problem


@pytest.mark.parametrize(
    ("allow", "key"),
    [
        ('allow = { group = ["a"] }', "group"),
        ('allow = { groups = ["a"], Groups = ["b"] }', "Groups"),
        ('allow = [{ groups = ["a"] }, { user = "x" }]', "user"),
        ('allow = { groups = ["a"], anyone = true }', "anyone"),
    ],
)
def test_an_unknown_key_of_allow_is_refused_with_its_line_and_rule(allow: str, key: str) -> None:
    problem = mistake("", allow=allow)
    assert problem.startswith("policy.toml line 3: rule 'it': ")
    assert key in problem


@pytest.mark.parametrize(
    "text",
    [
        '[[rules]]\nname = "x"\n',
        "version = 1\n",
        '[rule]\nname = "x"\nallow = "anyone"\n',
        "rule = 1\n",
        "policy = []\n",
    ],
)
def test_tables_that_are_no_rules_are_refused(text: str) -> None:
    assert problems(text)


def test_every_mistake_is_told_at_once() -> None:
    text = (
        '[[rule]]\nallow = "anyone"\n\n[[rule]]\nname = "b"\npath = "x"\nallow = "anyone"\n\n[[policy.x]]\nname = "c"\n'
    )
    found = problems(text)
    assert [problem.split(":")[0] for problem in found] == [f"policy.toml line {line}" for line in (1, 6, 9)]


def test_two_rules_of_one_name_are_a_mistake_and_in_two_lists_they_are_not() -> None:
    one = '[[rule]]\nname = "x"\nallow = "anyone"\n'
    assert "line 5" in problems(one + one)[0]
    assert load_policy(one + one.replace("[[rule]]", "[[policy.p]]"))


OPEN = [
    *(
        'allow = "Anyone"',
        'allow = "everybody"',
        "allow = true",
        "allow = {}",
        "allow = []",
        "allow = [{}]",
        'allow = ""',
    ),
    *(
        'allow = ["anyone"]',
        'allow = ["signed-in", { groups = ["a"] }]',
        "allow = { groups = [] }",
        'allow = { groups = "" }',
    ),
    *('allow = { groups = [""] }', "allow = { emails = [] }", "allow = { domains = [] }", "allow = { scopes = [] }"),
    *(
        "allow = { claims = {} }",
        "allow = { claims = { a = [] } }",
        'allow = { claims = "a" }',
        'allow = { claims = { "" = 1 } }',
    ),
    *(
        "allow = { claims = { a = 1.5 } }",
        "allow = { claims = { a = { b = 1 } } }",
        "allow = { claims = { a = [[1]] } }",
    ),
    *(
        'allow = { emails = ["example.com"] }',
        'allow = { emails = ["@example.com"] }',
        'allow = { emails = ["a b@example.com"] }',
    ),
    *('allow = { domains = ["a@b.example"] }', 'allow = { domains = ["*"] }', 'allow = { domains = [".example.com"] }'),
    *('allow = { domains = ["*example.com"] }', 'allow = { domains = ["bücher.example"] }', "allow = { groups = [1] }"),
]


@pytest.mark.parametrize("allow", OPEN)
def test_what_does_not_say_whom_to_let_in_lets_nobody_in(allow: str) -> None:
    """An empty list or table must not become a rule that everybody fits."""
    assert "rule 'it'" in mistake("", allow=allow)


VALUES = [
    *(
        "host = []",
        "host = 1",
        'host = ""',
        'host = "https://app.example.com"',
        'host = "app.example.com/x"',
        'host = "*"',
    ),
    *(
        'host = "*app.example.com"',
        'host = "a.*.example.com"',
        'host = "a.example,b.example"',
        'host = "app.example.com:443"',
    ),
    *(
        'host = "app.example.com:0"',
        'host = "app.example.com:99999"',
        'host = "bücher.example"',
        'host = "app_x.example"',
    ),
    *(
        'host = "app.example.com."',
        'host = "u@app.example.com"',
        'host = " "',
        'host = ["a.example", 1]',
        'host = "*."',
    ),
    *(
        "path = []",
        "path = 1",
        'path = ""',
        'path = "x"',
        'path = "/a?b"',
        'path = "/a#b"',
        'path = "/a//b"',
        'path = "/a/../b"',
    ),
    *(
        'path = "/a/./b"',
        'path = "/a/.."',
        'path = "/a;b"',
        "path = '/a\\b'",
        'path = "/a%20b"',
        'path = "/a/**b"',
        'path = "/a**/b"',
    ),
    *(
        'path = "/***"',
        'path = "/a\\tb"',
        'path = ["/a", ""]',
        "methods = []",
        'methods = "get"',
        'methods = ["GET POST"]',
    ),
    *(
        'methods = "*"',
        'methods = ["GET", ""]',
        "methods = 1",
        'login = "sometimes"',
        "login = true",
        "login = []",
        "login = {}",
    ),
    *(
        'login = ""',
        'headers = "cookie"',
        "headers = []",
        'headers = ["assertion", "x"]',
        "headers = 1",
        "provider = 1",
        'provider = ""',
    ),
]


@pytest.mark.parametrize("line", VALUES)
def test_a_value_that_means_nothing_is_refused_with_its_line_and_rule(line: str) -> None:
    problem = mistake(line)
    assert problem.startswith("policy.toml line 4: rule 'it': " + line.partition(" ")[0])


@pytest.mark.parametrize(
    "name", ['""', '" x"', '"x "', '"é"', '"a\\nb"', "1", '"' + "x" * 101 + '"', "[]", '"\\u007f"']
)
def test_a_name_that_could_not_stand_in_a_header_is_refused(name: str) -> None:
    (problem,) = problems(f'[[rule]]\nname = {name}\nallow = "anyone"\n')
    assert "line 2" in problem
    assert "name" in problem


@pytest.mark.parametrize("name", ["Admins", "a_b", "'a b'", "'a/b'", '""', "'a.b'", "a.b", "'é'"])
def test_the_name_of_a_policy_must_fit_into_a_path(name: str) -> None:
    assert problems(f'[[policy.{name}]]\nname = "x"\nallow = "anyone"\n')


def test_a_provider_must_exist_and_means_nothing_for_anyone() -> None:
    text = '[[rule]]\nname = "it"\nallow = "signed-in"\nprovider = "corp"\n'
    assert "line 4" in problems(text, frozenset(["other"]))[0]
    assert load_policy(text, providers=frozenset(["corp"]))
    assert "provider" in mistake('provider = "corp"', allow='allow = "anyone"')


BROKEN = {
    "cut off": '[[rule]]\nname = "it"\nallow = { groups = ["adm',
    "not TOML": "rule: - name: x\n",
    "a key twice": '[[rule]]\nname = "a"\nname = "b"\n',
    "NUL": '[[rule]]\nname = "a\0"\n',
    "deep": "a = " + "[" * 100_000,
    "a number that is too long": "[[rule]]\nname = 1" + "0" * 5000 + "\n",
    "a number that is too long inside": '[[rule]]\nname = "it"\nallow = { claims = { a = 1' + "0" * 5000 + " } }\n",
    "a date that is none": "[[rule]]\nname = 2026-02-31\n",
    "a byte order mark and more": "\ufeff\ufeff[[rule]]\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_toml_is_a_policy_error_and_nothing_else(text: str) -> None:
    assert problems(text)


def test_a_syntax_error_names_its_line() -> None:
    (problem,) = problems('[[rule]]\nname = "x"\nallow = = "anyone"\n')
    assert "line 3" in problem


def test_headers_in_texts_and_comments_do_not_shift_the_lines() -> None:
    first = '# [[rule]]\n[[ rule ]] # first\nname = "x"\nallow = "anyone"\n\n'
    text = first + '[[rule]]\nname = "it"\nfoo = 1\nallow = "anyone"\n'
    assert problems(text)[0].startswith("policy.toml line 8: rule 'it': ")


def test_ten_times_as_many_rules_load_in_ten_times_the_time() -> None:
    one = '[[rule]]\nname = "r{0}"\nhost = "h{0}.example.com"\npath = "/p{0}/x"\nallow = {{ groups = ["g{0}"] }}\n'
    few, many = ("".join(map(one.format, range(count))) for count in (200, 2_000))
    assert cpu_seconds(lambda: load_policy(many)) < 30 * cpu_seconds(lambda: load_policy(few))


@pytest.mark.parametrize(
    "text", ["# " + "[" * 200_000, "\n" * 200_000, 'x = "' + "\\t" * 50_000 + '"'], ids=["comment", "empty", "text"]
)
def test_no_file_takes_long_to_read(text: str) -> None:
    def read() -> None:
        try:
            load_policy(text)
        except PolicyError as error:
            assert error.problems  # noqa: PT017

    assert cpu_seconds(read) < 2
