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
    """Origins that a sign-out may lead the browser to, as a content security policy names them.

    Through the provider to the address for afterwards: browsers hold every redirect against the policy.
    """
    if provider.end_session == "never" or (provider.described and not provider.end_session_endpoint):
        return ()
    return tuple(dict.fromkeys([*origins(provider), *_origins_of(provider.post_logout_redirect_uri)]))


def origins(provider: Provider) -> tuple[str, ...]:
    """Where the provider's own pages may be."""
    named = _origins_of(provider.end_session_endpoint, provider.issuer)
    return tuple(dict.fromkeys([*named, *(f"https://{host}" for host in provider.endpoint_hosts)]))


def _origins_of(*urls: str) -> list[str]:
    return [f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls if url.startswith("http")]
