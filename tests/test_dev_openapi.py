"""The OpenAPI document says what the development provider does: compared with its tables, and tried by Schemathesis."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.control import CONTROL
from doorkey.devprovider.control_views import ACTIONS
from doorkey.devprovider.openapi import document
from doorkey.devprovider.openapi_protocol import (
    EXAMPLE_CLIENT,
    EXAMPLE_LOGOUT_URI,
    EXAMPLE_REDIRECT_URI,
    EXAMPLE_SECRET,
)
from doorkey.devprovider.realm import DevProvider
from doorkey.devprovider.users import Client

CLIENT = Client(
    EXAMPLE_CLIENT,
    EXAMPLE_SECRET,
    (EXAMPLE_REDIRECT_URI,),
    token_endpoint_auth_method="any",
    post_logout_redirect_uris=(EXAMPLE_LOGOUT_URI,),
    backchannel_logout_uri="http://127.0.0.1:8000/left",
)
APP = create_provider_app(DevProvider([CLIENT]), deliver=lambda uri, token: 200)
ASKING = APP.test_client()
FORM = "application/x-www-form-urlencoded"
DOCUMENT = document("http://localhost")
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for name, value in node.items() if name == "$ref")
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def body_of(operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The media type of an operation's body and what is said of it; both empty when it has none."""
    [(media, said)] = operation.get("requestBody", {"content": {"": {}}})["content"].items()
    return media, said


def whole(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that brings along what it refers to."""
    return {**schema, "components": DOCUMENT["components"]}


NO_ENDPOINTS = ("/", "/static/<path:filename>")
"""The way from the bare address to the dashboard, and what its pages load."""


def test_every_address_of_the_app_is_in_the_document_and_the_other_way_round() -> None:
    served = {
        (method, re.sub(r"<[^>]*>", "{}", rule.rule))
        for rule in APP.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule not in NO_ENDPOINTS and method not in ("HEAD", "OPTIONS")
    }
    assert {(method, re.sub(r"{\w+}", "{}", path)) for method, path, _ in operations()} == served


def test_operations_have_names_of_their_own_tags_and_summaries() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for _, path, operation in operations():
        assert set(operation["tags"]) <= tags, path
        assert operation["summary"], path
        assert {"400", "403", "405"} <= operation["responses"].keys(), path


def test_everything_referred_to_is_there_and_everything_there_is_referred_to() -> None:
    used = {tuple(reference.split("/")[2:]) for reference in references(DOCUMENT)}
    kinds = ("schemas", "responses", "headers")
    assert used == {(kind, name) for kind in kinds for name in DOCUMENT["components"][kind]} | {
        ("schemas", name) for kind, name in used if kind == "schemas"
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **whole(SCHEMAS[name])})


@pytest.mark.parametrize("prefix", ["", "/tenant-a"])
@pytest.mark.parametrize("path", ["/openapi.json", "/dev/openapi.json"])
def test_it_is_served_for_each_issuer_with_its_own_address(path: str, prefix: str) -> None:
    answer = ASKING.get(prefix + path)
    assert answer.get_json() == document(f"http://localhost{prefix}")
    assert answer.get_json()["servers"] == [{"url": f"http://localhost{prefix}"}]


def test_it_shows_no_secret() -> None:
    assert "secret" not in DOCUMENT["components"]["schemas"]["Client"]["properties"]


EXAMPLES = {f"{m} {p}": (m, p, op) for m, p, op in operations() if not p.startswith("/.well-known")}
NOT_BY_THEMSELVES = {
    "POST /dev/device": 404,  # no device waits for the user code of the example
    "POST /oauth/authorize": 403,  # the forms of pages need the page's ticket
    "POST /oauth/device": 403,
    "POST /dev/": 403,
    "GET /oauth/userinfo": 401,
    "POST /oauth/userinfo": 401,
    "DELETE /dev/users/{sub}": 404,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_work(name: str) -> None:
    ASKING.post("/dev/reset")
    method, path, operation = EXAMPLES[name]
    parameters = [one for one in operation.get("parameters", ()) if "example" in one]
    for one in parameters:
        path = path.replace(f"{{{one['name']}}}", str(one["example"]))
    query = {one["name"]: one["example"] for one in parameters if one["in"] == "query"}
    media, said = body_of(operation)
    example = said.get("example", {})
    if "example" in said:
        jsonschema_rs.validator_for(whole(said["schema"])).validate(example)
    body: dict[str, Any] = {"data": example} if media == FORM else {"json": example} if media else {}
    status = ASKING.open(path, method=method, query_string=query, **body).status_code
    assert status == NOT_BY_THEMSELVES.get(name, status)
    assert (name in NOT_BY_THEMSELVES) == (status >= 400)


TAKING = {
    f"{method} {path}": (method, path.replace("<path:name>", "erin"))
    for method, path in CONTROL
    if method in ("POST", "PUT")
}


def keys_of(name: str) -> set[str]:
    """What the document says that a control call takes."""
    method, path = name.split(" ")
    path = path.replace("users/<path:name>", "users/{sub}").replace("clients/<path:name>", "clients/{client_id}")
    reference = body_of(DOCUMENT["paths"][path][method.lower()])[1]["schema"]["$ref"]
    return set(SCHEMAS[reference.rpartition("/")[2]].get("properties", {}))


@pytest.mark.parametrize("name", TAKING)
def test_the_document_and_the_controls_know_the_same_keys(name: str) -> None:
    method, path = TAKING[name]
    answer = ASKING.open(path, method=method, json={"no-such-key": 1})
    assert answer.status_code == 400
    said = answer.get_json()["error_description"]
    assert "no-such-key" in said
    listed = re.search(r"(?:known are|the keys are) ([a-z_, ]+)", said)
    assert listed, said
    assert set(listed[1].split(", ")) - {"none"} == keys_of(name)


CHOICES = [(key, said["enum"]) for key, said in SCHEMAS["ClientChange"]["properties"].items() if "enum" in said]


@pytest.mark.parametrize(("key", "choices"), CHOICES)
def test_the_document_and_the_reader_of_clients_know_the_same_choices(key: str, choices: list[str]) -> None:
    said = ASKING.put("/dev/clients/x", json={"client_secret": "x" * 40, key: "?"}).get_json()["error_description"]
    assert said.startswith(f"{key} must be one of ")
    assert set(said.partition("one of ")[2].split(";")[0].split(", ")) == {choice or "empty" for choice in choices}


def test_the_dashboard_knows_the_actions_of_the_document() -> None:
    assert SCHEMAS["DashboardForm"]["properties"]["action"]["enum"] == list(ACTIONS)


NOT_THIS = {"enabled": False}
"""`use_after_free` and the like are about sequences of calls, which these cases are not."""

EXCEPT = [
    {
        # Which clients, codes, tokens and sessions there are is not in a document.
        "include-path-regex": "^/oauth/(?!jwks|device$)",
        "checks": {"positive_data_acceptance": NOT_THIS},
    },
    {
        # What goes with what (a failure with its endpoint, claims with a format) is said there in words.
        "include-name": ["POST /dev/tokens", "POST /dev/responses", "POST /dev/device"],
        "checks": {"positive_data_acceptance": NOT_THIS},
    },
    {
        # What is wrong goes back to the client, by redirect.
        "include-name": ["GET /oauth/authorize", "POST /oauth/authorize"],
        "checks": {"negative_data_rejection": NOT_THIS},
    },
]


def schema_at(path: str, examples: int) -> Any:
    """The document as it is served; beside the cases that follow from it, so many random ones for each operation."""
    generation = {"max-examples": examples, "deterministic": True, "database": "none"}
    config = SchemathesisConfig.from_dict({"seed": 1, "generation": generation, "operations": EXCEPT})
    return schemathesis.openapi.from_wsgi(path, from_this_machine, config=config)


def from_this_machine(environ: dict[str, Any], start_response: Any) -> Any:
    return APP({**environ, "REMOTE_ADDR": "127.0.0.1"}, start_response)


MAIN = schema_at("/openapi.json", 15)
TENANT = schema_at("/tenant-a/openapi.json", 5)


def something_there(prefix: str) -> str:
    """A fresh start with a session, a token, a request and a failure that waits; the token."""
    ASKING.post(f"{prefix}/dev/reset")
    sign_in = {"client_id": EXAMPLE_CLIENT, "redirect_uri": EXAMPLE_REDIRECT_URI, "response_type": "code"}
    ASKING.get(
        f"{prefix}/oauth/authorize", query_string=sign_in | {"scope": "openid", "prompt": "none", "login_hint": "alice"}
    )
    ASKING.post(f"{prefix}/dev/responses", json={"failure": "backchannel-logout-nonce"})
    token: str = ASKING.post(f"{prefix}/dev/tokens", json={"sub": "alice"}).get_json()["access_token"]
    return token


def beyond_words(value: Any, deepest: int = 8) -> bool:
    """What JSON Schema cannot say: how deep claims may be, and that 1e30 is not a whole number, so that it may be."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, float) and abs(value) >= 2**63:
        return True
    return deepest < 0 or any(beyond_words(item, deepest - 1) for item in inner)


def try_out(case: schemathesis.Case, prefix: str) -> None:
    if beyond_words(case.body):
        return
    token = something_there(prefix)
    needs_token = {"accessToken": []} in case.operation.definition.raw["security"]
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"} if needs_token else None)


@MAIN.parametrize()
def test_generated_requests(case: schemathesis.Case) -> None:
    try_out(case, "")


@TENANT.parametrize()
def test_generated_requests_to_another_issuer(case: schemathesis.Case) -> None:
    try_out(case, "/tenant-a")
