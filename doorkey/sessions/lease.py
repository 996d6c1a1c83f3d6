"""A lease: for something that one process at a time may do, such as renewing a token that is good for one renewal.

It is renewed while its holder works, and ends by itself soon after the holder was killed.
"""

import hashlib
import threading
from types import TracebackType

from doorkey.clock import Clock
from doorkey.errors import StoreUnavailable
from doorkey.sessions.store import SessionStore

LEASE_SECONDS = 5.0
RENEWALS = 3
"""In that time: two may fail before somebody else takes over."""


class Lease:
    """A context; inside, nobody else holds `name`. Made by `take()` only."""

    def __init__(self, store: SessionStore, name: bytes, owner: bytes, clock: Clock):
        self._store = store
        self._name = name
        self._owner = owner
        self._clock = clock
        self._done = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)

    @classmethod
    def take(cls, store: SessionStore, what: str, *, owner: bytes, clock: Clock) -> "Lease | None":
        """The lease of `what`; None when another than `owner` holds it. Raises `StoreUnavailable`.

        A process is one owner, and sees to it that it does one thing once: so it need not wait for a lease that it
        left behind when the store was away.
        """
        name = hashlib.sha256(b"doorkey lease " + what.encode()).digest()
        lease = cls(store, name, owner, clock)
        return lease if lease._acquire() else None

    def __enter__(self) -> "Lease":
        self._renewing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Give it back; when that cannot be done it ends by itself."""
        self._done.set()
        if self._renewing.is_alive():
            self._renewing.join()
        try:
            self._store.release_lease(self._name, self._owner)
        except StoreUnavailable:
            """Nobody waits for longer than `LEASE_SECONDS`."""

    def _acquire(self) -> bool:
        now = self._clock()
        return self._store.acquire_lease(self._name, self._owner, now=now, ends=now + LEASE_SECONDS)

    def _renew(self) -> None:
        while not self._done.wait(LEASE_SECONDS / RENEWALS):
            try:
                self._acquire()
            except StoreUnavailable:
                """The next try may work."""
