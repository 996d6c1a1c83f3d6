"""`front_door`: makes Doorkeys at development providers of their own; `log_text`: what was logged so far."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from doorkey.events import JsonLines
from tests.conftest import MovedClock
from tests.failures.raw_jose import public_jwk
from tests.relying_party.answers import KEY
from tests.relying_party.front_door import FrontDoor

MakeFrontDoor = Callable[..., FrontDoor]


@pytest.fixture
def front_door(tmp_path: Path, clock: MovedClock) -> MakeFrontDoor:
    """`front_door(op={"CLIENT_AUTH": "none"})`; the provider has the public half of our key."""

    def make(**options: object) -> FrontDoor:
        return FrontDoor(tmp_path, clock, jwks=(public_jwk(KEY, "rp-key"),), **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def log_text(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All lines so far, as an operator reads them."""
    caplog.set_level(logging.INFO)
    return lambda: "\n".join(JsonLines().format(record) for record in caplog.records)
