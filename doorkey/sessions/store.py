"""The interface of a session store. Every implementation passes `tests/contract/test_s*.py`.

A store sees sealed bytes, keyed hashes and times; it can neither read a session nor log in.
Times are seconds since the epoch and come from the caller. Every method raises
`StoreUnavailable` when the store cannot answer, and never pretends that nothing is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from doorkey.sessions.generations import Generations

LAST_END = 1e11
"""Seconds since the epoch that a clock can still show."""


@dataclass(frozen=True)
class StoredRecord:
    """`version` counts the updates; `user_key` and `sid_key` are keyed hashes to find sessions by.

    `sealed` opens with the secret in the browser's cookie only; `summary` with a server key alone.
    """

    record_id: bytes
    version: int
    sealed: bytes
    ends: float
    user_key: bytes
    sid_key: bytes | None = None
    summary: bytes = b""


def is_end(moment: float) -> bool:
    """Whether a record may end then; anything else was not written by us."""
    return 0 <= moment < LAST_END


class SessionStore(Protocol):
    """Atomic building blocks; two processes may call any of them at the same moment."""

    def create(self, record: StoredRecord) -> None:
        """Store a new record."""

    def read(self, record_id: bytes) -> StoredRecord | None:
        """The record, ended or not; None when there is none."""

    def update(self, record: StoredRecord) -> bool:
        """Replace the record if it is still there with this `version`, which then grows by one.

        False: it was changed or deleted meanwhile, and nothing was written. So a slow request
        can neither bring back a session that was signed out nor undo a refresh.
        """

    def delete(self, record_id: bytes) -> StoredRecord | None:
        """Delete the record, and give it back as it was at that moment; None when there was none.

        A store that lost the answer of its first try may not know any more what it deleted.
        """

    def delete_by_user(self, user_key: bytes) -> int:
        """Delete all records of a user; how many."""

    def delete_by_sid(self, sid_key: bytes) -> int:
        """Delete all records of one session at the provider; how many."""

    def list_by_user(self, user_key: bytes) -> list[StoredRecord]:
        """All records of a user, ended ones included."""

    def is_marked(self, mark: bytes, *, now: float) -> bool:
        """Whether somebody has `mark` at `now`."""

    def list_by_sid(self, sid_key: bytes) -> list[StoredRecord]:
        """All records of one session at the provider, ended ones included."""

    def all(self) -> Iterator[StoredRecord]:
        """Every record, in no order; one that comes or goes meanwhile may be left out."""

    def mark_once(self, mark: bytes, *, now: float, ends: float) -> bool:
        """True for exactly one caller until `ends`; False for everybody else."""

    def acquire_lease(self, name: bytes, owner: bytes, *, now: float, ends: float) -> bool:
        """Hold `name` until `ends`, or hold it longer if `owner` has it; False when another has it.

        A lease that ends more than twice as far away as the one asked for was taken before the clock was put
        back, and holds nobody up.
        """

    def release_lease(self, name: bytes, owner: bytes) -> None:
        """Give `name` back if `owner` still holds it."""

    def sweep(self, now: float, *, most: int = 1000) -> int:
        """Delete what ended before `now`, at most `most` records, marks and leases each.

        The largest of the three numbers; `most` means that there may be more to delete. A store that drops
        what ended by itself has nothing to do here.
        """

    def ping(self) -> None:
        """Raise `StoreUnavailable` unless the store can be read and written."""

    def concerns(self) -> list[str]:
        """What an operator should know of how the store is set up, a sentence each; none when it is as it should be.

        Raises `SettingsError` when the address leads to something that cannot serve as this store.
        """

    def changes(self) -> Generations | None:
        """What tells whoever keeps records in memory that they changed; None when nothing can."""
