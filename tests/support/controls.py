"""The development provider in process, and its controls as a program uses them."""

import json
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import parse_qs, urlsplit

from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from doorkey.clock import Clock
from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.users import Client

SECRET = "canary-client-secret-0123456789-abcdef"
REDIRECT_URI = "http://127.0.0.1:8000/callback"
APP = Client(
    "app", SECRET, (REDIRECT_URI,), scopes=("read", "write"), backchannel_logout_uri="http://127.0.0.1:8000/left"
)
PUBLIC = Client("public", "", (REDIRECT_URI,), token_endpoint_auth_method="none", require_pkce=True)
FAR = {"REMOTE_ADDR": "192.0.2.7"}
NEAR = {"REMOTE_ADDR": "127.0.0.1"}


class Controls:
    """The provider, and its controls as a program uses them; `told` are the logout tokens that went out."""

    def __init__(self, clock: Clock, **config: Any):
        self.told: list[tuple[str, str]] = []
        self.app = create_provider_app(DevProvider([APP, PUBLIC], **config), clock=clock, deliver=self._deliver)

    def _deliver(self, uri: str, token: str) -> int:
        self.told.append((uri, token))
        return 204

    def send(self, method: str, path: str, **more: Any) -> TestResponse:
        return Browser(self.app).open(path, method=method, **{"environ_base": NEAR, **more})

    def does(self, method: str, path: str, *body: Any, status: int = 200) -> Any:
        """One call that gives `status`, and what it answers."""
        answer = self.send(method, path, **({"json": body[0]} if body else {}))
        assert answer.status_code == status, answer.text
        return json.loads(answer.data) if answer.data else None

    def wrong(self, method: str, path: str, body: Any, status: int = 400) -> str:
        """The sentence that says what is wrong with a call."""
        found = self.does(method, path, body, status=status)
        assert found["error"] == "invalid_request"
        said: str = found["error_description"]
        return said

    def token(self, **form: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.send("POST", "/oauth/token", data=form, auth=("app", SECRET)).data)
        return found

    def sign_in(self, browser: Browser | None = None, /, **more: str) -> dict[str, str]:
        """The authorization response to a request without a page."""
        query = {"client_id": "app", "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "s"}
        query |= {"scope": "openid profile", "prompt": "none", **more}
        answer = (browser or Browser(self.app)).get("/oauth/authorize", query_string=query, environ_base=NEAR)
        found = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in found.items()}

    def tokens(self, **more: str) -> dict[str, Any]:
        code = self.sign_in(login_hint="alice", **more)["code"]
        return self.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI)

    def user_info(self, token: str) -> TestResponse:
        return self.send("GET", "/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
