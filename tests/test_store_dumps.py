"""Whoever copies a whole store learns no name, no token and no way in; whoever writes to it gets no further.

Every byte is searched: the SQLite file with its log, and every key, value and file of a real Redis.
"""

import itertools
import os
import pickle
import re
import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis
from flask import Flask

from doorkey.base64url import decode, encode
from doorkey.factory import create_app
from doorkey.oauth.jws import half_hash
from doorkey.sessions.ids import SessionIds
from doorkey.settings import load
from tests.conftest import KEY, MovedClock
from tests.support.person import Person
from tests.support.redis_servers import RedisServer, redis_server
from tests.support.signing_provider import SECRET, SigningProvider, openid_environ, signed, signing_provider

CODE = "canary-code"


class Vault(Protocol):
    """A store as a thief sees it."""

    setting: str

    def dump(self) -> bytes:
        """Everything in it."""

    def ids(self) -> list[bytes]:
        """Whatever could be taken for the id of a session."""

    def read(self, record_id: bytes) -> bytes:
        """The sealed record."""

    def write(self, record_id: bytes, content: bytes) -> None:
        """In its place, and in place of its summary."""

    def plant(self, content: bytes) -> None:
        """Something readable, to see whether it is found."""


class SqliteVault:
    def __init__(self, path: Path):
        self.setting = f"sqlite:{path}"
        self._path = path

    def dump(self) -> bytes:
        tables = ("sessions", "marks", "leases", "sqlite_master")
        cells = [cell for table in tables for row in self._do(f"SELECT * FROM {table}") for cell in row]
        files = [file.read_bytes() for file in sorted(self._path.parent.glob(f"{self._path.name}*"))]
        return b"\n".join([*files, *(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)])

    def ids(self) -> list[bytes]:
        rows = self._do("SELECT record_id, user_key, sid_key FROM sessions UNION SELECT mark, NULL, NULL FROM marks")
        return [cell for row in rows for cell in row if cell]

    def read(self, record_id: bytes) -> bytes:
        found: bytes = self._do("SELECT sealed FROM sessions WHERE record_id = ?", record_id)[0][0]
        return found

    def write(self, record_id: bytes, content: bytes) -> None:
        self._do("UPDATE sessions SET sealed = ?1, summary = ?1 WHERE record_id = ?2", content, record_id)

    def plant(self, content: bytes) -> None:
        self._do("INSERT INTO marks (mark, ends) VALUES (?, 0)", content)

    def _do(self, statement: str, *values: bytes) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path)) as db, db:
            return db.execute(statement, values).fetchall()


class RedisVault:
    def __init__(self, server: RedisServer):
        self.setting = server.url
        self._server = server

    def dump(self) -> bytes:
        with self._client() as client:
            values = [part for key in client.scan_iter() for part in (key, *_values(client, key))]
        files = [file.read_bytes() for file in sorted(self._server.folder.rglob("*")) if file.is_file()]
        assert any(b"doorkey:session:" in content for content in files), "the append-only file is not among them"
        return b"\n".join([*files, *values])

    def ids(self) -> list[bytes]:
        with self._client() as client:
            return [bytes.fromhex(key.rpartition(b":")[2].decode()) for key in client.scan_iter()]

    def read(self, record_id: bytes) -> bytes:
        with self._client() as client:
            found: bytes = client.hget(self._key(record_id), "s")
            return found

    def write(self, record_id: bytes, content: bytes) -> None:
        with self._client() as client:
            assert client.hset(self._key(record_id), mapping={"s": content, "c": content}) == 0, "there was no record"

    def plant(self, content: bytes) -> None:
        with self._client() as client:
            client.set("planted", content)

    def _client(self) -> redis.Redis:
        return self._server.client(decode_responses=False)

    @staticmethod
    def _key(record_id: bytes) -> str:
        return f"doorkey:session:{record_id.hex()}"


def _values(client: Any, key: bytes) -> list[bytes]:
    kind = client.type(key)
    if kind == b"hash":
        return [part for pair in client.hgetall(key).items() for part in pair]
    return [client.get(key)] if kind == b"string" else list(client.zrange(key, 0, -1))


@pytest.fixture(params=["sqlite", "redis"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vault]:
    if request.param == "sqlite":
        yield SqliteVault(tmp_path / "store" / "sessions.sqlite3")
        return
    with redis_server(tmp_path / "redis") as server:
        yield RedisVault(server)


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def app(environ: dict[str, str], stub: SigningProvider, vault: Vault, clock: MovedClock) -> Flask:
    stub.describe(revocation_endpoint=f"{stub.url}/revoke")
    stub.answer("/revoke", {})
    found = openid_environ(environ, {"stub": stub.issuer})
    return create_app(load({**found, "DOORKEY_SESSION_STORE": vault.setting}), clock=clock)


class Una(Person):
    """A person all of whose secrets are known; `secrets` by what they are."""

    def __init__(self, app: Flask, stub: SigningProvider, name: str):
        super().__init__(app)
        self.secrets: dict[str, bytes] = {}
        self._stub, self._name = stub, name
        self.keep(sub=f"canary-sub-{name}", sid=f"canary-sid-{name}", name=f"Canary Name {name}")
        self.keep(email=f"canary-{name}@example.com", group=f"canary-group-{name}")

    def keep(self, **secrets: str | bytes) -> None:
        found = {name: text if isinstance(text, bytes) else text.encode() for name, text in secrets.items()}
        self.secrets |= {f"{name} of {self._name}": secret for name, secret in found.items()}

    def come_in(self) -> SessionIds:
        begun = self.begin()
        self.keep(state=begun.state, nonce=begun.params["nonce"], challenge=begun.params["code_challenge"])
        self.keep(**{f"cookie {name}": value for name, value in self.cookies().items()})
        self._answer_with("first", begun.params["nonce"])
        assert self.come_back(f"code={CODE}&state={begun.state}").status_code == 303
        verifier = next(s.form["code_verifier"] for s in self._stub.seen[::-1] if "code_verifier" in s.form)
        self.keep(code=CODE, verifier=verifier)
        ids = self.ids()
        self.keep(session_secret=ids.session_secret, gate_secret=ids.gate_secret, form_token=ids.csrf_token)
        self.keep(session_cookie=self.cookies()["doorkey"], gate_cookie=encode(ids.gate_secret), name=ids.public_id)
        return ids

    def renew(self) -> None:
        self._answer_with("second", "")
        assert self.post("/account/refresh", data={"csrf_token": self.form_token()}).status_code == 303

    def ids(self) -> SessionIds:
        secret = decode(self.cookies()["doorkey"])
        assert secret
        return SessionIds.of(secret)

    def _answer_with(self, which: str, nonce: str) -> None:
        access, renewal = f"canary-{which}-access-{self._name}", f"canary-{which}-renewal-{self._name}"
        sub, sid = f"canary-sub-{self._name}", f"canary-sid-{self._name}"
        claims = self._stub.claims(nonce or None, sub=sub, sid=sid, at_hash=half_hash(access, "RS256"))  # type: ignore[arg-type]
        token = signed(claims, self._stub.key, kid="key-1")
        self.keep(**{f"{which} access": access, f"{which} renewal": renewal, f"{which} id_token": token})
        self.keep(**{f"{which} part {number}": part for number, part in enumerate(token.split(".")) if number})
        self._stub.hand_out(token, access_token=access, refresh_token=renewal)
        about = {"name": f"Canary Name {self._name}", "email": f"canary-{self._name}@example.com"}
        self._stub.answer("/userinfo", {"sub": sub, "groups": [f"canary-group-{self._name}"], **about})


def disguises(secret: bytes) -> Iterator[bytes]:
    """As it is, in hexadecimal, and in both kinds of Base64 wherever it begins among others."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for before in range(3):
        # Characters that hold a bit of a neighbour are left out: 0, 2 or 3 in front, up to 3 behind.
        lead = (0, 2, 3)[before]
        inner = (before + len(secret)) * 8 // 6
        for code in (b64encode, urlsafe_b64encode):
            yield code(bytes(before) + secret)[lead:inner]


def found_in(dump: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [name for name, secret in secrets.items() if any(form in dump for form in disguises(secret))]


def test_a_copy_of_the_store_shows_no_name_no_token_and_no_cookie(
    app: Flask, stub: SigningProvider, vault: Vault
) -> None:
    people = [Una(app, stub, name) for name in ("ada", "bea", "cleo")]
    for person in people:
        person.come_in()
        person.renew()
        assert "/revoke" in person.get("/account/sessions").text
    secrets = {name: secret for person in people for name, secret in person.secrets.items()}
    secrets |= {"client secret": SECRET.encode(), "server key": KEY.encode()}
    before = vault.dump()
    assert people[2].sign_out().status_code == 303
    for dump in (before, vault.dump()):
        assert found_in(dump, secrets) == []
    assert len(secrets) > 60
    assert min(len(secret) for secret in secrets.values()) >= 11


def test_what_is_readable_is_found(app: Flask, stub: SigningProvider, vault: Vault) -> None:
    """The search itself: with something planted it has a hit, wherever it begins and however it is written."""
    Una(app, stub, "ada").come_in()
    codes = [bytes, lambda secret: secret.hex().encode(), b64encode, urlsafe_b64encode]
    for code, before in itertools.product(codes, (b"", b"x", b"xy")):
        secret = os.urandom(32) + b">>>???"
        assert found_in(vault.dump(), {"planted": secret}) == []
        vault.plant(code(before + secret + b"behind"))
        assert found_in(vault.dump(), {"planted": secret}) == ["planted"]


def test_no_id_of_the_store_logs_in(app: Flask, stub: SigningProvider, vault: Vault) -> None:
    secret = Una(app, stub, "ada").come_in().session_secret
    assert len(vault.ids()) >= 3
    thief = Person(app)
    for id in vault.ids():
        thief.client.set_cookie("doorkey", encode(id), domain="127.0.0.1")
        assert not thief.is_signed_in()
    thief.client.set_cookie("doorkey", encode(secret), domain="127.0.0.1")
    assert thief.is_signed_in(), "with the right one it would have been seen"


def test_records_that_are_swapped_open_for_neither(app: Flask, stub: SigningProvider, vault: Vault) -> None:
    people = [Una(app, stub, name) for name in ("ada", "bea")]
    ids = [person.come_in().record_id for person in people]
    sealed = [vault.read(id) for id in ids]
    for id, other in zip(ids, sealed[::-1], strict=True):
        vault.write(id, other)
    assert [person.is_signed_in() for person in people] == [False, False]
    for id, own in zip(ids, sealed, strict=True):
        vault.write(id, own)
    assert [person.is_signed_in() for person in people] == [True, True], "nothing else was wrong"


class Bomb:
    """Unpickling makes a folder."""

    def __init__(self, folder: Path):
        self._folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._folder,)


@contextmanager
def bomb(folder: Path) -> Iterator[bytes]:
    """Its bytes; nothing of it may have gone off at the end, although it can."""
    content = pickle.dumps(Bomb(folder))
    yield content
    assert not folder.exists()
    pickle.loads(content)
    assert folder.exists()


def test_a_pickle_in_place_of_a_record_signs_out_calmly_and_does_nothing(
    app: Flask, stub: SigningProvider, vault: Vault, tmp_path: Path
) -> None:
    owner, other = Una(app, stub, "ada"), Una(app, stub, "ada")
    record_id = owner.come_in().record_id
    other.come_in()
    with bomb(tmp_path / "gone-off") as content:
        vault.write(record_id, content)
        for path in ("/", "/session", "/account/sessions", "/logout"):
            assert owner.get(path).status_code in (200, 302, 303)
        assert not owner.is_signed_in()
        listed = other.get("/account/sessions")
        assert listed.status_code == 200
        assert len(re.findall("/account/sessions/[0-9a-f]{16}/revoke", listed.text)) <= 1
        assert owner.come_in().record_id != record_id
        assert owner.is_signed_in()
