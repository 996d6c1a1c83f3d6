"""Moments as text (clock.py)."""

import pytest

from doorkey.clock import iso, system_clock, system_random, utc


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0, "1970-01-01T00:00:00Z", id="the epoch"),
        pytest.param(1_795_536_000 - 1 + 0.999, "2026-11-24T15:59:59Z", id="fractions are cut off"),
        pytest.param(2**31, "2038-01-19T03:14:08Z", id="after 2038"),
    ],
)
def test_a_moment_is_utc_without_fractions(seconds: float, text: str) -> None:
    assert iso(seconds) == text
    assert utc(seconds).utcoffset() is not None


def test_the_system_gives_seconds_and_unlike_bytes() -> None:
    assert system_clock() > 1_700_000_000
    assert len(system_random(32)) == 32
    assert system_random(32) != system_random(32)
