"""What people and their tabs do around a renewal: press the button, read the page, ask while it is under way."""

import html
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from tests.support.person import Person
from tests.support.rotating_provider import PATIENCE, RotatingProvider

BUTTON = "Renew the token now"


def tab_of(person: Person) -> Person:
    """The same browser, for another thread."""
    tab = Person(person.client.application, person.origin)
    tab.client.set_cookie("doorkey", person.cookies()["doorkey"], domain="127.0.0.1")
    return tab


def press(person: Person, **options: Any) -> TestResponse:
    """The button on the home page; the page that the form's token is taken from renews nothing."""
    form = {"csrf_token": person.form_token("/logout"), **options.pop("data", {})}
    return person.post("/account/refresh", data=form, **options)


def words_of(answer: TestResponse) -> str:
    """The text of a page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def other_sessions(person: Person) -> list[str]:
    """Where the list of my sessions ends each one but this."""
    rows = person.get("/account/sessions").text.split("<li>")[1:]
    return [re.findall(r'action="([^"]+)"', row)[0] for row in rows if "this browser</span>" not in row]


@dataclass
class Waiting:
    """A request beside the test; it runs already."""

    thread: threading.Thread
    found: list[TestResponse]

    def answer(self) -> TestResponse:
        self.thread.join(PATIENCE)
        (answer,) = self.found
        return answer


def asks(person: Person, path: str = "/session") -> Waiting:
    """`person` asks for a page, and the test goes on."""
    found: list[TestResponse] = []
    thread = threading.Thread(target=lambda: found.append(person.get(path)))
    thread.start()
    return Waiting(thread, found)


@contextmanager
def refresh_under_way(person: Person, rotating: RotatingProvider, path: str = "/session") -> Iterator[Waiting]:
    """The provider was asked for a newer token, for a request of `person`, and answers when the block is over."""
    with rotating.held():
        waiting = asks(person, path)
        rotating.wait_for_refreshes(1)
        yield waiting
    waiting.answer()
