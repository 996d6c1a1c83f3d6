"""The transport against a real server: warm, bounded, and deaf to the environment (oauth/http.py, deadline.py)."""

import contextlib
import gzip
import ssl
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from doorkey import __version__
from doorkey.errors import ProviderError, ProviderUnreachable, ResponseTooLarge
from doorkey.oauth import http
from doorkey.oauth.http import LARGEST_BODY, Transport, read_json_object
from doorkey.oauth.token_endpoint import exchange_code
from doorkey.oauth.trace import Trace
from tests.support.scripted_provider import ScriptedProvider
from tests.test_provider import made
from tests.test_token import NOW


def exchange(transport: Transport, url: str) -> str:
    token = exchange_code(
        made(TOKEN_ENDPOINT=f"{url}/token"), code="c", redirect_uri="https://login.example.com/callback/acme",
        verifier="v" * 43, scope_asked=(), transport=transport, trace=Trace(), clock=lambda: NOW,
    )  # fmt: skip
    return token.access_token


def ask(transport: Transport, url: str) -> requests.Response:
    """A request with a token, as the one for the user is."""
    return transport.get(url, {"Authorization": "Bearer canary"}, "user info")


def test_fifty_exchanges_use_one_connection(stub: ScriptedProvider) -> None:
    transport = Transport()
    for _ in range(50):
        assert exchange(transport, stub.url) == "canary-access-token"
        ask(transport, f"{stub.url}/userinfo")
    assert len(stub.seen) == 100
    assert stub.connections == 1


def test_no_call_makes_a_session_of_requests(stub: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would bring adapters, pools and a cookie jar of its own, which cost more CPU than the call."""

    def refuse(self: requests.Session) -> None:
        raise AssertionError("a session was made")

    monkeypatch.setattr(requests.Session, "__init__", refuse)
    transport = Transport()
    stub.answer("/revoke", {})
    assert exchange(transport, stub.url) == "canary-access-token"
    assert ask(transport, f"{stub.url}/userinfo").status_code == 200
    assert transport.post(f"{stub.url}/revoke", [("token", "t")], None, "revocation").status_code == 200


def test_every_call_says_the_same_about_us(stub: ScriptedProvider) -> None:
    exchange(Transport(), stub.url)
    ask(Transport(), f"{stub.url}/userinfo")
    wanted = {"User-Agent": f"doorkey/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    for seen in stub.seen:
        assert wanted | {"Connection": "keep-alive"} == {name: seen.headers[name] for name in (*wanted, "Connection")}


def test_a_connection_that_the_provider_closed_is_replaced(stub: ScriptedProvider) -> None:
    transport = Transport()
    stub.answer("/userinfo", {"sub": "u"}, headers={"Connection": "close"})
    assert [ask(transport, f"{stub.url}/userinfo").status_code for _ in range(3)] == [200] * 3
    assert stub.connections == 3


def test_netrc_and_proxies_of_the_environment_are_ignored(
    stub: ScriptedProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login intruder password intruder\ndefault login d password d\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    transport = Transport()
    exchange(transport, stub.url)
    ask(transport, f"{stub.url}/userinfo")
    sent = [seen.headers["Authorization"] for seen in stub.seen]
    assert sent[0].startswith("Basic ZG9vcmtleTp")  # doorkey:
    assert sent[1] == "Bearer canary"


def test_a_configured_proxy_is_used(stub: ScriptedProvider) -> None:
    stub.answer("/proxied", {"sub": "u"})
    answer = ask(Transport(proxy=stub.url), "http://127.0.0.1:9/proxied")
    assert (answer.status_code, len(stub.requests_to("/proxied"))) == (200, 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_names_it_and_is_not_followed(stub: ScriptedProvider, status: int) -> None:
    for path in ("/token", "/userinfo"):
        stub.answer(path, b"", status=status, headers={"Location": f"{stub.url}/elsewhere"})
    with pytest.raises(ProviderError) as caught:
        exchange(Transport(), stub.url)
    assert "redirect" in caught.value.hint
    with contextlib.suppress(ProviderError):
        ask(Transport(), f"{stub.url}/userinfo")
    assert stub.requests_to("/elsewhere") == []


def test_cookies_of_a_provider_are_not_sent_back(stub: ScriptedProvider) -> None:
    stub.answer("/userinfo", {"sub": "u"}, headers={"Set-Cookie": "tracker=1; Path=/"})
    transport = Transport()
    for _ in range(2):
        ask(transport, f"{stub.url}/userinfo")
    assert [seen.headers.get("Cookie") for seen in stub.seen] == [None, None]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"x" * (LARGEST_BODY + 1), {}, id="one byte too many"),
        pytest.param(gzip.compress(b"\0" * 50_000_000), {"Content-Encoding": "gzip"}, id="small until unpacked"),
    ],
)
def test_a_body_is_bounded_after_unpacking(stub: ScriptedProvider, body: bytes, headers: dict[str, str]) -> None:
    stub.answer("/userinfo", body, headers=headers)
    with pytest.raises(ResponseTooLarge):
        ask(Transport(), f"{stub.url}/userinfo")


def test_the_largest_body_is_taken(stub: ScriptedProvider) -> None:
    stub.answer("/userinfo", b"x" * LARGEST_BODY)
    assert len(ask(Transport(), f"{stub.url}/userinfo").content) == LARGEST_BODY


def _drip(text: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            for byte in text:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:  # the client went away, as it should
            return

    return drip


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400, id="headers, byte by byte"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + b"y" * 400, id="body, byte by byte"),
    ],
)
def test_the_whole_answer_has_a_deadline(stub: ScriptedProvider, text: bytes) -> None:
    def wait_then_drip(handler: BaseHTTPRequestHandler) -> None:
        if not text:
            time.sleep(5)
        _drip(text)(handler)

    stub.answer_raw("/userinfo", wait_then_drip)
    started = time.monotonic()
    with pytest.raises(ProviderUnreachable):
        ask(Transport(answer=0.4), f"{stub.url}/userinfo")
    assert time.monotonic() - started < 3


def _write(handler: BaseHTTPRequestHandler, raw: bytes) -> None:
    handler.wfile.write(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="closed without a word"),
        pytest.param(b"rubbish\r\n\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", id="cut off"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", id="broken gzip"),
    ],
)
def test_a_broken_answer_is_a_provider_error(stub: ScriptedProvider, raw: bytes) -> None:
    stub.answer_raw("/userinfo", lambda handler: _write(handler, raw))
    with pytest.raises(ProviderError):
        ask(Transport(), f"{stub.url}/userinfo")


def test_a_closed_port_is_unreachable() -> None:
    with pytest.raises(ProviderUnreachable):
        ask(Transport(), "http://127.0.0.1:9/userinfo")


def test_no_address_or_token_is_in_the_words_of_an_error() -> None:
    with pytest.raises(ProviderUnreachable) as caught:
        ask(Transport(), "http://127.0.0.1:9/userinfo?canary")
    assert "canary" not in str(caught.value) + caught.value.detail + caught.value.hint


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"", b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}', b"\xff{}", b"[" * 100_000], ids=repr
)
def test_only_an_unambiguous_object_is_read(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json_object(body)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTls:
    @pytest.fixture
    def bundle(self, authority: trustme.CA, tmp_path: Path) -> str:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        return str(tmp_path / "ca.pem")

    @pytest.fixture
    def secure(self, authority: trustme.CA) -> Iterator[Callable[[str], str]]:
        """Starts a server whose certificate is for a name and gives its URL."""
        started: list[ScriptedProvider] = []

        def start(name: str) -> str:
            provider = ScriptedProvider()
            started.append(provider)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name).configure_cert(context)
            listening = provider._server.socket
            provider._server.socket = context.wrap_socket(listening, server_side=True)
            return provider.url.replace("http://", "https://")

        yield start
        for provider in started:
            provider.close()

    def test_a_private_authority_works_when_it_is_configured(self, secure: Callable[[str], str], bundle: str) -> None:
        transport, url = Transport(ca_bundle=bundle), secure("127.0.0.1")
        assert exchange(transport, url) == "canary-access-token"
        assert ask(transport, f"{url}/userinfo").status_code == 200

    def test_without_it_the_hint_says_what_to_set(self, secure: Callable[[str], str]) -> None:
        with pytest.raises(ProviderUnreachable) as caught:
            exchange(Transport(), secure("127.0.0.1"))
        assert "DOORKEY_CA_BUNDLE" in caught.value.hint

    def test_a_certificate_for_another_name_is_refused(self, secure: Callable[[str], str], bundle: str) -> None:
        with pytest.raises(ProviderUnreachable):
            exchange(Transport(ca_bundle=bundle), secure("other.example"))

    def test_the_tls_context_is_built_once(
        self, secure: Callable[[str], str], bundle: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Building one takes tens of milliseconds of CPU; a sign-in makes two or three calls."""
        built: list[object] = []
        load = ssl.SSLContext.load_verify_locations

        def counting(self: ssl.SSLContext, *args: object, **options: object) -> None:
            built.append(self)
            load(self, *args, **options)  # type: ignore[arg-type]

        url = secure("127.0.0.1")
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
        transport = Transport(ca_bundle=bundle)
        for _ in range(10):
            exchange(transport, url)
        assert len(built) == 1

    def test_warm_calls_make_no_handshake(
        self, secure: Callable[[str], str], bundle: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[object] = []
        wrap = ssl.SSLContext.wrap_socket

        def counting(self: ssl.SSLContext, sock: Any, server_side: bool = False, **options: Any) -> ssl.SSLSocket:
            made.extend([] if server_side else [self])
            return wrap(self, sock, server_side, **options)

        url = secure("127.0.0.1")
        monkeypatch.setattr(ssl.SSLContext, "wrap_socket", counting)
        transport = Transport(ca_bundle=bundle)
        for _ in range(10):
            exchange(transport.within(10), url)
            ask(transport.within(10), f"{url}/userinfo")
        assert len(made) == 1

    def test_old_versions_of_tls_are_refused(self) -> None:
        adapter = Transport()._adapters["https://"]
        assert isinstance(adapter, http.BoundedAdapter)
        assert adapter._tls.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert adapter._tls.verify_mode is ssl.CERT_REQUIRED
        assert adapter._tls.check_hostname
