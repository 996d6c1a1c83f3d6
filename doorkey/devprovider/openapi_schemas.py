"""The schemas of what `/dev/*` takes and gives, made from the tables that the code itself uses.

Names, choices and limits come from users.py, definitions.py, failures.py and control.py; patterns are those of
the readers there, as JSON Schema writes them. What the protocol endpoints say is in openapi_answers.py.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from doorkey.devprovider.control import LONGEST_LIFE, LONGEST_MOVE
from doorkey.devprovider.definitions import CLIENT_KEYS, LARGEST, LEAST_HMAC_SECRET, PROTOCOL_CLAIMS, USER_KEYS
from doorkey.devprovider.failures import ENDPOINTS, FAILURES, MINTED
from doorkey.devprovider.openapi_parts import Json, schema
from doorkey.devprovider.request_log import LOGGED
from doorkey.devprovider.scripted_responses import LONGEST_DELAY, MOST_TIMES
from doorkey.devprovider.users import AUTH_METHODS, SIGNING_ALGS, Client

TEXT: Json = {"type": "string"}
SWITCH: Json = {"type": "boolean"}
NUMBER: Json = {"type": "integer"}
NATURAL: Json = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
INSTANT: Json = {"type": "integer", "description": "Seconds since the epoch."}
ONE_LINE: Json = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"}
SUB: Json = {"type": "string", "pattern": r"^[\x20-\x7e]{1,255}$"}
CLIENT_ID: Json = {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"}
SCOPE: Json = {"type": "string", "description": "Names with spaces between them (RFC 6749 section 3.3)."}
SCOPE_NAME: Json = {"type": "string", "pattern": r"^[\x21\x23-\x5b\x5d-\x7e]+$"}
_URI_CHARACTERS = r"A-Za-z0-9._~!$&'()*+,;=%\-"
_PORT = "(0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
URI: Json = {
    "type": "string",
    "pattern": rf"^https?://([{_URI_CHARACTERS}:]*@)?([{_URI_CHARACTERS}]+|\[::1\])(:{_PORT})?"
    rf"([/?][{_URI_CHARACTERS}:@/?\[\]]*)?$",
    "description": "Absolute, http or https, without a fragment.",
}
FINGERPRINT: Json = {
    "type": "string",
    "pattern": "^sha256:[0-9a-f]{12}$",
    "description": "Stands for a secret: equal secrets have equal ones.",
}
ISO: Json = {"type": "string", "format": "date-time"}


def array(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def choice(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def record(properties: Mapping[str, Json], *, optional: tuple[str, ...] = (), **more: Any) -> Json:
    """An object with exactly these members, all of them there unless they are in `optional`."""
    required = [name for name in properties if name not in optional]
    closed = {"type": "object", "properties": dict(properties), "additionalProperties": False, **more}
    return {**closed, "required": required} if required else closed


def settings(properties: Mapping[str, Json], **more: Any) -> Json:
    """The body of a control call: none of these has to be there, and nothing else may."""
    return record(properties, optional=tuple(properties), **more)


URI_OR_EMPTY: Json = {"anyOf": [URI, {"const": ""}]}
_OF_TYPE: Mapping[Any, Json] = {str: ONE_LINE, bool: SWITCH, int: NUMBER, tuple[str, ...]: array(ONE_LINE)}
_OF_CLIENT: Mapping[str, Json] = {
    "client_secret": {"type": "string", "pattern": r"^[\x20-\x7e]*$", "writeOnly": True},
    "redirect_uris": array(URI, description="Compared character by character; on a loopback IP any port."),
    "scope": {"type": "string", "pattern": r"^ *([\x21\x23-\x5b\x5d-\x7e]+ *)*$", "description": "RFC 7591's name."},
    "scopes": array(SCOPE_NAME, description="What it may have, and gets when it asks for nothing."),
    "token_endpoint_auth_method": choice(*AUTH_METHODS, "any"),
    "access_token_format": choice("opaque", "jwt"),
    "id_token_signed_response_alg": choice(*SIGNING_ALGS),
    "userinfo_signed_response_alg": choice(*SIGNING_ALGS, ""),
    "post_logout_redirect_uris": array(URI),
    "frontchannel_logout_uri": URI_OR_EMPTY,
    "backchannel_logout_uri": URI_OR_EMPTY,
    "initiate_login_uri": URI_OR_EMPTY,
    "jwks": {
        "anyOf": [
            array(schema("PublicKey")),
            {"type": "object", "properties": {"keys": array(schema("PublicKey"))}, "required": ["keys"]},
        ]
    },
    "redirect_check": {
        **choice("exact", "local", "any"),
        "description": "local takes any path on this machine or under .test, any takes anything.",
    },
    "web_origins": array(
        {"type": "string", "pattern": r"^https?://[a-z0-9.\[\]:-]+$"},
        description="Origins of its pages that may read answers (CORS).",
    ),
}
_CLIENT_TYPES = get_type_hints(Client)
_CLIENT_FIELDS = {key: _OF_CLIENT.get(key) or _OF_TYPE[_CLIENT_TYPES[key]] for key in CLIENT_KEYS}
_USER_FIELDS: Mapping[str, Json] = {
    "name": ONE_LINE,
    "email": ONE_LINE,
    "groups": array(ONE_LINE),
    "about": {**ONE_LINE, "description": "Shown on the sign-in page only."},
    "claims": schema("Claims"),
}


def _client_with(methods: tuple[str, ...], needs: tuple[str, ...], **narrowed: Json) -> Json:
    """How the keys of a client go together for these authentication methods."""
    return {"required": list(needs), "properties": {"token_endpoint_auth_method": choice(*methods), **narrowed}}


_CLIENT_CHOICES = [
    _client_with(
        ("client_secret_basic", "client_secret_post", "any"), ("client_secret",), client_secret={"minLength": 1}
    ),
    _client_with(
        ("client_secret_jwt",),
        ("client_secret", "token_endpoint_auth_method"),
        client_secret={"minLength": LEAST_HMAC_SECRET},
    ),
    _client_with(
        ("private_key_jwt",),
        ("jwks", "token_endpoint_auth_method"),
        jwks={"anyOf": [{"type": "array", "minItems": 1}, {"properties": {"keys": {"minItems": 1}}, "type": "object"}]},
    ),
    _client_with(("none",), ("token_endpoint_auth_method",), client_secret={"maxLength": 0}),
]


def _stored_client() -> Json:
    """A client as it is listed: all it has but the secret."""
    fields = {field.name: _CLIENT_FIELDS.get(field.name, CLIENT_ID) for field in dataclasses.fields(Client)}
    del fields["client_secret"]
    return record({**fields, "jwks": array(schema("PublicKey")), "has_secret": SWITCH})


_PRINTABLE: Json = {"type": "string", "pattern": r"^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,200}$"}
_RESPONSE_FIELDS: Mapping[str, Json] = {
    "endpoint": {
        **choice(*ENDPOINTS, *MINTED),
        "description": "Needed unless the failure says it. "
        f"{', '.join(MINTED)} are made inside an endpoint: only merge and named failures work there.",
    },
    "failure": {**choice(*FAILURES), "description": "What each one does: GET /dev/failures."},
    "error": {**_PRINTABLE, "description": "An error code, answered as the endpoint answers errors."},
    "error_description": {**_PRINTABLE, "description": "With an error."},
    "status": {"type": "integer", "minimum": 200, "maximum": 599},
    "body": {"type": ["string", "object", "array"], "description": "Text, or JSON; at most 64 KiB."},
    "headers": {
        "type": "object",
        "description": "Headers of the answer, with a status or a body.",
        "propertyNames": {
            "pattern": "^[A-Za-z0-9-]+$",
            "not": {"pattern": "^([Cc]ontent-[Ll]ength|[Tt]ransfer-[Ee]ncoding|[Cc]onnection)$"},
        },
        "additionalProperties": {"type": "string", "maxLength": 2000, "pattern": r"^[\x20-\x7e]*$"},
    },
    "merge": {"type": "object", "description": "Goes into the right answer as RFC 7396 says: null takes away."},
    "delay": {"type": "number", "minimum": 0, "maximum": LONGEST_DELAY, "description": "Seconds before the answer."},
    "times": {
        "description": "How many answers; failures that stay until they are cleared ignore it.",
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_TIMES}, {"const": "always"}],
    },
}
_LEFT: Json = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "always"}]}
_FAILURE: Mapping[str, Json] = {
    "name": choice(*FAILURES),
    "endpoint": {
        **choice(*dict.fromkeys(failure.at for failure in FAILURES.values())),
        "description": "Where it happens; * is any endpoint.",
    },
    "kind": {
        **choice(*dict.fromkeys(failure.kind for failure in FAILURES.values())),
        "description": "What a right client does with the answer.",
    },
    "summary": TEXT,
    "rule": {**TEXT, "description": "The specification and section that it is about."},
}
_MASKED: Json = {"type": "object", "additionalProperties": TEXT, "description": "Secrets are fingerprints here."}
_REQUEST: Mapping[str, Json] = {
    "number": {"type": "integer", "minimum": 1},
    "time": ISO,
    "endpoint": choice(*LOGGED),
    "method": TEXT,
    "path": TEXT,
    "headers": _MASKED,
    "query": _MASKED,
    "form": _MASKED,
    "status": {"type": "integer", "description": "0: the connection was closed without an answer."},
    "client_id": {**TEXT, "description": "The client that proved itself."},
    "client_auth": choice("", *AUTH_METHODS),
    "failures": array(TEXT, description="Names of the failures that had a part in the answer."),
    "milliseconds": {"type": "number", "minimum": 0},
    "answer": {"type": "object", "additionalProperties": TEXT},
}
_TOKEN: Mapping[str, Json] = {
    "kind": choice("access_token", "refresh_token"),
    "fingerprint": FINGERPRINT,
    "client_id": CLIENT_ID,
    "sub": {**TEXT, "description": "Empty for a token of the client itself."},
    "scope": SCOPE,
    "issued_at": INSTANT,
    "expires_at": INSTANT,
}
_TOLD = record({"client_id": CLIENT_ID, "uri": TEXT, "status": {**NUMBER, "description": "0: nobody answered."}})
_KEY_MEMBER: Json = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
_KINDS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")

CONTROL_SCHEMAS: Mapping[str, Json] = {
    "JsonValue": {
        "description": "Anything that JSON has, at most ten deep; whole numbers of 64 bits.",
        "anyOf": [
            {"type": ["null", "boolean", "string"]},
            {"type": "number", "minimum": -(2**63), "maximum": 2**63 - 1},
            array(schema("JsonValue")),
            {"type": "object", "additionalProperties": schema("JsonValue")},
        ],
    },
    "Claims": {
        "type": "object",
        "description": "Claims of one's own. Not those that the provider says itself.",
        "propertyNames": {**ONE_LINE, "not": {"enum": list(PROTOCOL_CLAIMS)}},
        "additionalProperties": schema("JsonValue"),
    },
    "PublicKey": {
        "type": "object",
        "description": "A public JWK (RFC 7517).",
        "required": ["kty"],
        "anyOf": [
            {"required": list(members), "properties": {"kty": {"const": kty}, **dict.fromkeys(members, _KEY_MEMBER)}}
            for kty, members in _KINDS.items()
        ],
        "properties": dict.fromkeys(_PRIVATE, False),
        "additionalProperties": schema("JsonValue"),
    },
    "UserChange": settings(
        {key: _USER_FIELDS[key] for key in USER_KEYS},
        description=f"At most {LARGEST // 1024} KiB. name, email and groups are not to be in claims too.",
        allOf=[
            {"not": {"required": [key, "claims"], "properties": {"claims": {"required": [key]}}}}
            for key in ("name", "email", "groups")
        ],
    ),
    "User": record({"sub": SUB, **_USER_FIELDS}),
    "Users": record({"users": array(schema("User"))}),
    "ClientChange": settings(
        _CLIENT_FIELDS,
        description=f"Keys of RFC 7591 section 2; at most {LARGEST // 1024} KiB. A public client has to use PKCE.",
        anyOf=_CLIENT_CHOICES,
        **{"not": {"required": ["scope", "scopes"]}},
    ),
    "Client": _stored_client(),
    "Clients": record({"clients": array(schema("Client"))}),
    "TokenOrder": settings(
        {
            "sub": {**TEXT, "description": "A user; without one the token is the client's own."},
            "client_id": {**TEXT, "description": "The first client, if it is left out."},
            "scope": {**SCOPE, "description": "All that the client may have, if it is left out."},
            "expires_in": {
                "type": "integer",
                "minimum": -LONGEST_LIFE,
                "maximum": LONGEST_LIFE,
                "description": "Seconds; below zero for a token that has expired.",
            },
            "format": choice("", "jwt", "opaque"),
            "claims": {"type": "object", "description": "Further claims of a JWT access token (RFC 9068)."},
        }
    ),
    "Token": record(_TOKEN),
    "Tokens": record({"tokens": array(schema("Token"))}),
    "WhoseTokens": record({"sub": {"type": "string", "minLength": 1}}),
    "RevokedTokens": record({"revoked": NATURAL}),
    "ResponseOrder": settings(
        _RESPONSE_FIELDS,
        description="Either a failure that happens at one endpoint; or an endpoint, and what is to happen there.",
        anyOf=[
            {"required": ["failure"]},
            *({"required": ["endpoint", what]} for what in ("error", "status", "body", "merge", "delay")),
        ],
    ),
    "Response": record({"endpoint": TEXT, "name": TEXT, "spec": TEXT, "left": _LEFT}),
    "Responses": record({"responses": array(schema("Response"))}),
    "Failures": record({"endpoints": array(choice(*ENDPOINTS)), "failures": array(record(_FAILURE))}),
    "Requests": record(
        {
            "count": {**NATURAL, "description": "How many are listed."},
            "kept": {**NATURAL, "description": "How many there are."},
            "last": {**NATURAL, "description": "The number of the newest that there ever was."},
            "requests": array(record(_REQUEST)),
        }
    ),
    "ClockMove": settings({"advance": {"type": "number", "minimum": -LONGEST_MOVE, "maximum": LONGEST_MOVE}}),
    "Clock": record({"now": {"type": "number"}, "offset": {"type": "number"}}),
    "KeyRotation": settings({"keep": SWITCH, "same_kid": SWITCH}),
    "DeviceDecision": record(
        {"user_code": TEXT, "user": TEXT, "deny": SWITCH, "scope": {**SCOPE, "description": "Narrows what was asked."}},
        optional=("user", "deny", "scope"),
        anyOf=[
            {"required": ["user"], "properties": {"deny": {"const": False}, "user": {"minLength": 1}}},
            {"required": ["deny"], "properties": {"deny": {"const": True}, "user": {"maxLength": 0}}},
        ],
    ),
    "DeviceDecided": record({"user_code": TEXT, "decision": choice("allow", "deny")}),
    "WhoLeaves": settings(
        {"sub": TEXT, "sid": TEXT},
        anyOf=[{"required": [key], "properties": {key: {"minLength": 1}}} for key in ("sub", "sid")],
    ),
    "LoggedOut": record({"ended": array(record({"sid": TEXT, "sub": TEXT})), "told": array(_TOLD)}),
    "Nothing": settings({}),
    "Reset": record({"reset": {"const": True}}),
}
