"""The authorization request (RFC 6749 section 4.1.1): in the URL for the browser, or pushed before (RFC 9126).

Called by flow.begin(), and tried by provider_probes.py. Authlib puts the parameters together; which ones there are is
decided here.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from doorkey.base64url import encode
from doorkey.clock import Clock
from doorkey.errors import PushedRequestRefused
from doorkey.oauth.client_auth import ClientProof, masks
from doorkey.oauth.http import LOGIN_CALL_SECONDS, Transport, read_json_object
from doorkey.oauth.provider import Provider
from doorkey.oauth.token import provider_words
from doorkey.oauth.trace import Trace

LONGEST_REQUEST_URI = 2048


def authorization_url(
    provider: Provider,
    *,
    state: str,
    verifier: bytes,
    nonce: bytes,
    redirect_uri: str,
    hints: Mapping[str, str],
    transport: Transport,
) -> str:
    """The URL with all parameters; what settings say wins over `hints` (such as `login_hint`)."""
    more: dict[str, list[str]] = {}
    for name, value in provider.authorization_params:
        more.setdefault(name, []).append(value)
    more = {name: [value] for name, value in hints.items()} | more
    if provider.resource:
        more["resource"] = list(provider.resource)
    if nonce:
        more["nonce"] = [encode(nonce)]
    if provider.response_mode != "query":
        more["response_mode"] = [provider.response_mode]
    session = transport.oauth_session(
        client_id=provider.client_id,
        redirect_uri=redirect_uri,
        scope=" ".join(provider.scope) or None,
        code_challenge_method="S256",
    )
    url, _ = session.create_authorization_url(
        provider.authorization_endpoint,
        state=state,
        code_verifier=encode(verifier) if provider.pkce else None,
    )
    pairs = [(name, value) for name, values in more.items() for value in values]
    return f"{url}&{urlencode(pairs)}" if pairs else str(url)


def push(provider: Provider, url: str, *, transport: Transport, clock: Clock, trace: Trace) -> str:
    """Send the parameters of `url` to the provider directly; the URL that stands for them (RFC 9126).

    Raises `PushedRequestRefused`, `ProviderUnreachable` or another `ProviderError`.
    """
    endpoint = provider.pushed_authorization_request_endpoint
    with trace.step(PushedRequestRefused.step) as step:
        form = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        own = {name for name, _ in parse_qsl(urlsplit(provider.authorization_endpoint).query, keep_blank_values=True)}
        form = [(name, value) for name, value in form if name not in own]
        step.sent = {"POST": endpoint, "client_authentication": provider.auth_method}
        if not endpoint:
            hint = "Set PUSHED_AUTHORIZATION_REQUEST_ENDPOINT; the provider's metadata does not name it."
            raise PushedRequestRefused("no endpoint", hint=hint)
        bounded = transport.within(LOGIN_CALL_SECONDS)
        response = bounded.post(endpoint, form, ClientProof(provider, clock), step.name)
        step.received = {"status": response.status_code}
        request_uri = _read_request_uri(response.status_code, response.content, provider)
        step.check("201 and a request_uri", PushedRequestRefused.rfc, True)
    query = [*parse_qsl(urlsplit(provider.authorization_endpoint).query, keep_blank_values=True)]
    query += [("client_id", provider.client_id), ("request_uri", request_uri)]
    return f"{provider.authorization_endpoint.partition('?')[0]}?{urlencode(query)}"


def _read_request_uri(status: int, body: bytes, provider: Provider) -> str:
    try:
        answer: Mapping[str, Any] = read_json_object(body)
    except ValueError as error:
        raise PushedRequestRefused(f"status {status}, {error}") from None
    request_uri = answer.get("request_uri")
    if status not in (200, 201) or not isinstance(request_uri, str):
        raise PushedRequestRefused(f"status {status}", provider_error=provider_words(answer, masks(provider)))
    if not 0 < len(request_uri) <= LONGEST_REQUEST_URI or not request_uri.isascii() or not request_uri.isprintable():
        raise PushedRequestRefused("request_uri is not a URI")
    return request_uri
