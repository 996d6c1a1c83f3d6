"""Failures of the connection, over a real one: at each endpoint, n times, and then it is right again."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.failures.endpoints import REQUESTS, asked, authorize
from tests.failures.provider import APP, Provider, running_provider
from tests.failures.raw_http import Http
from tests.failures.raw_socket import Received, arrivals, ask, counted

KINDS = ("status", "delay", "drip", "garbage", "truncated", "closed", "huge")
MEGABYTE = 1024 * 1024
EACH_ENDPOINT = pytest.mark.parametrize("endpoint", REQUESTS)


@pytest.fixture(scope="module")
def _busy_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One for this file alone: some answers go on for a while after their test."""
    with running_provider(tmp_path_factory.mktemp("busy-provider")) as provider:
        yield provider


@pytest.fixture
def provider(_busy_provider: Provider) -> Provider:
    _busy_provider.reset()
    return _busy_provider


def fail(provider: Provider, endpoint: str, kind: str = "", **fields: Any) -> None:
    more = {"failure": kind} if kind else {}
    provider.http.control("POST", "/dev/responses", {"endpoint": endpoint, **more, **fields})


def answer(provider: Provider, endpoint: str) -> Received:
    return ask(provider.url, REQUESTS[endpoint](provider))


def gist(received: Received) -> tuple[Any, ...]:
    """What is the same in two right answers."""
    names = list(json.loads(received.body)) if "json" in received.header("content-type") else []
    location = received.header("location").partition("?")[0]
    return received.status, received.header("content-type"), names, location, len(received.body), received.ended


@EACH_ENDPOINT
@pytest.mark.parametrize("status", [0, 503])
def test_a_bare_status(provider: Provider, endpoint: str, status: int):
    right = gist(answer(provider, endpoint))
    fail(provider, endpoint, "status", times=2, **({"status": status} if status else {}))

    for _ in range(2):
        received = answer(provider, endpoint)
        assert (received.status, received.body, received.ended) == (status or 500, b"", False)
    assert gist(answer(provider, endpoint)) == right


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ("<h1>Bad gateway</h1>", "text/plain; charset=utf-8", b"<h1>Bad gateway</h1>"),
        ({"error": 1}, "application/json", b'{"error": 1}'),
        ([], "application/json", b"[]"),
        ("", "text/plain; charset=utf-8", b""),
    ],
)
def test_a_status_with_a_body_and_headers(provider: Provider, body: Any, content_type: str, sent: bytes):
    fail(provider, "token", status=502, body=body, headers={"Retry-After": "7"})
    received = answer(provider, "token")
    assert (received.status, received.body, received.header("retry-after")) == (502, sent, "7")
    assert received.header("content-type") == content_type

    fail(provider, "token", body=body, headers={"content-type": "text/html"})
    received = answer(provider, "token")
    assert (received.status, received.body, received.header("content-type")) == (200, sent, "text/html")
    assert json.loads(answer(provider, "token").body)["access_token"]


@EACH_ENDPOINT
def test_garbage(provider: Provider, endpoint: str):
    right = gist(answer(provider, endpoint))
    fail(provider, endpoint, "garbage", times=2)

    for _ in range(2):
        received = answer(provider, endpoint)
        assert (received.status, received.header("content-type")) == (200, "application/json")
        assert received.body
        with pytest.raises(ValueError, match=r"."):
            json.loads(received.body)
    assert gist(answer(provider, endpoint)) == right


@EACH_ENDPOINT
def test_half_of_the_answer(provider: Provider, endpoint: str):
    right = answer(provider, endpoint)
    fail(provider, endpoint, "truncated", times=2)

    for _ in range(2):
        received = answer(provider, endpoint)
        assert (received.status, received.header("content-type")) == (right.status, right.header("content-type"))
        assert received.header("content-length") == str(len(right.body) or 1)
        assert len(received.body) == len(right.body) // 2
        assert received.body[:5] == right.body[: len(received.body)][:5]
        assert received.ended
        assert received.seconds < 1
    assert gist(answer(provider, endpoint)) == gist(right)


@EACH_ENDPOINT
def test_a_closed_connection(provider: Provider, endpoint: str):
    right = gist(answer(provider, endpoint))
    fail(provider, endpoint, "closed", times=2)

    for _ in range(2):
        received = answer(provider, endpoint)
        assert (received.head, received.body, received.ended) == ("", b"", True)
        assert received.seconds < 1
    assert gist(answer(provider, endpoint)) == right


def test_a_late_answer(provider: Provider):
    """At all endpoints at once, each of which counts for itself."""
    right = {endpoint: gist(answer(provider, endpoint)) for endpoint in REQUESTS}
    requests = {endpoint: [make(provider) for _ in range(3)] for endpoint, make in REQUESTS.items()}
    for endpoint in REQUESTS:
        fail(provider, endpoint, "delay", delay=0.4, times=2)

    def three(endpoint: str) -> list[Received]:
        return [ask(provider.url, request) for request in requests[endpoint]]

    with ThreadPoolExecutor(len(REQUESTS)) as pool:
        found = dict(zip(REQUESTS, pool.map(three, REQUESTS), strict=True))
    for endpoint, received in found.items():
        assert [gist(one) for one in received] == [right[endpoint]] * 3
        assert [one.seconds >= 0.4 for one in received] == [True, True, False], endpoint


def test_an_answer_that_drips(provider: Provider):
    """At all endpoints at once; an answer without a body cannot."""
    right = {endpoint: answer(provider, endpoint) for endpoint in REQUESTS}
    dripping = [endpoint for endpoint, received in right.items() if received.body]
    assert len(dripping) == 7
    requests = {endpoint: REQUESTS[endpoint](provider) for endpoint in dripping}
    for endpoint in dripping:
        fail(provider, endpoint, "drip")

    with ThreadPoolExecutor(len(REQUESTS)) as pool:
        found = dict(zip(dripping, pool.map(lambda e: arrivals(provider.url, requests[e], 3), dripping), strict=True))
    for endpoint, pieces in found.items():
        body, times = right[endpoint].body, [when for when, _ in pieces]
        assert all(len(piece) <= 3 for _, piece in pieces), "by single bytes, or a few where we were slow to read"
        assert body.startswith(b"".join(piece for _, piece in pieces)[:3])
        pause = min(0.5, 60 / len(body))
        assert times[2] - times[0] > pause, endpoint
    for endpoint in REQUESTS:
        assert gist(answer(provider, endpoint)) == gist(right[endpoint])


def memory(provider: Provider) -> int:
    """The most that the process ever had, in bytes."""
    lines = Path(f"/proc/{provider.process_id}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


def test_a_huge_answer(provider: Provider):
    for endpoint in REQUESTS:
        right = gist(answer(provider, endpoint))
        before = memory(provider)
        fail(provider, endpoint, "huge")

        head, size = counted(provider.url, REQUESTS[endpoint](provider), 63 * MEGABYTE)

        assert head.startswith("HTTP/1.1 200 ")
        assert "application/json" in head
        assert size >= 63 * MEGABYTE
        assert memory(provider) - before < 8 * MEGABYTE, endpoint
        assert gist(answer(provider, endpoint)) == right


def test_a_huge_answer_is_json(provider: Provider):
    """So that only its size is wrong with it."""
    fail(provider, "jwks", "huge")
    found = provider.http.get(provider.url + "/oauth/jwks").json()
    assert list(found) == ["dk-dev-huge"]
    assert len(found["dk-dev-huge"]) == 64 * MEGABYTE


INSTEAD: dict[str, dict[str, Any]] = {
    "status": {"status": 503},
    "error": {"error": "temporarily_unavailable"},
    "body": {"body": "{}"},
    "closed": {"failure": "closed"},
    "garbage": {"failure": "garbage"},
    "huge": {"failure": "huge"},
}
PROCESSED: dict[str, dict[str, Any]] = {
    "delay": {"failure": "delay", "delay": 0.1},
    "drip": {"failure": "drip"},
    "truncated": {"failure": "truncated"},
}


def grants(provider: Provider) -> Iterator[bytes]:
    """Requests that are good once: with a code, and with a refresh token."""
    http = Http(provider.url)
    location = ask(provider.url, authorize(provider)).head
    code = location.partition("code=")[2].partition("&")[0]
    yield asked(provider, "/oauth/token", grant_type="authorization_code", code=code, redirect_uri=f"{APP}/callback")
    order = {"sub": "alice", "client_id": "rp", "scope": "openid"}
    token = http.control("POST", "/dev/tokens", order)["refresh_token"]
    yield asked(provider, "/oauth/token", grant_type="refresh_token", refresh_token=token)
    http.close()


@pytest.mark.parametrize("kind", INSTEAD)
def test_what_stands_in_place_of_an_answer_spends_nothing(provider: Provider, kind: str):
    for request in grants(provider):
        fail(provider, "token", **INSTEAD[kind], times=2)
        for _ in range(2):
            head = counted(provider.url, request, 1)[0] if kind == "huge" else ask(provider.url, request).head
            assert not head.startswith("HTTP/1.1 200") or kind in ("body", "garbage", "huge")
        assert "id_token" in json.loads(ask(provider.url, request).body)


@pytest.mark.parametrize("kind", PROCESSED)
def test_an_answer_that_comes_badly_is_one(provider: Provider, kind: str):
    for request in grants(provider):
        fail(provider, "token", **PROCESSED[kind])
        head, _ = counted(provider.url, request, 1)
        assert head.startswith("HTTP/1.1 200")
        again = ask(provider.url, request)
        assert (again.status, json.loads(again.body)["error"]) == (400, "invalid_grant")


def test_a_revocation_that_nobody_answered(provider: Provider):
    """A client cannot know which of the two it was, so both can be had."""
    for kind, active in (("closed", True), ("truncated", False)):
        order = {"sub": "alice", "client_id": "rp", "scope": "openid"}
        token = provider.http.control("POST", "/dev/tokens", order)["access_token"]
        fail(provider, "revoke", kind)
        assert ask(provider.url, asked(provider, "/oauth/revoke", token=token)).ended
        found = ask(provider.url, asked(provider, "/oauth/introspect", token=token))
        assert json.loads(found.body)["active"] is active


@EACH_ENDPOINT
def test_an_error_is_said_as_the_endpoint_says_it(provider: Provider, endpoint: str):
    right = gist(answer(provider, endpoint))
    fail(provider, endpoint, error="temporarily_unavailable", error_description="Not now.", times=2)

    for _ in range(2):
        received = answer(provider, endpoint)
        if endpoint == "authorize":
            assert received.status == 302
            assert "error=temporarily_unavailable&error_description=Not+now.&state=s&iss=" in received.head
        elif endpoint == "logout":  # people see it
            assert received.status == 503
            assert b"The provider says temporarily_unavailable." in received.body
            assert b"Not now." in received.body
        else:
            found = json.loads(received.body)
            assert (found["error"], found["error_description"]) == ("temporarily_unavailable", "Not now.")
            assert received.status == (401 if endpoint == "userinfo" else 503)
        if endpoint == "userinfo":
            assert 'Bearer realm="Doorkey development provider", error="temporarily_unavailable"' in received.head
    assert gist(answer(provider, endpoint)) == right


def test_one_connection_lives_through_what_does_not_close_it(provider: Provider):
    """Answers that only say something wrong leave a kept connection usable."""
    http = Http(provider.url)
    for kind in ("status", "garbage", "delay"):
        fail(provider, "jwks", kind, **({"delay": 0.05} if kind == "delay" else {}))
        http.get(provider.url + "/oauth/jwks")
        assert "keys" in http.get(provider.url + "/oauth/jwks").json()
    http.close()


def test_twenty_clients_at_once_fail_as_often_as_was_said(provider: Provider):
    """Nothing is lost and nothing is doubled, whoever comes first."""
    fail(provider, "metadata", "status", status=503, times=37)
    request = REQUESTS["metadata"](provider)

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: ask(provider.url, request).status, range(100)))

    assert Counter(statuses) == {503: 37, 200: 63}


def test_a_client_that_leaves_is_not_waited_for(provider: Provider):
    """More slow answers than there are threads, all of them left: others are answered at once."""
    fail(provider, "jwks", "drip", times=33)
    for _ in range(33):
        arrivals(provider.url, REQUESTS["jwks"](provider), 1, patience=2)

    began = time.monotonic()
    assert answer(provider, "metadata").status == 200
    assert time.monotonic() - began < 3
