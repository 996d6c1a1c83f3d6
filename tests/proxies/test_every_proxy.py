"""What every proxy does with the answers of a check, with the files of deploy/ as they are.

The check is a stand-in here, so that each answer comes when it is wanted; the real one: test_gate_through_proxies.py.
What a client may send to get around a check: test_hostile_through_proxies.py.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from tests.proxies import stub_check
from tests.proxies.fronts import API, BROWSER, SIGNED_IN, WEBSOCKET, Front, gate
from tests.proxies.raw_client import Connection, request
from tests.proxies.stub_check import GATE, IDENTITY, LOGIN

APP = "https://app.example.com"


IDENTITY_IN_LOWER_CASE = {name.lower(): value for name, value in IDENTITY.items()}


def identity(front: Front) -> dict[str, str]:
    """The identity headers that the app got, each at most once, by name in lower case; an empty one counts as none."""
    names = {name.lower() for name, _ in front.reached.headers if name.lower().startswith("x-doorkey-")}
    values = {name: front.reached.header(name) for name in names - {"x-doorkey-reason"}}
    return {name: value for name, value in values.items() if value}


def test_who_is_signed_in_reaches_the_app_with_the_identity_of_doorkey(front: Front) -> None:
    answer = front.ask("GET", "/page?x=1", [SIGNED_IN])
    assert (answer.status, answer.header("X-Echo")) == (200, "app")
    assert (front.reached.method, front.reached.target) == ("GET", "/page?x=1")
    assert identity(front) == IDENTITY_IN_LOWER_CASE
    assert front.checked == ("GET", f"{APP}/page?x=1")


def test_the_query_of_a_client_is_no_part_of_the_address_that_is_asked(front: Front) -> None:
    front.ask("GET", "/page?allow=anyone", [SIGNED_IN])
    (check,) = front.behind.doorkey.checks
    if front.kind.dialect != "envoy":  # there it belongs to the original request
        assert "allow" not in check.target
    assert front.checked == ("GET", f"{APP}/page?allow=anyone")


def test_the_app_learns_the_host_and_the_scheme_and_not_what_a_client_says_of_them(front: Front) -> None:
    spoofed = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "evil.example")]
    front.ask("GET", "/", [SIGNED_IN, *spoofed])
    told = front.reached
    assert told.header("Host") == "app.example.com"
    assert told.header("X-Forwarded-Proto") == "https"
    assert "6.6.6.6" not in told.header("X-Forwarded-For").split(",")[-1]
    assert told.header("X-Forwarded-Host") in ("", "app.example.com")
    assert front.checked == ("GET", f"{APP}/")


def test_an_api_client_gets_the_401_of_doorkey_and_no_redirect(front: Front) -> None:
    answer = front.ask("GET", "/api", [API])
    assert answer.status == 401
    assert answer.json == {"error": "login_required"}
    assert answer.header("WWW-Authenticate") == "Bearer"
    assert answer.header("Content-Type").startswith("application/json")
    assert not answer.values("Location")
    assert front.behind.app.requests == []


@pytest.mark.parametrize("target", ["/", "/a%2Fb?x=1&y=%C3%A9", "/?next=https://evil.example/&a=b#c".partition("#")[0]])
def test_a_browser_is_sent_to_the_login_with_its_exact_address(front: Front, target: str) -> None:
    answer = front.ask("GET", target, [BROWSER])
    assert answer.status == 302
    assert answer.header("Location") == LOGIN + quote(APP + target, safe="")
    assert answer.header("Cache-Control") == "no-store"
    assert front.behind.app.requests == []


def test_a_posted_form_is_sent_to_the_login_and_never_posted_there(front: Front) -> None:
    form = ("Content-Type", "application/x-www-form-urlencoded")
    answer = front.ask("POST", "/form", [BROWSER, form], b"a=b")
    assert answer.status == (302 if "always-302" in front.kind.limits else 303)
    assert answer.header("Location").startswith(LOGIN)
    assert front.behind.app.requests == []


def test_who_is_refused_gets_403_as_an_api_client(front: Front) -> None:
    answer = front.ask("GET", "/", [gate("denied"), API])
    assert (answer.status, answer.json) == (403, {"error": "forbidden"})
    assert not answer.values("Location")
    assert front.behind.app.requests == []


def test_who_is_refused_gets_an_explanation_as_a_browser(front: Front) -> None:
    answer = front.ask("GET", "/", [gate("denied"), BROWSER])
    if front.kind.dialect == "nginx":  # which can show no page of Doorkey's itself
        assert (answer.status, answer.header("Location")) == (302, stub_check.FORBIDDEN_PAGE)
    else:
        assert (answer.status, answer.body) == (403, b'{"error":"forbidden"}')
    assert front.behind.app.requests == []


def test_a_store_that_is_down_is_503_and_no_way_in_or_to_the_login(front: Front) -> None:
    answer = front.ask("GET", "/", [gate("down"), BROWSER])
    assert answer.status == 503
    assert answer.header("Retry-After") == "5"
    assert not answer.values("Location")
    assert front.behind.app.requests == []


def test_an_answer_that_nobody_expects_lets_nobody_in(front: Front) -> None:
    answer = front.ask("GET", "/", [gate("teapot"), BROWSER])
    assert answer.status >= 400
    assert front.behind.app.requests == []


def test_without_doorkey_nobody_gets_in_and_it_works_again_afterwards(front: Front) -> None:
    with front.behind.without_doorkey():
        answer = front.ask("GET", "/", [SIGNED_IN, BROWSER])
        assert front.behind.app.requests == []
    if "away-is-500" in front.kind.limits:
        assert answer.status == 500
    else:
        assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert not answer.values("Location")
    assert front.ask("GET", "/", [SIGNED_IN]).status == 200


def test_a_silent_doorkey_is_asked_once_and_given_up_in_time(fronts: dict[str, Front]) -> None:
    """All side by side, since each waits for seconds; one with a longer patience of its own would only wait longer."""
    waiting = [front for front in fronts.values() if front.kind.gives_up <= 5]
    behind = waiting[0].behind
    behind.forget()

    def ask(front: Front) -> tuple[str, int, float]:
        began = time.monotonic()
        with Connection(front.proxy.port, tls=front.proxy.site.client_tls, seconds=10) as connection:
            connection.send(request("GET", f"/{front.kind.name}", [SIGNED_IN, BROWSER]))
            return front.kind.name, connection.answer().status, time.monotonic() - began

    with behind.doorkey.silent(), ThreadPoolExecutor(len(waiting)) as pool:
        answers = list(pool.map(ask, waiting))
    assert {name: status for name, status, _ in answers} == {front.kind.name: 503 for front in waiting}
    assert [name for name, _, seconds in answers if seconds > 6] == []
    assert len(behind.doorkey.checks) == len(waiting)
    assert behind.app.requests == []


def test_an_app_that_is_away_is_not_taken_for_doorkey(front: Front) -> None:
    front.behind.app.stop()
    try:
        answer = front.ask("GET", "/", [SIGNED_IN])
    finally:
        front.behind.app.start()
    assert answer.status in (502, 503)
    assert b"auth_unavailable" not in answer.body


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PROPFIND", "PATCH"])
def test_every_method_is_checked_as_what_it_is(front: Front, method: str) -> None:
    assert front.ask(method, "/m", [API]).status == 401
    assert front.behind.app.requests == []
    assert front.checked == (method, f"{APP}/m")
    assert front.ask(method, "/m", [SIGNED_IN]).status == 200
    assert front.reached.method == method


def test_bodies_reach_the_app_and_not_the_check(front: Front) -> None:
    assert front.ask("POST", "/up", [SIGNED_IN], b"x" * 70_000).status == 200
    assert len(front.reached.body) == 70_000
    chunked = request("POST", "/up", [SIGNED_IN, ("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n0\r\n\r\n"
    assert front.send(chunked).status == 200
    assert front.reached.body == b"abc"
    assert [check.body for check in front.behind.doorkey.checks] == [b""]


def test_a_client_that_waits_for_100_continue_is_served_or_told(front: Front) -> None:
    assert continued(front, SIGNED_IN) == 200
    assert front.reached.body == b"abc"
    assert continued(front, API, at_once="wants-the-body" in front.kind.limits) == 401
    assert front.behind.app.requests == []


def continued(front: Front, who: tuple[str, str], *, at_once: bool = False) -> int:
    """The final status for a client that sends its body when it is told to go on."""
    front.behind.forget()
    with Connection(front.proxy.port, tls=front.proxy.site.client_tls) as connection:
        connection.send(request("POST", "/up", [who, ("Expect", "100-continue"), ("Content-Length", "3")]))
        if at_once:
            connection.send(b"abc")
        answer = connection.answer()
        if answer.status == 100 and not at_once:
            connection.send(b"abc")
        while answer.status == 100:  # the proxy's own, and perhaps the app's as well
            answer = connection.answer()
    return answer.status


def test_a_websocket_reaches_the_app_when_the_check_allows_it(front: Front) -> None:
    front.behind.forget()
    with Connection(front.proxy.port, tls=front.proxy.site.client_tls) as connection:
        connection.send(request("GET", "/socket", [SIGNED_IN, *WEBSOCKET]))
        answer = connection.answer()
        assert answer.status == 101
        connection.send(b"\x81\x05hello")
        assert connection.read(7) == b"\x81\x05hello"
    assert identity(front) == IDENTITY_IN_LOWER_CASE


def test_a_websocket_without_a_session_is_refused(front: Front) -> None:
    assert front.ask("GET", "/socket", WEBSOCKET).status == 401
    assert front.behind.app.requests == []


def test_the_cookies_of_doorkey_stay_here_and_the_others_reach_the_app(front: Front) -> None:
    cookies = f"a=1; {GATE}=good; b=2; __Host-doorkey-gate=x; c=3"
    front.ask("GET", "/", [("Cookie", cookies)])
    got = [cookie.strip() for cookie in front.reached.header("Cookie").split(";") if cookie.strip()]
    assert [cookie for cookie in got if "doorkey" not in cookie] == ["a=1", "b=2", "c=3"]
    if "keeps-cookies" not in front.kind.limits:
        assert got == ["a=1", "b=2", "c=3"]


def test_the_accept_step_goes_to_doorkey_without_a_check(front: Front) -> None:
    answer = front.ask("GET", "/.doorkey/accept?t=1")
    assert (answer.status, answer.json["target"]) == (200, "/.doorkey/accept?t=1")
    (asked,) = front.behind.doorkey.requests
    assert (asked.target, asked.header("Host")) == ("/.doorkey/accept?t=1", "app.example.com")
    assert front.behind.app.requests == []


def test_the_echo_page_is_guarded_as_the_app_and_answered_by_doorkey(front: Front) -> None:
    assert front.ask("GET", "/.doorkey/echo", [API]).status == 401
    answer = front.ask("GET", "/.doorkey/echo?t=1", [SIGNED_IN, ("X-Doorkey-Groups", "admins")])
    assert answer.json["target"] == "/.doorkey/echo?t=1"
    groups = [value for name, value in answer.json["headers"] if name.lower() == "x-doorkey-groups"]
    assert groups == ["dev,ops"]
    assert front.behind.app.requests == []


def test_a_host_without_a_place_of_its_own_does_not_end_at_the_app_of_another(front: Front) -> None:
    """Else the rules of one host would open the application of another."""
    front.ask("GET", "/", [SIGNED_IN], host="other.example.com")
    assert front.behind.app.requests == []
    front.ask("GET", "https://other.example.com/", [SIGNED_IN])
    assert [request.header("Host") for request in front.behind.app.requests if "other" in request.header("Host")] == []


def test_doorkeys_own_host_is_not_guarded_and_does_not_offer_the_check(front: Front) -> None:
    login = "login.example.com"
    answer = front.ask("GET", "/login?rt=1", host=login)
    assert (answer.status, answer.json["target"]) == (200, "/login?rt=1")
    insides = (
        "/check/nginx",
        "/check/forward/x",
        "/check/envoy/",
        "/metrics",
        "/oauth2/auth",
        "/%63heck/nginx",
        "//check/nginx",
    )
    for inside in insides:
        answer = front.ask(
            "GET", inside, [SIGNED_IN, ("X-Original-URL", APP), ("X-Original-Method", "GET")], host=login
        )
        assert answer.status in (400, 403, 404), inside
        assert [asked.target for asked in front.behind.doorkey.requests] == [], inside
