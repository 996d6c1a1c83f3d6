"""An OpenID provider over a real socket whose tokens a test makes as it likes: any header, claims, key and algorithm.

`SigningProvider` adds metadata, keys and ID tokens to `ScriptedProvider`; `openid_environ()` are the settings of
an app whose providers are such servers, and `signed()` is a token by itself.
"""

import hmac
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from werkzeug.test import TestResponse

from doorkey.base64url import encode
from doorkey.oauth.jws import half_hash
from tests.support.person import Begun, Person
from tests.support.scripted_provider import GOOD_TOKEN, ScriptedProvider

NOW = 1_800_000_000
"""Where the moved clock of the tests begins."""

SECRET = "canary-client-secret"
PublicKey = RSAKey | ECKey | OKPKey
AnyKey = PublicKey | bytes
"""Bytes are a shared secret, for HS256 and its kin."""

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@cache
def key_for(alg: str, number: int = 1) -> PublicKey:
    """A private key that signs with `alg`, the same each time; another `number` is another key."""
    if alg.startswith("ES"):
        return ECKey.generate_key(CURVES[alg])
    return OKPKey.generate_key("Ed25519") if alg.startswith("Ed") else RSAKey.generate_key(2048)


def jwk(key: PublicKey, **members: Any) -> dict[str, Any]:
    """The public half of `key` as a JSON Web Key with `members` added; those that are None are left out."""
    found = {**key.as_dict(private=False), "use": "sig", **members}
    return {name: value for name, value in found.items() if value is not None}


def signed(claims: Any, key: AnyKey, alg: str = "RS256", **header: Any) -> str:
    """A compact JWS of `claims` (bytes are taken as they are); `header` members that are None are left out."""
    shown = {name: value for name, value in {"alg": alg, **header}.items() if value is not None}
    return sealed_with(json.dumps(shown).encode(), claims, key, alg)


def sealed_with(header: bytes, claims: Any, key: AnyKey, alg: str) -> str:
    """As `signed()`, with a header of any bytes."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signing_input = f"{encode(header)}.{encode(payload)}"
    if isinstance(key, bytes):
        signature = hmac.digest(key, signing_input.encode(), f"sha{alg[2:]}")
    else:
        signature = JWSRegistry.algorithms[alg].sign(signing_input.encode(), key)
    return f"{signing_input}.{encode(signature)}"


class SigningProvider(ScriptedProvider):
    """Describes itself and publishes one RS256 key, `kid` "key-1"; its tokens are for `client_id`."""

    def __init__(self, *, client_id: str = "client-of-stub") -> None:
        super().__init__()
        self._open: list[socket.socket] = []
        self.client_id = client_id
        self.key = key_for("RS256")
        self.describe()
        self.publish(jwk(self.key, kid="key-1", alg="RS256"))

    @property
    def issuer(self) -> str:
        return self.url

    def describe(self, **changes: Any) -> dict[str, Any]:
        """Publish metadata with `changes`; those that are None are left out."""
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            **changes,
        }
        document = {name: value for name, value in document.items() if value is not None}
        self.answer("/.well-known/openid-configuration", document)
        return document

    def publish(self, *keys: Any) -> None:
        self.answer("/keys", {"keys": list(keys)})

    def claims(self, nonce: str = "", **changes: Any) -> dict[str, Any]:
        """Those of a good ID token with `changes`; those that are None are left out."""
        good = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "user-1",
            "iat": NOW,
            "exp": NOW + 300,
            "nonce": nonce,
            "at_hash": half_hash(GOOD_TOKEN["access_token"], "RS256"),  # type: ignore[arg-type]
            **changes,
        }
        return {name: value for name, value in good.items() if value is not None}

    def hand_out(self, id_token: str | None, **members: Any) -> None:
        """Answer token requests with `id_token`."""
        self.answer("/token", {**GOOD_TOKEN, **({"id_token": id_token} if id_token else {}), **members})

    def sign_in(self, person: Person, provider: str = "stub", **changes: Any) -> TestResponse:
        """The whole way of `person`, with a good ID token whose claims have `changes`."""
        begun = person.begin(provider)
        self.prepare(begun, **changes)
        return person.come_back(urlencode({"code": "canary-code", "state": begun.state}), provider)

    def prepare(self, begun: Begun, **changes: Any) -> None:
        """Have a good ID token ready for the sign-in `begun`."""
        self.hand_out(signed(self.claims(begun.params["nonce"], **changes), self.key, kid="key-1"))

    def stop(self) -> None:
        """Go down: no connection stays, and no new one is accepted."""
        self.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def start_again(self) -> None:
        """Come back at the same address."""
        self._server = ThreadingHTTPServer(self._server.server_address[:2], self._server.RequestHandlerClass)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        self._open.append(handler.connection)
        super()._serve(handler)

    def fetches(self) -> tuple[int, int]:
        """How often metadata and keys have been asked for."""
        return len(self.requests_to("/.well-known/openid-configuration")), len(self.requests_to("/keys"))


@contextmanager
def signing_provider(client_id: str = "client-of-stub") -> Iterator[SigningProvider]:
    provider = SigningProvider(client_id=client_id)
    try:
        yield provider
    finally:
        provider.close()


def openid_environ(environ: Mapping[str, str], issuers: Mapping[str, str], **changes: str) -> dict[str, str]:
    """`environ` with the providers `issuers` (id -> issuer) in place of its own; `changes` are for the first."""
    found = {name: value for name, value in environ.items() if not name.startswith("DOORKEY_PROVIDER")}
    found["DOORKEY_PROVIDERS"] = ",".join(issuers)
    for id, issuer in issuers.items():
        own = {"ISSUER": issuer, "CLIENT_ID": f"client-of-{id}", "CLIENT_SECRET": SECRET, "SCOPE": "openid"}
        found |= {f"DOORKEY_PROVIDER_{id.upper()}_{name}": value for name, value in own.items()}
    first = next(iter(issuers)).upper()
    return found | {f"DOORKEY_PROVIDER_{first}_{name}": value for name, value in changes.items()}
