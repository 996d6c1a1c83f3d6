"""Bearer tokens that others made: JWTs of one issuer, and opaque ones that a provider is asked about.

Both say only whose a token is; where it opens what is decided by the rules, like for everybody. Made by factory.py
from settings, used by bearer.py.
"""

import math

from doorkey import events
from doorkey.clock import Clock
from doorkey.errors import BearerInvalid, UserInfoInvalid
from doorkey.gate.bearer import Reader
from doorkey.gate.decide import Caller
from doorkey.gate.original_request import Original
from doorkey.oauth.access_token import AccessTokens, identity_of, scopes_of
from doorkey.oauth.http import Transport
from doorkey.oauth.id_token import Claims
from doorkey.oauth.introspection import Introspection, subject_of
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.settings import Settings


class JwtTokens:
    """Reads JWTs of the issuer that settings name."""

    asks_others = True

    def __init__(self, tokens: AccessTokens):
        self._tokens = tokens

    def knows(self, token: str) -> bool:
        return self._tokens.knows(token)

    def read(self, token: str, original: Original) -> Caller | None:
        try:
            claims = self._tokens.read(token)
            return _caller(self._tokens.issuer, claims, claims["sub"])
        except (BearerInvalid, UserInfoInvalid) as error:
            _note(original, error)
            return None


class OpaqueTokens:
    """Asks the provider that settings name, about whatever nobody else knows."""

    asks_others = True

    def __init__(self, introspection: Introspection):
        self._introspection = introspection

    def knows(self, token: str) -> bool:
        return True

    def read(self, token: str, original: Original) -> Caller | None:
        try:
            claims = self._introspection.read(token)
            return _caller(self._introspection.provider, claims, subject_of(claims))
        except (BearerInvalid, UserInfoInvalid) as error:
            _note(original, error)
            return None


def foreign_readers(
    settings: Settings, directory: ProviderDirectory, transport: Transport, clock: Clock
) -> list[Reader]:
    """What settings switch on; nothing without an audience, because then any token of the issuer would do."""
    readers: list[Reader] = []
    if not settings.bearer_audience:
        return readers
    at_hand = {id: provider.at(settings.own_url) for id, provider in directory.configured.items()}
    if settings.bearer_issuer:
        readers.append(JwtTokens(_jwts(settings, at_hand, directory, transport, clock)))
    if settings.bearer_introspection in at_hand:
        asked = at_hand[settings.bearer_introspection]
        readers.append(
            OpaqueTokens(
                Introspection(
                    asked,
                    settings.bearer_audience,
                    directory=directory,
                    transport=transport,
                    clock=clock,
                    leeway=settings.clock_leeway,
                )
            )
        )
    return readers


def _jwts(
    settings: Settings, at_hand: dict[str, Provider], directory: ProviderDirectory, transport: Transport, clock: Clock
) -> AccessTokens:
    issuer = settings.bearer_issuer
    return AccessTokens(
        next((provider for provider in at_hand.values() if provider.issuer == issuer), None),
        issuer=issuer,
        audience=settings.bearer_audience,
        jwks_uri=settings.bearer_jwks_uri,
        algorithms=settings.bearer_algs,
        directory=directory,
        transport=transport,
        clock=clock,
        leeway=settings.clock_leeway,
    )


def _caller(provider: Provider, claims: Claims, sub: str) -> Caller:
    """Raises `UserInfoInvalid`."""
    return Caller(identity_of(provider, claims, sub), float(claims.get("exp") or math.inf), scopes_of(claims))


def _note(original: Original, error: BearerInvalid | UserInfoInvalid) -> None:
    """Why, for whoever runs this: the client is told only that it is not accepted."""
    events.log(events.GATE_REFUSED, code="invalid_token", host=original.authority, detail=error.detail)
