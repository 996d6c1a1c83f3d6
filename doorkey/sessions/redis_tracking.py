"""Counters for records in Redis (generations.py): Redis says which records changed, to a thread in each process.

    RedisGenerations.look()    starts the thread, in each process once
    the thread                 one link (redis_link.py) to every master; counts what they tell

It is trusted for a short time only, from the last question that every link has answered: nothing has to be noticed
for trust to end, neither a link that is dead without a word nor this process having been stopped for a while. A link
that is lost, or a master more or less, ends it at once. Then all links are opened anew and all counters move on,
in this order, before it is trusted again: what changed meanwhile was told to nobody.
"""

import contextlib
import logging
import mmap
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from selectors import EVENT_READ, DefaultSelector

from doorkey import events
from doorkey.sessions.forks import in_a_fork
from doorkey.sessions.generations import SLOTS, slot_of
from doorkey.sessions.redis_link import PREFIX, SILENCE_SECONDS, Link
from doorkey.sessions.redis_servers import Servers
from doorkey.sessions.redis_setup import words

ASK_SECONDS = 0.2
LOOK_SECONDS = 0.01
"""Trust goes on for so long while the thread asks where the masters are; most often they were asked just before."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 1.0
FAILURES_TO_TELL = 2
"""One after the other; a single one may be a server that was restarted."""

_LAST = (1 << 32) - 1


class RedisGenerations:
    """`name` is what the log calls the store."""

    def __init__(self, servers: Servers, name: str):
        # Not an array: these pages cost nothing until somebody looks.
        pages = mmap.mmap(-1, 4 * SLOTS, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.counters = memoryview(pages).cast("I")
        self._servers = servers
        self._name = name
        self._highest = 0
        self._start_afresh()
        servers.on_change(self._distrust)
        in_a_fork(self._start_afresh)

    def _start_afresh(self) -> None:
        """For this process: a fork has no thread, and leaves the links to its parent."""
        self._trusted_until = 0.0
        self._doubts = 0
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def trusted(self) -> bool:
        return time.monotonic() < self._trusted_until

    def look(self) -> None:
        """The thread runs, or is started."""
        with self._guard:
            if not self._closed.is_set() and not (self._thread and self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="doorkey redis tracking", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Trusted no more, in this process."""
        self._closed.set()
        if self._thread:
            self._thread.join()
        self._distrust()

    def count(self, keys: Iterable[bytes]) -> None:
        """They have changed."""
        with self._guard:
            for key in keys:
                with contextlib.suppress(ValueError):  # a name that we did not give
                    slot = slot_of(bytes.fromhex(key.removeprefix(PREFIX).decode()))
                    self._highest = (self._highest + 1) & _LAST  # first: a fork in between must not find it too low
                    self.counters[slot] = (self.counters[slot] + 1) & _LAST

    def _count_all(self) -> None:
        """Each stands higher than any did before, because none is moved by more than what is counted here."""
        with self._guard:
            self._highest = (self._highest + 1) & _LAST
            self.counters[:] = memoryview(self._highest.to_bytes(4, sys.byteorder) * SLOTS).cast("I")

    def _distrust(self) -> None:
        """Also called when others are masters than before, by whichever thread finds that."""
        with self._guard:
            self._trusted_until = 0.0
            self._doubts += 1

    def _trust(self, until: float, doubts: int) -> bool:
        """Unless there was a doubt since those `doubts`."""
        with self._guard:
            if doubts == self._doubts:
                self._trusted_until = until
            return doubts == self._doubts

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            began, reason = time.monotonic(), "others are masters every moment"
            try:
                self._connect_and_follow()
            except Exception as error:  # whatever it was, nothing is trusted
                self._distrust()
                reason = words(error)
            failures = 1 if time.monotonic() - began > LONGEST_PAUSE else failures + 1
            if failures == FAILURES_TO_TELL:
                self._tell(reason)
            self._closed.wait(min(SHORTEST_PAUSE * failures, LONGEST_PAUSE))

    def _tell(self, reason: str) -> None:
        what = f"Records are read anew for every check, until changes are told again: {reason}"
        events.log(events.STORE_CONCERN, level=logging.WARNING, store=self._name, what=what)

    def _connect_and_follow(self) -> None:
        doubts = self._doubts
        with contextlib.ExitStack() as stack:
            selector = stack.enter_context(DefaultSelector())
            links = [Link(connection) for connection in self._servers.connections()]
            for link in links:
                stack.callback(link.close)
                link.open()
                selector.register(link, EVENT_READ, link)
            self._count_all()
            self._follow(selector, links, doubts)

    def _follow(self, selector: DefaultSelector, links: Sequence[Link], doubts: int) -> None:
        """Returns when others are masters, or this is closed."""
        ask_at = time.monotonic()
        while not self._closed.is_set():
            now = time.monotonic()
            if now >= ask_at:
                self._look_at_masters(doubts)
                for link in links:
                    link.ask(now)
                ask_at = now + ASK_SECONDS
            for ready, _ in selector.select(max(0.0, ask_at - time.monotonic())):
                self._read(ready.data)
            if not self._trust(min(link.proved_at for link in links) + SILENCE_SECONDS, doubts):
                return

    def _read(self, link: Link) -> None:
        for keys in link.read():
            if keys is None:
                self._count_all()
            else:
                self.count(keys)

    def _look_at_masters(self, doubts: int) -> None:
        """When nobody has to read, nobody else asks where they are. Meanwhile nothing is counted here."""
        began, until = time.monotonic(), self._trusted_until
        self._trust(min(until, began + LOOK_SECONDS), doubts)
        self._servers.everywhere()
        if time.monotonic() - began < LOOK_SECONDS:
            self._trust(until, doubts)
