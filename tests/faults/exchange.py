"""One request to the app over a connection of its own, and what may be said of its answer at once.

Called by members.py. A connection that is cut (the worker was killed) is an exchange too, with the status 0.
"""

import http.client
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

COOKIE = "doorkey"
PATIENCE = 30.0
CUT = 0
INNER_WORDS = re.compile(
    r"traceback|redis|sqlite|sentinel|clusterdown|readonly|oom |operationalerror|timeouterror|errno|line \d+, in", re.I
)
"""What no page of Doorkey says: these come out of a store or of Python."""


@dataclass(frozen=True)
class Exchange:
    """`began` is on the monotonic clock."""

    what: str
    began: float
    seconds: float
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def header(self, name: str) -> str:
        """Of several the first; "" when there is none."""
        return next((text for found, text in self.headers if found.lower() == name.lower()), "")

    @property
    def new_cookies(self) -> dict[str, str]:
        """By name; "" is a cookie that is taken back."""
        lines = [text for name, text in self.headers if name.lower() == "set-cookie"]
        parts = [line.partition(";") for line in lines]
        pairs = [(pair.partition("="), "max-age=0" in rest.lower()) for pair, _, rest in parts]
        return {name: "" if gone else value for (name, _, value), gone in pairs}

    def objections(self) -> list[str]:
        """What is wrong with it whoever asked for whatever."""
        found = []
        if self.status == 500:
            found.append(f"{self.what} gave 500")
        if self.status == 503 and not self.header("Retry-After").isdigit():
            found.append(f"{self.what} gave 503 without Retry-After")
        if self.status == 503 and COOKIE in self.new_cookies:
            found.append(f"{self.what} gave 503 and touched the session's cookie")
        words = INNER_WORDS.search(self.body)
        if words:
            found.append(f"{self.what} gave {self.status} and said {words[0]!r}")
        return found


def send(
    origin: str,
    method: str,
    path: str,
    *,
    cookies: Mapping[str, str],
    form: Mapping[str, str] | None = None,
    under_way: dict[int, str] | None = None,
) -> Exchange:
    """Ask as a browser would that takes JSON for the pages that have it; redirects are not followed.

    `under_way` has this request by our port while it is not answered.
    """
    headers = {"Accept": "text/html" if path == "/" else "application/json", "Connection": "close"}
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    body = urlencode(form) if form is not None else None
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    what, began = f"{method} {urlsplit(path).path}", time.monotonic()
    connection, port = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=PATIENCE), 0
    under_way = {} if under_way is None else under_way
    try:
        connection.connect()
        port = connection.sock.getsockname()[1]
        under_way[port] = what
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        seconds = time.monotonic() - began
        return Exchange(what, began, seconds, answer.status, tuple(answer.getheaders()), text)
    except (OSError, http.client.HTTPException):
        return Exchange(what, began, time.monotonic() - began, CUT)
    finally:
        under_way.pop(port, None)
        connection.close()
