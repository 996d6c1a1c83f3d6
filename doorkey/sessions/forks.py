"""What a fork of this process does first of all."""

import os
import weakref
from collections.abc import Callable


def in_a_fork(method: Callable[[], None]) -> None:
    """Call this method of an object, unless the object is gone by then; it is not kept for this."""
    found = weakref.WeakMethod(method)

    def call() -> None:
        there = found()
        if there:
            there()

    os.register_at_fork(after_in_child=call)
