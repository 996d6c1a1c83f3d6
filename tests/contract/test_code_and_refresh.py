"""POST /oauth/token: a code once, a refresh token once, and what a replay costs (RFC 6749, 7636, 9700)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from doorkey.devprovider.users import Lifetimes
from doorkey.presets import WATSONWORK_SCOPES
from tests.conftest import MovedClock
from tests.contract.party import (
    REDIRECT_URI,
    SECOND_REDIRECT_URI,
    VERIFIER,
    Party,
    basic,
    challenge_of,
    fields_of,
)

PKCE = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
THREADS = 20


def _refused(response: object, error: str = "invalid_grant") -> bool:
    return (response.status_code, fields_of(response)["error"]) == (400, error)  # type: ignore[attr-defined, arg-type]


def test_an_access_token_stands_for_the_user_who_allowed_it(provider: Party) -> None:
    response = provider.user_info(provider.tokens()["access_token"])
    assert response.status_code == 200
    assert (fields_of(response)["sub"], fields_of(response)["name"]) == ("alice", "Alice Archer")


def test_an_access_token_ends_when_the_answer_said(provider: Party, clock: MovedClock) -> None:
    tokens = provider.tokens()
    clock.advance(tokens["expires_in"] - 1)
    assert provider.user_info(tokens["access_token"]).status_code == 200
    clock.advance(1)
    assert provider.user_info(tokens["access_token"]).status_code == 401


def test_userinfo_without_a_token_is_a_challenge_without_an_error(provider: Party) -> None:
    bare = provider.session.get(f"{provider.url}/oauth/userinfo")
    assert (bare.status_code, "error" in bare.headers["WWW-Authenticate"]) == (401, False)
    assert bare.headers["WWW-Authenticate"].startswith("Bearer ")
    assert 'error="invalid_token"' in provider.user_info("unheard").headers["WWW-Authenticate"]


def test_a_token_of_a_client_itself_stands_for_no_user(provider: Party) -> None:
    answer = fields_of(provider.token({"grant_type": "client_credentials"}))
    assert provider.user_info(answer["access_token"]).status_code == 401


def test_a_code_works_once_and_its_replay_revokes_what_it_gave(provider: Party) -> None:
    code = provider.code()
    tokens = fields_of(provider.redeem(code))
    assert _refused(provider.redeem(code))
    assert provider.user_info(tokens["access_token"]).status_code == 401
    assert _refused(provider.refresh(tokens["refresh_token"]))


def test_a_replay_also_revokes_what_was_refreshed_since(provider: Party) -> None:
    code = provider.code()
    tokens = fields_of(provider.redeem(code))
    newer = fields_of(provider.refresh(tokens["refresh_token"]))
    assert _refused(provider.redeem(code))
    assert provider.user_info(newer["access_token"]).status_code == 401
    assert _refused(provider.refresh(newer["refresh_token"]))


def test_a_replay_does_not_touch_other_sign_ins(provider: Party) -> None:
    other = provider.tokens()
    code = provider.code()
    provider.redeem(code)
    provider.redeem(code)
    assert provider.user_info(other["access_token"]).status_code == 200


def test_twenty_threads_redeem_one_code_and_one_gets_it(provider: Party) -> None:
    code, barrier = provider.code(), Barrier(THREADS)

    def redeem(_: int) -> int:
        barrier.wait(10)
        return provider.redeem(code).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = sorted(pool.map(redeem, range(THREADS)))
    assert statuses == [200] + [400] * (THREADS - 1)


def test_a_code_lives_for_sixty_seconds(provider: Party, clock: MovedClock) -> None:
    assert Lifetimes().code == 60
    in_time, too_late = provider.code(), provider.code()
    clock.advance(59)
    assert provider.redeem(in_time).status_code == 200
    clock.advance(2)
    assert _refused(provider.redeem(too_late))


def test_a_code_of_another_client_is_refused(provider_of_two: Party) -> None:
    code = provider_of_two.code()
    assert _refused(provider_of_two.redeem(code, auth=basic(*provider_of_two.other_client)))


def test_a_refresh_token_of_another_client_is_refused(provider_of_two: Party) -> None:
    tokens = provider_of_two.tokens()
    assert _refused(provider_of_two.refresh(tokens["refresh_token"], auth=basic(*provider_of_two.other_client)))


@pytest.mark.parametrize(
    "redirect_uri",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(SECOND_REDIRECT_URI, id="another registered one"),
        pytest.param(REDIRECT_URI + "/", id="slash more"),
        pytest.param(REDIRECT_URI.replace("8000", "8001"), id="another port"),
    ],
)
def test_the_redirect_uri_must_be_the_same(provider: Party, redirect_uri: str | None) -> None:
    assert _refused(provider.redeem(provider.code(), redirect_uri=redirect_uri))


@pytest.mark.parametrize(
    ("asked", "verifier", "accepted"),
    [
        pytest.param(PKCE, VERIFIER, True, id="right verifier"),
        pytest.param(PKCE, "w" * 43, False, id="wrong verifier"),
        pytest.param(PKCE, None, False, id="missing verifier"),
        pytest.param(PKCE, "", False, id="empty verifier"),
        pytest.param(PKCE, PKCE["code_challenge"], False, id="the challenge itself"),
        pytest.param({}, VERIFIER, False, id="verifier without challenge"),
        pytest.param({}, None, True, id="neither"),
        pytest.param(PKCE | {"code_challenge": challenge_of("v" * 42)}, "v" * 42, False, id="too short"),
        pytest.param(PKCE | {"code_challenge": challenge_of("v" * 129)}, "v" * 129, False, id="too long"),
        pytest.param(PKCE | {"code_challenge": challenge_of("v" * 128)}, "v" * 128, True, id="longest"),
        pytest.param(PKCE | {"code_challenge": challenge_of("ü" * 43)}, "ü" * 43, False, id="not ascii"),
    ],
)
def test_pkce_is_both_or_neither(provider: Party, asked: dict[str, str], verifier: str | None, accepted: bool) -> None:
    response = provider.redeem(provider.code(**asked), code_verifier=verifier)
    assert response.status_code == 200 if accepted else _refused(response)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param({"redirect_uri": SECOND_REDIRECT_URI}, id="wrong redirect_uri"),
        pytest.param({"code_verifier": "w" * 43}, id="wrong verifier"),
    ],
)
def test_a_refused_attempt_spends_the_code(provider: Party, spoilt: dict[str, str]) -> None:
    code = provider.code(**PKCE)
    assert _refused(provider.redeem(code, **({"code_verifier": VERIFIER} | spoilt)))
    assert _refused(provider.redeem(code, code_verifier=VERIFIER))


def test_a_refresh_gives_new_tokens_and_the_old_access_token_lives_on(provider: Party) -> None:
    old = provider.tokens()
    new = fields_of(provider.refresh(old["refresh_token"]))
    assert new["refresh_token"] != old["refresh_token"]
    assert new["access_token"] != old["access_token"]
    assert provider.user_info(old["access_token"]).status_code == 200
    assert provider.user_info(new["access_token"]).status_code == 200
    assert provider.refresh(new["refresh_token"]).status_code == 200


def test_a_replaced_refresh_token_ends_the_family(provider: Party) -> None:
    old = provider.tokens()
    new = fields_of(provider.refresh(old["refresh_token"]))
    assert _refused(provider.refresh(old["refresh_token"]))
    assert _refused(provider.refresh(new["refresh_token"]))
    for tokens in (old, new):
        assert provider.user_info(tokens["access_token"]).status_code == 401


def test_twenty_threads_refresh_with_one_token_and_one_gets_it(provider: Party) -> None:
    refresh_token, barrier = provider.tokens()["refresh_token"], Barrier(THREADS)

    def refresh(_: int) -> int:
        barrier.wait(10)
        return provider.refresh(refresh_token).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = sorted(pool.map(refresh, range(THREADS)))
    assert statuses == [200] + [400] * (THREADS - 1)


def test_a_narrowed_refresh_narrows_the_access_token_only(provider: Party) -> None:
    tokens = provider.tokens(scope="message_read space_read")
    narrowed = fields_of(provider.refresh(tokens["refresh_token"], scope="space_read"))
    assert (narrowed["scope"], narrowed["permissions"]) == ("space_read", ["space_read"])
    full = fields_of(provider.refresh(narrowed["refresh_token"]))
    assert full["scope"] == "message_read space_read"


def test_a_widened_refresh_is_refused_and_the_token_stays_usable(provider: Party) -> None:
    tokens = provider.tokens(scope="message_read")
    assert _refused(provider.refresh(tokens["refresh_token"], scope="message_read space_read"), "invalid_scope")
    assert provider.user_info(tokens["access_token"]).status_code == 200
    assert fields_of(provider.refresh(tokens["refresh_token"]))["scope"] == "message_read"


def test_a_code_cannot_be_used_as_a_refresh_token_nor_the_other_way_round(provider: Party) -> None:
    assert _refused(provider.refresh(provider.code()))
    tokens = provider.tokens()
    assert _refused(provider.redeem(tokens["refresh_token"]))
    assert _refused(provider.refresh(tokens["access_token"]))


def test_without_a_scope_everything_registered_is_granted(provider: Party) -> None:
    assert provider.tokens()["scope"] == WATSONWORK_SCOPES
