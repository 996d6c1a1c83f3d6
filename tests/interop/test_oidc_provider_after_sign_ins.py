"""What Doorkey does after a sign-in at `oidc-provider` (doorkey/oauth/flow.py renew(), doorkey/web/logout.py).

Every step is a row of tried.py, as in test_oidc_provider_sign_ins.py. Leaving is in test_oidc_provider_logouts.py.
"""

import msgspec
import pytest

from doorkey.errors import IdTokenInvalid, TokenRefused
from doorkey.oauth.token import Token
from tests.interop import tried
from tests.interop.oidc_provider import OidcProvider, proof_in
from tests.interop.visits import FrontDoor, Steps, Visit, part_of_token

EXPECTED = tried.expected(tried.OIDC_PROVIDER, "after")
OFFLINE = {"SCOPE": "openid offline_access", "AUTHORIZATION_PARAMS": "prompt=consent"}
"""Without the prompt this provider leaves offline_access out (OpenID Connect Core 1.0 section 11)."""

Door = FrontDoor[OidcProvider]
steps: Steps[OidcProvider] = Steps()


@pytest.mark.parametrize("name", EXPECTED)
def test_after_oidc_provider(name: str, oidc_front_door: Door) -> None:
    assert steps[name](oidc_front_door) == EXPECTED[name]


def test_every_step_after_a_sign_in_is_a_row_of_the_table() -> None:
    assert set(steps) == set(EXPECTED)


def signed_in(door: Door, client: str, account: str = "alice", **changes: str) -> Visit:
    visit = door.visit(client, **changes)
    assert visit.outcome(visit.arrive(door.provider.sign_in(visit.begin(), account))) == tried.SIGNED_IN
    door.provider.forget_requests()
    return visit


def answer_to(door: Door, token: Token) -> int:
    """The status with which the provider's user info answers to an access token."""
    headers = {"Authorization": f"Bearer {token.access_token}"}
    return door.provider.browser().get(f"{door.provider.issuer}/me", headers=headers, timeout=10).status_code


def renewed(door: Door, client: str, proof: str) -> str:
    """A new ID token is checked: it does not replace one of somebody else."""
    visit = signed_in(door, client, **OFFLINE)
    first = visit.token
    newer = visit.renew(first)
    (request,) = door.provider.requests("/token")
    assert proof_in(request) == proof
    assert len({first.access_token, newer.access_token}) == 2
    assert len({first.refresh_token, newer.refresh_token, None}) == 3
    assert part_of_token(newer.id_token, 1)["sub"] == "alice"
    assert answer_to(door, newer) == 200
    bob = signed_in(door, client, "bob")
    with pytest.raises(IdTokenInvalid, match="sub"):
        visit.renew(msgspec.structs.replace(newer, id_token=bob.token.id_token))
    return tried.WORKS


@steps.row("refresh")
def refresh(door: Door) -> str:
    return renewed(door, "basic", "Basic")


@steps.row("refresh-with-key")
def refresh_with_key(door: Door) -> str:
    return renewed(door, "key", "RS256")


@steps.row("refresh-reused")
def refresh_reused(door: Door) -> str:
    """And with it everything ends that came of that sign-in (RFC 9700 section 4.14.2)."""
    visit = signed_in(door, "always-refresh")
    first = visit.token
    newer = visit.renew(first)
    for token in (first, newer):
        with pytest.raises(TokenRefused) as refused:
            visit.renew(token)
        assert (refused.value.provider_error or {})["error"] == "invalid_grant"
    return refused.value.code


@steps.row("refresh-new-keys")
def refresh_with_new_keys(door: Door) -> str:
    visit = signed_in(door, "basic", **OFFLINE)
    kids = door.provider.rotate_keys()
    newer = visit.renew(visit.token)
    assert part_of_token(newer.id_token, 0)["kid"] in kids
    assert len(door.provider.requests("/jwks")) == 1
    return tried.WORKS


def signed_out(door: Door, visit: Visit, hint: str) -> Token:
    """The token of a session that has ended."""
    token = visit.token
    assert answer_to(door, token) == 200
    assert visit.person.sign_out().status_code == 303
    assert not visit.person.is_signed_in()
    (request,) = door.provider.requests("/token/revocation")
    assert (request["status"], request["params"]["token_type_hint"]) == (200, hint)
    assert proof_in(request) == "Basic"
    return token


@steps.row("revocation")
def revocation(door: Door) -> str:
    visit = signed_in(door, "basic", **OFFLINE)
    token = signed_out(door, visit, "refresh_token")
    with pytest.raises(TokenRefused):
        visit.renew(token)
    assert answer_to(door, token) == 401
    return tried.WORKS


@steps.row("revocation-access-token")
def revocation_of_access_token(door: Door) -> str:
    visit = signed_in(door, "basic")
    assert visit.token.refresh_token is None
    assert answer_to(door, signed_out(door, visit, "access_token")) == 401
    return tried.WORKS
