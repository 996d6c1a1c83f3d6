"""What the OpenAPI document is put together from: an operation as a row, and the answers that many of them share.

The rows are in openapi_protocol.py and openapi_control.py, the schemas in openapi_schemas.py; openapi.py
makes the document. OpenAPI 3.1: https://spec.openapis.org/oas/v3.1.1.html.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
PAGE = "text/html"

CLIENT_BASIC: Json = {"clientBasic": []}
ACCESS_TOKEN: Json = {"accessToken": []}
CONTROL_TOKEN: Json = {"controlToken": []}
NOBODY: Json = {}
"""As a choice beside others: without credentials in a header."""


@dataclass(frozen=True)
class Operation:
    """One method of one path. `answers` are answers of its own, `errors` names of those in `SHARED_ANSWERS`."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    answers: Mapping[int, Json]
    errors: Mapping[int, str]
    parameters: Sequence[Json] = ()
    body: Json | None = None
    security: Sequence[Json] = ()
    description: str = ""

    def described(self) -> Json:
        """The Operation Object."""
        shared = {status: ref("responses", name) for status, name in self.errors.items()}
        answers = sorted({**shared, **self.answers}.items())
        said: Json = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "parameters": list(self.parameters),
            "requestBody": self.body,
            "responses": {str(status): answer for status, answer in answers},
            "security": list(self.security),
        }
        return {name: value for name, value in said.items() if value not in ("", [], None) or name == "security"}


@dataclass(frozen=True)
class Field:
    """One value that a request may have: a parameter, or a member of a form."""

    schema: Json
    description: str
    example: Any = None
    required: bool = False

    def described(self) -> Json:
        """As a property of a schema."""
        return {**self.schema, "description": self.description, **self._example("examples", [self.example])}

    def as_parameter(self, name: str, place: str) -> Json:
        example = self._example("example", self.example)
        said = {"name": name, "in": place, "description": self.description, "schema": self.schema, **example}
        return {**said, "required": True} if self.required else said

    def _example(self, key: str, value: Any) -> Json:
        return {} if self.example is None else {key: value}


@dataclass(frozen=True)
class Answer:
    """An answer that several operations give. `media` is empty for one without a body."""

    description: str
    media: str = JSON
    schema: Json = field(default_factory=dict)
    headers: Mapping[str, Json] = field(default_factory=dict)

    def described(self) -> Json:
        """The Response Object; every answer forbids to be stored."""
        names = {"Cache-Control": ref("headers", "NoStore"), **self.headers}
        said: Json = {"description": self.description, "headers": names}
        return {**said, "content": {self.media: {"schema": self.schema}}} if self.media else said


def ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def schema(name: str) -> Json:
    return ref("schemas", name)


def json_answer(description: str, name: str, *, media: str = JSON) -> Json:
    """An answer whose body is of the schema `name`."""
    return Answer(description, media, schema(name)).described()


def page_answer(description: str) -> Json:
    return Answer(description, PAGE, {"type": "string"}).described()


def empty_answer(description: str, **headers: Json) -> Json:
    return Answer(description, "", headers=headers).described()


def redirect_answer(description: str) -> Json:
    return empty_answer(description, Location=ref("headers", "Location"))


def form_schema(fields: Mapping[str, Field], **more: Any) -> Json:
    """A form as an object; `more` are further keywords."""
    required = [name for name, one in fields.items() if one.required]
    said = {"type": "object", "properties": {name: one.described() for name, one in fields.items()}, **more}
    return {**said, "required": required} if required else said


def form_body(name: str, example: Json | None = None, *, required: bool = True) -> Json:
    return _body(FORM, name, example, required)


def json_body(name: str, example: Json | None = None, *, required: bool) -> Json:
    return _body(JSON, name, example, required)


def _body(media: str, name: str, example: Json | None, required: bool) -> Json:
    content = {"schema": schema(name)} if example is None else {"schema": schema(name), "example": example}
    return {"required": required, "content": {media: content}}


PROGRAM_ERRORS = {400: "BadRequest", 403: "OtherMachine", 405: "MethodNotAllowed"}
CLIENT_ERRORS = {**PROGRAM_ERRORS, 401: "ClientUnknown"}
TOKEN_ERRORS = {**PROGRAM_ERRORS, 401: "TokenRefused"}
PAGE_ERRORS = {400: "ProblemPage", 403: "RefusedPage", 405: "MethodNotAllowedPage"}
PAGE_FORM_ERRORS = {**PAGE_ERRORS, 413: "TooLargePage"}
CONTROL_ERRORS = {**PROGRAM_ERRORS, 403: "ControlRefused"}

_ERROR = schema("Error")
_TEXT: Json = {"type": "string"}
_ALLOW = {"Allow": ref("headers", "Allow")}
_OTHER_MACHINE = "Asked from another machine; it answers this one only, unless it was started to answer others."

SHARED_ANSWERS: Mapping[str, Answer] = {
    "BadRequest": Answer(
        "Something is wrong with the request: a parameter, the body (also when it is larger than 64 KiB), or the "
        "host name, which has to be a loopback one.",
        schema=_ERROR,
    ),
    "ClientUnknown": Answer(
        "The client could not be authenticated.",
        schema=_ERROR,
        headers={"WWW-Authenticate": ref("headers", "BasicChallenge")},
    ),
    "TokenRefused": Answer(
        "The access token is missing, unknown, expired, revoked or stands for no user.",
        schema=_ERROR,
        headers={"WWW-Authenticate": ref("headers", "BearerChallenge")},
    ),
    "OtherMachine": Answer(_OTHER_MACHINE, schema=_ERROR),
    "ControlRefused": Answer(
        "Asked from another machine without the control token, or by a page of another site.", schema=_ERROR
    ),
    "NotFound": Answer("There is none of that name.", schema=_ERROR),
    "MethodNotAllowed": Answer("Every other method at this address.", schema=_ERROR, headers=_ALLOW),
    "ProblemPage": Answer("A page that says what is wrong; the browser is sent nowhere.", PAGE, _TEXT),
    "RefusedPage": Answer(
        "Not from a page that was shown in this browser. Or: " + _OTHER_MACHINE[0].lower() + _OTHER_MACHINE[1:],
        PAGE,
        _TEXT,
    ),
    "NotFoundPage": Answer("A page that says that nothing waits for this.", PAGE, _TEXT),
    "TooLargePage": Answer("The form is larger than 64 KiB.", PAGE, _TEXT),
    "MethodNotAllowedPage": Answer("Every other method at this address.", PAGE, _TEXT, _ALLOW),
}

HEADERS: Mapping[str, Json] = {
    "NoStore": {
        "description": "RFC 6749 section 5.1 and the like.",
        "required": True,
        "schema": {"const": "no-store"},
    },
    "Location": {"description": "Where the browser goes.", "required": True, "schema": {"type": "string"}},
    "Allow": {
        "description": "The methods of this address.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"},
    },
    "BasicChallenge": {
        "description": "RFC 7617.",
        "required": True,
        "schema": {"type": "string", "pattern": '^Basic realm="[^"]+", charset="UTF-8"$'},
    },
    "BearerChallenge": {
        "description": "RFC 6750 section 3; it names the error only when a token came at all.",
        "required": True,
        "schema": {
            "type": "string",
            "pattern": '^Bearer realm="[^"]+"(, error="[a-z_]+", error_description="[^"]+")?$',
        },
    },
}
