"""The vocabulary of failures: one row each, by the names of the OpenID conformance suite's client tests.

The page, `/dev/responses`, `--fail` and `next_response()` all use these names. `kind` says what
a client has to do: `reject` the answer, `accept` it, or `either`; `transport` failures happen to
any endpoint. `changes` are by seam: the place named `seam` counts the uses, changes at other places
(such as the metadata that goes with an ID token) stay in effect as long as they belong to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from doorkey.devprovider.failure_changes import (
    OTHER_CLIENT,
    Change,
    add,
    advertises,
    advertises_too,
    all_of,
    aud_as_array,
    audience,
    by_foreign_key,
    claims_of_others,
    critical_header,
    demands,
    drop,
    encrypted,
    fresh_keys,
    jwks_elsewhere,
    jwks_was_read,
    keys_beside_the_right_one,
    moved,
    mtls_aliases,
    nothing,
    odd_keys,
    posted,
    put,
    rotated_once,
    signed_user_info,
    signed_with,
    third_party_login,
    three_rsa_keys,
    unsigned,
    without_kid,
)

ENDPOINTS = (
    "authorize",
    "token",
    "userinfo",
    "introspect",
    "revoke",
    "device_authorization",
    "par",
    "jwks",
    "metadata",
    "logout",
)
MINTED = {"id_token": "token", "refreshed_id_token": "token", "logout_token": "logout"}
"""What is minted inside an endpoint can be changed like an answer of its own."""

Gate = Callable[[str, str, dict[str, Any]], str]
"""Told the endpoint, the path and its memory before an answer; a sentence means that this request is refused."""


@dataclass(frozen=True)
class Failure:
    """`at` is the endpoint, or what is minted there; `seam` where within it, when that is not the answer itself."""

    name: str
    at: str
    kind: str
    summary: str
    changes: Mapping[str, Change]
    rule: str = ""
    uses: int = 1
    until_cleared: bool = False
    gate: Gate | None = None
    early: Mapping[str, Any] | None = None
    counted_at: str = ""

    @property
    def seam(self) -> str:
        return self.counted_at or self.at


def _row(name: str, at: str, kind: str, summary: str, change: Change = nothing, rule: str = "", **more: Any) -> Failure:
    also: Mapping[str, Change] = more.pop("also", {})
    return Failure(name, at, kind, summary, {more.get("counted_at") or at: change, **also}, rule, **more)


def _only_metadata(endpoint: str, path: str, memory: dict[str, Any]) -> str:
    return "" if endpoint == "metadata" else "Only the metadata is served at the moment."


def _in_order(endpoint: str, path: str, memory: dict[str, Any]) -> str:
    if endpoint == "jwks" and not path.endswith(f"/{memory.get('suffix', ' ')}"):
        return "The keys are at the jwks_uri of the metadata, and nowhere else."
    if endpoint == "authorize" and "metadata" not in memory:
        return "The metadata has to be read before an authorization request."
    if endpoint == "userinfo" and "jwks" not in memory:
        return "The keys have to be read before UserInfo."
    return ""


_ID = "OpenID Core 3.1.3.7"
_RS256 = {"metadata": advertises("RS256")}


def _only(alg: str) -> Mapping[str, Change]:
    """A client that keeps the metadata holds a later ID token to it too."""
    return {"metadata": advertises(alg), "refreshed_id_token": signed_with(alg)}


ID_TOKEN = (
    _row("invalid-iss", "id_token", "reject", "iss has a 1 added.", add("iss", "1"), _ID),
    _row("missing-iss", "id_token", "reject", "iss is missing.", drop("iss"), _ID),
    _row("missing-sub", "id_token", "reject", "sub is missing.", drop("sub"), "OpenID Core 2"),
    _row("invalid-aud", "id_token", "reject", "aud has a 1 added.", add("aud", "1"), _ID),
    _row("invalid-aud-with-azp", "id_token", "reject", "aud is another client, azp is the right one.",
         audience(OTHER_CLIENT, keep=False, azp=True), _ID),
    _row("missing-aud", "id_token", "reject", "aud is missing.", drop("aud"), _ID),
    _row("invalid-secondary-aud", "id_token", "reject", "aud has a second, unknown audience.",
         audience(OTHER_CLIENT, keep=True, azp=False), _ID),
    _row("invalid-secondary-aud-with-azp", "id_token", "reject", "aud has a second, unknown audience; azp is right.",
         audience(OTHER_CLIENT, keep=True, azp=True), _ID),
    _row("valid-aud-as-array", "id_token", "accept", "aud is a list of the one right audience.", aud_as_array, _ID),
    _row("missing-iat", "id_token", "reject", "iat is missing.", drop("iat"), "OpenID Core 2"),
    _row("missing-exp", "id_token", "reject", "exp is missing.", drop("exp"), "OpenID Core 2"),
    _row("invalid-expired-exp", "id_token", "reject", "exp was an hour ago.", moved("exp", -3600), _ID),
    _row("nonce-invalid", "id_token", "reject", "nonce has a 1 added.", add("nonce", "1"), _ID),
    _row("nonce-invalid-nonce_supported-false", "id_token", "reject", "nonce has a 1 added; nonce_supported is false.",
         all_of(add("nonce", "1"), put(nonce_supported=False)), _ID),
    _row("missing-nonce", "id_token", "reject", "nonce is missing.", drop("nonce"), _ID),
    _row("invalid-athash", "id_token", "reject", "at_hash has a 1 added.", add("at_hash", "1"),
         "OpenID Core 3.1.3.8"),
    _row("missing-athash", "id_token", "accept", "at_hash is missing, as it may.", drop("at_hash"),
         "OpenID Core 3.1.3.6"),
    _row("invalid-chash", "id_token", "either", "c_hash is there and wrong; a code flow need not look at it.",
         put(c_hash="dk-dev-wrong-c_hash"), "OpenID Core 3.3.2.10"),
)  # fmt: skip

SIGNATURE = (
    _row("invalid-sig-rs256", "id_token", "reject", "The RS256 signature is damaged.",
         signed_with("RS256", damage=True), _ID),
    _row("invalid-sig-es256", "id_token", "reject", "The ES256 signature is damaged.",
         signed_with("ES256", damage=True), _ID),
    _row("invalid-sig-hs256", "id_token", "reject", "The HS256 signature is damaged.",
         signed_with("HS256", damage=True), _ID),
    _row("invalid-null-alg", "id_token", "reject", "The token is unsigned, and none is not advertised.", unsigned, _ID),
    _row("invalid-alternate-alg", "id_token", "reject", "Signed with PS384, which is not advertised.",
         signed_with("PS384"), _ID),
    _row("unadvertised-es256", "id_token", "reject", "Rightly signed with ES256; the metadata says RS256 only.",
         signed_with("ES256"), _ID, also=_RS256),
    _row("unadvertised-hs256", "id_token", "reject", "Rightly signed with HS256; the metadata says RS256 only.",
         signed_with("HS256"), _ID, also=_RS256),
    _row("idtoken-sig-none", "id_token", "either", "The token is unsigned and has no at_hash; none is advertised.",
         all_of(unsigned, drop("at_hash")), _ID, also={"metadata": advertises_too("none")}),
    _row("idtoken-sig-rs256", "id_token", "accept", "RS256, and nothing else is advertised.", signed_with("RS256"),
         _ID, also=_RS256),
    _row("idtoken-sig-es256", "id_token", "accept", "ES256, and nothing else is advertised.", signed_with("ES256"),
         _ID, also=_only("ES256")),
    _row("idtoken-sig-ps256", "id_token", "accept", "PS256, and nothing else is advertised.", signed_with("PS256"),
         _ID, also=_only("PS256")),
    _row("idtoken-sig-eddsa", "id_token", "accept", "EdDSA, and nothing else is advertised.", signed_with("EdDSA"),
         _ID, also=_only("EdDSA")),
    _row("idtoken-sig-hs256", "id_token", "either", "HS256 with the client secret, advertised beside the others.",
         signed_with("HS256"), _ID, also={"metadata": advertises_too("HS256")}),
    _row("foreign-key", "id_token", "reject", "Signed by a key that is not in the JWKS.", by_foreign_key(), _ID),
    _row("jwk-header", "id_token", "reject", "Signed by a foreign key that the header brings along.",
         by_foreign_key(header="jwk"), "RFC 8725 3.10"),
    _row("jku-header", "id_token", "reject", "Signed by a foreign key that the header has the address of.",
         by_foreign_key(header="jku"), "RFC 8725 3.10"),
    _row("crit-header", "id_token", "reject", "A critical header that nobody knows.", critical_header,
         "RFC 7515 4.1.11"),
    _row("encrypted-id-token", "id_token", "reject", "The token is encrypted, which nobody asked for.", encrypted, _ID),
    _row("kid-absent-single-jwks", "id_token", "accept", "No kid; one key of the JWKS fits.", without_kid,
         "OpenID Core 10.1", also={"jwks": keys_beside_the_right_one}),
    _row("kid-absent-multiple-jwks", "id_token", "either", "No kid; three RSA keys of the JWKS may fit.", without_kid,
         "OpenID Core 10.1", also={"jwks": three_rsa_keys}),
    _row("signing-key-rotation", "authorize", "accept", "New keys at the second authorization response.",
         rotated_once(at=2), "OpenID Core 10.1.1", uses=2),
    _row("signing-key-rotation-just-before-signing", "id_token", "accept", "New keys just before the signature.",
         fresh_keys, "OpenID Core 10.1.1"),
    _row("signing-key-rotation-same-kid", "authorize", "accept", "New keys under the old kid at the second response.",
         rotated_once(at=2, same_kid=True), "OpenID Core 10.1.1", uses=2),
    _row("jwks-unknown-curve", "jwks", "accept", "Two keys of unknown kinds before the right ones.", odd_keys,
         "RFC 7517 5"),
)  # fmt: skip

AUTHORIZE = (
    _row("invalid-state", "authorize", "reject", "state has a 1 added.", add("state", "1"), "RFC 6749 10.12"),
    _row("missing-state", "authorize", "reject", "state is missing.", drop("state"), "RFC 6749 10.12"),
    _row("invalid-authorization-response-iss", "authorize", "reject", "iss has a 1 added.", add("iss", "1"),
         "RFC 9207 2.4"),
    _row("remove-authorization-response-iss", "authorize", "reject", "iss is missing although it is promised.",
         drop("iss"), "RFC 9207 2.4"),
    _row("unadvertised-authorization-response-iss", "authorize", "reject", "iss is wrong and was not promised.",
         add("iss", "1"), "RFC 9207 2.4",
         also={"metadata": drop("authorization_response_iss_parameter_supported")}),
    _row("form-post", "authorize", "either", "The response is posted as a form, whatever was asked.", posted,
         "OAuth 2.0 Form Post Response Mode"),
    _row("form-post-error", "authorize", "reject", "login_required, posted as a form.",
         all_of(posted, drop("code"), put(error="login_required")), "OAuth 2.0 Form Post Response Mode"),
    _row("3rd-party-init-login", "authorize", "either", "The browser is sent to initiate_login_uri instead.",
         third_party_login, "OpenID Core 4"),
    _row("scope-userinfo-claims", "authorize", "accept", "Refused unless profile, email, phone or address is asked.",
         put(one_of=("profile", "email", "phone", "address")), "OpenID Core 5.4", counted_at="scope_rule"),
)  # fmt: skip

TOKEN = (
    _row("happy-path", "token", "accept", "Nothing is wrong.", nothing),
    _row("no-scope-in-token-endpoint-response", "token", "accept", "scope is missing: as requested.", drop("scope"),
         "RFC 6749 5.1"),
    _row("token-endpoint-response-without-expires_in", "token", "accept", "expires_in is missing.",
         drop("expires_in"), "RFC 6749 5.1"),
    _row("token-type-case-insensitivity", "token", "accept", "token_type is bEARER.", put(token_type="bEARER"),  # noqa: S106
         "RFC 6749 5.1"),
    _row("token-type-unknown", "token", "reject", "token_type is mac.", put(token_type="mac"),  # noqa: S106
         "RFC 6749 7.1"),
    _row("missing-access_token", "token", "reject", "access_token is missing.", drop("access_token"), "RFC 6749 5.1"),
    _row("missing-id_token", "token", "reject", "id_token is missing although openid was granted.",
         drop("id_token"), "OpenID Core 3.1.3.3"),
    _row("token-endpoint-redirect", "token", "reject", "307 to an address that would answer rightly.",
         rule="RFC 9700 4.12", early={"status": 307, "redirect": "?followed=1"}),
    _row("expired-code", "token", "reject", "invalid_grant: the code is said to be too old.",
         rule="RFC 6749 5.2", early={"error": "invalid_grant", "error_description": "The code is too old."}),
    _row("client-secret-basic", "token", "accept", "Only Basic with form-encoded halves is taken.",
         demands("client_secret_basic", encoded=True), "RFC 6749 2.3.1", counted_at="client_auth"),
    _row("client-secret-post", "token", "either", "Only client_secret_post is taken.",
         demands("client_secret_post"), "RFC 6749 2.3.1", counted_at="client_auth"),
    _row("client-secret-jwt", "token", "either", "Only client_secret_jwt is taken.",
         demands("client_secret_jwt"), "OpenID Core 9", counted_at="client_auth"),
    _row("private-key-jwt", "token", "either", "Only private_key_jwt is taken.", demands("private_key_jwt"),
         "OpenID Core 9", counted_at="client_auth"),
    _row("client-auth-none", "token", "either", "The client must not authenticate.", demands("none"),
         "RFC 6749 2.1", counted_at="client_auth"),
    _row("refresh", "refreshed_id_token", "accept", "A refresh brings a right ID token.", nothing, "OpenID Core 12.2"),
    _row("refresh-token-invalid-issuer", "refreshed_id_token", "reject", "After a refresh, iss has a 1 added.",
         add("iss", "1"), "OpenID Core 12.2"),
    _row("refresh-token-invalid-sub", "refreshed_id_token", "reject", "After a refresh, sub has a 1 added.",
         add("sub", "1"), "OpenID Core 12.2"),
    _row("refresh-token-invalid-aud", "refreshed_id_token", "reject", "After a refresh, aud has a 1 added.",
         add("aud", "1"), "OpenID Core 12.2"),
)  # fmt: skip

USERINFO = (
    _row("userinfo-invalid-sub", "userinfo", "reject", "sub has invalid added.", add("sub", "invalid"),
         "OpenID Core 5.3.2"),
    _row("userinfo-missing-sub", "userinfo", "reject", "sub is missing.", drop("sub"), "OpenID Core 5.3.2"),
    _row("userinfo-signed", "userinfo", "accept", "The answer is a signed JWT.", signed_user_info, "OpenID Core 5.3.2"),
    _row("userinfo-bearer-header", "userinfo", "accept", "The token is taken from the header only.",
         put(source="header"), "RFC 6750 2.1", counted_at="bearer"),
    _row("userinfo-bearer-body", "userinfo", "either", "The token is taken from a form body only.",
         put(source="body"), "RFC 6750 2.2", counted_at="bearer"),
    _row("aggregated-claims", "userinfo", "accept", "A claim signed by somebody else comes along.",
         claims_of_others(aggregated=True), "OpenID Core 5.6.2"),
    _row("distributed-claims", "userinfo", "accept", "A claim is to be had elsewhere.",
         claims_of_others(aggregated=False), "OpenID Core 5.6.2"),
)  # fmt: skip

METADATA = (
    _row("discovery-openid-config", "metadata", "either", "The metadata is right; everything else is refused.",
         rule="OpenID Discovery 4", until_cleared=True, gate=_only_metadata),
    _row("discovery-jwks-uri-keys", "jwks", "accept", "jwks_uri ends in something random, and has to be read in order.",
         jwks_was_read, "OpenID Discovery 4", until_cleared=True, gate=_in_order, also={"metadata": jwks_elsewhere}),
    _row("discovery-issuer-mismatch", "metadata", "reject", "issuer has INVALID added.", add("issuer", "INVALID"),
         "OpenID Discovery 4.3"),
    _row("discovery-issuer-missing", "metadata", "reject", "issuer is missing.", drop("issuer"),
         "OpenID Discovery 4.3"),
    _row("mtls-aliases", "metadata", "accept", "Endpoints for mutual TLS are listed beside the usual ones.",
         mtls_aliases, "RFC 8705 5"),
    _row("trailing-slash-issuer", "metadata", "accept", "The issuer ends in a slash, everywhere.",
         add("issuer", "/"), "OpenID Discovery 4.3", until_cleared=True, counted_at="issuer"),
)  # fmt: skip

_EVENT = "http://schemas.openid.net/event/backchannel-logout"

LOGOUT = (
    _row("rp-init-logout", "logout", "accept", "Nothing is wrong.", nothing, "RP-Initiated Logout 3"),
    _row("rp-init-logout-other-state", "logout", "reject", "state has _INVALID added.", add("state", "_INVALID"),
         "RP-Initiated Logout 3"),
    _row("rp-init-logout-no-state", "logout", "reject", "state is missing.", drop("state"), "RP-Initiated Logout 3"),
    _row("backchannel-logout", "logout_token", "accept", "Nothing is wrong.", nothing, "Back-Channel Logout 2.6"),
    _row("backchannel-logout-alg-none", "logout_token", "reject", "The logout token is unsigned.", unsigned,
         "Back-Channel Logout 2.6"),
    _row("backchannel-logout-no-event", "logout_token", "reject", "events is missing.", drop("events"),
         "Back-Channel Logout 2.6"),
    _row("backchannel-logout-wrong-event", "logout_token", "reject", "events names another event.",
         put(events={_EVENT + "-other": {}}), "Back-Channel Logout 2.6"),
    _row("backchannel-logout-nonce", "logout_token", "reject", "A nonce, which must not be there.",
         put(nonce="dk-dev-nonce"), "Back-Channel Logout 2.6"),
    _row("backchannel-logout-wrong-alg", "logout_token", "reject", "Signed with ES256 for an RS256 client.",
         signed_with("ES256"), "Back-Channel Logout 2.6"),
    _row("backchannel-logout-wrong-aud", "logout_token", "reject", "aud has a 1 added.", add("aud", "1"),
         "Back-Channel Logout 2.6"),
    _row("backchannel-logout-wrong-iss", "logout_token", "reject", "iss has a 1 added.", add("iss", "1"),
         "Back-Channel Logout 2.6"),
    _row("backchannel-logout-no-subject", "logout_token", "reject", "Neither sub nor sid.", drop("sub", "sid"),
         "Back-Channel Logout 2.6"),
    _row("backchannel-logout-expired", "logout_token", "reject", "exp was an hour ago.", moved("exp", -3600),
         "Back-Channel Logout 2.6"),
    _row("backchannel-logout-replay", "logout_token", "either", "The same jti every time.",
         put(jti="dk-dev-same-jti"), "Back-Channel Logout 2.6"),
    _row("frontchannel-logout", "logout", "accept", "Nothing is wrong.", nothing, "Front-Channel Logout 2",
         counted_at="frontchannel"),
    _row("frontchannel-logout-wrong-iss", "logout", "reject", "iss has a 1 added.", add("iss", "1"),
         "Front-Channel Logout 2", counted_at="frontchannel"),
)  # fmt: skip

TRANSPORT = (
    _row("status", "*", "transport", "A bare status, 500 unless another is given.", early={"status": 500}),
    _row("delay", "*", "transport", "The right answer, late: 15 s unless `delay` says how many seconds.",
         early={"delay": 15.0}),
    _row("drip", "*", "transport", "The right answer, byte by byte, a minute long at most.", early={"wire": "drip"}),
    _row("garbage", "*", "transport", "200 and application/json, but it is none.", early={"wire": "garbage"}),
    _row("truncated", "*", "transport", "Half of the right answer, then the connection closes.",
         early={"wire": "truncated"}),
    _row("closed", "*", "transport", "The connection closes without an answer.", early={"wire": "closed"}),
    _row("huge", "*", "transport", "64 MiB of JSON.", early={"wire": "huge"}),
)  # fmt: skip

FAILURES: Mapping[str, Failure] = {
    failure.name: failure
    for table in (ID_TOKEN, SIGNATURE, AUTHORIZE, TOKEN, USERINFO, METADATA, LOGOUT, TRANSPORT)
    for failure in table
}


def names(kind: str) -> list[str]:
    """The names of one kind, in the order of the tables."""
    return [name for name, failure in FAILURES.items() if failure.kind == kind]
