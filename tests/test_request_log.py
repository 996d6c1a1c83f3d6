"""What was asked of the development provider: kept to a bound, counted, and shown without secrets."""

import json
import re
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from doorkey.devprovider.request_log import MOST_REQUESTS, SECRETS, Fields, LoggedRequest, RequestLog
from doorkey.events import fingerprint
from tests.conftest import MovedClock
from tests.support.controls import SECRET, Controls

MASK = re.compile(r"sha256:[0-9a-f]{12}")


@pytest.fixture
def dev(clock: MovedClock) -> Controls:
    return Controls(clock)


def entry(number: int = 1, **more: Any) -> LoggedRequest:
    usual = {"endpoint": "token", "method": "POST", "path": "/oauth/token", "status": 200}
    sent = {name: Fields(more.pop(name, {})) for name in ("headers", "query", "form")}
    return LoggedRequest(number, 1_800_000_000.0, **{**usual, **sent, **more})


def log_of(*entries: dict[str, Any]) -> RequestLog:
    log = RequestLog()
    for more in entries:
        log.add(lambda number, more=more: entry(number, **more))  # type: ignore[misc]
    return log


def shown(dev: Controls, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dev.send("GET", "/dev/requests", query_string=query).data)
    return found


@pytest.mark.parametrize("name", [*sorted(SECRETS), "Client_Secret", "COOKIE"])
def test_secrets_are_masked_by_name_and_revealed_only_when_asked(name: str) -> None:
    fields = Fields({name: "canary"})
    assert fields[name] == dict(fields)[name] == fingerprint("canary")
    assert "canary" not in repr(fields)
    assert fields.reveal(name) == "canary"


def test_of_an_authorization_header_the_scheme_is_shown() -> None:
    headers = Fields({"Authorization": "Bearer canary"})
    assert headers["Authorization"] == f"Bearer {fingerprint('canary')}"
    assert headers.reveal("Authorization") == "Bearer canary"
    assert Fields({"Authorization": "canary"})["Authorization"] == fingerprint("canary")


def test_what_is_no_secret_is_shown_and_what_is_missing_is_missing() -> None:
    fields = Fields({"scope": "read", "code": "x"})
    assert (fields["scope"], list(fields), len(fields)) == ("read", ["scope", "code"], 2)
    assert "state" not in fields
    for missing in (fields.__getitem__, fields.reveal):
        with pytest.raises(KeyError):
            missing("state")


def test_equal_secrets_look_equal_and_others_do_not() -> None:
    assert Fields({"code": "a"}) == Fields({"code": "a"})
    assert Fields({"code": "a"}) != Fields({"code": "b"})
    assert Fields({"code": "a"}) == {"code": fingerprint("a")}
    assert entry(form={"code": "a"}) == entry(form={"code": "a"})
    assert entry(form={"code": "a"}) != entry(form={"code": "b"})
    assert entry(1) != entry(2)


def test_of_much_little_is_kept() -> None:
    fields = Fields({f"n{number}": "x" * 10_000 for number in range(1000)})
    assert len(fields) == 60
    assert sum(len(value) for value in fields.values()) <= 8192


def test_a_request_is_printed_on_one_line_with_its_secrets_masked() -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "canary"}
    text = repr(entry(7, form=form, client_auth="client_secret_basic", status=400, failures=("invalid-iss",)))
    masked = fingerprint("canary")
    said = f"grant_type=refresh_token refresh_token={masked}"
    assert text == f"<7 POST /oauth/token {said} client_secret_basic -> 400 [invalid-iss]>"
    log = log_of({"form": form}, {"query": {"code": "canary"}})
    assert "canary" not in repr(log) + json.dumps([one.described() for one in log])
    assert repr(log).count("\n") == 2


def test_requests_are_counted_by_what_they_said() -> None:
    log = log_of(
        {"form": {"grant_type": "refresh_token", "refresh_token": "one"}, "client_id": "app"},
        {"form": {"grant_type": "refresh_token", "refresh_token": "two"}, "status": 400},
        {"endpoint": "authorize", "method": "GET", "query": {"client_id": "app", "scope": "read"}},
    )
    assert (log.count(), log.count("token"), log.count("par")) == (3, 2, 0)
    assert log.count("token", grant_type="refresh_token") == 2
    assert log.count("token", grant_type="refresh_token", status=400) == 1
    assert log.count(refresh_token="one") == 1
    assert log.count(refresh_token=fingerprint("one")) == 0
    assert log.count(client_id="app") == 2
    assert log.count("authorize", scope="read", method="GET") == 1
    assert log.count(nothing="x") == 0
    assert log.of("token", refresh_token="two") == [log[1]]


def test_it_is_a_sequence_the_oldest_first() -> None:
    log = log_of({}, {}, {})
    assert [one.number for one in log] == [1, 2, 3]
    assert (log[-1].number, [one.number for one in log[1:]], len(log)) == (3, [2, 3], 3)
    assert log[0] in log
    log.clear()
    log.add(entry)
    assert [one.number for one in log] == [4]
    assert log.last_number == 4


def test_the_oldest_go_first_whoever_adds() -> None:
    log = RequestLog()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: log.add(entry), range(MOST_REQUESTS + 500)))
    assert [one.number for one in log] == list(range(501, MOST_REQUESTS + 501))


def test_every_request_but_those_to_the_controls_is_kept(dev: Controls) -> None:
    for path in (
        "/oauth/jwks",
        "/.well-known/openid-configuration",
        "/nowhere",
        "/dev/users",
        "/openapi.json",
        "/dev/",
    ):
        dev.send("GET", path)
    dev.sign_in(login_hint="alice")
    dev.send("GET", "/oauth/authorize", query_string={"client_id": "nobody"})
    found = [(one["endpoint"], one["path"], one["status"]) for one in shown(dev)["requests"]]
    assert found == [
        ("jwks", "/oauth/jwks", 200),
        ("metadata", "/.well-known/openid-configuration", 200),
        ("other", "/nowhere", 404),
        ("authorize", "/oauth/authorize", 302),
        ("authorize", "/oauth/authorize", 400),
    ]


def test_a_request_is_told_with_client_method_failure_and_error(dev: Controls, clock: MovedClock) -> None:
    clock.advance(0.25)
    dev.does("POST", "/dev/responses", {"failure": "expired-code"}, status=201)
    dev.token(grant_type="client_credentials")
    dev.token(grant_type="client_credentials")
    failed, right = shown(dev)["requests"]
    assert (failed["failures"], failed["status"]) == (["expired-code"], 400)
    assert failed["answer"]["error"] == "invalid_grant"
    assert (right["failures"], right["status"], right["answer"]) == ([], 200, {})
    assert (right["client_id"], right["client_auth"], right["method"]) == ("app", "client_secret_basic", "POST")
    assert right["form"] == {"grant_type": "client_credentials"}
    assert right["time"] == "2027-01-15T08:00:00.250Z"
    assert right["milliseconds"] >= 0


def send_secrets(dev: Controls) -> list[str]:
    """Every kind of secret, by every way in; what must be shown nowhere."""
    found = dev.tokens()
    pair = b64encode(f"app:{SECRET}".encode()).decode()
    made = [pair, SECRET, *(found[name] for name in ("access_token", "refresh_token", "id_token"))]
    dev.user_info(found["access_token"])
    dev.send("POST", "/oauth/userinfo", data={"access_token": found["access_token"]})
    dev.token(grant_type="refresh_token", refresh_token=found["refresh_token"])
    dev.send("POST", "/oauth/introspect", data={"token": found["access_token"], "client_secret": SECRET})
    dev.send("GET", "/oauth/logout", query_string={"id_token_hint": found["id_token"]})
    dev.send("GET", "/oauth/device", query_string={"user_code": "canary-code"})
    for name in sorted(SECRETS - {"cookie"}):
        dev.send(
            "POST", "/oauth/token", data={name: f"canary-form-{name}"}, query_string={name: f"canary-query-{name}"}
        )
    dev.send("GET", "/oauth/jwks", headers={"Cookie": "doorkey-dev-session=canary-cookie"})
    return [*made, "canary"]


def test_no_secret_is_shown_anywhere(dev: Controls) -> None:
    secrets = send_secrets(dev)
    for path in ("/dev/requests", "/dev/tokens", "/dev/clients", "/dev/responses"):
        text = dev.send("GET", path).text
        assert [secret for secret in secrets if secret in text] == []
    entries = shown(dev)["requests"]
    masked = [one["form"]["code"] for one in entries if "code" in one["form"]]
    assert len(masked) == 2
    assert all(MASK.fullmatch(value) for value in masked)


def test_the_same_secret_can_be_followed_from_one_request_to_the_next(dev: Controls) -> None:
    token = dev.tokens()["access_token"]
    dev.user_info(token)
    dev.send("POST", "/oauth/revoke", data={"token": token}, auth=("app", SECRET))
    asked, revoked = shown(dev)["requests"][-2:]
    assert asked["headers"]["Authorization"] == f"Bearer {revoked['form']['token']}"


def test_a_thousand_requests_are_kept_and_can_be_read_from_a_number_on(dev: Controls) -> None:
    for _ in range(MOST_REQUESTS + 5):
        dev.send("GET", "/oauth/jwks")
    found = shown(dev)
    assert (found["count"], found["last"]) == (MOST_REQUESTS, MOST_REQUESTS + 5)
    assert found["requests"][0]["number"] == 6
    later = shown(dev, after=MOST_REQUESTS + 3)
    assert [one["number"] for one in later["requests"]] == [MOST_REQUESTS + 4, MOST_REQUESTS + 5]
    assert later["kept"] == MOST_REQUESTS
    assert "number" in shown(dev, after="x")["error_description"]
    assert dev.does("DELETE", "/dev/requests")["requests"] == []
    assert shown(dev)["count"] == 0
