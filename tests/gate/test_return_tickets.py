"""Where somebody wanted to go, sealed: nothing that was altered, is over, or was made for something else opens."""

import random

import pytest

from doorkey.base64url import decode, encode
from doorkey.gate.tickets import (
    ACCEPT_SECONDS,
    EARLY_SECONDS,
    LONGEST_URL,
    TICKET_SECONDS,
    AcceptTicket,
    Ticket,
    Tickets,
    shorter,
)
from doorkey.sessions.seal import Keyring
from tests.conftest import MovedClock

KEYS = [b"k" * 32]
URL = "https://app.example.com/a%2Fb?c=d"


@pytest.fixture
def tickets(clock: MovedClock) -> Tickets[Ticket]:
    return Tickets(Keyring(KEYS), Ticket, clock)


@pytest.fixture
def accepts(clock: MovedClock) -> Tickets[AcceptTicket]:
    return Tickets(Keyring(KEYS), AcceptTicket, clock)


def ticket(clock: MovedClock, url: str = URL, **more: str) -> Ticket:
    return Ticket(url, "app.example.com", "GET", "no_session", clock(), **more)


def test_a_ticket_comes_back_as_it_was(tickets: Tickets[Ticket], clock: MovedClock) -> None:
    made = ticket(clock, rule="admins", policy="p", provider="corp", request_id="id", cookies="others", dialect="nginx")
    assert tickets.open(tickets.seal(made)) == made


def test_a_ticket_says_nothing_to_whoever_carries_it(tickets: Tickets[Ticket], clock: MovedClock) -> None:
    sealed = decode(tickets.seal(ticket(clock)))
    assert sealed
    assert b"example" not in sealed
    assert tickets.seal(ticket(clock)) != tickets.seal(ticket(clock))


def test_no_bit_of_a_ticket_can_be_changed(tickets: Tickets[Ticket], clock: MovedClock) -> None:
    sealed = bytearray(decode(tickets.seal(ticket(clock))) or b"")
    for place in range(len(sealed)):
        changed = bytes([*sealed[:place], sealed[place] ^ 1, *sealed[place + 1 :]])
        assert tickets.open(encode(changed)) is None


@pytest.mark.parametrize(
    "text", ["", "A", "AA", "====", "a b", "é", "\0", "../..", "A" * 43, "A" * 100_000, "%41", "-_-_"]
)
def test_what_is_no_ticket_opens_nothing(tickets: Tickets[Ticket], text: str) -> None:
    assert tickets.open(text) is None


def test_a_ticket_has_one_spelling(tickets: Tickets[Ticket], clock: MovedClock) -> None:
    sealed = tickets.seal(ticket(clock))
    for other in (sealed + "=", sealed + "\n", " " + sealed, sealed[:-1], sealed + "A", sealed.lower()):
        assert tickets.open(other) is None


def test_a_ticket_of_a_foreign_key_opens_nothing(tickets: Tickets[Ticket], clock: MovedClock) -> None:
    foreign = Tickets(Keyring([b"f" * 32]), Ticket, clock)
    assert tickets.open(foreign.seal(ticket(clock))) is None


def test_a_ticket_of_the_key_before_still_opens(clock: MovedClock) -> None:
    old = Tickets(Keyring([b"o" * 32]), Ticket, clock).seal(ticket(clock))
    assert Tickets(Keyring([b"n" * 32, b"o" * 32]), Ticket, clock).open(old)


def test_one_kind_of_ticket_is_no_other(
    tickets: Tickets[Ticket], accepts: Tickets[AcceptTicket], clock: MovedClock
) -> None:
    accept = AcceptTicket(URL, "app.example.com", b"s" * 32, b"i" * 16, clock())
    assert tickets.open(accepts.seal(accept)) is None
    assert accepts.open(tickets.seal(ticket(clock))) is None


def test_what_is_sealed_for_cookies_is_no_ticket(tickets: Tickets[Ticket], clock: MovedClock) -> None:
    sealed = decode(tickets.seal(ticket(clock)))
    assert sealed
    assert Keyring(KEYS).open(sealed, purpose="gate cookie", bound_to=b"") is None
    assert Keyring(KEYS).open(sealed, purpose="gate Ticket", bound_to=b"app.example.com") is None


@pytest.mark.parametrize(("seconds", "lives"), [(0, True), (TICKET_SECONDS - 1, True), (TICKET_SECONDS, False)])
def test_a_ticket_is_over_after_ten_minutes(
    tickets: Tickets[Ticket], clock: MovedClock, seconds: int, lives: bool
) -> None:
    sealed = tickets.seal(ticket(clock))
    clock.advance(seconds)
    assert (tickets.open(sealed) is not None) is lives
    assert tickets.open(sealed, over_too=True)


def test_a_ticket_from_a_clock_that_is_far_ahead_is_none(tickets: Tickets[Ticket], clock: MovedClock) -> None:
    sealed = tickets.seal(ticket(clock))
    clock.advance(-EARLY_SECONDS)
    assert tickets.open(sealed)
    clock.advance(-1)
    assert tickets.open(sealed) is None


def test_an_accept_ticket_is_over_after_half_a_minute(accepts: Tickets[AcceptTicket], clock: MovedClock) -> None:
    sealed = accepts.seal(AcceptTicket(URL, "app.example.com", b"s" * 32, b"i" * 16, clock()))
    clock.advance(ACCEPT_SECONDS - 0.1)
    assert accepts.open(sealed)
    clock.advance(0.1)
    assert accepts.open(sealed) is None


def test_content_of_another_version_is_no_ticket(tickets: Tickets[Ticket]) -> None:
    for content in (b"", b"x", b"\x00" * 50):
        assert tickets.open(encode(Keyring(KEYS).seal(content, purpose="gate Ticket", bound_to=b""))) is None


def test_the_longest_url_that_cannot_be_compressed_fits_into_a_header(
    tickets: Tickets[Ticket], clock: MovedClock
) -> None:
    signs = [chr(sign) for sign in range(0x21, 0x7F)]
    url = "https://app.example.com/" + "".join(random.Random(1).choices(signs, k=LONGEST_URL - 24))
    made = ticket(clock, url, rule="r" * 100, request_id="i" * 16)
    sealed = tickets.seal(made)
    assert len(sealed) < 3000
    assert tickets.open(sealed) == made


def test_a_url_that_is_too_long_loses_its_query_and_then_its_path_and_never_its_host() -> None:
    origin = "https://app.example.com"
    assert shorter(origin + "/a?" + "b" * LONGEST_URL, origin) == origin + "/a"
    assert shorter(origin + "/" + "a" * LONGEST_URL, origin) == origin + "/"
    whole = origin + "/" + "a" * (LONGEST_URL - len(origin) - 1)
    assert shorter(whole, origin) == whole


@pytest.mark.parametrize(("method", "is_form"), [("GET", False), ("HEAD", False), ("POST", True), ("DELETE", True)])
def test_what_was_sent_is_lost_but_for_what_is_only_asked_for(clock: MovedClock, method: str, is_form: bool) -> None:
    assert Ticket(URL, "app.example.com", method, "x", clock()).is_form is is_form
