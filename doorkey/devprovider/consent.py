"""The authorization request (RFC 6749 section 4.1.1), and the ticket of its consent page.

A request with an unknown client or redirect URI is a page and never a redirect; everything else
that is wrong goes back to the client. The page's form carries a ticket that is signed, bound to
the browser it was shown in, and good for one decision.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer

from doorkey.devprovider.grants import CHALLENGE
from doorkey.devprovider.users import Client

TICKET_SECONDS = 600


class PageError(Exception):
    """Shown as a page: the browser must not be sent anywhere."""

    def __init__(self, message: str, hint: str, status: int = 400):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status


class RedirectError(Exception):
    """Sent back to the client at `location`."""

    def __init__(self, location: str):
        super().__init__("authorization error")
        self.location = location


@dataclass(frozen=True)
class AuthorizationRequest:
    """A checked request; `issuer` is added to every answer (RFC 9207)."""

    client: Client
    redirect_uri: str
    state: str
    scope: tuple[str, ...]
    challenge: str
    issuer: str
    prompt: str = ""
    login_hint: str = ""

    def redirect_back(self, **answer: str) -> str:
        """The redirect URI with `answer`, the state and the issuer added."""
        return _with_query(self.redirect_uri, {**answer, "state": self.state, "iss": self.issuer})

    @property
    def redirect_origin(self) -> str:
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"


def read_authorization_request(
    args: Mapping[str, Sequence[str]], clients: Mapping[str, Client], issuer: str
) -> AuthorizationRequest:
    """Check the query of an authorization request. Raises `PageError` or `RedirectError`."""
    client_ids, redirect_uris = args.get("client_id", ()), args.get("redirect_uri", ())
    client = clients.get(client_ids[0]) if len(client_ids) == 1 else None
    if client is None:
        raise PageError(
            "This client is not registered here.",
            "Compare client_id with the one that the provider printed at its start.",
        )
    if len(redirect_uris) != 1 or not client.allows_redirect_to(redirect_uris[0]):
        raise PageError(
            "This redirect URI is not registered for the client.",
            "It must be the registered one, character by character. Register yours with --redirect-uri.",
        )
    values = {name: found[0] for name, found in args.items()}
    state = values.get("state", "") if len(args.get("state", ())) <= 1 else ""

    def refuse(error: str, description: str) -> RedirectError:
        answer = {"error": error, "error_description": description, "state": state, "iss": issuer}
        return RedirectError(_with_query(redirect_uris[0], {k: v for k, v in answer.items() if v}))

    if any(len(found) > 1 for found in args.values()):
        raise refuse("invalid_request", "A parameter stands there twice.")
    if not values.get("response_type"):
        raise refuse("invalid_request", "response_type is missing.")
    if values["response_type"] != "code":
        raise refuse("unsupported_response_type", "response_type must be code.")
    if not state:
        raise refuse("invalid_request", "state is missing.")
    challenge = values.get("code_challenge", "")
    method = values.get("code_challenge_method", "")
    if (challenge or method) and (method != "S256" or not CHALLENGE.fullmatch(challenge)):
        raise refuse("invalid_request", "PKCE must be an S256 challenge of 43 characters.")
    scope = tuple(dict.fromkeys(values.get("scope", "").split())) or client.scopes
    if not set(scope) <= set(client.scopes):
        raise refuse("invalid_scope", "The client is not registered for one of the scopes.")
    return AuthorizationRequest(
        client,
        redirect_uris[0],
        state,
        scope,
        challenge,
        issuer,
        values.get("prompt", ""),
        values.get("login_hint", ""),
    )


@dataclass(frozen=True)
class Ticket:
    """What a signed ticket says; `name` is unique, `owner` the hash of the cookie it goes with."""

    name: str = ""
    owner: str = ""
    client_id: str = ""
    redirect_uri: str = ""
    state: str = ""
    scope: tuple[str, ...] = ()
    challenge: str = ""

    def opened_by(self, browser: str, clients: Mapping[str, Client], issuer: str) -> AuthorizationRequest:
        """The request, for the browser that was shown the page. Raises `PageError` 403 for any other."""
        if not self.name or not browser or self.owner != _hash(browser):
            raise PageError(
                "This decision did not come from a page that was shown here.",
                "Start again at the program you came from.",
                403,
            )
        client = clients[self.client_id]
        return AuthorizationRequest(client, self.redirect_uri, self.state, tuple(self.scope), self.challenge, issuer)


class Tickets:
    """Signs consent pages; `key` is random for each start."""

    def __init__(self, key: bytes):
        self._serializer = URLSafeTimedSerializer(key, salt="consent")

    def issue(self, request: AuthorizationRequest, *, browser: str, name: str) -> str:
        """A ticket for `request`, good in the browser that holds the cookie value `browser`."""
        ticket = Ticket(
            name,
            _hash(browser),
            request.client.client_id,
            request.redirect_uri,
            request.state,
            request.scope,
            request.challenge,
        )
        signed = self._serializer.dumps(list(vars(ticket).values()))
        return signed if isinstance(signed, str) else signed.decode()

    def read(self, signed: str) -> Ticket:
        """The ticket; an empty one, which nobody can open, when it is forged or too old."""
        try:
            return Ticket(*self._serializer.loads(signed, max_age=TICKET_SECONDS))
        except BadSignature:
            return Ticket()


def _hash(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()


def _with_query(uri: str, answer: Mapping[str, str]) -> str:
    return uri + ("&" if "?" in uri else "?") + urlencode(answer)
