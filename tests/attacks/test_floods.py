"""Many requests: nothing is stored for strangers, jars stay small, one address cannot go on for ever."""

import hashlib
from urllib.parse import quote

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.support.attack_asserts import rows
from tests.support.person import Person

VISITS = [
    "/",
    "/session",
    "/logout",
    "/nothing/here",
    "/login?next=//evil.test",
    "/callback/stub?code=c&state=s",
    "/healthz",
]

MANY = 3000


def database_of(settings):
    return settings.instance / "sessions.sqlite3"


def stored(settings) -> int:
    """All rows of all tables; the file may not even be there."""
    database = database_of(settings)
    return sum(rows(database).values()) if database.exists() else 0


def hammer(app, path: str, times: int) -> set[str]:
    """`times` requests without a cookie; the statuses seen."""
    path, _, query = path.partition("?")
    environ = EnvironBuilder(path, query_string=query, base_url="http://127.0.0.1:8000").get_environ()
    environ["REMOTE_ADDR"] = "127.0.0.1"
    return {run_wsgi_app(app, dict(environ), buffered=True)[1][:3] for _ in range(times)}


@pytest.mark.parametrize("path", VISITS)
def test_thousands_of_anonymous_visits_store_nothing(path, app, settings):
    statuses = hammer(app, path, MANY // len(VISITS) + 1)
    assert statuses <= {"200", "400", "404"}
    assert stored(settings) == 0


def test_thousands_of_begun_sign_ins_store_nothing_and_evict_nobody(app, settings):
    person = Person(app)
    person.sign_in()
    before = stored(settings)
    assert hammer(app, "/login?provider=stub", MANY) == {"302"}
    assert stored(settings) == before
    assert person.is_signed_in()


def test_unknown_session_cookies_store_nothing(app, settings):
    client = app.test_client(use_cookies=False)
    for n in range(300):
        cookie = f"doorkey={n:043}"
        client.get("/", base_url="http://127.0.0.1:8000", headers={"Cookie": cookie})
    assert stored(settings) == 0


@pytest.mark.parametrize("target", ["", "/a/page?with=a&query", "/" + "x" * 60])
def test_a_hundred_sign_ins_leave_five_small_cookies(target, make_app):
    person = Person(make_app(DOORKEY_PUBLIC_URL="https://login.example.test"), "https://login.example.test")
    for _ in range(100):
        person.begin(**({"next": target} if target else {}))
    pending = {n: v for n, v in person.cookies().items() if n.startswith("__Host-doorkey-login-")}
    assert len(pending) == 5
    assert max(len(name) + len(value) for name, value in pending.items()) < 500


@pytest.mark.parametrize("length", [500, 1000, 2000])
def test_long_targets_do_not_fill_the_cookie_header(length, person, clock):
    """Letters that do not compress; a server refuses a Cookie header of more than 8 KB."""
    for n in range(30):
        clock.advance(1)
        noise = "".join(hashlib.sha256(f"{n} {i}".encode()).hexdigest() for i in range(40))
        person.begin(next="/" + noise[: length - 1])
    header = "; ".join(f"{name}={value}" for name, value in person.cookies().items())
    assert 0 < len(header) <= 8192


def test_the_newest_sign_in_survives_a_hundred_others(person, clock):
    for _ in range(100):
        person.begin()
        clock.advance(0.001)
    assert person.sign_in().status_code == 303


def test_a_sign_in_that_ended_takes_its_cookie_away(person, stub):
    person.sign_in()
    stub.answer("/token", {}, 400)
    person.sign_in()
    person.come_back(f"error=access_denied&state={person.begin().state}")
    assert list(person.cookies()) == ["doorkey"]


MANY = 200 - 2 * 60
"""How many of 200 requests must be refused at 60 a minute, with twice as many allowed in a burst."""


def statuses(person: Person, path: str, number: int, peer: str = "192.0.2.1", **headers: str) -> list[int]:
    return [
        person.get(path, environ_overrides={"REMOTE_ADDR": peer}, headers=headers).status_code for _ in range(number)
    ]


@pytest.mark.parametrize("path", ["/login?provider=stub", "/callback/stub?code=c&state=s"])
def test_two_hundred_requests_from_one_address_meet_the_limit(path, make_app):
    person = Person(make_app(DOORKEY_RATE_LIMIT="60"))
    found = statuses(person, path, 200)
    assert found.count(429) >= MANY
    refused = person.get(path, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert not [line for line in refused.headers.getlist("Set-Cookie") if "login" in line]
    assert statuses(person, path, 1, peer="192.0.2.2") != [429]


def test_the_limit_lets_go_after_a_minute(make_app, clock):
    person = Person(make_app(DOORKEY_RATE_LIMIT="60"))
    statuses(person, "/login?provider=stub", 200)
    assert statuses(person, "/login?provider=stub", 1) == [429]
    clock.advance(61)
    assert statuses(person, "/login?provider=stub", 1) == [302]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "X-Client-IP"])
def test_an_untrusted_peer_cannot_reset_the_limit_with_a_header(name, make_app):
    person = Person(make_app(DOORKEY_RATE_LIMIT="60", DOORKEY_TRUSTED_PROXIES="10.0.0.0/8"))
    found = [statuses(person, "/login?provider=stub", 1, **{name: f"203.0.113.{n}"})[0] for n in range(200)]
    assert found.count(429) >= MANY


@pytest.mark.parametrize("left", ["203.0.113.{n}, 198.51.100.7", "{n}, 198.51.100.7", "10.0.0.{n}, 198.51.100.7"])
def test_what_a_client_writes_before_the_proxys_own_entry_does_not_count(left, make_app):
    person = Person(make_app(DOORKEY_RATE_LIMIT="60", DOORKEY_TRUSTED_PROXIES="10.0.0.0/8"))
    found = [
        statuses(person, "/login?provider=stub", 1, "10.0.0.1", **{"X-Forwarded-For": left.format(n=n)})[0]
        for n in range(200)
    ]
    assert found.count(429) >= MANY


def test_addresses_of_one_ipv6_network_count_as_one(make_app):
    person = Person(make_app(DOORKEY_RATE_LIMIT="60"))
    found = [statuses(person, "/login?provider=stub", 1, f"2001:db8::{n:x}")[0] for n in range(200)]
    assert found.count(429) >= MANY


def test_one_ipv4_address_seen_through_an_ipv6_socket_does_not_lock_the_others_out(make_app):
    person = Person(make_app(DOORKEY_RATE_LIMIT="60"))
    statuses(person, "/login?provider=stub", 200, "::ffff:192.0.2.1")
    assert statuses(person, "/login?provider=stub", 1, "::ffff:192.0.2.2") == [302]


def test_the_pages_and_the_session_are_not_limited(make_app):
    person = Person(make_app(DOORKEY_RATE_LIMIT="60"))
    statuses(person, "/login?provider=stub", 200)
    assert statuses(person, "/session", 100) == [200] * 100


BODIES = {
    "10-MB": (b"a=" + b"x" * 10_000_000, "application/x-www-form-urlencoded"),
    "5000-fields": (b"&".join(b"f%d=1" % n for n in range(5000)), "application/x-www-form-urlencoded"),
    "no-type": (b"csrf_token=x", ""),
    "empty": (b"", "application/x-www-form-urlencoded"),
    "json": (b'{"csrf_token": "x"}', "application/json"),
    "multipart-without-boundary": (b"--x\r\n", "multipart/form-data"),
    "multipart-cut-off": (
        b'--x\r\nContent-Disposition: form-data; name="csrf_token"',
        "multipart/form-data; boundary=x",
    ),
    "multipart-many-parts": (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 900 + b"--x--",
        "multipart/form-data; boundary=x",
    ),
    "not-utf-8": (b"csrf_token=%ff%fe&%80=1", "application/x-www-form-urlencoded; charset=utf-7"),
    "surrogate": (
        "csrf_token=" + quote("\ud800".encode("utf-8", "surrogatepass")),
        "application/x-www-form-urlencoded",
    ),
}


@pytest.mark.parametrize(("body", "kind"), BODIES.values(), ids=BODIES)
def test_an_odd_body_is_refused_and_ends_nothing(body, kind, person):
    person.sign_in()
    answer = person.post("/logout", data=body, content_type=kind)
    assert answer.status_code in (400, 403, 413)
    assert person.is_signed_in()
