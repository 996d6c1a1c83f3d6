"""A page that says who is signed in. OpenID Connect through Authlib, as its documentation shows it."""

import secrets
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for
from joserfc.errors import JoseError


def create_app(issuer: str, client_id: str, client_secret: str) -> Flask:
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    provider = OAuth(app).register(
        "provider",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )

    @app.get("/login")
    def login() -> Any:
        return provider.authorize_redirect(url_for("callback", _external=True))

    @app.get("/callback")
    def callback() -> Any:
        token = provider.authorize_access_token()
        session["user"] = {name: token["userinfo"].get(name) for name in ("sub", "name", "email")}
        return redirect("/")

    @app.get("/")
    def home() -> Any:
        user = session.get("user")
        return f"Hello {user['name']}, {user['email'] or 'no address'}." if user else "Nobody is signed in."

    @app.errorhandler(AuthlibBaseError)
    def refused(error: AuthlibBaseError) -> Any:
        return f"Not signed in: {error.error}", 403

    @app.errorhandler(JoseError)
    def not_genuine(error: JoseError) -> Any:
        return "Not signed in: the provider's answer is not genuine", 502

    return app
