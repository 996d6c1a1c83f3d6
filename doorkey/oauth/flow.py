"""The authorization code flow (RFC 6749 section 4.1, RFC 7636, RFC 9700) without Flask.

    begin()           -> where to send the browser, and the transaction it must bring back
    read_state()      -> which transaction a callback belongs to
    check_callback()  -> a CheckedCallback: the only thing finish() takes
    finish()          -> who signed in, with which token
    renew()           -> a newer token for the same person, later

The steps never call one another: web/login.py decides what happens next, seals the
transaction into the browser's cookie, and marks it used between read_state() and
check_callback(), so that a state is spent once whatever it came with.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from doorkey.base64url import encode
from doorkey.clock import Clock, RandomBytes
from doorkey.errors import (
    AccessDenied,
    AuthorizationRefused,
    CallbackMalformed,
    IdTokenMissing,
    IssuerMismatch,
    StateMismatch,
)
from doorkey.events import clean_text, fingerprint
from doorkey.oauth.authorization import authorization_url, push
from doorkey.oauth.documents import Documents
from doorkey.oauth.http import LOGIN_CALL_SECONDS, Transport
from doorkey.oauth.id_token import ID_TOKEN, REFRESHED_ID_TOKEN, Expected, Kind, is_subject, validate
from doorkey.oauth.jws import unchecked_claims
from doorkey.oauth.keys import KeptKeys, KeySet, KeySource
from doorkey.oauth.provider import Provider
from doorkey.oauth.token import Token
from doorkey.oauth.token_endpoint import exchange_code, refresh
from doorkey.oauth.trace import Trace
from doorkey.oauth.user_info import Identity, identify

LOGIN_SECONDS = 600
"""How long a person may take at the provider."""

Params = Callable[[str], Sequence[str]]
"""All values of one callback parameter, such as `request.args.getlist`."""


class Transaction(msgspec.Struct, frozen=True, array_like=True):
    """What must come back with the code. Lives only in the browser, sealed; 32 random bytes each.

    `gate`: what the gate wants to know again after the sign-in; nothing else reads it.
    """

    provider: str
    verifier: bytes
    nonce: bytes
    redirect_uri: str
    scope: tuple[str, ...]
    return_to: str
    began_at: float
    gate: bytes = b""

    def is_live(self, now: float) -> bool:
        return self.began_at - 60 <= now < self.began_at + LOGIN_SECONDS


@dataclass(frozen=True)
class Begun:
    """`url` is where the browser goes; `state` names `transaction` on the way back."""

    url: str
    state: str
    transaction: Transaction


@dataclass(frozen=True)
class CheckedCallback:
    """A callback that passed every check; made by `check_callback()` only."""

    provider: Provider
    transaction: Transaction
    code: str


@dataclass(frozen=True)
class SignedIn:
    """`sid` is the provider's name of its own session, for signing out there; "" when it does not tell."""

    identity: Identity
    token: Token
    sid: str = ""


@dataclass(frozen=True)
class Checks:
    """What signed tokens are checked with: the provider's keys, the time, and how far clocks may differ."""

    keys: Documents[KeySet]
    clock: Clock
    leeway: float

    def source(self, provider: Provider, transport: Transport) -> KeySource | None:
        return KeySource(self.keys, provider.jwks_uri, transport) if provider.jwks_uri else None

    def kept(self, provider: Provider) -> KeptKeys | None:
        """The keys that are there already."""
        return KeptKeys(self.keys, provider.jwks_uri) if provider.jwks_uri else None


def begin(
    provider: Provider,
    *,
    redirect_uri: str,
    return_to: str,
    transport: Transport,
    trace: Trace,
    clock: Clock,
    random: RandomBytes,
    hints: Mapping[str, str] | None = None,
    gate: bytes = b"",
) -> Begun:
    """A fresh state, verifier and nonce, and the authorization URL that carries them or stands for them.

    `hints` are parameters for this sign-in only, such as `login_hint`. Raises `PushedRequestRefused`
    or another `ProviderError` where the request is pushed.
    """
    state = encode(random(32))
    transaction = Transaction(
        provider=provider.id,
        verifier=random(32),
        nonce=random(32) if provider.is_openid else b"",
        redirect_uri=redirect_uri,
        scope=provider.scope,
        return_to=return_to,
        began_at=clock(),
        gate=gate,
    )
    url = authorization_url(
        provider,
        state=state,
        verifier=transaction.verifier,
        nonce=transaction.nonce,
        redirect_uri=redirect_uri,
        hints=hints or {},
        transport=transport,
    )
    if provider.push:
        url = push(provider, url, transport=transport, clock=clock, trace=trace)
    return Begun(url, state, transaction)


def state_name(state: str) -> str:
    """A name for the transaction of `state` that does not tell the state itself."""
    return hashlib.sha256(b"doorkey login " + state.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_state(params: Params) -> str:
    """The one state of a callback. Raises `StateMismatch` for none, an empty one, or several."""
    states = params("state")
    if len(states) != 1 or not 0 < len(states[0]) <= 512:
        raise StateMismatch(f"{len(states)} state parameters")
    return states[0]


def check_callback(provider: Provider, transaction: Transaction, params: Params, trace: Trace) -> CheckedCallback:
    """Look at `iss`, then `error`, then `code`, in this order; the state has been spent already.

    Raises `IssuerMismatch` (RFC 9207), `AccessDenied` or `AuthorizationRefused` (RFC 6749
    section 4.1.2.1), or `CallbackMalformed`.
    """
    with trace.step("callback") as step:
        step.received = {name: len(params(name)) for name in ("code", "error", "iss", "state")}
        issuers, errors, codes = params("iss"), params("error"), params("code")
        if not step.check("iss is the provider's", IssuerMismatch.rfc, _is_from(provider, issuers)):
            raise IssuerMismatch(f"iss is {clean_text(issuers)}") if issuers else _nameless()
        if errors and (len(errors) > 1 or codes):
            step.check("either error or code", CallbackMalformed.rfc, False)
            raise CallbackMalformed(f"{len(errors)} errors and {len(codes)} codes")
        if errors:
            raise _refusal(params)
        if not step.check("exactly one code", CallbackMalformed.rfc, len(codes) == 1 and codes[0] != ""):
            raise CallbackMalformed(f"{len(codes)} codes")
        step.received["code"] = fingerprint(codes[0])
        return CheckedCallback(provider, transaction, codes[0])


def _nameless() -> IssuerMismatch:
    return IssuerMismatch(
        "iss is missing although it was promised",
        message="The provider's answer does not say whose it is, although the provider promised that.",
        hint="Look for a setting there that leaves iss (the issuer) out of answers to this client, and switch it off.",
    )


def _is_from(provider: Provider, issuers: Sequence[str]) -> bool:
    """At most one `iss`; equal to the issuer when that is known; there when the provider promised it."""
    if not issuers:
        return not provider.iss_promised
    return len(issuers) == 1 and (not provider.issuer or issuers[0] == provider.issuer)


HINTS = {
    "login_required": "The provider wanted to ask you something and was told not to. Sign in again.",
    "interaction_required": "The provider wanted to ask you something and was told not to. Sign in again.",
    "consent_required": "The provider wanted to ask you something and was told not to. Sign in again.",
    "account_selection_required": "The provider wanted to ask you something and was told not to. Sign in again.",
    "invalid_scope": "A scope that Doorkey asks for is not registered there for this client.",
    "unauthorized_client": "The client is not allowed to sign people in there; its registration needs a look.",
    "temporarily_unavailable": "The provider is busy. Try again in a moment.",
    "server_error": "The provider has a problem of its own. Try again later.",
    "invalid_target": "The provider does not know what RESOURCE asks for.",
}
"""RFC 6749 section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6, RFC 8707 section 2."""


def _refusal(params: Params) -> AccessDenied | AuthorizationRefused:
    words = {n: clean_text(params(n)[0]) for n in ("error", "error_description") if params(n)}
    kind = AccessDenied if words["error"] == "access_denied" else AuthorizationRefused
    return kind(words["error"], provider_error=words, hint=HINTS.get(words["error"]))


def finish(checked: CheckedCallback, *, checks: Checks, transport: Transport, trace: Trace) -> SignedIn:
    """Exchange the code, check the ID token and ask who signed in, within ten seconds. Raises `ProviderError`."""
    provider, transaction = checked.provider, checked.transaction
    transport = transport.within(LOGIN_CALL_SECONDS)
    token = exchange_code(
        provider,
        code=checked.code,
        redirect_uri=transaction.redirect_uri,
        verifier=encode(transaction.verifier),
        scope_asked=transaction.scope,
        transport=transport,
        trace=trace,
        clock=checks.clock,
    )
    expected = Expected(
        provider=provider,
        now=checks.clock(),
        leeway=checks.leeway,
        nonce=encode(transaction.nonce),
        access_token=token.access_token,
    )
    keys = checks.source(provider, transport)
    claims: Mapping[str, Any] = {}
    if transaction.nonce:
        claims = _checked_claims(ID_TOKEN, token, expected, keys, trace)
    elif token.id_token:  # nobody asked for it, so nothing is known to check it against
        token = msgspec.structs.replace(token, id_token=None)
    identity = identify(expected, token, claims, keys=keys, transport=transport, trace=trace)
    sid = claims.get("sid")
    return SignedIn(identity, token, sid if is_subject(sid) else "")


def _checked_claims(
    kind: Kind, token: Token, expected: Expected, keys: KeySource | None, trace: Trace
) -> Mapping[str, Any]:
    with trace.step(kind.step) as step:
        if not step.check("there is an ID token", IdTokenMissing.rfc, bool(token.id_token)):
            raise IdTokenMissing()
        return validate(kind, token.id_token or "", expected, keys, step).claims


def renew(provider: Provider, token: Token, *, checks: Checks, transport: Transport, trace: Trace) -> Token:
    """A newer token for the same person, within ten seconds; a new ID token must agree with the first one.

    Raises `TokenRefused`, `IdTokenInvalid` or another `ProviderError`; then `token` is all there is.
    """
    transport = transport.within(LOGIN_CALL_SECONDS)
    newer = refresh(provider, token, transport=transport, trace=trace, clock=checks.clock)
    if not token.id_token:
        return msgspec.structs.replace(newer, id_token=None)
    if newer.id_token != token.id_token:
        expected = Expected(
            provider=provider,
            now=checks.clock(),
            leeway=checks.leeway,
            access_token=newer.access_token,
            first=unchecked_claims(token.id_token),
        )
        _checked_claims(REFRESHED_ID_TOKEN, newer, expected, checks.source(provider, transport), trace)
    return newer
