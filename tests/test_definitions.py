"""Users, clients and lifetimes are read strictly, wherever they come from (devprovider/definitions.py)."""

import datetime
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from doorkey.devprovider import definitions
from doorkey.devprovider.definitions import DefinitionError, read_client, read_lifetimes, read_user
from doorkey.devprovider.users import AUTH_METHODS, SIGNING_ALGS, Client, Lifetimes, User

SECRET = "a-secret-of-more-than-thirty-two-characters"
EC_KEY = {"kty": "EC", "crv": "P-256", "x": "FX1Wqe_ykW1GMDR9sMgx", "y": "FuMMYwI2MohRTxfqrto"}
RSA_KEY = {"kty": "RSA", "n": "u1SU1LfVLPHCozMxH2Mo", "e": "AQAB"}
OKP_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQH"}
SCOPE_WORDS = 'number 2 must be visible ASCII characters without space, " and \\ (RFC 6749 section 3.3)'
NOT_JSON = "which JSON does not have (write it as text, in quotes)"
NO_JWK = "must be a JWK whose kty is one of RSA, EC, OKP"
JWKS_WORDS = 'must be a list of public keys or {"keys": [...]}'
URI_WORDS = "must be an absolute http or https URI without a fragment"
SWITCHES = ("require_pkce", "require_pushed_authorization_requests", "frontchannel_logout_session_required")
URI_KEYS = ("frontchannel_logout_uri", "backchannel_logout_uri", "initiate_login_uri")


def problems(read: Callable[..., Any], *given: Any) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as refused:
        read(*given)
    assert str(refused.value) == "; ".join(refused.value.problems)
    return refused.value.problems


def user_problems(**fields: Any) -> tuple[str, ...]:
    return problems(read_user, "erin", fields)


def client_problems(**fields: Any) -> tuple[str, ...]:
    return problems(read_client, "app", {"client_secret": SECRET, **fields})


def nested(deep: int) -> Any:
    return [nested(deep - 1)] if deep else "end"


class TestUsers:
    def test_a_user_needs_nothing_but_a_sub(self) -> None:
        assert read_user("erin", {}) == User("erin", "erin")

    def test_every_key_of_a_user_arrives(self) -> None:
        given = {
            "name": "Érin 👩‍💻",
            "email": "e@x.test",
            "groups": ["a", "b"],
            "about": "x",
            "claims": {"locale": "de"},
        }
        assert read_user("erin", given) == User("erin", "Érin 👩‍💻", "e@x.test", ("a", "b"), "x", {"locale": "de"})

    def test_every_field_of_a_user_has_a_key(self) -> None:
        assert set(definitions.USER_KEYS) == set(vars(User("", ""))) - {"sub", "more"} | {"claims"}

    @pytest.mark.parametrize("sub", ["a", "a" * 255, "auth0|1", "a b", "erin@example.com", "a/b", "~"])
    def test_a_sub_is_printable_ascii(self, sub: str) -> None:
        assert read_user(sub, {}).sub == sub

    @pytest.mark.parametrize("sub", ["", "a" * 256, "é", "a\n", "\x7f", "\ud800", None, 7])
    def test_any_other_sub_is_refused(self, sub: Any) -> None:
        assert problems(read_user, sub, {}) == ("sub must be 1 to 255 printable ASCII characters",)

    @pytest.mark.parametrize("key", ["name", "email", "about"])
    @pytest.mark.parametrize("value", [3, None, True, ["x"], {}])
    def test_what_is_not_text_is_refused(self, key: str, value: Any) -> None:
        assert user_problems(**{key: value}) == (f"{key} must be text",)

    @pytest.mark.parametrize("value", ["a\nb", "a\x00", "\x1b[31m", "a\x85", "a\u2028", "\ud800"])
    def test_text_is_one_line_that_can_be_shown(self, value: str) -> None:
        assert user_problems(name=value) == ("name must be text without line breaks and control characters",)

    @pytest.mark.parametrize("value", ["admins", None, {"a": 1}, {"a"}, 1])
    def test_groups_are_a_list(self, value: Any) -> None:
        assert user_problems(groups=value) == ("groups must be a list of text",)

    def test_the_wrong_item_of_a_list_is_named(self) -> None:
        assert user_problems(groups=["a", 3]) == ("groups number 2 must be text",)

    def test_an_unknown_key_is_refused_with_the_known_ones_and_the_near_one(self) -> None:
        said = "'emial' is not a key of a user (did you mean email?): the keys are name, email, groups, about, claims"
        assert user_problems(emial="x") == (said,)

    def test_a_key_like_no_other_gets_no_suggestion(self) -> None:
        assert user_problems(zzz="x")[0].startswith("'zzz' is not a key of a user: ")

    def test_a_huge_or_unprintable_unknown_key_stays_short_and_printable(self) -> None:
        (said,) = user_problems(**{"\n" + "k" * 100_000: 1})
        assert said.isprintable()
        assert len(said) < 200

    @pytest.mark.parametrize("key", ["sub", 1, None])
    def test_a_key_that_no_user_has_is_refused_whatever_it_is(self, key: Any) -> None:
        assert len(problems(read_user, "erin", {key: "erin"})) == 1

    @pytest.mark.parametrize("fields", [None, [], "x", 3])
    def test_a_definition_is_a_table(self, fields: Any) -> None:
        assert problems(read_user, "erin", fields) == ("a user must be a table (in JSON: an object)",)

    def test_everything_wrong_is_said_at_once(self) -> None:
        given = {"name": 1, "groups": 2, "claims": {"iss": 3, "day": datetime.date.max}}
        assert problems(read_user, "", given) == (
            "name must be text",
            "groups must be a list of text",
            f"claims must not have iss: the provider itself says {', '.join(definitions.PROTOCOL_CLAIMS)}",
            f"claims must be values that JSON has: 'day' is a date, {NOT_JSON}",
            "sub must be 1 to 255 printable ASCII characters",
        )

    def test_a_user_is_at_most_16_kib(self) -> None:
        assert read_user("erin", {"claims": {"x": "a" * 16_000}})
        for fields in ({"claims": {"x": "a" * 16_384}}, {"about": "é" * 8_192}, {"groups": ["abc"] * 4_000}):
            assert user_problems(**fields) == ("the whole must not be larger than 16 KiB, written as JSON",)


class TestClaims:
    @pytest.mark.parametrize(
        "value",
        ["", "two\nlines", 0, -(2**63), 2**63 - 1, 1.5, True, None, [], {}, [1, [2]], {"a": {"b": [None]}}, nested(10)],
    )
    def test_any_json_value_is_a_claim(self, value: Any) -> None:
        more = read_user("erin", {"claims": {"x": value}}).more
        assert more == json.loads(json.dumps({"x": value})) == {"x": value}

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (datetime.date(2026, 1, 1), f"is a date, {NOT_JSON}"),
            (datetime.datetime(2026, 1, 1), f"is a datetime, {NOT_JSON}"),
            (datetime.time(1, 1), f"is a time, {NOT_JSON}"),
            ([{"a": datetime.time(1, 1)}], f"is a time, {NOT_JSON}"),
            ({1}, f"is a set, {NOT_JSON}"),
            (b"x", f"is a bytes, {NOT_JSON}"),
            *[(float(bad), "is not a finite number") for bad in ("nan", "inf", "-inf")],
            *[(bad, "is a number of more than 64 bits") for bad in (2**63, -(2**63) - 1, 16**5000)],
            *[(bad, "has half a surrogate pair, which is no Unicode text") for bad in ("\ud800", {"\ud800": 1})],
            *[(nested(deep), "is nested more than 10 deep") for deep in (11, 500)],
            ({1: 2}, "has a name that is not text"),
        ],
        ids=lambda value: repr(type(value)),
    )
    def test_what_json_cannot_say_is_no_claim(self, value: Any, said: str) -> None:
        assert user_problems(claims={"x": value}) == (f"claims must be values that JSON has: 'x' {said}",)

    @pytest.mark.parametrize("name", definitions.PROTOCOL_CLAIMS)
    def test_a_user_cannot_redefine_what_the_protocol_says(self, name: str) -> None:
        assert user_problems(claims={name: "x"})[0].startswith(f"claims must not have {name}: ")

    @pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "nonce", "jti", "sid", "at_hash"])
    def test_these_belong_to_the_protocol(self, name: str) -> None:
        assert name in definitions.PROTOCOL_CLAIMS

    @pytest.mark.parametrize("value", ["x", [], None])
    def test_claims_are_a_table(self, value: Any) -> None:
        assert user_problems(claims=value) == ("claims must be a table",)

    @pytest.mark.parametrize(("key", "value"), [("name", "x"), ("email", "x"), ("groups", ["x"])])
    def test_a_claim_that_has_a_key_of_its_own_is_given_once(self, key: str, value: Any) -> None:
        assert user_problems(**{key: value, "claims": {key: "y"}}) == (f"{key} is in claims too: keep one",)
        assert read_user("erin", {"claims": {key: 42}}).claims()[key] == 42

    def test_claims_are_a_copy(self) -> None:
        given = {"address": {"country": "CH"}}
        user = read_user("erin", {"claims": given})
        given["address"]["country"] = "XX"
        assert user.more == {"address": {"country": "CH"}}


class TestClients:
    def test_a_client_needs_nothing_but_a_secret(self) -> None:
        assert read_client("app", {"client_secret": SECRET}) == Client("app", SECRET)

    def test_every_field_of_a_client_has_a_key(self) -> None:
        assert set(definitions.CLIENT_KEYS) == set(vars(Client(""))) - {"client_id"} | {"scope"}

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("client_name", "Ünser Klient"),
            ("access_token_format", "jwt"),
            ("redirect_check", "local"),
            ("redirect_uris", ("http://127.0.0.1/cb", "https://x.test:8443/cb?a=b", "http://[::1]:3000/cb")),
            ("post_logout_redirect_uris", ("http://127.0.0.1/",)),
            ("scopes", ()),
            ("scopes", ("https://x.example/auth/mail", "a:b", "!")),
            ("jwks", (EC_KEY, RSA_KEY, OKP_KEY)),
            *[("token_endpoint_auth_method", method) for method in ("any", *AUTH_METHODS[:3])],
            *[("id_token_signed_response_alg", alg) for alg in SIGNING_ALGS],
            *[("userinfo_signed_response_alg", alg) for alg in ("", *SIGNING_ALGS)],
            *[(key, switch) for key in SWITCHES for switch in (True, False)],
            *[(key, uri) for key in URI_KEYS for uri in ("", "http://127.0.0.1/x", "https://x.test/x")],
        ],
    )
    def test_the_keys_of_a_client_arrive(self, key: str, value: Any) -> None:
        given = {"client_secret": SECRET, key: list(value) if isinstance(value, tuple) else value}
        expected: dict[str, Any] = {key: value}
        assert read_client("app", given) == Client("app", SECRET, **expected)

    def test_scope_is_the_spelling_of_rfc_7591_for_scopes(self) -> None:
        assert read_client("app", {"client_secret": SECRET, "scope": " read  write read"}).scopes == ("read", "write")
        assert read_client("app", {"client_secret": SECRET, "scope": ""}).scopes == ()

    def test_keys_are_a_list_or_a_jwks(self) -> None:
        assert read_client("app", {"client_secret": SECRET, "jwks": {"keys": [EC_KEY]}}).jwks == (EC_KEY,)

    @pytest.mark.parametrize("client_id", ["a", "a" * 255, "a:b", "https://x.test/id", "!~"])
    def test_a_client_id_is_visible_ascii(self, client_id: str) -> None:
        assert read_client(client_id, {"client_secret": SECRET}).client_id == client_id

    @pytest.mark.parametrize("client_id", ["", "a" * 256, "a b", "é", "a\n", None])
    def test_any_other_client_id_is_refused(self, client_id: Any) -> None:
        found = problems(read_client, client_id, {"client_secret": SECRET})
        assert found == ("client_id must be 1 to 255 visible ASCII characters",)

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("client_secret", 3, "must be printable ASCII characters"),
            ("client_secret", "é" * 40, "must be printable ASCII characters"),
            ("client_name", None, "must be text"),
            ("redirect_uris", "https://x.test/", "must be a list of URIs"),
            ("scopes", "read write", "must be a list of scope names"),
            *[("scopes", ["ok", bad], SCOPE_WORDS) for bad in ("", "a b", 'a"', "a\\", "é", 3)],
            ("scope", 'a "', SCOPE_WORDS),
            ("scope", ["read"], "must be text: scope names with spaces between them"),
            ("token_endpoint_auth_method", "basic", f"must be one of {', '.join(AUTH_METHODS)}, any"),
            ("access_token_format", "JWT", "must be one of opaque, jwt"),
            ("id_token_signed_response_alg", "", f"must be one of {', '.join(SIGNING_ALGS)}"),
            ("userinfo_signed_response_alg", "HS256", f"must be one of {', '.join(SIGNING_ALGS)}, empty"),
            *[(key, bad, "must be true or false") for key in SWITCHES for bad in ("true", 1, None)],
            *[(key, bad, URI_WORDS) for key in URI_KEYS for bad in ("/login", None)],
            *[("jwks", bad, JWKS_WORDS) for bad in (EC_KEY, "x", {"keys": 1})],
            ("redirect_check", "none", "must be one of exact, local, any"),
        ],
    )
    def test_a_wrong_value_is_refused(self, key: str, value: Any, said: str) -> None:
        assert client_problems(**{key: value}) == (f"{key} {said}",)

    @pytest.mark.parametrize(
        "uri",
        [
            "", "/cb", "//x.test/cb", "x.test/cb", "http:", "http:///cb", "https://", "ftp://x.test/", "app:/cb",
            "javascript:alert(1)", "https://x.test/#", "https://x.test/#f", "https://x.test/ a", "https://x.test\\@y/",
            "https://x.test/é", "https://x.test:port/", "https://x.test:99999/", "https://[::1/", "https://x.test\n", 3,
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("key", ["redirect_uris", "post_logout_redirect_uris"])
    def test_a_uri_is_absolute_and_has_no_fragment(self, key: str, uri: Any) -> None:
        assert client_problems(**{key: [uri]}) == (f"{key} number 1 {URI_WORDS}",)

    @pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
    @pytest.mark.parametrize("key", [EC_KEY, RSA_KEY, OKP_KEY], ids=lambda key: key["kty"])
    def test_a_private_key_is_refused_and_not_repeated(self, member: str, key: Mapping[str, Any]) -> None:
        (said,) = client_problems(jwks=[EC_KEY, {**key, member: "a-private-value"}])
        assert said == f"jwks number 2 must be a public key, without {member}"

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("x", NO_JWK),
            ({}, NO_JWK),
            ({"kty": "oct"}, NO_JWK),
            ({"kty": ["EC"]}, NO_JWK),
            ({"kty": "oct", "k": "x"}, "must be a public key, without k"),
            ({"kty": "EC"}, "must have crv, x, y as RFC 7518 section 6 writes them"),
            ({**EC_KEY, "y": 3}, "must have crv, x, y as RFC 7518 section 6 writes them"),
            ({**RSA_KEY, "n": "ab+/="}, "must have n, e as RFC 7518 section 6 writes them"),
            ({**OKP_KEY, "x": ""}, "must have crv, x as RFC 7518 section 6 writes them"),
            ({**EC_KEY, "x5c": datetime.date.max}, f"is a date, {NOT_JSON}"),
        ],
    )
    def test_a_key_of_a_client_is_a_public_jwk(self, key: Any, said: str) -> None:
        assert client_problems(jwks=[key]) == (f"jwks number 1 {said}",)

    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "any", None])
    @pytest.mark.parametrize("secret", [{}, {"client_secret": ""}])
    def test_a_client_that_proves_itself_by_a_secret_needs_one(self, method: str | None, secret: dict) -> None:
        fields = {**secret, **({"token_endpoint_auth_method": method} if method else {})}
        assert problems(read_client, "app", fields) == (
            "client_secret is missing: it is needed unless token_endpoint_auth_method is none or private_key_jwt",
        )

    def test_a_secret_that_signs_is_long_enough(self) -> None:
        said = "client_secret must have at least 32 characters for client_secret_jwt (RFC 7518 section 3.2)"
        assert client_problems(client_secret="x" * 31, token_endpoint_auth_method="client_secret_jwt") == (said,)
        assert read_client("app", {"client_secret": "x" * 32, "token_endpoint_auth_method": "client_secret_jwt"})

    def test_a_public_client_has_no_secret(self) -> None:
        said = "client_secret must be left out when token_endpoint_auth_method is none"
        assert client_problems(token_endpoint_auth_method="none") == (said,)

    @pytest.mark.parametrize("own", [{}, {"require_pkce": False}, {"require_pkce": True}])
    def test_a_public_client_has_to_use_pkce(self, own: dict) -> None:
        assert read_client("app", {"token_endpoint_auth_method": "none", **own}).require_pkce

    def test_a_client_with_a_key_of_its_own_needs_no_secret_but_the_key(self) -> None:
        fields = {"token_endpoint_auth_method": "private_key_jwt"}
        assert read_client("app", {**fields, "jwks": [EC_KEY]}).jwks == (EC_KEY,)
        said = "jwks is missing: it is needed when token_endpoint_auth_method is private_key_jwt"
        assert problems(read_client, "app", fields) == problems(read_client, "app", {**fields, "jwks": []}) == (said,)

    def test_scope_and_scopes_together_are_refused(self) -> None:
        assert client_problems(scope="a", scopes=["a"]) == ("scope and scopes are the same: keep one",)

    @pytest.mark.parametrize(("key", "near"), [("redirect_uri", "redirect_uris"), ("secret", "client_secret")])
    def test_a_misspelt_key_is_recognized(self, key: str, near: str) -> None:
        assert client_problems(**{key: "x"})[0].startswith(f"'{key}' is not a key of a client (did you mean {near}?)")

    def test_what_was_refused_already_is_not_missing_too(self) -> None:
        for key in ("client_secret", "token_endpoint_auth_method"):
            assert len(problems(read_client, "app", {key: 3})) == 1

    def test_everything_wrong_with_a_client_is_said_at_once(self) -> None:
        found = problems(read_client, "", {"require_pkce": 1, "scope": "a", "scopes": ["b"], "scop": ""})
        assert [said.split()[0] for said in found] == ["require_pkce", "'scop'", "client_id", "scope", "client_secret"]

    def test_a_client_is_at_most_16_kib(self) -> None:
        found = client_problems(redirect_uris=["https://x.test/" + "a" * 1000] * 17)
        assert found == ("the whole must not be larger than 16 KiB, written as JSON",)

    def test_no_refusal_repeats_the_secret(self) -> None:
        for value in (f"{SECRET}é", [SECRET]):
            assert SECRET not in str(client_problems(client_secret=value, redirect_check="x"))


class TestLifetimes:
    def test_what_is_left_out_has_its_default(self) -> None:
        assert read_lifetimes({}) == Lifetimes()
        assert read_lifetimes({"access_token": 1, "code": 315_360_000}) == Lifetimes(access_token=1, code=315_360_000)

    @pytest.mark.parametrize("key", list(vars(Lifetimes())))
    @pytest.mark.parametrize("value", [0, -1, 315_360_001, 1.0, 1.5, True, "60", "60s", None])
    def test_a_lifetime_is_whole_seconds(self, key: str, value: Any) -> None:
        said = f"{key} must be whole seconds from 1 to 315360000 (ten years)"
        assert problems(read_lifetimes, {key: value}) == (said,)

    def test_an_unknown_lifetime_is_refused(self) -> None:
        said = "'acces_token' is not a key of the lifetimes (did you mean access_token?): the keys are access_token, "
        assert problems(read_lifetimes, {"acces_token": 1})[0].startswith(said)
