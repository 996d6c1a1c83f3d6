"""The real Doorkey behind every proxy: login and back, rules, tokens, and a store that is down or slow."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.proxies import hostile
from tests.proxies.every import PROXIES
from tests.proxies.fronts import API, BROWSER, WEBSOCKET
from tests.proxies.gate_world import World, open_world
from tests.proxies.raw_client import CLOSED, Answer, Connection, request, send
from tests.proxies.running import RunningProxy
from tests.proxies.visitor import Visitor

APP = "https://app.example.com"
MANY = [f"group-{number:03}" for number in range(200)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("gate")) as world:
        yield world


@pytest.fixture(params=[kind.name for kind in PROXIES])
def proxy(request: pytest.FixtureRequest, world: World) -> RunningProxy:
    found = world.proxies[request.param]
    if isinstance(found, BaseException):
        raise found
    world.app.requests.clear()
    return found


def signed_in(world: World, proxy: RunningProxy, *groups: str, at: str = "/") -> tuple[Visitor, str, Answer]:
    """Somebody who opened a page of the app and signed in for it; where they ended, and what they saw."""
    world.provider.answer("/token", {"access_token": "canary-access-token", "token_type": "Bearer", "expires_in": 3600})
    world.provider.answer("/userinfo", {"sub": "alice", "email": "alice@example.com", "groups": list(groups)})
    visitor = Visitor(proxy)
    url, answer = visitor.open(APP + at)
    return visitor, url, answer


def nobody(proxy: RunningProxy, method: str, target: str, headers: list[tuple[str, str]]) -> Answer:
    try:
        return send(proxy.port, request(method, target, headers), tls=proxy.site.client_tls)
    except (TimeoutError, ConnectionError):
        return Answer(CLOSED)


def test_a_login_ends_at_the_very_page_with_the_identity_of_the_session(world: World, proxy: RunningProxy) -> None:
    at = "/files/a%2Fb?x=1&y=%C3%A9&next=https://evil.example/"
    _, url, answer = signed_in(world, proxy, "dev", "ops", at=at)
    assert (url, answer.status) == (APP + at, 200)
    received = world.app.requests[-1]
    assert received.target == at
    assert received.header("X-Doorkey-User") == "alice"
    assert received.header("X-Doorkey-Groups") == "dev,ops"
    assert received.header("X-Doorkey-Email") == "alice@example.com"
    assert received.header("X-Doorkey-Provider") == "stub"
    assert received.header("X-Doorkey-Session")
    assert "canary-access-token" not in str(received)


def test_a_script_without_a_session_gets_a_json_401(world: World, proxy: RunningProxy) -> None:
    for asks in ([API], [BROWSER, ("X-Requested-With", "XMLHttpRequest")], [BROWSER, ("Sec-Fetch-Mode", "cors")]):
        answer = nobody(proxy, "GET", "/data", asks)
        assert answer.status == 401
        assert isinstance(answer.json, dict)
        assert answer.header("WWW-Authenticate").startswith("Bearer")
        assert not answer.values("Location")
    assert world.app.requests == []


def test_a_rule_decides_by_group_and_a_refused_browser_is_told_why(world: World, proxy: RunningProxy) -> None:
    visitor, _, answer = signed_in(world, proxy, "admins", at="/admin")
    assert answer.status == 200
    visitor, url, page = signed_in(world, proxy, "dev", at="/admin")
    assert page.status in (200, 403), url
    assert b"alice" in page.body
    assert b"admins" in page.body
    assert visitor.ask("GET", APP + "/admin", [API]).status == 403
    assert [request.target for request in world.app.requests] == ["/admin"]


def test_what_is_public_is_served_to_anyone_without_an_identity(world: World, proxy: RunningProxy) -> None:
    answer = nobody(proxy, "GET", "/public/a", [("X-Doorkey-User", "evil"), ("X-Doorkey-Groups", "admins")])
    assert answer.status == 200
    (received,) = world.app.requests
    assert [
        value for name, value in received.headers if name.lower().startswith("x-doorkey-") and value == "evil"
    ] == []
    assert received.header("X-Doorkey-User") == ""
    assert received.header("X-Doorkey-Groups") == ""


def test_no_odd_path_passes_as_public(world: World, proxy: RunningProxy) -> None:
    for target in (
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/.%2e/admin",
        "//public/../admin",
        "/public;/../admin",
        "/public%2f..%2fadmin",
        "/public\\..\\admin",
        "/public%5c..%5cadmin",
        "/public/%00/../../admin",
        "/admin#/public",
        "/admin?/public",
        "/publicity",
        "/PUBLIC",
        "/p%75blic/../admin",
    ):
        nobody(proxy, "GET", target, [API])
        assert [request.target for request in world.app.requests if not is_public(request.target)] == [], target


@pytest.mark.parametrize("kind", ["steering", "paths", "hosts", "methods"])
def test_no_hostile_request_gets_past_the_real_gate(world: World, proxy: RunningProxy, kind: str) -> None:
    wrong = []
    for name, make in hostile.KINDS[kind]():
        try:
            status = send(proxy.port, make([]), tls=proxy.site.client_tls).status
        except (TimeoutError, ConnectionError):
            status = CLOSED
        reached = [request.target for request in world.app.requests if not is_public(request.target)]
        if reached or status in (500, 502, 504):
            wrong.append((name, status, reached))
        world.app.requests.clear()
    assert wrong == []


def is_public(target: str) -> bool:
    """Plainly so, after a proxy took the dots out."""
    return target.startswith("/public") and not any(odd in target for odd in ("..", "%", ";", "\\", "//"))


def test_two_hundred_groups_break_nothing(world: World, proxy: RunningProxy) -> None:
    _, _, answer = signed_in(world, proxy, *MANY)
    assert answer.status == 200
    groups = world.app.requests[-1].header("X-Doorkey-Groups")
    assert groups in ("", ",".join(MANY))


def test_a_websocket_passes_with_a_session_and_not_without(world: World, proxy: RunningProxy) -> None:
    assert nobody(proxy, "GET", "/socket", list(WEBSOCKET)).status == 401
    visitor, _, _ = signed_in(world, proxy)
    cookie = (
        "Cookie",
        "; ".join(f"{name}={value}" for (at, name), value in visitor.cookies.items() if at == "example.com"),
    )
    with Connection(proxy.port, tls=proxy.site.client_tls) as connection:
        connection.send(request("GET", "/socket", [cookie, *WEBSOCKET]))
        assert connection.answer().status == 101
        connection.send(b"hello")
        assert connection.read(5) == b"hello"


def test_no_answer_of_a_check_sets_a_cookie(world: World, proxy: RunningProxy) -> None:
    visitor, _, _ = signed_in(world, proxy)
    for answer in (
        visitor.ask("GET", APP + "/"),
        visitor.ask("GET", APP + "/admin", [API]),
        Visitor(proxy).ask("GET", APP),
    ):
        assert answer.values("Set-Cookie") == []


def test_a_store_that_is_away_or_silent_is_503_everywhere_and_nobody_is_logged_out(world: World) -> None:
    """All proxies side by side, since a silent store takes its time."""
    running = [proxy for proxy in world.proxies.values() if isinstance(proxy, RunningProxy)]
    visitors = [signed_in(world, proxy)[0] for proxy in running]

    def statuses() -> dict[str, int]:
        with ThreadPoolExecutor(len(visitors)) as pool:
            answers = list(pool.map(lambda visitor: visitor.ask("GET", APP + "/", [BROWSER]), visitors))
        return {visitor.proxy.kind.name: answer.status for visitor, answer in zip(visitors, answers, strict=True)}

    everywhere = {proxy.kind.name: 503 for proxy in running}
    world.app.requests.clear()
    world.store.pause()
    try:
        assert statuses() == everywhere
    finally:
        world.store.resume()
    world.store.kill()
    assert statuses() == everywhere
    assert world.app.requests == []
    world.store.start()
    assert statuses() == {proxy.kind.name: 200 for proxy in running}


def test_only_a_trusted_peer_may_ask_the_check_itself(world: World) -> None:
    asks = [("X-Original-URL", APP + "/public"), ("X-Original-Method", "GET"), ("X-Forwarded-For", "127.0.0.1")]
    raw = request("GET", "/check/nginx", asks, host="127.0.0.1")
    assert send(world.doorkey.port, raw).status == 200
    with Connection(world.doorkey.port, source="127.0.0.2") as stranger:
        stranger.send(raw)
        assert stranger.answer().status == 403
