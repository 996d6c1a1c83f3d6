"""Many choices from a few random bytes: hypothesis takes longer to draw one value than a gate takes to answer.

    choices = Choices(data)
    choices.of(METHODS)

Bytes that are all zero choose the first of everything, so whatever is first has to be the plainest.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """`data` as one large number, taken apart digit by digit."""

    def __init__(self, data: bytes):
        self._left = int.from_bytes(data, "little")

    def of(self, options: Sequence[T]) -> T:
        return options[self.number(len(options))]

    def number(self, below: int) -> int:
        self._left, found = divmod(self._left, below)
        return found

    def mostly(self, plain: Sequence[T], odd: Sequence[T], one_in: int) -> T:
        """An odd one in so many."""
        return self.of(odd) if self.number(one_in) == one_in - 1 else self.of(plain)

    def some(self, options: Sequence[T], most: int) -> tuple[T, ...]:
        """Different ones, none at all among the cases."""
        found = (self.of(options) for _ in range(self.number(most + 1)))
        return tuple(dict.fromkeys(found))
