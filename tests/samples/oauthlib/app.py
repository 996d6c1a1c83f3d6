"""A program that acts for somebody, through requests-oauthlib with its automatic refresh."""

from typing import Any

from requests_oauthlib import OAuth2Session


class Account:
    """`token` is None until somebody signed in; it is replaced whenever the library refreshes it."""

    def __init__(self, oauth: dict[str, str], redirect_uri: str):
        self._oauth = oauth
        self.token: dict[str, Any] | None = None
        self.session = OAuth2Session(
            oauth["client_id"],
            redirect_uri=redirect_uri,
            scope=oauth["scope"].split(),
            auto_refresh_url=oauth["token_endpoint"],
            auto_refresh_kwargs={"client_id": oauth["client_id"], "client_secret": oauth["client_secret"]},
            token_updater=self._keep,
            pkce="S256",
        )

    def begin(self) -> str:
        """Where to send the browser."""
        url: str = self.session.authorization_url(self._oauth["authorization_endpoint"])[0]
        return url

    def finish(self, address: str) -> None:
        """`address` is where the browser came back to."""
        self._keep(
            self.session.fetch_token(
                self._oauth["token_endpoint"],
                authorization_response=address,
                client_secret=self._oauth["client_secret"],
                include_client_id=True,
                timeout=10,
            )
        )

    def name(self) -> str:
        answer = self.session.get(self._oauth["userinfo_endpoint"], timeout=10)
        answer.raise_for_status()
        return str(answer.json()["name"])

    def _keep(self, token: dict[str, Any]) -> None:
        self.token = token
