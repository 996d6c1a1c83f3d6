"""What the claims of an ID token must say, rule by rule (oauth/id_token.py)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from doorkey.errors import IdTokenInvalid, ProviderError, SignatureInvalid, TokenEncrypted, UserInfoInvalid
from doorkey.oauth.documents import Documents
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import (
    ID_TOKEN,
    LONGEST_LIFE,
    OLDEST,
    REFRESHED_ID_TOKEN,
    SIGNED_USER_INFO,
    Expected,
    Kind,
    accepted_algorithms,
    validate,
)
from doorkey.oauth.jws import ASYMMETRIC, half_hash
from doorkey.oauth.keys import KeySource
from doorkey.oauth.trace import Step
from tests.support.signing_provider import NOW, jwk, key_for, signed, signing_provider
from tests.test_provider import made

ISSUER = "https://acme.example"
NONCE = "canary-nonce-of-this-sign-in"
ACCESS_TOKEN = "canary-access-token"
LEEWAY = 60
HALF_HASH = half_hash(ACCESS_TOKEN, "RS256")
GOOD = {"iss": ISSUER, "aud": "doorkey", "sub": "user-1", "iat": NOW, "exp": NOW + 300, "nonce": NONCE}
ABSENT: Any = None


@pytest.fixture(scope="module")
def keys() -> Iterator[KeySource]:
    with signing_provider() as provider:
        algs = ("RS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
        provider.publish(*(jwk(key_for(alg), kid=alg) for alg in algs))
        yield KeySource(Documents(3600, lambda: 0.0), f"{provider.url}/keys", Transport())


def expected(params: str = "", **changes: Any) -> Expected:
    provider = made(ISSUER=ISSUER, SCOPE="openid", AUTHORIZATION_PARAMS=params)
    asked = Expected(provider=provider, now=NOW, leeway=LEEWAY, nonce=NONCE, access_token=ACCESS_TOKEN)
    return replace(asked, **changes)


def token(alg: str = "RS256", **changes: Any) -> str:
    """A good one with `changes`; claims that are `ABSENT` are left out."""
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not ABSENT}
    return signed(claims, key_for(alg if alg[:2] in ("ES", "Ed") else "RS256"), alg)


def rule_broken_by(
    text: str, keys: KeySource, asked: Expected | None = None, kind: Kind = ID_TOKEN
) -> tuple[str, Step]:
    """The claim whose rule refused the token, "" for none; the error must name it and tell nothing secret."""
    step, refused = Step("ID token"), None
    try:
        validate(kind, text, asked or expected(), keys, step)
    except kind.error as error:
        refused = error
    if refused is None:
        return "", step
    claim = str(step.checks[-1]["rule"])
    assert f"({claim})" in refused.message
    assert claim in refused.detail
    shown = f"{refused} {refused.detail} {refused.message} {refused.hint} {step}"
    assert "canary" not in shown
    assert text.split(".")[1] not in shown
    return claim, step


def check_rule(text: str, keys: KeySource, claim: str, accepted: bool, asked: Expected | None = None) -> None:
    broken, step = rule_broken_by(text, keys, asked)
    assert broken == ("" if accepted else claim)
    assert [check["passed"] for check in step.checks] == [True] * (len(step.checks) - 1) + [accepted]


def test_a_good_token_passes_every_rule_and_each_is_noted(keys: KeySource) -> None:
    broken, step = rule_broken_by(token(at_hash=HALF_HASH, azp="doorkey"), keys)
    assert broken == ""
    names = [check["rule"] for check in step.checks]
    assert names[0] == "signed by the provider, in an accepted way"
    assert names[1:] == [rule.claim for rule in ID_TOKEN.rules]
    assert names[1:] == ["iss", "aud", "azp", "sub", "exp", "iat", "nbf", "nonce", "at_hash", "auth_time", "acr"]
    assert all(check["passed"] and check["rfc"] for check in step.checks)
    assert step.received["alg"] == "RS256"
    assert "canary" not in str(step)


def test_no_rule_is_looked_at_before_the_signature(keys: KeySource) -> None:
    step = Step("ID token")
    with pytest.raises(SignatureInvalid) as caught:
        validate(ID_TOKEN, signed({**GOOD, "iss": "x"}, key_for("RS256", 2)), expected(), keys, step)
    assert [check["passed"] for check in step.checks] == [False]
    assert caught.value.step == "ID token"


IDENTIFIERS: dict[str, dict[str, tuple[Any, bool]]] = {
    "iss": {
        "missing": (ABSENT, False),
        "another": ("https://evil.example", False),
        "slash more": (f"{ISSUER}/", False),
        "upper case": (ISSUER.upper(), False),
        "port more": (f"{ISSUER}:443", False),
        "number": (1, False),
        "template": ("https://acme.example/{tenantid}", False),
    },
    "aud": {
        "us": ("doorkey", True),
        "list of us": (["doorkey"], True),
        "us twice": (["doorkey", "doorkey"], True),
        "missing": (ABSENT, False),
        "another": ("other", False),
        "upper case": ("DOORKEY", False),
        "us and another": (["doorkey", "other"], False),
        "another and us": (["other", "doorkey"], False),
        "us inside a text": ("doorkey other", False),
        "empty list": ([], False),
        "empty": ("", False),
        "number": (1, False),
    },
    "azp": {
        "missing": (ABSENT, True),
        "us": ("doorkey", True),
        "another": ("other", False),
        "empty": ("", False),
        "number": (1, False),
    },
    "sub": {
        "255 characters": ("u" * 255, True),
        "not ascii": ("üser-\U0001f600", True),
        "a space": ("user 1", True),
        "missing": (ABSENT, False),
        "empty": ("", False),
        "number": (1, False),
        "true": (True, False),
        "256 characters": ("u" * 256, False),
        "line end": ("user-1\n", False),
        "zero byte": ("user\0-1", False),
        "del": ("user-1\x7f", False),
        "c1 control": ("user-1\x85", False),
        "half of a surrogate pair": ("\ud800", False),
    },
    "nonce": {
        "missing": (ABSENT, False),
        "another sign-in's": ("canary-nonce-of-another-sign-in", False),
        "empty": ("", False),
        "number": (5, False),
        "list of it": ([NONCE], False),
        "not ascii": ("é", False),
        "half of a surrogate pair": ("\ud800", False),
    },
}
TIMES: dict[str, dict[str, tuple[Any, bool]]] = {
    "exp": {
        "just before its end": (NOW - LEEWAY + 1, True),
        "at its end": (NOW - LEEWAY, False),
        "past": (NOW - 3600, False),
        "a fraction": (NOW + 0.5, True),
        "the longest life": (NOW + LONGEST_LIFE + LEEWAY, True),
        "longer": (NOW + LONGEST_LIFE + LEEWAY + 1, False),
        "milliseconds": (NOW * 1000, False),
        "missing": (ABSENT, False),
        "true": (True, False),
        "a text": (str(NOW + 300), False),
        "1e300": (1e300, False),
        "nan": (float("nan"), False),
        "infinity": (float("inf"), False),
        "many digits": (10**400, False),
    },
    "iat": {
        "the oldest": (NOW - OLDEST - LEEWAY, True),
        "older": (NOW - OLDEST - LEEWAY - 1, False),
        "clock ahead": (NOW + LEEWAY, True),
        "future": (NOW + LEEWAY + 1, False),
        "a fraction": (NOW - 0.5, True),
        "missing": (ABSENT, False),
        "true": (True, False),
        "a text": (str(NOW), False),
        "nan": (float("nan"), False),
        "1e300": (1e300, False),
    },
    "nbf": {
        "missing": (ABSENT, True),
        "now": (NOW, True),
        "clock ahead": (NOW + LEEWAY, True),
        "future": (NOW + LEEWAY + 1, False),
        "a text": (str(NOW), False),
        "true": (True, False),
        "nan": (float("nan"), False),
    },
    "at_hash": {
        "right": (HALF_HASH, True),
        "missing": (ABSENT, True),
        "another token's": (half_hash("another", "RS256"), False),
        "another algorithm's": (half_hash(ACCESS_TOKEN, "RS512"), False),
        "padded": (HALF_HASH + "==", False),
        "empty": ("", False),
        "number": (1, False),
    },
}
TABLE = [
    pytest.param(claim, value, accepted, id=f"{claim} {name}")
    for claim, cases in {**IDENTIFIERS, **TIMES}.items()
    for name, (value, accepted) in cases.items()
]


@pytest.mark.parametrize(("claim", "value", "accepted"), TABLE)
def test_a_claim_says_what_it_must_say(keys: KeySource, claim: str, value: Any, accepted: bool) -> None:
    check_rule(token(**{claim: value}), keys, claim, accepted)


@pytest.mark.parametrize("claim", ["at_hash", "azp", "nbf"])
def test_null_is_not_absent(keys: KeySource, claim: str) -> None:
    text = signed({**GOOD, claim: None}, key_for("RS256"))
    assert rule_broken_by(text, keys)[0] == claim


def test_another_audience_is_not_trusted_because_azp_is_us(keys: KeySource) -> None:
    assert rule_broken_by(token(aud=["doorkey", "other"], azp="doorkey"), keys)[0] == "aud"


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_at_hash_is_made_with_the_hash_of_the_signature(keys: KeySource, alg: str) -> None:
    check_rule(token(alg, at_hash=half_hash(ACCESS_TOKEN, alg)), keys, "acr", True)
    check_rule(token(alg, at_hash=half_hash("another", alg)), keys, "at_hash", False)


@pytest.mark.parametrize(
    ("params", "auth_time", "accepted"),
    [
        pytest.param("max_age=300", NOW - 300, True, id="fresh"),
        pytest.param("max_age=300", NOW - 300 - LEEWAY, True, id="at the edge"),
        pytest.param("max_age=300", NOW - 301 - LEEWAY, False, id="old"),
        pytest.param("max_age=0", NOW, True, id="just now"),
        pytest.param("max_age=0", NOW - LEEWAY - 1, False, id="not just now"),
        pytest.param("max_age=300", ABSENT, False, id="missing"),
        pytest.param("max_age=300", str(NOW), False, id="a text"),
        pytest.param("max_age=300", True, False, id="true"),
        pytest.param("max_age=300", float("nan"), False, id="nan"),
        pytest.param("", ABSENT, True, id="not asked for"),
        pytest.param("", NOW - 10**6, True, id="old and not asked for"),
    ],
)
def test_max_age_is_kept(keys: KeySource, params: str, auth_time: Any, accepted: bool) -> None:
    check_rule(token(auth_time=auth_time), keys, "auth_time" if not accepted else "acr", accepted, expected(params))


@pytest.mark.parametrize(
    ("params", "acr", "accepted"),
    [
        pytest.param("acr_values=phr%20phrh", "phrh", True, id="one of those asked for"),
        pytest.param("acr_values=phr%20phrh", ABSENT, True, id="absent"),
        pytest.param("acr_values=phr%20phrh", "pwd", False, id="another"),
        pytest.param("acr_values=phr%20phrh", "phr phrh", False, id="all in one"),
        pytest.param("acr_values=phr", ["phr"], False, id="a list"),
        pytest.param("acr_values=phr", 1, False, id="a number"),
        pytest.param("", "pwd", True, id="not asked for"),
    ],
)
def test_another_strength_than_was_asked_for_is_refused(keys: KeySource, params: str, acr: Any, accepted: bool) -> None:
    check_rule(token(acr=acr), keys, "acr", accepted, expected(params))


@pytest.mark.parametrize(
    ("leeway", "late", "accepted"), [(0, 0, False), (0, -1, True), (600, 599, True), (600, 600, False)]
)
def test_the_leeway_is_a_setting(keys: KeySource, leeway: float, late: float, accepted: bool) -> None:
    check_rule(token(exp=NOW - late), keys, "exp" if not accepted else "acr", accepted, expected(leeway=leeway))


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        pytest.param({}, "", id="the same"),
        pytest.param({"nonce": ABSENT}, "", id="without nonce"),
        pytest.param({"sub": "user-2"}, "sub", id="another person"),
        pytest.param({"nonce": "canary-another"}, "nonce", id="another nonce"),
        pytest.param({"azp": "doorkey"}, "azp", id="azp appears"),
        pytest.param({"iss": "https://evil.example"}, "iss", id="another issuer"),
        pytest.param({"exp": NOW - 100}, "exp", id="expired"),
    ],
)
def test_a_refreshed_token_speaks_of_the_same_person(keys: KeySource, changes: dict[str, Any], broken: str) -> None:
    asked = expected(nonce="", first=GOOD)
    assert rule_broken_by(token(**changes), keys, asked, REFRESHED_ID_TOKEN)[0] == broken


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        pytest.param({"exp": ABSENT, "iat": ABSENT, "nonce": ABSENT}, "", id="iss and aud will do"),
        pytest.param({"iss": ABSENT}, "iss", id="no issuer"),
        pytest.param({"iss": "https://evil.example"}, "iss", id="another issuer"),
        pytest.param({"aud": ABSENT}, "aud", id="no audience"),
        pytest.param({"aud": "other"}, "aud", id="another audience"),
        pytest.param({"exp": NOW - 100}, "exp", id="expired"),
        pytest.param({"nbf": NOW + 100}, "nbf", id="not yet"),
    ],
)
def test_signed_user_info_is_for_us(keys: KeySource, changes: dict[str, Any], broken: str) -> None:
    assert rule_broken_by(token(**changes), keys, kind=SIGNED_USER_INFO)[0] == broken


@pytest.mark.parametrize(
    ("kind", "error"), [(ID_TOKEN, IdTokenInvalid), (SIGNED_USER_INFO, UserInfoInvalid)], ids=["ID token", "user info"]
)
def test_an_error_belongs_to_what_was_read(keys: KeySource, kind: Kind, error: type[ProviderError]) -> None:
    for text in ("junk", signed(GOOD, key_for("RS256"), typ="at+jwt"), signed(GOOD, b"x" * 32, "HS256")):
        with pytest.raises(error) as caught:
            validate(kind, text, expected(), keys, Step("x"))
        assert caught.value.step == kind.step
    with pytest.raises(TokenEncrypted) as encrypted:
        validate(kind, "a.b.c.d.e", expected(), keys, Step("x"))
    assert encrypted.value.step == kind.step


@pytest.mark.parametrize(
    ("set_here", "offered", "accepted"),
    [
        ("", None, ASYMMETRIC),
        ("", ("RS256", "HS256", "none", "ES256K"), ("RS256",)),
        ("", ("HS256", "none"), ()),
        ("", (), ()),
        ("HS256", ("RS256",), ("HS256",)),
        ("ES256 RS256", None, ("ES256", "RS256")),
    ],
)
def test_a_provider_narrows_what_is_accepted_and_never_widens_it(
    set_here: str, offered: tuple[str, ...] | None, accepted: tuple[str, ...]
) -> None:
    assert accepted_algorithms(made(ISSUER=ISSUER, ID_TOKEN_ALGS=set_here), offered) == accepted


def test_odd_names_of_claims_do_not_reach_the_trace(keys: KeySource) -> None:
    odd: dict[str, Any] = {f"claim-{number}": 1 for number in range(100)} | {"a\r\nb": 1, "x" * 500: 1}
    _, step = rule_broken_by(token(**odd), keys)
    names = step.received["claims"]
    assert len(names) <= 50
    assert all(len(name) <= 40 and name.isprintable() for name in names)
