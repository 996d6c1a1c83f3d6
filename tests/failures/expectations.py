"""How an expectation is written: what turns the right observation into the expected one, and nothing else.

    plus("id_token.claims.iss", "1")       the value, with a 1 behind it
    gone("id_token.claims.sub")            not there any more
    sets({"token.fields.token_type": "mac"})

Several in a row are one. Used by expected.py and the tests.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.failures.relying_party import STEPS, Observation

Turn = Callable[[Observation], None]


class Like:
    """Equal to every text of this form, other than the `others`."""

    def __init__(self, pattern: str, *others: str):
        self.pattern, self.others = pattern, others

    def __eq__(self, found: object) -> bool:
        return isinstance(found, str) and re.fullmatch(self.pattern, found) is not None and found not in self.others

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"like {self.pattern} but not {self.others}"


@dataclass(frozen=True)
class Expected:
    """`turns`: from right to expected. `client` asks, with `options` of `RelyingParty` when it is to go wrong.

    `once` are steps that meet the same failure again within one sign-in; they are left out where two uses
    are to be two sign-ins.
    """

    turns: Sequence[Turn]
    client: str = "rp"
    options: Mapping[str, Any] = field(default_factory=dict)
    once: Sequence[str] = ()
    until_cleared: bool = False

    def of(self, right: Observation) -> Observation:
        found = dict(right)
        for turn in self.turns:
            turn(found)
        return found


def expect(*turns: Turn, **more: Any) -> Expected:
    return Expected(turns, **more)


def plus(key: str, text: str) -> Turn:
    def turn(seen: Observation) -> None:
        seen[key] += text

    return turn


def gone(*keys: str) -> Turn:
    """Each has been there: a mistyped name is no expectation."""

    def turn(seen: Observation) -> None:
        for key in keys:
            del seen[key]

    return turn


def sets(values: Mapping[str, Any]) -> Turn:
    return lambda seen: seen.update(values)


def made(key: str, make: Callable[[Observation], Any]) -> Turn:
    """`key` becomes what `make` makes of the right observation."""

    def turn(seen: Observation) -> None:
        seen[key] = make(seen)

    return turn


def only(place: str, values: Mapping[str, Any]) -> Turn:
    """Below `place`, such as `token.fields`, there is nothing else."""

    def turn(seen: Observation) -> None:
        for key in [key for key in seen if key.startswith(place + ".")]:
            del seen[key]
        seen.update({f"{place}.{name}": value for name, value in values.items()})

    return turn


def ends_with(step: str) -> Turn:
    """The sign-in cannot go on after `step`."""
    return without(*STEPS[STEPS.index(step) + 1 :])


def without(*steps: str) -> Turn:
    def turn(seen: Observation) -> None:
        for key in [key for key in seen if key.partition(".")[0] in steps]:
            del seen[key]

    return turn


def differences(expected: Observation, found: Observation) -> dict[str, tuple[Any, Any]]:
    """By name: what was expected, and what was found."""
    absent = "<absent>"
    keys = dict.fromkeys((*expected, *found))
    pairs = {key: (expected.get(key, absent), found.get(key, absent)) for key in keys}
    return {key: pair for key, pair in pairs.items() if not pair[0] == pair[1]}  # noqa: SIM201 (Like has no !=)
