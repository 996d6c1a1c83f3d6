"""Failures that are about what the client sends: how it proves itself, where the token is, what it asks for."""

import pytest

from tests.failures import raw_jose
from tests.failures.expectations import differences
from tests.failures.provider import ALGS, APP, Provider
from tests.failures.raw_http import Reply
from tests.failures.relying_party import RelyingParty

METHODS = {
    "client_secret_basic": "client-secret-basic",
    "basic, not encoded": "",
    "client_secret_post": "client-secret-post",
    "client_secret_jwt": "client-secret-jwt",
    "private_key_jwt": "private-key-jwt",
    "none": "client-auth-none",
}
"""Ways to prove oneself, and which failure asks for each."""
DEMANDS = [name for name in METHODS.values() if name]


def with_code(provider: Provider, client: str = "rp", **options: str) -> RelyingParty:
    party = provider.relying_party(client, **options)
    assert party.read_metadata()
    assert party.authorize(), party.seen
    return party


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("demand", DEMANDS)
def test_one_method_is_taken_and_no_other(provider: Provider, demand: str, method: str):
    party = with_code(provider, "rp-key" if method == "private_key_jwt" else "rp", auth=method)
    provider.fail(demand)

    assert party.redeem() == (METHODS[method] == demand)

    if METHODS[method] != demand:
        assert party.seen["token.status"] == 401
        assert party.seen["token.fields.error"] == "invalid_client"
        assert party.seen["token.headers.www-authenticate"].startswith("Basic ")
        party.auth = "client_secret_basic"
        assert party.redeem(), "the code is as good as before, and Basic is taken again"


@pytest.mark.parametrize("way", ["header", "body"])
@pytest.mark.parametrize("demanded", ["header", "body"])
def test_the_token_is_looked_for_in_one_place(provider: Provider, demanded: str, way: str):
    party = with_code(provider, bearer=way)
    party.redeem()
    provider.fail(f"userinfo-bearer-{demanded}")

    party.ask_user_info()
    assert party.seen["userinfo.status"] == (200 if way == demanded else 401)
    if way != demanded:
        assert party.seen["userinfo.headers.www-authenticate"] == 'Bearer realm="Doorkey development provider"'

    party.ask_user_info()
    assert party.seen["userinfo.status"] == 200


@pytest.mark.parametrize("scope", ["openid profile", "openid email", "openid phone", "openid address"])
def test_one_of_four_scopes_is_enough(provider: Provider, scope: str):
    provider.fail("scope-userinfo-claims")
    party = provider.relying_party(scope=scope)
    party.observe()

    assert party.seen["userinfo.fields.sub"] == "alice"
    assert party.seen["token.fields.scope"] == scope


def test_without_any_of_them_there_is_no_code(provider: Provider):
    right = provider.relying_party(scope="openid").observe()
    provider.fail("scope-userinfo-claims", times=2)

    for _ in range(2):
        party = provider.relying_party(scope="openid")
        party.observe()
        assert party.answer.keys() == {"error", "error_description", "state", "iss"}
        assert party.answer["error"] == "invalid_scope"
    assert differences(right, provider.relying_party(scope="openid").observe()) == {}


def test_the_address_that_the_token_endpoint_redirects_to_answers_rightly(provider: Provider):
    """So that a client that follows, with its secret and the code, notices nothing. We do."""
    party = with_code(provider)
    right = provider.relying_party(skip=("refresh", "introspect", "sign_out")).observe()
    provider.fail("token-endpoint-redirect")
    assert not party.redeem()
    assert party.seen["token.status"] == 307

    party.metadata = {**party.metadata, "token_endpoint": party.seen.pop("token.headers.location")}
    for step in (party.redeem, party.read_keys, party.look_at_id_token, party.ask_user_info):
        step()
    assert differences(right, party.seen) == {}


def test_a_code_that_is_said_to_be_too_old_is_good_afterwards(provider: Provider):
    """As many times as were asked for, and for a refresh as well: nothing was spent."""
    party = with_code(provider)
    provider.fail("expired-code", times=2)
    for _ in range(2):
        assert not party.redeem()
        assert party.seen["token.fields.error"] == "invalid_grant"
    assert party.redeem()

    provider.fail("expired-code")
    form = {"grant_type": "refresh_token", "refresh_token": party.tokens["refresh_token"]}
    replies: list[Reply] = [party.ask_for_tokens(form) for _ in range(2)]
    assert [reply.status for reply in replies] == [400, 200]


def test_nobody_can_be_sent_to_start_a_sign_in_that_has_no_address(provider: Provider):
    provider.fail("3rd-party-init-login")

    party = provider.relying_party("rp-frames")
    party.observe()

    assert party.seen["authorize.status"] == 400
    assert not party.answer
    assert provider.relying_party("rp-frames").observe()["authorize.params.code"] == "<code>"


def test_a_mistake_of_its_own_comes_back_to_such_a_client(provider: Provider):
    provider.fail("3rd-party-init-login")
    wanted = {"client_id": "rp-frames", "redirect_uri": f"{APP}/callback", "response_type": "token", "state": "s"}

    reply = provider.http.get(provider.url + "/oauth/authorize", wanted)

    assert reply.status == 302
    assert reply.header("location").startswith(f"{APP}/callback?error=unsupported_response_type&")


@pytest.mark.parametrize("client", ALGS)
def test_the_hash_of_the_access_token_is_right_for_every_algorithm(provider: Provider, client: str):
    seen = provider.relying_party(client).observe()

    for token in ("id_token", "refreshed_id_token"):
        assert seen[f"{token}.header.alg"] == ALGS[client]
        assert seen[f"{token}.claims.at_hash"] == "<right>"
        assert seen[f"{token}.signed_by"] == [f"kid {seen[f'{token}.header.kid']}"]


@pytest.mark.parametrize("client", ["rp", *ALGS])
def test_a_wrong_hash_is_wrong_for_every_algorithm(provider: Provider, client: str):
    for name in ("invalid-athash", "invalid-chash"):
        provider.fail(name)
        party = provider.relying_party(client)
        party.observe()
        token = raw_jose.parse(party.tokens["id_token"])
        alg = token.header["alg"]
        hashes = {raw_jose.half_hash(party.tokens["access_token"], alg), raw_jose.half_hash(party.answer["code"], alg)}
        if name == "invalid-athash":
            assert token.claims["at_hash"] not in hashes
        else:
            assert token.claims["c_hash"] not in hashes
            assert token.claims["at_hash"] in hashes
        assert party.seen["id_token.signed_by"] == [f"kid {token.header['kid']}"]
