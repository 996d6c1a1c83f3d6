"""What a call costs this thread of the processor, whatever else a long test run keeps in memory or does beside it."""

import gc
import time
from collections.abc import Callable


def cpu_seconds(call: Callable[[], object], *, times: int = 3) -> float:
    """The least of ``times`` calls, in seconds of this thread; no collection walks through what other tests left."""
    gc.collect()
    gc.disable()
    try:
        return min(_once(call) for _ in range(times))
    finally:
        gc.enable()


def _once(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began
