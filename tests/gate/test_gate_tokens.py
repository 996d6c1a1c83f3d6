"""Tokens that an operator makes: their life, where they open, and what is kept of them (gate/gate_tokens.py)."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from doorkey.base64url import decode, encode
from doorkey.gate.gate_tokens import PREFIX, PROVIDER, GateTokens
from doorkey.sessions.seal import Keyring
from doorkey.sessions.store import StoredRecord
from tests.conftest import KEY, MovedClock
from tests.gate.test_bearer import ORIGIN, check, gate_tokens, who
from tests.support.person import Person

NEW_KEY = "another-key-for-tests-9876543210-zyxwvut"
HOST = "app.example.com"
POLICY = """
[[rule]]
name = "reports"
path = "/reports"
allow = { scopes = ["reports:read", "admin"] }

[[rule]]
name = "ops"
path = "/ops"
allow = { groups = ["ops"] }

[[rule]]
name = "people"
path = "/people"
allow = "signed-in"
provider = "stub"
"""
MakeApp = Callable[..., Flask]


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> Flask:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    return make_app(DOORKEY_POLICY_FILE=str(policy), DOORKEY_ALLOWED_HOSTS=f"{HOST},*.example.org,api.example.com:8443")


@pytest.fixture
def tokens(app: Flask, clock: MovedClock) -> GateTokens:
    return gate_tokens(app, clock)


# ---- life ----


def test_it_ends_at_the_second_that_was_said(app: Flask, tokens: GateTokens, clock: MovedClock) -> None:
    secret, listed = tokens.new("robot", seconds=60)
    assert listed.token.ends == clock.now + 60
    clock.advance(59.999)
    assert who(check(app, secret)) == "robot"
    clock.advance(0.001)
    answer = check(app, secret)
    assert (answer.status_code, answer.headers["X-Doorkey-Reason"]) == (401, "invalid_token")
    assert tokens.all() == []


def test_no_use_makes_it_last_longer(app: Flask, tokens: GateTokens, clock: MovedClock) -> None:
    secret, _ = tokens.new("robot", seconds=100)
    for _ in range(9):
        clock.advance(10)
        check(app, secret)
    clock.advance(10)
    assert check(app, secret).status_code == 401


def test_revoking_it_takes_effect_at_once(app: Flask, tokens: GateTokens) -> None:
    secret, listed = tokens.new("robot", seconds=3600)
    other, _ = tokens.new("other", seconds=3600)
    assert who(check(app, secret)) == "robot"
    assert tokens.revoke(listed.id)
    assert check(app, secret).status_code == 401
    assert who(check(app, other)) == "other"
    assert not tokens.revoke(listed.id)


@pytest.mark.parametrize("wrong", ["", "x", "*", "dkgt_"])
def test_no_made_up_id_revokes_anything(app: Flask, tokens: GateTokens, wrong: str) -> None:
    secret, _ = tokens.new("robot", seconds=3600)
    assert not tokens.revoke(wrong)
    assert not tokens.revoke(secret)
    assert who(check(app, secret)) == "robot"


def test_the_live_ones_are_listed_oldest_first_without_their_secrets(tokens: GateTokens, clock: MovedClock) -> None:
    made = []
    for user in ("first", "second", "third"):
        made.append(tokens.new(user, scopes=("read",), groups=("ops",), seconds=300))
        clock.advance(100)
    clock.advance(50)
    listed = tokens.all()
    assert [(one.token.user, one.id) for one in listed] == [(two.token.user, two.id) for _, two in made[1:]]
    assert not any(secret.removeprefix(PREFIX) in repr(listed) for secret, _ in made)


def test_no_change_of_the_secret_opens_it(app: Flask, tokens: GateTokens) -> None:
    secret, _ = tokens.new("robot", seconds=3600)
    content = decode(secret.removeprefix(PREFIX)) or b""
    wrong = [
        secret.removeprefix(PREFIX),
        secret.upper(),
        secret + "=",
        secret + "A",
        secret[:-1],
        PREFIX + encode(content[:-1]),
        PREFIX + encode(content + b"x"),
        PREFIX + encode(bytes([content[0] ^ 1]) + content[1:]),
        PREFIX + secret,
    ]
    assert [text for text in wrong if check(app, text).status_code != 401] == []


# ---- where it opens ----


def test_a_host_scope_confines_it_to_that_host(app: Flask, tokens: GateTokens) -> None:
    secret, _ = tokens.new("robot", scopes=(f"host:{HOST}",), seconds=3600)
    assert who(check(app, secret, url=f"https://{HOST}/page")) == "robot"
    others = [f"{ORIGIN}/page", "https://sub.example.org/page", "https://api.example.com:8443/page"]
    assert [check(app, secret, url=url).status_code for url in others] == [401] * 3


def test_several_host_scopes_are_as_many_hosts(app: Flask, tokens: GateTokens) -> None:
    secret, _ = tokens.new("robot", scopes=(f"host:{HOST}", "host:api.example.com:8443", "read"), seconds=3600)
    for url in (f"https://{HOST}/page", "https://api.example.com:8443/page"):
        assert who(check(app, secret, url=url)) == "robot"
    assert check(app, secret, url="https://sub.example.org/page").status_code == 401


def test_a_host_scope_is_no_suffix_and_no_way_around_the_allowed_hosts(app: Flask, tokens: GateTokens) -> None:
    secret, _ = tokens.new("robot", scopes=("host:example.org", "host:evil.example"), seconds=3600)
    assert check(app, secret, url="https://sub.example.org/page").status_code == 401
    assert check(app, secret, url="https://evil.example/page").status_code == 403


@pytest.mark.parametrize(
    ("scopes", "status"),
    [(("reports:read",), 200), (("x", "admin"), 200), ((), 403), (("reports",), 403), (("REPORTS:READ",), 403)],
)
def test_a_rule_asks_for_scopes(app: Flask, tokens: GateTokens, scopes: tuple[str, ...], status: int) -> None:
    secret, _ = tokens.new("robot", scopes=scopes, seconds=3600)
    assert check(app, secret, url=f"{ORIGIN}/reports/7").status_code == status
    assert who(check(app, secret)) == "robot"


def test_a_rule_asks_for_groups(app: Flask, tokens: GateTokens) -> None:
    ops, plain = (tokens.new("robot", groups=groups, seconds=3600)[0] for groups in (("ops", "dev"), ()))
    answer = check(app, ops, url=f"{ORIGIN}/ops")
    assert (who(answer), answer.headers["X-Doorkey-Groups"]) == ("robot", "ops,dev")
    assert check(app, plain, url=f"{ORIGIN}/ops").status_code == 403


def test_where_people_of_a_provider_are_wanted_no_token_is_one(app: Flask, tokens: GateTokens) -> None:
    secret, _ = tokens.new("user-1", seconds=3600)
    answer = check(app, secret, url=f"{ORIGIN}/people")
    assert (answer.status_code, answer.headers["X-Doorkey-Reason"]) == (403, "not_allowed:people")


# ---- at rest ----


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_store_holds_neither_secret_nor_user(app: Flask, tokens: GateTokens, tmp_path: Path) -> None:
    secret, listed = tokens.new("canary-user", scopes=("canary-scope",), groups=("canary-group",), seconds=3600)
    assert who(check(app, secret)) == "canary-user"
    dump = everything_in(tmp_path / "instance")
    text = secret.removeprefix(PREFIX)
    words = [text.encode(), decode(text) or b"", b"canary-", PREFIX.encode(), listed.id.encode(), b"gate token"]
    assert [word for word in words if word in dump] == []
    tokens._store.create(StoredRecord(b"i" * 32, 0, b"planted-in-the-open", listed.token.ends, b"u" * 32))
    assert b"planted-in-the-open" in everything_in(tmp_path / "instance")


def test_whoever_writes_to_the_store_makes_no_token(app: Flask, clock: MovedClock) -> None:
    """Without the server key: what they seal does not open, what was sealed for another record does not either."""
    forged = GateTokens(app.extensions["doorkey"].sessions._store, Keyring([NEW_KEY.encode()]), clock, os.urandom)
    assert check(app, forged.new("admin", seconds=3600)[0]).status_code == 401


def test_a_token_outlives_a_change_of_the_server_key(app: Flask, make_app: MakeApp, clock: MovedClock) -> None:
    tokens = gate_tokens(app, clock)
    secret, listed = tokens.new("robot", seconds=3600)
    both = make_app(DOORKEY_SECRET_KEY=f"{NEW_KEY},{KEY}")
    assert who(check(both, secret)) == "robot"
    later = GateTokens(
        both.extensions["doorkey"].sessions._store, Keyring([NEW_KEY.encode(), KEY.encode()]), clock, os.urandom
    )
    assert [one.id for one in later.all()] == [listed.id]
    assert later.revoke(listed.id)
    assert check(both, secret).status_code == 401
    assert check(make_app(DOORKEY_SECRET_KEY=NEW_KEY), secret).status_code == 401


# ---- beside sessions ----


def test_they_are_no_sessions(app: Flask, tokens: GateTokens) -> None:
    secret, listed = tokens.new("user-1", seconds=3600)
    person = Person(app)
    person.sign_in()
    doorkey = app.extensions["doorkey"]
    assert len(list(doorkey.roster.all())) == 1
    assert listed.id not in person.get("/sessions").text
    assert doorkey.roster.end_user(PROVIDER, "user-1") == 0
    person.sign_out()
    assert who(check(app, secret)) == "user-1"


def test_a_secret_is_no_session_cookie_and_a_cookie_no_token(app: Flask, tokens: GateTokens) -> None:
    secret, _ = tokens.new("robot", seconds=3600)
    person = Person(app)
    person.sign_in()
    cookie = person.cookies()["doorkey"]
    assert check(app, PREFIX + cookie).status_code == 401
    assert check(app, cookie).status_code == 401
    assert check(app, Cookie=f"doorkey={secret.removeprefix(PREFIX)}").status_code == 401
