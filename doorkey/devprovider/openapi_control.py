"""The rows of the OpenAPI document for `/dev/*`: one for each row of `CONTROL` (control.py), and the dashboard.

A function of `CONTROL` without a row here, or a row without one, is an error at the first document.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from doorkey.devprovider.control import CONTROL
from doorkey.devprovider.openapi_parts import (
    CONTROL_ERRORS,
    CONTROL_TOKEN,
    NOBODY,
    PAGE_ERRORS,
    PAGE_FORM_ERRORS,
    PROGRAM_ERRORS,
    Field,
    Json,
    Operation,
    empty_answer,
    form_body,
    form_schema,
    json_answer,
    json_body,
    page_answer,
    redirect_answer,
)
from doorkey.devprovider.openapi_protocol import (
    EXAMPLE_CLIENT,
    EXAMPLE_LOGOUT_URI,
    EXAMPLE_REDIRECT_URI,
    EXAMPLE_SECRET,
)
from doorkey.devprovider.openapi_schemas import CLIENT_ID, NATURAL, SUB, TEXT, choice

CONTROLS, DESCRIPTION = "Controls", "Description"
MAY_CONTROL = (NOBODY, CONTROL_TOKEN)


@dataclass(frozen=True)
class Row:
    """What the document says of one function of control.py: `gives` maps statuses to schemas (None: no body)."""

    summary: str
    gives: Mapping[int, str | None]
    takes: str = ""
    example: Json | None = None
    needs_body: bool = False
    may_be_missing: bool = False
    description: str = ""
    query: Mapping[str, Field] = field(default_factory=dict)


ROWS: Mapping[str, Row] = {
    "list_users": Row("The users that can sign in", {200: "Users"}),
    "put_user": Row(
        "Add a user, or replace one", {200: "User", 201: "User"}, "UserChange",
        {"name": "Erin Example", "email": "erin@example.com", "groups": ["staff"], "claims": {"locale": "de"}},
        description="What is left out is empty; the name is the sub. At most 1,000 users.",
    ),
    "delete_user": Row("Forget a user", {204: None}, may_be_missing=True),
    "list_clients": Row("The clients, without their secrets", {200: "Clients"}),
    "put_client": Row(
        "Register a client, or replace one", {200: "Client", 201: "Client"}, "ClientChange",
        {"client_secret": EXAMPLE_SECRET, "redirect_uris": [EXAMPLE_REDIRECT_URI], "scope": "read write",
         "post_logout_redirect_uris": [EXAMPLE_LOGOUT_URI], "token_endpoint_auth_method": "any"},
        needs_body=True, description="At most 1,000 clients.",
    ),
    "delete_client": Row("Forget a client", {204: None}, may_be_missing=True),
    "list_tokens": Row("The living tokens, as fingerprints", {200: "Tokens"},
                       description="The newest 100 access tokens and the newest 100 refresh tokens."),
    "make_token": Row(
        "Issue a token without a browser", {201: "TokenResponse"}, "TokenOrder",
        {"sub": "alice", "scope": "openid profile", "expires_in": -60},
    ),
    "revoke_tokens": Row("End every token of a user", {200: "RevokedTokens"}, "WhoseTokens", {"sub": "alice"},
                         needs_body=True),
    "list_responses": Row("What is waiting to go wrong", {200: "Responses"}),
    "add_response": Row(
        "Let the next answers go wrong", {201: "Response"}, "ResponseOrder",
        {"endpoint": "token", "status": 503, "times": 2}, needs_body=True,
        description="A named failure, or what is said here: an error, a status, a body, fields to merge, a delay. "
        "What comes of it is in no other part of this document.",
    ),
    "clear_responses": Row("Let nothing go wrong", {200: "Responses"}),
    "list_failures": Row("The names of the failures, by the OpenID conformance suite", {200: "Failures"}),
    "list_requests": Row("What was asked, secrets masked", {200: "Requests"},
                         description="The last 1,000 requests, without those to /dev/.",
                         query={"after": Field(NATURAL, "Only those behind the one of this number.", 0)}),
    "clear_requests": Row("Forget what was asked", {200: "Requests"}),
    "read_clock": Row("What time it is here", {200: "Clock"}),
    "move_clock": Row("Move the provider's clock", {200: "Clock"}, "ClockMove", {"advance": 3600},
                      description="By so many seconds; at most ten years from the right time, all in all."),
    "rotate_keys": Row("Go on to new signing keys", {200: "Jwks"}, "KeyRotation", {"keep": True}),
    "decide_device": Row(
        "Decide for a device that waits", {200: "DeviceDecided"}, "DeviceDecision",
        {"user_code": "BCDF-GHJK", "user": "alice"}, needs_body=True, may_be_missing=True,
    ),
    "log_out": Row("End sessions and tell the clients by back channel", {200: "LoggedOut"}, "WhoLeaves",
                   {"sub": "alice"}, needs_body=True),
    "reset": Row("Start afresh", {200: "Reset"}, "Nothing",
                 description="Users, clients, tokens, keys, clock, responses and requests, as they were at the start."),
}  # fmt: skip
_MEANING = {
    "User": "The user.", "Client": "The client.", "TokenResponse": "The tokens.", "Jwks": "The keys.",
    "Response": "What waits now.", "Clock": "The time.", None: "It is gone.",
}  # fmt: skip
_NAMES: Mapping[str, tuple[str, Json, str]] = {
    "users": ("sub", {**SUB, "minLength": 1}, "erin"),
    "clients": ("client_id", {**CLIENT_ID, "minLength": 1}, EXAMPLE_CLIENT),
}
"""What the last part of a path is called, by the collection before it."""


def _named(path: str) -> tuple[str, list[Json]]:
    """A path of `CONTROL` as OpenAPI writes it, and its parameters."""
    collection = re.fullmatch(r"/dev/(\w+)/<path:name>", path)
    if not collection:
        return path, []
    name, described, example = _NAMES[collection[1]]
    parameter = Field(described, "Which one.", example, required=True).as_parameter(name, "path")
    return f"/dev/{collection[1]}/{{{name}}}", [parameter]


def _operation(method: str, path: str, name: str, row: Row) -> Operation:
    path, parameters = _named(path)
    parameters += [one.as_parameter(key, "query") for key, one in row.query.items()]
    answers = {
        status: json_answer(_MEANING.get(given, "As it is now."), given) if given else empty_answer(_MEANING[None])
        for status, given in row.gives.items()
    }
    # A name with a line break in it is at no address that there is.
    errors = {**CONTROL_ERRORS, 404: "NotFound"} if row.may_be_missing or "{" in path else CONTROL_ERRORS
    body = json_body(row.takes, row.example, required=row.needs_body) if row.takes else None
    return Operation(
        method, path, name, CONTROLS, row.summary, answers, errors, parameters, body, MAY_CONTROL, row.description
    )


def control_operations() -> list[Operation]:
    """Raises `KeyError` when `CONTROL` and `ROWS` differ."""
    named = {act.__name__: (method, path) for (method, path), act in CONTROL.items()}
    return [_operation(*named[name], name, ROWS[name]) for name in {**named, **ROWS}]


DASHBOARD_FORM: Json = form_schema(
    {
        "csrf": Field(TEXT, "From the page.", required=True),
        "action": Field(
            choice("fail", "clear", "advance", "rotate", "mint", "revoke", "log-out", "forget", "reset"),
            "Which button.", required=True,
        ),
        **{name: Field(TEXT, f"Of the action {action}.") for name, action in {
            "spec": "fail", "failure": "fail", "endpoint": "fail", "times": "fail", "seconds": "advance",
            "sub": "mint, revoke or log-out", "client_id": "mint", "scope": "mint", "format": "mint",
        }.items()},
    }
)  # fmt: skip
_DOCUMENT = {200: json_answer("This document, for the issuer that was asked.", "OpenApi")}

OTHER_OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/dev/", "dashboard", CONTROLS, "The dashboard: everything here, as a page",
              {200: page_answer("The page.")}, PAGE_ERRORS, security=MAY_CONTROL),
    Operation("POST", "/dev/", "use_dashboard", CONTROLS, "Press one of the dashboard's buttons",
              {302: redirect_answer("Back to the page.")}, PAGE_FORM_ERRORS, body=form_body("DashboardForm"),
              security=MAY_CONTROL),
    Operation("GET", "/openapi.json", "openapi", DESCRIPTION, "This document", _DOCUMENT, PROGRAM_ERRORS),
    Operation("GET", "/dev/openapi.json", "dev_openapi", DESCRIPTION, "This document", _DOCUMENT, CONTROL_ERRORS,
              security=MAY_CONTROL),
)  # fmt: skip
