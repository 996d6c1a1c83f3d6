"""Which JWTs of a hostile or honest issuer are access tokens for here, and whom they name (oauth/access_token.py)."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from doorkey.base64url import encode
from doorkey.errors import BearerInvalid, KeysInvalid, MetadataInvalid, ProviderUnreachable, UserInfoInvalid
from doorkey.oauth.access_token import UNKNOWN_ISSUER, AccessTokens, identity_of, scopes_of
from doorkey.oauth.http import Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.oauth.token import LONGEST_TOKEN
from tests.conftest import MovedClock
from tests.support.signing_provider import NOW, SECRET, SigningProvider, jwk, key_for, signed, signing_provider
from tests.test_provider import made

API = "https://api.example.com"
LEEWAY = 60
ABSENT: Any = None
Make = Callable[..., AccessTokens]


@pytest.fixture(scope="module")
def issuer() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        provider.publish(jwk(provider.key, kid="key-1"), jwk(key_for("ES256"), kid="key-e"))
        yield provider


@pytest.fixture(scope="module")
def tokens(issuer: SigningProvider) -> AccessTokens:
    return reader(issuer)


@pytest.fixture
def fresh() -> Iterator[SigningProvider]:
    """An issuer of this test alone: its keys and metadata may be changed."""
    provider = SigningProvider()
    yield provider
    threading.Thread(target=provider.close, daemon=True).start()


def reader(
    issuer: SigningProvider, configured: Provider | None = None, clock: Callable[[], float] = lambda: NOW, **more: Any
) -> AccessTokens:
    directory = ProviderDirectory({}, Transport(), ttl=3600, clock=clock)
    usual = {"jwks_uri": "", "algorithms": ("RS256", "ES256"), "leeway": LEEWAY, "directory": directory}
    return AccessTokens(
        configured,
        **{**usual, "issuer": issuer.issuer, "audience": API, "transport": Transport(), "clock": clock, **more},
    )


def claims_of(issuer: SigningProvider, **changes: Any) -> dict[str, Any]:
    """Those of a good access token with `changes`; what is `ABSENT` is left out."""
    good = {"iss": issuer.issuer, "aud": API, "sub": "user-1", "iat": NOW, "exp": NOW + 300, "client_id": "robot"}
    return {name: value for name, value in {**good, **changes}.items() if value is not ABSENT}


def made_by(issuer: SigningProvider, header: dict[str, Any] | None = None, **changes: Any) -> str:
    return signed(claims_of(issuer, **changes), issuer.key, **{"kid": "key-1", "typ": "at+jwt", **(header or {})})


def refusal(tokens: AccessTokens, text: str) -> str:
    with pytest.raises(BearerInvalid) as caught:
        tokens.read(text)
    return caught.value.detail


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "", None])
def test_the_kinds_of_an_access_token_are_taken(tokens: AccessTokens, issuer: SigningProvider, kind: str) -> None:
    assert tokens.read(made_by(issuer, {"typ": kind}))["sub"] == "user-1"


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", "application/jwt", 7, ["at+jwt"]])
def test_any_other_kind_is_refused(tokens: AccessTokens, issuer: SigningProvider, kind: Any) -> None:
    assert refusal(tokens, made_by(issuer, {"typ": kind})).startswith("typ is ")


GOOD: list[dict[str, Any]] = [
    {"aud": [API]},
    {"aud": ["https://other.example", API]},
    {"exp": NOW + 0.5},
    {"exp": NOW + 90 * 24 * 3600},
    {"iat": ABSENT},
    {"iat": NOW + LEEWAY},
    {"iat": NOW - 90 * 24 * 3600},
    {"nbf": NOW + LEEWAY},
    {"auth_time": NOW - 5},
    {"auth_time": NOW - 5, "client_id": ABSENT, "scp": ["read"]},
    {"typ": "Bearer"},
    {"token_use": "access"},
]
BAD: list[tuple[str, dict[str, Any]]] = [
    ("iss", {"iss": "https://evil.example"}),
    ("iss", {"iss": ABSENT}),
    ("aud", {"aud": "https://other.example"}),
    ("aud", {"aud": API + "/"}),
    ("aud", {"aud": [API.upper()]}),
    ("aud", {"aud": [[API]]}),
    ("aud", {"aud": {API: API}}),
    ("aud", {"aud": f"{API} other"}),
    ("aud", {"aud": ABSENT}),
    ("aud", {"aud": []}),
    ("sub", {"sub": ABSENT}),
    ("sub", {"sub": ""}),
    ("sub", {"sub": 7}),
    ("sub", {"sub": "a\nb"}),
    ("sub", {"sub": "x" * 256}),
    ("exp", {"exp": ABSENT}),
    ("exp", {"exp": NOW}),
    ("exp", {"exp": NOW - 1}),
    ("exp", {"exp": str(NOW + 300)}),
    ("exp", {"exp": True}),
    ("exp", {"exp": 10**400}),
    ("exp", {"exp": float("inf")}),
    ("exp", {"exp": float("nan")}),
    ("iat", {"iat": NOW + LEEWAY + 1}),
    ("iat", {"iat": "now"}),
    ("nbf", {"nbf": NOW + LEEWAY + 1}),
    ("nbf", {"nbf": []}),
    ("nonce", {"nonce": "n"}),
    ("nonce", {"nonce": ""}),
    ("at_hash", {"at_hash": "h"}),
    ("c_hash", {"c_hash": "h"}),
    ("s_hash", {"s_hash": "h"}),
    ("auth_time", {"auth_time": NOW, "client_id": ABSENT}),
    ("auth_time", {"auth_time": NOW, "client_id": ABSENT, "azp": API}),
    ("typ", {"typ": "ID"}),
    ("typ", {"typ": "Refresh"}),
    ("typ", {"typ": "DPoP"}),
    ("typ", {"typ": 1}),
    ("token_use", {"token_use": "id"}),
    ("events", {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
    ("cnf", {"cnf": {"jkt": "k"}}),
]


@pytest.mark.parametrize("changes", GOOD, ids=json.dumps)
def test_what_an_access_token_may_say(tokens: AccessTokens, issuer: SigningProvider, changes: dict[str, Any]) -> None:
    assert tokens.read(made_by(issuer, **changes))["iss"] == issuer.issuer


@pytest.mark.parametrize(("rule", "changes"), BAD, ids=lambda value: str(value)[:60])
def test_what_no_access_token_for_here_says(
    tokens: AccessTokens, issuer: SigningProvider, rule: str, changes: dict[str, Any]
) -> None:
    assert refusal(tokens, made_by(issuer, **changes)).startswith(f"{rule} is ")


def test_a_whole_id_token_is_no_access_token(tokens: AccessTokens, issuer: SigningProvider) -> None:
    """Even one whose audience is right."""
    assert refusal(tokens, signed(issuer.claims("n", aud=API), issuer.key, kid="key-1")).startswith("nonce")


def test_algorithms_are_those_of_the_settings_and_never_the_tokens_choice(issuer: SigningProvider) -> None:
    only = reader(issuer, algorithms=("ES256",))
    assert only.read(signed(claims_of(issuer), key_for("ES256"), "ES256", kid="key-e"))
    assert refusal(only, made_by(issuer)) == "alg is RS256"
    assert refusal(only, signed(claims_of(issuer), issuer.key, "PS256", kid="key-1")) == "alg is PS256"


@pytest.mark.parametrize("key", ["client secret", "public key"])
def test_no_shared_secret_signs(issuer: SigningProvider, key: str) -> None:
    """Nor the text of a public key, nor our own secret at the provider."""
    ours = made(ISSUER=issuer.issuer, SCOPE="openid", CLIENT_SECRET=SECRET, ID_TOKEN_ALGS="HS256")
    secret = SECRET.encode() if key == "client secret" else issuer.key.as_pem(private=False)
    token = signed(claims_of(issuer), secret, "HS256")
    assert refusal(reader(issuer, ours), token) == "alg is HS256"
    assert refusal(reader(issuer, ours, algorithms=("HS256",)), token).startswith("signature_invalid")


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "", None, 7])
def test_a_token_without_signature_is_refused(tokens: AccessTokens, issuer: SigningProvider, alg: Any) -> None:
    header = encode(json.dumps({"alg": alg, "typ": "at+jwt"}).encode())
    assert refusal(tokens, f"{header}.{encode(json.dumps(claims_of(issuer)).encode())}.").startswith("alg is ")


def test_forgeries_are_refused(tokens: AccessTokens, issuer: SigningProvider) -> None:
    evil = key_for("RS256", 2)
    own: dict[str, Any] = {"jwk": jwk(evil), "jku": f"{issuer.url}/evil", "x5u": f"{issuer.url}/evil"}
    head, body, signature = made_by(issuer).split(".")
    other = encode(json.dumps(claims_of(issuer, sub="admin")).encode())
    assert refusal(tokens, signed(claims_of(issuer), evil, kid="key-1", **own)).startswith("signature_invalid")
    assert refusal(tokens, f"{head}.{other}.{signature}").startswith("signature_invalid")
    assert refusal(tokens, f"{head}.{body}.").startswith("signature_invalid")
    assert refusal(tokens, made_by(issuer, {"crit": ["b64"], "b64": False})) == "crit in the header"
    assert refusal(tokens, f"{head}.{body}.{signature}.a.b").startswith("token_encrypted")
    assert not issuer.requests_to("/evil")


def test_a_huge_token_is_refused_before_it_is_read(tokens: AccessTokens, issuer: SigningProvider) -> None:
    text = made_by(issuer, pad="x" * LONGEST_TOKEN)
    assert refusal(tokens, text).startswith("longer than ")
    assert not tokens.knows(text)


def test_it_knows_its_own_by_their_issuer(tokens: AccessTokens, issuer: SigningProvider) -> None:
    good = made_by(issuer)
    assert tokens.knows(good)
    assert tokens.knows(good[:-3])  # to be refused here, and shown to nobody else
    others = [made_by(issuer, iss="https://other.example"), "opaque", "a.b.c", "..", good + ".x.y", "é.é.é"]
    assert [text for text in others if tokens.knows(text)] == []


def test_new_keys_are_fetched_when_the_issuer_changes_them(fresh: SigningProvider, clock: MovedClock) -> None:
    tokens, newer = reader(fresh, clock=clock), key_for("RS256", 2)
    assert tokens.read(made_by(fresh))
    fresh.publish(jwk(newer, kid="key-2"))
    assert tokens.read(signed(claims_of(fresh), newer, kid="key-2"))
    assert fresh.fetches() == (1, 2)
    assert refusal(tokens, made_by(fresh)).startswith("signature_invalid")


def test_made_up_key_ids_do_not_have_keys_fetched_again_and_again(fresh: SigningProvider, clock: MovedClock) -> None:
    tokens = reader(fresh, clock=clock)
    tokens.read(made_by(fresh))
    for number in range(5):
        refusal(tokens, made_by(fresh, {"kid": f"made-up-{number}"}))
    assert fresh.fetches() == (1, 2)


def test_keys_at_a_given_address_need_no_metadata(fresh: SigningProvider) -> None:
    assert reader(fresh, jwks_uri=f"{fresh.url}/keys").read(made_by(fresh))
    assert fresh.fetches() == (0, 1)


def test_an_issuer_that_signs_nobody_in_has_keys_all_the_same(fresh: SigningProvider) -> None:
    """Its metadata names no authorization endpoint (RFC 8414 section 2), and is at the other place."""
    document = fresh.describe(authorization_endpoint=None, token_endpoint=None)
    fresh.answer("/.well-known/openid-configuration", {}, 404)
    fresh.answer("/.well-known/oauth-authorization-server", document)
    assert reader(fresh).read(made_by(fresh))


def test_keys_on_a_strangers_host_are_not_fetched(fresh: SigningProvider) -> None:
    fresh.describe(jwks_uri="https://evil.example/keys")
    with pytest.raises(MetadataInvalid):
        reader(fresh).read(made_by(fresh))


def test_an_issuer_that_is_down_is_no_refusal(fresh: SigningProvider) -> None:
    tokens = reader(fresh)
    fresh.answer("/keys", "no keys")
    with pytest.raises(KeysInvalid):
        tokens.read(made_by(fresh))
    fresh.stop()
    with pytest.raises(ProviderUnreachable):
        tokens.read(made_by(fresh))


def test_what_sign_ins_know_of_the_provider_stays_apart(fresh: SigningProvider) -> None:
    """A token before the first sign-in must not leave metadata that lacks what a sign-in needs."""
    ours = made(ISSUER=fresh.issuer, SCOPE="openid", AUTHORIZATION_ENDPOINT="", TOKEN_ENDPOINT="")
    directory = ProviderDirectory({"acme": ours}, Transport(), ttl=3600, clock=lambda: NOW)
    assert reader(fresh, ours, directory=directory).read(made_by(fresh))
    assert directory.describe(ours).token_endpoint == f"{fresh.url}/token"


def test_a_configured_provider_says_which_claims_are_read(issuer: SigningProvider) -> None:
    ours = made(ISSUER=issuer.issuer, SCOPE="openid", CLAIM_GROUPS="realm.roles", CLAIM_EMAIL="mail")
    tokens = reader(issuer, ours)
    claims = tokens.read(made_by(issuer, realm={"roles": ["ops"]}, groups=["not-these"], mail="una@example.com"))
    found = identity_of(tokens.issuer, claims, "user-1")
    assert (found.provider, found.user, found.email, found.groups) == ("acme", "user-1", "una@example.com", ("ops",))


def test_an_issuer_without_provider_has_the_usual_claims(tokens: AccessTokens) -> None:
    found = identity_of(tokens.issuer, {"sub": "u", "email": "u@example.com", "name": "U", "groups": ["g"]}, "u")
    assert (found.provider, found.email, found.name, found.groups) == (UNKNOWN_ISSUER, "u@example.com", "U", ("g",))


@pytest.mark.parametrize("verified", [False, "false", None, 1, "yes", [True]])
def test_an_address_that_was_not_verified_is_none(tokens: AccessTokens, verified: Any) -> None:
    found = identity_of(tokens.issuer, {"email": "boss@example.com", "email_verified": verified}, "u")
    assert (found.email, "email" in found.claims) == ("", False)
    nested = made(ISSUER="https://acme.example", CLAIM_EMAIL="profile.mail")
    told = {"profile": {"mail": "boss@example.com"}, "email_verified": verified}
    assert identity_of(nested, told, "u").email == ""


def test_an_address_that_was_not_verified_names_no_user() -> None:
    ours = made(ISSUER="https://acme.example", CLAIM_USER="email")
    assert identity_of(ours, {"email": "una@example.com", "email_verified": True}, "u").user == "una@example.com"
    for claims in ({"email": "boss@example.com", "email_verified": False}, {"name": "no address"}):
        with pytest.raises(UserInfoInvalid):
            identity_of(ours, claims, "u")


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "read write  read"}, ("read", "write")),
        ({"scope": ["read", "write", 7, ""]}, ("read", "write")),
        ({"scp": "read write"}, ("read", "write")),
        ({"scp": ["read"]}, ("read",)),
        ({"scope": "", "scp": "admin"}, ()),
        ({"scope": {"admin": True}}, ()),
        ({"scope": None}, ()),
        ({}, ()),
    ],
)
def test_scopes_are_read_in_each_of_their_forms(claims: dict[str, Any], scopes: tuple[str, ...]) -> None:
    assert scopes_of(claims) == scopes
