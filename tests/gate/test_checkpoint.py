"""From the request of a proxy to its answer: trust, order, and what every answer has. Outages: test_gate_outages.py."""

import json
import logging
from collections.abc import Callable

import pytest
from flask import Flask

from tests.conftest import MovedClock
from tests.support.gate_desk import HOST, IDENTITY, PAGE, URL, GateDesk, desk_at, said, size

Make = Callable[..., Flask]
POLICY = """
[[rule]]
name = "static"
path = "/static"
allow = "anyone"

[[rule]]
name = "admins"
path = "/admin"
allow = { groups = ["admins"] }

[[rule]]
name = "assertion"
path = "/told"
allow = "signed-in"
headers = ["assertion", "access-token"]

[[rule]]
name = "assertion for anyone"
path = "/open"
allow = "anyone"
headers = ["assertion", "access-token"]

[[rule]]
name = "everybody is sent away"
path = "/always"
allow = "signed-in"
login = "always"

[[rule]]
name = "nobody is sent away"
path = "/never"
allow = "signed-in"
login = "never"

[[policy.admins]]
name = "admins only"
allow = { groups = ["admins"] }
"""
SECRET = "0xK3-9fQe7_zTbN2mV8.rYcL5wHsPdUa1JgZ4"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> GateDesk:
    return desk_at(tmp_path_factory.mktemp("gate"), POLICY)


@pytest.fixture
def fresh(make_gate: Make) -> GateDesk:
    """By a clock that can be moved, and asked by nobody yet."""
    return GateDesk(make_gate(POLICY))


@pytest.fixture(scope="module")
def alice(desk: GateDesk) -> str:
    """The cookie of somebody who is signed in."""
    return desk.cookie(desk.sign_in(sub="alice", name="Alice", email="alice@example.com", groups=("staff",)))


# ---- the table of answers ----


def test_somebody_who_is_signed_in_passes_in_every_dialect(desk: GateDesk, alice: str) -> None:
    for dialect in ("nginx", "forward"):
        answer = desk.ask(dialect, cookie=alice)
        assert (answer.status, answer.body, answer.get("x-doorkey-user")) == (200, b"", "alice")
    raw = [(b"host", HOST.encode()), (b"x-forwarded-proto", b"https"), (b"cookie", alice.encode())]
    assert desk.send("/check/envoy/x", raw).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "CONNECT", "PROPFIND", "get", "X" * 5000])
def test_the_method_of_the_check_itself_changes_nothing(desk: GateDesk, alice: str, method: str) -> None:
    raw = [*said("nginx", URL), (b"cookie", alice.encode())]
    assert desk.send("/check/nginx", raw, method=method).status == 200
    assert desk.send("/check/nginx", said("nginx", URL), method=method).status == 401


def test_a_browser_is_sent_to_sign_in(desk: GateDesk) -> None:
    for dialect, method, status in [
        ("nginx", "GET", 401),
        ("forward", "GET", 302),
        ("forward", "HEAD", 302),
        ("forward", "POST", 303),
    ]:
        form = (b"content-type", b"application/x-www-form-urlencoded")
        answer = desk.ask(dialect, method=method, more=[*PAGE, form])
        assert (answer.status, answer.get("x-doorkey-reason")) == (status, "no_session")
        assert answer.get("location").startswith("https://login.example.com/login?rt=")
        assert not answer.body


def test_a_program_is_told_and_never_redirected(desk: GateDesk) -> None:
    for dialect in ("nginx", "forward"):
        answer = desk.ask(dialect, more=[(b"accept", b"application/json")])
        assert (answer.status, answer.get("location")) == (401, "")
        assert answer.get("www-authenticate").startswith("Bearer")
        assert json.loads(answer.body)["error"] == "login_required"
    assert desk.ask(more=[]).get("x-doorkey-body")


def test_a_rule_can_send_everybody_away_or_nobody(desk: GateDesk) -> None:
    assert desk.ask("forward", url=f"https://{HOST}/always", more=[]).status == 302
    assert desk.ask("forward", url=f"https://{HOST}/never").status == 401


def test_a_known_account_that_may_not_is_forbidden_and_never_sent_away(desk: GateDesk, alice: str) -> None:
    for dialect in ("nginx", "forward"):
        page = desk.ask(dialect, url=f"https://{HOST}/admin", cookie=alice)
        assert (page.status, page.get("location"), page.get("x-doorkey-reason")) == (403, "", "not_allowed:admins")
        assert page.get("x-doorkey-page").startswith("https://login.example.com/denied?rt=")
        api = desk.ask(dialect, url=f"https://{HOST}/admin", cookie=alice, more=[])
        assert (api.status, json.loads(api.body)["rule"], api.get("x-doorkey-page")) == (403, "admins", "")
        assert not any(answer.get(name) for name in IDENTITY for answer in (page, api))


def test_a_host_that_is_not_behind_the_gate_is_refused_without_a_redirect(desk: GateDesk, alice: str) -> None:
    for dialect in ("nginx", "forward"):
        answer = desk.ask(dialect, url="https://evil.example/x", cookie=alice)
        assert (answer.status, answer.get("location"), answer.get("x-doorkey-reason")) == (403, "", "host_not_allowed")


def test_what_makes_no_sense_is_refused_in_the_words_of_the_dialect(desk: GateDesk, alice: str) -> None:
    for dialect, status in (("nginx", 403), ("forward", 400), ("envoy/x", 400)):
        answer = desk.send(f"/check/{dialect}", [(b"cookie", alice.encode())])
        assert (answer.status, answer.get("x-doorkey-reason")) == (status, "bad_gateway_config")


# ---- paths of the check ----


def test_a_named_policy_is_chosen_by_path_and_the_query_is_ignored(desk: GateDesk, alice: str) -> None:
    assert desk.ask("nginx/admins", cookie=alice).status == 403
    raw = [*said("nginx", URL), (b"cookie", alice.encode())]
    for query in (b"policy=admins", b"rd=https://evil.example/", b"allowed_groups=admins", b"x-original-url=/static"):
        assert desk.send("/check/nginx", raw, query=query).status == 200
        assert desk.send("/check/nginx/admins", raw, query=query).status == 403
    for query in (b"policy=", b"allowed_groups=staff"):
        assert desk.send("/check/nginx/admins", raw, query=query).status == 403


UNKNOWN = [
    *("/check/nginx/nobody", "/check/nginx/Admins", "/check/nginx/admins%20", "/check/nginx/%61dmins"),
    *("/check/nginx/admins/x", "/check/nginx/admins/../", "/check/nginx//x", "/check/nginx/.", "/check/nginx/admins;x"),
    *("/check/forward/nobody", "/check/envoy:nobody/x", "/check/envoy", "/check/envoy:admins", "/check/", "/check/x"),
    *("/check/NGINX", "/check/nginx:admins", "/check//nginx", "/check/nginx?", "/check/../check/nginx", "/check/\xff"),
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_no_other_path_of_the_check_lets_anybody_in(desk: GateDesk, path: str) -> None:
    admin = desk.cookie(desk.sign_in(groups=("admins",)))
    raw = [*said("nginx", URL), *said("forward", URL), (b"host", HOST.encode()), (b"cookie", admin.encode())]
    answer = desk.send(path, raw)
    assert answer.status in (400, 403, 404)
    assert not answer.get("location")


def test_envoy_asks_with_the_path_of_the_visitor_behind_the_check(desk: GateDesk, alice: str) -> None:
    raw = [(b"host", HOST.encode()), (b"x-forwarded-proto", b"https"), (b"cookie", alice.encode())]
    for path, status in (
        ("/check/envoy/admin", 403),
        ("/check/envoy//admin", 403),
        ("/check/envoy/../nginx/admin", 200),
        ("/check/envoy/static/../admin", 403),
        ("/check/envoy:admins/x", 403),
        ("/check/envoy/x:admins/x", 200),
    ):
        assert desk.send(path, raw, method="POST").status == status
    without = raw[:2]
    assert desk.send("/check/envoy/static/x", without, query=b"a=b").status == 200
    assert desk.send("/check/envoy/static/%2e%2e/x", without).status == 401


# ---- whom to trust ----


@pytest.mark.parametrize(
    "peer", ["192.0.2.1", "10.0.0.1", "", "unix", "::2", "127.0.0.1.evil", "0.0.0.0", "fe80::1%eth0"]
)
def test_a_stranger_is_refused_whatever_they_say(desk: GateDesk, alice: str, peer: str) -> None:
    for claim in (
        [],
        [(b"x-forwarded-for", b"127.0.0.1")],
        [(b"x-real-ip", b"::1")],
        [(b"forwarded", b"for=127.0.0.1")],
    ):
        raw = [*said("nginx", f"https://{HOST}/static/x"), (b"cookie", alice.encode()), *claim]
        answer = desk.send("/check/nginx", raw, peer=peer)
        assert (answer.status, answer.get("x-doorkey-reason")) == (403, "untrusted_proxy")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_trusted_by_itself(desk: GateDesk, peer: str) -> None:
    assert desk.send("/check/nginx", said("nginx", f"https://{HOST}/static/x"), peer=peer).status == 200


def test_other_proxies_are_named_by_network_and_loopback_is_not_among_them_then(make_gate: Make) -> None:
    desk = GateDesk(make_gate(POLICY, DOORKEY_TRUSTED_PROXIES="10.1.0.0/16, 2001:db8::/32"))
    raw = said("nginx", f"https://{HOST}/static/x")
    statuses = {
        peer: desk.send("/check/nginx", raw, peer=peer).status
        for peer in ("10.1.2.3", "2001:db8::9", "::ffff:10.1.0.1")
    }
    assert set(statuses.values()) == {200}
    assert {desk.send("/check/nginx", raw, peer=peer).status for peer in ("10.2.0.1", "127.0.0.1", "::1")} == {403}


def test_whoever_knows_the_secret_may_ask_from_anywhere(make_gate: Make) -> None:
    desk = GateDesk(make_gate(POLICY, DOORKEY_PROXY_SECRET=SECRET))
    raw = said("nginx", f"https://{HOST}/static/x")
    good, name = (b"x-doorkey-proxy-secret", SECRET.encode()), b"x-doorkey-proxy-secret"
    assert desk.send("/check/nginx", [*raw, good], peer="192.0.2.1").status == 200
    wrong = [b"", b"x", SECRET.encode()[:-1], SECRET.encode() + b"x", SECRET.upper().encode(), b"\xff", b"s, s"]
    for peer in ("192.0.2.1", "127.0.0.1"):
        for value in wrong:
            assert desk.send("/check/nginx", [*raw, (name, value)], peer=peer).status == 403
        assert desk.send("/check/nginx", [*raw, good, good], peer=peer).status == 403
    assert (
        desk.send("/check/nginx", [*raw, (b"x_doorkey_proxy_secret", SECRET.encode())], peer="192.0.2.1").status == 403
    )


def test_without_a_secret_in_the_settings_none_is_right(desk: GateDesk) -> None:
    for value in (b"", b"None", b"x"):
        raw = [*said("nginx", f"https://{HOST}/static/x"), (b"x-doorkey-proxy-secret", value)]
        assert desk.send("/check/nginx", raw, peer="192.0.2.1").status == 403


# ---- what the application is told ----


def test_a_page_for_anyone_is_told_of_nobody_even_with_a_session(desk: GateDesk, alice: str) -> None:
    answer = desk.ask(url=f"https://{HOST}/static/x", cookie=alice)
    assert {name: answer.get(name) for name in IDENTITY} == dict.fromkeys(IDENTITY, "")
    assert set(IDENTITY) <= {name.decode() for name, _ in answer.headers}
    opened = {name.decode(): value for name, value in desk.ask(url=f"https://{HOST}/open").headers}
    assert opened["x-doorkey-assertion"] == opened["x-doorkey-access-token"] == b""


def test_the_access_token_is_told_where_a_rule_says_so_and_nowhere_else(desk: GateDesk, alice: str) -> None:
    told = desk.ask(url=f"https://{HOST}/told", cookie=alice)
    assert told.get("x-doorkey-access-token") == "canary-access-token"
    assert told.get("x-doorkey-assertion").count(".") == 2
    for url in (URL, f"https://{HOST}/admin", f"https://{HOST}/static", f"https://{HOST}/told/../x"):
        assert "canary" not in str(desk.ask(url=url, cookie=alice))


@pytest.mark.parametrize("headers", ["doorkey", "oauth2-proxy"])
def test_no_answer_is_too_large_for_nginx(make_gate: Make, headers: str) -> None:
    desk = GateDesk(make_gate(POLICY, DOORKEY_GATE_HEADERS=headers))
    groups = tuple(f"a-group-of-people-{number:03}" for number in range(300))
    told = {"alias": "é" * 255, "name": "😀" * 320, "email": "e" * 300 + "@example.com", "groups": groups}
    cookie = desk.cookie(desk.sign_in(sub="s" * 255, **told))
    long = f"https://{HOST}/" + "".join(chr(33 + number * 7919 % 94) for number in range(8000)).replace("?", "a")
    asked = [
        desk.ask(d, url=u, cookie=c)
        for d in ("nginx", "forward")
        for u in (URL, f"https://{HOST}/admin", long)
        for c in ("", cookie)
    ]
    passed = {200} if headers == "doorkey" else set()  # there the name of the user would be in it twice
    assert passed | {302, 401, 403} == {answer.status for answer in asked}
    assert max(map(size, asked)) < 3584
    assert max(len(answer.body) for answer in asked) < 3000


def test_an_ended_session_is_over_at_once(fresh: GateDesk, clock: MovedClock) -> None:
    session = fresh.sign_in()
    assert fresh.ask(cookie=fresh.cookie(session)).status == 200
    clock.advance(13 * 3600)
    answer = fresh.ask(cookie=fresh.cookie(session))
    assert (answer.status, answer.get("x-doorkey-reason")) == (401, "expired")


def test_checks_are_counted_by_verdict_and_never_by_what_visitors_choose(fresh: GateDesk) -> None:
    alice = fresh.cookie(fresh.sign_in())
    fresh.ask(cookie=alice)
    for number in range(50):
        fresh.ask(url=f"https://host{number}.example/", cookie=alice, method=f"M{number}")
        fresh.send(f"/check/nginx/{number}", said("nginx", URL))
        fresh.send(f"/check/x{number}", [])
    assert fresh.checkpoint.counts["nginx", "allow"] == 1
    assert len(fresh.checkpoint.counts) < 12


def test_a_refusal_is_logged_with_account_and_rule_and_without_the_path(
    desk: GateDesk, alice: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        desk.ask(url=f"https://{HOST}/admin?token=canary", cookie=alice)
    logged = str([record.__dict__ for record in caplog.records])
    assert "admins" in logged
    assert "alice" in logged
    assert "canary" not in logged
