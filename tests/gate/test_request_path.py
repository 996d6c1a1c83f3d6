"""Which paths everybody reads alike, and what the others may mean: no rule is passed by writing a path oddly.

`SERVERS` are the programs that may stand behind a proxy, each with its own way to read a path.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorkey.gate.decide import Caller, decide
from doorkey.gate.original_request import Headers, Original, original
from doorkey.gate.policy import Allow, Condition, Rule, RuleSet
from doorkey.gate.request_path import read_path
from doorkey.oauth.user_info import Identity

ADMINS = Rule("admins", paths=("/a/b",), allow=Allow(conditions=(Condition(groups=frozenset(["admins"])),)))
PUBLIC = Rule("public", paths=("/pub",), allow=Allow(anyone=True))
RULES = RuleSet([ADMINS, PUBLIC])
EVERYBODY = RuleSet([Rule("everything", allow=Allow(anyone=True))])
BOB = Caller(Identity("stub", "bob", groups=("staff",)), ends=10.0, session="s")


def asked(target: str, method: str = "GET") -> Original:
    return original(method, "https", "app.example.com", target, Headers([]))


CANONICAL = [
    ("/", "/"),
    ("/a/b", "/a/b"),
    ("/a/b/", "/a/b/"),
    ("/a.b/..c/...", "/a.b/..c/..."),
    ("/a%20b", "/a b"),
    ("/a:@!$&'()*+,=~-._b", "/a:@!$&'()*+,=~-._b"),
    ("/a%22%3C%3E%5B%5D%7B%7D", '/a"<>[]{}'),
]


@pytest.mark.parametrize(("raw", "reading"), CANONICAL)
def test_a_path_that_everybody_reads_alike_has_one_reading(raw: str, reading: str) -> None:
    path = read_path(raw.encode())
    assert (path.is_canonical, path.readings) == (True, (reading,))


ODD = [
    *("//pub", "/pub//x", "/pub/./x", "/pub/.", "/pub/..", "/pub/../a", "/pub/x/../y"),
    *("/pub/%2e", "/pub/%2E%2E/x", "/pub/.%2e/x", "/pub/%2fx", "/pub/%2Fx", "/pub%2fx", "/pub/%5c", "/pub/\\x"),
    *("/pub/x;y", "/pub/..;/a", "/pub/%3b", "/pub/%00", "/pub/%0a", "/pub/%0d%0a", "/pub/%7f", "/pub/%1b"),
    *("/pub/%25", "/pub/%252e", "/p%75b", "/%70ub", "/pub/%2d", "/pub/%7e", "/pub/%30", "/pub/%23", "/pub/%3f"),
    *("/pub/#", "/pub#/a", "/pub/%", "/pub/%2", "/pub/%zz", "/pub/%u002e", "/pub/%ff", "/pub/%c0%ae", "/pub/%e0%80%af"),
    *("/pub/%ed%a0%80", "/pub/%f8%88%80%80%ae", "/pub/\xe9", "/pub/\xff", '/pub/"', "/pub/<x>", "/pub/{x}", "/pub/|"),
    *("/pub/^", "/pub/`", "/pub/[x]", "/%2e%2e", "/..", "/.", "/./"),
]


@pytest.mark.parametrize("raw", ODD)
def test_a_path_with_several_meanings_is_never_open_to_anyone(raw: str) -> None:
    assert read_path(raw.encode("latin-1")).is_canonical is False
    for rules in (RULES, EVERYBODY):
        assert decide(None, asked(raw), rules, 0).verdict == "log_in"


@pytest.mark.parametrize(
    "raw", ["/pub/%EF%BC%8E%EF%BC%8E/a", "/pub/x%EF%BC%8Fa", "/pub/x%EF%BC%BCa", "/pub/x%E2%80%A4a"]
)
def test_a_path_that_normalises_to_dots_and_slashes_is_never_open_to_anyone(raw: str) -> None:
    """Full-width forms: some servers take the nearest ASCII character."""
    assert decide(None, asked(raw), RULES, 0).verdict == "log_in"


@pytest.mark.parametrize("query", ["#", "a#b", "x=/pub/#/a"])
def test_a_fragment_in_a_query_is_never_open_to_anyone(query: str) -> None:
    assert decide(None, asked(f"/pub/x?{query}"), RULES, 0).verdict == "log_in"


@pytest.mark.parametrize("query", ["", "a=b", "x=/../a", "x=%2f;//", "next=https://app.example.com/"])
def test_a_query_decides_nothing(query: str) -> None:
    assert decide(None, asked(f"/pub/x?{query}"), RULES, 0).verdict == "allow"
    assert decide(BOB, asked(f"/a/b?{query}"), RULES, 0).verdict == "forbid"


def test_a_public_path_in_the_query_opens_nothing() -> None:
    for target in ("/admin?x=/pub/", "/a/b?/pub/x", "/x?/../pub"):
        assert decide(None, asked(target), RULES, 0).verdict == "log_in"


@pytest.mark.parametrize("raw", ["/PUB", "/Pub/x", "/pubx", "/pub.", "/public", "/xpub", "/x/pub"])
def test_a_path_that_only_looks_like_a_public_one_is_not_public(raw: str) -> None:
    assert decide(None, asked(raw), RULES, 0).verdict == "log_in"


# ---- other spellings of /a/b, which is for admins ----

SPELLINGS = {
    "encoded letter": "/a/%62",
    "encoded twice": "/a/%2562",
    "encoded slash": "/a%2fb",
    "encoded slash twice": "/a%252fb",
    "dot segment": "/a/./b",
    "encoded dots": "/a/%2e/b",
    "up and down": "/a/x/../b",
    "up by encoded dots": "/a/x/%2e%2e/b",
    "up by dots that are encoded twice": "/a/x/%252e%252e/b",
    "up by encoded slashes": "/a/x%2f..%2fb",
    "above the root": "/../../a/b",
    "two slashes": "//a//b",
    "backslash": "/a\\b",
    "encoded backslash": "/a%5cb",
    "up by backslashes": "/a\\x\\..\\b",
    "parameter": "/a;x/b;y=z",
    "encoded parameter": "/a%3bx/b",
    "up behind a parameter": "/a/x;/../b",
    "up with a parameter": "/a/x/..;/b",
    "NUL at the end": "/a/b%00.png",
    "question mark at the end": "/a/b%3f.png",
    "fragment at the end": "/a/b%23.png",
    "raw fragment": "/a/b#.png",
    "empty segment, kept, then up": "/a//../b",
    "encoded slash, kept, then up": "/a/x%2fy/../b",
    "encoded slash in a parameter": "/a;x%2fy/b",
    "question mark, then up": "/a/x%3f/../b",
    "fragment, then up": "/a/x%23/../b",
    "NUL, then up": "/a/x%00/../b",
    "backslash that is a letter, then up": "/a/x\\y/../b",
    "slash that is a letter after two decodings": "/a/x%252fy/../b",
}


@pytest.mark.parametrize("raw", SPELLINGS.values(), ids=SPELLINGS)
def test_no_other_spelling_of_a_path_passes_the_rule_for_it(raw: str) -> None:
    assert decide(BOB, asked(raw), RULES, 0).verdict == "forbid"


# ---- programs that read paths in their own way ----


def up(path: str, *, merges: bool, encoded_too: bool = False) -> list[str]:
    """Without dot segments; `merges`: empty segments are gone before that (or stay segments until the end)."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        dots = segment.replace("%2e", ".").replace("%2E", ".") if encoded_too else segment
        if dots == "..":
            kept = kept[:-1]
        elif dots != "." and not (merges and not segment):
            kept.append(segment)
    return [segment for segment in kept if segment]


def parameters_off(path: str) -> str:
    return re.sub(r";[^/]*", "", path)


def by_rfc3986(raw: str) -> list[str]:
    """Dots first, as in the URL standard; then what is encoded."""
    return [part for segment in up(raw, merges=False, encoded_too=True) for part in unquote(segment).split("/") if part]


def by_router(raw: str) -> list[str]:
    """The same, by programs that take `//` for `/` before."""
    return [part for segment in up(raw, merges=True, encoded_too=True) for part in unquote(segment).split("/") if part]


def by_file_server(raw: str) -> list[str]:
    return up(unquote(raw), merges=True)


def by_strict_file_server(raw: str) -> list[str]:
    return up(unquote(raw), merges=False)


def by_servlets(raw: str) -> list[str]:
    return up(unquote(parameters_off(raw)), merges=True)


def by_servlets_that_decode_first(raw: str) -> list[str]:
    return up(parameters_off(unquote(raw)), merges=True)


def by_windows(raw: str) -> list[str]:
    return up(unquote(raw).replace("\\", "/"), merges=True)


def by_c_strings(raw: str) -> list[str]:
    return up(unquote(raw).partition("\0")[0], merges=True)


def by_two_in_a_row(raw: str) -> list[str]:
    return up(unquote(unquote(raw)), merges=True)


def by_whoever_builds_a_url_again(raw: str) -> list[str]:
    return up(re.split("[?#]", unquote(raw))[0], merges=True)


SERVERS: list[Callable[[str], list[str]]] = [
    by_rfc3986,
    by_router,
    by_file_server,
    by_strict_file_server,
    by_servlets,
    by_servlets_that_decode_first,
    by_windows,
    by_c_strings,
    by_two_in_a_row,
    by_whoever_builds_a_url_again,
]
PIECES = [
    "/",
    "/",
    "a",
    "b",
    "pub",
    ".",
    "..",
    "%2e",
    "%2f",
    "%5c",
    "\\",
    ";",
    "%3b",
    "%3f",
    "%23",
    "%00",
    "%25",
    "%62",
]
PATHS = st.lists(st.sampled_from(PIECES), max_size=12).map(lambda pieces: "/" + "".join(pieces))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(PATHS)
def test_whatever_a_lenient_server_reads_is_among_the_readings(raw: str) -> None:
    readings = [[part for part in reading.split("/") if part] for reading in read_path(raw.encode()).readings]
    missed = {server.__name__: server(raw) for server in SERVERS if server(raw) not in readings}
    assert not missed


@pytest.mark.parametrize("raw", SPELLINGS.values(), ids=SPELLINGS)
def test_each_spelling_is_taken_for_the_admins_page_by_some_server(raw: str) -> None:
    """Otherwise the test above would ask for nothing."""
    read = [server(raw) for server in SERVERS]
    assert any(path[:2] == ["a", "b"] for path in read)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=40))
def test_what_is_not_canonical_is_never_open_to_anyone(text: str) -> None:
    raw = ("/" + text).partition("?")[0]
    path = read_path(raw.encode("latin-1"))
    found = RuleSet([PUBLIC]).find("h", path.readings[0], "GET", is_plain=path.is_canonical)
    if found is PUBLIC:
        assert path.readings == (unquote(raw),)
        assert not set(unquote(raw)) & set("\\;#%\0")
        assert by_rfc3986(raw) == by_windows(raw) == by_servlets(raw) == by_two_in_a_row(raw)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_reading_of_a_path(raw: bytes) -> None:
    assert read_path(b"/" + raw).readings


def test_a_path_of_eight_kilobytes_is_read_at_once() -> None:
    for piece in (b"/a", b"/..", b"%2e", b";", b"//", b"%25", b"\\", b"/%2e%2e;x"):
        path = read_path(b"/" + piece * (8000 // len(piece)))
        assert len(path.readings) <= 64
