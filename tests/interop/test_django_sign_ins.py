"""Doorkey signs people in at django-oauth-toolkit, over TLS (doorkey/oauth/, doorkey/web/login.py and logout.py).

Every step is a row of tried.py, as in test_oidc_provider_sign_ins.py. The provider promises `iss` in its answers
(RFC 9207) and leaves it out of errors, so that Doorkey cannot tell whose they are; a second one does not promise.
"""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from doorkey.errors import IdTokenInvalid, TokenRefused
from tests.interop import tried
from tests.interop.django_oauth_toolkit import DjangoProvider
from tests.interop.visits import FrontDoor, Step, Steps, Visit, part_of_token

EXPECTED = tried.expected(tried.DJANGO, after_sign_in=False) | tried.expected(tried.DJANGO, after_sign_in=True)
WITHOUT_ISS = [name for name in EXPECTED if name.endswith("-no-iss")]
API = "https://one.example.test/api"

Door = FrontDoor[DjangoProvider]
steps: Steps[DjangoProvider] = Steps()


@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in WITHOUT_ISS])
def test_django(name: str, django_front_door: Door) -> None:
    assert steps[name](django_front_door) == EXPECTED[name]


@pytest.mark.parametrize("name", WITHOUT_ISS)
def test_django_without_iss(name: str, django_front_door_without_iss: Door) -> None:
    assert steps[name](django_front_door_without_iss) == EXPECTED[name]


def test_every_step_at_django_is_a_row_of_the_table() -> None:
    assert set(steps) == set(EXPECTED)


def requests_since(door: Door, before: int, path: str) -> list[dict[str, Any]]:
    return [request for request in door.provider.requests()[before:] if request["path"] == path]


def sign_in(door: Door, client: str, account: str = "alice", **changes: str) -> tuple[Visit, str]:
    visit = door.visit(client, **changes)
    return visit, visit.outcome(visit.arrive(door.provider.sign_in(visit.begin(), account)))


def with_proof(client: str, authorization: str, fields: set[str], alg: str = "RS256") -> Step[DjangoProvider]:
    """A sign-in of `client`; `fields` prove the client in the form of the token request."""

    def step(door: Door) -> str:
        before = len(door.provider.requests())
        visit, outcome = sign_in(door, client)
        (request,) = requests_since(door, before, "/o/token/")
        assert request["authorization"] == authorization
        assert set(request["form"]) & {"client_id", "client_secret"} == fields
        assert part_of_token(visit.token.id_token, 0)["alg"] == alg
        return outcome

    return step


steps |= {
    "secret-basic": with_proof("basic-client", "Basic", set()),
    "secret-post": with_proof("post-client", "", {"client_id", "client_secret"}),
    "public-client": with_proof("public-client", "", {"client_id"}),
    "id-token-rs256": with_proof("basic-client", "Basic", set()),
    "id-token-hs256": with_proof("hs256-client", "Basic", set(), alg="HS256"),
}


@steps.row("discovery")
def discovery(door: Door) -> str:
    before = len(door.provider.requests())
    visit = door.visit("basic-client")
    page = visit.person.get("/").text
    assert page.count('href="/login?provider=') == len(door.clients)
    asked = {request["path"] for request in door.provider.requests()[before:]}
    assert asked == {"/o/.well-known/openid-configuration"}
    described = visit.doorkey.directory.describe(visit.doorkey.providers["basic-client"])
    assert described.token_endpoint == f"{door.provider.issuer}/token/"
    assert described.iss_promised
    return tried.WORKS


@steps.row("oauth-metadata")
def oauth_metadata(door: Door) -> str:
    """The well-known part goes between the host and the path of the issuer."""
    before = len(door.provider.requests())
    visit, outcome = sign_in(door, "basic-client", SCOPE="read", USERINFO="never")
    assert requests_since(door, before, "/.well-known/oauth-authorization-server/o")
    assert visit.token.id_token is None
    assert visit.token.scope_granted == ("read",)
    return outcome


@steps.row("issuer-with-slash")
def issuer_with_slash(door: Door) -> str:
    visit = door.visit("basic-client", ISSUER=f"{door.provider.issuer}/")
    return visit.outcome(visit.person.get("/login?provider=basic-client"))


@steps.row("wrong-secret")
def wrong_secret(door: Door) -> str:
    visit = door.visit("basic-client", CLIENT_SECRET="not the secret")
    response = visit.arrive(door.provider.sign_in(visit.begin()))
    assert "invalid_client" in response.text
    return visit.outcome(response)


@steps.row("id-token-hs256-not-set")
def hs256_not_set(door: Door) -> str:
    _, outcome = sign_in(door, "hs256-client", ID_TOKEN_ALGS="")
    return outcome


@steps.row("user-info")
def user_info(door: Door) -> str:
    before = len(door.provider.requests())
    visit, outcome = sign_in(door, "basic-client")
    identity = visit.record.identity
    assert (identity.name, identity.email) == ("Alice", "alice@example.com")
    assert identity.groups == ("engineers", "on call")
    (request,) = requests_since(door, before, "/o/userinfo/")
    assert request["authorization"] == "Bearer"
    return outcome


@steps.row("resource")
def resource(door: Door) -> str:
    before = len(door.provider.requests())
    _, outcome = sign_in(door, "basic-client", RESOURCE=API, USERINFO="never")
    (request,) = requests_since(door, before, "/o/token/")
    assert request["form"]["resource"] == API
    return outcome


@steps.row("max-age")
def max_age(door: Door) -> str:
    visit, outcome = sign_in(door, "basic-client", AUTHORIZATION_PARAMS="max_age=3600")
    assert "auth_time" in part_of_token(visit.token.id_token, 1)
    return outcome


@steps.row("max-age-over")
def max_age_over(door: Door) -> str:
    """Five minutes later by Doorkey's clock, which its limits on everything else allow."""
    visit = replace(door, ahead=300).visit("basic-client", AUTHORIZATION_PARAMS="max_age=60")
    response = visit.arrive(door.provider.sign_in(visit.begin()))
    assert "(auth_time)" in response.text
    return visit.outcome(response)


@steps.row("prompt-none-nobody")
@steps.row("prompt-none-no-iss")
def prompt_none_nobody(door: Door) -> str:
    visit = door.visit("basic-client")
    address = door.provider.sign_in(visit.begin(prompt="none"), account="nobody")
    assert "error=login_required" in address
    return visit.outcome(visit.arrive(address))


@steps.row("denied")
@steps.row("denied-no-iss")
def denied(door: Door) -> str:
    visit = door.visit("basic-client")
    address = door.provider.deny(visit.begin())
    assert "error=access_denied" in address
    assert "iss=" not in address
    return visit.outcome(visit.arrive(address))


@steps.row("refresh")
def refresh(door: Door) -> str:
    """A new ID token is checked: it does not replace one of somebody else."""
    visit, _ = sign_in(door, "basic-client")
    first = visit.token
    newer = visit.renew(first)
    assert first.access_token != newer.access_token
    assert len({first.refresh_token, newer.refresh_token, None}) == 3
    bob, _ = sign_in(door, "basic-client", "bob")
    with pytest.raises(IdTokenInvalid, match="sub"):
        visit.renew(msgspec.structs.replace(newer, id_token=bob.token.id_token))
    return tried.WORKS


@steps.row("refresh-reused")
def refresh_reused(door: Door) -> str:
    visit, _ = sign_in(door, "basic-client")
    first = visit.token
    newer = visit.renew(first)
    for token in (first, newer):
        with pytest.raises(TokenRefused) as refused:
            visit.renew(token)
        assert (refused.value.provider_error or {})["error"] == "invalid_grant"
    return refused.value.code


@steps.row("revocation-endpoint")
def revocation(door: Door) -> str:
    visit, _ = sign_in(door, "basic-client", REVOCATION_ENDPOINT=door.provider.revocation_endpoint)
    token, before = visit.token, len(door.provider.requests())
    assert visit.person.sign_out().status_code == 303
    (request,) = requests_since(door, before, "/o/revoke_token/")
    assert (request["status"], request["form"]["token_type_hint"]) == (200, "refresh_token")
    with pytest.raises(TokenRefused):
        visit.renew(token)
    return tried.WORKS
