"""Cookies at the gate: only the right one, once, at its own kind of host; and the gate's opens no page of ours."""

import logging

import pytest

from doorkey.base64url import encode
from doorkey.sessions.seal import Keyring
from tests.conftest import KEY
from tests.support.gate_desk import DOMAIN_COOKIE, HOST, PAGE, URL, desk_at, is_a_no

OUTSIDE = "https://other.example.org/x"
OWN_COOKIE, OUTSIDE_COOKIE = "__Host-doorkey", "__Host-doorkey-gate"


HOSTS = {"DOORKEY_ALLOWED_HOSTS": "app.example.com, other.example.org, third.example.org"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return desk_at(tmp_path_factory.mktemp("gate"), **HOSTS)


@pytest.fixture
def session(desk):
    return desk.sign_in(sub="alice")


@pytest.fixture
def value(session):
    return encode(session.ids.gate_secret)


@pytest.fixture
def outside(desk, session):
    """The value of the cookie of other.example.org."""
    return desk.app.extensions["doorkey"].gate.cookies.for_outside(session.ids.gate_secret, "other.example.org")


def test_the_right_cookie_passes_among_others(desk, value):
    for cookie in (f"{DOMAIN_COOKIE}={value}", f"a=b; {DOMAIN_COOKIE}={value};c=d", f";;{DOMAIN_COOKIE}={value};"):
        assert desk.ask(cookie=cookie).status == 200


WRONG_NAMES = [
    *("doorkey-gate", "__secure-doorkey-gate", "__SECURE-DOORKEY-GATE", "Secure-doorkey-gate", "__Secure-doorkey"),
    *(
        "__Host-doorkey-gate",
        "__Host-doorkey",
        "doorkey",
        "__Secure-doorkey-gate ",
        " x__Secure-doorkey-gate",
        "$Version",
    ),
    *(
        "__Secure-doorkey-gate2",
        "__Secure%2Ddoorkey-gate",
        '"__Secure-doorkey-gate"',
        "__Secure_doorkey_gate",
        "session",
    ),
]


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_cookie_of_another_name_opens_nothing(desk, value, name):
    assert is_a_no(desk.ask(cookie=f"{name}={value}"))


def spoiled(value):
    return {
        "quoted": f'"{value}"',
        "padded": value + "=",
        "spaces": f" {value}\tx",
        "upper": value.upper(),
        "cut": value[:-1],
        "longer": value + "A",
        "percent": "%" + value,
        "two": f"{value},{value}",
        "null": value + "\0",
        "empty": "",
        "huge": value * 1000,
        "plain": "A" * 43,
        "latin": "\xe9" * 43,
        "last bit": value[:-1] + chr(ord(value[-1]) ^ 1),
    }


@pytest.mark.parametrize("how", spoiled("x"))
def test_a_spoiled_value_opens_nothing(desk, value, how, caplog):
    with caplog.at_level(logging.ERROR):
        assert is_a_no(desk.ask(cookie=f"{DOMAIN_COOKIE}={spoiled(value)[how]}"))
    assert not caplog.records


def test_a_cookie_that_comes_twice_opens_nothing(desk, value):
    """Another site of the domain may have set one of them; which, nobody can tell."""
    other = encode(desk.sign_in(sub="mallory").ids.gate_secret)
    for second in (value, other, "A" * 43, ""):
        for pair in ((value, second), (second, value)):
            cookie = "; ".join(f"{DOMAIN_COOKIE}={each}" for each in pair)
            answer = desk.ask(cookie=cookie)
            assert is_a_no(answer), pair
    pieces = [(b"cookie", f"{DOMAIN_COOKIE}={value}".encode()), (b"cookie", f"{DOMAIN_COOKIE}={other}".encode())]
    assert is_a_no(desk.ask(more=[*PAGE, *pieces]))


def test_a_cookie_header_in_pieces_is_one(desk, value):
    pieces = [(b"cookie", b"a=b"), (b"cookie", f"{DOMAIN_COOKIE}={value}".encode()), (b"cookie", b"c=d")]
    assert desk.ask(more=pieces).status == 200


def test_a_huge_cookie_header_costs_nothing_and_opens_nothing(desk):
    assert is_a_no(desk.ask(cookie=f"{DOMAIN_COOKIE}=x; " * 20_000))
    assert is_a_no(desk.ask(cookie=";" * 60_000))


# ---- other secrets in its place ----


def test_the_secret_of_pages_is_none_of_the_gate(desk, session):
    secret = encode(session.ids.session_secret)
    for name in (DOMAIN_COOKIE, OWN_COOKIE, OUTSIDE_COOKIE):
        assert is_a_no(desk.ask(cookie=f"{name}={secret}")), name


def test_ids_that_people_see_open_nothing(desk, session):
    for text in (session.ids.public_id, encode(session.ids.record_id), session.ids.csrf_token):
        assert is_a_no(desk.ask(cookie=f"{DOMAIN_COOKIE}={text}"))


def test_a_session_of_one_does_not_become_that_of_another(desk, session, value):
    other = desk.sign_in(sub="bob")
    assert desk.ask(cookie=f"{DOMAIN_COOKIE}={value}").get("x-doorkey-user") == "alice"
    assert desk.ask(cookie=desk.cookie(other)).get("x-doorkey-user") == "bob"


def test_an_ended_session_opens_nothing_from_the_next_check_on(desk, session, value):
    desk.sessions.end(session.ids.session_secret)
    answer = desk.ask(cookie=f"{DOMAIN_COOKIE}={value}")
    assert is_a_no(answer)
    assert answer.get("x-doorkey-reason") == "expired"


# ---- hosts outside the cookie domain ----


def test_a_host_outside_takes_its_own_cookie_and_no_other(desk, value, outside):
    assert desk.ask(url=OUTSIDE, cookie=f"{OUTSIDE_COOKIE}={outside}").status == 200
    for cookie in (f"{DOMAIN_COOKIE}={value}", f"{OUTSIDE_COOKIE}={value}", f"{DOMAIN_COOKIE}={outside}"):
        assert is_a_no(desk.ask(url=OUTSIDE, cookie=cookie)), cookie


def test_the_cookie_of_a_host_outside_opens_nothing_at_any_other(desk, outside):
    for host in (
        "third.example.org",
        "app.example.com",
        "login.example.com",
        "other.example.org.",
        "x.other.example.org",
    ):
        for name in (OUTSIDE_COOKIE, DOMAIN_COOKIE, OWN_COOKIE):
            answer = desk.ask(url=f"https://{host}/x", cookie=f"{name}={outside}")
            assert is_a_no(answer) or (host, name) == ("other.example.org.", OUTSIDE_COOKIE), (host, name)


def test_no_bit_of_the_cookie_of_a_host_outside_can_be_changed(desk, outside):
    for place in range(0, len(outside), 5):
        changed = outside[:place] + ("A" if outside[place] != "A" else "B") + outside[place + 1 :]
        assert is_a_no(desk.ask(url=OUTSIDE, cookie=f"{OUTSIDE_COOKIE}={changed}"))


def test_what_is_sealed_for_another_purpose_is_no_cookie(desk, session):
    keyring = Keyring([KEY.encode()])
    for purpose in ("gate Ticket", "gate AcceptTicket", "session", ""):
        sealed = encode(keyring.seal(session.ids.gate_secret, purpose=purpose, bound_to=b"other.example.org"))
        assert is_a_no(desk.ask(url=OUTSIDE, cookie=f"{OUTSIDE_COOKIE}={sealed}"))


def test_accept_tickets_and_return_tickets_are_no_cookies(desk):
    ticket = desk.ask(url=OUTSIDE).get("location").partition("rt=")[2]
    assert ticket
    assert is_a_no(desk.ask(url=OUTSIDE, cookie=f"{OUTSIDE_COOKIE}={ticket}"))
    assert is_a_no(desk.ask(cookie=f"{DOMAIN_COOKIE}={ticket}"))


# ---- without a cookie domain ----


@pytest.fixture
def alone(tmp_path):
    """A Doorkey without a cookie domain: its own host takes the cookie of its pages."""
    return desk_at(tmp_path, **HOSTS, DOORKEY_COOKIE_DOMAIN="")


def test_the_cookie_of_pages_counts_at_our_own_host_only_and_only_without_a_cookie_domain(alone, desk, session):
    mine = alone.sign_in(sub="bob")
    cookie = f"{OWN_COOKIE}={encode(mine.ids.session_secret)}"
    own = "https://login.example.com/x"
    assert alone.ask(url=own, cookie=cookie).get("x-doorkey-user") == "bob"
    assert is_a_no(alone.ask(url=URL, cookie=cookie))
    assert is_a_no(alone.ask(url=own, cookie=alone.cookie(mine)))
    assert is_a_no(alone.ask(url=own, cookie=f"{OWN_COOKIE}={encode(mine.ids.gate_secret)}"))
    assert is_a_no(desk.ask(url=own, cookie=f"{OWN_COOKIE}={encode(session.ids.session_secret)}"))


# ---- the gate's cookie at pages ----

PAGES = ["/session", "/api/session", "/account", "/sessions", "/token", "/api/token", "/"]


@pytest.mark.parametrize("name", [OWN_COOKIE, DOMAIN_COOKIE, OUTSIDE_COOKIE, "doorkey", "session"])
def test_whoever_sees_the_cookie_of_the_gate_gets_into_no_page(desk, session, value, outside, name):
    """Every application behind the gate sees it."""
    client = desk.app.test_client(use_cookies=False)
    for secret in (value, outside):
        told = client.get("/session", base_url="https://login.example.com", headers={"Cookie": f"{name}={secret}"})
        assert told.get_json()["active"] is False
        for page in PAGES:
            answer = client.get(page, base_url="https://login.example.com", headers={"Cookie": f"{name}={secret}"})
            assert "alice" not in answer.text
            assert "canary" not in answer.text


def test_the_gate_never_sets_a_cookie(desk, session, value):
    for url in (URL, OUTSIDE, f"https://{HOST}/.doorkey/accept?t=x", "https://evil.example/"):
        for cookie in ("", f"{DOMAIN_COOKIE}={value}", f"{DOMAIN_COOKIE}=x"):
            for dialect in ("nginx", "forward"):
                assert not desk.ask(dialect, url=url, cookie=cookie).get("set-cookie")
