"""The authorization code flow (RFC 6749 section 4.1, RFC 7636, RFC 9700) without Flask.

    begin()           -> where to send the browser, and the transaction it must bring back
    read_state()      -> which transaction a callback belongs to
    check_callback()  -> a CheckedCallback: the only thing finish() takes
    finish()          -> who signed in, with which token

The steps never call one another: web/login.py decides what happens next, seals the
transaction into the browser's cookie, and marks it used between read_state() and
check_callback(), so that a state is spent once whatever it came with.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from doorkey.base64url import encode
from doorkey.clock import Clock, RandomBytes
from doorkey.errors import AccessDenied, AuthorizationRefused, CallbackMalformed, IssuerMismatch, StateMismatch
from doorkey.events import clean_text, fingerprint
from doorkey.oauth.http import LOGIN_CALL_SECONDS, Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.token import Token
from doorkey.oauth.token_endpoint import exchange_code
from doorkey.oauth.trace import Trace
from doorkey.oauth.user_info import Identity, identify

LOGIN_SECONDS = 600
"""How long a person may take at the provider."""

Params = Callable[[str], Sequence[str]]
"""All values of one callback parameter, such as `request.args.getlist`."""


class Transaction(msgspec.Struct, frozen=True, array_like=True):
    """What must come back with the code. Lives only in the browser, sealed; 32 random bytes each."""

    provider: str
    verifier: bytes
    nonce: bytes
    redirect_uri: str
    scope: tuple[str, ...]
    return_to: str
    began_at: float

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
    identity: Identity
    token: Token


def begin(
    provider: Provider,
    *,
    redirect_uri: str,
    return_to: str,
    transport: Transport,
    now: float,
    random: RandomBytes,
) -> Begun:
    """A fresh state, verifier and nonce, and the authorization URL that carries the first two."""
    state = encode(random(32))
    transaction = Transaction(
        provider=provider.id,
        verifier=random(32),
        nonce=random(32) if "openid" in provider.scope else b"",
        redirect_uri=redirect_uri,
        scope=provider.scope,
        return_to=return_to,
        began_at=now,
    )
    extra = dict(provider.authorization_params)
    if transaction.nonce:
        extra["nonce"] = encode(transaction.nonce)
    session = transport.oauth_session(
        client_id=provider.client_id,
        redirect_uri=redirect_uri,
        scope=" ".join(provider.scope) or None,
        code_challenge_method="S256",
    )
    verifier = encode(transaction.verifier) if provider.pkce else None
    url, _ = session.create_authorization_url(
        provider.authorization_endpoint, state=state, code_verifier=verifier, **extra
    )
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
        wrong_issuer = len(issuers) > 1 or (provider.issuer and issuers and issuers[0] != provider.issuer)
        if not step.check("iss is the provider's", IssuerMismatch.rfc, not wrong_issuer):
            raise IssuerMismatch(f"iss is {clean_text(issuers)}")
        if errors and (len(errors) > 1 or codes):
            step.check("either error or code", CallbackMalformed.rfc, False)
            raise CallbackMalformed(f"{len(errors)} errors and {len(codes)} codes")
        if errors:
            raise _refusal(params)
        if not step.check("exactly one code", CallbackMalformed.rfc, len(codes) == 1 and codes[0] != ""):
            raise CallbackMalformed(f"{len(codes)} codes")
        step.received["code"] = fingerprint(codes[0])
        return CheckedCallback(provider, transaction, codes[0])


def _refusal(params: Params) -> AccessDenied | AuthorizationRefused:
    words = {n: clean_text(params(n)[0]) for n in ("error", "error_description") if params(n)}
    kind = AccessDenied if words["error"] == "access_denied" else AuthorizationRefused
    return kind(words["error"], provider_error=words)


def finish(checked: CheckedCallback, *, transport: Transport, trace: Trace, clock: Clock) -> SignedIn:
    """Exchange the code and ask who signed in, within ten seconds. Raises `ProviderError`."""
    transport = transport.within(LOGIN_CALL_SECONDS)
    token = exchange_code(
        checked.provider,
        code=checked.code,
        redirect_uri=checked.transaction.redirect_uri,
        verifier=encode(checked.transaction.verifier),
        scope_asked=checked.transaction.scope,
        transport=transport,
        trace=trace,
        clock=clock,
    )
    return SignedIn(identify(checked.provider, token, transport, trace), token)
