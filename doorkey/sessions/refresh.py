"""Renewing the token of a session: once, whoever needs it and on however many machines (RFC 6749 section 6).

    fresh()     the session with a token that lives, as far as that can be had in time
    nudge()     begins that, and waits for nothing

A token is due when less than a minute is left. One flight at a time renews it in a thread of its own: it takes the
lease of the session, reads the record again, asks the provider, and puts the newer token into the record that is
there by then. Requests of the same process wait for the flight (a second while the old token lives), flights of
others for the lease. A session that ended meanwhile stays ended, and the newer token is revoked. A process that is
asked to stop lets its flights land: a newer token that nobody keeps would be the end of the renewals.

Called by web/fresh_session.py and gate/checkpoint.py; calls oauth/flow.py and lifecycle.py.
"""

import contextlib
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from doorkey import events
from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, IdTokenInvalid, StoreUnavailable, TokenRefused
from doorkey.oauth.flow import Checks, renew
from doorkey.oauth.http import Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.oauth.revocation import take_back
from doorkey.oauth.token import Token
from doorkey.oauth.trace import Trace
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.record import Record

DUE_SECONDS = 60.0
BACK_OFF_SECONDS = 30.0
WHILE_IT_LIVES = 1.0
"""Seconds that somebody waits for a newer token who could go on with the old one."""

WHEN_IT_ENDED = 12.0
FLIGHT_SECONDS = 25.0
"""How long a flight waits for the lease of another one, which has 20 seconds for its calls."""

KEEP_SECONDS = 60.0
"""How long a newer token is held for a store that is away: the old refresh token may be of no use any more."""

GRACE_SECONDS = 1.0
"""For somebody who asked, lost the lease and is about to write down what came of it, because the store is back."""

AGAIN_SECONDS = 0.1
"""How soon the store is tried again: well within the grace that others give."""

POLL_SECONDS = 0.05
MOST_FLIGHTS = 200
MOST_WAITING = 20
"""Half of the threads that serve pages by default: a provider that hangs must not take all of them."""


def is_due(record: Record, now: float, *, wanted: bool = False) -> bool:
    """Whether to renew the token now; `wanted`: somebody asked for it, however long it may live yet.

    A token that lives for less than two minutes is due in the second half of its life. A back-off that ends far
    ahead was written before the clock was put back; one by another machine, whose clock may be ahead, counts.
    """
    token = record.token
    if not token.refresh_token or now < _backed_off_until(record, now):
        return False
    return wanted or (token.expires_at is not None and token.expires_at - now < _margin(token))


def due_from(record: Record, now: float) -> float:
    """When the token will be due, as far as can be told `now`; never is infinite."""
    token = record.token
    if not token.refresh_token or token.expires_at is None:
        return inf
    return max(token.expires_at - _margin(token), _backed_off_until(record, now))


def _margin(token: Token) -> float:
    life = (token.expires_at or 0.0) - token.received_at
    return min(DUE_SECONDS, max(0.0, life) / 2)


def _backed_off_until(record: Record, now: float) -> float:
    return record.refresh_after if record.refresh_after <= now + 2 * BACK_OFF_SECONDS else -inf


@dataclass
class _Flight:
    """`session` once `done` is set: as it is then, None when it ended. `failure` is why it was not renewed.

    `goes_on`: the store can be read and not written; the session serves as it is.
    """

    done: threading.Event = field(default_factory=threading.Event)
    session: OpenSession | None = None
    failure: DoorkeyError | None = None
    goes_on: bool = False

    def fail(self, error: DoorkeyError) -> None:
        """Tell those who wait at once, whatever is still to be done."""
        self.failure = error
        self.done.set()


class Refresher:
    """One for each process."""

    def __init__(
        self,
        sessions: Sessions,
        directory: ProviderDirectory,
        checks: Checks,
        transport: Transport,
        clock: Clock,
        *,
        most_waiting: int = MOST_WAITING,
    ):
        self._sessions = sessions
        self._directory = directory
        self._checks = checks
        self._transport = transport
        self._clock = clock
        self._flights: dict[bytes, _Flight] = {}
        self._guard = threading.Lock()
        self._seats = threading.Semaphore(most_waiting)

    def nudge(self, session: OpenSession, provider: Provider) -> None:
        """See to it that the token is renewed when that is due."""
        if is_due(session.record, self._clock()):
            self._board(session, provider, wanted=False)

    def fresh(
        self, session: OpenSession, provider: Provider, *, wanted: bool = False, patience: float = WHEN_IT_ENDED
    ) -> OpenSession | None:
        """`session`, renewed when that is due (or `wanted`) and works; None when it ended meanwhile.

        Waits `patience` seconds at most. Raises `StoreUnavailable`, and with `wanted` what the provider failed with.
        """
        now = self._clock()
        if not is_due(session.record, now, wanted=wanted):
            return session
        flight = self._board(session, provider, wanted)
        lives = not wanted and not session.record.token.is_expired(now)
        if flight is None or not self._lands(flight, min(patience, WHILE_IT_LIVES) if lives else patience):
            return session
        if flight.failure and (wanted or (isinstance(flight.failure, StoreUnavailable) and not flight.goes_on)):
            raise flight.failure
        return flight.session

    def _lands(self, flight: _Flight, seconds: float) -> bool:
        """Whether it does in time; where many wait already, whoever comes now goes on with what there is."""
        if not self._seats.acquire(blocking=False):
            return flight.done.is_set()
        try:
            return flight.done.wait(seconds)
        finally:
            self._seats.release()

    def _board(self, session: OpenSession, provider: Provider, wanted: bool) -> _Flight | None:
        """The flight under way for this session, or a new one; None when too many are in the air."""
        key = session.ids.record_id
        with self._guard:
            flight = self._flights.get(key)
            if flight is not None or len(self._flights) >= MOST_FLIGHTS:
                return flight
            flight = self._flights[key] = _Flight()
        run = contextvars.copy_context().run
        try:
            threading.Thread(
                target=run, args=(self._fly, flight, session, provider, wanted), name="refresh", daemon=False
            ).start()
        except RuntimeError:  # no thread to be had
            with self._guard:
                del self._flights[key]
            return None
        return flight

    def _fly(self, flight: _Flight, session: OpenSession, provider: Provider, wanted: bool) -> None:
        flight.session = session
        try:
            self._renew_alone(flight, session, provider, wanted)
        except StoreUnavailable as error:
            flight.failure, flight.goes_on = error, not flight.done.is_set()
        except Exception as error:
            flight.failure = _as_known(error)
        finally:
            with self._guard:
                del self._flights[session.ids.record_id]
            flight.done.set()

    def _renew_alone(self, flight: _Flight, session: OpenSession, provider: Provider, wanted: bool) -> None:
        """With the lease, and only if nobody else has renewed the token by then."""
        began = time.monotonic()
        while True:
            lease = self._sessions.lease(f"refresh {session.ids.record_id.hex()}")
            with lease or contextlib.nullcontext():
                current = self._still_due(flight, session, wanted)
                if current and lease and not self._asks_first(current):
                    grace = time.monotonic() + GRACE_SECONDS
                    while current and time.monotonic() < grace:
                        time.sleep(POLL_SECONDS)
                        current = self._still_due(flight, session, wanted)
                if current is None:
                    return
                if lease:
                    self._renew(flight, current, provider)
                    return
            waited = time.monotonic() - began
            if waited > FLIGHT_SECONDS or not _process_goes_on():
                return
            time.sleep(max(POLL_SECONDS, waited / 10))

    def _still_due(self, flight: _Flight, session: OpenSession, wanted: bool) -> OpenSession | None:
        """The session as it is now; None when there is nothing to do any more."""
        try:
            current = flight.session = self._sessions.reopen(session)
        except StoreUnavailable as error:
            flight.fail(error)
            raise
        if current is None or current.record.token.access_token != session.record.token.access_token:
            return None
        return current if is_due(current.record, self._clock(), wanted=wanted) else None

    def _asks_first(self, session: OpenSession) -> bool:
        """False when somebody asked for this token before, and what came of it was never written down."""
        record = session.record
        name = f"refresh {session.ids.record_id.hex()} {record.token.received_at} {record.refresh_after}"
        return self._sessions.spend(name, seconds=int(KEEP_SECONDS))

    def _renew(self, flight: _Flight, session: OpenSession, provider: Provider) -> None:
        trace = Trace()
        told: dict[str, Any] = {"provider": provider.id, "session": session.ids.public_id}
        try:
            provider = self._directory.describe(provider)
            newer = renew(provider, session.record.token, checks=self._checks, transport=self._transport, trace=trace)
        except Exception as error:
            failure = flight.failure = _as_known(error)
            detail = {"code": failure.code, "detail": failure.detail, "trace": trace.as_data()}
            events.log(events.REFRESH_FAILED, level=logging.WARNING, error=None, **told, **detail)
            flight.session = self._replace(flight, session, _after(failure, session.record.token, self._clock()))
            return
        more = set(newer.scope_granted) - set(session.record.token.scope_granted)
        events.log(events.TOKEN_REFRESHED, **told, scope=" ".join(newer.scope_granted), more_scope=sorted(more))
        now = self._clock()
        kept = self._replace(flight, session, lambda record: _with(record, newer, now))
        flight.session = kept
        if kept is None:
            flight.done.set()
            take_back(provider, newer, transport=self._transport, clock=self._clock)

    def _replace(self, flight: _Flight, session: OpenSession, change: Callable[[Record], Record]) -> OpenSession | None:
        """As `Sessions.replace()`, again and again while the store is away; whoever waits is told at once."""
        gives_up = time.monotonic() + KEEP_SECONDS
        while True:
            try:
                return self._sessions.replace(session, change)
            except StoreUnavailable as error:
                flight.fail(error)
                if time.monotonic() > gives_up or not _process_goes_on():
                    told = {"session": session.ids.public_id, "code": error.code, "detail": error.detail}
                    events.log(events.REFRESH_FAILED, level=logging.ERROR, error=None, **told)
                    raise
            time.sleep(AGAIN_SECONDS)


def _as_known(error: Exception) -> DoorkeyError:
    """A mistake of ours goes to the log; nobody may be asked again and again because of it."""
    if isinstance(error, DoorkeyError):
        return error
    events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, kind=type(error).__name__)
    return DoorkeyError()


def _process_goes_on() -> bool:
    """False once it was asked to stop, and waits for its flights only."""
    return threading.main_thread().is_alive()


def _with(record: Record, newer: Token, now: float) -> Record:
    """A token that is due again at once is not renewed again before the back-off is over."""
    renewed = record.renewed(newer)
    is_over = newer.is_expired(now) or is_due(renewed, now)
    return renewed.not_renewed("", again_at=now + BACK_OFF_SECONDS) if is_over else renewed


def _after(error: DoorkeyError, tried: Token, now: float) -> Callable[[Record], Record]:
    """The provider's last word ends the renewals; anything else may pass (RFC 6749 section 5.2).

    What it says of a token that somebody has renewed meanwhile means nothing for the newer one.
    """
    words = (error.provider_error or {}).get("error", "")
    again_at = now + BACK_OFF_SECONDS
    is_last = isinstance(error, IdTokenInvalid) or (isinstance(error, TokenRefused) and words == "invalid_grant")

    def change(record: Record) -> Record:
        if record.token.access_token != tried.access_token:
            return record
        return record.refused(error.code) if is_last else record.not_renewed(error.code, again_at=again_at)

    return change
