"""The token endpoint: a code becomes a token (RFC 6749 section 4.1.3), a token becomes a newer one (section 6).

Through Authlib's OAuth2Session, which builds the request; how the client proves itself is client_auth.py's. The
raw answer is read by our strict reader before Authlib sees it, and Authlib's own idea of it is not used.
"""

from typing import Any

import msgspec

from doorkey.clock import Clock
from doorkey.errors import TokenRefused
from doorkey.events import clean_text, fingerprint
from doorkey.oauth.client_auth import ClientProof, masks
from doorkey.oauth.http import FOREIGN, Transport, translate
from doorkey.oauth.provider import Provider
from doorkey.oauth.token import Token, read_token_response
from doorkey.oauth.trace import Step, Trace


class _Accepted:
    """What Authlib gets to parse once our reader has accepted the real answer."""

    status_code = 200

    def json(self) -> dict[str, str]:
        return {"access_token": "read by doorkey", "token_type": "Bearer"}


def exchange_code(
    provider: Provider,
    *,
    code: str,
    redirect_uri: str,
    verifier: str,
    scope_asked: tuple[str, ...],
    transport: Transport,
    trace: Trace,
    clock: Clock,
) -> Token:
    """Redeem `code` with the same `redirect_uri` as the authorization request had.

    Raises `TokenRefused`, `TokenResponseInvalid` or another `ProviderError`.
    """
    with trace.step("token request") as step:
        form = {"code": code, "redirect_uri": redirect_uri}
        if provider.pkce:
            form["code_verifier"] = verifier
        step.sent = {"grant_type": "authorization_code", "code": fingerprint(code), "redirect_uri": redirect_uri}
        step.sent["code_verifier"] = "****" if provider.pkce else None
        return _ask(provider, "authorization_code", form, (code, verifier), scope_asked, transport, step, clock)


def refresh(provider: Provider, token: Token, *, transport: Transport, trace: Trace, clock: Clock) -> Token:
    """A newer token, for the scope that was granted; what the answer leaves out is kept from `token`.

    The caller checks a new ID token (flow.renew). Raises `TokenRefused` (with the provider's `invalid_grant`
    when the refresh token is of no use any more), `TokenResponseInvalid` or another `ProviderError`.
    """
    if not token.refresh_token:
        raise TokenRefused("there is no refresh token", message="The provider gave no token to renew this one with.")
    with trace.step("refresh") as step:
        form = {"refresh_token": token.refresh_token}
        if token.scope_granted:
            form["scope"] = " ".join(token.scope_granted)
        step.sent = {"grant_type": "refresh_token", "refresh_token": fingerprint(token.refresh_token)}
        step.sent["scope"] = form.get("scope", "")
        try:
            newer = _ask(
                provider, "refresh_token", form, (token.refresh_token,), token.scope_granted, transport, step, clock
            )
        except TokenRefused as error:
            error.message = "The provider refused to renew the token."
            error.hint = "Usually the sign-in is too old or was ended at the provider. Sign in again."
            raise
        return msgspec.structs.replace(
            newer,
            scope_asked=token.scope_asked,
            scope_confirmed=newer.scope_confirmed or token.scope_confirmed,
            refresh_token=newer.refresh_token or token.refresh_token,
            id_token=newer.id_token or token.id_token,
        )


def _ask(
    provider: Provider,
    grant_type: str,
    form: dict[str, str],
    secrets: tuple[str, ...],
    scope_asked: tuple[str, ...],
    transport: Transport,
    step: Step,
    clock: Clock,
) -> Token:
    """One request with client authentication; `secrets` are masked wherever the provider repeats them."""
    masked = masks(provider, *secrets)
    step.sent |= {
        "POST": provider.token_endpoint,
        "client_id": provider.client_id,
        "client_authentication": provider.auth_method,
    }
    if provider.resource:
        step.sent["resource"] = list(provider.resource)
    read: list[Token] = []

    def read_answer(response: Any) -> _Accepted:
        content_type = clean_text(response.headers.get("Content-Type", ""), secrets=masked)
        step.received = {"status": response.status_code, "content_type": content_type}
        token = read_token_response(
            response.status_code,
            response.content,
            scope_asked=scope_asked,
            now=clock(),
            secrets=masked,
            scope_separator=provider.scope_separator,
        )
        read.append(token)
        return _Accepted()

    session = transport.oauth_session(client_id=provider.client_id)
    session.register_compliance_hook("access_token_response", read_answer)
    proof = ClientProof(provider, clock, extra=[("resource", uri) for uri in provider.resource])
    try:
        session.fetch_token(provider.token_endpoint, grant_type=grant_type, auth=proof, **form)
    except FOREIGN as error:
        raise translate(error, step.name, provider.token_endpoint) from error
    _note_result(step, read[0])
    return read[0]


def _note_result(step: Step, token: Token) -> None:
    step.received |= {"access_token": fingerprint(token.access_token), "scope": " ".join(token.scope_granted)}
    step.check("200, a JSON object, access_token, bearer", "RFC 6749 section 5.1", True)
    step.check("the answer says the scope", "RFC 6749 section 5.1", token.scope_confirmed)
