"""One thing taken for another at the development provider: tokens for hints, old decisions for new ones, other
people's names for ours, and pages of other sites for people.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.realm import DevProvider, Realm
from doorkey.devprovider.signing_keys import SecretKey, compact
from doorkey.devprovider.users import Client, Lifetimes, User
from tests.conftest import MovedClock

REDIRECT_URI = "http://127.0.0.1:3000/callback"
HERE = "http://127.0.0.1:9000"
NEAR = {"REMOTE_ADDR": "127.0.0.1"}
CLIENTS = (
    Client("app", "secret", (REDIRECT_URI,)),
    Client("public", "", (REDIRECT_URI,), token_endpoint_auth_method="none", require_pkce=True),
)


class Provider:
    """The provider and a browser that keeps cookies."""

    def __init__(self, clock: MovedClock, **config: Any):
        config = {"clients": CLIENTS, **config}
        self.realm = Realm(DevProvider(**config), clock=clock)
        self.browser = Browser(create_provider_app(self.realm.config, realm=self.realm))

    def open(self, method: str, path: str, **more: Any) -> TestResponse:
        return self.browser.open(path, method=method, **{"base_url": HERE, "environ_base": NEAR, **more})

    def authorize(self, headers: dict[str, str] | None = None, /, **changes: str) -> TestResponse:
        query = {"client_id": "app", "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "s", **changes}
        return self.open("GET", "/oauth/authorize?" + urlencode(query), headers=headers)

    def token(self, **form: str) -> TestResponse:
        return self.open("POST", "/oauth/token", data=form, auth=("app", "secret"))

    def redeem(self, answer: TestResponse) -> dict[str, Any]:
        code = found(answer)["code"]
        fields = self.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI).json
        assert fields
        return dict(fields)

    def user_info(self, token: str) -> TestResponse:
        return self.open("GET", "/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})


def found(answer: TestResponse) -> dict[str, str]:
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def ticket_of(page: TestResponse) -> str:
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert ticket, page.text
    return ticket[1]


@pytest.fixture
def provider(clock: MovedClock) -> Provider:
    return Provider(clock)


QUIET = {"prompt": "none", "login_hint": "alice", "scope": "openid"}


def test_a_rebound_name_opens_no_controls_even_where_everybody_may_ask(clock: MovedClock) -> None:
    provider = Provider(clock, anywhere=True)
    foreign = {"base_url": "http://attacker.test:9000", "headers": {"Sec-Fetch-Site": "same-origin"}}
    for method, path in (("POST", "/dev/tokens"), ("GET", "/dev/tokens"), ("POST", "/dev/reset"), ("GET", "/dev/")):
        assert provider.open(method, path, **foreign).status_code == 403
    assert provider.open("GET", "/dev/tokens").status_code == 200


@pytest.mark.parametrize("failure", ["token:closed*always", "discovery-openid-config", "closed", "unknown"])
def test_a_consent_page_arms_only_what_it_offers(provider: Provider, failure: str) -> None:
    ticket = ticket_of(provider.authorize())
    form = {"ticket": ticket, "user": "alice", "failure": failure}
    assert provider.open("POST", "/oauth/authorize", data=form).status_code == 400
    assert provider.realm.script.waiting() == []


def test_what_was_ended_stays_ended_whatever_the_lifetimes(clock: MovedClock) -> None:
    provider = Provider(clock, lifetimes=Lifetimes(refresh_token=2, access_token=3600))
    answer = provider.authorize(**QUIET)
    token = provider.redeem(answer)["access_token"]
    code = found(answer)["code"]
    provider.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI)
    clock.advance(3)
    assert provider.user_info(token).status_code == 401


def test_a_decision_is_made_once_and_in_time_by_the_clock_that_moves(provider: Provider) -> None:
    form = {"ticket": ticket_of(provider.authorize()), "user": "alice"}
    assert provider.open("POST", "/oauth/authorize", data=form).status_code == 302
    provider.realm.clock.advance(86_401)
    assert provider.open("POST", "/oauth/authorize", data=form).status_code in (400, 403)
    late = {"ticket": ticket_of(provider.authorize()), "user": "alice"}
    provider.realm.clock.advance(601)
    assert provider.open("POST", "/oauth/authorize", data=late).status_code == 403


def test_a_merge_changes_one_answer_and_no_user(clock: MovedClock) -> None:
    provider = Provider(clock, users=[User("alice", "Alice", more={"address": {"country": "NO"}})])
    token = provider.redeem(provider.authorize(**{**QUIET, "scope": "openid address"}))["access_token"]
    patch = {"endpoint": "userinfo", "merge": {"address": {"country": "X"}}}
    assert provider.open("POST", "/dev/responses", json=patch).status_code == 201
    answers = [provider.user_info(token).json for _ in range(2)]
    assert [answer["address"] for answer in answers if answer] == [{"country": "X"}, {"country": "NO"}]


def test_a_hint_signed_with_nothing_is_none(provider: Provider) -> None:
    provider.authorize(**QUIET)
    claims = json.dumps({"iss": HERE, "aud": "public", "sub": "alice"}).encode()
    forged = compact({"alg": "HS256", "typ": "JWT"}, claims, lambda message: SecretKey("").sign("HS256", message))
    assert provider.open("GET", "/oauth/logout?" + urlencode({"id_token_hint": forged})).status_code == 400
    assert "code" in found(provider.authorize(scope="openid", prompt="none"))


def test_a_hint_at_somebody_else_asks_before_it_ends_a_session(provider: Provider) -> None:
    bob = provider.open("POST", "/dev/tokens", json={"sub": "bob", "scope": "openid"}).json
    assert bob
    provider.authorize(**QUIET)
    page = provider.open("GET", "/oauth/logout?" + urlencode({"id_token_hint": bob["id_token"]}))
    assert "Alice Archer" in page.text
    assert "code" in found(provider.authorize(scope="openid", prompt="none"))


def test_an_access_token_is_no_hint(provider: Provider) -> None:
    made = provider.open("POST", "/dev/tokens", json={"sub": "alice", "scope": "openid", "format": "jwt"}).json
    assert made
    query = urlencode({"id_token_hint": made["access_token"]})
    assert provider.open("GET", f"/oauth/logout?{query}").status_code == 400


def test_leaving_openid_out_at_the_consent_releases_no_more(provider: Provider) -> None:
    ticket = ticket_of(provider.authorize(scope="openid email message_read"))
    form = {"ticket": ticket, "user": "alice", "scope": "message_read"}
    token = provider.redeem(provider.open("POST", "/oauth/authorize", data=form))["access_token"]
    assert provider.user_info(token).json == {"sub": "alice"}


def test_an_image_of_another_page_signs_nobody_in(provider: Provider) -> None:
    answer = provider.authorize({"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"}, **QUIET)
    assert found(answer)["error"] == "interaction_required"


def test_another_host_cannot_use_up_the_issuers(provider: Provider) -> None:
    for number in range(60):
        provider.open("GET", f"/evil-{number}/oauth/jwks", base_url="http://attacker.test:9000")
    assert provider.open("GET", "/mine/oauth/jwks").status_code == 200


def test_a_client_that_is_gone_gets_no_code_and_no_device(provider: Provider) -> None:
    ticket = ticket_of(provider.authorize())
    device = provider.open("POST", "/oauth/device_authorization", data={}, auth=("app", "secret"),
                           content_type="application/x-www-form-urlencoded").json  # fmt: skip
    assert device
    provider.open("DELETE", "/dev/clients/app")
    form = {"ticket": ticket, "user": "alice"}
    assert provider.open("POST", "/oauth/authorize", data=form).status_code == 400
    assert provider.open("GET", f"/oauth/device?user_code={device['user_code']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/oauth/logout?" + urlencode({"id_token_hint": "W1tb.W1tb.AA"}), {}),
        ("POST", "/dev/responses", {"data": '{"merge": ' + '{"a":' * 900 + "1" + "}" * 900 + "}",
                                    "content_type": "application/json"}),
        ("POST", "/dev/responses", {"json": {"endpoint": "token", "error": "x", "status": 499}}),
    ],
)  # fmt: skip
def test_odd_input_is_no_failure_of_ours(provider: Provider, method: str, path: str, more: dict[str, Any]) -> None:
    assert provider.open(method, path, **more).status_code < 500


@pytest.mark.parametrize("status", [222, 306, 499, 599])
def test_an_error_may_have_a_status_that_has_no_name(provider: Provider, status: int) -> None:
    provider.open("POST", "/dev/responses", json={"endpoint": "token", "error": "x", "status": status})
    answer = provider.token(grant_type="client_credentials")
    assert (answer.status_code, json.loads(answer.data)["error"]) == (status, "x")


@pytest.mark.parametrize("check", ["local", "any"])
@pytest.mark.parametrize(
    "uri",
    ["http://localhost/%0d%0aA:b", "http://localhost:99999/x", "http://[::1", "http://[zz]/", "http://x/#frag",
     "http://a;script-src *;/x", "http://localhost:８０/x", "javascript:alert(1)", "http://user@localhost/"],
)  # fmt: skip
def test_a_lenient_redirect_check_still_wants_an_address(clock: MovedClock, check: str, uri: str) -> None:
    provider = Provider(clock, clients=[Client("app", "secret", redirect_check=check)])
    answer = provider.authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_pages_of_registered_origins_may_read_and_no_others(clock: MovedClock) -> None:
    provider = Provider(
        clock, clients=[Client("app", "secret", (REDIRECT_URI,), web_origins=("http://127.0.0.1:5173",))]
    )
    path = "/.well-known/openid-configuration"
    right = provider.open("GET", path, headers={"Origin": "http://127.0.0.1:5173"})
    assert right.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:5173"
    asked = provider.open("OPTIONS", "/oauth/token", headers={"Origin": "http://127.0.0.1:5173"})
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    for origin in ("null", "http://127.0.0.1:5174", "https://evil.example", "http://127.0.0.1:5173.evil.example"):
        assert "Access-Control-Allow-Origin" not in provider.open("GET", path, headers={"Origin": origin}).headers
    page = provider.open("GET", "/dev/requests", headers={"Origin": "http://127.0.0.1:5173"})
    assert "Access-Control-Allow-Origin" not in page.headers
