"""What a session costs and what it leaves behind, seen at the store and in the headers (session_interface.py)."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.wrappers import Response

from doorkey.base64url import decode, encode
from doorkey.errors import StoreUnavailable
from doorkey.factory import create_app
from doorkey.oauth.user_info import Identity
from doorkey.sessions.generations import Generations
from doorkey.sessions.record import TOUCH_SECONDS
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.settings import load
from doorkey.web.session_interface import SealedSession
from tests.conftest import MovedClock
from tests.support.person import Person
from tests.test_provider import SETTINGS
from tests.test_token import read


class CountingStore:
    """A real store that notes which methods were called; `broken` makes all of them fail."""

    def __init__(self, store: SqliteStore):
        self._store = store
        self.calls: list[str] = []
        self.broken = False

    def changes(self) -> Generations:
        """Asks nothing of the store."""
        return self._store.changes()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            if self.broken:
                raise StoreUnavailable("switched off by a test")
            return getattr(self._store, name)(*args, **options)

        return call


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> CountingStore:
    return CountingStore(SqliteStore(tmp_path_factory.mktemp("store") / "sessions.sqlite3"))


@pytest.fixture
def made(store: CountingStore, clock: MovedClock) -> Callable[..., Flask]:
    """An app with the counting store; signing in is done at the store, so no provider is needed."""

    def make(**changes: str) -> Flask:
        return create_app(load(SETTINGS | changes), store=store, clock=clock)

    return make


@pytest.fixture
def app(made: Callable[..., Flask]) -> Flask:
    return made(DOORKEY_PUBLIC_URL="http://127.0.0.1:8000")


@pytest.fixture
def visitor(app: Flask) -> Person:
    return Person(app)


@pytest.fixture
def member(app: Flask, store: CountingStore) -> Person:
    """Somebody with a live session."""
    person = Person(app)
    opened = app.session_interface.sessions.start(Identity(provider="acme", sub="u"), read())  # type: ignore[attr-defined]
    person.client.set_cookie("doorkey", encode(opened.ids.session_secret), domain="127.0.0.1")
    store.calls.clear()
    return person


def set_cookies(response: Response) -> list[str]:
    return response.headers.getlist("Set-Cookie")


@pytest.mark.parametrize(
    "path", ["/", "/session", "/logout", "/logged-out", "/healthz", "/static/site.css", "/nowhere"]
)
def test_a_visit_without_a_cookie_asks_no_store_and_sets_no_cookie(
    path: str, visitor: Person, store: CountingStore
) -> None:
    with visitor.get(path) as response:
        assert set_cookies(response) == []
    assert store.calls == []


@pytest.mark.parametrize(
    "cookie", ["", "short", "x" * 42, "!" * 43, "é" * 43, "x" * 4000], ids=["empty", "short", "42", "odd", "é", "long"]
)
def test_a_cookie_that_cannot_be_one_asks_no_store(cookie: str, visitor: Person, store: CountingStore) -> None:
    visitor.client.set_cookie("doorkey", cookie, domain="127.0.0.1")
    assert not visitor.is_signed_in()
    assert store.calls == []


def test_an_unknown_cookie_is_never_adopted(visitor: Person, store: CountingStore) -> None:
    visitor.client.set_cookie("doorkey", encode(b"x" * 32), domain="127.0.0.1")
    response = visitor.get("/session")
    assert (response.get_json(), set_cookies(response), store.calls) == ({"active": False}, [], ["read"])


@pytest.mark.parametrize("path", ["/healthz", "/static/site.css", "/nowhere"])
def test_what_needs_no_session_reads_none(path: str, member: Person, store: CountingStore) -> None:
    member.get(path).close()
    assert store.calls == []


@pytest.mark.parametrize("path", ["/", "/session", "/logout"])
def test_a_page_reads_once_and_writes_nothing(path: str, member: Person, store: CountingStore) -> None:
    response = member.get(path)
    assert store.calls == ["read"]
    assert set_cookies(response) == []


@pytest.mark.parametrize("secret", [b"x" * 32, None], ids=["unknown", "live"])
def test_asking_twice_in_one_request_reads_once(
    secret: bytes | None, app: Flask, member: Person, store: CountingStore
) -> None:
    cookie = encode(secret) if secret else member.cookies()["doorkey"]
    interface: Any = app.session_interface
    with app.test_request_context("/", headers={"Cookie": f"doorkey={cookie}"}) as context:
        session = interface.open_session(app, context.request)
        assert [session.current is None, session.current is None] == [secret is not None] * 2
    assert store.calls == ["read"]


def test_last_seen_is_written_once_a_minute_at_most(member: Person, store: CountingStore, clock: MovedClock) -> None:
    written = []
    for _ in range(12):
        clock.advance(TOUCH_SECONDS / 4)
        store.calls.clear()
        member.get("/session")
        written.append(store.calls.count("update"))
    assert written == [0, 0, 0, 1] * 3


def test_use_keeps_a_session_alive_until_its_absolute_end(member: Person, clock: MovedClock) -> None:
    for _ in range(23):
        clock.advance(30 * 60)
        assert member.is_signed_in()
    clock.advance(30 * 60)
    assert not member.is_signed_in()


def test_an_unused_session_ends(member: Person, clock: MovedClock, store: CountingStore) -> None:
    clock.advance(3600)
    assert not member.is_signed_in()
    assert store.calls == ["read"]  # deleting is the sweep's


def test_a_slow_request_does_not_bring_back_a_session_that_was_ended(
    member: Person, app: Flask, store: CountingStore, clock: MovedClock
) -> None:
    """The request has read the session; then another one signs out; then the first one saves."""
    clock.advance(TOUCH_SECONDS)
    secret = decode(member.cookies()["doorkey"])
    assert secret

    @app.after_request
    def meanwhile(response: Any) -> Any:
        app.session_interface.sessions.end(secret)  # type: ignore[attr-defined]
        return response

    assert member.is_signed_in()
    assert "update" in store.calls
    assert not member.is_signed_in()


def test_a_store_that_is_down_is_a_503_and_the_cookie_stays(member: Person, store: CountingStore) -> None:
    store.broken = True
    for path in ("/", "/session", "/logout"):
        response = member.get(path)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert set_cookies(response) == []
    store.broken = False
    assert member.is_signed_in()


def test_a_store_that_fails_while_saving_does_not_spoil_the_answer(
    member: Person, app: Flask, store: CountingStore, clock: MovedClock
) -> None:
    clock.advance(TOUCH_SECONDS)

    @app.after_request
    def break_the_store(response: Any) -> Any:
        store.broken = True
        return response

    assert member.is_signed_in()


def test_signing_out_deletes_the_session_and_takes_the_cookie_back(member: Person, store: CountingStore) -> None:
    token = member.form_token()
    store.calls.clear()
    response = member.post("/logout", data={"csrf_token": token})
    assert (response.status_code, response.headers["Location"]) == (303, "/logged-out")
    assert store.calls == ["read", "delete"]
    assert member.cookies() == {}


@pytest.mark.parametrize("domain", ["", "example.com"])
def test_cookies_are_set_and_deleted_with_the_same_attributes(domain: str, made: Callable[..., Flask]) -> None:
    """Browsers ignore a deletion of a prefixed cookie that is not itself Secure with Path=/."""
    app = made(DOORKEY_COOKIE_DOMAIN=domain)
    interface: Any = app.session_interface
    with app.test_request_context("https://login.example.com/"):
        session = interface.open_session(app, app.request_class({}))
        session.begin(Identity(provider="acme", sub="u"), read(), label="")
        begun, ended = app.response_class(), app.response_class()
        interface.save_session(app, session, begun)
        came_back = SealedSession(interface, encode(session.new_secret))
        came_back.end()
        interface.save_session(app, came_back, ended)
    names = ["__Host-doorkey"] + (["__Secure-doorkey-gate"] if domain else [])
    for response in (begun, ended):
        lines = response.headers.getlist("Set-Cookie")
        assert [line.partition("=")[0] for line in lines] == names
        for line in lines:
            attributes = {part.strip().partition("=")[0] for part in line.split(";")[1:]} - {"Max-Age", "Expires"}
            wanted = {"Secure", "HttpOnly", "Path", "SameSite"} | ({"Domain"} if "gate" in line else set())
            assert attributes == wanted
            assert "SameSite=Lax" in line
            assert "Path=/" in line
    assert all("Max-Age=0" in line for line in ended.headers.getlist("Set-Cookie"))
