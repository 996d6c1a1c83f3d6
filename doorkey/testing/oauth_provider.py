"""`OAuthProvider`: what a test says to the provider, and what it asks it afterwards.

A facade over one `Realm` and the WSGI app that serves it. With pytest it is the fixture `oauth_provider`;
without, a context manager:

    with OAuthProvider() as oauth_provider:
        oauth_provider.sign_in(client, user="alice")
"""

import dataclasses
import importlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from werkzeug.test import Client as TestClient
from werkzeug.test import TestResponse

from doorkey.devprovider import control
from doorkey.devprovider.app import post_logout_token
from doorkey.devprovider.definitions import CLIENT_KEYS, read_client, read_user
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.request_log import RequestLog
from doorkey.devprovider.scripted_responses import read_response
from doorkey.devprovider.users import Client, User
from doorkey.testing.client_way import ClientWay
from doorkey.testing.issued_token import IssuedToken, Masked
from doorkey.testing.provider_app import provider_app
from doorkey.testing.provider_options import CLIENT_ID, SCOPE, TRANSPORTS, ProviderOptions, UserGiven
from doorkey.testing.socket_server import SocketServer
from doorkey.testing.visitor import Decision, Visitor

URL = "https://provider.test"
"""RFC 6761: a name that nobody can own."""

ENDPOINTS = {
    "authorization_endpoint": "/oauth/authorize",
    "token_endpoint": "/oauth/token",
    "userinfo_endpoint": "/oauth/userinfo",
    "jwks_uri": "/oauth/jwks",
    "introspection_endpoint": "/oauth/introspect",
    "revocation_endpoint": "/oauth/revoke",
    "device_authorization_endpoint": "/oauth/device_authorization",
    "pushed_authorization_request_endpoint": "/oauth/par",
    "end_session_endpoint": "/oauth/logout",
}


class ProviderClock:
    """The provider's time. The client under test has its own, which stays as it is."""

    def __init__(self, move: Callable[[float], Mapping[str, Any]]):
        self._move = move

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return float(self._move(0)["now"])

    def advance(self, seconds: float) -> None:
        """Forwards, or backwards below zero."""
        self._move(seconds)


class OAuthProvider:
    """`transport` is how the client's requests come: `responses` (in process) or `server` (a port of this machine).

    `strict` is a provider that checks everything; without it the client `doorkey-tests` may be sent
    anywhere and may send its secret in either way. `server` is one that is running already.
    """

    def __init__(
        self,
        *,
        transport: str = "responses",
        strict: bool = True,
        users: Iterable[UserGiven] | None = None,
        access_token_lifetime: int | None = None,
        lifetimes: Mapping[str, int] | None = None,
        redirect_uris: Iterable[str] = (),
        url: str = URL,
        server: SocketServer | None = None,
    ):
        if transport not in TRANSPORTS:
            raise ValueError(f"transport must be one of {', '.join(TRANSPORTS)}.")
        options = ProviderOptions(strict, users, access_token_lifetime, lifetimes, redirect_uris).dev_provider()
        self._running = server
        self._server = (server or SocketServer()) if transport == "server" else None
        self.url = self._server.url if self._server else url.rstrip("/")
        self._options = dataclasses.replace(options, issuer=self.url)
        self._stack = ExitStack()
        self._told: TestClient | None = None
        self.clock = ProviderClock(lambda seconds: self._control(control.move_clock, advance=seconds))
        self.reset()

    def __repr__(self) -> str:
        return f"<OAuthProvider {self.url}>"

    def reset(self) -> None:
        """As it was at the start: users, clients, tokens, sessions, failures, clock, keys and the list of requests."""
        self._realm, self._wsgi = provider_app(self._options, self._deliver)
        self._visitor = Visitor(self.app, self.url)

    def start(self) -> "OAuthProvider":
        """Let requests come. Raises `RuntimeError` when the package responses is needed and missing."""
        if self._server is None:
            mock = _through_responses().ProviderMock(self.url, self.app)
            mock.start()
            self._stack.callback(mock.stop)
            return self
        if self._running is None:
            self._server.start()
            self._stack.callback(self._server.stop)
        self._stack.enter_context(self._server.serving(self.app))
        return self

    def stop(self) -> None:
        self._stack.close()

    def __enter__(self) -> "OAuthProvider":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The WSGI app, for clients that can call one: `httpx.WSGITransport(app=oauth_provider.app)`."""
        return self._wsgi(environ, start_response)

    def install(self, mock: Any) -> None:
        """Answer within another `responses.RequestsMock`, or the module `responses` when `activate` is used."""
        mock.add(_through_responses().ProviderResponse(self.url, self.app))

    @property
    def issuer(self) -> str:
        return self.url

    @property
    def requests(self) -> RequestLog:
        """What came so far, secrets masked."""
        return self._realm.log

    @property
    def pending(self) -> list[str]:
        """What `next_response()` asked for and has not happened yet, as on the command line."""
        return [rule.name for rule in self._realm.script.waiting()]

    def config(self, client_id: str = CLIENT_ID) -> dict[str, str]:
        """What the client under test has to know, by the names of RFC 8414 and RFC 7591."""
        client = self._realm.clients[client_id]
        endpoints = {name: self.url + path for name, path in ENDPOINTS.items()}
        credentials = {"client_id": client.client_id, "client_secret": Masked(client.client_secret), "scope": SCOPE}
        return {"issuer": self.issuer, **endpoints, **credentials}

    def add_user(self, sub: str, **fields: Any) -> User:
        """A new user, or other `fields` of one: name, email, groups, about, claims. Raises `ValueError`."""
        known = self._realm.users.get(sub)
        before = {key: value for key, value in control.described_user(known).items() if key != "sub"} if known else {}
        user = read_user(sub, before | fields)
        self._realm.put_user(user)
        return user

    def add_client(self, client_id: str, **fields: Any) -> Client:
        """A new client, or other `fields` of one, by the names of RFC 7591. Raises `ValueError`.

        A new one gets a secret when it needs one, and without `redirect_uris` may be sent to any local address.
        """
        known = self._realm.clients.get(client_id)
        if known:
            names = [field.name for field in dataclasses.fields(known) if field.name in CLIENT_KEYS]
            before = {name: getattr(known, name) for name in names if name != "scopes" or "scope" not in fields}
        else:
            needs_none = fields.get("token_endpoint_auth_method") in ("none", "private_key_jwt")
            before = {} if needs_none else {"client_secret": Masked(secrets.token_urlsafe(32))}
            before |= {} if fields.get("redirect_uris") else {"redirect_check": "local"}
        client = read_client(client_id, before | fields)
        self._realm.put_client(client)
        return client

    def sign_in(
        self,
        client: TestClient,
        start: str = "/login",
        *,
        user: str | None = None,
        deny: bool = False,
        scope: str | None = None,
    ) -> TestResponse:
        """A whole sign-in in the client's test client; what the client answers at its callback.

        `start` is where it begins: a path or an address of the client, or the authorization request itself. When
        the client already fails there, that is its answer. Who decides is `user`, or the first user; `deny` refuses;
        `scope` allows only some of what was asked. Raises `SignInError` when it gets stuck elsewhere.
        """
        __tracebackhide__ = True
        decision, way = self._decision(user, deny, scope), ClientWay(client)
        asked = way.to_provider(start, self._is_authorization_request)
        if not isinstance(asked, str):
            return asked
        return way.back(self._visitor.decide(asked, decision), begun_at=start)

    def authorize(self, url: str, *, user: str | None = None, deny: bool = False, scope: str | None = None) -> str:
        """Where the browser is sent by the authorization request `url`, decided as in `sign_in()`.

        For clients without a test client. Of an answer that is posted it is the address only.
        """
        __tracebackhide__ = True
        return self._visitor.decide(str(url), self._decision(user, deny, scope)).url

    def approve_device(
        self, user_code: str, *, user: str | None = None, deny: bool = False, scope: str | None = None
    ) -> None:
        """Decide about a device that shows `user_code` (RFC 8628). Raises `ValueError` when none does."""
        decision = self._decision(user, deny, scope)
        who: dict[str, Any] = {"user": decision.user} if decision.user else {"deny": True}
        narrowed = {} if scope is None else {"scope": scope}
        self._control(control.decide_device, user_code=user_code, **who, **narrowed)

    def issue_token(
        self,
        *,
        sub: str = "",
        scope: str = "",
        client_id: str = "",
        expires_in: int | None = None,
        claims: Mapping[str, Any] | None = None,
        format: str = "",
    ) -> IssuedToken:
        """A token without a sign-in; `expires_in` may be negative. `format` is `jwt` or `opaque`.

        Without `sub` it is the client's own. `claims` go into a JWT access token. Raises `ValueError`.
        """
        given = {"sub": sub, "scope": scope, "client_id": client_id, "expires_in": expires_in, "claims": claims}
        asked = {name: value for name, value in {**given, "format": format}.items() if value not in ("", None)}
        return IssuedToken.of(self._control(control.make_token, **asked))

    def next_response(
        self,
        endpoint: str | None = None,
        *,
        failure: str | None = None,
        error: str | None = None,
        error_description: str | None = None,
        status: int | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        merge: Mapping[str, Any] | None = None,
        delay: float | None = None,
        times: int | str = 1,
    ) -> None:
        """What the next answer of `endpoint` is to be, `times` times (or `always`). Raises `ValueError`.

        A `failure` has a name, which knows its endpoint: docs/testing.md lists them. `merge` changes fields of the
        right answer (None takes one away); `error`, `status` and `body` stand in its place.
        """
        given: dict[str, Any] = {
            "endpoint": endpoint,
            "failure": failure,
            "error": error,
            "error_description": error_description,
            "status": status,
            "body": body,
            "headers": dict(headers) if headers else None,
            "merge": dict(merge) if merge else None,
            "delay": delay,
            "times": times,
        }
        self._realm.script.add(read_response({name: value for name, value in given.items() if value is not None}))

    def rotate_keys(self, *, keep: bool = False, same_kid: bool = False) -> None:
        """New signing keys; the old ones stay published with `keep`, and `same_kid` hides the change."""
        self._control(control.rotate_keys, keep=keep, same_kid=same_kid)

    def revoke_all(self, sub: str) -> int:
        """End every token of a user; how many were alive."""
        return int(self._control(control.revoke_tokens, sub=sub)["revoked"])

    def log_out(self, *, sub: str = "", sid: str = "", client: TestClient | None = None) -> list[dict[str, Any]]:
        """End sessions at the provider, and tell the clients that have a `backchannel_logout_uri`.

        Into `client`, a test client, when there is one, else over HTTP. What each answered: client_id, uri, status.
        """
        named = {"sub": sub, "sid": sid}
        self._told = client
        try:
            told = self._control(control.log_out, **{name: value for name, value in named.items() if value})["told"]
        finally:
            self._told = None
        return list(told)

    def _deliver(self, uri: str, token: str) -> int:
        if self._told is None:
            return post_logout_token(uri, token)
        return ClientWay(self._told).open(uri, form={"logout_token": token}).status_code

    def _control(self, act: Callable[[control.Call], control.Answer], **body: Any) -> Any:
        """One of the controls of `/dev/*`, called directly; their mistakes are `ValueError`."""
        visit = Visit(self._realm, self.url, self._realm.script.enter("", ""), self._realm.clock())
        try:
            return act(control.Call(visit, body, "", self._deliver))[1]
        except control.ControlError as error:
            raise ValueError(str(error)) from None

    def _decision(self, user: str | None, deny: bool, scope: str | None) -> Decision:
        if deny and user:
            raise ValueError("Either a user allows it or it is denied.")
        sub = "" if deny else user or next(iter(self._realm.users), "")
        if not deny and sub not in self._realm.users:
            raise ValueError(f"There is no user {sub}; add_user({sub!r}) makes one.")
        return Decision(sub, None if scope is None else tuple(scope.split()))

    def _is_authorization_request(self, url: str) -> bool:
        """At this provider, or at another issuer that it has."""
        return re.match(rf"{re.escape(self.url)}(/[a-z0-9-]+)?/oauth/authorize(\?|$)", url) is not None


def _through_responses() -> Any:
    """The module, which needs a package that not everybody has."""
    try:
        return importlib.import_module("doorkey.testing.through_responses")
    except ModuleNotFoundError as error:
        if error.name != "responses":
            raise
        message = "The package responses is missing: pip install responses (or use transport='server')."
        raise RuntimeError(message) from None
