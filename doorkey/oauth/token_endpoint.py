"""The request that turns a code into a token (RFC 6749 section 4.1.3), through Authlib.

Authlib builds the request, the PKCE verifier and the client authentication; the raw answer is
read by our strict reader before Authlib sees it, and Authlib's own idea of it is not used.
"""

from typing import Any
from urllib.parse import quote_plus

from doorkey.clock import Clock
from doorkey.events import clean_text, fingerprint
from doorkey.oauth.client_auth import CLIENT_AUTH, basic_credentials
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
    plain = [secret for secret in (code, verifier, provider.client_secret) if secret]
    secrets = (*plain, *(quote_plus(secret) for secret in plain), *basic_credentials(provider))
    read: list[Token] = []

    def read_answer(response: Any) -> _Accepted:
        step.received = {
            "status": response.status_code,
            "content_type": clean_text(response.headers.get("Content-Type", ""), secrets=secrets),
        }
        read.append(
            read_token_response(
                response.status_code, response.content, scope_asked=scope_asked, now=clock(), secrets=secrets
            )
        )
        return _Accepted()

    with trace.step("token request") as step:
        step.sent = _sent(provider, code, redirect_uri)
        session = transport.oauth_session(
            client_id=provider.client_id,
            client_secret=provider.client_secret or None,
            token_endpoint_auth_method=CLIENT_AUTH[provider.client_auth],
            redirect_uri=redirect_uri,
        )
        session.register_compliance_hook("access_token_response", read_answer)
        try:
            proof = {"code_verifier": verifier} if provider.pkce else {}
            session.fetch_token(provider.token_endpoint, grant_type="authorization_code", code=code, **proof)
        except FOREIGN as error:
            raise translate(error, step.name) from error
        _note_result(step, read[0])
        return read[0]


def _sent(provider: Provider, code: str, redirect_uri: str) -> dict[str, Any]:
    return {
        "POST": provider.token_endpoint,
        "grant_type": "authorization_code",
        "code": fingerprint(code),
        "redirect_uri": redirect_uri,
        "client_id": provider.client_id,
        "client_authentication": provider.client_auth,
        "code_verifier": "****" if provider.pkce else None,
    }


def _note_result(step: Step, token: Token) -> None:
    step.received |= {"access_token": fingerprint(token.access_token), "scope": " ".join(token.scope_granted)}
    step.check("200, a JSON object, access_token, bearer", "RFC 6749 section 5.1", True)
    step.check("the answer says the scope", "RFC 6749 section 5.1", token.scope_confirmed)
