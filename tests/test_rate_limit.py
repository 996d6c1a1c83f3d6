"""How often one address may begin a sign-in, and which address that is (web/rate_limit.py)."""

import pytest

from doorkey.errors import TooManyRequests
from doorkey.setting_values import networks
from doorkey.web.rate_limit import MOST_ADDRESSES, RateLimit, client_address
from tests.conftest import MovedClock


def passes(limit: RateLimit, address: str = "192.0.2.1", what: str = "login") -> bool:
    try:
        limit.spend(what, address)
    except TooManyRequests:
        return False
    return True


def empty(limit: RateLimit) -> int:
    """Spend until nothing is left; how many passed."""
    passed = 0
    while passes(limit):
        passed += 1
    return passed


def test_a_burst_of_twice_as_many_passes_and_the_next_one_does_not(clock: MovedClock) -> None:
    limit = RateLimit(5, clock)
    assert [passes(limit) for _ in range(12)] == [True] * 10 + [False] * 2


def test_it_fills_up_again_at_its_rate_and_not_beyond_a_burst(clock: MovedClock) -> None:
    limit = RateLimit(60, clock)
    empty(limit)
    clock.advance(10)
    assert empty(limit) == 10
    clock.advance(3600)
    assert empty(limit) == 120


def test_whoever_keeps_trying_still_gets_the_allowed_number(clock: MovedClock) -> None:
    """A school behind one address, at twice the rate: half of them get in, and not nobody."""
    limit = RateLimit(60, clock)
    empty(limit)
    passed = 0
    for _ in range(240):
        clock.advance(0.5)
        passed += passes(limit)
    assert 110 <= passed <= 121


def test_addresses_and_kinds_do_not_share(clock: MovedClock) -> None:
    limit = RateLimit(1, clock)
    empty(limit)
    assert passes(limit, "192.0.2.2")
    assert passes(limit, "192.0.2.1", "callback")
    assert not passes(limit, "192.0.2.1")


def test_one_ipv6_network_counts_as_one_address(clock: MovedClock) -> None:
    limit = RateLimit(1, clock)
    assert [passes(limit, f"2001:db8::{n}") for n in (1, 2, 3)] == [True, True, False]
    assert passes(limit, "2001:db8:0:1::1")


def test_ipv4_addresses_seen_through_an_ipv6_socket_are_not_one(clock: MovedClock) -> None:
    limit = RateLimit(1, clock)
    assert [passes(limit, f"::ffff:192.0.2.{n}") for n in (1, 2, 3)] == [True] * 3
    empty(limit)
    assert not passes(limit, "::ffff:192.0.2.1")


def test_zero_lets_everything_pass(clock: MovedClock) -> None:
    limit = RateLimit(0, clock)
    assert all(passes(limit) for _ in range(10_000))


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing(clock: MovedClock) -> None:
    limit = RateLimit(1, clock)
    assert passes(limit)
    clock.advance(-3600)
    assert [passes(limit), passes(limit)] == [True, False]


def test_its_memory_is_bounded(clock: MovedClock) -> None:
    limit = RateLimit(60, clock)
    for n in range(MOST_ADDRESSES + 5000):
        limit.spend("login", f"10.{n // 65536}.{n // 256 % 256}.{n % 256}")
    assert len(limit._left) <= MOST_ADDRESSES
    limit.spend("login", "not an address " * 1000)
    assert max(len(address) for _, address in limit._left) <= 64


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        pytest.param("192.0.2.1", "", (), "192.0.2.1", id="direct"),
        pytest.param("192.0.2.1", "10.9.9.9", (), "192.0.2.1", id="nobody is trusted"),
        pytest.param("192.0.2.1", "10.9.9.9", ("10.0.0.0/8",), "192.0.2.1", id="an untrusted peer says something"),
        pytest.param("10.0.0.1", "192.0.2.1", ("10.0.0.0/8",), "192.0.2.1", id="one proxy"),
        pytest.param("10.0.0.1", "6.6.6.6, 192.0.2.1", ("10.0.0.0/8",), "192.0.2.1", id="forged in front"),
        pytest.param("10.0.0.1", "192.0.2.1, 10.0.0.2", ("10.0.0.0/8",), "192.0.2.1", id="two proxies"),
        pytest.param("10.0.0.1", "10.0.0.3,10.0.0.2", ("10.0.0.0/8",), "10.0.0.3", id="all trusted"),
        pytest.param("10.0.0.1", "", ("10.0.0.0/8",), "10.0.0.1", id="proxy that says nothing"),
        pytest.param("fd00::1", "2001:db8::1", ("fd00::/8",), "2001:db8::1", id="IPv6"),
        pytest.param("::ffff:10.0.0.1", "192.0.2.1", ("10.0.0.0/8",), "192.0.2.1", id="IPv4 proxy, IPv6 socket"),
        pytest.param("10.0.0.1", "rubbish", ("10.0.0.0/8",), "rubbish", id="rubbish counts as somebody"),
    ],
)
def test_the_address_is_the_last_that_no_trusted_proxy_has(
    peer: str, forwarded: str, trusted: tuple[str, ...], address: str
) -> None:
    assert client_address(peer, forwarded, networks(",".join(trusted))) == address
