"""No failure is forgotten here, and no module of the conformance suite that a provider of this kind can be is missing.

Module names are those of the OpenID conformance suite's client tests without `oidcc-client-test-` (or
`fapi2-security-profile-final-client-test-`) before them.
"""

import pytest

from doorkey.devprovider.failures import FAILURES
from tests.failures.expected import TABLE
from tests.failures.test_over_time import IS_ROTATION
from tests.failures.test_transport import KINDS

BASIC = (
    "happy-path", "invalid-iss", "missing-sub", "invalid-aud", "missing-iat", "kid-absent-single-jwks",
    "kid-absent-multiple-jwks", "idtoken-sig-rs256", "idtoken-sig-none", "invalid-sig-rs256", "userinfo-invalid-sub",
    "nonce-invalid", "scope-userinfo-claims", "client-secret-basic",
)  # fmt: skip
CONFIG = (
    "discovery-openid-config", "discovery-jwks-uri-keys", "discovery-issuer-mismatch", "idtoken-sig-none",
    "signing-key-rotation-just-before-signing", "signing-key-rotation",
)  # fmt: skip
FORM_POST = ("form-post", "form-post-error")
DYNAMIC = ("discovery-webfinger-acct", "discovery-webfinger-url", "dynamic-registration", "request-uri-signed-rs256",
           "request-uri-signed-none", "userinfo-signed")  # fmt: skip
REFRESH = ("refresh", "refresh-token-invalid-issuer", "refresh-token-invalid-sub")
COMPREHENSIVE = (
    "missing-aud", "invalid-sig-es256", "invalid-sig-hs256", "userinfo-bearer-header", "userinfo-bearer-body",
    "form-post-error", "aggregated-claims", "distributed-claims", "mtls-aliases", "invalid-athash", "missing-athash",
    "invalid-chash", "missing-chash",
)  # fmt: skip
THIRD_PARTY = ("3rd-party-init-login",)
RP_LOGOUT = ("rp-init-logout", "rp-init-logout-other-state", "rp-init-logout-no-state")
BACK_CHANNEL = (
    "backchannel-logout", "backchannel-logout-alg-none", "backchannel-logout-no-event",
    "backchannel-logout-wrong-event", "backchannel-logout-nonce", "backchannel-logout-wrong-alg",
    "backchannel-logout-wrong-aud", "backchannel-logout-wrong-iss",
)  # fmt: skip
FRONT_CHANNEL = ("frontchannel-logout",)
SESSION = ("session-management",)
FAPI = (
    "happy-path", "happy-path-dpop-nonce", "dpop-scheme-case", "discovery-issuer-mismatch", "invalid-iss",
    "invalid-aud", "invalid-secondary-aud", "invalid-null-alg", "invalid-alternate-alg", "invalid-expired-exp",
    "missing-exp", "missing-aud", "missing-iss", "nonce-invalid", "missing-nonce", "valid-aud-as-array",
    "invalid-authorization-response-iss", "remove-authorization-response-iss", "invalid-state", "missing-state",
    "token-endpoint-response-without-expires_in", "no-scope-in-token-endpoint-response",
    "token-type-case-insensitivity", "jarm",
)  # fmt: skip
OUR_OWN = (
    "idtoken-sig-es256", "idtoken-sig-ps256", "idtoken-sig-eddsa", "idtoken-sig-hs256", "trailing-slash-issuer",
    "invalid-aud-with-azp", "invalid-secondary-aud-with-azp", "nonce-invalid-nonce_supported-false",
    "unadvertised-es256", "unadvertised-hs256", "foreign-key", "jwk-header", "jku-header", "crit-header",
    "encrypted-id-token", "userinfo-missing-sub", "client-secret-post", "client-secret-jwt", "private-key-jwt",
    "client-auth-none", "discovery-issuer-missing", "signing-key-rotation-same-kid", "jwks-unknown-curve",
    "missing-id_token", "missing-access_token", "unadvertised-authorization-response-iss", "token-endpoint-redirect",
    "token-type-unknown", "expired-code", "refresh-token-invalid-aud", "backchannel-logout-no-subject",
    "backchannel-logout-expired", "backchannel-logout-replay", "frontchannel-logout-wrong-iss",
)  # fmt: skip
"""What clients were found to get wrong, beside the suite's modules."""

OUTSIDE = {
    "discovery-webfinger-acct": "the provider has no WebFinger: clients are given its address",
    "discovery-webfinger-url": "the provider has no WebFinger: clients are given its address",
    "dynamic-registration": "clients are registered by PUT /dev/clients, not by RFC 7591",
    "request-uri-signed-rs256": "request objects are not read, and the metadata says so",
    "request-uri-signed-none": "request objects are not read, and the metadata says so",
    "missing-chash": "a code flow has no c_hash, so it is missing always",
    "session-management": "no check_session_iframe, and nobody polls one any more",
    "happy-path-dpop-nonce": "no DPoP",
    "dpop-scheme-case": "no DPoP",
    "jarm": "no JWT-secured authorization responses",
}
PLANS = (BASIC, CONFIG, FORM_POST, DYNAMIC, REFRESH, COMPREHENSIVE, THIRD_PARTY, RP_LOGOUT, BACK_CHANNEL,
         FRONT_CHANNEL, SESSION, FAPI, OUR_OWN)  # fmt: skip
MODULES = sorted({name for plan in PLANS for name in plan})
OVER_TIME = [*IS_ROTATION.args[1], "signing-key-rotation-just-before-signing"]


def test_every_failure_is_expected_somewhere_here():
    assert sorted([*TABLE, *OVER_TIME, *KINDS]) == sorted(FAILURES)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_a_failure_or_explained(module: str):
    assert (module in FAILURES) != (module in OUTSIDE)


def test_no_failure_is_in_no_plan():
    assert set(FAILURES) - set(MODULES) == set(KINDS)
    assert set(OUTSIDE) <= set(MODULES)
