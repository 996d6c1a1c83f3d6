"""A vendor behind a preset, without a socket: an adapter of requests that answers by URL (doorkey/presets.py).

The answers are vendor_answers.py's. A code is redeemed only with the right redirect URI, PKCE verifier and client,
and what is behind a bearer token only with it, so that a sign-in that ends well has sent everything it must.
"""

import hashlib
import json
import os
from base64 import b64decode
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import requests
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import serialize_compact
from requests.adapters import BaseAdapter
from werkzeug.test import TestResponse

from doorkey.base64url import encode
from tests.support.person import Person
from tests.support.vendor_answers import Vendor

ORIGIN = "https://login.example.com"
KEY = "a-key-for-tests-0123456789-abcdefghijkl"
SECRET = "aB8~canary.client_secret-x"
RSA = RSAKey.generate_key(2048)
BASIC, POST = "client_secret_basic", "client_secret_post"


class FakeVendor(BaseAdapter):
    """Serves `vendor`; `asked` is what came, as `METHOD url`. `answers` wins over the data."""

    def __init__(self, vendor: Vendor, now: float):
        super().__init__()
        self.vendor = vendor
        self.now = now
        self.pending: dict[str, str] = {}
        self.answers: dict[str, tuple[int, Any]] = {}
        self.hs256 = False
        self.asked: list[str] = []
        self.requests: list[requests.PreparedRequest] = []
        self.token_endpoint = vendor.token_endpoint or vendor.metadata["token_endpoint"]
        self.authorization_endpoint = vendor.authorization_endpoint or vendor.metadata["authorization_endpoint"]

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, *args: Any, **kwargs: Any
    ) -> requests.Response:
        self.requests.append(request)
        self.asked.append(f"{request.method} {request.url}")
        status, body = self._answer(request)
        response = requests.Response()
        response.status_code = status
        response.headers["Content-Type"] = "application/json; charset=utf-8"
        response.raw = BytesIO(json.dumps(body).encode())
        response.url = str(request.url)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, Any]:
        url = str(request.url)
        if url in self.answers:
            return self.answers[url]
        if url == self.token_endpoint and request.method == "POST":
            return self._redeem(request)
        if url == self.vendor.metadata_at:
            return 200, self.vendor.metadata
        if url == self.vendor.metadata.get("jwks_uri"):
            return 200, {"keys": [{**RSA.as_dict(private=False), "kid": "canary-key", "use": "sig"}]}
        if url not in self.vendor.told:
            return 404, {"message": "Not Found"}
        if request.headers.get("Authorization") != "Bearer canary-access-token":
            return 401, {"message": "Bad credentials"}
        return 200, self.vendor.told[url]

    def _redeem(self, request: requests.PreparedRequest) -> tuple[int, Any]:
        """RFC 6749 section 4.1.3 and RFC 7636 section 4.6, as strictly as they are meant."""
        form = dict(parse_qsl(str(request.body)))
        if authentication(request)[1:] != (f"client-of-{self.vendor.preset}", SECRET):
            return 401, {"error": "invalid_client"}
        challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (form["grant_type"], form["code"]) != ("authorization_code", "canary-code"):
            return 400, {"error": "invalid_grant"}
        if (form["redirect_uri"], challenge) != (self.pending["redirect_uri"], self.pending["code_challenge"]):
            return 400, {"error": "invalid_grant"}
        token = dict(self.vendor.token)
        return 200, token if self.vendor.id_token is None else {**token, "id_token": self._id_token(token)}

    def _id_token(self, token: dict[str, Any]) -> str:
        half = encode(hashlib.sha256(token["access_token"].encode()).digest()[:16])
        claims = {
            "iss": self.vendor.metadata["issuer"],
            "aud": f"client-of-{self.vendor.preset}",
            "iat": int(self.now),
            "exp": int(self.now) + self.vendor.seconds,
            "nonce": self.pending["nonce"],
            **({"at_hash": half} if self.vendor.at_hash else {}),
            **(self.vendor.id_token or {}),
        }
        if self.hs256:
            return serialize_compact({"alg": "HS256"}, json.dumps(claims), OctKey.import_key(SECRET))
        header = {"alg": "RS256", "kid": "canary-key", "typ": "JWT"}
        return serialize_compact(header, json.dumps(claims), RSA)


def authentication(request: requests.PreparedRequest) -> tuple[str, str, str]:
    """How the client proved itself, and with what."""
    kind, _, pair = str(request.headers.get("Authorization", "")).partition(" ")
    if kind == "Basic":
        id, _, secret = b64decode(pair).decode().partition(":")
        return BASIC, unquote_plus(id), unquote_plus(secret)
    form = dict(parse_qsl(str(request.body)))
    return POST, form.get("client_id", ""), form.get("client_secret", "")


@dataclass
class Visit:
    """Somebody who signs in at `fake` through Doorkey."""

    person: Person
    fake: FakeVendor
    params: dict[str, str] = field(default_factory=dict)

    def start(self) -> TestResponse:
        return self.person.get(f"/login?provider={self.fake.vendor.preset}")

    def sign_in(self, **callback: str) -> TestResponse:
        """The whole way; `callback` is what comes back in place of what the vendor adds."""
        begun = self.person.begin(self.fake.vendor.preset)
        assert begun.url.partition("?")[0] == self.fake.authorization_endpoint
        self.params = self.fake.pending = begun.params
        more = callback or self.fake.vendor.callback
        query = urlencode({"code": "canary-code", "state": begun.state, **more})
        return self.person.come_back(query, self.fake.vendor.preset)

    def session(self) -> dict[str, Any]:
        return self.person.session()


def environ(preset: str, instance: Path, **given: str) -> dict[str, str]:
    """Doorkey with one provider, which has the id of its preset."""
    prefix = f"DOORKEY_PROVIDER_{preset.upper()}_"
    own = {"PRESET": preset, "CLIENT_ID": f"client-of-{preset}", "CLIENT_SECRET": SECRET, **given}
    return {
        "DOORKEY_CONFIG": os.devnull,
        "DOORKEY_PUBLIC_URL": ORIGIN,
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_INSTANCE": str(instance),
        "DOORKEY_PROVIDERS": preset,
        **{prefix + name: value for name, value in own.items()},
    }
