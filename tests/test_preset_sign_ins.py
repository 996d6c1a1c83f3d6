"""A whole sign-in with each preset, at a provider whose answers have that vendor's shapes (doorkey/presets.py).

Settings are what docs/presets.md tells people to write: the preset, a client and, where it differs, the issuer.
The provider is tests/support/fake_vendor.py with the answers in vendor_answers.py.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from doorkey.errors import SettingsError
from doorkey.factory import create_app
from doorkey.oauth.http import Transport
from doorkey.presets import ISSUER_FORMS, PRESETS, WATSONWORK_SCOPES
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.support.fake_vendor import BASIC, ORIGIN, POST, SECRET, FakeVendor, Visit, authentication, environ
from tests.support.person import Person
from tests.support.vendor_answers import (
    AUTHENTIK_USER,
    ENTRA_GROUPS,
    ENTRA_TENANT,
    GITHUB_ADDRESSES,
    GITHUB_USER,
    VENDORS,
    Vendor,
)

Visiting = Callable[..., Visit]


@pytest.fixture
def visiting(tmp_path: Path, clock: MovedClock) -> Visiting:
    """`visiting("gitlab")`; settings can be added, and `vendor` replaced by one with other answers."""

    def visit(name: str, vendor: Vendor | None = None, **given: str) -> Visit:
        vendor = vendor or VENDORS[name]
        fake = FakeVendor(vendor, clock())
        settings = load(environ(vendor.preset, tmp_path / "instance", **{**vendor.settings, **given}))
        app = create_app(settings, transport=Transport(adapters={"https://": fake}), clock=clock)
        return Visit(Person(app, ORIGIN), fake)

    return visit


def who(user: str, groups: list[str], scope: str, **other: str) -> dict[str, Any]:
    return {"user": user, "name": "Una User", "email": "una@example.com", "groups": groups, "scope": scope} | other


OPENID = "openid profile email"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/userinfo.email openid https://www.googleapis.com/auth/userinfo.profile"
SESSIONS = {
    "auth0": who("auth0|5f7c8ec7c33c6c004bbafe82", ["staff", "admins"], OPENID),
    "authentik": who(AUTHENTIK_USER, ["staff", "authentik Admins"], OPENID),
    "entra": who("2d4f6a8c-3333-4e5f-a071-829304152637", ENTRA_GROUPS, "email openid profile User.Read"),
    "github": who("583231", [], "user:email", name="una-codes"),
    "gitlab": who("4711", ["acme", "acme/web"], OPENID),
    "google": who("110169484474386276334", [], GOOGLE_SCOPE),
    "keycloak": who("f3b0c1d2-7777-4d5e-8f60-718293041526", ["offline_access", "staff"], "openid email profile"),
    "okta org server": who("00u1a2b3c4d5e6f7g8h9", [], "email profile openid"),
    "okta custom server": who("00u1a2b3c4d5e6f7g8h9", ["Everyone", "staff"], "email profile openid"),
    "watsonwork": who("", [], "message_read profile_read", name="", email=""),
}


@pytest.mark.parametrize("name", VENDORS)
def test_the_session_knows_who_signed_in(name: str, visiting: Visiting) -> None:
    visit = visiting(name)
    response = visit.sign_in()
    assert (response.status_code, response.headers.get("Location")) == (303, "/"), response.text
    told = visit.session()
    assert {key: told[key] for key in SESSIONS[name]} == SESSIONS[name]


def test_every_preset_has_a_sign_in_here() -> None:
    assert {vendor.preset for vendor in VENDORS.values()} == set(PRESETS)


AUTHENTIK, KEYCLOAK = "id.example.com/application/o", "sso.example.com/realms/acme"
ASKED = {
    "auth0": [
        "GET acme.eu.auth0.com/.well-known/openid-configuration", "POST acme.eu.auth0.com/oauth/token",
        "GET acme.eu.auth0.com/.well-known/jwks.json", "GET acme.eu.auth0.com/userinfo",
    ],
    "authentik": [
        f"GET {AUTHENTIK}/doorkey/.well-known/openid-configuration", f"POST {AUTHENTIK}/token/",
        f"GET {AUTHENTIK}/doorkey/jwks/", f"GET {AUTHENTIK}/userinfo/",
    ],
    "entra": [
        f"GET login.microsoftonline.com/{ENTRA_TENANT}/v2.0/.well-known/openid-configuration",
        f"POST login.microsoftonline.com/{ENTRA_TENANT}/oauth2/v2.0/token",
        f"GET login.microsoftonline.com/{ENTRA_TENANT}/discovery/v2.0/keys",
    ],
    "github": ["POST github.com/login/oauth/access_token", "GET api.github.com/user", "GET api.github.com/user/emails"],
    "gitlab": [
        "GET gitlab.com/.well-known/openid-configuration", "POST gitlab.com/oauth/token",
        "GET gitlab.com/oauth/discovery/keys", "GET gitlab.com/oauth/userinfo",
    ],
    "google": [
        "GET accounts.google.com/.well-known/openid-configuration", "POST oauth2.googleapis.com/token",
        "GET www.googleapis.com/oauth2/v3/certs", "GET openidconnect.googleapis.com/v1/userinfo",
    ],
    "keycloak": [
        f"GET {KEYCLOAK}/.well-known/openid-configuration", f"POST {KEYCLOAK}/protocol/openid-connect/token",
        f"GET {KEYCLOAK}/protocol/openid-connect/certs", f"GET {KEYCLOAK}/protocol/openid-connect/userinfo",
    ],
    "okta org server": [
        "GET acme.okta.com/.well-known/openid-configuration", "POST acme.okta.com/oauth2/v1/token",
        "GET acme.okta.com/oauth2/v1/keys", "GET acme.okta.com/oauth2/v1/userinfo",
    ],
    "okta custom server": [
        "GET acme.okta.com/oauth2/default/.well-known/openid-configuration",
        "POST acme.okta.com/oauth2/default/v1/token", "GET acme.okta.com/oauth2/default/v1/keys",
        "GET acme.okta.com/oauth2/default/v1/userinfo",
    ],
    "watsonwork": ["POST api.watsonwork.ibm.com/oauth/token"],
}  # fmt: skip


@pytest.mark.parametrize("name", VENDORS)
def test_nobody_else_is_asked(name: str, visiting: Visiting) -> None:
    visit = visiting(name)
    visit.sign_in()
    assert [line.replace("https://", "") for line in visit.fake.asked] == ASKED[name]


@pytest.mark.parametrize("name", VENDORS)
def test_the_client_proves_itself_as_the_vendor_takes_it(name: str, visiting: Visiting) -> None:
    visit = visiting(name)
    visit.sign_in()
    redeemed = next(request for request in visit.fake.requests if request.method == "POST")
    expected = POST if name == "github" else BASIC
    assert authentication(redeemed) == (expected, f"client-of-{visit.fake.vendor.preset}", SECRET)


@pytest.mark.parametrize("name", VENDORS)
def test_the_browser_asks_for_what_the_preset_says_and_nothing_else(name: str, visiting: Visiting) -> None:
    visit = visiting(name)
    visit.sign_in()
    openid = visit.fake.vendor.id_token is not None
    scope = {"github": "user:email", "watsonwork": WATSONWORK_SCOPES}.get(name, OPENID)
    names = {"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}
    assert set(visit.params) == names | ({"nonce"} if openid else set())
    assert (visit.params["scope"], visit.params["code_challenge_method"]) == (scope, "S256")
    assert visit.params["redirect_uri"] == f"{ORIGIN}/callback/{visit.fake.vendor.preset}"


@pytest.mark.parametrize("preset", ISSUER_FORMS)
def test_a_missing_issuer_is_asked_for_with_its_form(preset: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ(preset, tmp_path))
    sentence = f"DOORKEY_PROVIDER_{preset.upper()}_ISSUER is missing; it looks like {ISSUER_FORMS[preset]}"
    assert caught.value.problems == [sentence]


ISSUERS_THAT_ARE_NOT = {
    "auth0": "https://acme.eu.auth0.com",
    "authentik": "https://id.example.com/application/o/doorkey",
}


@pytest.mark.parametrize("name", ISSUERS_THAT_ARE_NOT)
def test_an_issuer_without_its_slash_is_refused_with_a_word_about_slashes(name: str, visiting: Visiting) -> None:
    visit = visiting(name, ISSUER=ISSUERS_THAT_ARE_NOT[name])
    response = visit.start()
    assert response.status_code == 502
    assert "calls itself by another name than the configured issuer" in response.text
    assert "a slash at the end counts" in response.text


@pytest.mark.parametrize("place", ["common", "organizations", "acme.onmicrosoft.com"])
def test_entra_takes_the_tenant_id_and_nothing_that_stands_for_it(place: str, visiting: Visiting) -> None:
    """Under `common` its document has a placeholder as issuer, and ID tokens come from any tenant."""
    issuer = f"https://login.microsoftonline.com/{place}/v2.0"
    called = "{tenantid}" if place != "acme.onmicrosoft.com" else ENTRA_TENANT
    visit = visiting("entra", ISSUER=issuer)
    own = {**visit.fake.vendor.metadata, "issuer": f"https://login.microsoftonline.com/{called}/v2.0"}
    visit.fake.answers[f"{issuer}/.well-known/openid-configuration"] = (200, own)
    response = visit.start()
    assert (response.status_code, "metadata_invalid" in response.text) == (502, True)


def test_more_groups_than_entra_puts_into_a_token_are_none(visiting: Visiting) -> None:
    """It names an address at Graph in their place, which is not asked."""
    elsewhere = {
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://graph.microsoft.com/v1.0/users/2d4f/getMemberObjects"}},
    }
    entra = VENDORS["entra"]
    told = {name: value for name, value in (entra.id_token or {}).items() if name != "groups"}
    visit = visiting("entra", replace(entra, id_token={**told, **elsewhere}))
    visit.sign_in()
    assert (visit.session()["active"], visit.session()["groups"]) == (True, [])
    assert {urlsplit(str(request.url)).hostname for request in visit.fake.requests} == {"login.microsoftonline.com"}


def test_groups_of_an_okta_org_server_come_with_the_scope_groups(visiting: Visiting) -> None:
    org = VENDORS["okta org server"]
    vendor = replace(org, id_token={**(org.id_token or {}), "groups": ["staff"]})
    visit = visiting("okta org server", vendor, SCOPE="openid profile email groups")
    visit.sign_in()
    assert visit.params["scope"] == "openid profile email groups"
    assert visit.session()["groups"] == ["staff"]


def test_authentik_without_a_signing_key_is_refused_with_the_name_of_the_setting(visiting: Visiting) -> None:
    """Then it signs with the client secret, and has no keys."""
    own = VENDORS["authentik"]
    metadata = {**own.metadata, "id_token_signing_alg_values_supported": ["HS256"]}
    visit = visiting("authentik", replace(own, metadata=metadata))
    visit.fake.hs256 = True
    visit.fake.answers[metadata["jwks_uri"]] = (200, {})
    response = visit.sign_in()
    assert (response.status_code, "id_token_invalid" in response.text) == (502, True)
    assert "ID_TOKEN_ALGS" in response.text
    assert not visit.session()["active"]


def test_a_gitlab_of_ones_own_is_asked_at_its_own_address(visiting: Visiting) -> None:
    own = VENDORS["gitlab"]
    moved = json.loads(
        json.dumps({"metadata": own.metadata, "told": own.told}).replace("gitlab.com", "git.example.com")
    )
    vendor = replace(own, metadata_at="https://git.example.com/.well-known/openid-configuration", **moved)
    visit = visiting("gitlab", vendor, ISSUER="https://git.example.com")
    visit.sign_in()
    assert visit.session()["user"] == "4711"
    assert {urlsplit(str(request.url)).hostname for request in visit.fake.requests} == {"git.example.com"}


SPLIT = "https://keycloak.internal.example.com/realms/acme/protocol/openid-connect/token"


@pytest.mark.parametrize("listed", [False, True])
def test_an_endpoint_on_another_host_needs_that_host_in_the_settings(listed: bool, visiting: Visiting) -> None:
    """Keycloak builds the addresses for servers apart from those for browsers."""
    own = VENDORS["keycloak"]
    vendor = replace(own, metadata={**own.metadata, "token_endpoint": SPLIT})
    visit = visiting("keycloak", vendor, **({"ENDPOINT_HOSTS": "keycloak.internal.example.com"} if listed else {}))
    if listed:
        visit.sign_in()
        assert visit.session()["active"]
        assert f"POST {SPLIT}" in visit.fake.asked
        return
    response = visit.start()
    assert response.status_code == 502
    assert "token_endpoint is on another host" in response.text
    assert "keycloak.internal.example.com" in response.text
    assert "ENDPOINT_HOSTS" in response.text
    assert not [line for line in visit.fake.asked if line.startswith("POST")]


def test_an_iss_that_keycloak_promised_must_come(visiting: Visiting) -> None:
    """docs/presets.md tells people to leave it switched on for the client."""
    response = visiting("keycloak").sign_in(session_state="canary-sid")
    assert (response.status_code, "issuer_mismatch" in response.text) == (400, True)


GITHUB_TOKEN, GITHUB_EMAILS = "https://github.com/login/oauth/access_token", "https://api.github.com/user/emails"
OLD, PRIMARY, NEW = GITHUB_ADDRESSES


@pytest.mark.parametrize(
    ("status", "addresses"),
    [
        pytest.param(200, [OLD, {**PRIMARY, "verified": False}, NEW], id="the primary one is not verified"),
        pytest.param(200, [OLD, NEW], id="the verified one is not primary"),
        pytest.param(200, [{**PRIMARY, "verified": "true"}, {**PRIMARY, "primary": 1}], id="texts and numbers"),
        pytest.param(200, [PRIMARY, {**PRIMARY, "email": "eve@example.com"}], id="two primary ones"),
        pytest.param(200, [], id="none"),
        pytest.param(200, {"message": "odd"}, id="no list"),
        pytest.param(403, {"message": "Resource not accessible by integration"}, id="not allowed"),
        pytest.param(404, {"message": "Not Found"}, id="scope not granted"),
    ],
)
def test_an_address_at_github_is_primary_and_verified_or_none(status: int, addresses: Any, visiting: Visiting) -> None:
    visit = visiting("github")
    visit.fake.answers[GITHUB_EMAILS] = (status, addresses)
    visit.sign_in()
    told = visit.session()
    assert (told["active"], told["user"], told["email"]) == (True, "583231", "")


@pytest.mark.parametrize("error", ["bad_verification_code", "incorrect_client_credentials", "redirect_uri_mismatch"])
def test_an_error_of_github_is_one_although_its_status_is_200(error: str, visiting: Visiting) -> None:
    words = "The code passed is incorrect or expired."
    visit = visiting("github")
    visit.fake.answers[GITHUB_TOKEN] = (200, {"error": error, "error_description": words, "error_uri": "https://x"})
    response = visit.sign_in()
    assert (response.status_code, visit.session()["active"]) == (502, False)
    assert all(text in response.text for text in ("<code>token_refused</code>", error, words))
    assert len(visit.fake.asked) == 1


@pytest.mark.parametrize(
    ("token", "scope", "expires_at"),
    [
        pytest.param({"scope": "read:user,user:email"}, "read:user user:email", None, id="commas"),
        pytest.param({"scope": "", "expires_in": 28800}, "", 1_800_028_800, id="a GitHub App that has no scopes"),
    ],
)
def test_the_scope_that_github_tells(
    token: dict[str, Any], scope: str, expires_at: int | None, visiting: Visiting
) -> None:
    visit = visiting("github")
    visit.fake.answers[GITHUB_TOKEN] = (200, {**visit.fake.vendor.token, **token})
    visit.sign_in()
    told = visit.session()
    assert (told["scope"], told["scope_confirmed"], told["expires_at"]) == (scope, True, expires_at)


def test_a_name_at_github_goes_before_the_login(visiting: Visiting) -> None:
    visit = visiting("github")
    visit.fake.answers["https://api.github.com/user"] = (200, {**GITHUB_USER, "name": "Una User"})
    visit.sign_in()
    assert visit.session()["name"] == "Una User"


def test_github_is_asked_for_json_by_a_named_program(visiting: Visiting) -> None:
    """Otherwise its token answer is a form, and its API refuses."""
    visit = visiting("github")
    visit.sign_in()
    headers = [request.headers for request in visit.fake.requests]
    assert {(str(each["Accept"]), str(each["User-Agent"]).partition("/")[0]) for each in headers} == {
        ("application/json", "doorkey")
    }


@pytest.mark.parametrize(
    ("name", "issuer"),
    [("github", "https://github.com"), ("google", "accounts.google.com"), ("google", "https://evil")],
)
def test_an_answer_with_another_iss_is_refused(name: str, issuer: str, visiting: Visiting) -> None:
    visit = visiting(name)
    response = visit.sign_in(iss=issuer)
    assert (response.status_code, "issuer_mismatch" in response.text) == (400, True)
    assert not [line for line in visit.fake.asked if line.startswith("POST")]
