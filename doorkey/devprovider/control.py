"""What `/dev/*` does, without Flask: one row for each method and path in `CONTROL`.

A row is called with the visit, the JSON body (an object, empty when none was sent) and the name in the path;
it gives a status and what is answered. Mistakes are `ControlError`, in words.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from doorkey.devprovider import end_session
from doorkey.devprovider.definitions import DefinitionError, read_client, read_user
from doorkey.devprovider.failures import ENDPOINTS, FAILURES
from doorkey.devprovider.grants import issue_tokens
from doorkey.devprovider.provider_store import Grant, LiveToken, new_token
from doorkey.devprovider.realm import Full, Visit
from doorkey.devprovider.script import ScriptFull
from doorkey.devprovider.scripted_responses import ScriptError, read_response
from doorkey.devprovider.users import Client, User
from doorkey.events import fingerprint

LONGEST_MOVE = 10 * 365 * 24 * 3600
LONGEST_LIFE = 10 * 365 * 24 * 3600
RESPONSE_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("endpoint", "failure", "error", "error_description"), str),
    "status": int,
    "body": (str, dict, list),
    "headers": dict,
    "merge": dict,
    "delay": (int, float),
    "times": (int, str),
}
"""What read_response() reads, as JSON has it."""

SHOWN_TOKENS = 100


class ControlError(Exception):
    """A mistake of the caller."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Call:
    """One call. `deliver` POSTs a logout token, see end_session.py."""

    visit: Visit
    body: Mapping[str, Any]
    name: str
    deliver: end_session.Deliver
    query: Mapping[str, str] = field(default_factory=dict)

    def only(self, **types: type | tuple[type, ...]) -> dict[str, Any]:
        """The body's values, of these names and types and no others. Raises `ControlError`."""
        unknown = [key for key in self.body if key not in types]
        if unknown:
            raise ControlError(f"{unknown[0]} is not known here; known are {', '.join(types) or 'none'}.")
        for key, value in self.body.items():
            wanted = types[key]
            if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
                raise ControlError(f"{key} has the wrong type.")
        return dict(self.body)


Answer = tuple[int, Any]


def list_users(call: Call) -> Answer:
    return 200, {"users": [described_user(user) for user in call.visit.realm.users.values()]}


def put_user(call: Call) -> Answer:
    user = read_user(call.name, call.body)
    return (201 if call.visit.realm.put_user(user) else 200), described_user(user)


def delete_user(call: Call) -> Answer:
    return _removed(call, "users")


def list_clients(call: Call) -> Answer:
    return 200, {"clients": [described_client(client) for client in call.visit.realm.clients.values()]}


def put_client(call: Call) -> Answer:
    client = read_client(call.name, call.body)
    return (201 if call.visit.realm.put_client(client) else 200), described_client(client)


def delete_client(call: Call) -> Answer:
    return _removed(call, "clients")


def list_tokens(call: Call) -> Answer:
    visit = call.visit
    live = visit.realm.store.live(visit.now, most=SHOWN_TOKENS)
    return 200, {"tokens": [described_token(token, found) for token, found in live]}


def make_token(call: Call) -> Answer:
    """A token without a browser; `expires_in` may be negative, for one that has expired."""
    given = call.only(sub=str, client_id=str, scope=str, expires_in=int, format=str, claims=dict)
    return 201, issue_token(call.visit, **given)


def issue_token(
    visit: Visit,
    *,
    sub: str = "",
    client_id: str = "",
    scope: str = "",
    expires_in: int | None = None,
    format: str = "",
    claims: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A TokenResponse for a user (without `sub`: for the client itself). Raises `ControlError`."""
    realm = visit.realm
    client = realm.clients.get(client_id) if client_id else next(iter(realm.clients.values()), None)
    if client is None:
        raise ControlError(f"There is no client {client_id}." if client_id else "There is no client.")
    if sub and sub not in realm.users:
        raise ControlError(f"There is no user {sub}.")
    if format not in ("", "jwt", "opaque"):
        raise ControlError("format must be jwt or opaque.")
    client = replace(client, access_token_format=format or ("jwt" if claims else client.access_token_format))
    if claims and client.access_token_format != "jwt":  # noqa: S105
        raise ControlError("claims go into JWTs only; leave format out or say jwt.")
    if expires_in is not None and abs(expires_in) > LONGEST_LIFE:
        raise ControlError(f"expires_in is at most {LONGEST_LIFE}.")
    scopes = tuple(dict.fromkeys(scope.split())) or client.scopes
    grant = Grant(client.client_id, scopes, sub, family=new_token("family"), auth_time=int(visit.now))
    visit.client = client
    return issue_tokens(visit, client, grant, refresh=bool(sub), expires_in=expires_in, claims=claims)


def revoke_tokens(call: Call) -> Answer:
    given = call.only(sub=str)
    if not given.get("sub"):
        raise ControlError("Say whose: sub.")
    return 200, {"revoked": call.visit.realm.store.revoke_all(given["sub"], call.visit.now)}


def list_responses(call: Call) -> Answer:
    return 200, {"responses": [rule.described() for rule in call.visit.realm.script.waiting()]}


def add_response(call: Call) -> Answer:
    rule = read_response(call.only(**RESPONSE_TYPES))
    call.visit.realm.script.add(rule)
    return 201, rule.described()


def clear_responses(call: Call) -> Answer:
    call.visit.realm.script.clear()
    return 200, {"responses": []}


def list_failures(call: Call) -> Answer:
    rows = [
        {"name": f.name, "endpoint": f.at, "kind": f.kind, "summary": f.summary, "rule": f.rule}
        for f in FAILURES.values()
    ]
    return 200, {"endpoints": list(ENDPOINTS), "failures": rows}


def list_requests(call: Call) -> Answer:
    """All that are kept, or with `after` those behind the one of that number."""
    after = call.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) <= 15):
        raise ControlError("after must be the number of a request.")
    log = call.visit.realm.log
    entries = [entry.described() for entry in log if entry.number > int(after)]
    return 200, {"count": len(entries), "kept": len(log), "last": log.last_number, "requests": entries}


def clear_requests(call: Call) -> Answer:
    call.visit.realm.log.clear()
    return list_requests(call)


def read_clock(call: Call) -> Answer:
    clock = call.visit.realm.clock
    return 200, {"now": clock(), "offset": clock.offset}


def move_clock(call: Call) -> Answer:
    given = call.only(advance=(int, float))
    advance = given.get("advance", 0)
    clock = call.visit.realm.clock
    known = not isinstance(advance, float) or math.isfinite(advance)
    if not known or abs(advance) > 2 * LONGEST_MOVE or abs(clock.offset + advance) > LONGEST_MOVE:
        raise ControlError("The clock moves ten years at most.")
    clock.advance(advance)
    return read_clock(call)


def rotate_keys(call: Call) -> Answer:
    keys = call.visit.realm.keys
    keys.rotate(**call.only(keep=bool, same_kid=bool))
    return 200, {"keys": keys.public()}


def decide_device(call: Call) -> Answer:
    given = call.only(user_code=str, user=str, deny=bool, scope=str)
    user, deny = given.get("user", ""), given.get("deny", False)
    if bool(user) == deny or (user and user not in call.visit.realm.users):
        raise ControlError("Say who decides, as user, or deny.")
    scope = tuple(given["scope"].split()) if "scope" in given else None
    devices, now = call.visit.realm.devices, call.visit.now
    waiting = devices.waiting(given.get("user_code", ""), now)
    asked = waiting.grant.scope if waiting and waiting.grant else ()
    if waiting is None or not devices.decide(given["user_code"], now, sub=user, scope=_narrowed(asked, scope)):
        raise ControlError("No device waits for this user code.", 404)
    return 200, {"user_code": waiting.user_code, "decision": "deny" if deny else "allow"}


def _narrowed(asked: tuple[str, ...], scope: tuple[str, ...] | None) -> tuple[str, ...]:
    return asked if scope is None else tuple(name for name in asked if name in scope)


def log_out(call: Call) -> Answer:
    """What a provider does when a user leaves elsewhere: the sessions end, the clients are told."""
    given = call.only(sub=str, sid=str)
    if not any(given.values()):
        raise ControlError("Say who: sub, or sid.")
    visit = call.visit
    ended = visit.realm.sessions.matching(visit.now, **given)
    told = [one for session in ended for one in end_session.end(visit, session, call.deliver)]
    return 200, {"ended": [{"sid": session.sid, "sub": session.sub} for session in ended], "told": told}


def reset(call: Call) -> Answer:
    call.only()
    call.visit.realm.reset()
    return 200, {"reset": True}


def _removed(call: Call, kind: str) -> Answer:
    if not call.visit.realm.remove(kind, call.name):
        raise ControlError("There is none of that name.", 404)
    return 204, None


CONTROL: Mapping[tuple[str, str], Callable[[Call], Answer]] = {
    ("GET", "/dev/users"): list_users,
    ("PUT", "/dev/users/<path:name>"): put_user,
    ("DELETE", "/dev/users/<path:name>"): delete_user,
    ("GET", "/dev/clients"): list_clients,
    ("PUT", "/dev/clients/<path:name>"): put_client,
    ("DELETE", "/dev/clients/<path:name>"): delete_client,
    ("GET", "/dev/tokens"): list_tokens,
    ("POST", "/dev/tokens"): make_token,
    ("POST", "/dev/tokens/revoke"): revoke_tokens,
    ("GET", "/dev/responses"): list_responses,
    ("POST", "/dev/responses"): add_response,
    ("DELETE", "/dev/responses"): clear_responses,
    ("GET", "/dev/failures"): list_failures,
    ("GET", "/dev/requests"): list_requests,
    ("DELETE", "/dev/requests"): clear_requests,
    ("GET", "/dev/clock"): read_clock,
    ("POST", "/dev/clock"): move_clock,
    ("POST", "/dev/keys"): rotate_keys,
    ("POST", "/dev/device"): decide_device,
    ("POST", "/dev/logout"): log_out,
    ("POST", "/dev/reset"): reset,
}
MISTAKES = (ControlError, DefinitionError, ScriptError, ScriptFull, Full)


def described_user(user: User) -> dict[str, Any]:
    return {
        "sub": user.sub,
        "name": user.name,
        "email": user.email,
        "groups": list(user.groups),
        "about": user.about,
        "claims": dict(user.more),
    }


def described_client(client: Client) -> dict[str, Any]:
    """Without the secret; whoever may know it has it."""
    fields = {name: value for name, value in asdict(client).items() if name != "client_secret"}
    return {**fields, "has_secret": bool(client.client_secret)}


def described_token(token: str, found: LiveToken) -> dict[str, Any]:
    """Without the token itself."""
    grant = found.grant
    return {
        "kind": found.kind,
        "fingerprint": fingerprint(token),
        "client_id": grant.client_id,
        "sub": grant.sub,
        "scope": " ".join(grant.scope),
        "issued_at": found.issued_at,
        "expires_at": found.expires_at,
    }
