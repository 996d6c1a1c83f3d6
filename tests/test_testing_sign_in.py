"""`sign_in()` and `authorize()`: Doorkey itself and small apps as the client under test."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask, redirect, request, session, url_for
from flask.testing import FlaskClient

from doorkey.factory import create_app
from doorkey.settings import load
from doorkey.testing import OAuthProvider, SignInError
from tests.support.strict_client import strict_client

ORIGIN = "http://127.0.0.1:8000"
START = f"{ORIGIN}/login?provider=tests"
BOTH = pytest.mark.parametrize(
    "transport", [pytest.param(t, marks=pytest.mark.oauth_provider(transport=t)) for t in ("responses", "server")]
)


@pytest.fixture
def doorkey(oauth_provider: OAuthProvider, tmp_path: Path) -> FlaskClient:
    known, prefix = oauth_provider.config(), "DOORKEY_PROVIDER_TESTS_"
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "client_id", "client_secret", "issuer")
    environ = {
        "DOORKEY_CONFIG": os.devnull,
        "DOORKEY_PUBLIC_URL": ORIGIN,
        "DOORKEY_SECRET_KEY": "a-key-for-tests-0123456789-abcdefghijkl",
        "DOORKEY_INSTANCE": str(tmp_path / "instance"),
        "DOORKEY_RATE_LIMIT": "0",
        "DOORKEY_PROVIDERS": "tests",
        prefix + "SCOPE": "profile email groups",
        **{prefix + name.upper(): known[name] for name in names},
    }
    return create_app(load(environ)).test_client()


def session_of(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/session", base_url=ORIGIN).get_json()
    return found


@BOTH
def test_somebody_signs_in(doorkey: FlaskClient, oauth_provider: OAuthProvider, transport: str) -> None:
    oauth_provider.add_user("alice", email="alice@example.org", groups=["admin"])
    answer = oauth_provider.sign_in(doorkey, START, user="alice")
    assert answer.status_code in (302, 303)
    assert session_of(doorkey)["active"] is True
    assert "alice@example.org" in doorkey.get("/", base_url=ORIGIN).text
    assert oauth_provider.requests.count("token") == 1
    assert oauth_provider.requests.count("token", client_auth="client_secret_basic", status=200) == 1


@BOTH
def test_somebody_says_no(doorkey: FlaskClient, oauth_provider: OAuthProvider, transport: str) -> None:
    assert oauth_provider.sign_in(doorkey, START, deny=True).status_code in (400, 403)
    assert session_of(doorkey)["active"] is False
    assert oauth_provider.requests.count("token") == 0


@BOTH
@pytest.mark.parametrize("failure", ["closed", "truncated", "garbage", "huge"])
def test_the_connection_fails(
    doorkey: FlaskClient, oauth_provider: OAuthProvider, transport: str, failure: str
) -> None:
    oauth_provider.next_response("token", failure=failure)
    assert oauth_provider.sign_in(doorkey, START).status_code in (502, 503, 504)
    assert oauth_provider.requests.count("token") == 1
    assert session_of(doorkey)["active"] is False


@BOTH
@pytest.mark.parametrize(
    "oauth_failure",
    ["invalid-state", "missing-state", "invalid-authorization-response-iss", "token-endpoint-redirect", "expired-code",
     "missing-access_token", "token-type-unknown"],
)  # fmt: skip
def test_doorkey_rejects(
    doorkey: FlaskClient, oauth_provider: OAuthProvider, transport: str, oauth_failure: str
) -> None:
    oauth_provider.next_response(failure=oauth_failure)
    assert oauth_provider.sign_in(doorkey, START, user="alice").status_code in (400, 401, 502)
    assert session_of(doorkey)["active"] is False


def test_only_some_of_the_scope(doorkey: FlaskClient, oauth_provider: OAuthProvider) -> None:
    oauth_provider.sign_in(doorkey, START, user="alice", scope="profile")
    assert session_of(doorkey)["scope"] == "profile"
    with pytest.raises(ValueError, match=r"did not ask for the scope openid, only for: profile email groups\."):
        oauth_provider.sign_in(doorkey, START, user="alice", scope="openid")


def test_the_request_reaches_the_provider_as_it_was_made(oauth_provider: OAuthProvider) -> None:
    client = strict_client(oauth_provider.config(), login_hint="nobody", prompt="login", display="popup").test_client()
    oauth_provider.sign_in(client, user="bob")
    (asked,) = oauth_provider.requests.of("authorize", method="GET")
    assert {"login_hint": "nobody", "prompt": "login", "display": "popup"}.items() <= dict(asked.query).items()
    assert "max_age" not in asked.query


def test_without_a_page_the_provider_decides_by_its_session(oauth_provider: OAuthProvider) -> None:
    silent = strict_client(oauth_provider.config(), prompt="none").test_client()
    refused = oauth_provider.sign_in(silent, user="alice")
    assert (refused.status_code, refused.text) == (502, "Unbelievable: login_required")
    oauth_provider.sign_in(strict_client(oauth_provider.config()).test_client(), user="bob")
    assert oauth_provider.sign_in(silent, user="alice").status_code == 302
    assert silent.get("/").text == "Hello Bob Baker."


def test_an_answer_that_is_posted(oauth_provider: OAuthProvider) -> None:
    client = strict_client(oauth_provider.config(), response_mode="form_post").test_client()
    assert oauth_provider.sign_in(client, user="dana").status_code == 302
    assert client.get("/").text == "Hello Dana Dyer."


def test_without_a_user_it_is_the_first(oauth_provider: OAuthProvider) -> None:
    client = strict_client(oauth_provider.config()).test_client()
    oauth_provider.sign_in(client)
    assert client.get("/").text == "Hello Alice Archer."


def client_at(oauth_provider: OAuthProvider, redirect_uri: str = "", login: Callable[[], Any] | None = None) -> Flask:
    """It keeps its state in a cookie and says at its callback under which name it was asked."""
    app = Flask("small")
    app.secret_key = "a key of these tests"

    @app.get("/login")
    def begin() -> Any:
        if login:
            return login()
        session["state"] = "s" * 20
        asked = {"response_type": "code", "client_id": "doorkey-tests", "state": session["state"]}
        asked["redirect_uri"] = redirect_uri or url_for("callback", _external=True)
        return redirect(f"{oauth_provider.config()['authorization_endpoint']}?{urlencode(asked)}")

    @app.get("/callback")
    def callback() -> str:
        return f"{session.get('state') == request.args['state']} {request.url_root} {'code' in request.args}"

    return app


@pytest.mark.parametrize(
    ("redirect_uri", "start", "asked_under"),
    [
        ("", "/login", "http://localhost/"),
        ("http://localhost:5000/callback", "/login", "http://localhost/"),
        ("http://127.0.0.1:5000/callback", "/login", "http://localhost/"),
        ("http://127.0.0.1:5000/callback", "http://127.0.0.1:5000/login", "http://127.0.0.1:5000/"),
        ("https://app.test/callback", "https://app.test/login", "https://app.test/"),
        ("", "https://app.test:8443/login", "https://app.test:8443/"),
    ],
)
def test_hosts_of_the_client(oauth_provider: OAuthProvider, redirect_uri: str, start: str, asked_under: str) -> None:
    client = client_at(oauth_provider, redirect_uri).test_client()
    assert oauth_provider.sign_in(client, start).text == f"True {asked_under} True"


def test_a_browser_does_not_take_cookies_to_another_host(oauth_provider: OAuthProvider) -> None:
    client = client_at(oauth_provider, "http://127.0.0.1:5000/callback").test_client()
    assert oauth_provider.sign_in(client, "http://localhost:5000/login").text.startswith("False")


def test_a_client_below_a_path(oauth_provider: OAuthProvider) -> None:
    app = client_at(oauth_provider)
    app.config["APPLICATION_ROOT"] = "/notes"
    assert oauth_provider.sign_in(app.test_client()).text == "True http://localhost/notes/ True"


def test_a_start_that_takes_several_steps(oauth_provider: OAuthProvider) -> None:
    app = client_at(oauth_provider)
    app.add_url_rule("/members", "members", lambda: redirect("/to-login"))
    app.add_url_rule("/to-login", "to_login", lambda: redirect(url_for("begin", _external=True)))
    assert oauth_provider.sign_in(app.test_client(), "/members").text.startswith("True")


def test_a_start_at_the_authorization_request_itself(oauth_provider: OAuthProvider) -> None:
    client = client_at(oauth_provider).test_client()
    begun = client.get("/login").location
    assert oauth_provider.sign_in(client, begun, user="bob").text == "True http://localhost/ True"


STUCK = {
    "the page": (lambda: "Choose how to sign in.", "/login answered 200 and does not send the browser"),
    "elsewhere": (lambda: redirect("https://accounts.example.com/auth"), "to accounts.example.com, which is not"),
    "in circles": (lambda: redirect("/login"), "from one redirect to the next"),
    "unknown client": (
        lambda: redirect("https://provider.test/oauth/authorize?client_id=who"),
        r"with 400: .*not registered",
    ),
    "foreign redirect URI": (
        lambda: redirect(
            "https://provider.test/oauth/authorize?client_id=doorkey-tests&redirect_uri=https://example.com/cb"
        ),
        r"with 400: .*redirect URI is not registered",
    ),
}


@pytest.mark.parametrize("case", STUCK)
def test_a_sign_in_that_gets_stuck_says_where(oauth_provider: OAuthProvider, case: str) -> None:
    login, words = STUCK[case]
    with pytest.raises(SignInError, match=words):
        oauth_provider.sign_in(client_at(oauth_provider, login=login).test_client())


def test_a_start_that_is_not_there(oauth_provider: OAuthProvider) -> None:
    with pytest.raises(SignInError, match="/log-in answered 404"):
        oauth_provider.sign_in(client_at(oauth_provider).test_client(), "/log-in")


def test_a_client_that_fails_at_the_start_is_an_answer(oauth_provider: OAuthProvider) -> None:
    oauth_provider.next_response("metadata", status=503)
    assert oauth_provider.sign_in(strict_client(oauth_provider.config()).test_client()).status_code == 502


def test_an_authorization_endpoint_that_is_down(oauth_provider: OAuthProvider) -> None:
    client = client_at(oauth_provider).test_client()
    oauth_provider.next_response("authorize", status=503)
    with pytest.raises(SignInError, match="503"):
        oauth_provider.sign_in(client)
    oauth_provider.next_response("authorize", failure="closed")
    with pytest.raises(SignInError, match="closed"):
        oauth_provider.sign_in(client)
    oauth_provider.next_response("authorize", delay=30)
    assert oauth_provider.sign_in(client).text.startswith("True"), "a person waits; a test does not"


def test_mistakes_of_the_test(oauth_provider: OAuthProvider) -> None:
    client = client_at(oauth_provider).test_client()
    with pytest.raises(ValueError, match=r"no user zoe; add_user\('zoe'\)"):
        oauth_provider.sign_in(client, user="zoe")
    with pytest.raises(ValueError, match="Either"):
        oauth_provider.sign_in(client, user="bob", deny=True)
    with pytest.raises(TypeError, match=r"authorize\(\)"):
        oauth_provider.sign_in(object())  # type: ignore[arg-type]


def authorization_request(oauth_provider: OAuthProvider, **more: str) -> str:
    asked = {"response_type": "code", "client_id": "doorkey-tests", "state": "a-state", "scope": "profile email"}
    asked |= {"redirect_uri": "http://127.0.0.1:4711/callback", **more}
    return f"{oauth_provider.config()['authorization_endpoint']}?{urlencode(asked)}"


def test_where_the_browser_is_sent(oauth_provider: OAuthProvider) -> None:
    sent = urlsplit(oauth_provider.authorize(authorization_request(oauth_provider), user="bob"))
    assert (sent.netloc, sent.path) == ("127.0.0.1:4711", "/callback")
    assert {"code", "state", "iss"} == parse_qs(sent.query).keys()
    denied = parse_qs(urlsplit(oauth_provider.authorize(authorization_request(oauth_provider), deny=True)).query)
    assert denied["error"] == ["access_denied"]


def test_where_a_form_is_sent(oauth_provider: OAuthProvider) -> None:
    request_url = authorization_request(oauth_provider, response_mode="form_post")
    assert oauth_provider.authorize(request_url) == "http://127.0.0.1:4711/callback"


def test_another_issuer_of_the_provider(oauth_provider: OAuthProvider) -> None:
    url = authorization_request(oauth_provider).replace("/oauth/", "/tenant-a/oauth/")
    sent = parse_qs(urlsplit(oauth_provider.authorize(url)).query)
    assert sent["iss"] == ["https://provider.test/tenant-a"]
