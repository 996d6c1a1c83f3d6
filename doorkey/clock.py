"""Time and randomness as values that are passed in, so that tests can choose both."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Seconds since the epoch."""

RandomBytes = Callable[[int], bytes]
"""`n` bytes that nobody can guess."""

system_clock: Clock = time.time
system_random: RandomBytes = secrets.token_bytes


def utc(seconds: float) -> datetime:
    """The moment `seconds` after the epoch, in UTC and without fractions."""
    return datetime.fromtimestamp(int(seconds), UTC)


def iso(seconds: float) -> str:
    """RFC 3339 in UTC, such as `2026-11-24T15:56:54Z`."""
    return utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
