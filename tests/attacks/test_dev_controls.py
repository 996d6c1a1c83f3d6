"""The controls of the development provider, seen from a web page that a developer happens to have open,
from another machine, and from a client that wants more than its own.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.realm import DevProvider, Realm
from doorkey.devprovider.users import Client

REDIRECT_URI = "http://127.0.0.1:3000/callback"
HERE = "http://127.0.0.1:9000"
SCRIPT = "</script><img src=x onerror=alert(1)>'\"{{7*7}}"
JSON = "application/json"


@pytest.fixture
def realm() -> Realm:
    return Realm(DevProvider([Client("app", "secret", (REDIRECT_URI,)), Client("other", "secret", (REDIRECT_URI,))]))


def browser(realm: Realm, **config: Any) -> Browser:
    realm.reset(DevProvider(realm.config.clients, **config))
    return Browser(create_provider_app(realm.config, realm=realm))


def send(client: Browser, method: str, path: str, **more: Any) -> TestResponse:
    peer = {"REMOTE_ADDR": "127.0.0.1"}
    return client.open(path, method=method, base_url=HERE, **{"environ_base": peer, **more})


CHANGES = [
    ("POST", "/dev/reset"),
    ("POST", "/dev/keys"),
    ("POST", "/dev/clock"),
    ("POST", "/dev/responses"),
    ("POST", "/dev/tokens"),
    ("POST", "/dev/logout"),
    ("POST", "/dev/device"),
    ("PUT", "/dev/users/alice"),
    ("PUT", "/dev/clients/app"),
    ("DELETE", "/dev/users/alice"),
    ("DELETE", "/dev/requests"),
    ("DELETE", "/dev/responses"),
    ("POST", "/dev/"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_another_sites_page_changes_nothing(realm: Realm, method: str, path: str, headers: dict[str, str]) -> None:
    client = browser(realm)
    before = realm.keys
    answer = send(client, method, path, headers=headers)
    assert answer.status_code == 403
    assert realm.keys is before
    assert "alice" in realm.users


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_can_send_is_no_control_call(realm: Realm, content_type: str) -> None:
    client = browser(realm)
    answer = send(client, "POST", "/dev/clock", data='{"advance": 60}', content_type=content_type)
    assert answer.status_code == 400
    assert realm.clock.offset == 0


def test_the_page_itself_may(realm: Realm) -> None:
    headers = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    assert send(browser(realm), "POST", "/dev/clock", json={"advance": 60}, headers=headers).status_code == 200
    assert realm.clock.offset == 60


@pytest.mark.parametrize("path", ["/dev/", "/dev/requests", "/dev/users", "/dev/tokens", "/dev/openapi.json"])
def test_another_machine_is_told_nothing(realm: Realm, path: str) -> None:
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert send(browser(realm), "GET", path, environ_base=far).status_code == 403
    anywhere = browser(realm, anywhere=True, control_token="let-me-in")
    assert send(anywhere, "GET", "/.well-known/openid-configuration", environ_base=far).status_code == 200
    assert send(anywhere, "GET", path, environ_base=far).status_code == 403
    for token in ("", "wrong", "let-me-in2", "é"):
        headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
        assert send(anywhere, "GET", path, environ_base=far, headers=headers).status_code == 403
    right = {"Authorization": "Bearer let-me-in"}
    assert send(anywhere, "GET", path, environ_base=far, headers=right).status_code == 200


def test_without_a_control_token_no_bearer_opens_anything(realm: Realm) -> None:
    client = browser(realm, anywhere=True)
    for token in ("", "x"):
        headers = {"Authorization": f"Bearer {token}"}
        far = {"REMOTE_ADDR": "192.0.2.7"}
        assert send(client, "POST", "/dev/reset", environ_base=far, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9000", "127.0.0.1.evil.example", "localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/dev/requests", "/oauth/jwks", "/openapi.json", "/tenant-a/dev/users"])
def test_a_rebound_name_reaches_nothing(realm: Realm, host: str, path: str) -> None:
    answer = browser(realm).get(path, base_url=f"http://{host}", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    assert answer.status_code == 400


def sign_in(client: Browser, **more: str) -> dict[str, str]:
    query = {"client_id": "app", "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "canary-state",
             "scope": "openid", "prompt": "none", "login_hint": "alice", **more}  # fmt: skip
    location = send(client, "GET", "/oauth/authorize?" + urlencode(query)).headers["Location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def redeem(client: Browser, code: str, name: str = "app") -> TestResponse:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    return send(client, "POST", "/oauth/token", data=form, auth=(name, "secret"))


def test_no_secret_is_in_what_the_controls_show(realm: Realm) -> None:
    client = browser(realm)
    code = sign_in(client)["code"]
    fields = redeem(client, code).json
    assert fields
    send(client, "GET", "/oauth/userinfo", headers={"Authorization": f"Bearer {fields['access_token']}"})
    send(client, "POST", "/oauth/revoke", data={"token": fields["access_token"]}, auth=("app", "secret"))
    send(client, "POST", "/oauth/token", data={"client_id": "app", "client_secret": "canary-secret"})
    redeem(client, code)
    canaries = [
        code,
        "canary-secret",
        "YXBwOnNlY3JldA",
        *(fields[n] for n in ("access_token", "refresh_token", "id_token")),
    ]
    for path in ("/dev/requests", "/dev/tokens", "/dev/clients", "/dev/"):
        shown = send(client, "GET", path).text
        assert [canary for canary in canaries if canary in shown] == []
    assert [canary for canary in canaries if canary in repr(realm.log)] == []


def test_what_was_asked_is_shown_inert(realm: Realm) -> None:
    client = browser(realm)
    send(client, "GET", "/oauth/authorize?" + urlencode({"client_id": SCRIPT, "state": SCRIPT}))
    send(client, "PUT", "/dev/users/mallory", json={"name": SCRIPT, "about": SCRIPT})
    definition = {"client_secret": "s", "client_name": SCRIPT, "redirect_uris": [REDIRECT_URI]}
    send(client, "PUT", "/dev/clients/evil", json=definition)
    send(client, "GET", f"/oauth/{SCRIPT}")
    query = {"client_id": "evil", "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "x"}
    for path in ("/dev/", f"/oauth/authorize?{urlencode(query)}"):
        assert "<img" not in send(client, "GET", path).text
        assert "{{7*7}}" in send(client, "GET", path).text


def test_one_code_has_one_winner_among_twenty_clients(realm: Realm) -> None:
    app = create_provider_app(realm.config, realm=realm)
    code = sign_in(Browser(app))["code"]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: redeem(Browser(app), code).status_code, range(20)))
    assert sorted(answers) == [200] + [400] * 19


def test_a_code_of_one_client_is_nothing_to_another(realm: Realm) -> None:
    client = browser(realm)
    code = sign_in(client)["code"]
    answer = redeem(client, code, "other")
    assert (answer.status_code, json.loads(answer.data)["error"]) == (400, "invalid_grant")
    assert redeem(client, code).status_code == 400


@pytest.mark.parametrize(
    "body",
    ["[]", "1", "null", '"x"', "{", '{"advance": "x"}', '{"advance": true}', '{"advance": 1e99}', '{"advance": NaN}',
     '{"x": 1}', "\x00", '{"advance": ' + "9" * 5000 + "}", "[" * 50_000],
    ids=lambda body: body[:20],
)  # fmt: skip
def test_what_is_no_sensible_call_is_refused_calmly(realm: Realm, body: str) -> None:
    answer = send(browser(realm), "POST", "/dev/clock", data=body, content_type=JSON)
    assert answer.status_code == 400
    assert realm.clock.offset == 0


def test_the_address_is_the_configured_one_whatever_host_was_asked(realm: Realm) -> None:
    client = browser(realm, anywhere=True, issuer="http://provider:9000")
    document = client.get("/.well-known/openid-configuration", base_url="http://evil.example").json
    assert document
    assert {urlsplit(url).netloc for name, url in document.items() if name.endswith("_endpoint")} == {"provider:9000"}
