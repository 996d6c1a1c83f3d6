"""What happens in an example: requests again and again, and between them whatever makes an answer another one."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.gate.reference.choices import Choices
from tests.gate.reference.random_policies import (
    random_groups,
    random_person,
    random_policy,
    random_scopes,
    random_token,
)
from tests.gate.reference.random_requests import Wish, asking, random_wish
from tests.gate.reference.three_ways import ABSOLUTE, IDLE, World

FEWEST_STEPS, MOST_STEPS = 20, 60
BYTES_OF_A_STEP = 16
BYTES_OF_A_BEGINNING = 160
SECONDS = (1, 0.5, 29, 30, 31, 59, 60, 61, 119, 300, IDLE - 1, IDLE, IDLE + 1, ABSOLUTE - 1, ABSOLUTE, -1, -45)
KINDS = (*["ask"] * 11, *["again"] * 3, *["change"] * 2)
CHANGES = (
    *("wait", "wait", "wait", "end", "end", "end_all_of", "renew", "renew", "regroup", "regroup", "touch"),
    *("write_policy", "sign_in", "sign_in", "make_token", "revoke_token"),
)


@dataclass(frozen=True)
class Day:
    """How it begins, and each of its steps, as random bytes."""

    beginning: bytes
    steps: list[bytes]


def days() -> st.SearchStrategy[Day]:
    step = st.binary(min_size=BYTES_OF_A_STEP, max_size=BYTES_OF_A_STEP)
    return st.builds(
        Day,
        beginning=st.binary(min_size=BYTES_OF_A_BEGINNING, max_size=BYTES_OF_A_BEGINNING),
        steps=st.lists(step, min_size=FEWEST_STEPS, max_size=MOST_STEPS),
    )


def live(worlds: list[World], day: Day) -> None:
    """Raises `AssertionError`, with all that happened, as soon as two of the three answers differ."""
    choices = Choices(day.beginning)
    world = choices.of(worlds)
    world.begin()
    for _ in range(1 + choices.number(3)):
        world.sign_in(random_person(choices), random_scopes(choices))
    for _ in range(choices.number(3)):
        world.make_token(*random_token(choices))
    world.write_policy(random_policy(choices))
    asked: list[Wish] = []
    try:
        for step in day.steps:
            take(world, Choices(step), asked)
    except AssertionError as error:
        story = "\n".join(map(repr, world.story))
        raise AssertionError(f"{error}\n{world.policy_path.read_text()}\n{story}") from None


def take(world: World, choices: Choices, asked: list[Wish]) -> None:
    """One step."""
    kind = choices.of(KINDS)
    if kind == "ask":
        asked.append(random_wish(choices, on_loopback=not world.site.is_secure))
        ask(world, asked[-1])
    elif kind == "again":
        for wish in asked[-1 - choices.number(4) :]:
            ask(world, wish)
    else:
        change(world, choices)


def ask(world: World, wish: Wish) -> None:
    world.story.append(wish)
    request = asking(world, wish)
    try:
        world.ask(request)
    except AssertionError as error:
        raise AssertionError(f"{error}\nto {request}") from None


def change(world: World, choices: Choices) -> None:
    what, elsewhere, number = choices.of(CHANGES), bool(choices.number(2)), choices.number(12)
    person = number % len(world.people)
    given: tuple[Any, ...] = ()
    if what == "wait":
        given = (choices.of(SECONDS),)
    elif what in ("end", "end_all_of", "touch"):
        given = (person, elsewhere)
    elif what == "renew":
        given = (person, elsewhere, random_scopes(choices))
    elif what == "regroup":
        given = (person, elsewhere, random_groups(choices))
    elif what == "write_policy":
        given = (random_policy(choices),)
    elif what == "sign_in":
        given = (random_person(choices), random_scopes(choices))
    elif what == "make_token":
        given = random_token(choices)
    elif world.tokens:
        given = (number % len(world.tokens),)
    else:
        return
    world.story.append((what, given))
    getattr(world, what)(*given)
