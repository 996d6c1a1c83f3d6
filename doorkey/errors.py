"""Everything that can go wrong, with a stable code and words for people.

    DoorkeyError
    ├── SettingsError                        the start is refused
    ├── CallbackError                        400, the way back from the provider is wrong
    │   ├── StateMismatch  LoginAlreadyUsed  CallbackMalformed  IssuerMismatch
    ├── RequestRefused                       this request, for reasons of its own
    │   ├── ForeignHost  UnknownProvider  ForgedRequest  TooManyRequests  LogoutTokenInvalid  SessionOver
    │   ├── LoginRequired  BearerInvalid  NotAllowed  UntrustedProxy  GateMisconfigured  AcceptInvalid
    ├── ProviderError                        the other party
    │   ├── AccessDenied                     403, it (or the person) said no
    │   ├── AuthorizationRefused  PushedRequestRefused             502
    │   ├── MetadataInvalid  KeysInvalid  ResponseTooLarge
    │   ├── TokenRefused  TokenResponseInvalid
    │   ├── IdTokenMissing  IdTokenInvalid  SignatureInvalid  TokenEncrypted
    │   ├── UserInfoInvalid  SubjectMismatch
    │   └── ProviderUnreachable              504
    └── StoreUnavailable                     503 with Retry-After

`message` and `hint` are shown; `detail` goes to the log only. Neither may ever hold a code,
a token, a secret or a cookie. `web/problems.py` is the one place that renders these.
"""

from collections.abc import Mapping, Sequence


class DoorkeyError(Exception):
    """Base of all: `code`, `status`, `message`, `hint`, `step` and `rfc` are class data."""

    code = "internal_error"
    status = 500
    message = "Something went wrong inside Doorkey."
    hint = "Try again. If it stays, give the request id to whoever runs this service."
    step = ""
    rfc = ""
    retry_after: int | None = None

    def __init__(
        self,
        detail: str = "",
        *,
        message: str | None = None,
        hint: str | None = None,
        step: str | None = None,
        provider_error: Mapping[str, str] | None = None,
    ):
        """`detail` is for the log; `provider_error` is the provider's own text, already cleaned.

        `message`, `hint` and `step` replace those of the class where more is known.
        """
        super().__init__(detail or self.message)
        self.detail = detail
        self.provider_error = dict(provider_error) if provider_error else None
        if message is not None:
            self.message = message
        if hint is not None:
            self.hint = hint
        if step is not None:
            self.step = step


class SettingsError(DoorkeyError):
    """The configuration has mistakes; `problems` lists all of them."""

    code = "settings_invalid"
    message = "Doorkey cannot start with these settings."
    hint = "config.example.env lists every setting with its default."

    def __init__(self, problems: Sequence[str]):
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class CallbackError(DoorkeyError):
    """The request at the callback cannot be the end of a sign-in that began here."""

    code = "callback_invalid"
    status = 400
    step = "callback"
    message = "The answer from the provider cannot be used."
    hint = "Start again from the sign-in page."
    rfc = "RFC 6749 section 4.1.2"


class StateMismatch(CallbackError):
    code = "state_mismatch"
    message = "This sign-in did not start in this browser, is over already, or took longer than ten minutes."
    hint = "Start again from the sign-in page, in this browser, and allow its cookies."
    rfc = "RFC 6749 section 10.12"


class LoginAlreadyUsed(CallbackError):
    code = "login_already_used"
    message = "This sign-in was already completed."
    hint = "Go to the home page: you are probably signed in. Otherwise start again."
    rfc = "RFC 6749 section 10.5"


class CallbackMalformed(CallbackError):
    code = "callback_malformed"
    message = "The provider's answer is incomplete or contradicts itself."


class IssuerMismatch(CallbackError):
    code = "issuer_mismatch"
    message = "The answer comes from another provider than the one you were sent to."
    hint = "Start again. If it stays, compare the configured issuer with the provider's own."
    rfc = "RFC 9207 section 2.4"


class RequestRefused(DoorkeyError):
    """A request that Doorkey does not serve."""

    code = "request_refused"
    status = 400
    message = "Doorkey does not answer this request."
    hint = "Start again from the home page."


class ForeignHost(RequestRefused):
    code = "foreign_host"
    message = "Doorkey is not served under this host name."
    hint = "Open it under its public URL (DOORKEY_PUBLIC_URL)."


class LogoutTokenInvalid(RequestRefused):
    code = "logout_token_invalid"
    step = "logout token"
    message = "The provider's logout token is not acceptable."
    hint = "Nobody was signed out by it. Check the issuer and the client id on both sides."
    rfc = "OpenID Connect Back-Channel Logout 1.0 section 2.6"


class SessionOver(RequestRefused):
    code = "session_over"
    status = 403
    step = "callback"
    message = "The provider signed you out while you were signing in."
    hint = "Sign in again."
    rfc = "OpenID Connect Back-Channel Logout 1.0 section 2.7"


class LoginRequired(RequestRefused):
    code = "login_required"
    status = 401
    message = "This needs somebody who is signed in."
    hint = "Open it in a browser, or send a bearer token that is accepted here."


class BearerInvalid(LoginRequired):
    code = "invalid_token"
    message = "The bearer token is not accepted here: it is unknown, over, or made for somebody else."
    rfc = "RFC 6750 section 3.1"


class NotAllowed(RequestRefused):
    code = "not_allowed"
    status = 403
    message = "You are signed in, and may not open this."
    hint = "Ask whoever runs this service, or sign in with another account."


class UntrustedProxy(RequestRefused):
    code = "untrusted_proxy"
    status = 403
    message = "Only a reverse proxy that Doorkey trusts may ask this."
    hint = "Add the proxy's address to DOORKEY_TRUSTED_PROXIES, or let it send DOORKEY_PROXY_SECRET."


class GateMisconfigured(RequestRefused):
    code = "bad_gateway_config"
    message = "The reverse proxy did not say clearly what was asked for."
    hint = "Compare its configuration with what doorkey proxy-config prints."


class AcceptInvalid(RequestRefused):
    code = "accept_invalid"
    message = "This link was used already, or is too old."
    hint = "Open the page again that you wanted to see."


class UnknownProvider(RequestRefused):
    code = "unknown_provider"
    status = 404
    message = "There is no such provider here."
    hint = "Choose one of the providers on the sign-in page."


class ForgedRequest(RequestRefused):
    code = "forged_request"
    status = 403
    message = "This request did not come from a Doorkey page in this browser."
    hint = "Go back to the page, reload it and try again."


class TooManyRequests(RequestRefused):
    code = "too_many_requests"
    status = 429
    message = "Too many sign-ins from your address in a short time."
    hint = "Wait a minute, then try again."
    retry_after = 60


class ProviderError(DoorkeyError):
    """The provider said no, answered nonsense, or did not answer."""

    code = "provider_error"
    status = 502
    message = "The provider's answer cannot be used."
    hint = "Try again later. If it stays, the provider or its settings here need a look."


class AccessDenied(ProviderError):
    code = "access_denied"
    status = 403
    step = "callback"
    message = "Access was denied at the provider."
    hint = "If you pressed “deny” by mistake, sign in again and allow access."
    rfc = "RFC 6749 section 4.1.2.1"


class AuthorizationRefused(ProviderError):
    code = "authorization_refused"
    step = "callback"
    message = "The provider refused to start this sign-in."
    hint = "Usually the client id, the scope or the redirect URI is not registered there."
    rfc = "RFC 6749 section 4.1.2.1"


class PushedRequestRefused(ProviderError):
    code = "pushed_request_refused"
    step = "pushed request"
    message = "The provider refused the request for this sign-in, which was sent to it directly."
    hint = "Usually the client secret, the client authentication method, the scope or the redirect URI is wrong."
    rfc = "RFC 9126 section 2.3"


class MetadataInvalid(ProviderError):
    code = "metadata_invalid"
    step = "metadata"
    message = "The provider's description of itself cannot be used."
    hint = "Compare the configured issuer with the provider's own, character by character; a slash at the end counts."
    rfc = "OpenID Connect Discovery 1.0 section 4.3"
    absent = False
    """True when there was no document at all, only a status that says so."""
    contradicts = False
    """True when it is the document of another issuer."""


class KeysInvalid(ProviderError):
    code = "jwks_invalid"
    step = "keys"
    message = "The provider's keys cannot be read."
    hint = "Check the address of the keys (jwks_uri): its answer must be a JSON Web Key Set."
    rfc = "RFC 7517 section 5"


class TokenRefused(ProviderError):
    code = "token_refused"
    step = "token request"
    message = "The provider refused to exchange the code for a token."
    hint = (
        "Usually the client secret, the client authentication method or the registered "
        "redirect URI is wrong, or the code was used or too old."
    )
    rfc = "RFC 6749 section 5.2"


class TokenResponseInvalid(ProviderError):
    code = "token_response_invalid"
    step = "token response"
    message = "The provider's token answer is not one."
    hint = "Check the token endpoint's address: its answer must be JSON with a bearer token."
    rfc = "RFC 6749 section 5.1"


class IdTokenMissing(ProviderError):
    code = "id_token_missing"
    step = "ID token"
    message = "The provider did not say who signed in: its answer has no ID token."
    hint = "Take openid out of SCOPE if the provider speaks OAuth 2.0 only; otherwise the provider has a fault."
    rfc = "OpenID Connect Core 1.0 section 3.1.3.3"


class IdTokenInvalid(ProviderError):
    code = "id_token_invalid"
    step = "ID token"
    message = "The provider's ID token is not acceptable."
    hint = "Check the issuer, the client id and the clocks of both sides."
    rfc = "OpenID Connect Core 1.0 section 3.1.3.7"


class SignatureInvalid(ProviderError):
    code = "signature_invalid"
    step = "ID token"
    message = "The signature of the provider's token does not fit the provider's keys."
    hint = "If the provider has just changed its keys, try again in half a minute. Otherwise check the issuer."
    rfc = "OpenID Connect Core 1.0 section 3.1.3.7"


class TokenEncrypted(ProviderError):
    code = "token_encrypted"
    step = "ID token"
    message = "The provider encrypted its token, and Doorkey does not read encrypted tokens."
    hint = "Switch off the encryption of ID tokens and of user info for this client at the provider."
    rfc = "OpenID Connect Core 1.0 section 10.2"


class UserInfoInvalid(ProviderError):
    code = "userinfo_invalid"
    step = "user info"
    message = "The provider did not say who you are."
    hint = "Check the user info endpoint, the scope, and which claim names the user."
    rfc = "OpenID Connect Core 1.0 section 5.3"


class SubjectMismatch(ProviderError):
    code = "subject_mismatch"
    step = "user info"
    message = "The provider's two answers about who signed in name two different people."
    hint = "Nobody was signed in. Check that the user info endpoint belongs to this issuer."
    rfc = "OpenID Connect Core 1.0 section 5.3.2"


class ResponseTooLarge(ProviderError):
    code = "response_too_large"
    message = "The provider's answer is larger than any honest one."
    hint = "Check the endpoint's address."


class ProviderUnreachable(ProviderError):
    code = "provider_unreachable"
    status = 504
    message = "The provider could not be reached, or did not answer in time."
    hint = "Try again in a moment. If it stays, check the network and the endpoint's address."


class StoreUnavailable(DoorkeyError):
    code = "store_unavailable"
    status = 503
    message = "Doorkey cannot reach its session store right now."
    hint = "Nothing is lost: your session is kept. Try again in a few seconds."
    retry_after = 5
