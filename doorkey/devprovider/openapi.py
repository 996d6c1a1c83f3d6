"""The OpenAPI 3.1 document of the development provider, served at `/openapi.json`.

    openapi_parts.py      an operation as a row, and the answers that many share
    openapi_schemas.py    what `/dev/*` takes and gives, from the code's own tables
    openapi_answers.py    what the protocol endpoints answer
    openapi_protocol.py   the rows of `/oauth/*` and `/.well-known/*`
    openapi_control.py    the rows of `/dev/*`, one for each row of control.py

Called by control_views.py for each issuer with its own address.
"""

from typing import Any

from doorkey import __version__
from doorkey.devprovider.openapi_answers import PROTOCOL_SCHEMAS
from doorkey.devprovider.openapi_control import CONTROLS, DASHBOARD_FORM, DESCRIPTION, OTHER_OPERATIONS
from doorkey.devprovider.openapi_control import control_operations as controls
from doorkey.devprovider.openapi_parts import HEADERS, SHARED_ANSWERS
from doorkey.devprovider.openapi_protocol import DISCOVERY, FORMS, OAUTH, OPENID, PAGES, PROTOCOL_OPERATIONS
from doorkey.devprovider.openapi_schemas import CONTROL_SCHEMAS

TAGS = {
    OAUTH: "Codes and tokens: RFC 6749, 7009, 7636, 7662, 8628, 8707, 9126, 9207.",
    OPENID: "OpenID Connect Core, RP-Initiated, Front-Channel and Back-Channel Logout.",
    DISCOVERY: "What clients read about the provider.",
    PAGES: "Forms of the pages that people see; each carries a ticket that is bound to the browser.",
    CONTROLS: "For tests: JSON only, and for this machine only, or for who sends the control token.",
    DESCRIPTION: "This document.",
}
ABOUT = (
    "An OAuth 2.0 and OpenID Connect provider for development and tests. Nobody has a password; never put it on a "
    "network. It answers under loopback names, and all that is said here is for the issuer of this address: a first "
    "path segment names another one. Answers that were asked to fail are described at POST /dev/responses only."
)
SECURITY = {
    "clientBasic": {
        "type": "http",
        "scheme": "basic",
        "description": "client_secret_basic: the client's id and secret, form-encoded or as they are.",
    },
    "accessToken": {"type": "http", "scheme": "bearer", "description": "An access token (RFC 6750)."},
    "controlToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "Opens /dev/ to other machines. From this machine nothing is needed.",
    },
}


def document(address: str) -> dict[str, Any]:
    """For the issuer at `address`."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in (*PROTOCOL_OPERATIONS, *controls(), *OTHER_OPERATIONS):
        paths.setdefault(operation.path, {})[operation.method.lower()] = operation.described()
    return {
        "openapi": "3.1.1",
        "info": {"title": "Doorkey development provider", "version": __version__, "description": ABOUT},
        "servers": [{"url": address}],
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": SECURITY,
            "headers": dict(HEADERS),
            "responses": {name: answer.described() for name, answer in SHARED_ANSWERS.items()},
            "schemas": {**PROTOCOL_SCHEMAS, **CONTROL_SCHEMAS, **FORMS, "DashboardForm": DASHBOARD_FORM},
        },
    }
