"""Leaving at `oidc-provider`: RP-initiated and back-channel logout (doorkey/web/logout.py, web/provider_logout.py).

Every step is a row of tried.py, as in test_oidc_provider_sign_ins.py. The provider's server reaches the Doorkey of the
step by reverse_proxy.py, and waits for its answer before it answers the browser.
"""

import time
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest
from requests import Session

from doorkey.web import provider_logout
from tests.interop import tried
from tests.interop.oidc_provider import OidcProvider, Refused
from tests.interop.reverse_proxy import Passed
from tests.interop.visits import ORIGIN, FrontDoor, Steps, Visit, part_of_token

EXPECTED = tried.expected(tried.OIDC_PROVIDER, "logout")
PATIENCE = 10.0
"""Seconds that something may take which comes after an answer."""
ALGS = ("ps256", "es256", "eddsa", "ed25519", "hs256")
HS256 = {"hs256": {"ID_TOKEN_ALGS": "HS256"}}

Door = FrontDoor[OidcProvider]
steps: Steps[OidcProvider] = Steps()


@pytest.mark.parametrize("name", EXPECTED)
def test_leaving_oidc_provider(name: str, oidc_front_door: Door) -> None:
    assert steps[name](oidc_front_door) == EXPECTED[name]


def test_every_way_to_leave_is_a_row_of_the_table() -> None:
    assert set(steps) == set(EXPECTED)


def arrived(door: Door, visit: Visit, browser: Session, account: str = "alice") -> Visit:
    """`visit`, signed in; `browser` is the same person's at the provider."""
    address = door.provider.sign_in(visit.begin(), account, browser=browser)
    assert visit.outcome(visit.arrive(address)) == tried.SIGNED_IN
    return visit


def signed_in(door: Door, client: str = "basic", **changes: str) -> tuple[Visit, Session]:
    browser = door.provider.browser()
    visit = arrived(door, door.visit(client, **changes), browser)
    door.provider.forget_requests()
    return visit, browser


def beside(door: Door, visit: Visit, account: str = "alice") -> Visit:
    """Another browser at the same Doorkey."""
    return arrived(door, Visit(visit.app, visit.provider), door.provider.browser(), account)


def has_session(door: Door, visit: Visit, browser: Session) -> bool:
    """Whether the provider lets `browser` in without asking."""
    asked = Visit(visit.app, visit.provider).begin(prompt="none")
    return "code=" in door.provider.sign_in(asked, browser=browser)


def leave_the_provider(door: Door, browser: Session, **query: str) -> None:
    """As if at another application: its session ends, and it tells every client before it says so."""
    said = "&".join(f"{name}={value}" for name, value in query.items())
    door.provider.confirm_logout(f"{door.provider.issuer}/session/end?{said}", browser=browser)


def told(door: Door) -> list[Passed]:
    """What the provider's server sent to Doorkey, and what it was answered."""
    assert door.proxy
    return door.proxy.passed


# ---- sign-outs that begin here ----


def left(door: Door, visit: Visit, browser: Session) -> str:
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
    back = door.provider.confirm_logout(address, browser=browser)
    assert visit.told_page(back)
    assert not visit.told_page(back), "a second time, with the state that was used"
    assert not has_session(door, visit, browser)
    return tried.WORKS


@steps.row("logout")
def logout(door: Door) -> str:
    """The token is revoked first; the provider's own message comes when there is nothing left to end."""
    visit, browser = signed_in(door)
    assert has_session(door, visit, browser)
    door.provider.forget_requests()
    outcome = left(door, visit, browser)
    paths = [request["path"] for request in door.provider.requests()]
    assert paths.index("/token/revocation") < paths.index("/session/end")
    assert told(door) == [Passed("POST", "/backchannel-logout/basic", 200)]
    return outcome


@steps.row("logout-over")
def logout_over(door: Door) -> str:
    """Its session has ended, and Doorkey was not told."""
    visit, browser = signed_in(door, BACKCHANNEL_LOGOUT="off")
    leave_the_provider(door, browser)
    assert visit.person.is_signed_in()
    return left(door, visit, browser)


@steps.row("logout-clients")
def logout_of_other_clients(door: Door) -> str:
    for client in ("post", "key", "public", "par", "form-post", *ALGS):
        visit, browser = door.visit(client, **HS256.get(client, {})), door.provider.browser()
        if client == "form-post":
            form = door.provider.sign_in_by_post(visit.begin(), browser=browser)
            visit.arrive_by_post(form.action, form.fields)
            back = door.provider.confirm_logout(visit.leave(), browser=browser)
            assert visit.told_page(back)
        else:
            left(door, arrived(door, visit, browser), browser)
    return tried.WORKS


@steps.row("logout-after-refresh")
def logout_after_refresh(door: Door) -> str:
    """The hint is the newer ID token."""
    visit, browser = signed_in(door, "always-refresh")
    visit.renew_by_button()
    return left(door, visit, browser)


@steps.row("logout-new-keys")
def logout_with_new_keys(door: Door) -> str:
    """It cannot check its own hint any more, and says so; Doorkey cannot know that beforehand."""
    visit, browser = signed_in(door)
    door.provider.rotate_keys()
    with pytest.raises(Refused, match="could not validate id_token_hint"):
        door.provider.confirm_logout(visit.leave(), browser=browser)
    return tried.KEPT_THERE


@steps.row("logout-unregistered")
def logout_to_an_unregistered_address(door: Door) -> str:
    visit, browser = signed_in(door, POST_LOGOUT_REDIRECT_URI="https://www.example.test/bye")
    with pytest.raises(Refused, match="post_logout_redirect_uri not registered"):
        door.provider.confirm_logout(visit.leave(), browser=browser)
    assert has_session(door, visit, browser)
    return tried.KEPT_THERE


@steps.row("logout-never")
def logout_never(door: Door) -> str:
    visit, browser = signed_in(door, END_SESSION="never")
    assert visit.leave() == "/logged-out"
    assert not visit.told_page(f"{ORIGIN}/logged-out")
    assert has_session(door, visit, browser)
    return tried.WORKS


# ---- sign-outs that the provider tells of ----


@steps.row("back-channel-sid")
def back_channel_by_session(door: Door) -> str:
    visit, browser = signed_in(door)
    others = beside(door, visit), beside(door, visit, "bob")
    leave_the_provider(door, browser)
    assert told(door) == [Passed("POST", "/backchannel-logout/basic", 200)]
    assert not visit.person.is_signed_in()
    assert all(other.person.is_signed_in() for other in others)
    return tried.WORKS


@steps.row("back-channel-sub")
def back_channel_by_user(door: Door) -> str:
    """Of that client only: Alice is signed in by another one too."""
    visit, browser = signed_in(door, "logout-by-sub")
    alice, bob = beside(door, visit), beside(door, visit, "bob")
    elsewhere = arrived(door, Visit(visit.app, "basic"), door.provider.browser())
    assert "sid" not in part_of_token(visit.token.id_token, 1)
    leave_the_provider(door, browser)
    assert told(door) == [Passed("POST", "/backchannel-logout/logout-by-sub", 200)]
    assert not visit.person.is_signed_in()
    assert not alice.person.is_signed_in()
    assert bob.person.is_signed_in()
    assert elsewhere.person.is_signed_in()
    return tried.WORKS


@steps.row("back-channel-other")
def back_channel_of_another_application(door: Door) -> str:
    """Two providers of one Doorkey are two applications there; leaving one by its button leaves both."""
    visit, browser = signed_in(door)
    other = arrived(door, Visit(visit.app, "post"), browser)
    assert visit.told_page(door.provider.confirm_logout(visit.leave(), browser=browser))
    assert {(one.path, one.status) for one in told(door)} == {
        ("/backchannel-logout/basic", 200),
        ("/backchannel-logout/post", 200),
    }
    assert not other.person.is_signed_in()
    return tried.WORKS


@steps.row("back-channel-algs")
def back_channel_with_other_algorithms(door: Door) -> str:
    for client in ALGS:
        visit, browser = signed_in(door, client, **HS256.get(client, {}))
        leave_the_provider(door, browser)
        assert not visit.person.is_signed_in(), client
    assert [one.status for one in told(door)] == [200] * len(ALGS)
    return tried.WORKS


@steps.row("back-channel-new-process")
def back_channel_to_a_new_process(door: Door) -> str:
    """Started after the sign-in, on the same sessions; it asks for metadata and keys while the provider waits."""
    browser = door.provider.browser()
    folder = door.folder / "shared"
    visit = arrived(door, door.visit_at(folder, "basic"), browser)
    door.visit_at(folder, "basic")
    door.provider.forget_requests()
    with patch.object(provider_logout, "KEYS_SECONDS", PATIENCE):  # a busy machine may need more than a second
        leave_the_provider(door, browser)
    assert [one.status for one in told(door)] == [200]
    assert len(door.provider.requests("/jwks")) == 1
    assert not visit.person.is_signed_in()
    return tried.WORKS


@steps.row("back-channel-new-keys")
def back_channel_with_new_keys(door: Door) -> str:
    visit, browser = signed_in(door)
    door.provider.rotate_keys()
    leave_the_provider(door, browser)
    assert [one.status for one in told(door)] == [400]
    ends = time.monotonic() + PATIENCE
    while visit.person.is_signed_in() and time.monotonic() < ends:
        time.sleep(0.01)
    assert not visit.person.is_signed_in()
    return tried.WORKS


@steps.row("back-channel-off")
def back_channel_off(door: Door) -> str:
    visit, browser = signed_in(door, BACKCHANNEL_LOGOUT="off")
    leave_the_provider(door, browser)
    assert [one.status for one in told(door)] == [404]
    assert visit.person.is_signed_in()
    return tried.WORKS
