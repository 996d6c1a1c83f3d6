"""A page that says who is signed in. OAuth by hand: authorization code with PKCE, and refresh."""

import base64
import hashlib
import secrets
import time
from typing import Any
from urllib.parse import urlencode

import requests
from flask import Flask, Response, abort, redirect, request, session, url_for


def create_app(oauth: dict[str, str]) -> Flask:
    """`oauth` has the provider's endpoints, client_id, client_secret and scope."""
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    tokens: dict[str, dict[str, Any]] = {}

    @app.get("/login")
    def login() -> Any:
        session["state"], session["verifier"] = secrets.token_urlsafe(), secrets.token_urlsafe(48)
        digest = hashlib.sha256(session["verifier"].encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": oauth["client_id"],
            "redirect_uri": url_for("callback", _external=True),
            "scope": oauth["scope"],
            "state": session["state"],
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return redirect(f"{oauth['authorization_endpoint']}?{urlencode(parameters)}")

    @app.get("/callback")
    def callback() -> Any:
        state, verifier = session.pop("state", ""), session.pop("verifier", "")
        if not state or request.args.get("state") != state:
            abort(400, "This answer belongs to no sign-in of this browser.")
        if "error" in request.args:
            abort(403, f"The provider says {request.args['error']}.")
        remember(
            ask_for_token(
                grant_type="authorization_code",
                code=request.args["code"],
                redirect_uri=url_for("callback", _external=True),
                code_verifier=verifier,
            )
        )
        return redirect("/")

    @app.get("/")
    def home() -> Any:
        token = tokens.get(session.get("id", ""))
        if token is None:
            return "Nobody is signed in."
        if token["expires_at"] <= time.time():
            token = remember(ask_for_token(grant_type="refresh_token", refresh_token=token["refresh_token"]))
        answer = requests.get(
            oauth["userinfo_endpoint"], headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=10
        )
        if answer.status_code == 401:
            del tokens[session.pop("id")]
            return redirect("/login")
        answer.raise_for_status()
        return Response(f"Hello {answer.json()['name']}.", mimetype="text/plain")

    def ask_for_token(**form: str) -> dict[str, Any]:
        credentials = (oauth["client_id"], oauth["client_secret"])
        answer = requests.post(oauth["token_endpoint"], data=form, auth=credentials, timeout=10)
        if answer.status_code != 200:
            abort(502, "The provider gives no token.")
        token: dict[str, Any] = answer.json()
        return token

    def remember(token: dict[str, Any]) -> dict[str, Any]:
        session.setdefault("id", secrets.token_urlsafe())
        tokens[session["id"]] = {**token, "expires_at": time.time() + token["expires_in"]}
        return tokens[session["id"]]

    return app
