"""People with browsers, who remember what the app acknowledged to them, and notice every answer that is not right.

    in        a callback gave 303 and a cookie
    out       they never signed in, or POST /logout gave 303
    unclear   POST /logout gave no answer, or 503: it may have happened

Right is what fits that, or 503, or (when a worker is being killed) a cut connection. experiment.py has them act in
threads and asks them again at the end.
"""

import json
import random
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.faults.exchange import COOKIE, CUT, Exchange, send

IN, OUT, UNCLEAR = "in", "out", "unclear"
FORM_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')

LOOKS_ENDED = "sessions look ended"
REFRESH_REFUSED = "a refresh is refused"
PENDING_ENDS = "a pending sign-in ends"
CUTS = "connections are cut"
"""What an experiment may allow for a while; see `Ledger.allowed`."""


class Ledger:
    """All exchanges, and what was wrong; for many threads."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.wrong: list[str] = []
        self.allowed: set[str] = set()
        self.under_way: dict[int, str] = {}
        self._guard = threading.Lock()

    def note(self, exchange: Exchange) -> None:
        with self._guard:
            self.exchanges.append(exchange)
            self.wrong += exchange.objections()
            if exchange.status == CUT and CUTS not in self.allowed:
                self.wrong.append(f"{exchange.what} got no answer")

    def objects(self, sentence: str) -> None:
        with self._guard:
            self.wrong.append(sentence)


class Member:
    """`ended` are cookies whose end was acknowledged."""

    def __init__(self, name: str, origin: str, ledger: Ledger):
        self.name = name
        self.standing = OUT
        self.ended: list[str] = []
        self.jar: dict[str, str] = {}
        self._origin = origin
        self._ledger = ledger
        self._form_token = ""

    def act(self, choice: random.Random) -> None:
        """Something that people do: mostly looking."""
        if self.standing != IN:
            self.sign_in()
            return
        actions = (self.look, self.home, self.refresh, self.sign_out, self.sign_in)
        choice.choices(actions, weights=(8, 4, 4, 3, 1))[0]()

    def sign_in(self) -> bool:
        """Without a page at the provider; whether it was acknowledged."""
        query = urlencode({"prompt": "none", "login_hint": self.name})
        begun = self._ask("GET", f"/login?{query}")
        if not self._went(begun, 302):
            return False
        callback = self._decide(begun.header("Location"))
        before = self.jar.get(COOKIE, "")
        back = self._ask("GET", callback)
        if back.status == 400 and _code(back) == "state_mismatch" and PENDING_ENDS in self._ledger.allowed:
            return False
        if not self._went(back, 303):
            self.standing = UNCLEAR if before else OUT  # a new session ends the one before
            return False
        if before:
            self.ended.append(before)
        self.standing, self._form_token = IN, ""
        return True

    def _decide(self, url: str) -> str:
        """What the provider sends the browser back to; the provider itself is never away."""
        parts = urlsplit(url)
        answer = send(f"{parts.scheme}://{parts.netloc}", "GET", f"{parts.path}?{parts.query}", cookies={})
        back = urlsplit(answer.header("Location"))
        assert back.path.startswith("/callback/"), f"the provider gave {answer.status} {answer.body[:300]}"
        return f"{back.path}?{back.query}"

    def look(self) -> bool:
        """At /session; whether the answer says that they are signed in."""
        answer = self._ask("GET", "/session")
        if not self._went(answer, 200):
            return False
        active = bool(json.loads(answer.body)["active"])
        self._compare(answer, active)
        return active

    def home(self) -> bool:
        """Whether there was a page."""
        answer = self._ask("GET", "/")
        if not self._went(answer, 200):
            return False
        found = FORM_TOKEN.search(answer.body)
        self._form_token = found[1] if found else self._form_token
        self._compare(answer, found is not None)
        return True

    def refresh(self) -> None:
        """By the button."""
        answer = self._post("/account/refresh")
        if answer and answer.status in (400, 502) and REFRESH_REFUSED in self._ledger.allowed:
            return
        if answer:
            self._went(answer, 303)

    def sign_out(self) -> None:
        cookie = self.jar.get(COOKIE, "")
        answer = self._post("/logout")
        if answer is None:
            return
        if self._went(answer, 303):
            self.ended.append(cookie)
            self.standing = OUT
            if COOKIE in self.jar:
                self._ledger.objects("POST /logout left the cookie")
        else:
            self.standing = UNCLEAR

    def is_still_in(self, cookie: str) -> bool | None:
        """Whether an old cookie opens anything; None when that cannot be told."""
        answer = send(self._origin, "GET", "/session", cookies={COOKIE: cookie})
        self._ledger.note(answer)
        return bool(json.loads(answer.body)["active"]) if answer.status == 200 else None

    def _post(self, path: str) -> Exchange | None:
        """A form of the home page; None when that page cannot be had."""
        if not self._form_token:
            self.home()
        return self._ask("POST", path, {"csrf_token": self._form_token}) if self._form_token else None

    def _ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> Exchange:
        answer = send(self._origin, method, path, cookies=self.jar, form=form, under_way=self._ledger.under_way)
        self._ledger.note(answer)
        for name, value in answer.new_cookies.items():
            if value:
                self.jar[name] = value
            else:
                self.jar.pop(name, None)
        return answer

    def _went(self, answer: Exchange, right: int) -> bool:
        if answer.status not in (right, 503, CUT):
            self._ledger.objects(f"{answer.what} gave {answer.status}: {_code(answer)}")
        return answer.status == right

    def _compare(self, answer: Exchange, active: bool) -> None:
        if self.standing == IN and not active and LOOKS_ENDED not in self._ledger.allowed:
            self._ledger.objects(f"{answer.what} showed a member who is signed in as signed out")
        if self.standing == OUT and active:
            self._ledger.objects(f"{answer.what} showed a member who is signed out as signed in")


def _code(answer: Exchange) -> Any:
    """The code of a problem."""
    try:
        return json.loads(answer.body).get("error")
    except ValueError:
        return answer.body[:200]
