"""The paths of oauth2-proxy, for whoever moves over: they lead to ours, under our rules."""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest

from tests.gate.conftest import APP, OWN_URL, Member
from tests.support.gate_desk import HOST, PAGE, GateDesk, Raw

POLICY = """
[[rule]]
name = "public"
path = "/public"
allow = "anyone"

[[rule]]
name = "admins"
path = "/admin"
allow = { groups = ["admins"] }
"""
BY_METHOD = """
[[rule]]
name = "admins write"
methods = ["POST", "DELETE"]
allow = { groups = ["admins"] }
"""
BY_HOST = """
[[rule]]
name = "two"
host = "two.apps.example.com"
allow = { groups = ["admins"] }
"""
TWO = "two.apps.example.com"
Make = Callable[..., Member]


@pytest.fixture
def member(make_member: Make) -> Member:
    return make_member(POLICY, DOORKEY_OAUTH2_PROXY_PATHS="on", DOORKEY_GATE_HEADERS="oauth2-proxy")


@pytest.fixture
def desk(member: Member) -> GateDesk:
    return GateDesk(member.app)


@pytest.fixture
def bob(desk: GateDesk) -> str:
    return desk.cookie(desk.sign_in(sub="bob", email="bob@example.com", groups=("staff",)))


def headers(**named: str) -> Raw:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]


def nginx(uri: str = "/x", **more: str) -> Raw:
    """As its documentation has nginx ask."""
    return headers(host=HOST, x_forwarded_uri=uri, x_forwarded_proto="https", x_real_ip="192.0.2.1", **more)


def ingress(uri: str = "/x", method: str = "GET", **more: str) -> Raw:
    url = f"https://{HOST}{uri}"
    return headers(host="doorkey.internal", x_original_url=url, x_original_method=method, **more)


def traefik(uri: str = "/x", method: str = "GET", **more: str) -> Raw:
    named = {
        "x_forwarded_uri": uri,
        "x_forwarded_method": method,
        "x_forwarded_host": HOST,
        "x_forwarded_proto": "https",
    }
    return headers(host="doorkey.internal", **named, **more)


def ask(desk: GateDesk, raw: Raw, query: bytes = b"") -> int:
    return desk.send("/oauth2/auth", raw, query=query).status


PROXIES = [nginx, ingress, traefik]


@pytest.mark.parametrize("said", PROXIES)
def test_every_proxy_that_asked_oauth2_proxy_may_ask(desk: GateDesk, bob: str, said: Callable[..., Raw]) -> None:
    answer = desk.send("/oauth2/auth", said(cookie=bob))
    assert (answer.status, answer.get("x-auth-request-email"), answer.body) == (200, "bob@example.com", b"")
    assert answer.get("x-auth-request-groups") == "staff"
    assert ask(desk, said()) == 401
    assert ask(desk, said("/admin", cookie=bob)) == 403


@pytest.mark.parametrize("said", PROXIES)
def test_nobody_is_let_in_by_a_rule_for_anyone(desk: GateDesk, said: Callable[..., Raw]) -> None:
    """Each header may be the visitor's own here."""
    assert ask(desk, said("/public/x")) == 401


def test_the_proxy_itself_knows_where_to_send_a_browser(desk: GateDesk) -> None:
    answer = desk.send("/oauth2/auth", [*nginx(), *PAGE])
    assert (answer.status, answer.get("location")) == (401, "")


def test_strangers_may_not_ask(desk: GateDesk, bob: str) -> None:
    assert desk.send("/oauth2/auth", nginx(cookie=bob), peer="192.0.2.1").status == 403


# ---- headers that contradict each other ----


def test_headers_of_two_kinds_of_proxies_are_refused(desk: GateDesk, bob: str) -> None:
    """Some of them are the visitor's, whatever they say."""
    forged = {"x_original_url": f"https://{HOST}/x", "x_original_method": "GET"}
    assert ask(desk, nginx("/admin", cookie=bob, **forged)) == 403
    assert ask(desk, nginx("/x", cookie=bob, **forged)) == 403
    assert ask(desk, ingress("/admin", x_forwarded_uri="/x", cookie=bob)) == 403
    assert ask(desk, nginx("/x,/y", cookie=bob)) == 403


def test_every_host_that_may_be_meant_has_to_let_somebody_in(make_member: Make) -> None:
    desk = GateDesk(make_member(BY_HOST, DOORKEY_OAUTH2_PROXY_PATHS="on").app)
    bob = desk.cookie(desk.sign_in(groups=("staff",)))
    assert ask(desk, nginx(cookie=bob)) == 200
    assert ask(desk, nginx(cookie=bob, x_forwarded_host=TWO, x_forwarded_method="GET")) == 403
    assert ask(desk, nginx(cookie=bob, x_forwarded_host=TWO)) == 200  # nobody who sends one leaves out the other
    assert ask(desk, headers(host=TWO, x_forwarded_host=HOST, x_forwarded_uri="/x", cookie=bob)) == 403
    assert ask(desk, ingress(cookie=bob, x_forwarded_host=TWO)) == 200  # it tells the host itself
    forged = {"x_original_url": f"https://{HOST}/x", "x_original_method": "GET"}
    assert ask(desk, headers(host=TWO, x_forwarded_uri="/x", cookie=bob, **forged)) == 403


def test_a_host_that_is_not_behind_the_gate_is_not_made_so_by_another_header(desk: GateDesk, bob: str) -> None:
    """nginx as documented tells the host by Host alone; the visitor adds the others."""
    real = {"host": "internal.example.net", "x_forwarded_uri": "/x", "x_forwarded_proto": "https", "cookie": bob}
    assert ask(desk, headers(**real)) == 403
    assert ask(desk, headers(**real, x_original_url=f"https://{HOST}/x", x_original_method="GET")) == 403
    assert ask(desk, headers(**real, x_forwarded_host=HOST)) == 403


def test_rules_for_paths_need_a_proxy_that_tells_the_path(desk: GateDesk, make_member: Make, bob: str) -> None:
    assert ask(desk, headers(host=HOST, cookie=bob)) == 403
    plain = GateDesk(make_member(BY_HOST, DOORKEY_OAUTH2_PROXY_PATHS="on").app)
    assert ask(plain, headers(host=HOST, cookie=plain.cookie(plain.sign_in()))) == 200


def test_rules_for_methods_need_a_proxy_that_tells_the_method(make_member: Make) -> None:
    """nginx as documented does not: a DELETE would look like a GET, so the mistake shows at once."""
    desk = GateDesk(make_member(BY_METHOD, DOORKEY_OAUTH2_PROXY_PATHS="on").app)
    bob = desk.cookie(desk.sign_in(sub="bob", groups=("staff",)))
    for proxy in (traefik, ingress):
        assert ask(desk, proxy(cookie=bob)) == 200
        assert ask(desk, proxy(method="DELETE", cookie=bob)) == 403
    assert ask(desk, nginx(cookie=bob)) == 403
    assert ask(desk, nginx(cookie=bob, x_forwarded_method="GET")) == 200


def test_methods_that_contradict_each_other_are_refused(desk: GateDesk, bob: str) -> None:
    assert ask(desk, ingress(method="DELETE", x_forwarded_method="GET", cookie=bob)) == 403
    forged = {"x_original_url": f"https://{HOST}/x", "x_original_method": "GET"}
    assert ask(desk, traefik(method="DELETE", cookie=bob, **forged)) == 403


# ---- more demands in the address ----


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"", 200),
        (b"allowed_groups=staff", 200),
        (b"allowed_groups=admins,staff", 200),
        (b"allowed_groups=admins", 403),
        (b"allowed_groups=", 403),
        (b"allowed_groups=staff&allowed_groups=admins", 403),
        (b"allowed_groups=sta", 403),
        (b"allowed_groups=%73taff", 200),
        (b"allowed_emails=Bob@Example.com", 200),
        (b"allowed_emails=alice@example.com", 403),
        (b"allowed_email_domains=example.com", 200),
        (b"allowed_email_domains=xample.com", 403),
        (b"allowed_email_domains=.example.com", 403),
        (b"allowed_groups=staff&allowed_emails=alice@example.com", 403),
        (b"policy=none&rd=https://evil.example/", 200),
        (b"\xff=%ff&&==;", 200),
    ],
)
def test_the_address_of_the_check_only_restricts(desk: GateDesk, bob: str, query: bytes, status: int) -> None:
    assert ask(desk, nginx(cookie=bob), query) == status


def test_the_address_of_the_check_never_opens(desk: GateDesk, bob: str) -> None:
    for query in (b"allowed_groups=staff", b"allowed_emails=bob@example.com", b"skip_auth=true"):
        assert ask(desk, nginx("/admin", cookie=bob), query) == 403
        assert ask(desk, nginx("/x"), query) == 401


# ---- the other paths ----


def test_the_paths_are_off_unless_they_are_asked_for(make_member: Make) -> None:
    member = make_member(POLICY)
    for path in ("auth", "start", "sign_in", "sign_out", "callback", "userinfo"):
        assert member.go(f"{OWN_URL}/oauth2/{path}").status_code == 404


@pytest.mark.parametrize("path", ["start", "sign_in"])
def test_a_browser_comes_back_to_where_it_was(member: Member, path: str) -> None:
    for rd in (f"{APP}/x?y=z", "https://two.apps.example.com/x"):
        begun = member.go(f"{OWN_URL}/oauth2/{path}?rd={quote(rd, safe='')}")
        assert begun.headers["Location"].startswith(f"{OWN_URL}/login?rt=")
        assert member.sign_in(begun.headers["Location"]) == rd
        member.jar.clear()


def test_the_path_may_be_asked_for_at_the_host_of_the_application(member: Member) -> None:
    begun = member.go(f"{APP}/oauth2/start?rd=/x")
    assert member.sign_in(begun.headers["Location"]) == f"{APP}/x"


BAD = [
    *(
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "https://app.example.com.evil.example/",
        "javascript:alert(1)",
    ),
    *(
        "https://app.example.com@evil.example/",
        "http:evil.example",
        "/\t/evil.example",
        "https://xapps.example.com/",
        "\\\\evil.example",
    ),
    *(
        "https://app.example.com:444/",
        "https:///evil.example",
        "/%0d%0aX: y",
        "data:x",
        "evil.example",
        "https://evil.example#app.example.com",
    ),
]


@pytest.mark.parametrize("rd", BAD)
def test_where_to_go_is_under_our_rules(member: Member, rd: str) -> None:
    for where in (OWN_URL, APP):
        begun = member.go(f"{where}/oauth2/start?rd={quote(rd, safe='')}", headers={"X-Auth-Request-Redirect": rd})
        back = member.sign_in(begun.headers["Location"])
        assert urlsplit(back).netloc in ("", urlsplit(where).netloc)
        assert "evil.example" not in urlsplit(back).netloc
        member.jar.clear()


def test_a_link_signs_nobody_out(member: Member) -> None:
    member.sign_in()
    answer = member.go(f"{OWN_URL}/oauth2/sign_out?rd=https://evil.example/")
    assert answer.headers["Location"] == f"{OWN_URL}/logout"
    member.go(f"{OWN_URL}/logout")
    assert member.go(f"{OWN_URL}/oauth2/userinfo").status_code == 200
    assert member.go(f"{OWN_URL}/oauth2/sign_out", method="POST").status_code in (400, 403, 404, 405)
    assert member.go(f"{OWN_URL}/oauth2/userinfo").get_json()["email"] == "una@example.com"


def test_who_is_not_signed_in_is_told_so(member: Member) -> None:
    answer = member.go(f"{OWN_URL}/oauth2/userinfo")
    assert (answer.status_code, "email" in answer.text) == (401, False)


def test_the_cookie_of_the_gate_opens_no_user_info(member: Member) -> None:
    member.sign_in()
    member.jar = {key: value for key, value in member.jar.items() if key[1] == "__Secure-doorkey-gate"}
    for where in (OWN_URL, APP):
        assert member.go(f"{where}/oauth2/userinfo").status_code in (400, 401)
