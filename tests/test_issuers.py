"""Several issuers at one address: each is a provider of its own, and there are not too many of them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from doorkey.devprovider.issuers import MOST_ISSUERS, Issuers
from tests.conftest import MovedClock
from tests.support.controls import NEAR, REDIRECT_URI, SECRET, Controls, claims_of

TENANT = "/tenant-a"
HERE = "http://localhost"


@pytest.fixture
def dev(clock: MovedClock) -> Controls:
    return Controls(clock)


def get(dev: Controls, path: str, status: int = 200, **more: Any) -> Any:
    answer = dev.send("GET", path, **more)
    assert answer.status_code == status, answer.text
    return json.loads(answer.data)


def code_at(dev: Controls, issuer: str) -> str:
    query = {"client_id": "app", "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "s"}
    query |= {"scope": "openid", "prompt": "none", "login_hint": "alice"}
    location = dev.send("GET", f"{issuer}/oauth/authorize", query_string=query).headers["Location"]
    assert f"iss=http%3A%2F%2Flocalhost{issuer.replace('/', '%2F')}" in location
    return location.partition("code=")[2].partition("&")[0]


def tokens_at(dev: Controls, issuer: str, code: str) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    found: dict[str, Any] = json.loads(dev.send("POST", f"{issuer}/oauth/token", data=form, auth=("app", SECRET)).data)
    return found


BOTH = [("", TENANT), (TENANT, ""), (TENANT, "/tenant-b")]


@pytest.mark.parametrize("kind", ["openid-configuration", "oauth-authorization-server"])
@pytest.mark.parametrize("name", ["tenant-a", "t", "0", "a" * 40])
def test_both_spellings_of_the_metadata_are_of_the_same_issuer(dev: Controls, kind: str, name: str) -> None:
    appended, inserted = get(dev, f"/{name}/.well-known/{kind}"), get(dev, f"/.well-known/{kind}/{name}")
    assert appended == inserted
    assert appended["issuer"] == f"{HERE}/{name}"
    addresses = [value for key, value in appended.items() if key.endswith(("_endpoint", "_uri"))]
    assert len(addresses) == 9
    assert all(value.startswith(f"{HERE}/{name}/oauth/") for value in addresses)


@pytest.mark.parametrize(("issuer", "other"), BOTH)
def test_a_code_of_one_is_nothing_at_another(dev: Controls, issuer: str, other: str) -> None:
    code = code_at(dev, issuer)
    assert tokens_at(dev, other, code)["error"] == "invalid_grant"
    assert claims_of(tokens_at(dev, issuer, code)["id_token"])["iss"] == HERE + issuer


@pytest.mark.parametrize(("issuer", "other"), BOTH)
def test_a_token_of_one_is_nothing_at_another(dev: Controls, issuer: str, other: str) -> None:
    found = tokens_at(dev, issuer, code_at(dev, issuer))
    header = {"Authorization": f"Bearer {found['access_token']}"}
    statuses = [dev.send("GET", f"{at}/oauth/userinfo", headers=header).status_code for at in (issuer, other)]
    assert statuses == [200, 401]
    form = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
    refused = dev.send("POST", f"{other}/oauth/token", data=form, auth=("app", SECRET))
    assert json.loads(refused.data)["error"] == "invalid_grant"
    asked = dev.send("POST", f"{other}/oauth/introspect", data={"token": found["access_token"]}, auth=("app", SECRET))
    assert json.loads(asked.data) == {"active": False}
    hinted = dev.send("GET", f"{other}/oauth/logout", query_string={"id_token_hint": found["id_token"]})
    assert hinted.status_code == 400


def test_each_has_keys_of_its_own(dev: Controls) -> None:
    kids = [{key["kid"] for key in get(dev, f"{at}/oauth/jwks")["keys"]} for at in ("", TENANT, "/tenant-b")]
    assert len(set.union(*kids)) == 9
    dev.does("POST", f"{TENANT}/dev/keys")
    assert {key["kid"] for key in get(dev, "/oauth/jwks")["keys"]} == kids[0]
    assert not {key["kid"] for key in get(dev, f"{TENANT}/oauth/jwks")["keys"]} & kids[1]


@pytest.mark.parametrize(("issuer", "other"), BOTH)
def test_failures_users_clock_and_requests_are_of_one_issuer(dev: Controls, issuer: str, other: str) -> None:
    before = {name: get(dev, f"{other}/dev/{name}") for name in ("users", "clients", "responses", "requests", "clock")}
    dev.does("POST", f"{issuer}/dev/responses", {"endpoint": "jwks", "status": 503}, status=201)
    dev.does("PUT", f"{issuer}/dev/users/erin", {}, status=201)
    dev.does("DELETE", f"{issuer}/dev/clients/public", status=204)
    dev.does("POST", f"{issuer}/dev/clock", {"advance": 60})
    get(dev, f"{issuer}/.well-known/openid-configuration")
    assert {name: get(dev, f"{other}/dev/{name}") for name in before} == before
    get(dev, f"{other}/oauth/jwks")
    assert dev.send("GET", f"{issuer}/oauth/jwks").status_code == 503
    asked = get(dev, f"{issuer}/dev/requests")["requests"][0]
    assert (asked["path"], asked["endpoint"]) == (f"{issuer}/.well-known/openid-configuration", "metadata")


def test_a_reset_is_of_one_issuer(dev: Controls) -> None:
    tokens = {at: tokens_at(dev, at, code_at(dev, at))["access_token"] for at in ("", TENANT)}
    dev.does("POST", f"{TENANT}/dev/reset")
    headers = {at: {"Authorization": f"Bearer {token}"} for at, token in tokens.items()}
    assert dev.send("GET", "/oauth/userinfo", headers=headers[""]).status_code == 200
    assert dev.send("GET", f"{TENANT}/oauth/userinfo", headers=headers[TENANT]).status_code == 401


NO_ISSUER = [
    "/Tenant/oauth/jwks",
    "/-a/oauth/jwks",
    "/a-/oauth/jwks",
    "/a_b/oauth/jwks",
    f"/{'a' * 41}/oauth/jwks",
    "/a.b/oauth/jwks",
    "/é/oauth/jwks",
    "/a/b/oauth/jwks",
    "/oauth/oauth/jwks",
    "/dev/oauth/jwks",
    "/static/oauth/jwks",
    "/a%0A/oauth/jwks",
    "/.well-known/openid-configuration/a/b",
    "/.well-known/openid-configuration/oauth",
    "/.well-known/oauth-authorization-server/dev",
    "/.well-known/openid-configuration/static",
    "/.well-known/openid-configuration/",
    "/.well-known/other/a",
    "/a/elsewhere",
]


@pytest.mark.parametrize("path", NO_ISSUER)
def test_other_first_segments_name_no_issuer(dev: Controls, path: str) -> None:
    assert dev.send("GET", path).status_code == 404
    assert dev.app.wsgi_app._made == {}  # type: ignore[attr-defined]


def test_fifty_are_enough_and_the_first_ones_stay(dev: Controls) -> None:
    for number in range(MOST_ISSUERS):
        get(dev, f"/t{number}/dev/clock")
    assert dev.send("GET", "/one-more/dev/clock").status_code == 404
    assert dev.send("GET", "/.well-known/openid-configuration/one-more").status_code == 404
    get(dev, "/t0/dev/clock")
    get(dev, "/dev/clock")


def test_an_issuer_may_itself_be_below_a_path() -> None:
    seen: list[tuple[str, str]] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        seen.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        return iter(())

    issuers = Issuers(app, lambda: app, lambda environ: True)
    list(issuers({**NEAR, "SCRIPT_NAME": "/below", "PATH_INFO": "/a/oauth/jwks"}, None))
    list(issuers({**NEAR, "SCRIPT_NAME": "/below", "PATH_INFO": "/oauth/jwks"}, None))
    assert seen == [("/below/a", "/oauth/jwks"), ("/below", "/oauth/jwks")]
