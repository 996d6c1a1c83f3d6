"""Work that nobody waits for: done behind the answers, in the order in which it came."""

import logging
import queue
import threading
from collections.abc import Callable

from doorkey import events
from doorkey.errors import StoreUnavailable
from doorkey.sessions.forks import in_a_fork

THREADS = 2
MOST_WAITING = 1_000

Job = Callable[[], None]


class Behind:
    """One for each process; its threads start with the first job, and end with the process.

    A job too many is dropped: whoever gave it will come again.
    """

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING):
        self._threads = threads
        self._most_waiting = most_waiting
        self._start_afresh()
        in_a_fork(self._start_afresh)

    def _start_afresh(self) -> None:
        """A fork has none of the threads, and may find the locks taken."""
        self._guard = threading.Lock()
        self._runs = False
        self._jobs: queue.Queue[Job] = queue.Queue()

    def add(self, job: Job) -> None:
        if not self._runs:
            self._start()
        if self._jobs.qsize() < self._most_waiting:
            self._jobs.put(job)

    def settle(self) -> None:
        """Wait until all that was given so far is done."""
        self._jobs.join()

    def _start(self) -> None:
        with self._guard:
            if self._runs:
                return
            for number in range(self._threads):
                threading.Thread(target=self._work, name=f"behind-{number}", daemon=True).start()
            self._runs = True

    def _work(self) -> None:
        jobs = self._jobs
        while True:
            job = jobs.get()
            try:
                job()
            except StoreUnavailable as error:
                events.log(events.STORE_FAILED, level=logging.WARNING, detail=error.detail)
            except Exception as error:  # the answer was right, and is sent
                events.log(events.UNEXPECTED_ERROR, level=logging.ERROR, error=error, kind=type(error).__name__)
            finally:
                jobs.task_done()
