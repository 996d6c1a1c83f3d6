"""Failure by failure: in what, and only in what, the sign-in has to differ from a right one.

Written from the OpenID conformance suite's descriptions and the specifications, not from the provider's code.
Those that need more than one sign-in to be seen are in test_over_time.py and test_transport.py.
"""

from collections.abc import Mapping
from typing import Any

from tests.failures.expectations import Expected, Like, Turn, ends_with, expect, gone, made, only, plus, sets, without
from tests.failures.relying_party import Observation

CLAIMS, HEADER = "id_token.claims", "id_token.header"
ALGS = "metadata.fields.id_token_signing_alg_values_supported"
SOMEBODY_ELSE = "dk-dev-another-client"
FOREIGN_KID = r"dk-dev-[0-9a-f]{8}"
ERROR = {"message": Like(r"[A-Z][a-z]+( [A-Z][a-z]+)*"), "error_description": Like(r".+\."), "timestamp": "<timestamp>"}


def keys(seen: Observation, **wanted: str) -> list[Mapping[str, Any]]:
    """The published keys with these members."""
    return [key for key in seen["jwks.fields.keys"] if wanted.items() <= key.items()]


def kid(seen: Observation, kty: str) -> str:
    (key,) = keys(seen, kty=kty)
    return str(key["kid"])


def only_with(alg: str) -> Turn:
    """ID tokens, the refreshed one too, signed with the one algorithm that is advertised."""

    def turn(seen: Observation) -> None:
        for part in (signed(alg), signed(alg, "refreshed_id_token"), sets({ALGS: [alg]})):
            part(seen)

    return turn


def signed(alg: str, place: str = "id_token") -> Turn:
    """Rightly, with the published key for `alg`, or for HS256 with the client's secret."""
    kty = {"R": "RSA", "P": "RSA", "E": "EC"}[alg[0]] if alg not in ("EdDSA", "HS256") else "OKP"

    def turn(seen: Observation) -> None:
        seen[f"{place}.header.alg"] = alg
        if alg == "HS256":
            del seen[f"{place}.header.kid"]
            seen[f"{place}.signed_by"] = ["client secret"]
        else:
            seen[f"{place}.header.kid"] = kid(seen, kty)
            seen[f"{place}.signed_by"] = [f"kid {kid(seen, kty)}"]

    return turn


def unsigned(place: str = "id_token") -> Turn:
    def turn(seen: Observation) -> None:
        seen[f"{place}.header.alg"] = "none"
        seen[f"{place}.signed_by"] = ["nobody"]
        del seen[f"{place}.header.kid"]

    return turn


BAD_SIGNATURE = sets({"id_token.signed_by": []})
UNSIGNED_TEXT = sets({"token.fields.id_token": Like(r"eyJ[\w-]+\.eyJ[\w-]+\.")})


def foreign(*who: str) -> Turn:
    """A kid that nobody published, and a signature that fits no published key."""

    def turn(seen: Observation) -> None:
        seen[f"{HEADER}.kid"] = Like(FOREIGN_KID, *(key["kid"] for key in keys(seen)))
        seen["id_token.signed_by"] = list(who)

    return turn


class PublicRsaKey:
    """Equal to any RSA key that has no private half and a kid of its own."""

    def __eq__(self, found: object) -> bool:
        return isinstance(found, dict) and found["kty"] == "RSA" and not {"d", "p", "q"} & found.keys()

    __hash__ = None  # type: ignore[assignment]


class KeysBefore:
    """Equal to a list of keys that begins with some of these kinds (kty, crv, use) and ends with the `right` ones."""

    def __init__(self, right: list[Mapping[str, Any]], *kinds: tuple[str, str, str]):
        self.right, self.kinds = right, kinds

    def __eq__(self, found: object) -> bool:
        assert isinstance(found, list)
        more = found[: -len(self.right)]
        kinds = tuple((key["kty"], key.get("crv", ""), key.get("use", "")) for key in more)
        return found[-len(self.right) :] == self.right and kinds == self.kinds

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.kinds}, then {self.right}"


def keys_before(*kinds: tuple[str, str, str]) -> Turn:
    return made("jwks.fields.keys", lambda seen: KeysBefore(seen["jwks.fields.keys"], *kinds))


def refused(step: str, path: str, status: int, **fields: Any) -> Turn:
    """An error of the contract instead of the answer (RFC 6749 section 5.2)."""
    return only(f"{step}.fields", {**ERROR, "path": path, "status": str(status), **fields})


SAME = expect()

ID_TOKEN = {
    "invalid-iss": expect(plus(f"{CLAIMS}.iss", "1")),
    "missing-iss": expect(gone(f"{CLAIMS}.iss")),
    "missing-sub": expect(gone(f"{CLAIMS}.sub")),
    "invalid-aud": expect(plus(f"{CLAIMS}.aud", "1")),
    "invalid-aud-with-azp": expect(sets({f"{CLAIMS}.aud": SOMEBODY_ELSE, f"{CLAIMS}.azp": "rp"})),
    "missing-aud": expect(gone(f"{CLAIMS}.aud")),
    "invalid-secondary-aud": expect(sets({f"{CLAIMS}.aud": ["rp", SOMEBODY_ELSE]})),
    "invalid-secondary-aud-with-azp": expect(sets({f"{CLAIMS}.aud": ["rp", SOMEBODY_ELSE], f"{CLAIMS}.azp": "rp"})),
    "valid-aud-as-array": expect(sets({f"{CLAIMS}.aud": ["rp"]})),
    "missing-iat": expect(gone(f"{CLAIMS}.iat")),
    "missing-exp": expect(gone(f"{CLAIMS}.exp")),
    "invalid-expired-exp": expect(sets({f"{CLAIMS}.exp": "now-3600"})),
    "nonce-invalid": expect(plus(f"{CLAIMS}.nonce", "1")),
    "nonce-invalid-nonce_supported-false": expect(
        plus(f"{CLAIMS}.nonce", "1"), sets({f"{CLAIMS}.nonce_supported": False})
    ),
    "missing-nonce": expect(gone(f"{CLAIMS}.nonce")),
    "invalid-athash": expect(plus(f"{CLAIMS}.at_hash", "1")),
    "missing-athash": expect(gone(f"{CLAIMS}.at_hash")),
    "invalid-chash": expect(sets({f"{CLAIMS}.c_hash": "dk-dev-wrong-c_hash"})),
}

SIGNATURE = {
    "invalid-sig-rs256": expect(BAD_SIGNATURE),
    "invalid-sig-es256": expect(signed("ES256"), BAD_SIGNATURE),
    "invalid-sig-hs256": expect(signed("HS256"), BAD_SIGNATURE),
    "invalid-null-alg": expect(unsigned(), UNSIGNED_TEXT),
    "invalid-alternate-alg": expect(signed("PS384")),
    "unadvertised-es256": expect(signed("ES256"), sets({ALGS: ["RS256"]})),
    "unadvertised-hs256": expect(signed("HS256"), sets({ALGS: ["RS256"]})),
    "idtoken-sig-none": expect(
        unsigned(), UNSIGNED_TEXT, gone(f"{CLAIMS}.at_hash"), made(ALGS, lambda seen: [*seen[ALGS], "none"])
    ),
    "idtoken-sig-rs256": expect(sets({ALGS: ["RS256"]})),
    "idtoken-sig-es256": expect(only_with("ES256")),
    "idtoken-sig-ps256": expect(only_with("PS256")),
    "idtoken-sig-eddsa": expect(only_with("EdDSA")),
    "idtoken-sig-hs256": expect(signed("HS256"), made(ALGS, lambda seen: [*seen[ALGS], "HS256"])),
    "foreign-key": expect(foreign()),
    "jwk-header": expect(foreign("jwk"), sets({f"{HEADER}.jwk": PublicRsaKey()})),
    "jku-header": expect(
        foreign("jku"), made(f"{HEADER}.jku", lambda seen: seen["metadata.fields.jwks_uri"] + "/foreign")
    ),
    "crit-header": expect(
        sets({f"{HEADER}.crit": ["urn:doorkey:dev:critical"], f"{HEADER}.urn:doorkey:dev:critical": True})
    ),
    "encrypted-id-token": expect(
        without("id_token"),
        sets({"token.fields.id_token": Like(r"eyJ[\w-]+(\.[\w-]+){4}"), "id_token.parts": 5}),
    ),
    "kid-absent-single-jwks": expect(
        gone(f"{HEADER}.kid"),
        keys_before(("EC", "secp256k1", "sig"), ("RSA", "", "enc"), ("EC", "P-256", "enc")),
    ),
    "kid-absent-multiple-jwks": expect(gone(f"{HEADER}.kid"), keys_before(("RSA", "", "sig"), ("RSA", "", "sig"))),
    "jwks-unknown-curve": expect(keys_before(("EC", "P-999", "sig"), ("dk-dev-odd", "", ""))),
}

FORM_POST = (
    sets(
        {
            "authorize.status": 200,
            "authorize.mode": "post",
            "authorize.headers.content-security-policy": Like(r".*; form-action 'self' http://rp\.test[ ;].*"),
        }
    ),
)
AUTHORIZE = {
    "invalid-state": expect(plus("authorize.params.state", "1")),
    "missing-state": expect(gone("authorize.params.state")),
    "invalid-authorization-response-iss": expect(plus("authorize.params.iss", "1")),
    "remove-authorization-response-iss": expect(gone("authorize.params.iss")),
    "unadvertised-authorization-response-iss": expect(
        plus("authorize.params.iss", "1"), gone("metadata.fields.authorization_response_iss_parameter_supported")
    ),
    "form-post": expect(*FORM_POST),
    "form-post-error": expect(
        *FORM_POST,
        gone("authorize.params.code"),
        sets({"authorize.params.error": "login_required"}),
        ends_with("authorize"),
    ),
    "3rd-party-init-login": expect(
        sets({"authorize.target": "http://rp.test/start"}),
        gone("authorize.params.code", "authorize.params.state"),
        ends_with("authorize"),
    ),
    "scope-userinfo-claims": SAME,
}


def of_token(*turns: Turn) -> Expected:
    """A refresh is an answer of the token endpoint too."""
    return expect(*turns, once=("refresh",))


def client_auth(method: str, client: str = "rp") -> Expected:
    """The method that is asked for brings what Basic brings otherwise; a refresh would have to prove itself too."""
    return expect(client=client, options={"auth": method, "skip": ("refresh", "introspect")})


TOKEN = {
    "happy-path": of_token(),
    "no-scope-in-token-endpoint-response": of_token(gone("token.fields.scope")),
    "token-endpoint-response-without-expires_in": of_token(gone("token.fields.expires_in")),
    "token-type-case-insensitivity": of_token(sets({"token.fields.token_type": "bEARER"})),
    "token-type-unknown": of_token(sets({"token.fields.token_type": "mac"})),
    "missing-access_token": of_token(
        gone("token.fields.access_token"),
        sets({f"{CLAIMS}.at_hash": "<of something>"}),
        without("userinfo", "introspect"),
    ),
    "missing-id_token": of_token(gone("token.fields.id_token"), without("id_token")),
    "token-endpoint-redirect": of_token(
        sets({"token.status": 307, "token.headers.content-type": "text/plain; charset=utf-8"}),
        made("token.headers.location", lambda seen: seen["metadata.fields.token_endpoint"] + "?followed=1"),
        only("token.fields", {}),
        ends_with("token"),
    ),
    "expired-code": of_token(
        sets({"token.status": 400}),
        refused("token", "/oauth/token", 400, error="invalid_grant"),
        ends_with("token"),
    ),
    "client-secret-basic": client_auth("client_secret_basic"),
    "client-secret-post": client_auth("client_secret_post"),
    "client-secret-jwt": client_auth("client_secret_jwt"),
    "private-key-jwt": client_auth("private_key_jwt", "rp-key"),
    "client-auth-none": client_auth("none"),
    "refresh": SAME,
    "refresh-token-invalid-issuer": expect(plus("refreshed_id_token.claims.iss", "1")),
    "refresh-token-invalid-sub": expect(plus("refreshed_id_token.claims.sub", "1")),
    "refresh-token-invalid-aud": expect(plus("refreshed_id_token.claims.aud", "1")),
}


def signed_user_info(seen: Observation) -> None:
    """OpenID Connect Core 5.3.2: the same claims, signed, with iss and aud."""
    claims = {key.rpartition(".")[2]: value for key, value in seen.items() if key.startswith("userinfo.fields.")}
    only("userinfo.fields", {})(seen)
    only("userinfo.claims", {**claims, "iss": seen["metadata.fields.issuer"], "aud": "rp"})(seen)
    only("userinfo.header", {"alg": "RS256", "kid": kid(seen, "RSA"), "typ": "JWT"})(seen)
    seen["userinfo.signed_by"] = [f"kid {kid(seen, 'RSA')}"]
    seen["userinfo.headers.content-type"] = "application/jwt"


class AggregatedSource:
    """Equal to a source that brings a JWT along."""

    def __eq__(self, found: object) -> bool:
        return found == {"elsewhere": {"JWT": Like(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{300,}")}}

    __hash__ = None  # type: ignore[assignment]


NAMES, SOURCES = "userinfo.fields._claim_names", "userinfo.fields._claim_sources"
USERINFO = {
    "userinfo-invalid-sub": expect(plus("userinfo.fields.sub", "invalid")),
    "userinfo-missing-sub": expect(gone("userinfo.fields.sub")),
    "userinfo-signed": expect(signed_user_info),
    "userinfo-bearer-header": SAME,
    "userinfo-bearer-body": expect(options={"bearer": "body"}),
    "aggregated-claims": expect(sets({NAMES: {"score": "elsewhere"}, SOURCES: AggregatedSource()})),
    "distributed-claims": expect(
        sets({NAMES: {"score": "elsewhere"}, SOURCES: {"elsewhere": {"endpoint": "https://claims.invalid/userinfo"}}})
    ),
}

JSON_POLICY = "default-src 'none'; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
METADATA = {
    "discovery-openid-config": expect(
        refused("authorize", "/oauth/authorize", 400, error="invalid_request"),
        gone("authorize.headers.set-cookie"),
        only("authorize.params", {}),
        sets(
            {
                "authorize.status": 400,
                "authorize.mode": "",
                "authorize.target": "",
                "authorize.headers.content-type": "application/json",
                "authorize.headers.content-security-policy": JSON_POLICY,
            }
        ),
        ends_with("authorize"),
        until_cleared=True,
    ),
    "discovery-jwks-uri-keys": expect(
        made("metadata.fields.jwks_uri", lambda seen: Like(seen["metadata.fields.jwks_uri"] + "/[0-9a-f]{16}")),
        until_cleared=True,
    ),
    "discovery-issuer-mismatch": expect(plus("metadata.fields.issuer", "INVALID")),
    "discovery-issuer-missing": expect(gone("metadata.fields.issuer")),
    "mtls-aliases": expect(
        sets(
            {
                "metadata.fields.mtls_endpoint_aliases": {"token_endpoint": "https://mtls.invalid/oauth/token"},
                "metadata.fields.tls_client_certificate_bound_access_tokens": False,
            }
        )
    ),
    "trailing-slash-issuer": expect(
        *(
            plus(key, "/")
            for key in ("metadata.fields.issuer", "authorize.params.iss", f"{CLAIMS}.iss", "introspect.fields.iss",
                        "introspect.fields.aud", "refreshed_id_token.claims.iss", "logout_token.claims.iss")
        ),
        until_cleared=True,
    ),
}  # fmt: skip

LEFT = "logout_token.claims"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT = {
    "rp-init-logout": SAME,
    "rp-init-logout-other-state": expect(plus("logout.params.state", "_INVALID")),
    "rp-init-logout-no-state": expect(gone("logout.params.state")),
    "backchannel-logout": SAME,
    "backchannel-logout-alg-none": expect(unsigned("logout_token")),
    "backchannel-logout-no-event": expect(gone(f"{LEFT}.events")),
    "backchannel-logout-wrong-event": expect(sets({f"{LEFT}.events": {EVENT + "-other": {}}})),
    "backchannel-logout-nonce": expect(sets({f"{LEFT}.nonce": "dk-dev-nonce"})),
    "backchannel-logout-wrong-alg": expect(signed("ES256", "logout_token")),
    "backchannel-logout-wrong-aud": expect(plus(f"{LEFT}.aud", "1")),
    "backchannel-logout-wrong-iss": expect(plus(f"{LEFT}.iss", "1")),
    "backchannel-logout-no-subject": expect(gone(f"{LEFT}.sub", f"{LEFT}.sid")),
    "backchannel-logout-expired": expect(sets({f"{LEFT}.exp": "now-3600"})),
    "backchannel-logout-replay": expect(sets({f"{LEFT}.jti": "dk-dev-same-jti"})),
    "frontchannel-logout": expect(client="rp-frames"),
    "frontchannel-logout-wrong-iss": expect(plus("logout.frame.params.iss", "1"), client="rp-frames"),
}

TABLE: Mapping[str, Expected] = {**ID_TOKEN, **SIGNATURE, **AUTHORIZE, **TOKEN, **USERINFO, **METADATA, **LOGOUT}
