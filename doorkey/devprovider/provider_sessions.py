"""Who is signed in at the development provider, in which browser, at which clients.

A session has a `sid` (OpenID Connect Back-Channel Logout section 2.1), which goes into ID tokens,
and a cookie value that only its browser knows. end_session.py ends it and tells the clients.
"""

import secrets
import threading
from dataclasses import dataclass, field, replace

from doorkey.devprovider.expiring import Expiring

SESSION_SECONDS = 24 * 3600


@dataclass(frozen=True)
class ProviderSession:
    """`clients` are the ids of those that were told about this sign-in; `auth_time` is when it was last made."""

    sid: str
    sub: str
    auth_time: int
    cookie: str = field(repr=False)
    clients: tuple[str, ...] = ()


class ProviderSessions:
    """Every method takes the time and is atomic."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._by_sid: Expiring[ProviderSession] = Expiring(SESSION_SECONDS)
        self._sid_of_cookie: Expiring[str] = Expiring(SESSION_SECONDS)

    def of_browser(self, cookie: str, now: float) -> ProviderSession | None:
        """The session whose cookie a browser sent."""
        with self._lock:
            sid = self._sid_of_cookie.get(cookie, now) if cookie else None
            return self._by_sid.get(sid, now) if sid else None

    def sign_in(self, sub: str, client_id: str, cookie: str, now: float, *, fresh: bool) -> ProviderSession:
        """The browser's session if it is of the same user, else a new one; `fresh`: the user just chose."""
        with self._lock:
            known = self.of_browser(cookie, now)
            if known is None or known.sub != sub:
                known = ProviderSession(secrets.token_urlsafe(12), sub, int(now), secrets.token_urlsafe(32))
            auth_time = int(now) if fresh else known.auth_time
            clients = tuple(dict.fromkeys((*known.clients, client_id)))
            session = replace(known, auth_time=auth_time, clients=clients)
            self._by_sid.put(session.sid, session, now)
            self._sid_of_cookie.put(session.cookie, session.sid, now)
            return session

    def matching(self, now: float, *, sid: str = "", sub: str = "") -> list[ProviderSession]:
        """The session `sid`, or all of the user `sub`."""
        with self._lock:
            found = [session for _, session in self._by_sid.newest(now)]
        return [s for s in found if (sid and s.sid == sid) or (sub and not sid and s.sub == sub)]

    def end(self, session: ProviderSession, now: float) -> bool:
        """True for the first caller."""
        with self._lock:
            self._sid_of_cookie.pop(session.cookie, now)
            return self._by_sid.pop(session.sid, now) is not None
