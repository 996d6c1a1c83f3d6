"""A connection to one server which tells of every record that changes there (CLIENT TRACKING, with RESP3).

    link.open()                      # from now on nothing is missed
    link.ask(now)                    # now and then: a link that is dead without a word answers no more
    for keys in link.read(): ...     # as soon as something has come

What may raise raises, and then the link is of no use any more. redis_tracking.py holds one to each master.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

from redis.exceptions import AskError, InvalidResponse, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

PREFIX = b"doorkey:session:"
SILENCE_SECONDS = 0.5
_QUESTIONS = (("HELLO",), ("EXISTS", PREFIX))
"""Whether this is still a master, and whether it would let somebody read: a node that lost its Cluster does not."""

_PUSHED = object()


class Link:
    """`proved_at`: what had changed by then is known."""

    def __init__(self, connection: Any):
        self.proved_at = -inf
        self._connection = connection
        self._pushed: list[Any] = []
        self._asked_at = -inf
        self._due = 0

    def open(self) -> None:
        """Raises `RedisError`; `ResponseError` when the server cannot do this, or the user may not."""
        connection = self._connection
        connection.connect()
        connection._parser.set_invalidation_push_handler(self._take)
        connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", PREFIX)
        if connection.read_response() != b"OK":
            raise InvalidResponse("CLIENT TRACKING was not answered with OK")

    def fileno(self) -> int:
        return int(self._connection._get_socket().fileno())

    def close(self) -> None:
        self._connection.disconnect()

    def ask(self, now: float) -> None:
        """Unless it owes an answer. Raises `TimeoutError` of redis-py when it owes it for too long."""
        if not self._due:
            self._asked_at, self._due = now, len(_QUESTIONS)
            self._connection.send_packed_command(self._connection.pack_commands(_QUESTIONS), check_health=False)
        elif now - self._asked_at > SILENCE_SECONDS:
            raise RedisTimeoutError(f"no answer in {SILENCE_SECONDS} seconds")

    def read(self) -> Iterator[list[bytes] | None]:
        """The keys that changed, as far as they have come; None for all there are."""
        while True:
            try:
                answer = self._connection.read_response(True, push_request=True, timeout=0, disconnect_on_error=False)
            except RedisTimeoutError:
                return
            except AskError:  # or `MovedError`: another node of the Cluster has that key
                answer = 0
            if answer is not _PUSHED:
                self._check(answer)
            for _, keys in self._pushed:
                yield keys
            self._pushed.clear()

    def _take(self, message: Any) -> object:
        """Called by redis-py, which would only log what goes wrong in here."""
        self._pushed.append(message)
        return _PUSHED

    def _check(self, answer: Any) -> None:
        if self._due == 2 and isinstance(answer, dict) and b"role" in answer:
            if answer[b"role"] != b"master":
                raise ReadOnlyError("it is a replica now")
            self._due = 1
        elif self._due == 1 and isinstance(answer, int):
            self._due = 0
            self.proved_at = self._asked_at
        else:
            raise InvalidResponse("an answer to no question")
