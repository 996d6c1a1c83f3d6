"""The way of a browser through the client under test, in its Flask or Werkzeug test client.

Called by oauth_provider.py: from the start of a sign-in to the provider, back to the callback, and
for logout tokens.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

from werkzeug.test import Client as TestClient
from werkzeug.test import TestResponse

from doorkey.setting_urls import is_loopback
from doorkey.testing.visitor import SentBack, SignInError

MOST_REDIRECTS = 10
NOT_THERE = (404, 405)


class ClientWay:
    """One way. Addresses may have a host: it is then the one that the client is asked under."""

    def __init__(self, client: TestClient):
        if not isinstance(client, TestClient):
            raise TypeError("It takes a Flask or Werkzeug test client; for other clients there is authorize().")
        self._client = client
        self._base = ""
        self._root = ""

    def to_provider(self, start: str, is_provider: Callable[[str], bool]) -> str | TestResponse:
        """Follow the client's redirects from `start` until one goes to the provider: that address.

        Or the client's answer, when it is an error. Raises `SignInError` when neither comes.
        """
        __tracebackhide__ = True
        if is_provider(start):
            return start
        url = start
        for _ in range(MOST_REDIRECTS):
            response = self.open(url)
            if response.status_code >= 400 and response.status_code not in NOT_THERE:
                return response
            if not (response.location and 300 <= response.status_code < 400):
                raise SignInError(
                    f"{url} answered {response.status_code} and does not send the browser to the provider. "
                    "Say where a sign-in begins, as start."
                )
            url = urljoin(response.request.url, response.location)
            if is_provider(url):
                return url
            self._check_is_client(url)
        raise SignInError(f"{start} leads from one redirect to the next and never to the provider.")

    def back(self, sent: SentBack, *, begun_at: str) -> TestResponse:
        """What the client answers at its callback.

        A sign-in that began at a path has no host of its own: the callback is then asked under the same one, so that
        cookies of `localhost`, where test clients live, come along although the redirect URI says `127.0.0.1`.
        """
        __tracebackhide__ = True
        parts = urlsplit(sent.url)
        base = self._base if self._base and not urlsplit(begun_at).netloc else ""
        path = parts._replace(scheme="", netloc="").geturl()
        if sent.fields is None:
            return self.open(path, base=base or f"{parts.scheme}://{parts.netloc}")
        return self.open(
            path, base=base or f"{parts.scheme}://{parts.netloc}", form=sent.fields, headers={"Origin": "null"}
        )

    def open(
        self, url: str, *, base: str = "", form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> TestResponse:
        """One request; redirects are not followed."""
        __tracebackhide__ = True
        parts = urlsplit(url)
        base = base or (f"{parts.scheme}://{parts.netloc}" if parts.netloc else "")
        path = parts._replace(scheme="", netloc="").geturl()
        options: dict[str, Any] = {"method": "GET" if form is None else "POST", "data": form, "headers": headers}
        if base:
            inside = bool(self._root) and path.startswith(f"{self._root}/")
            options["base_url"] = f"{base}{self._root if inside else ''}/"
            path = path.removeprefix(self._root) if inside else path
        response = self._client.open(path or "/", **options)
        asked = urlsplit(response.request.url)
        self._base, self._root = f"{asked.scheme}://{asked.netloc}", response.request.root_path
        return response

    def _check_is_client(self, url: str) -> None:
        """A redirect to somewhere else is for a real browser, not for this client."""
        host = urlsplit(url).hostname or ""
        if host == urlsplit(self._base).hostname or is_loopback(host) or host.endswith(".test"):
            return
        raise SignInError(f"The client sends the browser to {host}, which is not the provider. Give it config().")
