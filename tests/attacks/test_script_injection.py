"""Script in any text of the provider or of a request stays text; every page keeps its policy."""

import json
import re
from urllib.parse import quote, urlencode

import pytest

from doorkey.http_headers import page_csp
from tests.attacks.conftest import HTTPS
from tests.support.attack_page import Page
from tests.support.person import Person

SCRIPT = "</script><img src=x onerror=1>'\"{{7*7}}"
VARIANTS = {
    "closing-tag": SCRIPT,
    "svg": "<svg onload=alert(1)>",
    "attribute": '" autofocus onfocus=alert(1) x="',
    "single-quoted": "' onmouseover=alert(1) '",
    "template": "{{config}}{%print(7*7)%}${7*7}#{7*7}",
    "comment": "--><script>alert(1)</script><!--",
    "textarea": "</textarea></title></style></noscript><script>alert(1)</script>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt;&#60;b&#62;",
    "javascript-url": "javascript:alert(1)",
    "bidi": "\u202e\u2066gpj.exe\ufeff",
    "base": "<base href=//evil.test><meta http-equiv=refresh content=0>",
}


@pytest.fixture(params=list(VARIANTS.values()), ids=list(VARIANTS))
def script(request):
    return request.param


def assert_inert(answer, plain) -> None:
    """The same markup as a page with harmless words has."""
    page = Page(answer.text)
    assert page.problems() == []
    assert page.shape() == Page(plain.text).shape()
    assert (
        "49" not in re.sub(r"[0-9a-f]{12,}|\d\d:\d\d:\d\d", "", page.text.partition("Request id")[0])
        or "{{7*7}}" in page.text
    )
    assert answer.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", ["error", "error_description", "error_uri", "state", "iss", "code", "scope"])
def test_script_in_a_callback_parameter_is_inert(name, script, person):
    def come_back(value):
        fields = {
            "error": "server_error",
            "error_description": "words",
            "error_uri": "words",
            "state": person.begin().state,
        }
        return person.come_back(urlencode({**fields, name: value}))

    answer = come_back(script)
    assert_inert(answer, come_back("harmless"))
    assert "error_uri" not in answer.text


@pytest.mark.parametrize("field", ["error", "error_description", "message", "path", "status", "timestamp", "error_uri"])
@pytest.mark.parametrize("endpoint", ["/token", "/userinfo"])
def test_script_in_a_providers_error_is_inert(endpoint, field, script, person, stub):
    def fail(value):
        stub.answer(endpoint, {"error": "x", "error_description": "x", field: value}, 400)
        return person.sign_in()

    assert_inert(fail(script), fail("harmless"))


@pytest.mark.parametrize("claim", ["sub", "name", "email"])
def test_script_in_a_claim_is_inert(claim, script, person, stub):
    def home(value):
        stub.answer("/userinfo", {"sub": "u", "name": "n", "email": "e", "groups": ["g"], claim: value})
        assert person.sign_in().status_code == 303
        return person.get("/")

    is_address = claim != "email" or script.isprintable()  # what cannot be one as it came is left out
    assert_inert(home(script), home("harmless" if is_address else ""))
    assert person.get("/session").content_type == "application/json"


def test_script_in_a_group_or_scope_is_inert(script, person, stub):
    def home(value):
        stub.answer("/userinfo", {"sub": "u", "groups": [value]})
        visible = "".join(letter for letter in value if "!" <= letter <= "~")
        stub.answer("/token", {"access_token": "a", "token_type": "Bearer", "scope": f"read write {visible}"})
        assert person.sign_in().status_code == 303
        return person.get("/")

    assert_inert(home(script), home("harmless"))


def test_script_as_token_type_is_refused_and_inert(script, person, stub):
    def fail(value):
        stub.answer("/token", {"access_token": "a", "token_type": value})
        return person.sign_in()

    answer = fail(script)
    assert answer.status_code == 502
    assert_inert(answer, fail("mac"))


@pytest.mark.parametrize(
    "path", ["/{}", "/login?provider={}", "/login?next={}", "/callback/{}", "/?x={}", "/static/{}", "/logout?next={}"]
)
def test_script_in_an_address_is_inert(path, script, person):
    answer = person.get(path.format(quote(script, safe="")))
    assert_inert(answer, person.get(path.format("/harmless" if "next" in path else "harmless")))


@pytest.mark.parametrize("name", ["User-Agent", "Accept-Language", "Referer", "X-Request-Id", "Cookie", "Accept"])
def test_script_in_a_header_is_inert(name, person):
    answer = person.get("/", headers={name: SCRIPT})
    assert_inert(answer, person.get("/"))
    assert "onerror" not in answer.text + str(answer.headers)


def test_script_asked_for_as_json_stays_json(person, stub):
    stub.answer("/token", {"error": SCRIPT, "error_description": SCRIPT}, 400)
    begun = person.begin()
    answer = person.come_back(f"code=canary-code&state={begun.state}", headers={"Accept": "application/json"})
    assert answer.content_type == "application/json"
    assert answer.get_json()["provider_error"]["error"] == SCRIPT
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("length", [201, 5000, 20_000])
def test_at_most_200_characters_of_a_providers_text_are_shown(length, person, stub):
    stub.answer("/token", {"error": "Z" * length, "error_description": "Z" * length, "message": "Z" * length}, 400)
    runs = [len(run) for run in re.findall("Z+", person.sign_in().text)]
    assert runs
    assert max(runs) <= 200
    state = person.begin().state
    answer = person.come_back(f"state={state}&error=x&error_description=" + "Z" * length)
    assert max(len(run) for run in re.findall("Z+", answer.text)) <= 200


def test_a_providers_text_is_labelled_as_its_own(person, stub):
    stub.answer("/token", {"error": "x", "error_description": "Call 0900 now"}, 400)
    assert "its words, not ours" in person.sign_in().text


MASKED = ["canary-code", "canary-client-secret", "{verifier}"]


@pytest.mark.parametrize("secret", MASKED)
@pytest.mark.parametrize(
    "wrap", ["{}", "bad code {}!", "{} {}", "x" * 190 + "{}"], ids=["alone", "inside", "twice", "at-the-cut"]
)
def test_a_providers_text_that_repeats_a_secret_is_masked(secret, wrap, person, stub):
    def echo(handler):
        verifier = stub.requests_to("/token")[-1].form["code_verifier"]
        words = wrap.replace("{}", secret.replace("{verifier}", verifier))
        body = json.dumps({"error": "invalid_grant", "error_description": words}).encode()
        handler.wfile.write(b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    stub.answer_raw("/token", echo)
    answer = person.sign_in()
    verifier = stub.requests_to("/token")[-1].form["code_verifier"]
    assert answer.status_code == 502
    assert secret.replace("{verifier}", verifier)[:10] not in answer.text
    assert "invalid_grant" in answer.text


PAGES = [
    "/",
    "/login",
    "/logout",
    "/logged-out",
    "/nothing",
    "/callback/stub",
    "/callback/nobody",
    "/login?provider=nobody",
    "/static/nothing",
]


@pytest.mark.parametrize("signed_in", [False, True], ids=["signed-out", "signed-in"])
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("changes", [{}, HTTPS], ids=["http", "https"])
def test_every_page_keeps_the_policy_and_has_nothing_inline_or_foreign(path, signed_in, changes, make_app):
    origin = changes.get("DOORKEY_PUBLIC_URL", "http://127.0.0.1:8000")
    person = Person(make_app(**changes), origin)
    if signed_in:
        person.sign_in()
    answer = person.get(path)
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.headers.getlist("Content-Security-Policy") == [page_csp(secure=bool(changes))]
    assert Page(answer.text).problems() == []
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert_common(answer)


@pytest.mark.parametrize("path", ["/session", "/healthz", "/readyz", "/login?provider=stub", "/callback/stub?state=x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_every_other_answer_is_unsniffable_uncached_and_without_referrer(path, method, person):
    answer = person.client.open(path, method=method, base_url=person.origin)
    assert answer.status_code < 500
    assert_common(answer)


def assert_common(answer) -> None:
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Server" not in answer.headers


def test_static_files_may_be_cached_and_are_not_sniffed(person):
    [style] = [
        e.attributes["href"] for e in Page(person.get("/").text).elements if e.attributes.get("rel") == "stylesheet"
    ]
    answer = person.get(style)
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer.close()


@pytest.mark.parametrize(
    "path", ["/static/../doorkey/settings.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2fetc/passwd"]
)
def test_static_files_are_only_those_of_the_folder(path, person):
    assert person.get(path, follow_redirects=True).status_code == 404


def test_the_scripts_use_no_sink_that_turns_text_into_markup():
    from doorkey import paths

    for script in paths.STATIC.glob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|postMessage|window\.opener",
            script.read_text(),
        )
        assert found == [], script.name
