"""A person with a browser at the provider's pages: shown the page, who decides, and is sent back.

The browser keeps the provider's cookies, so that sessions there work. It calls the WSGI app, by
whatever transport the client under test reaches the provider. Called by oauth_provider.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from doorkey.devprovider.wire import HANG_UP, SLEEP, HungUp, Wsgi


class SignInError(AssertionError):
    """The sign-in got stuck before the client was asked; the text says where."""


@dataclass(frozen=True)
class Decision:
    """Allow as `user`, with those of the scopes that are in `scope` (None: all that are asked); without one, deny."""

    user: str
    scope: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SentBack:
    """Where the provider sends the browser; with `fields`, as a form that is posted there."""

    url: str
    fields: dict[str, str] | None = None


class Visitor:
    """`url` is the provider's."""

    def __init__(self, app: Wsgi, url: str):
        self._browser = Browser(app)
        self._url = url

    def decide(self, url: str, decision: Decision) -> SentBack:
        """Open the authorization request `url` as it is, and decide when the page asks. Raises `SignInError`."""
        __tracebackhide__ = True
        response = self._open(url)
        page = Page(response)
        if "ticket" in page.hidden:
            response = self._open(urljoin(url, page.action), page.filled_in(decision))
            page = Page(response)
        if response.location:
            return SentBack(response.location)
        if response.status_code == 200 and page.action:
            return SentBack(page.action, page.hidden)
        words = " ".join(page.words) or "nothing that is a page."
        raise SignInError(f"The provider answered the authorization request with {response.status_code}: {words}")

    def _open(self, url: str, form: Sequence[tuple[str, str]] | None = None) -> TestResponse:
        __tracebackhide__ = True
        parts = urlsplit(url)
        fields: dict[str, list[str]] = {}
        for name, value in form or ():
            fields.setdefault(name, []).append(value)
        try:
            response = self._browser.open(
                parts._replace(scheme="", netloc="").geturl(),
                base_url=f"{parts.scheme}://{parts.netloc}/",
                method="GET" if form is None else "POST",
                data=fields or None,
                environ_overrides={"REMOTE_ADDR": "127.0.0.1", HANG_UP: _hang_up, SLEEP: _do_not_wait},
            )
            response.get_data()
        except HungUp:
            raise SignInError("The provider closed the connection at the authorization request.") from None
        return response


class Page(HTMLParser):
    """The form of one of the provider's pages, and what the page says."""

    def __init__(self, response: TestResponse):
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.scopes: list[str] = []
        self.words: list[str] = []
        self._in_words = False
        if response.mimetype == "text/html":
            self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = said.get("action", "")
        elif tag == "input" and said.get("type") == "hidden":
            self.hidden[said["name"]] = said.get("value", "")
        elif tag == "input" and said.get("name") == "scope":
            self.scopes.append(said.get("value", ""))
        self._in_words = tag in ("h1", "p")

    def handle_data(self, data: str) -> None:
        if self._in_words and data.strip():
            self.words.append(" ".join(data.split()))

    def filled_in(self, decision: Decision) -> list[tuple[str, str]]:
        """What the browser sends. Raises `ValueError` for a scope that the page does not have."""
        more = [name for name in decision.scope or () if name not in self.scopes]
        if more:
            asked = " ".join(self.scopes) or "none"
            raise ValueError(f"The client did not ask for the scope {more[0]}, only for: {asked}.")
        chosen = self.scopes if decision.scope is None else decision.scope
        button = ("user", decision.user) if decision.user else ("deny", "1")
        return [*self.hidden.items(), *(("scope", name) for name in chosen), button]


def _hang_up() -> None:
    raise HungUp


def _do_not_wait(seconds: float) -> None:
    """A person waits as long as it takes; a test need not."""
