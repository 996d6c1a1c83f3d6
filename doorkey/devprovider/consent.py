"""The authorization request (RFC 6749 section 4.1.1), and the ticket of its consent page.

A request with an unknown client or redirect URI is a page and never a redirect; everything else
that is wrong goes back to the client. The page's form carries a ticket that is signed, bound to
the browser it was shown in, and good for one decision.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from itsdangerous import BadSignature, URLSafeSerializer

from doorkey.devprovider.drafts import AuthorizationDraft, Draft
from doorkey.devprovider.grants import CHALLENGE
from doorkey.devprovider.realm import Visit
from doorkey.devprovider.token_request import REPEATABLE, OAuthError, resources_of
from doorkey.devprovider.users import Client, not_registered_for

TICKET_SECONDS = 600
LONGEST_VALUE = 4096


class PageError(Exception):
    """Shown as a page: the browser must not be sent anywhere."""

    def __init__(self, message: str, hint: str, status: int = 400):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status


class RedirectError(Exception):
    """Sent back to the client as `draft` says."""

    def __init__(self, draft: AuthorizationDraft):
        super().__init__("authorization error")
        self.draft = draft


@dataclass(frozen=True)
class AuthorizationRequest:
    """A checked request. `scope` is what it may get, `max_age` in seconds (None: it does not matter)."""

    client_id: str
    redirect_uri: str
    state: str
    scope: tuple[str, ...]
    challenge: str = ""
    response_mode: str = "query"
    nonce: str = ""
    prompt: str = ""
    login_hint: str = ""
    max_age: int | None = None
    acr: str = ""
    id_token_hint: str = ""
    resource: tuple[str, ...] = ()

    @property
    def redirect_origin(self) -> str:
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"

    def answer(self, issuer: str, **fields: str) -> AuthorizationDraft:
        """`fields` for the client, with the state and the issuer (RFC 9207)."""
        whole = {**fields, "state": self.state, "iss": issuer}
        said = {name: value for name, value in whole.items() if value}
        return AuthorizationDraft(said, self.redirect_uri, self.response_mode)


Args = Mapping[str, Sequence[str]]


def read_authorization_request(visit: Visit, args: Args) -> AuthorizationRequest:
    """Check an authorization request, a pushed one too (RFC 9126). Raises `PageError` or `RedirectError`."""
    client = _client(visit, args)
    visit.client = client
    if "request_uri" in args:
        pushed = visit.realm.pushed.take(args["request_uri"][0], client.client_id, visit.now)
        if pushed is None:
            raise PageError("The request_uri is unknown, used or too old.", "Push the request again, and use it once.")
        args = pushed.args
    elif client.require_pushed_authorization_requests:
        raise _refusal(visit, client, args, "invalid_request", "This client has to push its requests (RFC 9126).")
    try:
        return checked(visit, client, args)
    except OAuthError as error:
        raise _refusal(visit, client, args, error.error, error.description) from None


def checked(visit: Visit, client: Client, args: Args) -> AuthorizationRequest:
    """The request that `args` make. Raises `PageError` for a wrong redirect URI, `OAuthError` for anything else."""
    redirect_uri = _redirect_uri(client, args)
    repeated = [name for name, found in args.items() if len(found) > 1 and name != REPEATABLE]
    if repeated:
        raise OAuthError("invalid_request", "A parameter stands there twice.")
    values = {name: found[0] for name, found in args.items()}
    asked = tuple(dict.fromkeys(values.get("scope", "").split()))
    wrong = next((found for found in _problems(client, values, asked) if found), None)
    if wrong:
        raise OAuthError(*wrong)
    resource = resources_of(args.get(REPEATABLE, ()))
    if resource is None:
        raise OAuthError("invalid_target", "resource must be an absolute URI without a fragment.")
    one_of = visit.change("scope_rule", Draft({"one_of": ()})).fields["one_of"]
    if one_of and not set(one_of) & set(asked):
        raise OAuthError("invalid_scope", "One of profile, email, phone or address has to be asked for.")
    max_age = values.get("max_age", "")
    return AuthorizationRequest(
        client.client_id,
        redirect_uri,
        values.get("state", ""),
        asked or client.scopes,
        values.get("code_challenge", ""),
        values.get("response_mode") or "query",
        values.get("nonce", ""),
        values.get("prompt", ""),
        values.get("login_hint", ""),
        int(max_age) if max_age else None,
        values.get("acr_values", "").split(" ")[0],
        values.get("id_token_hint", ""),
        resource,
    )


def _client(visit: Visit, args: Args) -> Client:
    client_ids = args.get("client_id", ())
    client = visit.realm.clients.get(client_ids[0]) if len(client_ids) == 1 else None
    if client is None:
        raise PageError(
            "This client is not registered here.",
            "Compare client_id with the one that the provider printed at its start.",
        )
    return client


def _redirect_uri(client: Client, args: Args) -> str:
    redirect_uris = args.get("redirect_uri", ())
    if len(redirect_uris) != 1 or not client.allows_redirect_to(redirect_uris[0]):
        raise PageError(
            "This redirect URI is not registered for the client.",
            f"It is compared character by character; localhost is not 127.0.0.1. {_said(client, redirect_uris)}",
        )
    return redirect_uris[0]


def _said(client: Client, given: Sequence[str]) -> str:
    """What came, and what would do; the registered ones are no secret here."""
    came, known = ", ".join(given)[:300] or "nothing", ", ".join(client.redirect_uris)[:600] or "none"
    return f"It came as {came}. Registered: {known}."


def _refusal(visit: Visit, client: Client, args: Args, error: str, description: str) -> RedirectError:
    state = args.get("state", ())
    mode = args.get("response_mode", ("query",))[0]
    request = AuthorizationRequest(
        client.client_id,
        _redirect_uri(client, args),
        state[0] if len(state) == 1 else "",
        (),
        response_mode=mode if mode in ("query", "form_post") else "query",
    )
    return RedirectError(request.answer(visit.issuer, error=error, error_description=description))


Problem = tuple[str, str] | None


def _problems(client: Client, values: Mapping[str, str], asked: tuple[str, ...]) -> Sequence[Problem]:
    """What is wrong with the values, the first thing first: error and description."""
    openid = "openid" in asked
    challenge, method = values.get("code_challenge", ""), values.get("code_challenge_method", "")
    pkce_is_wrong = (challenge or method) and (method != "S256" or not CHALLENGE.fullmatch(challenge))
    prompts = values.get("prompt", "").split()
    max_age = values.get("max_age", "")
    return [
        ("invalid_request", "response_type is missing.") if not values.get("response_type") else None,
        ("unsupported_response_type", "response_type must be code.")
        if values.get("response_type") not in (None, "", "code")
        else None,
        # The contract asks for a state; to OpenID Connect it is recommended, and PKCE does its work too.
        ("invalid_request", "state is missing.") if not values.get("state") and not openid else None,
        ("invalid_request", "PKCE must be an S256 challenge of 43 characters.") if pkce_is_wrong else None,
        ("invalid_request", "This client has to use PKCE.") if not challenge and client.require_pkce else None,
        ("invalid_scope", not_registered_for(client, asked)) if not set(asked) <= client.allowed_scopes else None,
        ("invalid_request", "response_mode must be query or form_post.")
        if values.get("response_mode") not in (None, "", "query", "form_post")
        else None,
        ("request_not_supported", "Request objects are not read here.") if "request" in values and openid else None,
        ("invalid_request", "prompt=none goes with no other.") if "none" in prompts and len(prompts) > 1 else None,
        ("invalid_request", "max_age must be a number of seconds.") if max_age and not _is_seconds(max_age) else None,
        ("invalid_request", "A parameter is too long.")
        if any(len(value) > LONGEST_VALUE for value in values.values())
        else None,
    ]


def _is_seconds(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


@dataclass(frozen=True)
class Ticket:
    """What a signed ticket says; `name` is unique, `owner` the hash of the cookie it goes with."""

    name: str = ""
    owner: str = ""
    subject: str = ""
    content: Mapping[str, Any] | None = None

    def opened_by(self, browser: str, subject: str) -> Mapping[str, Any]:
        """The content, for the browser that was shown the page. Raises `PageError` 403 for any other."""
        if not self.name or not browser or self.owner != _hash(browser) or self.subject != subject:
            raise PageError(
                "This decision did not come from a page that was shown here.",
                "Start again at the program you came from.",
                403,
            )
        return self.content or {}


class Tickets:
    """Signs the forms of pages; `key` is random for each start."""

    def __init__(self, key: bytes):
        self._serializer = URLSafeSerializer(key, salt="consent")

    def issue(self, subject: str, content: Mapping[str, Any], *, browser: str, name: str, now: float) -> str:
        """A ticket for a page about `subject`, good in the browser that holds the cookie value `browser`."""
        signed = self._serializer.dumps([int(now), name, _hash(browser), subject, dict(content)])
        return signed if isinstance(signed, str) else signed.decode()

    def read(self, signed: str, now: float) -> Ticket:
        """The ticket; an empty one, which nobody can open, when it is forged or too old."""
        try:
            issued, *said = self._serializer.loads(signed)
        except BadSignature:
            return Ticket()
        return Ticket(*said) if 0 <= now - issued <= TICKET_SECONDS else Ticket()


def request_of(content: Mapping[str, Any]) -> AuthorizationRequest:
    """The request that a ticket carried."""
    request = AuthorizationRequest(**content)
    return replace(request, scope=tuple(request.scope), resource=tuple(request.resource))


def content_of(request: AuthorizationRequest) -> dict[str, Any]:
    """For a ticket."""
    return asdict(request)


def location(draft: AuthorizationDraft) -> str:
    """The address that a response in the query goes to."""
    target = draft.target
    return target + ("&" if "?" in target else "?") + urlencode(draft.fields)


def _hash(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()
