"""Cookies that are damaged, swapped, doubled or planted, and records that were overwritten in the store."""

import pickle
import sqlite3
from pathlib import Path

import pytest

from tests.support.person import Person

SESSION = "doorkey"


def with_cookies(app, header: str, path: str = "/session", origin: str = "http://127.0.0.1:8000"):
    """One request with exactly this Cookie header, as the bytes stand there."""
    client = app.test_client(use_cookies=False)
    raw = header.encode("utf-8", "surrogatepass").decode("latin-1")
    return client.get(path, base_url=origin, environ_overrides={"HTTP_COOKIE": raw})


def headers_are_sound(answer) -> bool:
    return all(
        name.isascii() and value.isascii() and name.isprintable() and value.isprintable()
        for name, value in answer.headers.items()
    )


@pytest.fixture
def value(person):
    person.sign_in()
    return person.cookies()[SESSION]


DAMAGED = {
    "empty": "{name}=",
    "truncated": "{name}={value:.42}",
    "longer": "{name}={value}A",
    "lower-case": "{name}={lower}",
    "last-letter-changed": "{name}={flipped}",
    "padded": "{name}={value}=",
    "percent-encoded": "{name}=%41{value}",
    "space-inside": "{name}={value:.20} {value:.22}",
    "nul": "{name}={value}\0",
    "crlf": "{name}={value}\r\nSet-Cookie: a=b",
    "crlf-name": "a\r\n{name}={value:.10}",
    "unicode": "{name}=日本{value:.37}",
    "7-kB": "{name}=" + "A" * 7000,
    "7-kB-of-values": "{name}=" + "{value}" * 160,
    "doubled-same": "{name}={value}; {name}={value}",
    "doubled-other-first": "{name}=" + "A" * 43 + "; {name}={value}",
    "doubled-other-last": "{name}={value}; {name}=x",
    "sandwich": 'a="x; {name}={value}; b=y"',
    "quoted-with-more": '{name}="{value} "',
    "quoted-octal": '{name}="\\101{value:.42}"',
    "nameless": "={name}={value}",
    "unicode-space-before": "\u2000{name}={value}",
    "nbsp-before": "\u00a0{name}={value}",
    "other-case": "{upper}={value}",
    "array": "{name}[]={value}",
    "host-prefix-on-http": "__Host-{name}={value}",
    "gate-name": "__Secure-doorkey-gate={value}",
    "commas": "a=b, {name}={value}",
    "dollar-version": '$Version="1"; {name}x={value}',
    "chunks": "{name}_chunks=99999999; {name}_0={value}",
    "only-semicolons": ";" * 5000,
    "surrogate": "{name}=\ud800",
    "pickle": "{name}=gASVCwAAAAAAAACMB2J1aWx0aW5zlIwEZXZhbJSTlC4",
}


@pytest.mark.parametrize("header", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_session_cookie_opens_nothing_and_breaks_nothing(header, app, value):
    flipped = value[:-1] + ("A" if value[-1] != "A" else "E")
    given = header.format(name=SESSION, value=value, upper=SESSION.upper(), lower=value.lower(), flipped=flipped)
    for path in ("/session", "/", "/logout"):
        answer = with_cookies(app, given, path)
        assert answer.status_code == 200
        assert "una@example.com" not in answer.text
        assert headers_are_sound(answer)
        assert value not in answer.text


def test_the_undamaged_cookie_does_open_the_session(app, value):
    """Otherwise the tests above would prove nothing."""
    assert with_cookies(app, f"x=1; {SESSION}={value}").get_json()["active"]


TRANSACTIONS = {
    "empty": "",
    "truncated": "{value:.60}",
    "longer": "{value}AAAA",
    "one-letter": "A",
    "flipped": "{flipped}",
    "not-base64": "!!!!",
    "unicode": "日本",
    "nul": "{value}\0",
    "7-kB": "A" * 7000,
    "doubled": "{value}; {name}={value}",
    "sandwich": '"x; {name}={value}"',
    "session-value": "{session}",
}


@pytest.mark.parametrize("damage", TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_a_damaged_transaction_cookie_is_a_refused_callback(damage, app, stub, value):
    person = Person(app)
    begun = person.begin()
    [(name, sealed)] = person.cookies().items()
    flipped = sealed[:50] + ("A" if sealed[50] != "A" else "B") + sealed[51:]
    given = damage.format(name=name, value=sealed, session=value, flipped=flipped)
    before = len(stub.requests_to("/token"))
    answer = with_cookies(app, f"{name}={given}", f"/callback/stub?code=c&state={begun.state}")
    assert answer.status_code == 400
    assert len(stub.requests_to("/token")) == before
    assert headers_are_sound(answer)
    assert with_cookies(app, f"{name}={sealed}", f"/callback/stub?code=c&state={begun.state}").status_code == 303


def test_transactions_cannot_be_swapped(app, stub):
    person = Person(app)
    one, other = person.begin(), person.begin()
    (name_1, value_1), (name_2, value_2) = person.cookies().items()
    for header in (f"{name_1}={value_2}; {name_2}={value_1}", f"{name_1}={value_2}", f"{name_2}={value_1}"):
        for begun in (one, other):
            assert with_cookies(app, header, f"/callback/stub?code=c&state={begun.state}").status_code == 400
    assert stub.requests_to("/token") == []


def test_a_transaction_is_no_session(app):
    person = Person(app)
    person.begin()
    [(name, value)] = person.cookies().items()
    for header in (f"{SESSION}={value}", f"{SESSION}={value[:43]}", f"{SESSION}={name.rpartition('-')[2]}"):
        assert with_cookies(app, header).get_json() == {"active": False}


def test_the_gate_cookie_opens_no_page(secure):
    secure.sign_in()
    app, jar = secure.client.application, secure.client._cookies.values()
    gate = next(cookie.value for cookie in jar if cookie.key == "__Secure-doorkey-gate")
    host = secure.cookies()["__Host-doorkey"]
    assert gate != host
    for header in (
        f"__Host-doorkey={gate}",
        f"__Secure-doorkey-gate={gate}",
        f"__Secure-doorkey-gate={host}",
        f"doorkey={host}",
        f"doorkey={gate}",
    ):
        assert with_cookies(app, header, origin=secure.origin).get_json() == {"active": False}, header


ODD_NAMES = ["", "x", "日本", "é", "a b", "\x01", "\x7f", 'a"b', "a,b", "a\\b", "\u2028", "n" * 6000]


@pytest.mark.parametrize("odd", ODD_NAMES, ids=[ascii(name[:8]) for name in ODD_NAMES])
def test_odd_names_of_planted_cookies_do_not_break_the_next_sign_in(odd, app):
    """What a sibling site planted is dropped, and comes back in no header that a server could not send."""
    planted = "; ".join(f"doorkey-login-{odd}{n or ''}=x" for n in range(8))
    answer = with_cookies(app, planted, "/login?provider=stub")
    assert answer.status_code == 302
    assert headers_are_sound(answer)


def test_a_jar_full_of_planted_cookies_gets_a_bounded_answer(app):
    planted = "; ".join(f"doorkey-login-{n:032}=x" for n in range(1200))
    answer = with_cookies(app, planted, "/login?provider=stub")
    assert answer.status_code == 302
    assert len(answer.headers.getlist("Set-Cookie")) <= 100
    assert sum(len(line) for line in answer.headers.getlist("Set-Cookie")) <= 16 * 1024


class Bomb:
    """Leaves a file behind wherever it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def database(settings):
    return settings.instance / "sessions.sqlite3"


def overwrite(database: Path, sealed) -> None:
    with sqlite3.connect(database) as db:
        assert db.execute("UPDATE sessions SET sealed = ?", (sealed,)).rowcount >= 1
    db.close()


@pytest.mark.parametrize(
    "content", [b"", b"garbage", 5, "text", 1.5, b"\0" * 60, b"\x82" * 5000], ids=lambda c: repr(c)[:12]
)
def test_an_overwritten_record_signs_out_and_breaks_nothing(content, person, database):
    person.sign_in()
    overwrite(database, content)
    assert person.session() == {"active": False}
    assert person.get("/").status_code == 200
    assert person.sign_in().status_code == 303
    assert person.is_signed_in()


def test_a_pickle_in_the_store_is_never_run(person, database, tmp_path):
    trace = tmp_path / "was-run"
    person.sign_in()
    overwrite(database, pickle.dumps(Bomb(trace)))
    assert person.session() == {"active": False}
    assert person.get("/").status_code == 200
    assert not trace.exists()


def test_records_cannot_be_swapped_between_two_people(app, stub, database):
    una, otto = Person(app), Person(app)
    una.sign_in()
    stub.answer("/userinfo", {"sub": "otto"})
    otto.sign_in()
    with sqlite3.connect(database) as db:
        (one, a), (two, b) = db.execute("SELECT record_id, sealed FROM sessions").fetchall()
        db.execute("UPDATE sessions SET sealed = ? WHERE record_id = ?", (b, one))
        db.execute("UPDATE sessions SET sealed = ? WHERE record_id = ?", (a, two))
    db.close()
    assert una.session() == otto.session() == {"active": False}


def test_a_copied_row_under_another_id_does_not_open(app, person, database):
    person.sign_in()
    with sqlite3.connect(database) as db:
        db.execute("UPDATE sessions SET record_id = ?", (b"\1" * 32,))
    db.close()
    assert person.session() == {"active": False}


def test_what_the_store_holds_logs_nobody_in(app, person, database):
    from doorkey.base64url import encode

    person.sign_in()
    with sqlite3.connect(database) as db:
        [row] = db.execute("SELECT * FROM sessions").fetchall()
    db.close()
    for part in (cell for cell in row if isinstance(cell, bytes)):
        assert with_cookies(app, f"{SESSION}={encode(part[:32])}").get_json() == {"active": False}


def test_the_same_session_is_sealed_differently_each_time(app, person, database):
    person.sign_in()
    person.sign_in()
    Person(app).sign_in()
    with sqlite3.connect(database) as db:
        sealed = [row[0] for row in db.execute("SELECT sealed FROM sessions")]
    db.close()
    assert len(sealed) == 2
    assert len({content[4:16] for content in sealed}) == len(sealed), "nonces"
