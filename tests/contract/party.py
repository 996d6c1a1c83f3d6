"""The development provider as any client sees it, however it is reached.

conftest.py makes one `Party` for each way; the suites beside this file use nothing else, so that
they hold for every provider that can answer HTTP.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import requests

from tests.conftest import MovedClock

CLIENT_ID = "contract-client"
CLIENT_SECRET = "s%41+ü:€&=/ ?"
"""Everything that goes wrong when one side encodes and the other does not."""

REDIRECT_URI = "http://127.0.0.1:8000/callback/dev"
SECOND_REDIRECT_URI = "http://127.0.0.1:9999/elsewhere"
STATE = "xyz-state"
VERIFIER = "v" * 43
FORM = "application/x-www-form-urlencoded"


def basic(client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET, *, encoded: bool = True) -> str:
    """An Authorization header; `encoded` as RFC 6749 section 2.3.1 says."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}" if encoded else f"{client_id}:{secret}"
    return "Basic " + b64encode(pair.encode()).decode()


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def fields_of(response: requests.Response) -> dict[str, Any]:
    """The JSON body, in the order it was sent."""
    found: dict[str, Any] = json.loads(response.content)
    return found


def query_of(response: requests.Response) -> dict[str, str]:
    """The parameters a redirect gives back to the client."""
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["Location"]).query).items()}


@dataclass
class Party:
    """A provider at `url`, with `CLIENT_ID` registered for both redirect URIs."""

    url: str
    session: requests.Session
    clock: MovedClock
    other_client: tuple[str, str] = ("", "")
    default_auth: str = field(default_factory=basic)

    def post(
        self, body: bytes, *, auth: str | None = "", query: str = "", content_type: str = FORM
    ) -> requests.Response:
        """A token request with exactly this body; `auth`: "" for the usual one, None for none."""
        headers = {"Content-Type": content_type}
        if auth is not None:
            headers["Authorization"] = auth or self.default_auth
        return self.session.post(f"{self.url}/oauth/token{query}", data=body, headers=headers, allow_redirects=False)

    def token(self, fields: Mapping[str, str] | Sequence[tuple[str, str]], **options: Any) -> requests.Response:
        """A token request with these form fields."""
        return self.post(urlencode(fields).encode(), **options)

    def redeem(self, code: str, *, auth: str = "", **changes: str | None) -> requests.Response:
        """Redeem `code` as it should be done, with some fields changed or (None) left out."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, **changes}
        return self.token({name: value for name, value in fields.items() if value is not None}, auth=auth)

    def refresh(self, refresh_token: str, *, auth: str = "", **more: str) -> requests.Response:
        return self.token({"grant_type": "refresh_token", "refresh_token": refresh_token, **more}, auth=auth)

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, allow_redirects=False)

    def form(self, path: str, fields: Mapping[str, str], *, auth: str | None = "") -> requests.Response:
        """A form to any endpoint; `auth` as in `post()`."""
        headers = {"Content-Type": FORM}
        if auth is not None:
            headers["Authorization"] = auth or self.default_auth
        return self.session.post(self.url + path, data=urlencode(fields), headers=headers, allow_redirects=False)

    def control(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """A call to `/dev/*`; what it answered."""
        answer = self.session.request(method, self.url + path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def register(self, client_id: str, **fields: Any) -> str:
        """One more client with the usual redirect URIs; its Authorization header."""
        usual = {"client_secret": "another-secret-0123456789-abcdefghij", "redirect_uris": [REDIRECT_URI]}
        self.control("PUT", f"/dev/clients/{client_id}", usual | fields)
        return basic(client_id, usual["client_secret"])  # type: ignore[arg-type]

    def authorize(self, **changes: str | Sequence[str] | None) -> requests.Response:
        """An authorization request with some parameters changed, repeated (a list) or left out (None).

        `cookie` is none of them, but what the browser sends along.
        """
        cookie = changes.pop("cookie", None)
        usual = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "response_type": "code", "state": STATE}
        query = {name: value for name, value in (usual | changes).items() if value is not None}
        url = f"{self.url}/oauth/authorize?{urlencode(query, doseq=True)}"
        return self.session.get(url, headers={"Cookie": str(cookie)} if cookie else {}, allow_redirects=False)

    def decide(
        self, page: requests.Response, *, browser: requests.Response | None = None, **choice: str | Sequence[str]
    ) -> requests.Response:
        """Send the form of a consent page back, as the browser would that was shown `browser` (or `page`)."""
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert ticket, page.text
        cookie = (page if browser is None else browser).headers.get("Set-Cookie", "").partition(";")[0]
        body = urlencode({"ticket": ticket[1], **choice}, doseq=True)
        return self.session.post(
            f"{self.url}/oauth/authorize",
            data=body,
            headers={"Content-Type": FORM, "Cookie": cookie},
            allow_redirects=False,
        )

    def code(self, **changes: str) -> str:
        """A fresh code that alice allowed."""
        response = self.authorize(prompt="none", login_hint="alice", **changes)
        assert response.status_code == 302, response.text
        return query_of(response)["code"]

    def tokens(self, *, auth: str = "", **changes: str) -> dict[str, Any]:
        """A token response for a fresh code."""
        response = self.redeem(self.code(**changes), auth=auth)
        assert response.status_code == 200, response.text
        return fields_of(response)

    def user_info(self, access_token: str) -> requests.Response:
        return self.session.get(f"{self.url}/oauth/userinfo", headers={"Authorization": f"Bearer {access_token}"})
