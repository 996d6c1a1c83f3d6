"""A refresh that lands between a sign-out's look at the session and its end: no token may live on (web/logout.py)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from doorkey.factory import create_app
from doorkey.sessions.sqlite_store import SqliteStore
from doorkey.sessions.store import StoredRecord
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.support.person import Person
from tests.support.refresh_pages import press, tab_of
from tests.support.rotating_provider import RotatingProvider, rotating_environ, rotating_provider


class Interrupted(SqliteStore):
    """Runs `before` once, when the next record is about to be deleted."""

    before: Callable[[], object] | None = None

    def delete(self, record_id: bytes) -> StoredRecord | None:
        self._interrupt()
        return super().delete(record_id)

    def delete_by_user(self, user_key: bytes) -> int:
        self._interrupt()
        return super().delete_by_user(user_key)

    def _interrupt(self) -> None:
        before, self.before = self.before, None
        if before:
            before()


@pytest.fixture
def rotating() -> Iterator[RotatingProvider]:
    with rotating_provider() as provider:
        yield provider


@pytest.fixture
def store(tmp_path: Path) -> Interrupted:
    return Interrupted(tmp_path / "sessions.sqlite3")


@pytest.fixture
def app(environ: dict[str, str], rotating: RotatingProvider, store: Interrupted, clock: MovedClock) -> Flask:
    return create_app(load(rotating_environ(environ, rotating.url)), store=store, clock=clock)


@pytest.mark.parametrize("path", ["/logout", "/account/sessions/revoke-all"])
def test_a_refresh_that_lands_just_before_the_end_leaves_no_token_that_works(
    path: str, app: Flask, rotating: RotatingProvider, store: Interrupted
) -> None:
    person = Person(app)
    person.sign_in()
    form, tab = {"csrf_token": person.form_token("/logout")}, tab_of(person)
    store.before = lambda: press(tab)
    assert person.post(path, data=form).status_code == 303
    assert len(rotating.refreshes) == 1
    assert rotating.working() == []
