"""flask.session over Doorkey's sessions: a Flask-Session interface with the traps taken out.

Flask-Session reads the store for every request, writes whole dicts back, keeps readable data
under the cookie's own value and cannot delete a `__Host-` cookie. Here a session is read when a
view first asks for it, starting and ending happen in the view (so that a store that is down is
an ordinary 503), and saving means cookies and last-seen only.
"""

import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from flask import Flask, Request, Response
from flask import session as flask_session
from flask_session.base import ServerSideSession, ServerSideSessionInterface

from doorkey import events
from doorkey.base64url import encode
from doorkey.errors import DoorkeyError, StoreUnavailable
from doorkey.gate.decide import PROBE_PROVIDER
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.sessions.ids import SessionIds, decode_secret
from doorkey.sessions.lifecycle import OpenSession, Sessions
from doorkey.sessions.record import Record

HOST_COOKIE = "doorkey"
GATE_COOKIE = "__Secure-doorkey-gate"


class SealedSession(ServerSideSession):
    """`current` is the live session of this browser or None; `sid` the cookie value that came."""

    def __init__(self, interface: "SealedSessionInterface", sid: str | None):
        super().__init__(sid=sid)
        self._interface = interface
        self._read = False
        self._opened: OpenSession | None = None
        self.new_secret: bytes | None = None
        self.ended = False

    @property
    def current(self) -> OpenSession | None:
        """Read once per request. Raises `StoreUnavailable`."""
        self.accessed = True
        if not self._read and self.sid:
            self._opened = self._interface._retrieve_session_data(self.sid)
        self._read = True
        return self._opened

    @property
    def loaded(self) -> OpenSession | None:
        """What `current` found, without asking the store now."""
        return self._opened

    def replace(self, session: OpenSession | None) -> OpenSession | None:
        """What is known by now of the session that was read: its token was renewed, or it ended (None)."""
        self._opened = session
        return session

    def begin(
        self,
        identity: Identity,
        token: Token,
        *,
        label: str,
        provider_sid: str = "",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """A new session under new ids; then the old one of this browser ends.

        `check` raises when the new one may not be after all; it is asked once the session can be found by others.
        """
        started = self._interface.sessions.start(identity, token, label=label, provider_sid=provider_sid)
        try:
            check()
            if self.sid:
                self._interface._delete_session(self.sid)
        except DoorkeyError:  # no cookie for a sign-in that is reported as failed
            with contextlib.suppress(StoreUnavailable):
                self._interface.sessions.end(started.ids.session_secret)
            raise
        self._opened, self._read, self.new_secret = started, True, started.ids.session_secret

    def send_again(self) -> None:
        """Set the cookies of the session once more: the gate's may be missing where the page's is there."""
        if self._opened:
            self.new_secret = self._opened.ids.session_secret

    def end(self) -> Record | None:
        """End the session in the store and take the cookies back; its record as it was then, where that can be told."""
        record = self._interface._delete_session(self.sid) if self.sid else None
        self._opened, self._read, self.ended = None, True, self.sid is not None
        return record


class SealedSessionInterface(ServerSideSessionInterface):
    """`secure`: prefixed, Secure cookies; `gate_domain`: parent domain of the gate cookie or ""."""

    def __init__(self, app: Flask, sessions: Sessions, *, secure: bool, gate_domain: str):
        super().__init__(app, key_prefix="", use_signer=False, permanent=False)
        self.sessions = sessions
        self.cookie = ("__Host-" if secure else "") + HOST_COOKIE
        self._secure = secure
        self._gate_domain = gate_domain

    def open_session(self, app: Flask, request: Request) -> SealedSession:
        values = request.cookies.getlist(self.cookie)
        return SealedSession(self, values[0] if len(values) == 1 and decode_secret(values[0]) else None)

    def save_session(self, app: Flask, session: ServerSideSession, response: Response) -> None:
        sealed = cast(SealedSession, session)
        if sealed.new_secret:
            self._set_cookies(response, SessionIds.of(sealed.new_secret))
        elif sealed.ended:
            self._delete_cookies(response)
        elif sealed.loaded:
            self._upsert_session(app.permanent_session_lifetime, session, "")

    def _retrieve_session_data(self, store_id: str) -> OpenSession | None:
        """A probe of `doorkey check --through` opens one page behind the gate, and none of ours."""
        secret = decode_secret(store_id)
        session = self.sessions.open(secret) if secret else None
        return None if session and session.record.identity.provider == PROBE_PROVIDER else session

    def _delete_session(self, store_id: str) -> Record | None:
        secret = decode_secret(store_id)
        return self.sessions.end(secret) if secret else None

    def _upsert_session(self, session_lifetime: timedelta, session: ServerSideSession, store_id: str) -> None:
        """Last-seen only. The answer is ready by now, so a store that just failed is noted and no more."""
        opened = cast(SealedSession, session).loaded
        try:
            if opened:
                self.sessions.touch(opened)
        except StoreUnavailable as error:
            events.log(events.STORE_FAILED, level=logging.WARNING, detail=error.detail)

    def _set_cookies(self, response: Response, ids: SessionIds) -> None:
        self._cookie(response, self.cookie, encode(ids.session_secret))
        if self._gate_domain:
            self._cookie(response, GATE_COOKIE, encode(ids.gate_secret), domain=self._gate_domain)

    def _delete_cookies(self, response: Response) -> None:
        """With the attributes they were set with: browsers ignore anything else for a prefixed name."""
        self._cookie(response, self.cookie, "", max_age=0)
        if self._gate_domain:
            self._cookie(response, GATE_COOKIE, "", max_age=0, domain=self._gate_domain)

    def _cookie(self, response: Response, name: str, value: str, **options: Any) -> None:
        response.set_cookie(name, value, path="/", secure=self._secure, httponly=True, samesite="Lax", **options)


def browser_session() -> SealedSession:
    """The session of the browser that sent this request; the only use of `flask.session`."""
    return cast(SealedSession, cast(Any, flask_session)._get_current_object())
