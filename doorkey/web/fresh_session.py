"""The session of this browser, with a token that lives: for the pages that show or use it."""

from doorkey.sessions.lifecycle import OpenSession
from doorkey.web.runtime import doorkey
from doorkey.web.session_interface import browser_session


def fresh_session(*, wanted: bool = False) -> OpenSession | None:
    """The token is renewed when it is about to end (sessions/refresh.py), or when somebody `wanted` it.

    Raises `StoreUnavailable`; with `wanted` also what the provider failed with.
    """
    session = browser_session()
    current = session.current
    if current is None or current.record.identity.provider not in doorkey().providers:
        return current
    provider = doorkey().provider(current.record.identity.provider)
    return session.replace(doorkey().refresher.fresh(current, provider, wanted=wanted))
