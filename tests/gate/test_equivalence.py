"""The gate answers as a slow and plain one does, byte for byte, whatever is asked and whatever changes meanwhile.

Here for some seconds, with the same requests each time; `python -m tests.gate.reference --requests 1000000` goes on.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from doorkey.oauth.user_info import Identity
from tests.gate.reference.random_days import Day, days, live
from tests.gate.reference.slow_answers import REQUEST_ID
from tests.gate.reference.three_ways import Asking, World, open_worlds
from tests.support.gate_desk import PAGE, URL, said

EXAMPLES = 160
EXPECTED = {
    (200, "anyone"),
    (200, "signed_in"),
    (302, "no_session and where to go"),
    (302, "expired and where to go"),
    (302, "invalid_token and where to go"),
    (303, "expired and where to go"),
    (401, "no_session and where to go"),
    (401, "invalid_token"),
    (400, "bad_gateway_config"),
    (403, "bad_gateway_config"),
    (403, "host_not_allowed"),
    (403, "not_allowed"),
    (403, "not_allowed and where to go"),
    (403, "untrusted_proxy"),
    (403, "user_too_long"),
    (404, "no_dialect"),
}
UNA = Identity("stub", "una", groups=("admins",))


@pytest.fixture(scope="module")
def worlds() -> Iterator[list[World]]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="doorkey-", dir=memory) as folder, open_worlds(Path(folder)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _nobody_reads_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("doorkey"), "disabled", True)


def test_it_answers_as_the_reference_does(worlds: list[World]) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(days())
    def run(day: Day) -> None:
        live(worlds, day)

    run()
    seen = {told for world in worlds for told in world.seen}
    assert seen >= EXPECTED, f"nothing was asked that is answered by {EXPECTED - seen}"
    assert sum(world.asked for world in worlds) > 30 * EXAMPLES


# ---- the reference itself ----


def asked_by(world: World, cookie: str) -> Asking:
    raw = [*said("forward", URL), *PAGE, (b"cookie", cookie.encode())]
    return Asking("GET", b"/check/forward", b"", raw, "127.0.0.1")


def test_the_reference_can_tell_who_is_signed_in(worlds: list[World]) -> None:
    """Two that say no to everything would agree too."""
    world = worlds[0]
    world.begin('[[rule]]\nname = "admins"\nallow = { groups = ["admins"] }')
    world.sign_in(UNA, ())
    status, headers, body = world.by_view(asked_by(world, world.gate_cookie(0)))
    assert (status, dict(headers)["x-doorkey-user"], dict(headers)["x-doorkey-groups"]) == (200, "una", "admins")
    world.regroup(0, True, ())
    status, headers, body = world.by_view(asked_by(world, world.gate_cookie(0)))
    assert (status, dict(headers)["x-doorkey-reason"]) == (403, "not_allowed:admins")
    assert b"Request id <code>" + REQUEST_ID.encode() in body
    world.end(0, True)
    status, headers, body = world.by_view(asked_by(world, world.gate_cookie(0)))
    assert (status, dict(headers)["x-doorkey-reason"]) == (302, "expired")


def test_a_difference_is_found(worlds: list[World], monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that goes on to let in somebody who was signed out."""
    world = worlds[0]
    world.begin()
    world.sign_in(UNA, ())
    request = asked_by(world, world.gate_cookie(0))
    stale = world.by_checkpoint(request)
    world.end(0, True)
    world.ask(request)
    monkeypatch.setattr(World, "by_asgi", lambda *_: stale)
    with pytest.raises(AssertionError, match="says"):
        world.ask(request)
