"""A program that reads on somebody's behalf through httpx, and renews its token when it has to."""

import base64
import hashlib
import secrets
import time
from collections.abc import Generator
from typing import Any

import httpx


class SignInFailed(Exception):
    """Says why."""


class Token(httpx.Auth):
    """Puts the access token into each request; asks for a new one when it is stale or was refused."""

    requires_response_body = True

    def __init__(self, oauth: dict[str, str], answer: dict[str, Any]):
        self._oauth = oauth
        self._take(answer)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._expires_at <= time.time():
            self._take((yield self._refresh_request()).raise_for_status().json())
        request.headers["Authorization"] = f"Bearer {self._access_token}"
        response = yield request
        if response.status_code == 401:
            self._take((yield self._refresh_request()).raise_for_status().json())
            request.headers["Authorization"] = f"Bearer {self._access_token}"
            yield request

    def _refresh_request(self) -> httpx.Request:
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        return token_request(self._oauth, form)

    def _take(self, answer: dict[str, Any]) -> None:
        self._access_token = answer["access_token"]
        self._refresh_token = answer["refresh_token"]
        self._expires_at = time.time() + answer["expires_in"]


class SignIn:
    """One sign-in: show `url` to the person, and give `finish` the address that the browser comes back to."""

    def __init__(self, oauth: dict[str, str], redirect_uri: str):
        self._oauth = oauth
        self._redirect_uri = redirect_uri
        self._state, self._verifier = secrets.token_urlsafe(), secrets.token_urlsafe(48)

    @property
    def url(self) -> str:
        digest = hashlib.sha256(self._verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self._oauth["client_id"],
            "redirect_uri": self._redirect_uri,
            "scope": self._oauth["scope"],
            "state": self._state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(self._oauth["authorization_endpoint"], params=parameters))

    def finish(self, address: str, http: httpx.Client) -> Token:
        answer = httpx.URL(address).params
        if answer.get("state") != self._state or answer.get("iss", self._oauth["issuer"]) != self._oauth["issuer"]:
            raise SignInFailed("not an answer to this sign-in")
        if "error" in answer:
            raise SignInFailed(answer["error"])
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self._redirect_uri,
            "code_verifier": self._verifier,
        }
        return Token(self._oauth, http.send(token_request(self._oauth, form)).raise_for_status().json())


def token_request(oauth: dict[str, str], form: dict[str, str]) -> httpx.Request:
    request = httpx.Request("POST", oauth["token_endpoint"], data=form, headers={"Accept": "application/json"})
    return next(httpx.BasicAuth(oauth["client_id"], oauth["client_secret"]).auth_flow(request))


def who_am_i(oauth: dict[str, str], token: Token, http: httpx.Client) -> str:
    answer = http.get(oauth["userinfo_endpoint"], auth=token).raise_for_status()
    return str(answer.json()["name"])
