"""A small OpenID Connect client that believes nothing: it checks whatever a provider may get wrong.

    app = strict_client(oauth_provider.config())        # /login, /callback, /, /api

Used by the tests of doorkey/testing. It answers 502 with the reason when it does not believe.
"""

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import urlencode

import requests
from flask import Flask, redirect, request, session, url_for
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

KEY_TYPES = (("RSA", None), ("EC", "P-256"), ("OKP", "Ed25519"))


class Unbelievable(Exception):
    """What the provider said is not to be believed."""


def demand(holds: Any, reason: str) -> None:
    if not holds:
        raise Unbelievable(reason)


def strict_client(config: dict[str, str], **parameters: str) -> Flask:
    """`parameters` go into the authorization request as well."""
    app = Flask("strict-client")
    app.secret_key = secrets.token_bytes(16)
    tokens: dict[str, dict[str, Any]] = {}

    @app.get("/login")
    def login() -> Any:
        session.update({name: secrets.token_urlsafe(40) for name in ("state", "nonce", "verifier")})
        asked = {
            "response_type": "code",
            "client_id": config["client_id"],
            "redirect_uri": url_for("callback", _external=True),
            "scope": config["scope"],
            "state": session["state"],
            "nonce": session["nonce"],
            "code_challenge": _encoded(hashlib.sha256(session["verifier"].encode()).digest()),
            "code_challenge_method": "S256",
            **parameters,
        }
        return redirect(f"{_metadata(config)['authorization_endpoint']}?{urlencode(asked)}")

    @app.route("/callback", methods=["GET", "POST"])
    def callback() -> Any:
        metadata, answer = _metadata(config), request.values
        demand(session.get("state") and answer.get("state") == session.pop("state"), "state")
        if metadata.get("authorization_response_iss_parameter_supported") or "iss" in answer:
            demand(answer.get("iss") == config["issuer"], "iss of the answer")
        demand("error" not in answer, answer.get("error", ""))
        token = _token(config, metadata, answer["code"])
        claims = _id_token_claims(config, metadata, token)
        demand(claims["nonce"] == session.pop("nonce"), "nonce")
        session["user"] = _user_info(metadata, token, claims["sub"])["name"]
        session["id"] = secrets.token_urlsafe()
        tokens[session["id"]] = _dated(token)
        return redirect("/")

    @app.get("/")
    def home() -> str:
        if "user" not in session:
            return "Nobody."
        token = tokens[session["id"]]
        if token["ends"] <= time.time():
            form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
            token = tokens[session["id"]] = _dated(_ask(config, _metadata(config), form))
        return f"Hello {session['user']}."

    @app.get("/api")
    def api() -> Any:
        headers = {"Authorization": request.headers.get("Authorization", "")}
        answer = requests.get(config["userinfo_endpoint"], headers=headers, timeout=5)
        return (answer.json(), 200) if answer.ok else ("The token is no good.", 401)

    @app.errorhandler(Unbelievable)
    @app.errorhandler(requests.RequestException)
    def refused(error: Exception) -> Any:
        session.clear()
        return f"{type(error).__name__}: {error}", 502

    return app


def _metadata(config: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{config['issuer']}/.well-known/openid-configuration", timeout=5).json()
    demand(found.get("issuer") == config["issuer"], "issuer of the metadata")
    return found


def _token(config: dict[str, str], metadata: dict[str, Any], code: str) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": session.pop("verifier")}
    token = _ask(config, metadata, form | {"redirect_uri": url_for("callback", _external=True)})
    demand(token.get("id_token"), "id_token")
    return token


def _ask(config: dict[str, str], metadata: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
    credentials = (config["client_id"], config["client_secret"])
    answer = requests.post(metadata["token_endpoint"], data=form, auth=credentials, timeout=5, allow_redirects=False)
    demand(answer.status_code == 200, f"status {answer.status_code}")
    token: dict[str, Any] = answer.json()
    demand(token.get("access_token"), "access_token")
    demand(str(token.get("token_type")).lower() == "bearer", "token_type")
    return token


def _dated(token: dict[str, Any]) -> dict[str, Any]:
    return {**token, "ends": time.time() + token.get("expires_in", 60)}


def _id_token_claims(config: dict[str, str], metadata: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    keys = requests.get(metadata["jwks_uri"], timeout=5).json()["keys"]
    known = [key for key in keys if (key["kty"], key.get("crv")) in KEY_TYPES and key.get("use", "sig") == "sig"]
    header = json.loads(base64.urlsafe_b64decode(token["id_token"].split(".")[0] + "=="))
    if "kid" not in header:  # then there must be one key that fits
        kty = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}.get(header["alg"][:2])
        known = [key for key in known if key["kty"] == kty]
        demand(len(known) == 1, "kid")
    algorithms = [name for name in metadata["id_token_signing_alg_values_supported"] if name[:2] != "HS"]
    try:
        claims = jwt.decode(token["id_token"], KeySet.import_key_set({"keys": known}), algorithms=algorithms).claims
    except (JoseError, ValueError) as error:
        raise Unbelievable(f"ID token: {error!r}") from None
    audience = claims.get("aud")
    demand(claims.get("iss") == config["issuer"], "iss")
    demand((audience if isinstance(audience, list) else [audience]) == [config["client_id"]], "aud")
    demand(claims.get("exp", 0) > time.time(), "exp")
    demand("iat" in claims and claims.get("sub") and "nonce" in claims, "iat, sub or nonce")
    demand(claims.get("at_hash") in (None, _half_hash(token["access_token"], header["alg"])), "at_hash")
    return dict(claims)


def _half_hash(text: str, alg: str) -> str:
    """OpenID Connect Core section 3.1.3.6; Ed25519 has SHA-512 inside."""
    digest = (hashlib.sha512 if alg == "EdDSA" else hashlib.sha256)(text.encode()).digest()
    return _encoded(digest[: len(digest) // 2])


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _user_info(metadata: dict[str, Any], token: dict[str, Any], sub: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer = requests.get(metadata["userinfo_endpoint"], headers=headers, timeout=5)
    if answer.headers["Content-Type"].startswith("application/jwt"):
        keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=5).json())
        found = dict(jwt.decode(answer.text, keys, algorithms=["RS256", "ES256", "PS256", "EdDSA"]).claims)
    else:
        found = answer.json()
    demand(found.get("sub") == sub, "sub of the user info")
    return found
