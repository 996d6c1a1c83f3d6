"""How the client proves itself: on the wire, through Authlib, at a token endpoint (oauth/client_auth.py).

The one place where `responses` stands in for the network: strict, so that a request that was not
expected fails, and so does an expectation that nothing met.
"""

from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
import requests
import responses

from doorkey.errors import ResponseTooLarge
from doorkey.oauth.http import LARGEST_BODY, Transport
from doorkey.oauth.token import Token
from doorkey.oauth.token_endpoint import exchange_code
from doorkey.oauth.trace import Trace
from tests.test_provider import made
from tests.test_token import GOOD, NOW

TOKEN_URL = "https://acme.example/token"


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock


def exchange(**changes: str) -> Token:
    return exchange_code(
        made(**changes), code="canary-code", redirect_uri="https://login.example.com/callback/acme", verifier="v" * 43,
        scope_asked=("read",), transport=Transport(), trace=Trace(), clock=lambda: NOW,
    )  # fmt: skip


def sent(wire: responses.RequestsMock) -> tuple[requests.structures.CaseInsensitiveDict[str], dict[str, str]]:
    request = wire.calls[0].request
    return request.headers, dict(parse_qsl(str(request.body), keep_blank_values=True))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("changes", "pair", "in_body"),
    [
        pytest.param({"CLIENT_SECRET": "s%41+ü:"}, "doorkey:s%2541%2B%C3%BC%3A", {}, id="basic, form-encoded"),
        pytest.param(
            {"CLIENT_SECRET": "s%41+ü:", "CLIENT_AUTH": "client_secret_basic_raw"}, "doorkey:s%41+ü:", {}, id="raw"
        ),
        pytest.param({"CLIENT_ID": "https://a.example/x y"}, "https%3A%2F%2Fa.example%2Fx+y:canary", {}, id="odd id"),
        pytest.param(
            {"CLIENT_SECRET": "s%41+ü:", "CLIENT_AUTH": "client_secret_post"}, None,
            {"client_id": "doorkey", "client_secret": "s%41+ü:"}, id="post",
        ),
        pytest.param({"CLIENT_SECRET": ""}, None, {"client_id": "doorkey"}, id="none"),
    ],
)  # fmt: skip
def test_each_method_sends_what_its_specification_says(
    wire: responses.RequestsMock, changes: dict[str, str], pair: str | None, in_body: dict[str, str]
) -> None:
    wire.post(TOKEN_URL, json=GOOD)
    exchange(**changes)
    headers, form = sent(wire)
    authorization = headers.get("Authorization")
    assert (authorization and b64decode(authorization.removeprefix("Basic ")).decode()) == pair
    assert {name: value for name, value in form.items() if name.startswith("client_")} == in_body


def test_the_request_is_the_one_of_the_contract(wire: responses.RequestsMock) -> None:
    wire.post(TOKEN_URL, json=GOOD)
    token = exchange()
    headers, form = sent(wire)
    assert headers["Content-Type"].partition(";")[0] == "application/x-www-form-urlencoded"
    assert headers["Accept"] == "application/json"
    assert headers["User-Agent"].startswith("doorkey/")
    assert form == {
        "grant_type": "authorization_code",
        "code": "canary-code",
        "redirect_uri": "https://login.example.com/callback/acme",
        "code_verifier": "v" * 43,
    }
    assert (token.access_token, token.expires_at, token.scope_granted) == ("at", NOW + 3600, ("read", "write"))


def test_without_pkce_no_verifier_is_sent(wire: responses.RequestsMock) -> None:
    wire.post(TOKEN_URL, json=GOOD)
    exchange(PKCE="off")
    assert "code_verifier" not in sent(wire)[1]


def test_authlibs_exchange_goes_through_our_adapter(wire: responses.RequestsMock) -> None:
    """Only our adapter caps a body; Authlib and requests would take all of it."""
    wire.post(TOKEN_URL, body=b'{"access_token": "' + b"x" * LARGEST_BODY + b'"}')
    with pytest.raises(ResponseTooLarge):
        exchange()
