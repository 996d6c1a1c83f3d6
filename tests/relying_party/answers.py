"""The table: for each failure of the development provider what Doorkey makes of it, and what it asked for that.

`SIGN_INS` are failures within a sign-in, some of them under several settings; `AT_THE_PROVIDER` those that keep the
browser there; `REFRESHES` meet a token that is renewed; `WAYS_BACK`, `LOGOUT_TOKENS` and `FRAMES` are about sign-outs;
`ELSEWHERE` is a sign-in that begins at the provider; `CONNECTION` is what happens to the connection of each endpoint.
test_names_of_failures.py holds that nothing is left out. Written from the specifications and docs/errors.md, not from
what Doorkey happened to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Asked = tuple[str, ...]
"""The endpoints of the provider in the order in which they were asked."""

AT_METADATA: Asked = ("metadata",)
AT_CALLBACK: Asked = ("metadata", "authorize")
AT_TOKEN: Asked = (*AT_CALLBACK, "token")
AT_KEYS: Asked = (*AT_TOKEN, "jwks")
AT_USER_INFO: Asked = (*AT_KEYS, "userinfo")
"""Everything that a sign-in asks when nothing is known yet."""

KNOWN: Asked = ("authorize", "token", "userinfo")
"""And when metadata and keys are."""
NEW_KEYS: Asked = ("authorize", "token", "jwks", "userinfo")

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass(frozen=True)
class Case:
    """One failure under `op`, settings of the provider. `problem` is status, code and step; None: signed in.

    `asked` is for a Doorkey that knows nothing yet, `again` for a second sign-in that meets the same failure.
    `spent`: the state was, so its cookie is gone. `at` is where the browser gets its answer.
    """

    name: str
    asked: Asked
    problem: tuple[int, str, str] | None = None
    again: Asked = KNOWN
    op: Mapping[str, str] = field(default_factory=dict)
    spent: bool = True
    at: str = "callback"

    @property
    def label(self) -> str:
        """For the name of a test; the setting that matters is the first."""
        return " ".join([self.name, *(f"{name}={value}" for name, value in list(self.op.items())[:1])])


def _refused(code: str, step: str, asked: Asked, *names: str, status: int = 502) -> list[Case]:
    return [Case(name, asked, (status, code, step)) for name in names]


def _signed_in(*names: str) -> list[Case]:
    return [Case(name, AT_USER_INFO) for name in names]


ID_TOKENS = (
    *_refused(
        "id_token_invalid", "ID token", AT_KEYS,
        "invalid-iss", "missing-iss", "missing-sub", "invalid-aud", "invalid-aud-with-azp", "missing-aud",
        "invalid-secondary-aud", "invalid-secondary-aud-with-azp", "missing-iat", "missing-exp",
        "invalid-expired-exp", "nonce-invalid", "nonce-invalid-nonce_supported-false", "missing-nonce",
        "invalid-athash",
    ),
    # The header says enough: nobody's keys are asked for.
    *_refused(
        "id_token_invalid", "ID token", AT_TOKEN,
        "invalid-sig-hs256", "invalid-null-alg", "invalid-alternate-alg", "unadvertised-es256", "unadvertised-hs256",
        "idtoken-sig-none", "idtoken-sig-hs256", "crit-header",
    ),
    *_refused("token_encrypted", "ID token", AT_TOKEN, "encrypted-id-token"),
    *_refused(
        "signature_invalid", "ID token", AT_KEYS,
        "invalid-sig-rs256", "invalid-sig-es256", "foreign-key", "jwk-header", "jku-header",
    ),
    *_signed_in(
        "valid-aud-as-array", "missing-athash", "invalid-chash", "idtoken-sig-rs256", "idtoken-sig-es256",
        "idtoken-sig-ps256", "idtoken-sig-eddsa", "kid-absent-single-jwks", "kid-absent-multiple-jwks",
        "jwks-unknown-curve",
    ),
    # The secret alone checks the signature, so the keys are of no interest.
    Case("idtoken-sig-hs256", (*AT_TOKEN, "userinfo"), op={"ID_TOKEN_ALGS": "HS256"}),
    Case("signing-key-rotation", AT_USER_INFO, again=NEW_KEYS),
    Case("signing-key-rotation-just-before-signing", AT_USER_INFO, again=NEW_KEYS),
    Case("signing-key-rotation-same-kid", AT_USER_INFO, again=NEW_KEYS),
)  # fmt: skip

FORM_POST = {"RESPONSE_MODE": "form_post"}
AUTHORIZE = (
    Case("invalid-state", AT_CALLBACK, (400, "state_mismatch", "callback"), spent=False),
    Case("missing-state", AT_CALLBACK, (400, "state_mismatch", "callback"), spent=False),
    *_refused(
        "issuer_mismatch", "callback", AT_CALLBACK,
        "invalid-authorization-response-iss", "remove-authorization-response-iss",
        "unadvertised-authorization-response-iss",
        status=400,
    ),
    # Where no form is expected, none is taken, and the sign-in can still be finished.
    Case("form-post", AT_CALLBACK, (405, "method_not_allowed", ""), spent=False),
    Case("form-post-error", AT_CALLBACK, (405, "method_not_allowed", ""), spent=False),
    Case("form-post", AT_USER_INFO, op=FORM_POST),
    Case("form-post-error", AT_CALLBACK, (502, "authorization_refused", "callback"), op=FORM_POST),
    *_signed_in("scope-userinfo-claims"),
)  # fmt: skip

CLIENT_AUTH: Mapping[str, Mapping[str, str]] = {
    "client-secret-post": {"CLIENT_AUTH": "client_secret_post"},
    "client-secret-jwt": {"CLIENT_AUTH": "client_secret_jwt"},
    "private-key-jwt": {"CLIENT_AUTH": "private_key_jwt", "PRIVATE_KEY": PEM},
    "client-auth-none": {"CLIENT_AUTH": "none"},
}
"""What an operator sets for a provider that takes nothing else."""

TOKEN = (
    *_signed_in(
        "happy-path", "no-scope-in-token-endpoint-response", "token-endpoint-response-without-expires_in",
        "token-type-case-insensitivity", "client-secret-basic",
    ),
    *_refused(
        "token_response_invalid", "token response", AT_TOKEN,
        "token-type-unknown", "missing-access_token", "token-endpoint-redirect",
    ),
    *_refused("id_token_missing", "ID token", AT_TOKEN, "missing-id_token"),
    *_refused("token_refused", "token request", AT_TOKEN, "expired-code", *CLIENT_AUTH),
    *(Case(name, AT_USER_INFO, op=op) for name, op in CLIENT_AUTH.items()),
)  # fmt: skip

USER_INFO = (
    *_refused("subject_mismatch", "user info", AT_USER_INFO, "userinfo-invalid-sub", "userinfo-missing-sub"),
    *_refused("userinfo_invalid", "user info", AT_USER_INFO, "userinfo-bearer-body"),
    *_signed_in("userinfo-signed", "userinfo-bearer-header", "aggregated-claims", "distributed-claims"),
)

_NOT_ITSELF = (502, "metadata_invalid", "metadata")
METADATA = (
    *(
        Case(name, AT_METADATA, _NOT_ITSELF, at="login")
        for name in ("discovery-issuer-mismatch", "discovery-issuer-missing", "trailing-slash-issuer")
    ),
    Case("trailing-slash-issuer", AT_USER_INFO, op={"ISSUER": "http://127.0.0.1:9000/"}),
    *_signed_in("discovery-jwks-uri-keys", "mtls-aliases"),
)

SIGN_INS = (*ID_TOKENS, *AUTHORIZE, *TOKEN, *USER_INFO, *METADATA)
REFUSED = tuple(case for case in SIGN_INS if case.problem)
ACCEPTED = tuple(case for case in SIGN_INS if not case.problem)

AT_THE_PROVIDER: Mapping[str, Asked] = {"discovery-openid-config": AT_CALLBACK}
"""The browser is refused there and never comes back; a Doorkey that asked the provider anything else would show."""

REFRESHES: Mapping[str, str] = {
    "refresh": "",
    "refresh-token-invalid-issuer": "iss",
    "refresh-token-invalid-sub": "sub",
    "refresh-token-invalid-aud": "aud",
}
"""The claim of the refreshed ID token that is refused."""

GARBLED, LATE, LARGE = (502, "provider_error"), (504, "provider_unreachable"), (502, "response_too_large")


@dataclass(frozen=True)
class Wire:
    """What the browser sees when the connection of one endpoint fails: at `step`, with `code` for a senseless answer.

    `answered_at` is the step for an answer that came whole, where that is another one.
    """

    asked: Asked
    step: str
    code: str
    answered_at: str = ""
    op: Mapping[str, str] = field(default_factory=dict)

    def problem(self, failure: str) -> tuple[int, str, str]:
        if failure in ("status", "garbage"):
            return 502, self.code, self.answered_at or self.step
        return *CONNECTION[failure], self.step


CONNECTION: Mapping[str, tuple[int, str]] = {
    "status": (502, "the endpoint's own"),
    "garbage": (502, "the endpoint's own"),
    "delay": LATE,
    "drip": LATE,
    "truncated": GARBLED,
    "closed": GARBLED,
    "huge": LARGE,
}

ENDPOINTS: Mapping[str, Wire] = {
    "metadata": Wire(AT_METADATA, "metadata", "metadata_invalid"),
    "par": Wire(
        (*AT_METADATA, "par"), "pushed request", "pushed_request_refused", op={"PUSHED_AUTHORIZATION": "always"}
    ),
    "token": Wire(AT_TOKEN, "token request", "token_response_invalid", "token response"),
    "jwks": Wire(AT_KEYS, "keys", "jwks_invalid"),
    "userinfo": Wire(AT_USER_INFO, "user info", "userinfo_invalid"),
}

WAYS_BACK: Mapping[str, bool] = {
    "rp-init-logout": True,
    "rp-init-logout-other-state": False,
    "rp-init-logout-no-state": False,
}
"""Whether the page at the end of a sign-out says that the provider was told; it is a calm page in any case."""

LOGOUT_TOKENS: Mapping[str, str] = {
    "backchannel-logout": "",
    "backchannel-logout-alg-none": "not accepted",
    "backchannel-logout-no-event": r"\(events\)",
    "backchannel-logout-wrong-event": r"\(events\)",
    "backchannel-logout-nonce": r"\(nonce\)",
    "backchannel-logout-wrong-alg": "in another way",
    "backchannel-logout-wrong-aud": r"\(aud\)",
    "backchannel-logout-wrong-iss": r"\(iss\)",
    "backchannel-logout-no-subject": r"\(sub or sid\)",
    "backchannel-logout-expired": r"\(exp\)",
    "backchannel-logout-replay": "",
}
"""What the refusal of a logout token says; "": it ends the sessions that it names."""

FRAMES: Mapping[str, bool] = {"frontchannel-logout": True, "frontchannel-logout-wrong-iss": False}
"""Whether the frame in the provider's page ends the session that it names."""

ELSEWHERE: Mapping[str, Asked] = {"3rd-party-init-login": (*AT_CALLBACK, "authorize", "token", "jwks", "userinfo")}
"""The provider sends the browser to /login, which sends it back; the second time it is let in."""
