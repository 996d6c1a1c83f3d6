"""A person with a browser: keeps cookies, follows what they choose to follow."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


@dataclass(frozen=True)
class Begun:
    """Where /login sent the browser."""

    url: str
    params: dict[str, str]

    @property
    def state(self) -> str:
        return self.params["state"]


class Person:
    """Talks to `app` at `origin` through Flask's test client."""

    def __init__(self, app: Flask, origin: str = "http://127.0.0.1:8000"):
        self.client: FlaskClient = app.test_client()
        self.origin = origin

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, base_url=self.origin, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.client.post(path, base_url=self.origin, **options)

    def begin(self, provider: str = "stub", **query: str) -> Begun:
        response = self.get("/login?" + urlencode({"provider": provider, **query}))
        assert response.status_code == 302, response.text
        url = response.headers["Location"]
        return Begun(url, {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()})

    def come_back(self, query: str, provider: str = "stub", **options: Any) -> TestResponse:
        return self.get(f"/callback/{provider}?{query}", **options)

    def sign_in(self, provider: str = "stub", code: str = "canary-code", **query: str) -> TestResponse:
        """The whole way at a provider that lets everybody in."""
        begun = self.begin(provider, **query)
        return self.come_back(urlencode({"code": code, "state": begun.state}), provider)

    def session(self) -> dict[str, Any]:
        """What /session says."""
        found: dict[str, Any] = self.get("/session").get_json()
        return found

    def is_signed_in(self) -> bool:
        return bool(self.session()["active"])

    def form_token(self, path: str = "/") -> str:
        """The token in the form of a page."""
        match = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
        assert match
        return match[1]

    def sign_out(self) -> TestResponse:
        return self.post("/logout", data={"csrf_token": self.form_token()})

    def cookies(self) -> dict[str, str]:
        """The cookies this browser holds."""
        host = urlsplit(self.origin).hostname or ""
        jar = (self.client._cookies or {}).values()
        return {cookie.key: cookie.value for cookie in jar if cookie.domain == host}
