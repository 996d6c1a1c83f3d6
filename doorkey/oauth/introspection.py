"""Asking a provider what a token is worth (RFC 7662), and remembering its answer for a moment.

`Introspection` is asked by gate/foreign_tokens.py for each request of an API client. What is kept are the claims, by
a hash of the token, and never what follows from them: audience, time, host and rule are looked at each time.
"""

import copy
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, replace
from typing import Any

from doorkey.clock import Clock
from doorkey.errors import BearerInvalid, DoorkeyError, ProviderError, ProviderUnreachable
from doorkey.events import clean_text
from doorkey.oauth.access_token import AUDIENCE, ISSUED, NOT_ANOTHER_KIND, for_audience
from doorkey.oauth.client_auth import ClientProof
from doorkey.oauth.http import Transport, read_json_object
from doorkey.oauth.id_token import NBF, Claims, Expected, Rule, is_subject, is_time
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.oauth.token import LONGEST_TOKEN

STEP = "introspection"
SECONDS = 5.0
KEPT_SECONDS = 60.0
"""So long a token that was revoked may still work here."""

REFUSED_SECONDS = 10.0
MOST_KEPT = 10_000
MOST_CALLS = 16
"""At one moment: a provider that hangs may not take all threads of the gate, which serve sessions too."""

ROOM_SECONDS = 1.0
"""How long one more waits for its turn."""

NAMES = ("sub", "username", "client_id")
"""Whom a token is about, in order; the last is all there is of a client that came for itself."""


def _lives(claims: Claims, expected: Expected) -> bool:
    end = claims.get("exp")
    return end is None or (is_time(end) and expected.now < end)


def _is_bearer(claims: Claims, expected: Expected) -> bool:
    found = claims.get("token_type", "bearer")
    return isinstance(found, str) and found.lower() == "bearer"


def _is_from_there(claims: Claims, expected: Expected) -> bool:
    return "iss" not in claims or not expected.provider.issuer or claims["iss"] == expected.provider.issuer


def subject_of(claims: Claims) -> str:
    """Whom the token is about; "" when it does not say."""
    return next((claims[name] for name in NAMES if is_subject(claims.get(name))), "")


_RFC = "RFC 7662 section 2.2"
RULES = (
    AUDIENCE,
    Rule("iss", "comes from another issuer (iss).", _RFC, _is_from_there),
    Rule("exp", "has expired (exp).", _RFC, _lives),
    ISSUED,
    NBF,
    Rule("token_type", "is not a bearer token (token_type).", _RFC, _is_bearer),
    *NOT_ANOTHER_KIND,
    Rule("sub", "does not say whom it is about (sub, username or client_id).", _RFC, lambda c, e: bool(subject_of(c))),
)


@dataclass(frozen=True)
class Kept:
    """An answer that came at `since`; `claims` are None for a token that is not active."""

    claims: dict[str, Any] | None
    since: float
    until: float

    def is_live(self, now: float) -> bool:
        """Not before it came either: the clock may have been put back."""
        return self.since <= now < self.until


class Answers:
    """Answers by hash of the token, at most `most`: made-up tokens push out one another before real ones."""

    def __init__(self, clock: Clock, most: int = MOST_KEPT):
        self._clock = clock
        self._most = most
        self._active: OrderedDict[bytes, Kept] = OrderedDict()
        self._inactive: OrderedDict[bytes, Kept] = OrderedDict()
        self._flights: dict[bytes, Future[dict[str, Any] | None]] = {}
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._active) + len(self._inactive)

    def get(self, key: bytes, ask: Callable[[], dict[str, Any] | None], patience: float) -> dict[str, Any] | None:
        """The answer that is kept, or that of `ask()`, which one caller at a time calls for all.

        Raises what `ask()` raises; that is not kept. `ProviderUnreachable` after `patience` seconds.
        """
        with self._guard:
            kept = self._active.get(key) or self._inactive.get(key)
            if kept and kept.is_live(self._clock()):
                return kept.claims
            flight = self._flights.get(key)
            is_mine = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if is_mine:
            self._fly(key, flight, ask)
        try:
            return flight.result(patience)
        except NotInTime:
            raise ProviderUnreachable("another request asks for the same token", step=STEP) from None
        except DoorkeyError as error:
            raise copy.copy(error) from None  # each thread its own, because raising writes into it

    def _fly(
        self, key: bytes, flight: "Future[dict[str, Any] | None]", ask: Callable[[], dict[str, Any] | None]
    ) -> None:
        asked = self._clock()
        try:
            claims = ask()
        except BaseException as error:
            with self._guard:
                del self._flights[key]
            flight.set_exception(error)
            return
        with self._guard:
            del self._flights[key]
            self._keep(key, Kept(claims, asked, asked + _seconds_kept(claims, asked)))
        flight.set_result(claims)

    def _keep(self, key: bytes, kept: Kept) -> None:
        self._active.pop(key, None)
        self._inactive.pop(key, None)
        while len(self) >= self._most:
            (self._inactive or self._active).popitem(last=False)
        (self._inactive if kept.claims is None else self._active)[key] = kept


def _seconds_kept(claims: Claims | None, now: float) -> float:
    """Never beyond the end of the token."""
    if claims is None:
        return REFUSED_SECONDS
    end = claims.get("exp")
    return min(KEPT_SECONDS, end - now) if is_time(end) else KEPT_SECONDS


class Introspection:
    """What `provider` says of tokens made for `audience`."""

    def __init__(
        self,
        provider: Provider,
        audience: str,
        *,
        directory: ProviderDirectory,
        transport: Transport,
        clock: Clock,
        leeway: float,
    ):
        self.provider = for_audience(provider, audience)
        self._client = provider
        self._directory = directory
        self._transport = transport
        self._clock = clock
        self._leeway = leeway
        self._answers = Answers(clock)
        self._room = threading.Semaphore(MOST_CALLS)

    def read(self, token: str) -> Claims:
        """The claims of a token that is good here and now.

        Raises `BearerInvalid`, or `ProviderUnreachable` or another `ProviderError` when that cannot be told now.
        """
        if len(token) > LONGEST_TOKEN:
            raise BearerInvalid(f"longer than {LONGEST_TOKEN} bytes")
        key = hashlib.sha256(token.encode()).digest()
        claims = self._answers.get(key, lambda: self._ask(token), 2 * SECONDS)
        if claims is None:
            raise BearerInvalid("the provider says that it is not active")
        expected = Expected(provider=self.provider, now=self._clock(), leeway=self._leeway)
        for rule in RULES:
            if not rule.holds(claims, expected):
                raise BearerInvalid(f"{rule.claim} is {clean_text(claims.get(rule.claim, 'missing'), limit=80)}")
        return claims

    def _ask(self, token: str) -> dict[str, Any] | None:
        """One call; None for a token that is not active."""
        if not self._room.acquire(timeout=ROOM_SECONDS):
            raise ProviderUnreachable("many wait for it already", step=STEP)
        try:
            return self._call(token)
        finally:
            self._room.release()

    def _call(self, token: str) -> dict[str, Any] | None:
        client = self._described()
        form = [("token", token), ("token_type_hint", "access_token")]
        proof = ClientProof(client, self._clock)
        response = self._transport.within(SECONDS).post(client.introspection_endpoint, form, proof, STEP)
        if response.status_code != 200:
            raise ProviderError(f"status {response.status_code}", step=STEP)
        try:
            answer = read_json_object(response.content)
        except ValueError as error:
            raise ProviderError(str(error), step=STEP) from None
        return answer if answer.get("active") is True else None

    def _described(self) -> Provider:
        """With the endpoint, which its metadata may have to tell although a sign-in needs none."""
        client = self._directory.describe(self._client)
        if not client.introspection_endpoint and client.issuer:
            found = self._directory.metadata(self._client)
            client = replace(client, introspection_endpoint=found.introspection_endpoint)
        if not client.introspection_endpoint:
            raise ProviderError("the provider has no introspection endpoint", step=STEP)
        return client
