"""What must hold after every attack."""

import sqlite3
from pathlib import Path

from werkzeug.test import TestResponse

from tests.support.person import Person

NAMES = ("doorkey", "__Host-doorkey", "__Secure-doorkey-gate")


def session_cookies_set_by(response: TestResponse) -> list[str]:
    """The Set-Cookie lines that give (and not delete) a session cookie."""
    lines = response.headers.getlist("Set-Cookie")
    return [line for line in lines if line.partition("=")[0] in NAMES and "Max-Age=0" not in line]


def assert_refused(person: Person, response: TestResponse, *statuses: int) -> None:
    """A problem with one of `statuses`, and nobody is signed in."""
    assert response.status_code in (statuses or (400,)), response.text
    assert session_cookies_set_by(response) == []
    assert "Location" not in response.headers
    assert not person.is_signed_in()


def rows(database: Path) -> dict[str, int]:
    """How many rows each table of the session file has."""
    db = sqlite3.connect(database)
    try:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    finally:
        db.close()
