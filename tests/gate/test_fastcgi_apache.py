"""The FastCGI authorizer behind a real Apache with deploy/apache/: what Apache tells it, and what comes of answers."""

from collections.abc import Iterator

import pytest

from doorkey.gate.fastcgi import FcgiAnswer, Params
from tests.gate.fastcgi_peer import serving
from tests.proxies.apache_proxy import PROXIES
from tests.proxies.echo_app import EchoApp
from tests.proxies.raw_client import Answer, request, send
from tests.proxies.raw_server import Received
from tests.proxies.running import RunningProxy, certified, running

(APACHE,) = PROXIES
ALICE = FcgiAnswer(200, ((b"X-Doorkey-User", b"alice"), (b"X-Doorkey-Groups", b"dev,ops")))
WRITTEN_BY_APACHE = {"REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_PORT"}


class Gate:
    """Apache in front of an app; every check gets `answer`."""

    def __init__(self) -> None:
        self.app = EchoApp()
        self.asked: list[Params] = []
        self.answer = ALICE
        self.proxy: RunningProxy | None = None

    async def check(self, params: Params) -> FcgiAnswer:
        self.asked.append(params)
        return self.answer

    def ask(self, method: str, target: str, headers: list[tuple[str, str]] | None = None, body: bytes = b"") -> Answer:
        assert self.proxy
        raw = request(method, target, headers or [], body)
        return send(self.proxy.port, raw, tls=self.proxy.site.client_tls)

    @property
    def params(self) -> Params:
        (params,) = self.asked
        return params

    @property
    def reached(self) -> Received:
        (received,) = self.app.requests
        return received


@pytest.fixture(scope="module")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate()
    with gate.app, serving(gate.check) as server:
        site = certified(tmp_path_factory.mktemp("apache"), gate.app.port, gate.app.port, server.port)
        with running(APACHE, site) as gate.proxy:
            yield gate


@pytest.fixture
def gate(apache: Gate) -> Gate:
    apache.asked.clear()
    apache.app.requests.clear()
    apache.answer = ALICE
    return apache


def test_apache_tells_who_asks_for_what(gate: Gate) -> None:
    gate.ask("GET", "/a?b=c", [("Cookie", "d=e"), ("Accept", "text/html"), ("Authorization", "Bearer f")])
    told = gate.params
    assert told["REQUEST_METHOD"] == "GET"
    assert told["REQUEST_SCHEME"] == "https"
    assert told["HTTP_HOST"] == "app.example.com"
    assert told["REQUEST_URI"] == "/a?b=c"
    assert told["REMOTE_ADDR"] == "127.0.0.1"
    assert (told["HTTP_COOKIE"], told["HTTP_ACCEPT"], told["HTTP_AUTHORIZATION"]) == ("d=e", "text/html", "Bearer f")
    assert told["FCGI_ROLE"] == "AUTHORIZER"


@pytest.mark.parametrize(
    "target",
    [
        "/a//b",
        "/a/../b",
        "/a/./b",
        "/a%2Fb",
        "/a%2fb",
        "/%61",
        "/a%20b",
        "/a%5Cb",
        "/a;b",
        "/a\\b",
        "/\xc3\xa9",
        "/?",
        "/a?b?c",
    ],
)
def test_the_check_and_the_app_see_the_path_as_it_was_sent(gate: Gate, target: str) -> None:
    assert gate.ask("GET", target).status == 200
    assert gate.params["REQUEST_URI"] == gate.reached.target == target


@pytest.mark.parametrize(
    "target", ["//a", "http://app.example.com/a", "http://evil.example/a", "a", "*", "/../a", "/a#b"]
)
def test_what_apache_and_the_app_could_read_in_two_ways_is_refused(gate: Gate, target: str) -> None:
    assert gate.ask("GET", target).status == 400
    assert (gate.asked, gate.app.requests) == ([], [])


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "PROPFIND", "MKCOL"])
def test_every_method_is_told_as_it_is(gate: Gate, method: str) -> None:
    assert gate.ask(method, "/").status == 200
    assert gate.params["REQUEST_METHOD"] == gate.reached.method == method


def test_a_visitor_chooses_no_param_but_the_headers_and_the_target(gate: Gate) -> None:
    names = ("Script-Name", "Path-Info", "Request-Uri", "Remote-Addr", "Remote-User", "Dk-User", "Https")
    gate.ask("GET", "/", [*((name, "evil") for name in names), ("Proxy", "evil"), ("REMOTE_ADDR", "evil")])
    chosen = {name for name, value in gate.params.items() if "evil" in value}
    assert chosen == {f"HTTP_{name.upper().replace('-', '_')}" for name in names}
    assert gate.params.keys() >= WRITTEN_BY_APACHE


def test_headers_with_an_underscore_are_not_told_and_those_of_ours_do_not_reach_the_app(gate: Gate) -> None:
    spoofed = [
        ("X_Forwarded_For", "1"),
        ("X_Doorkey_User", "evil"),
        ("X-Doorkey_Groups", ""),
        ("x.doorkey.name", "evil"),
    ]
    gate.ask("GET", "/", [*spoofed, ("X-Doorkey-User", "evil"), ("X-Auth_Request-User", "evil")])
    assert not [name for name, value in gate.params.items() if "DOORKEY" in name or "FORWARDED" in name]
    assert "evil" not in str(gate.reached.headers)
    assert gate.reached.header("X-Doorkey-User") == "alice"


def test_a_header_that_came_twice_is_told_as_one_with_a_comma(gate: Gate) -> None:
    gate.ask(
        "GET", "/", [("Authorization", "Bearer a"), ("Authorization", "Basic b"), ("Cookie", "a=b"), ("Cookie", "c=d")]
    )
    assert gate.params["HTTP_AUTHORIZATION"] == "Bearer a, Basic b"
    assert gate.params["HTTP_COOKIE"] == "a=b, c=d"


def test_a_connection_header_takes_no_identity_away(gate: Gate) -> None:
    gate.ask("GET", "/", [("Connection", "close, X-Doorkey-User, X-Doorkey-Groups")])
    assert (gate.reached.header("X-Doorkey-User"), gate.reached.header("X-Doorkey-Groups")) == ("alice", "dev,ops")


def test_somebody_without_a_name_is_let_in_and_gets_none(gate: Gate) -> None:
    gate.answer = FcgiAnswer(200, ((b"X-Doorkey-User", b""),))
    assert gate.ask("GET", "/", [("X-Doorkey-User", "evil"), ("Authorization", "Basic YWxpY2U6eA==")]).status == 200
    assert gate.reached.header("X-Doorkey-User") == ""


@pytest.mark.parametrize("status", [302, 303, 400, 401, 403, 431, 503])
@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=utf-8"])
def test_an_answer_reaches_the_browser_as_doorkey_gave_it(gate: Gate, status: int, kind: str) -> None:
    body = b"<b>" + b"x" * 7000
    place = "https://login.example.com/login?rt=%2Fx" if status in (302, 303) else ""
    location = ((b"Location", place.encode()),) if place else ()
    headers = ((b"Content-Type", kind.encode()), (b"Cache-Control", b"no-store"), *location)
    gate.answer = FcgiAnswer(status, headers, body)
    answer = gate.ask("GET", "/")
    assert (answer.status, answer.body) == (status, body)
    assert (answer.header("Content-Type"), answer.header("Location")) == (kind, place)
    assert answer.header("Cache-Control") == "no-store"
    assert gate.app.requests == []


def test_a_form_is_told_as_one(gate: Gate) -> None:
    gate.ask("POST", "/", [("Content-Type", "application/x-www-form-urlencoded")], b"a=b")
    assert gate.params["CONTENT_TYPE"] == "application/x-www-form-urlencoded"
    assert gate.reached.body == b"a=b"


def test_headers_without_end_are_431_and_no_failure(gate: Gate) -> None:
    answer = gate.ask("GET", "/", [(f"X-{number}", "v" * 8000) for number in range(12)])
    assert answer.status == 431
    assert (gate.asked, gate.app.requests) == ([], [])
