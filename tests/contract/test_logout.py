"""Leaving: RP-initiated logout, and what front and back channel tell the other clients."""

import http.server
import json
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.contract.party import CLIENT_ID, Party, fields_of, query_of

AFTERWARDS = "http://127.0.0.1:8000/signed-out"


class Listener(http.server.BaseHTTPRequestHandler):
    """A client that is told about logouts."""

    heard: ClassVar[list[str]]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.heard.append(parse_qs(body)["logout_token"][0])
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def listener() -> Iterator[type[Listener]]:
    class Mine(Listener):
        heard: ClassVar[list[str]] = []

    server = http.server.HTTPServer(("127.0.0.1", 0), Mine)
    Mine.url = f"http://127.0.0.1:{server.server_port}/backchannel"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Mine
    server.shutdown()
    thread.join()
    server.server_close()


def signed_in(provider: Party, auth: str, client_id: str, cookie: str = "") -> tuple[dict[str, Any], str]:
    """Tokens of alice, and the cookie of her session at the provider."""
    answer = provider.authorize(client_id=client_id, scope="openid", prompt="none", login_hint="alice", cookie=cookie)
    fields = fields_of(provider.redeem(query_of(answer)["code"], auth=auth))
    return fields, answer.headers["Set-Cookie"].partition(";")[0]


def leave(provider: Party, cookie: str = "", **query: str) -> requests.Response:
    headers = {"Cookie": cookie} if cookie else {}
    url = f"{provider.url}/oauth/logout?{urlencode(query)}"
    return provider.session.get(url, headers=headers, allow_redirects=False)


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def still_signed_in(provider: Party, cookie: str) -> bool:
    answer = provider.authorize(client_id="leaving", scope="openid", prompt="none", cookie=cookie)
    return "code" in query_of(answer)


def test_with_a_hint_the_browser_comes_back_with_its_state(provider: Party) -> None:
    auth = provider.register("leaving", post_logout_redirect_uris=[AFTERWARDS])
    fields, cookie = signed_in(provider, auth, "leaving")
    assert still_signed_in(provider, cookie)
    answer = leave(provider, cookie, id_token_hint=fields["id_token"], post_logout_redirect_uri=AFTERWARDS, state="s1")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{AFTERWARDS}?state=s1")
    assert not still_signed_in(provider, cookie)


def test_without_a_state_there_is_none(provider: Party) -> None:
    auth = provider.register("leaving", post_logout_redirect_uris=[AFTERWARDS])
    fields, _ = signed_in(provider, auth, "leaving")
    answer = leave(provider, id_token_hint=fields["id_token"], post_logout_redirect_uri=AFTERWARDS)
    assert answer.headers["Location"] == AFTERWARDS


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", AFTERWARDS + "/", AFTERWARDS + "?x=1", "//evil.example", "javascript:alert(1)"],
)
def test_nobody_is_sent_to_an_unregistered_address(provider: Party, target: str) -> None:
    auth = provider.register("leaving", post_logout_redirect_uris=[AFTERWARDS])
    fields, cookie = signed_in(provider, auth, "leaving")
    answer = leave(provider, cookie, id_token_hint=fields["id_token"], post_logout_redirect_uri=target)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert still_signed_in(provider, cookie)


def test_a_hint_that_was_not_issued_here_is_refused(provider: Party) -> None:
    auth = provider.register("leaving", post_logout_redirect_uris=[AFTERWARDS])
    fields, cookie = signed_in(provider, auth, "leaving")
    head, body, signature = fields["id_token"].split(".")
    for hint in (f"{head}.{body}.AAAA", f"{head}.{body}", "x", f"{head}.{body}.{signature[:-4]}AAAA", "é.é.é"):
        assert leave(provider, cookie, id_token_hint=hint).status_code == 400
    assert leave(provider, cookie, id_token_hint=fields["id_token"], client_id=CLIENT_ID).status_code == 400
    assert still_signed_in(provider, cookie)


def test_an_expired_hint_and_one_of_rotated_keys_still_count(provider: Party) -> None:
    auth = provider.register("leaving", post_logout_redirect_uris=[AFTERWARDS])
    fields, _ = signed_in(provider, auth, "leaving")
    provider.control("POST", "/dev/keys", {})
    provider.clock.advance(4000)
    assert leave(provider, id_token_hint=fields["id_token"]).status_code == 200


def test_without_a_hint_the_person_is_asked(provider: Party) -> None:
    auth = provider.register("leaving")
    _, cookie = signed_in(provider, auth, "leaving")
    page = leave(provider, cookie)
    assert page.status_code == 200
    assert "Alice Archer" in page.text
    assert still_signed_in(provider, cookie)


def test_with_nobody_signed_in_leaving_is_calm(provider: Party) -> None:
    assert leave(provider).status_code == 200


def test_the_back_channel_tells_every_client_of_the_session(provider: Party, listener: Any) -> None:
    auths = {n: provider.register(n, backchannel_logout_uri=listener.url) for n in ("leaving", "staying")}
    fields, cookie = signed_in(provider, auths["leaving"], "leaving")
    signed_in(provider, auths["staying"], "staying", cookie)
    leave(provider, cookie, id_token_hint=fields["id_token"])
    told = [claims_of(token) for token in listener.heard]
    assert sorted(claims["aud"] for claims in told) == ["leaving", "staying"]
    for claims in told:
        assert claims["iss"] == provider.url
        assert claims["sub"] == "alice"
        assert claims["sid"] == claims_of(fields["id_token"])["sid"]
        assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
        assert claims["exp"] - claims["iat"] == 120
        assert "nonce" not in claims
        assert claims["jti"]


def test_a_logout_elsewhere_ends_all_sessions_of_a_user(provider: Party, listener: Any) -> None:
    auth = provider.register("leaving", backchannel_logout_uri=listener.url)
    cookies = [signed_in(provider, auth, "leaving")[1] for _ in range(2)]
    answer = provider.control("POST", "/dev/logout", {"sub": "alice"})
    assert len(answer["ended"]) == 2
    assert [one["status"] for one in answer["told"]] == [200, 200]
    assert not any(still_signed_in(provider, cookie) for cookie in cookies)


def test_a_client_that_does_not_answer_holds_nothing_up(provider: Party) -> None:
    auth = provider.register("leaving", backchannel_logout_uri="http://127.0.0.1:9/nobody")
    signed_in(provider, auth, "leaving")
    assert provider.control("POST", "/dev/logout", {"sub": "alice"})["told"][0]["status"] == 0


@pytest.mark.parametrize("required", [True, False])
def test_the_front_channel_loads_every_client_in_a_frame(provider: Party, required: bool) -> None:
    frame = "http://127.0.0.1:8123/frontchannel?a=b"
    auth = provider.register(
        "leaving",
        frontchannel_logout_uri=frame,
        frontchannel_logout_session_required=required,
        post_logout_redirect_uris=[AFTERWARDS],
    )
    fields, cookie = signed_in(provider, auth, "leaving")
    page = leave(provider, cookie, id_token_hint=fields["id_token"], post_logout_redirect_uri=AFTERWARDS, state="s")
    sid = claims_of(fields["id_token"])["sid"]
    named = "&amp;" + urlencode({"iss": provider.url, "sid": sid}).replace("&", "&amp;") if required else ""
    assert f'src="{frame}{named}"' in page.text
    assert f"{AFTERWARDS}?state=s" in page.text
    assert "frame-src http://127.0.0.1:8123" in page.headers["Content-Security-Policy"]
    assert urlsplit(AFTERWARDS).netloc == "127.0.0.1:8000"
