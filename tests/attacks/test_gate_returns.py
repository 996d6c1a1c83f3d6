"""Where the gate sends browsers: to Doorkey, and from there to the very page behind the gate that was asked for.

Return targets cannot be chosen: they are sealed by the gate, from what the proxy says.
"""

import re
from urllib.parse import urlsplit

import pytest

from doorkey.base64url import encode
from doorkey.gate.tickets import Ticket, Tickets
from doorkey.sessions.seal import Keyring
from tests.conftest import MovedClock, provider_settings
from tests.gate.conftest import APP, OUTSIDE, OWN_URL, Member
from tests.support.gate_desk import GateDesk, desk_at, is_a_no

SETTINGS = {
    "DOORKEY_PUBLIC_URL": OWN_URL,
    "DOORKEY_COOKIE_DOMAIN": "example.com",
    "DOORKEY_ALLOWED_HOSTS": "app.example.com, *.apps.example.com, other.example.org",
    "DOORKEY_PROVIDERS": "stub",
}
GUARDED = re.compile(
    r"https?://(?:login\.example\.com|app\.example\.com|(?:[a-z0-9-]+\.)+apps\.example\.com|other\.example\.org)/"
)


@pytest.fixture
def environ(environ, stub):
    for name in provider_settings("other", stub.url):
        del environ[name]
    return environ


@pytest.fixture
def member(make_app):
    return Member(make_app(**SETTINGS), OWN_URL, "example.com")


@pytest.fixture
def desk(member):
    return GateDesk(member.app)


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """For many questions of people who never sign in."""
    return desk_at(tmp_path_factory.mktemp("gate"))


def ticket_of(answer):
    return answer.headers["Location"].partition("rt=")[2]


NEAR = [
    *("https://evil.example/", "https://app.example.com.evil.example/", "https://evil.example/app.example.com/"),
    *(
        "https://xapps.example.com/",
        "https://apps.example.com/",
        "https://a.apps.example.com.evil.example/",
        "https://a.xapps.example.com/",
    ),
    *(
        "https://app.example.com@evil.example/",
        "https://app.example.com:443@evil.example/",
        "https://evil.example\\@app.example.com/",
    ),
    *(
        "https://evil.example#@app.example.com/",
        "https://evil.example?@app.example.com/",
        "https://evil.example;@app.example.com/",
    ),
    *(
        "https://app.example.com:8443/",
        "https://app.example.com:80/",
        "https://app.example.com:0/",
        "https://app.example.com:/",
    ),
    *(
        "https:app.example.com/",
        "https:/app.example.com/",
        "https:///app.example.com/",
        "https:////app.example.com/",
        "//app.example.com/",
    ),
    *(
        "https://app.example.com\\evil.example/",
        "https://app.example.com%2eevil.example/",
        "https://app.example.com%00.evil.example/",
    ),
    *(
        "https://app。example。com.evil.example/",
        "https://ａpp.example.com/",
        "https://evil.example／.apps.example.com/",
        "https://аpp.example.com/",
    ),
    *(
        "javascript://app.example.com/%0aalert(1)",
        "data://app.example.com/,x",
        "ftp://app.example.com/",
        "file://app.example.com/",
    ),
    *(
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
    ),
    *(
        "https://.apps.example.com/",
        "https://a..apps.example.com/",
        "https://-/",
        "https://./",
        "https:///",
    ),
    *(
        " https://evil.example/",
        "https://app.example.com\r\nX-A: b/",
        "https://app.example.com\x00/",
    ),
]


@pytest.mark.parametrize("url", NEAR)
def test_no_browser_is_sent_anywhere_for_a_host_that_is_not_behind_the_gate(still, url):
    url = url.encode().decode("latin-1")
    for dialect in ("nginx", "forward"):
        answer = still.ask(dialect, url=url)
        assert is_a_no(answer), dialect
        assert (answer.get("location"), answer.get("x-doorkey-page")) == ("", ""), dialect


PATHS = [
    *("//evil.example/", "///evil.example", "/\\evil.example", "/\\\\evil.example", "/%2f%2fevil.example"),
    *(
        "/%5cevil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/@evil.example",
        "/:80@evil.example",
        "/;@evil.example",
    ),
    *(
        "/https://evil.example/",
        "/?rd=https://evil.example/",
        "/?#@evil.example",
        "/#@evil.example/",
        "/%0d%0aLocation:%20x",
    ),
    *(
        "/\xe2\x80\xa8",
        "/\xff\xfe",
        "/%ff",
        '/"><script>alert(1)</script>',
        "/'onload='x",
        "/{{7*7}}",
        "/%3cscript%3e",
        "/a%2Fb?c=%26d",
    ),
]


@pytest.mark.parametrize("path", PATHS)
def test_whatever_the_path_is_the_way_back_leads_to_the_host_that_was_asked_for(member, desk, path):
    sent = desk.ask("nginx", url=f"https://app.example.com{path}").get("location")
    assert urlsplit(sent)._replace(query="").geturl() == f"{OWN_URL}/login"
    back = member.sign_in(sent)
    assert GUARDED.match(back)
    assert back.startswith("https://app.example.com/")
    assert re.fullmatch("[!-~]+", back)
    assert not set(back) & set('\\"<>')


def test_the_way_back_is_byte_exact(member):
    url = f"{APP}/a%2Fb/c?x=1&y=%C3%A9&z=a+b&w=%0A&v='()*!"
    assert member.sign_in(member.ask(url).headers["Location"]) == url


@pytest.mark.parametrize("name", ["rd", "next", "url", "target", "return_to", "redirect", "rt", "redirect_uri", "goto"])
def test_no_parameter_or_header_of_the_check_chooses_where_to_go(desk, name):
    raw = [
        (b"accept", b"text/html"),
        (b"x-auth-request-redirect", b"https://evil.example/"),
        (b"referer", b"https://evil.example/"),
    ]
    said = [(b"x-original-method", b"GET"), (b"x-original-url", f"{APP}/?{name}=https://evil.example/".encode())]
    answer = desk.send("/check/nginx", said + raw, query=f"{name}=https://evil.example/".encode())
    assert answer.get("location").startswith(f"{OWN_URL}/login?rt=")
    assert "evil" not in answer.get("location")


# ---- tickets ----


def refused(member, ticket):
    """Sign in with it; the browser ends at our own page."""
    return member.sign_in(f"{OWN_URL}/login?rt={ticket}") == "/"


def test_a_ticket_that_was_altered_leads_nowhere(member):
    ticket = ticket_of(member.ask(f"{APP}/x"))
    changed = ticket[:40] + ("A" if ticket[40] != "A" else "B") + ticket[41:]
    for bad in (
        changed,
        ticket[:-4],
        ticket + "AAAA",
        ticket[::-1],
        "A" * 100,
        "",
        "https://evil.example/",
        "/x",
        "%00",
    ):
        assert refused(member, bad), bad


def test_a_ticket_that_is_over_leads_nowhere(member, clock: MovedClock):
    ticket = ticket_of(member.ask(f"{APP}/x"))
    clock.advance(600)
    assert refused(member, ticket)


def test_a_ticket_of_another_installation_leads_nowhere(member, clock: MovedClock):
    foreign = Tickets(Keyring([b"another key of somebody else 0123"]), Ticket, clock)
    made = Ticket("https://evil.example/", "evil.example", "GET", "no_session", clock())
    assert refused(member, foreign.seal(made))


def test_a_ticket_for_a_host_that_is_not_behind_the_gate_any_more_leads_nowhere(member, make_app, clock: MovedClock):
    """Even one that we sealed ourselves."""
    made = Ticket("https://evil.example/x", "evil.example", "GET", "no_session", clock())
    assert refused(member, member.app.extensions["doorkey"].gate.return_tickets.seal(made))


def test_two_tickets_are_none(member):
    first, second = (ticket_of(member.ask(f"{APP}/{n}")) for n in "ab")
    assert member.sign_in(f"{OWN_URL}/login?rt={first}&rt={second}") == "/"


def test_one_kind_of_sealed_text_is_no_other(member):
    member.sign_in()
    accept = member.go(member.ask(f"{OUTSIDE}/x").headers["Location"]).headers["Location"].partition("t=")[2]
    rt = ticket_of(Member(member.app, OWN_URL, "example.com").ask(f"{OUTSIDE}/x"))
    assert member.go(f"{OUTSIDE}/.doorkey/accept?t={rt}").status_code == 400
    stranger = Member(member.app, OWN_URL, "example.com")
    assert refused(stranger, accept)
    for page in ("denied", "form-not-sent"):
        assert "other.example.org" not in stranger.go(f"{OWN_URL}/{page}?rt={accept}").text


@pytest.mark.parametrize("page", ["denied", "form-not-sent", "login"])
@pytest.mark.parametrize(
    "rt", ["", "x", "%00", "A" * 5000, "%0d%0aX-A:%20b", "<script>alert(1)</script>", "https://evil.example/"]
)
def test_pages_that_take_a_ticket_survive_what_is_none(member, page, rt):
    answer = member.go(f"{OWN_URL}/{page}?rt={rt}")
    assert answer.status_code < 500
    assert "evil.example" not in answer.text
    assert "<script>alert" not in answer.text
    assert "evil" not in answer.headers.get("Location", "")


def test_no_link_of_a_page_about_a_refusal_leads_outside(member, clock: MovedClock):
    tickets = member.app.extensions["doorkey"].gate.return_tickets
    evil = f"{APP}/\"><script>alert(1)</script>?x='y"
    made = Ticket(
        evil, "app.example.com", "POST", "not_allowed", clock(), rule='"><script>alert(2)</script>', request_id="<i>"
    )
    for page in ("denied", "form-not-sent"):
        text = member.go(f"{OWN_URL}/{page}?rt={tickets.seal(made)}").text
        assert "<script>alert" not in text
        assert "<i>" not in text
        links = re.findall(r'(?:href|action|src)="([^"]*)"', text)
        assert [link for link in links if not link.startswith(("/", "#", APP + "/", OWN_URL + "/"))] == []


# ---- the accept step ----


@pytest.mark.parametrize("t", ["", "x", "A" * 9000, "%00", "&t=x"])
def test_an_accept_link_that_is_none_sets_no_cookie_and_sends_nowhere(member, t):
    answer = member.go(f"{OUTSIDE}/.doorkey/accept?t={t}")
    assert answer.status_code == 400
    assert not answer.headers.getlist("Set-Cookie")
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "host", ["other.example.org.evil.example", "app.example.com", "xother.example.org", "login.example.com"]
)
def test_an_accept_link_does_nothing_at_another_host(member, host):
    member.sign_in()
    back = member.go(member.ask(f"{OUTSIDE}/p").headers["Location"]).headers["Location"]
    thief = Member(member.app, OWN_URL, "example.com")
    forwarded = {"X-Forwarded-Host": "other.example.org", "Forwarded": "host=other.example.org"}
    answer = thief.go(back.replace("other.example.org", host), headers=forwarded)
    assert answer.status_code == 400
    assert not answer.headers.getlist("Set-Cookie")
    assert thief.go(back).headers.getlist("Set-Cookie")


def test_an_accept_link_holds_no_secret_in_clear(member):
    member.sign_in()
    back = member.go(member.ask(f"{OUTSIDE}/p").headers["Location"]).headers["Location"]
    for value in member.jar.values():
        assert value not in back
    assert encode(b"https") not in back


def test_a_sign_out_between_the_ticket_and_the_accept_step_wins(member):
    member.sign_in()
    back = member.go(member.ask(f"{OUTSIDE}/p").headers["Location"]).headers["Location"]
    token = re.search(r'name="csrf_token" value="([^"]+)"', member.go(f"{OWN_URL}/").text)
    assert token
    member.go(f"{OWN_URL}/logout", method="POST", data={"csrf_token": token[1]})
    member.go(back)
    assert member.ask(f"{OUTSIDE}/p").status_code == 401


# ---- circles ----


@pytest.mark.parametrize("dialect", ["nginx", "forward"])
def test_a_browser_that_keeps_no_cookie_of_the_gate_stops_going_round(member, clock: MovedClock, dialect):
    member.sign_in()
    for _ in range(5):
        clock.advance(1)
        member.jar = {key: value for key, value in member.jar.items() if key[1] != "__Secure-doorkey-gate"}
        if member.go(member.ask(f"{APP}/x", dialect=dialect).headers["Location"]).status_code == 409:
            return
    raise AssertionError("still going round")


def test_somebody_who_is_forbidden_is_never_sent_round(member, make_app, tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text('[[rule]]\nname = "a"\nallow = { groups = ["nobody-is-in"] }\nlogin = "always"\n')
    other = Member(make_app(**SETTINGS, DOORKEY_POLICY_FILE=str(file)), OWN_URL, "example.com")
    other.sign_in()
    for dialect in ("nginx", "forward"):
        answer = other.ask(f"{APP}/x", dialect=dialect)
        assert (answer.status_code, answer.headers.get("Location")) == (403, None)
