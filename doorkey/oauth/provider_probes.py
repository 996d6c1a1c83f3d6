"""What `doorkey check` tries at a live provider, one request each, with codes and tokens that cannot exist.

A probe gives findings (provider_check.py) or raises a `DoorkeyError`, which is a finding too.
"""

import email.utils
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

from doorkey.base64url import encode
from doorkey.clock import iso
from doorkey.errors import (
    AuthorizationRefused,
    DoorkeyError,
    IdTokenInvalid,
    IssuerMismatch,
    ProviderError,
    ResponseTooLarge,
    StateMismatch,
    TokenRefused,
)
from doorkey.events import clean_text
from doorkey.oauth.authorization import authorization_url, push
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_check import (
    FAILED,
    NOTE,
    OK,
    WARNING,
    Finding,
    Trial,
    check_keys,
    check_metadata,
    check_settings,
    failed,
)
from doorkey.oauth.revocation import revoke
from doorkey.oauth.token import Token
from doorkey.oauth.token_endpoint import exchange_code
from doorkey.oauth.trace import Trace

LARGEST_PAGE = 1024 * 1024
NOBODY = "doorkey-check-this-cannot-exist"
FATAL = (
    *("invalid_scope", "invalid_request", "unauthorized_client", "invalid_target", "server_error"),
    *("unsupported_response_type", "unsupported_response_mode", "redirect_uri_mismatch"),
)

Check = Callable[[Provider, Trial], Iterator[Finding]]


def check_provider(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """Findings about `provider` (as it was configured), as they come; after a failed metadata there is no more."""
    yield from check_settings(provider, trial)
    try:
        yield from check_metadata(provider, trial)
        described = trial.directory.describe(provider)
    except DoorkeyError as error:
        yield failed(error)
        return
    for check in CHECKS:
        try:
            yield from check(described, trial)
        except DoorkeyError as error:
            yield failed(error)


def check_connection(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """TLS, and how far its clock is from ours."""
    if provider.token_endpoint.startswith("https://"):
        tls = Finding(OK, "Its TLS certificate is trusted.")
    else:
        tls = Finding(NOTE, "It is on this machine, without TLS.")
    before = trial.checks.clock()
    url = provider.jwks_uri if provider.needs_keys else provider.token_endpoint
    response = trial.transport.get(url, {}, "connection", largest_body=LARGEST_PAGE)
    after = trial.checks.clock()
    yield tls
    yield _clock_finding(response.headers.get("Date", ""), before, after, trial.checks.leeway)


def _clock_finding(date: str, before: float, after: float, leeway: float) -> Finding:
    """Date has whole seconds: its middle against the middle of the request."""
    try:
        theirs = email.utils.parsedate_to_datetime(date).timestamp() + 0.5
    except (ValueError, OverflowError, TypeError):
        return Finding(NOTE, "It does not say what time it is there.")
    difference = theirs - (before + after) / 2
    uncertain = 0.5 + (after - before) / 2
    said = f"{abs(difference):.1f} s {'ahead of' if difference > 0 else 'behind'} ours (measured to {uncertain:.1f} s)"
    if abs(difference) <= max(uncertain + 1, leeway / 2):
        return Finding(OK, f"Its clock agrees with ours: {said}")
    hint = "Set the clocks of both sides by NTP; DOORKEY_CLOCK_LEEWAY allows more, up to 10m."
    if abs(difference) > leeway:
        return Finding(
            FAILED, f"Its clock is {said}: ID tokens will be refused. Here it is {iso(after)}.", hint, IdTokenInvalid()
        )
    return Finding(WARNING, f"Its clock is {said}; {leeway:.0f} s are allowed.", hint)


def check_client(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """A code that cannot exist, with the right client: the answer tells whether the client was recognised."""
    try:
        exchange_code(
            provider,
            code=NOBODY,
            redirect_uri=trial.redirect_uri(provider),
            verifier=encode(trial.random(32)),
            scope_asked=provider.scope,
            transport=trial.transport,
            trace=Trace(),
            clock=trial.checks.clock,
        )
    except TokenRefused as error:
        said = (error.provider_error or {}).get("error", "")
        if said in ("invalid_grant", "bad_verification_code"):  # the second is GitHub's
            yield Finding(OK, f"The token endpoint takes our client ({provider.auth_method}).")
        elif said in ("invalid_client", "unauthorized_client", "incorrect_client_credentials"):
            hint = "Check CLIENT_ID, CLIENT_SECRET and CLIENT_AUTH."
            if provider.auth_method == "private_key_jwt":
                hint = "Register the key set above there, and check CLIENT_ID and ASSERTION_AUDIENCE."
            what = f"The token endpoint refuses our client ({provider.auth_method}): {said}"
            yield Finding(FAILED, what, hint, error)
        else:
            what = f"The token endpoint answers {clean_text(said)} to a wrong code, so the client could not be tried."
            yield Finding(NOTE, what)
    else:
        yield Finding(FAILED, "The token endpoint gave a token for a code that cannot exist.")


def check_authorization(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """Begin a sign-in without a browser, pushed where that is demanded, and look where it leads."""
    state, redirect_uri = encode(trial.random(32)), trial.redirect_uri(provider)
    url = authorization_url(
        provider,
        state=state,
        verifier=trial.random(32),
        nonce=trial.random(32) if provider.is_openid else b"",
        redirect_uri=redirect_uri,
        hints={"prompt": "none"} if provider.is_openid else {},
        transport=trial.transport,
    )
    if provider.push:
        url = push(provider, url, transport=trial.transport, clock=trial.checks.clock, trace=Trace())
        yield Finding(OK, "It takes sign-ins that are announced (RFC 9126).")
    try:
        response = trial.transport.get(url, {"Accept": "text/html"}, "authorization", largest_body=LARGEST_PAGE)
    except ResponseTooLarge:
        yield Finding(NOTE, "It shows a large page to somebody who is not signed in.")
        return
    location = response.headers.get("Location", "")
    if response.status_code in (302, 303) and location.startswith(redirect_uri + "?"):
        yield from _check_answer(provider, location, state)
    elif (
        response.status_code == 200 and provider.response_mode == "form_post" and _posts_to(redirect_uri, response.text)
    ):
        yield Finding(OK, "The redirect URI is registered there: the answer is a form that goes to it.")
    elif response.status_code >= 500:
        error = ProviderError(f"status {response.status_code} from {provider.authorization_endpoint}")
        yield Finding(FAILED, f"Its authorization endpoint is broken (status {response.status_code}).", "", error)
    elif response.status_code >= 400:
        hint = "Usually the redirect URI above is not registered there for this client, or the client id is wrong."
        yield Finding(
            FAILED, f"It refuses to begin a sign-in (status {response.status_code}).", hint, AuthorizationRefused()
        )
    else:
        yield Finding(NOTE, "It shows its own page to somebody who is not signed in; the redirect URI is not proved.")


def _posts_to(redirect_uri: str, page: str) -> bool:
    """Whether a form of the page goes there; that the page names it would not be enough."""
    action = rf"""\baction\s*=\s*["']?{re.escape(redirect_uri)}(?=["'\s>])"""
    return re.search(action, html.unescape(page), re.IGNORECASE) is not None


def _check_answer(provider: Provider, location: str, state: str) -> Iterator[Finding]:
    given = parse_qs(urlsplit(location).query, keep_blank_values=True)
    error = clean_text(given.get("error", [""])[0])
    yield Finding(
        OK, f"The redirect URI is registered there: a sign-in without anybody came back with {error or 'a code'}."
    )
    if given.get("state") != [state]:
        yield Finding(FAILED, "It did not give back the state.", "See RFC 6749 section 4.1.2.1.", StateMismatch())
    issuers = given.get("iss", [])
    if provider.iss_promised and not issuers:
        yield Finding(
            WARNING, "It promises iss in its answers and leaves it out of errors, which are refused for that."
        )
    elif issuers and provider.issuer and issuers != [provider.issuer]:
        yield Finding(
            FAILED, f"It calls itself {clean_text(issuers[0])} in its answers.", "Check ISSUER.", IssuerMismatch()
        )
    if error in FATAL:
        words = clean_text(given.get("error_description", [""])[0])
        yield Finding(
            FAILED,
            f"It refuses what Doorkey asks for: {error}: {words}".rstrip(": "),
            "Check SCOPE, RESOURCE and AUTHORIZATION_PARAMS.",
            AuthorizationRefused(),
        )


def check_user_info(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """A wrong token must not be taken."""
    if not provider.wants_user_info:
        yield Finding(NOTE, "It is not asked for user info.")
        return
    headers = {"Authorization": f"Bearer {NOBODY}"}
    response = trial.transport.get(provider.userinfo_endpoint, headers, "user info", largest_body=LARGEST_PAGE)
    if response.status_code in (400, 401, 403):
        yield Finding(OK, f"User info answers {response.status_code} to a wrong token, as it should.")
    elif response.status_code == 200:
        yield Finding(FAILED, "User info answers 200 to a wrong token.", "Is it the right address?")
    else:
        yield Finding(
            WARNING, f"User info answers {response.status_code} to a wrong token.", "Is it the right address?"
        )


def check_revocation(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """Revoking a token that cannot exist succeeds (RFC 7009 section 2.2)."""
    nobody = Token(NOBODY, 0.0, None, (), (), True, refresh_token=NOBODY)
    try:
        offered = revoke(provider, nobody, transport=trial.transport, clock=trial.checks.clock)
    except ProviderError as error:
        yield Finding(WARNING, f"Revocation does not work ({error.detail}): signing out leaves tokens alive there.")
        return
    if offered:
        yield Finding(OK, "Tokens are revoked there when people sign out (RFC 7009).")
    else:
        yield Finding(NOTE, "It offers no revocation: signing out leaves tokens alive there until they expire.")


def check_sign_out(provider: Provider, trial: Trial) -> Iterator[Finding]:
    """What leaves by way of the provider, and what it may tell us; nothing is asked for this."""
    if not provider.is_openid:
        return
    back = provider.post_logout_redirect_uri or f"{trial.public_url}/logged-out"
    if not provider.end_session_endpoint:
        yield Finding(NOTE, "It does not offer to end its own session: signing out ends the one here.")
    elif provider.end_session == "never":
        yield Finding(NOTE, "Signing out ends the session here and not its own (END_SESSION=never).")
    else:
        yield Finding(
            NOTE, f"Signing out goes on to {provider.end_session_endpoint}; to register for the way back: {back}"
        )
    if provider.backchannel_logout:
        address = f"{trial.public_url}/backchannel-logout/{provider.id}"
        yield Finding(NOTE, f"Where it may say that somebody signed out there (back channel): {address}")


CHECKS: tuple[Check, ...] = (
    check_connection,
    check_keys,
    check_authorization,
    check_client,
    check_user_info,
    check_revocation,
    check_sign_out,
)
