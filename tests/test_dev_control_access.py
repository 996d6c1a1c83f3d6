"""Who may use `/dev/*`, in which words, and how the development provider says that something is wrong."""

import json
from typing import Any

import pytest

from doorkey.devprovider.app import post_logout_token
from tests.conftest import MovedClock
from tests.support.controls import FAR, Controls

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def dev(clock: MovedClock) -> Controls:
    return Controls(clock)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/dev/users"), ("POST", "/dev/reset"), ("GET", "/openapi.json")])
def test_another_machine_is_told_nothing_in_json(dev: Controls, method: str, path: str) -> None:
    answer = dev.send(method, path, environ_base=FAR, headers=bearer("let-me-in"))
    assert (answer.status_code, answer.content_type) == (403, "application/json")
    assert "alice" not in answer.text


def test_anywhere_opens_the_provider_and_the_control_token_its_controls(clock: MovedClock) -> None:
    dev = Controls(clock, anywhere=True, control_token="let-me-in")
    assert dev.send("GET", "/oauth/jwks", environ_base=FAR).status_code == 200
    refused = dev.send("POST", "/dev/reset", environ_base=FAR, headers=bearer("wrong"))
    assert (refused.status_code, refused.content_type) == (403, "application/json")
    assert "DOORKEY_DEV_CONTROL_TOKEN" in refused.text
    assert dev.send("POST", "/dev/reset", environ_base=FAR, headers=bearer("let-me-in")).status_code == 200
    assert dev.send("POST", "/dev/reset").status_code == 200


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "127.0.0.1@evil.test", "[::1", "0.0.0.0", ""])
@pytest.mark.parametrize("path", ["/dev/users", "/tenant-a/dev/users", "/dev/", "/openapi.json"])
def test_a_foreign_host_name_is_refused(dev: Controls, host: str, path: str) -> None:
    answer = dev.send("GET", path, environ_overrides={"HTTP_HOST": host, "SERVER_NAME": "evil.test"})
    assert answer.status_code == 400
    assert "alice" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "[::1]:9000", "127.0.0.2"])
def test_loopback_names_are_answered(dev: Controls, host: str) -> None:
    assert dev.send("GET", "/dev/users", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("media", [FORM, "text/plain", "multipart/form-data; boundary=x", "application/jsonp", ""])
@pytest.mark.parametrize("path", ["/dev/tokens", "/dev/clock", "/dev/responses", "/dev/reset", "/tenant-a/dev/clock"])
def test_only_json_is_read(dev: Controls, path: str, media: str) -> None:
    answer = dev.send("POST", path, data=b'{"advance": 60}', content_type=media)
    assert answer.status_code == 400
    assert json.loads(answer.data)["error_description"] == "The body must be application/json."
    assert dev.does("GET", "/dev/clock")["offset"] == 0


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_an_empty_post_of_another_site_changes_nothing(dev: Controls, headers: dict[str, str]) -> None:
    """Browsers send these without asking first: no body, and so no media type."""
    dev.does("POST", "/dev/clock", {"advance": 60})
    for path in ("/dev/reset", "/dev/keys", "/dev/tokens"):
        assert dev.send("POST", path, headers=headers).status_code == 403
    assert dev.does("GET", "/dev/clock")["offset"] == 60
    assert dev.does("GET", "/dev/tokens") == {"tokens": []}


NOT_JSON = ["{", "NaN", '{"claims": {"a": NaN}}', '{"claims": {"a": 1e999}}', '{"claims": {"a": "\\ud800"}}', "\xff"]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_only_some_call_json_is_refused(dev: Controls, body: str) -> None:
    answer = dev.send("POST", "/dev/tokens", data=body.encode("latin-1"), content_type="application/json")
    assert answer.status_code == 400
    assert json.loads(answer.data)["error_description"] == "The body is not JSON."


@pytest.mark.parametrize("body", [[], 1, "x", True])
def test_only_objects_are_taken(dev: Controls, body: Any) -> None:
    assert dev.wrong("POST", "/dev/tokens", body) == "The body must be a JSON object."


def test_a_body_of_more_than_64_kib_is_refused(dev: Controls) -> None:
    assert dev.wrong("POST", "/dev/responses", {"endpoint": "par", "body": "x" * 65_536}) == "The body is too large."
    page = dev.send("POST", "/oauth/authorize", data={"ticket": "x" * 65_536})
    assert (page.status_code, page.mimetype) == (413, "text/html")


METHODS = [
    ("/dev/users", "application/json", "GET, HEAD, OPTIONS"),
    ("/oauth/token", "application/json", "OPTIONS, POST"),
    ("/oauth/device_authorization", "application/json", "OPTIONS, POST"),
    ("/oauth/device", "text/html", "GET, HEAD, OPTIONS, POST"),
    ("/oauth/authorize", "text/html", "GET, HEAD, OPTIONS, POST"),
    ("/dev/", "text/html", "GET, HEAD, OPTIONS, POST"),
]


@pytest.mark.parametrize(("path", "media", "allowed"), METHODS)
def test_a_wrong_method_is_answered_in_kind_with_those_that_are_right(
    dev: Controls, path: str, media: str, allowed: str
) -> None:
    answer = dev.send("PATCH", path)
    assert (answer.status_code, answer.mimetype, answer.headers["Allow"]) == (405, media, allowed)


def test_an_impossible_address_of_a_client_is_one_that_does_not_answer() -> None:
    assert post_logout_token(f"http://{'a' * 64}.test/", "token") == 0
    assert post_logout_token("http://127.0.0.1:1/", "token") == 0
