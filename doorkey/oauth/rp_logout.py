"""Leaving by way of the provider: the address that ends its session too (OpenID Connect RP-Initiated Logout 1.0)."""

from urllib.parse import urlencode, urlsplit

from doorkey.oauth.provider import Provider

LONGEST_URL = 7000
"""Servers refuse much longer ones; then the hint is left out, and the provider asks who is meant."""


def end_session_url(provider: Provider, *, id_token: str, state: str, return_to: str) -> str:
    """Where to send the browser; "" where the provider offers no such thing, or settings do not want it.

    `return_to` is the address that is registered there for afterwards; `state` comes back with it.
    """
    endpoint = provider.end_session_endpoint
    if not endpoint or provider.end_session == "never" or not id_token:
        return ""
    fields = {
        "id_token_hint": id_token,
        "client_id": provider.client_id,
        "post_logout_redirect_uri": return_to,
        "state": state,
    }
    url = _with(endpoint, fields)
    if len(url) > LONGEST_URL:
        del fields["id_token_hint"]
        url = _with(endpoint, fields)
    return url


def _with(endpoint: str, fields: dict[str, str]) -> str:
    return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(fields)


def ways_out(provider: Provider) -> tuple[str, ...]:
    """Origins that a sign-out may lead the browser to, as a content security policy names them."""
    if provider.end_session == "never":
        return ()
    named = [url for url in (provider.end_session_endpoint, provider.issuer) if url.startswith("http")]
    origins = [f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in named]
    return tuple(dict.fromkeys([*origins, *(f"https://{host}" for host in provider.endpoint_hosts)]))
