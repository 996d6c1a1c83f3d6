"""Doorkey signs people in at django-oauth-toolkit, over TLS (doorkey/oauth/, doorkey/web/login.py and logout.py).

Every step is a row of tried.py, as in test_oidc_provider_sign_ins.py. The provider promises `iss` in its answers
(RFC 9207) and leaves it out of errors, so that Doorkey cannot tell whose they are; a second one does not promise.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from doorkey.errors import IdTokenInvalid, TokenRefused
from tests.interop import tried
from tests.interop.django_oauth_toolkit import DjangoProvider
from tests.interop.visits import ORIGIN, FrontDoor, Step, Steps, Visit, part_of_token

EXPECTED = tried.expected(tried.DJANGO, "sign-in", "after", "logout")
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


def has_session(door: Door, account: str) -> bool:
    """Whether the provider shows no login page to whoever uses the browser of `account` there."""
    before = len(door.provider.requests())
    sign_in(door, "basic-client", account)
    return not requests_since(door, before, "/login/")


def left(door: Door, visit: Visit, account: str) -> str:
    """The whole way of a sign-out; both sessions have ended, and the page says so."""
    hint = visit.token.id_token
    address = visit.leave()
    sent = parse_qs(urlsplit(address).query)
    assert sent.pop("state")[0]
    assert sent == {
        "id_token_hint": [hint],
        "client_id": [visit.provider],
        "post_logout_redirect_uri": [f"{ORIGIN}/logged-out"],
    }
    back = door.provider.confirm_logout(address, account)
    assert visit.told_page(back)
    assert not visit.told_page(back), "a second time, with the state that was used"
    assert not has_session(door, account)
    return tried.WORKS


@steps.row("logout")
def logout(door: Door) -> str:
    """The token is revoked first, and the provider still knows its ID token then."""
    visit, _ = sign_in(door, "basic-client", REVOCATION_ENDPOINT=door.provider.revocation_endpoint)
    assert has_session(door, "alice")
    before = len(door.provider.requests())
    outcome = left(door, visit, "alice")
    paths = [request["path"] for request in door.provider.requests()[before:]]
    assert paths.index("/o/revoke_token/") < paths.index("/o/logout/")
    return outcome


@steps.row("logout-over")
def logout_over(door: Door) -> str:
    """It throws the ID tokens of a session away with it, and does not know them afterwards."""
    visit, _ = sign_in(door, "basic-client")
    door.provider.confirm_logout(f"{door.provider.issuer}/logout/")
    with pytest.raises(AssertionError, match=r"the provider answered 400[\s\S]*The ID Token is expired, revoked"):
        door.provider.confirm_logout(visit.leave())
    return tried.KEPT_THERE


@steps.row("logout-clients")
def logout_of_other_clients(door: Door) -> str:
    for client in ("post-client", "public-client", "hs256-client"):
        visit, _ = sign_in(door, client)
        left(door, visit, "alice")
    return tried.WORKS


@steps.row("logout-after-refresh")
def logout_after_refresh(door: Door) -> str:
    visit, _ = sign_in(door, "basic-client")
    visit.renew_by_button()
    return left(door, visit, "alice")


@steps.row("logout-unregistered")
def logout_to_an_unregistered_address(door: Door) -> str:
    visit, _ = sign_in(door, "basic-client", POST_LOGOUT_REDIRECT_URI="https://www.example.test/bye")
    with pytest.raises(AssertionError, match="the provider answered 400"):
        door.provider.confirm_logout(visit.leave())
    assert has_session(door, "alice")
    return tried.KEPT_THERE


@steps.row("logout-never")
def logout_never(door: Door) -> str:
    visit, _ = sign_in(door, "basic-client", END_SESSION="never")
    assert visit.leave() == "/logged-out"
    assert has_session(door, "alice")
    return tried.WORKS
