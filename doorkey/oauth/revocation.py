"""Taking a token back at the provider (RFC 7009), so that signing out ends more than our own session.

Called by web/logout.py after the session has ended here (what the provider answers changes nothing about that), and
tried by provider_probes.py.
"""

import logging

from doorkey import events
from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, ProviderError
from doorkey.oauth.client_auth import ClientProof
from doorkey.oauth.http import Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.token import Token

STEP = "revocation"
SECONDS = 5.0


def revoke(provider: Provider, token: Token, *, transport: Transport, clock: Clock) -> bool:
    """Revoke the refresh token, or the access token where there is none; False: the provider offers no revocation.

    Raises `ProviderUnreachable` or another `ProviderError` when it was not done, within five seconds.
    """
    endpoint = provider.revocation_endpoint
    if not endpoint:
        return False
    kind, value = (
        ("refresh_token", token.refresh_token) if token.refresh_token else ("access_token", token.access_token)
    )
    form = [("token", value or ""), ("token_type_hint", kind)]
    response = transport.within(SECONDS).post(endpoint, form, ClientProof(provider, clock), STEP)
    if response.status_code != 200:
        raise ProviderError(f"status {response.status_code}", step=STEP)
    return True


def take_back(provider: Provider, token: Token, *, transport: Transport, clock: Clock) -> None:
    """As `revoke()`, for those whom a failure stops from nothing: what comes of it goes to the log."""
    try:
        if revoke(provider, token, transport=transport, clock=clock):
            events.log(events.TOKEN_REVOKED, provider=provider.id)
    except DoorkeyError as error:
        note_failure(provider.id, error)


def note_failure(provider: str, error: DoorkeyError) -> None:
    told = {"provider": provider, "code": error.code, "detail": error.detail}
    events.log(events.REVOCATION_FAILED, level=logging.WARNING, error=None, **told)
