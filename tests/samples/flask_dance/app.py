"""A page that says who is signed in, through Flask-Dance with a provider of one's own."""

import secrets
from typing import Any

from flask import Flask, flash, get_flashed_messages, redirect, url_for
from flask_dance.consumer import OAuth2ConsumerBlueprint, oauth_error
from oauthlib.oauth2 import OAuth2Error


def create_app(oauth: dict[str, str]) -> Flask:
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    provider = OAuth2ConsumerBlueprint(
        "provider",
        __name__,
        client_id=oauth["client_id"],
        client_secret=oauth["client_secret"],
        scope=oauth["scope"].split(),
        base_url=oauth["issuer"],
        authorization_url=oauth["authorization_endpoint"],
        token_url=oauth["token_endpoint"],
        auto_refresh_url=oauth["token_endpoint"],
        redirect_to="home",
        use_pkce=True,
        code_challenge_method="S256",
    )
    app.register_blueprint(provider, url_prefix="/login")

    @oauth_error.connect_via(provider)
    def failed(blueprint: Any, error: str, **details: Any) -> None:
        flash(f"Not signed in: {error}")

    @app.get("/")
    def home() -> Any:
        if not provider.session.authorized:
            return " ".join([*get_flashed_messages(), "Nobody is signed in."])
        try:
            answer = provider.session.get(oauth["userinfo_endpoint"], timeout=10)
        except OAuth2Error:
            del provider.token
            return redirect(url_for("provider.login"))
        return f"Hello {answer.json()['name']}."

    @app.errorhandler(OAuth2Error)
    def refused(error: OAuth2Error) -> Any:
        return f"Not signed in: {error.error}", 403

    return app
