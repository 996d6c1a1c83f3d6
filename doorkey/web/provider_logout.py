"""Logouts that begin at a provider: its server tells us (back channel), or the browser does in a frame (front channel).

Back channel: the provider may be waiting for our answer before it answers anybody else, so a logout token is checked
with keys that are there. Where none are (a new process), they are fetched beside the answer, which waits a second for
them; a key that is unknown is looked for afterwards, and the token carried out then. OpenID Connect Back-Channel
Logout 1.0 sections 2.5 to 2.8, Front-Channel Logout 1.0 section 2.
"""

import contextvars
import logging
import threading
from collections.abc import Callable

from flask import Blueprint, Response, after_this_request, request

from doorkey import events
from doorkey.errors import (
    DoorkeyError,
    LogoutTokenInvalid,
    RequestRefused,
    SignatureInvalid,
    TokenEncrypted,
    UnknownProvider,
)
from doorkey.oauth.flow import LOGIN_SECONDS
from doorkey.oauth.jws import unchecked_alg
from doorkey.oauth.logout_token import LogoutToken, read_logout_token
from doorkey.oauth.provider import Provider
from doorkey.oauth.rp_logout import origins
from doorkey.oauth.trace import Trace
from doorkey.sessions.roster import Entry
from doorkey.web.runtime import Doorkey, doorkey
from doorkey.web.security import may_be_framed

bp = Blueprint("provider_logout", __name__)

KEYS_SECONDS = 1.0
MOST_BESIDE = 8
_beside = threading.BoundedSemaphore(MOST_BESIDE)

FRAMES = ("document", "frame", "iframe")


def logged_out(provider: str, sid: str) -> str:
    """The name of the fact that a session at the provider is over, for sign-ins that were under way."""
    return f"logged out {provider} {sid}"


@bp.post("/backchannel-logout/<provider_id>")
def back_channel(provider_id: str) -> Response:
    """200 when the sessions that are meant have ended, or were over. Raises `LogoutTokenInvalid`."""
    here, configured = doorkey(), doorkey().provider(provider_id)
    if not configured.backchannel_logout or not configured.is_openid:
        raise UnknownProvider()
    tokens = request.form.getlist("logout_token")
    if len(tokens) != 1:
        raise LogoutTokenInvalid(f"{len(tokens)} logout tokens", message="There is not exactly one logout token.")
    if not unchecked_alg(tokens[0]):
        raise LogoutTokenInvalid("no JSON Web Token", message="The logout token is not a signed JSON Web Token.")
    provider = _with_keys(here, configured)
    try:
        _carry_out(here, provider, tokens[0])
    except SignatureInvalid as error:
        _look_for_keys_afterwards(here, provider, tokens[0])
        raise LogoutTokenInvalid(error.detail, message=error.message, hint=error.hint) from error
    except TokenEncrypted as error:
        raise LogoutTokenInvalid("it is encrypted", message=error.message, hint=error.hint) from error
    return Response(status=200)


def _with_keys(here: Doorkey, configured: Provider) -> Provider:
    """The provider as it is known, and its keys; what is not known yet is fetched beside us, for a second."""
    provider = here.directory.known(configured)
    if provider is None or (provider.needs_keys and here.checks.keys.peek(provider.jwks_uri) is None):
        fetching = _start_beside(lambda: _fetch_keys(here, configured))
        if fetching:
            fetching.join(KEYS_SECONDS)
        provider = here.directory.known(configured)
    return provider or configured


def _fetch_keys(here: Doorkey, configured: Provider) -> None:
    source = here.checks.source(here.directory.describe(configured), here.transport)
    if source:
        source.keys()


def _look_for_keys_afterwards(here: Doorkey, provider: Provider, token: str) -> None:
    """The provider may have changed its keys since anybody signed in; then the token is carried out late."""

    def look_again() -> None:
        described = here.directory.describe(provider)
        source = here.checks.source(described, here.transport)
        if source and source.renew():
            _carry_out(here, described, token)

    @after_this_request
    def once_it_is_out(response: Response) -> Response:
        response.call_on_close(lambda: _start_beside(look_again))
        return response


def _start_beside(work: Callable[[], None]) -> threading.Thread | None:
    """In a thread that tells the log what goes wrong; None when `MOST_BESIDE` are at it: anybody may post junk."""
    if not _beside.acquire(blocking=False):
        return None

    def run() -> None:
        try:
            work()
        except DoorkeyError as error:
            events.log(events.PROBLEM, level=logging.WARNING, code=error.code, step=error.step, detail=error.detail)
        finally:
            _beside.release()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="logout", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread to be had
        _beside.release()
        return None
    return thread


def _carry_out(here: Doorkey, provider: Provider, token: str) -> None:
    """End what `token` names, once (section 2.7). Raises `LogoutTokenInvalid`, `SignatureInvalid`, `TokenEncrypted`.

    A token whose work was begun and not done, because the store went away, may come again.
    """
    found = read_logout_token(provider, token, here.checks, Trace())
    _meant(here, provider, found)  # a refused token is not spent; who is ended is looked up once sign-ins can see it
    seconds = int(found.over - here.clock())
    name = f"{provider.id} {found.jti}"
    is_first = here.sessions.spend(f"logout begun {name}", seconds=seconds)
    if not is_first and not here.sessions.spend(f"logout done {name}", seconds=seconds):
        raise LogoutTokenInvalid("jti was used before", message="The provider's logout token was used before.")
    if found.sid:
        here.sessions.spend(logged_out(provider.id, found.sid), seconds=LOGIN_SECONDS)
    ended = sum(here.roster.end(entry) for entry in _meant(here, provider, found))
    if is_first:
        here.sessions.spend(f"logout done {name}", seconds=seconds)
    events.log(events.LOGOUT_BY_PROVIDER, provider=provider.id, channel="back", ended=ended)


def _meant(here: Doorkey, provider: Provider, found: LogoutToken) -> list[Entry]:
    """The sessions that are meant, each signed in with an ID token that was signed in the same way.

    With sub and sid: those of the session there, and those of the user of which no such session is known.
    """
    entries = here.roster.of_provider_session(provider.id, found.sid) if found.sid else []
    if found.sub:
        of_user = here.roster.of_user(provider.id, found.sub)
        entries += [entry for entry in of_user if not found.sid or not entry.has_sid]
    of_sub = [one for one in entries if not (found.sub and one.summary and one.summary.sub != found.sub)]
    if entries and not of_sub:
        raise LogoutTokenInvalid("sid is of another sub", message="The provider's logout token names another user.")
    meant = [one for one in of_sub if not one.summary or one.summary.alg in ("", found.alg)]
    if entries and not meant:
        raise LogoutTokenInvalid(
            f"alg is {found.alg}", message="The provider's logout token is signed in another way than its ID tokens."
        )
    return meant


@bp.get("/frontchannel-logout/<provider_id>")
def front_channel(provider_id: str) -> Response:
    """Loaded in a frame of the provider's page, without our cookies; `iss` and `sid` say what is over."""
    provider = doorkey().provider(provider_id)
    if not provider.frontchannel_logout or not provider.is_openid:
        raise UnknownProvider()
    issuers, sids = request.args.getlist("iss"), request.args.getlist("sid")
    if request.headers.get("Sec-Fetch-Dest", FRAMES[0]) not in FRAMES:
        raise RequestRefused("not in a frame", message="A logout is loaded in a frame, and not as a part of a page.")
    if issuers != [provider.issuer] or len(sids) != 1 or not 0 < len(sids[0]) <= 255:
        raise RequestRefused(
            "iss or sid is missing or wrong",
            message="This is not a logout of a session that Doorkey knows.",
            hint="The provider must send iss and sid (frontchannel_logout_session_required).",
        )
    if request.method != "HEAD":
        doorkey().sessions.spend(logged_out(provider.id, sids[0]), seconds=LOGIN_SECONDS)
        ended = doorkey().roster.end_provider_session(provider.id, sids[0])
        events.log(events.LOGOUT_BY_PROVIDER, provider=provider.id, channel="front", ended=ended)
    response = Response("<!doctype html><title>Signed out</title>", mimetype="text/html")
    return may_be_framed(response, origins(doorkey().directory.known(provider) or provider))
