"""Doorkey signs people in at `oidc-provider` for Node, over TLS (all of doorkey/oauth/ and doorkey/web/login.py).

Every step is a row of tried.py, and what comes of it is compared with that row. Each has a Doorkey of its own
that knows all clients of the provider; the provider is one process for all of them. What happens after the
sign-in is in test_oidc_provider_after_sign_ins.py and test_oidc_provider_logouts.py.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.interop import tried
from tests.interop.oidc_provider import OidcProvider, proof_in
from tests.interop.provider_keys import PEMS, STRANGERS_PEM
from tests.interop.visits import FrontDoor, Step, Steps, Visit, part_of_token

EXPECTED = tried.expected(tried.OIDC_PROVIDER, "sign-in")
ALICE = "alice"
ONE = "https://one.example.test/api"

Door = FrontDoor[OidcProvider]
steps: Steps[OidcProvider] = Steps()


@pytest.mark.parametrize("name", EXPECTED)
def test_oidc_provider(name: str, oidc_front_door: Door) -> None:
    assert steps[name](oidc_front_door) == EXPECTED[name]


def test_every_step_is_a_row_of_the_table() -> None:
    assert set(steps) == set(EXPECTED)


@dataclass(frozen=True)
class SignIn:
    """A sign-in of Alice that differs by its client and settings; how both sides prove themselves is looked at."""

    client: str
    changes: dict[str, str] = field(default_factory=dict)
    proof: str = "Basic"
    alg: str = "RS256"

    def __call__(self, door: Door) -> str:
        visit = door.visit(self.client, **self.changes)
        response = visit.arrive(door.provider.sign_in(visit.begin()))
        outcome = visit.outcome(response)
        assert proof_in(only_request(door, "/token")) == self.proof
        if outcome == tried.SIGNED_IN:
            assert visit.record.identity.user == ALICE
            assert part_of_token(visit.token.id_token, 0)["alg"] == self.alg
        return outcome


def only_request(door: Door, path: str) -> dict[str, Any]:
    (request,) = door.provider.requests(path)
    return request


PRIVATE_KEYS = {"key-jwt-rsa": "RS256", "key-jwt-ec": "ES256", "key-jwt-ed25519": "EdDSA"}

SIGN_INS: dict[str, Step[OidcProvider]] = {
    "secret-basic": SignIn("basic"),
    "secret-post": SignIn("post", proof="client_secret"),
    "secret-jwt": SignIn("jwt-secret", proof="HS256"),
    "public-client": SignIn("public", proof="nothing"),
    **{name: SignIn("key", {"PRIVATE_KEY": PEMS[alg]}, proof=alg) for name, alg in PRIVATE_KEYS.items()},
    "wrong-key": SignIn("key", {"PRIVATE_KEY": STRANGERS_PEM}, proof="RS256"),
    "id-token-rs256": SignIn("basic", {"ID_TOKEN_ALGS": "RS256"}),
    "id-token-ps256": SignIn("ps256", alg="PS256"),
    "id-token-es256": SignIn("es256", alg="ES256"),
    "id-token-eddsa": SignIn("eddsa", alg="EdDSA"),
    "id-token-ed25519": SignIn("ed25519", alg="Ed25519"),
    "id-token-hs256": SignIn("hs256", {"ID_TOKEN_ALGS": "HS256"}, alg="HS256"),
    "id-token-hs256-not-set": SignIn("hs256"),
    "id-token-encrypted": SignIn("encrypted"),
}
steps |= SIGN_INS


@steps.row("discovery")
def discovery(door: Door) -> str:
    visit = door.visit("basic")
    page = visit.person.get("/").text
    assert page.count('href="/login?provider=') == len(door.clients)
    assert {request["path"] for request in door.provider.requests()} == {"/.well-known/openid-configuration"}
    described = visit.doorkey.directory.describe(visit.doorkey.providers["basic"])
    assert described.token_endpoint == f"{door.provider.issuer}/token"
    assert described.iss_promised
    return tried.WORKS


@steps.row("oauth-metadata")
def oauth_metadata(door: Door) -> str:
    visit = door.visit("basic", SCOPE="read", RESOURCE=ONE, USERINFO="never")
    outcome = visit.outcome(visit.arrive(door.provider.sign_in(visit.begin())))
    assert door.provider.requests("/.well-known/oauth-authorization-server")
    assert not door.provider.requests("/.well-known/openid-configuration")
    assert visit.token.id_token is None
    assert visit.token.scope_granted == ("read",)
    return outcome


@steps.row("issuer-with-slash")
def issuer_with_slash(door: Door) -> str:
    visit = door.visit("basic", ISSUER=f"{door.provider.issuer}/")
    return visit.outcome(visit.person.get("/login?provider=basic"))


@steps.row("wrong-secret")
def wrong_secret(door: Door) -> str:
    visit = door.visit("basic", CLIENT_SECRET="not the secret")
    response = visit.arrive(door.provider.sign_in(visit.begin()))
    assert "invalid_client" in response.text
    return visit.outcome(response)


def pushed(door: Door, client: str, expected_proof: str) -> str:
    visit = door.visit(client)
    url = visit.begin()
    assert set(parse_qs(urlsplit(url).query)) == {"client_id", "request_uri"}
    assert proof_in(only_request(door, "/request")) == expected_proof
    outcome = visit.outcome(visit.arrive(door.provider.sign_in(url)))
    assert proof_in(only_request(door, "/token")) == expected_proof
    return outcome


@steps.row("pushed")
def pushed_with_secret(door: Door) -> str:
    return pushed(door, "par", "Basic")


@steps.row("pushed-with-key")
def pushed_with_key(door: Door) -> str:
    return pushed(door, "par-key", "RS256")


@steps.row("pushed-wrong-secret")
def pushed_with_wrong_secret(door: Door) -> str:
    visit = door.visit("par", CLIENT_SECRET="not the secret")
    response = visit.person.get("/login?provider=par")
    assert "invalid_client" in response.text
    return visit.outcome(response)


@steps.row("form-post")
def form_post(door: Door) -> str:
    visit = door.visit("form-post")
    form = door.provider.sign_in_by_post(visit.begin())
    assert set(form.fields) == {"code", "iss", "state"}
    return visit.outcome(visit.arrive_by_post(form.action, form.fields))


def user_info(door: Door, client: str, content_type: str) -> str:
    visit = door.visit(client, SCOPE="openid profile email groups")
    outcome = visit.outcome(visit.arrive(door.provider.sign_in(visit.begin())))
    identity = visit.record.identity
    assert (identity.name, identity.email) == ("Alice Example", "alice@example.test")
    assert identity.groups == ("staff", "admins")
    assert not {"name", "email", "groups"} & set(part_of_token(visit.token.id_token, 1))
    answer = door.provider.browser().get(
        f"{door.provider.issuer}/me", headers={"Authorization": f"Bearer {visit.token.access_token}"}, timeout=10
    )
    assert answer.headers["Content-Type"].startswith(content_type)
    return outcome


@steps.row("user-info")
def user_info_plain(door: Door) -> str:
    return user_info(door, "basic", "application/json")


@steps.row("user-info-signed")
def user_info_signed(door: Door) -> str:
    return user_info(door, "signed-userinfo", "application/jwt")


@steps.row("resource")
def resource(door: Door) -> str:
    visit = door.visit("basic", SCOPE="openid read", RESOURCE=ONE, USERINFO="never")
    outcome = visit.outcome(visit.arrive(door.provider.sign_in(visit.begin())))
    claims = part_of_token(visit.token.access_token, 1)
    assert (claims["aud"], claims["scope"]) == (ONE, "read")
    return outcome


@steps.row("resource-unknown")
def resource_unknown(door: Door) -> str:
    visit = door.visit("basic", RESOURCE="https://unknown.example.test/api")
    response = visit.arrive(door.provider.sign_in(visit.begin()))
    assert "invalid_target" in response.text
    return visit.outcome(response)


@steps.row("max-age")
def max_age(door: Door) -> str:
    """The provider says when somebody signed in only where it is asked to."""
    outcomes = set()
    for limit in ("", "max_age=3600"):
        visit = door.visit("basic", AUTHORIZATION_PARAMS=limit)
        outcomes.add(visit.outcome(visit.arrive(door.provider.sign_in(visit.begin()))))
        assert ("auth_time" in part_of_token(visit.token.id_token, 1)) == bool(limit)
    (outcome,) = outcomes
    return outcome


ACR = {"AUTHORIZATION_PARAMS": "acr_values=urn:example:two-factors"}


@steps.row("acr-met")
def acr_met(door: Door) -> str:
    visit = door.visit("basic", **ACR)
    outcome = visit.outcome(visit.arrive(door.provider.sign_in(visit.begin())))
    assert part_of_token(visit.token.id_token, 1)["acr"] == "urn:example:two-factors"
    return outcome


@steps.row("acr-not-met")
def acr_not_met(door: Door) -> str:
    visit = door.visit("basic", **ACR)
    response = visit.arrive(door.provider.sign_in(visit.begin(), acr="urn:example:password"))
    assert "(acr)" in response.text
    return visit.outcome(response)


@steps.row("prompt-none")
def prompt_none(door: Door) -> str:
    visit, browser = door.visit("basic"), door.provider.browser()
    visit.arrive(door.provider.sign_in(visit.begin(), browser=browser))
    door.provider.forget_requests()
    again = Visit(visit.app, "basic")
    outcome = again.outcome(again.arrive(door.provider.sign_in(again.begin(prompt="none"), browser=browser)))
    assert not [request for request in door.provider.requests() if request["path"].startswith("/auth/")], "a page"
    return outcome


@steps.row("prompt-none-nobody")
def prompt_none_nobody(door: Door) -> str:
    visit = door.visit("basic")
    response = visit.arrive(door.provider.sign_in(visit.begin(prompt="none")))
    assert "login_required" in response.text
    assert 'href="/login?provider=basic"' in response.text, "without prompt=none, which would fail again"
    return visit.outcome(response)


@steps.row("denied")
def denied(door: Door) -> str:
    visit = door.visit("basic")
    return visit.outcome(visit.arrive(door.provider.deny(visit.begin())))


@steps.row("new-keys")
def new_keys(door: Door) -> str:
    """The second sign-in asks for the keys once more, because it knows none of the new ones."""
    visit = door.visit("basic")
    visit.arrive(door.provider.sign_in(visit.begin()))
    kids = door.provider.rotate_keys()
    door.provider.forget_requests()
    again = Visit(visit.app, "basic")
    outcome = again.outcome(again.arrive(door.provider.sign_in(again.begin())))
    assert part_of_token(again.token.id_token, 0)["kid"] in kids
    only_request(door, "/jwks")
    return outcome
