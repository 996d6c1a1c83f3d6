"""`doorkey sessions` as an operator runs it: who is listed, what is ended, what is never said.

What is in its way, and many sessions: test_session_commands_in_trouble.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask

from doorkey.base64url import encode
from doorkey.clock import iso, system_clock
from doorkey.factory import create_app
from doorkey.settings import load
from tests.conftest import KEY
from tests.support.operator import STORE_PASSWORD, Operator, ids_of, plant, public_id, sessions_in, signed_in
from tests.support.person import Person
from tests.support.redis_servers import RedisServer
from tests.support.scripted_provider import ScriptedProvider
from tests.support.servers import free_port, python_app, server

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEWER_KEY = "a-newer-key-for-tests-0123456789-abcdef"
each_store = pytest.mark.parametrize("store", ["sqlite", "redis"], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, environ: dict[str, str], tmp_path: Path) -> Iterator[RedisServer | None]:
    """SQLite unless a test asks for another; the server when it is Redis."""
    with sessions_in(getattr(request, "param", "sqlite"), environ, tmp_path / "redis") as running:
        yield running


@pytest.fixture
def doorkey(environ: dict[str, str]) -> Operator:
    return Operator(environ)


@pytest.fixture
def app(store: RedisServer | None, environ: dict[str, str]) -> Flask:
    """By the clock of this machine, as the command goes by it."""
    return create_app(load(environ))


def somebody_else(app: Flask, stub: ScriptedProvider, sub: str, provider: str = "stub") -> Person:
    stub.answer("/userinfo", {"sub": sub, "name": "Somebody Else"})
    return signed_in(app, provider=provider)


# ---- list ----


@each_store
def test_the_list_says_who_is_signed_in_newest_first(app: Flask, stub: ScriptedProvider, doorkey: Operator) -> None:
    una, bob = signed_in(app, FIREFOX), somebody_else(app, stub, "bob", "other")
    done = doorkey("list")
    assert (done.code, done.err) == (0, "")
    heading, first, second = (re.split(" {2,}", line) for line in done.lines)
    assert heading == ["ID", "USER", "PROVIDER", "DEVICE", "SIGNED IN", "LAST SEEN"]
    assert first[:4] == [public_id(bob), "bob", "other", "Unknown device"]
    assert second[:4] == [public_id(una), "user-1", "stub", "Firefox on Linux"]


def test_each_line_of_json_is_one_session(app: Flask, doorkey: Operator) -> None:
    una = signed_in(app, FIREFOX)
    (row,) = doorkey("list", "--json").rows
    seen = {name: row.pop(name) for name in ("signed_in", "last_seen", "ends")}
    assert row == {"id": public_id(una), "user": "user-1", "provider": "stub", "device": "Firefox on Linux"}
    assert iso(system_clock() - 60) <= seen["signed_in"] <= seen["last_seen"] <= iso(system_clock())
    assert iso(system_clock() + 3500) <= seen["ends"] <= iso(system_clock() + 3600)


def test_the_list_is_narrowed_by_user_and_by_provider(app: Flask, stub: ScriptedProvider, doorkey: Operator) -> None:
    una, there, bob = signed_in(app), signed_in(app, provider="other"), somebody_else(app, stub, "bob", "other")

    def listed(*options: str) -> set[str]:
        return {row["id"] for row in doorkey("list", "--json", *options).rows}

    assert listed("--user", "user-1") == {public_id(una), public_id(there)}
    assert listed("--provider", "other") == {public_id(there), public_id(bob)}
    assert listed("--provider", "other", "--user", "bob") == {public_id(bob)}
    nobody = doorkey("list", "--user", "eve")
    assert (nobody.code, nobody.out, nobody.err) == (0, "", "There is no such session.\n")


@each_store
def test_an_empty_store_is_said_to_be_empty_and_json_has_no_line(app: Flask, doorkey: Operator) -> None:
    signed_in(app).sign_out()
    for options in ((), ("--json",)):
        done = doorkey("list", *options)
        assert (done.code, done.out, done.err) == (0, "", "Nobody is signed in.\n")


def test_one_that_is_over_and_was_not_swept_is_not_listed(environ: dict[str, str], doorkey: Operator) -> None:
    early = create_app(load(environ), clock=lambda: system_clock() - 7200)
    gone = signed_in(early)
    assert doorkey("list").err == "Nobody is signed in.\n"
    done = doorkey("revoke", public_id(gone))
    assert (done.code, done.out) == (0, "0 sessions ended.\n")


# ---- revoke ----


@each_store
def test_the_running_app_knows_at_once_what_was_ended(
    environ: dict[str, str], store: RedisServer | None, tmp_path: Path, doorkey: Operator
) -> None:
    port = free_port()
    environ["DOORKEY_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    with (
        server(python_app, tmp_path, environ, port=port) as running,
        requests.Session() as one,
        requests.Session() as two,
    ):
        for browser in (one, two):
            sign_in_at(browser, running.url)
        newest, _ = (row["id"] for row in doorkey("list", "--json").rows)
        assert doorkey("revoke", newest).out == "1 session ended.\n"
        assert [is_active(browser, running.url) for browser in (one, two)] == [True, False]
        assert doorkey("revoke-user", "user-1").out == "1 session ended.\n"
        assert not is_active(one, running.url)


def sign_in_at(browser: requests.Session, url: str) -> None:
    browser.trust_env = False
    begun = browser.get(f"{url}/login?provider=stub", allow_redirects=False, timeout=10).headers["Location"]
    state = re.search("state=([^&]+)", begun)
    assert state
    back = f"{url}/callback/stub?code=canary-code&state={state[1]}"
    assert browser.get(back, allow_redirects=False, timeout=10).status_code == 303


def is_active(browser: requests.Session, url: str) -> bool:
    return bool(browser.get(f"{url}/session", timeout=10).json()["active"])


@each_store
def test_several_ids_are_ended_and_an_unknown_one_among_them_is_named(app: Flask, doorkey: Operator) -> None:
    people = [signed_in(app) for _ in range(3)]
    done = doorkey("revoke", public_id(people[0]), "0123456789abcdef", public_id(people[1]), "not\x1b[31m one")
    assert (done.code, done.out) == (1, "2 sessions ended.\n")
    assert done.err == "There is no session 0123456789abcdef.\nThere is no session not [31m one.\n"
    assert [person.is_signed_in() for person in people] == [False, False, True]


@each_store
def test_a_user_is_ended_everywhere_or_at_one_provider(app: Flask, stub: ScriptedProvider, doorkey: Operator) -> None:
    here, there, bob = signed_in(app), signed_in(app, provider="other"), somebody_else(app, stub, "bob")
    assert doorkey("revoke-user", "user-1", "--provider", "other").out == "1 session ended.\n"
    assert [here.is_signed_in(), there.is_signed_in(), bob.is_signed_in()] == [True, False, True]
    done = doorkey("revoke-user", "user-1")
    assert (done.code, done.out) == (0, "1 session ended.\n")
    assert [here.is_signed_in(), bob.is_signed_in()] == [False, True]
    done = doorkey("revoke-user", "user-1")
    assert (done.code, done.out) == (1, "0 sessions ended.\n")


def test_a_user_is_found_by_the_name_that_is_shown_and_by_what_the_provider_says(app: Flask, doorkey: Operator) -> None:
    for name in ("una", "9000-1"):
        plant(app, "9000-1", alias="una")
        assert doorkey("list", "--json").rows[0]["user"] == "una"
        assert doorkey("revoke-user", name).out == "1 session ended.\n"


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_not_everybody_without_one(environ: dict[str, str], doorkey: Operator, name: str) -> None:
    environ["DOORKEY_PROVIDER_STUB_USERINFO"] = "never"
    nobody = signed_in(create_app(load(environ)))
    assert doorkey("revoke-user", name).code == 2
    assert nobody.is_signed_in()
    assert f"{public_id(nobody)}  -     stub" in doorkey("list").out


# ---- what is never said ----


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_no_output_has_a_secret_in_it(app: Flask, doorkey: Operator, store: RedisServer) -> None:
    una, other = signed_in(app), signed_in(app)
    outputs = [doorkey("list"), doorkey("list", "--json"), doorkey("revoke", public_id(una)), doorkey("revoke", "x")]
    outputs += [doorkey("revoke-user", "user-1"), doorkey("list", DOORKEY_SECRET_KEY=NEWER_KEY)]
    store.kill()
    outputs += [doorkey("list"), doorkey("revoke", "x"), doorkey("revoke-user", "x")]
    said = "".join(done.out + done.err for done in outputs)
    secrets = ["canary", KEY, NEWER_KEY, STORE_PASSWORD]
    for each in (ids_of(una), ids_of(other)):
        for secret in (each.session_secret, each.gate_secret, each.record_id):
            secrets += [encode(secret), secret.hex()]
    assert [secret for secret in secrets if secret in said] == []
    assert public_id(other) in said


def test_names_cannot_write_to_the_terminal(app: Flask, stub: ScriptedProvider, doorkey: Operator) -> None:
    """The sign-in refuses control characters; what reorders text, and what was in the store before, is held here."""
    somebody_else(app, stub, "una\u202e\u200bgnp.exe\u2066" + "x" * 200)
    plant(app, "\x1b]0;title\x07\x1b[2J\r\nroot  \x9b31m" + "x" * 300, label="Fire\x1b[0mfox\n")
    for options, lines in (((), 3), (("--json",), 2)):
        out = doorkey("list", *options).out
        assert [character for character in out if not character.isprintable()] == ["\n"] * lines
    for row in doorkey("list", "--json").rows:
        assert doorkey("revoke-user", row["user"]).out == "1 session ended.\n", row


def test_letters_that_the_terminal_does_not_have_do_no_harm(app: Flask, doorkey: Operator) -> None:
    plant(app, "نص")
    done = doorkey("list", PYTHONIOENCODING="latin-1")
    assert done.code == 0
    assert r"\u0646\u0635" in done.out
