"""What Doorkey is tried with at providers of other people, and what comes of it: the table in docs/providers.md.

    python -m tests.interop.tried           # writes the table into docs/providers.md

Each outcome here is what a test expects, which has the name of the row in its id: test_oidc_provider_sign_ins.py,
test_oidc_provider_after_sign_ins.py, test_oidc_provider_logouts.py, test_django_sign_ins.py. test_tried.py compares
the table with the document.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "providers.md"
BEGIN, END = "<!-- tried: begin -->", "<!-- tried: end -->"

OIDC_PROVIDER = "oidc-provider 9.13.3"
DJANGO = "django-oauth-toolkit 3.4.1"
PROVIDERS = (OIDC_PROVIDER, DJANGO)

SIGNED_IN = "signed in"
WORKS = "works"
KEPT_THERE = "signed out here; the provider shows an error"
PLAIN = (SIGNED_IN, WORKS, KEPT_THERE)
"""Outcomes that are no error codes of Doorkey."""
PARTS = {"after": ("refresh", "revocation"), "logout": ("logout", "back-channel")}
"""How the names of rows begin that are about what comes after a sign-in; all others are about the sign-in itself."""
NOT_THERE = ""
"""Not offered there, or not tried."""


@dataclass(frozen=True)
class Row:
    """`outcomes` are in the order of `PROVIDERS`: signed in, works, an error code of Doorkey, or nothing."""

    name: str
    what: str
    outcomes: tuple[str, str]

    @property
    def part(self) -> str:
        """`sign-in`, or one of `PARTS`."""
        return next((part for part, begins in PARTS.items() if self.name.startswith(begins)), "sign-in")


def _row(name: str, what: str, oidc_provider: str, django: str = NOT_THERE) -> Row:
    return Row(name, what, (oidc_provider, django))


ROWS = (
    _row("discovery", "Metadata and keys found by `ISSUER` alone", WORKS, WORKS),
    _row("oauth-metadata", "Scope without `openid`: metadata from the place of RFC 8414", SIGNED_IN, SIGNED_IN),
    _row("issuer-with-slash", "`ISSUER` with a slash too many", "metadata_invalid", "metadata_invalid"),
    _row("secret-basic", "`client_secret_basic`, a secret that must be encoded", SIGNED_IN, SIGNED_IN),
    _row("secret-post", "`client_secret_post`, such a secret too", SIGNED_IN, SIGNED_IN),
    _row("secret-jwt", "`client_secret_jwt`", SIGNED_IN),
    _row("key-jwt-rsa", "`private_key_jwt` with an RSA key", SIGNED_IN),
    _row("key-jwt-ec", "`private_key_jwt` with a P-256 key", SIGNED_IN),
    _row("key-jwt-ed25519", "`private_key_jwt` with an Ed25519 key", SIGNED_IN),
    _row("public-client", "Public client (`none`)", SIGNED_IN, SIGNED_IN),
    _row("wrong-secret", "Wrong client secret", "token_refused", "token_refused"),
    _row("wrong-key", "`private_key_jwt` with a key that is not registered", "token_refused"),
    _row("pushed", "Pushed request that the client's registration demands (`PUSHED_AUTHORIZATION=always`)", SIGNED_IN),
    _row("pushed-with-key", "The same with `private_key_jwt`", SIGNED_IN),
    _row("pushed-wrong-secret", "The same with a wrong secret", "pushed_request_refused"),
    _row("form-post", "`RESPONSE_MODE=form_post`", SIGNED_IN),
    _row("id-token-rs256", "ID token: RS256", SIGNED_IN, SIGNED_IN),
    _row("id-token-ps256", "ID token: PS256", SIGNED_IN),
    _row("id-token-es256", "ID token: ES256", SIGNED_IN),
    _row("id-token-eddsa", "ID token: EdDSA", SIGNED_IN),
    _row("id-token-ed25519", "ID token: Ed25519 (RFC 9864)", SIGNED_IN),
    _row("id-token-hs256", "ID token: HS256, with `ID_TOKEN_ALGS=HS256`", SIGNED_IN, SIGNED_IN),
    _row("id-token-hs256-not-set", "ID token: HS256, without that setting", "id_token_invalid", "id_token_invalid"),
    _row("id-token-encrypted", "ID token: encrypted", "token_encrypted"),
    _row("user-info", "User info: name, address, groups", SIGNED_IN, SIGNED_IN),
    _row("user-info-signed", "User info: signed", SIGNED_IN),
    _row("resource", "`RESOURCE`: a token for one API, `USERINFO=never`", SIGNED_IN, SIGNED_IN),
    _row("resource-unknown", "`RESOURCE` that the provider does not know", "authorization_refused"),
    _row("max-age", "`max_age`, and `auth_time` in the ID token", SIGNED_IN, SIGNED_IN),
    _row(
        "max-age-over",
        "`max_age`, which the provider ignores, and a session there that is older",
        NOT_THERE,
        "id_token_invalid",
    ),
    _row("acr-met", "`acr_values` that the person meets", SIGNED_IN),
    _row("acr-not-met", "`acr_values` that the person does not meet", "id_token_invalid"),
    _row("prompt-none", "`prompt=none` with a session there", SIGNED_IN),
    _row("prompt-none-nobody", "`prompt=none` without one", "authorization_refused", "issuer_mismatch"),
    _row("prompt-none-no-iss", "The same, without RFC 9207 at the provider", NOT_THERE, "authorization_refused"),
    _row("denied", "Denied by the person", "access_denied", "issuer_mismatch"),
    _row("denied-no-iss", "The same, without RFC 9207 at the provider", NOT_THERE, "access_denied"),
    _row("new-keys", "New signing keys between two sign-ins", SIGNED_IN),
    _row("refresh", "Refresh: new tokens, the new ID token checked", WORKS, WORKS),
    _row("refresh-reused", "Refresh with a token that was used before", "token_refused", "token_refused"),
    _row("refresh-with-key", "Refresh with `private_key_jwt`", WORKS),
    _row("refresh-new-keys", "Refresh after the signing keys changed", WORKS),
    _row("revocation", "Sign-out revokes the refresh token", WORKS),
    _row(
        "revocation-endpoint",
        "The same, with `REVOCATION_ENDPOINT`, which its OpenID metadata leaves out",
        NOT_THERE,
        WORKS,
    ),
    _row("revocation-access-token", "Sign-out revokes the access token where there is no other", WORKS),
    _row("logout", "Sign-out leads there, ends that session too, and back to `/logged-out`", WORKS, WORKS),
    _row("logout-over", "The same, when the session there is over already", WORKS, KEPT_THERE),
    _row("logout-clients", "The same, for other kinds of clients and ID tokens", WORKS, WORKS),
    _row("logout-after-refresh", "The same, after a refresh", WORKS, WORKS),
    _row("logout-new-keys", "The same, after the signing keys changed", KEPT_THERE),
    _row("logout-unregistered", "The same, back to an address that is not registered there", KEPT_THERE, KEPT_THERE),
    _row("logout-never", "`END_SESSION=never`: sign-out stays here", WORKS, WORKS),
    _row("back-channel-sid", "Back-channel logout by session: that browser is signed out here, another is not", WORKS),
    _row("back-channel-sub", "Back-channel logout by user: all browsers are", WORKS),
    _row("back-channel-other", "Sign-out of one application signs out of another", WORKS),
    _row("back-channel-algs", "Logout token: PS256, ES256, EdDSA, Ed25519, HS256", WORKS),
    _row("back-channel-new-process", "Logout token at a new process, which has no keys yet", WORKS),
    _row(
        "back-channel-new-keys", "Logout token after the signing keys changed: 400, then signed out all the same", WORKS
    ),
    _row("back-channel-off", "`BACKCHANNEL_LOGOUT=off`: the session goes on", WORKS),
)


def expected(provider: str, *parts: str) -> dict[str, str]:
    """The outcomes at `provider` by the names of the rows of `parts`, those that were tried there."""
    column = PROVIDERS.index(provider)
    rows = [row for row in ROWS if row.part in parts]
    return {row.name: row.outcomes[column] for row in rows if row.outcomes[column]}


def table() -> str:
    """The rows in Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield f"| | {' | '.join(PROVIDERS)} |"
    yield "|---|" + "---|" * len(PROVIDERS)
    for row in ROWS:
        yield f"| {row.what} | {' | '.join(_shown(outcome) for outcome in row.outcomes)} |"


def _shown(outcome: str) -> str:
    if outcome in PLAIN:
        return outcome
    return f"refused: `{outcome}`" if outcome else "–"


def documented(text: str) -> str:
    """What stands between the two marks in `text`."""
    assert text.count(BEGIN) == text.count(END) == 1
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def updated(text: str) -> str:
    """`text` with the table of today between the two marks."""
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
