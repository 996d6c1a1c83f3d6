"""A browser without a screen: follows redirects from site to site, keeps the cookies of each, and tells what it has.

    jar = sign_in("http://127.0.0.1:8000/login?provider=dev")

As a program it signs in again and again, at fixed times, and asks for pages with the sessions it has, so that their
tokens are renewed:

    python -m benchmarks.sign_in_client https://login.example.com --port 8000 --per-second 5 --seconds 20
"""

import argparse
import http.client
import json
import random
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from benchmarks.servers import BenchmarkFailed

MOST_HOPS = 8
AGENT = "Mozilla/5.0 sign-in"


class Browser:
    """Keeps a connection and a cookie jar for each site. `ports`: sites that really are at a port of this machine."""

    def __init__(self, authority: ssl.SSLContext | None = None, ports: Mapping[str, int] | None = None):
        self._authority = authority
        self._ports = ports or {}
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self.jars: dict[str, dict[str, str]] = {}

    def forget(self) -> None:
        """Another person: no cookies, the same connections."""
        self.jars = {}

    def get(self, url: str) -> tuple[int, str, bytes]:
        """Status, Location (absolute, or "") and body."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        jar = self.jars.setdefault(site, {})
        headers = {"Host": parts.netloc, "User-Agent": AGENT, "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        answer = self._answer(site, parts.path + (f"?{parts.query}" if parts.query else ""), headers)
        body = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            jar[name.strip()] = value
        location = answer.headers.get("Location", "")
        return answer.status, urljoin(url, location) if location else "", body

    def _answer(self, site: str, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        for last in (False, True):
            connection = self._connections.get(site) or self._connect(site)
            try:
                connection.request("GET", path or "/", headers=headers)
                return connection.getresponse()
            except (OSError, http.client.HTTPException):
                self._connections.pop(site).close()  # a kept connection that the server has closed
                if last:
                    raise
        raise AssertionError("not reached")

    def _connect(self, site: str) -> http.client.HTTPConnection:
        parts = urlsplit(site)
        made: http.client.HTTPConnection
        if site in self._ports:
            made = http.client.HTTPConnection("127.0.0.1", self._ports[site], timeout=30)
        elif parts.scheme == "https":
            made = http.client.HTTPSConnection(parts.netloc, timeout=30, context=self._authority)
        else:
            made = http.client.HTTPConnection(parts.netloc, timeout=30)
        self._connections[site] = made
        return made

    def sign_in(self, url: str) -> dict[str, str]:
        """Follow the redirects from `url` until a callback has been answered; the cookies of that site."""
        site, been_away = "{0.scheme}://{0.netloc}".format(urlsplit(url)), False
        for _ in range(MOST_HOPS):
            status, location, body = self.get(url)
            if status not in (302, 303) or not location:
                raise BenchmarkFailed(f"{status} at {url}: {body[:500]!r}")
            if been_away and url.startswith(site):
                return self.jars[site]
            been_away = been_away or not location.startswith(site)
            url = location
        raise BenchmarkFailed(f"went in circles, last at {url}")


def sign_in(url: str) -> dict[str, str]:
    """Once, with a browser of its own."""
    return Browser().sign_in(url)


def keep_signing_in(site: str, port: int, per_second: float, seconds: float) -> dict[str, int]:
    """Sign in at fixed times; in between, ask what a session that is some seconds old is, which renews its token."""
    browser, people = Browser(ports={site: port}), list[dict[str, str]]()
    done = {"sign_ins": 0, "pages": 0, "failures": 0}
    began, number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        number += 1
        try:
            browser.forget()
            people.append(dict(browser.sign_in(f"{site}/login?provider=dev")))
            done["sign_ins"] += 1
            browser.jars[site] = random.choice(people)
            done["pages"] += browser.get(f"{site}/session")[0] == 200
        except (BenchmarkFailed, OSError, http.client.HTTPException):
            done["failures"] += 1
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", help="the public URL of Doorkey")
    parser.add_argument("--port", type=int, required=True, help="where that is on this machine")
    parser.add_argument("--per-second", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    print(json.dumps(keep_signing_in(given.site, given.port, given.per_second, given.seconds)))


if __name__ == "__main__":
    main()
