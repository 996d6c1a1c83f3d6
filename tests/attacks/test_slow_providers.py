"""A provider that is slow, endless, redirecting or no HTTP server: bounded in time and memory, and no session."""

import time
import tracemalloc

import pytest

from tests.support import attack_provider as bad
from tests.support.attack_asserts import assert_refused
from tests.support.scripted_provider import ScriptedProvider

MOST_SECONDS = 1.2
"""Connect 0.5 s and answer 0.25 s, and some for a busy machine."""

SLOW = [
    bad.hang,
    bad.headers_only,
    bad.drip_status_line,
    bad.drip_headers,
    bad.drip_continues,
    bad.drip_body,
    bad.drip_body_without_end,
    bad.drip_chunks,
    bad.drip_chunk_size,
]


@pytest.mark.parametrize("raw", SLOW, ids=lambda raw: raw.__name__)
@pytest.mark.parametrize("path", ["/token", "/userinfo"])
def test_a_slow_provider_is_given_up_in_time(path, raw, hurried, stub):
    stub.answer_raw(path, raw)
    begun = hurried.begin()
    started = time.monotonic()
    answer = hurried.come_back(f"code=c&state={begun.state}")
    assert time.monotonic() - started < MOST_SECONDS
    assert_refused(hurried, answer, 502, 504)
    assert len(stub.requests_to(path)) == 1, "a token request must not be sent twice"


FLOODS = {
    "64-MiB-with-length": bad.flood(b"Content-Length: 67108864\r\n"),
    "64-MiB-until-close": bad.flood(b""),
    "64-MiB-chunked": bad.flood_chunked,
    "headers-without-end": bad.flood_headers,
    "one-header-without-end": bad.flood_one_header,
    "gzip-bomb": bad.compressed(bad.BOMB),
    "gzip-in-gzip-in-gzip": bad.compressed(bad.BOMB_OF_BOMBS, "gzip, gzip, gzip"),
    "deflate-that-is-gzip": bad.compressed(bad.BOMB, "deflate"),
    "fifty-codings": bad.compressed(bad.BOMB, ", ".join(["gzip"] * 50)),
}


@pytest.mark.parametrize("raw", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("path", ["/token", "/userinfo"])
def test_an_endless_answer_is_cut_off_early(path, raw, hurried, stub):
    stub.answer_raw(path, raw)
    begun = hurried.begin()
    started = time.monotonic()
    tracemalloc.start()
    try:
        answer = hurried.come_back(f"code=c&state={begun.state}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < MOST_SECONDS
    assert peak < 20 * 1024 * 1024
    assert_refused(hurried, answer, 502, 504)


GARBAGE = {
    "closes-at-once": b"",
    "not-http": b"SSH-2.0-OpenSSH_9.9\r\n",
    "binary": bytes(range(256)) * 4,
    "only-newlines": b"\r\n" * 100,
    "status-is-word": b"HTTP/1.1 OK fine\r\n\r\n",
    "status-is-huge": b"HTTP/1.1 99999 Huge\r\n\r\n",
    "http-9": b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "negative-length": bad.HEAD + b"Content-Length: -5\r\n\r\n{}",
    "length-is-word": bad.HEAD + b"Content-Length: many\r\n\r\n{}",
    "body-cut-off": bad.HEAD + b"Content-Length: 5000\r\n\r\n" + bad.GOOD,
    "two-lengths": bad.HEAD + b"Content-Length: 5\r\nContent-Length: 80\r\n\r\n" + bad.GOOD,
    "chunk-size-is-word": bad.HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunk-size-negative": bad.HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
    "chunks-cut-off": bad.HEAD + b"Transfer-Encoding: chunked\r\n\r\n52\r\n" + bad.GOOD[:20],
    "gzip-that-is-none": bad.HEAD + b"Content-Encoding: gzip\r\nContent-Length: 82\r\n\r\n" + bad.GOOD,
    "header-line-without-colon": b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    "101-headers": bad.HEAD + b"X-Many: 1\r\n" * 101 + b"\r\n" + bad.GOOD,
    "tls-alert": b"\x15\x03\x01\x00\x02\x02\x46",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("path", ["/token", "/userinfo"])
def test_garbage_instead_of_http_is_a_broken_provider(path, garbage, hurried, stub):
    stub.answer_raw(path, bad.says(garbage))
    answer = hurried.sign_in()
    assert_refused(hurried, answer, 502, 504)
    assert "Traceback" not in answer.text
    assert len(stub.requests_to(path)) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("path", ["/token", "/userinfo"])
def test_a_redirect_is_never_followed(path, status, hurried, stub):
    elsewhere = ScriptedProvider()
    stub.answer(path, b"", status, {"Location": elsewhere.url + path})
    answer = hurried.sign_in()
    assert_refused(hurried, answer, 502)
    assert elsewhere.seen == []
    assert elsewhere.connections == 0
    assert elsewhere.url not in answer.text


@pytest.mark.parametrize("location", ["/token", "//token", "", "http://[::1", "\\\\evil.test", "javascript:alert(1)"])
def test_an_odd_location_is_no_error_of_ours(location, hurried, stub):
    stub.answer("/token", b"", 307, {"Location": location})
    assert_refused(hurried, hurried.sign_in(), 502)
    assert len(stub.requests_to("/token")) == 1


def test_a_refresh_header_or_cookie_of_the_provider_changes_nothing(hurried, stub):
    stub.answer("/token", {}, 200, {"Set-Cookie": "doorkey=x; Path=/", "Refresh": "0; url=/evil"})
    answer = hurried.sign_in()
    assert_refused(hurried, answer, 502)
    assert "Refresh" not in answer.headers
    hurried.sign_in()
    assert "Cookie" not in stub.requests_to("/token")[1].headers


def test_an_unreachable_provider_is_a_504(hurried, stub):
    begun = hurried.begin()
    stub.close()
    answer = hurried.come_back(f"code=c&state={begun.state}")
    assert_refused(hurried, answer, 504)
    assert "127.0.0.1" not in answer.text


def test_the_environment_cannot_redirect_the_token_request(hurried, stub, monkeypatch, tmp_path):
    trap = ScriptedProvider()
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login trap password trap\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, trap.url)
    assert hurried.sign_in().status_code == 303
    assert trap.seen == []
    assert stub.requests_to("/userinfo")[0].headers["Authorization"] == "Bearer canary-access-token"


def test_a_connection_that_went_away_between_sign_ins_does_no_harm(hurried, stub):
    length = f"Connection: keep-alive\r\nContent-Length: {len(bad.GOOD)}\r\n\r\n".encode()
    stub.answer_raw("/userinfo", bad.says(bad.HEAD + length + bad.GOOD))
    for _ in range(3):
        assert hurried.sign_in().status_code == 303
        time.sleep(0.05)  # the end of the connection has arrived by then
