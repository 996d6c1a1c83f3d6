"""A person at an application behind the gate: what nginx or Traefik would do, in process.

    visitor = GateVisitor(app, cookie_domain="example.com")
    visitor.ask("https://app.example.com/x")         # what a check answers, with the cookies of this browser
    visitor.open("https://app.example.com/x")        # follow until the page is let through, or not

Cookies are kept by host as a browser does (only what these tests need: Domain, host-only, deletion).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PAGE = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
API = {"Accept": "application/json"}
MOST_HOPS = 25


@dataclass
class GateVisitor:
    """`own_url` is Doorkey's public URL; `hops` every address that was opened."""

    app: Flask
    own_url: str
    cookie_domain: str = ""
    jar: dict[tuple[str, str], str] = field(default_factory=dict)
    hops: list[str] = field(default_factory=list)

    def ask(
        self,
        url: str,
        method: str = "GET",
        *,
        dialect: str = "nginx",
        headers: Mapping[str, str] | None = None,
        as_page: bool = True,
        **options: Any,
    ) -> TestResponse:
        """What the gate says about a request of this browser."""
        parts = urlsplit(url)
        sent = {**(PAGE if as_page else API), **_said(dialect, method, url), **(headers or {})}
        if cookie := self.cookies_for(parts.hostname or ""):
            sent.setdefault("Cookie", cookie)
        response = self._client().get(f"/check/{dialect}", base_url="http://127.0.0.1:8000", headers=sent, **options)
        self.app.extensions["doorkey"].gate.checkpoint.behind.settle()
        return response

    def go(self, url: str, **options: Any) -> TestResponse:
        """One request to a page of Doorkey, wherever it is served."""
        parts = urlsplit(url)
        headers = {**PAGE, **options.pop("headers", {})}
        if cookie := self.cookies_for(parts.hostname or ""):
            headers["Cookie"] = cookie
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        response = self._client().open(path, base_url=f"{parts.scheme}://{parts.netloc}", headers=headers, **options)
        self._keep(response, parts.hostname or "")
        return response

    def open(self, url: str, **options: Any) -> TestResponse:
        """Follow redirects, as a browser would, until one leads nowhere: a page of Doorkey, or an answer of a check."""
        for _ in range(MOST_HOPS):
            self.hops.append(url)
            is_own = url.startswith(self.own_url + "/") or "/.doorkey/accept" in url
            response = self.go(url) if is_own else self.ask(url, **options)
            options = {}
            location = response.headers.get("Location")
            if not location:
                return response
            parts = urlsplit(url)
            url = location if "://" in location else f"{parts.scheme}://{parts.netloc}{location}"
            if not (url.startswith(self.own_url + "/") or self._is_guarded(url)):
                return response
        raise AssertionError(f"still going round after {MOST_HOPS} hops: {self.hops[-6:]}")

    def cookies_for(self, host: str) -> str:
        found = {
            name: value
            for (domain, name), value in self.jar.items()
            if domain == host or (domain.startswith(".") and (host == domain[1:] or host.endswith(domain)))
        }
        return "; ".join(f"{name}={value}" for name, value in found.items())

    def _is_guarded(self, url: str) -> bool:
        guarded: bool = self.app.extensions["doorkey"].gate.guarded.has(urlsplit(url).netloc)
        return guarded

    def _client(self) -> FlaskClient:
        return self.app.test_client(use_cookies=False)

    def _keep(self, response: TestResponse, host: str) -> None:
        for header in response.headers.getlist("Set-Cookie"):
            for name, morsel in SimpleCookie(header).items():
                domain = "." + morsel["domain"].lstrip(".") if morsel["domain"] else host
                if morsel["max-age"] == "0":
                    self.jar.pop((domain, name), None)
                else:
                    self.jar[domain, name] = morsel.value


def _said(dialect: str, method: str, url: str) -> dict[str, str]:
    """What the proxies of a dialect say of a request."""
    parts = urlsplit(url)
    target = url.partition(parts.netloc)[2] or "/"
    if dialect.startswith("nginx"):
        return {"X-Original-Method": method, "X-Original-URL": f"{parts.scheme}://{parts.netloc}{target}"}
    names = ("Method", "Proto", "Host", "Uri")
    return {f"X-Forwarded-{n}": v for n, v in zip(names, (method, parts.scheme, parts.netloc, target), strict=True)}
