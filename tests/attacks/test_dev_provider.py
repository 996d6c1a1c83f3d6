"""The development provider: redirects only to registered URIs, one decision per ticket, this machine only."""

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from doorkey.http_headers import page_csp
from tests.support.attack_page import Page
from tests.support.person import Person

CALLBACK = "http://127.0.0.1:8000/callback/dev"
SCRIPT = "</script><img src=x onerror=1>'\"{{7*7}}"


@pytest.fixture
def dev(dev_app):
    return Person(dev_app)


def ask(person: Person, without: str = "", **changes):
    """The authorization request of Doorkey itself, with some parameters changed or left out."""
    fields = {
        "client_id": "doorkey-dev",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": "some-state",
        **changes,
    }
    fields.pop(without, None)
    return person.get("/oauth/authorize?" + urlencode(fields))


def ticket_of(answer) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', answer.text)
    assert found, answer.text
    return found[1]


def decide(person: Person, ticket: str, **fields):
    return person.post("/oauth/authorize", data={"ticket": ticket, "user": "alice", "scope": "profile_read", **fields})


def answer_of(response) -> dict[str, list[str]]:
    assert response.status_code == 302
    assert response.headers["Location"].startswith(CALLBACK + "?")
    return parse_qs(urlsplit(response.headers["Location"]).query)


UNREGISTERED = {
    "query": CALLBACK + "?x=1",
    "empty-query": CALLBACK + "?",
    "fragment": CALLBACK + "#x",
    "empty-fragment": CALLBACK + "#",
    "trailing-slash": CALLBACK + "/",
    "doubled-slash": "http://127.0.0.1:8000//callback/dev",
    "no-path": "http://127.0.0.1:8000",
    "case-of-path": "http://127.0.0.1:8000/Callback/dev",
    "case-of-scheme": "HTTP://127.0.0.1:8000/callback/dev",
    "https": "https://127.0.0.1:8000/callback/dev",
    "encoded-letter": "http://127.0.0.1:8000/%63allback/dev",
    "encoded-dot": "http://127.0.0.1:8000/callback/%2e/dev",
    "dots": "http://127.0.0.1:8000/x/../callback/dev",
    "dots-after": CALLBACK + "/..",
    "semicolon": CALLBACK + ";x",
    "userinfo": "http://127.0.0.1:8000@evil.test/callback/dev",
    "userinfo-before": "http://evil.test@127.0.0.1:8000/callback/dev",
    "suffix": "http://127.0.0.1:8000.evil.test/callback/dev",
    "suffix-name": "http://127.0.0.1.evil.test:8000/callback/dev",
    "localhost": "http://localhost:8000/callback/dev",
    "localhost-evil": "http://localhost.evil.test:8000/callback/dev",
    "ipv6": "http://[::1]:8000/callback/dev",
    "other-loopback": "http://127.0.0.2:8000/callback/dev",
    "decimal": "http://2130706433:8000/callback/dev",
    "short": "http://127.1:8000/callback/dev",
    "port-0": "http://127.0.0.1:0/callback/dev",
    "port-leading-zero": "http://127.0.0.1:08000/callback/dev",
    "port-too-large": "http://127.0.0.1:99999/callback/dev",
    "port-empty": "http://127.0.0.1:/callback/dev",
    "backslash": "http://127.0.0.1:8000\\@evil.test/callback/dev",
    "slashes": "//127.0.0.1:8000/callback/dev",
    "other": "https://evil.test/callback/dev",
    "wildcard": "http://127.0.0.1:8000/*",
    "space": CALLBACK + " ",
    "space-before": " " + CALLBACK,
    "newline": CALLBACK + "\n",
    "crlf": CALLBACK + "\r\nX: y",
    "nul": CALLBACK + "\0",
    "double-encoded": CALLBACK.replace("/", "%2f"),
    "unicode-digits": "http://127.0.0.1:８０００/callback/dev",
    "javascript": "javascript:alert(1)",
    "empty": "",
    "64-KB": CALLBACK + "a" * 64_000,
}


@pytest.mark.parametrize("uri", UNREGISTERED.values(), ids=UNREGISTERED)
def test_an_unregistered_redirect_uri_is_a_page_whatever_else_is_wrong(uri, dev):
    for extra in ({}, {"response_type": "token"}, {"scope": "no_such"}, {"prompt": "none"}):
        answer = ask(dev, redirect_uri=uri, **extra)
        assert answer.status_code == 400, extra
        assert "Location" not in answer.headers
        assert Page(answer.text).problems() == []


@pytest.mark.parametrize(
    "query", ["", f"redirect_uri={CALLBACK}&redirect_uri=https://evil.test", f"redirect_uri[]={CALLBACK}"]
)
def test_a_missing_or_doubled_redirect_uri_is_a_page(query, dev):
    answer = dev.get(f"/oauth/authorize?client_id=doorkey-dev&response_type=code&state=s&{query}")
    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize("client", ["", "nobody", "Doorkey-Dev", "doorkey-dev ", SCRIPT, "doorkey-dev\0"])
def test_an_unknown_client_is_a_page_and_inert(client, dev):
    answer = ask(dev, client_id=client)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert Page(answer.text).shape() == Page(ask(dev, client_id="unknown").text).shape()


def test_another_port_of_the_same_loopback_address_is_allowed(dev):
    assert ask(dev, redirect_uri="http://127.0.0.1:49152/callback/dev").status_code == 200


WRONG = {
    "no-response_type": ({"without": "response_type"}, "invalid_request"),
    "token": ({"response_type": "token"}, "unsupported_response_type"),
    "code-token": ({"response_type": "code token"}, "unsupported_response_type"),
    "id_token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "scope": ({"scope": "no_such_scope"}, "invalid_scope"),
    "script-scope": ({"scope": "<img/src=x/onerror=1>"}, "invalid_scope"),
    "template-scope": ({"scope": "{{7*7}} ${7*7}"}, "invalid_scope"),
    "plain-pkce": ({"code_challenge": "a" * 43, "code_challenge_method": "plain"}, "invalid_request"),
    "challenge-without-method": ({"code_challenge": "a" * 43}, "invalid_request"),
    "method-without-challenge": ({"code_challenge_method": "S256"}, "invalid_request"),
    "short-challenge": ({"code_challenge": "a" * 42, "code_challenge_method": "S256"}, "invalid_request"),
    "odd-challenge": ({"code_challenge": "=" * 43, "code_challenge_method": "S256"}, "invalid_request"),
    "nobody-signed-in": ({"prompt": "none"}, "login_required"),
    "unknown-hint": ({"prompt": "none", "login_hint": "mallory"}, "login_required"),
}


@pytest.mark.parametrize(("changes", "error"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("state", ["some-state", "ünï&co=d=e#%0d%0a\r\nX: y", SCRIPT], ids=["plain", "odd", "script"])
def test_other_mistakes_go_back_with_error_state_and_issuer(changes, error, state, dev):
    answer = answer_of(ask(dev, state=state, **changes))
    assert answer["error"] == [error]
    assert answer["state"] == [state]
    assert answer["iss"] == ["http://127.0.0.1:8000"]
    assert "code" not in answer


def test_a_missing_state_goes_back_as_an_error(dev):
    assert answer_of(ask(dev, without="state"))["error"] == ["invalid_request"]


@pytest.mark.parametrize("name", ["state", "scope", "response_type", "prompt", "login_hint", "code_challenge"])
def test_a_doubled_parameter_goes_back_as_an_error(name, dev):
    query = urlencode({"client_id": "doorkey-dev", "redirect_uri": CALLBACK, "response_type": "code", "state": "s"})
    answer = answer_of(dev.get(f"/oauth/authorize?{query}&{name}=code&{name}=x"))
    assert answer["error"] == ["invalid_request"]


def test_prompt_none_with_a_known_user_gives_a_code_without_a_page(dev):
    answer = answer_of(ask(dev, prompt="none", login_hint="bob"))
    assert answer["state"] == ["some-state"]
    assert len(answer["code"]) == 1


@pytest.mark.parametrize(
    "fields", [{"login_hint": "alice"}, {"prompt": "login"}, {"user": "alice"}, {"approve": "1"}, {"sub": "alice"}]
)
def test_nothing_else_in_an_address_decides_for_the_person(fields, dev):
    answer = ask(dev, **fields)
    assert answer.status_code == 200
    assert "Location" not in answer.headers


def test_a_ticket_is_good_for_one_decision(dev):
    ticket = ticket_of(ask(dev))
    assert "code" in answer_of(decide(dev, ticket))
    again = decide(dev, ticket)
    assert again.status_code == 400
    assert "Location" not in again.headers


FORGED = {
    "missing": lambda good: "",
    "garbage": lambda good: "garbage",
    "changed": lambda good: ("A" if good[5] != "A" else "B").join([good[:5], good[6:]]),
    "unsigned": lambda good: good.rpartition(".")[0],
    "other-signature": lambda good: good[:-4] + "AAAA",
    "longer": lambda good: good + "A",
    "unicode": lambda good: "日本" + good,
    "nul": lambda good: good + "\0",
    "twice": lambda good: good + good,
    "null-payload": lambda good: "bnVsbA.AAAA.AAAA",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("fields", [{}, {"deny": "1"}], ids=["allow", "deny"])
def test_a_forged_ticket_decides_nothing(forge, fields, dev):
    answer = decide(dev, forge(ticket_of(ask(dev))), **fields)
    assert answer.status_code == 403
    assert "Location" not in answer.headers


def test_a_ticket_of_another_browser_decides_nothing(dev, dev_app):
    other = Person(dev_app)
    ask(other)
    assert decide(other, ticket_of(ask(dev))).status_code == 403
    assert decide(Person(dev_app), ticket_of(ask(dev))).status_code == 403


def test_a_ticket_of_another_start_decides_nothing(dev, tmp_path):
    from doorkey.factory import create_app
    from doorkey.settings import load

    other = Person(create_app(load({"DOORKEY_INSTANCE": str(tmp_path / "other"), "DOORKEY_CONFIG": ""})))
    ask(other)
    assert decide(other, ticket_of(ask(dev))).status_code == 403


@pytest.mark.parametrize("user", ["mallory", "", "alice\0", SCRIPT])
def test_an_unknown_user_cannot_be_chosen(user, dev):
    answer = decide(dev, ticket_of(ask(dev)), user=user)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_decision_can_narrow_the_scope_and_never_widen_it(dev):
    ticket = ticket_of(ask(dev, scope="profile_read space_read"))
    code = answer_of(decide(dev, ticket, scope=["profile_read", "space_delete", "settings_update"]))["code"][0]
    provider = dev.client.application.extensions["doorkey"].providers["dev"]
    answer = dev.post(
        "/oauth/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK},
        auth=(provider.client_id, provider.client_secret),
    )
    assert answer.get_json()["scope"] == "profile_read"


HOSTS = [
    "evil.test",
    "evil.test:8000",
    "127.0.0.1.evil.test",
    "localhost.evil.test",
    "[::1",
    "",
    "127.0.0.1:8000,evil.test",
    "evil.test@127.0.0.1",
    "192.168.1.5:8000",
    "0.0.0.0:8000",
    "<script>",
    "127.0.0.1:port",
    "127.0.0.1:99999",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/oauth/authorize"), ("POST", "/oauth/token"), ("GET", "/oauth/userinfo")]
)
def test_a_foreign_host_is_told_nothing(host, method, path, dev_app):
    answer = dev_app.test_client().open(
        path, method=method, environ_overrides={"HTTP_HOST": host, "SERVER_NAME": "evil.test"}
    )
    assert answer.status_code in (400, 403)
    assert "Location" not in answer.headers
    assert answer.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize(
    "peer", ["192.168.1.5", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "", "0.0.0.0", "garbage"]
)
def test_another_machine_is_told_nothing(peer, dev):
    answer = dev.get(
        "/oauth/authorize", environ_overrides={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": "127.0.0.1"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path", ["/oauth/authorize", "/oauth/token", "/oauth/userinfo", "/dev/users", "/.well-known/openid-configuration"]
)
def test_with_a_real_provider_there_is_no_development_provider(path, person):
    for method in ("GET", "POST"):
        assert person.client.open(path, method=method, base_url=person.origin).status_code == 404


@pytest.mark.parametrize("name", ["state", "scope", "client_id", "login_hint", "prompt", "nonce", "x"])
def test_script_in_a_request_is_inert(name, dev):
    answer = ask(dev, **{name: SCRIPT})
    if answer.status_code == 302:
        assert answer.headers["Location"].startswith(CALLBACK)
        assert not set("<>'\" \r\n") & set(answer.headers["Location"])
        return
    page = Page(answer.text)
    assert page.problems() == []
    plain = ask(dev, **{name: "unknown" if name == "client_id" else "x"})
    assert page.shape() == Page(plain.text).shape()


def test_the_consent_page_may_be_framed_by_nobody_and_may_post_to_itself_and_the_client_only(dev):
    answer = ask(dev)
    policy = answer.headers.getlist("Content-Security-Policy")
    local = "http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*"
    assert policy == [page_csp(secure=False, form_target=f"http://127.0.0.1:8000 {local}")]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert Page(answer.text).problems() == []
    [cookie] = answer.headers.getlist("Set-Cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1:8000"])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/userinfo", "/oauth/authorize"])
def test_no_answer_is_readable_from_another_origin(path, origin, dev):
    for method in ("GET", "POST", "OPTIONS"):
        answer = dev.client.open(path, method=method, base_url=dev.origin, headers={"Origin": origin})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert answer.status_code < 500
