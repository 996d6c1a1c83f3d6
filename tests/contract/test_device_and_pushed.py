"""The device grant (RFC 8628) and pushed authorization requests (RFC 9126)."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.contract.party import CLIENT_ID, FORM, REDIRECT_URI, VERIFIER, Party, challenge_of, fields_of, query_of

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def begin(provider: Party, **fields: str) -> dict[str, Any]:
    return fields_of(provider.form("/oauth/device_authorization", fields))


def poll(provider: Party, device: dict[str, Any], auth: str = "") -> dict[str, Any]:
    form = {"grant_type": DEVICE_GRANT, "device_code": device["device_code"]}
    return fields_of(provider.token(form, auth=auth))


def decide(provider: Party, device: dict[str, Any], **choice: Any) -> requests.Response:
    """Send the form of the verification page, as the browser would that was shown it."""
    page = provider.get(f"/oauth/device?user_code={device['user_code']}")
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert ticket, page.text
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    return provider.session.post(
        f"{provider.url}/oauth/device",
        data=urlencode({"ticket": ticket[1], **choice}, doseq=True),
        headers={"Content-Type": FORM, "Cookie": cookie},
        allow_redirects=False,
    )


def test_a_device_gets_its_codes(provider: Party) -> None:
    device = begin(provider, scope="openid message_read")
    page = f"{provider.url}/oauth/device"
    assert re.fullmatch("[B-Z]{4}-[B-Z]{4}", device["user_code"])
    assert device["verification_uri"] == page
    assert device["verification_uri_complete"] == f"{page}?user_code={device['user_code']}"
    assert (device["expires_in"], device["interval"]) == (600, 5)


def test_it_waits_until_somebody_allows_it(provider: Party) -> None:
    device = begin(provider, scope="openid message_read")
    assert poll(provider, device)["error"] == "authorization_pending"
    assert decide(provider, device, user="alice", scope=["openid"]).status_code == 200
    provider.clock.advance(5)
    fields = poll(provider, device)
    assert fields["scope"] == "openid"
    assert {"access_token", "refresh_token", "id_token"} <= set(fields)
    assert provider.refresh(fields["refresh_token"]).status_code == 200
    assert poll(provider, device)["error"] == "invalid_grant"


def test_who_polls_too_fast_is_told_to_slow_down(provider: Party) -> None:
    device = begin(provider)
    assert [poll(provider, device)["error"] for _ in range(3)] == ["authorization_pending", "slow_down", "slow_down"]
    provider.clock.advance(15)
    assert poll(provider, device)["error"] == "authorization_pending"


def test_a_denied_device_learns_it(provider: Party) -> None:
    device = begin(provider)
    decide(provider, device, deny="1")
    assert poll(provider, device)["error"] == "access_denied"


def test_a_device_code_ends(provider: Party) -> None:
    device = begin(provider)
    provider.clock.advance(601)
    assert poll(provider, device)["error"] == "expired_token"
    assert provider.get(f"/oauth/device?user_code={device['user_code']}").status_code == 404


def test_a_device_code_is_its_clients_and_works_once_even_in_parallel(provider: Party) -> None:
    auth = provider.register("other")
    device = begin(provider)
    decide(provider, device, user="alice")
    assert poll(provider, device, auth=auth)["error"] == "invalid_grant"
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: poll(provider, device), range(10)))
    assert sum("access_token" in answer for answer in answers) == 1


@pytest.mark.parametrize("typed", ["{lower}", " {code} ", "{bare}"])
def test_a_user_code_may_be_typed_as_people_type(provider: Party, typed: str) -> None:
    code = begin(provider)["user_code"]
    said = typed.format(code=code, lower=code.lower(), bare=code.replace("-", ""))
    assert provider.get("/oauth/device?" + urlencode({"user_code": said})).status_code == 200


def test_a_forged_decision_decides_nothing(provider: Party) -> None:
    device = begin(provider)
    forged = {"ticket": "forged", "user": "alice", "user_code": device["user_code"]}
    for form in (forged, {"user": "alice", "user_code": device["user_code"]}):
        assert provider.form("/oauth/device", form, auth=None).status_code == 403
    assert poll(provider, device)["error"] == "authorization_pending"


def test_a_test_decides_without_a_page(provider: Party) -> None:
    device = begin(provider, scope="openid")
    provider.control("POST", "/dev/device", {"user_code": device["user_code"], "user": "bob"})
    assert (
        fields_of(provider.form("/oauth/introspect", {"token": poll(provider, device)["access_token"]}))["sub"] == "bob"
    )


def test_a_scope_that_the_client_may_not_have_is_refused(provider: Party) -> None:
    assert begin(provider, scope="unheard_of")["error"] == "invalid_scope"


def push(provider: Party, auth: str = "", **changes: str) -> requests.Response:
    usual = {"redirect_uri": REDIRECT_URI, "response_type": "code", "state": "pushed-state", "scope": "openid"}
    return provider.form("/oauth/par", {**usual, **changes}, auth=auth)


def use(provider: Party, uri: str, **changes: Any) -> requests.Response:
    query = {"client_id": CLIENT_ID, "request_uri": uri, **changes}
    return provider.get("/oauth/authorize?" + urlencode(query))


def test_a_pushed_request_is_used_once_and_as_it_was_pushed(provider: Party) -> None:
    answer = push(provider, prompt="none", login_hint="alice", code_challenge=challenge_of(VERIFIER),
                  code_challenge_method="S256")  # fmt: skip
    assert answer.status_code == 201
    fields = fields_of(answer)
    assert fields["request_uri"].startswith("urn:ietf:params:oauth:request_uri:dk-dev-")
    assert fields["expires_in"] == 60
    found = query_of(use(provider, fields["request_uri"], state="other", scope="message_read"))
    assert found["state"] == "pushed-state"
    tokens = fields_of(provider.redeem(found["code"], code_verifier=VERIFIER))
    assert tokens["scope"] == "openid"
    assert use(provider, fields["request_uri"]).status_code == 400


def test_a_pushed_request_ends_and_is_its_clients(provider: Party) -> None:
    provider.register("other")
    uri = fields_of(push(provider))["request_uri"]
    assert use(provider, uri, client_id="other").status_code == 400
    assert use(provider, uri).status_code == 200
    late = fields_of(push(provider))["request_uri"]
    provider.clock.advance(61)
    assert use(provider, late).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "http://evil.example/"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "unheard_of"}, "invalid_scope"),
        ({"request_uri": "urn:x"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_pushed(provider: Party, changes: dict[str, str], error: str) -> None:
    answer = push(provider, **changes)
    assert (answer.status_code, fields_of(answer)["error"]) == (400, error)


def test_only_an_authenticated_client_pushes(provider: Party) -> None:
    assert provider.form("/oauth/par", {"client_id": CLIENT_ID}, auth=None).status_code == 401


def test_a_client_that_must_push_cannot_do_otherwise(provider: Party) -> None:
    auth = provider.register("pushing", require_pushed_authorization_requests=True)
    found = query_of(provider.authorize(client_id="pushing", scope="openid"))
    assert found["error"] == "invalid_request"
    uri = fields_of(push(provider, auth, prompt="none", login_hint="alice"))["request_uri"]
    assert "code" in query_of(use(provider, uri, client_id="pushing"))
