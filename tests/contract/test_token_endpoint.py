"""POST /oauth/token: answers and errors exactly as DESIGN section 1 has them, whoever asks and how."""

import logging
import re
import uuid
from datetime import UTC, datetime

import pytest

from doorkey.devprovider.provider_store import ProviderStore
from doorkey.presets import WATSONWORK_SCOPES
from tests.conftest import MovedClock
from tests.contract.party import CLIENT_ID, CLIENT_SECRET, FORM, Party, basic, fields_of

ERROR_KEYS = ["error", "error_description", "message", "path", "status", "timestamp"]
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
CLIENT_CREDENTIALS = {"grant_type": "client_credentials"}


def test_a_code_gives_the_five_fields_in_order(provider: Party) -> None:
    answer = provider.tokens(scope="message_read space_read")
    assert list(answer) == ["access_token", "token_type", "expires_in", "refresh_token", "scope"]
    assert answer["token_type"] == "bearer"
    assert answer["scope"] == "message_read space_read"
    assert type(answer["expires_in"]) is int
    assert 0 < answer["expires_in"] <= 24 * 3600
    assert answer["access_token"] != answer["refresh_token"]


def test_client_credentials_have_no_refresh_token_but_id_and_jti(provider: Party) -> None:
    response = provider.token(CLIENT_CREDENTIALS)
    answer = fields_of(response)
    assert response.status_code == 200
    assert list(answer) == ["access_token", "token_type", "expires_in", "scope", "id", "jti"]
    assert answer["token_type"] == "bearer"
    assert answer["scope"] == WATSONWORK_SCOPES
    assert str(uuid.UUID(answer["id"])) == answer["id"]
    assert str(uuid.UUID(answer["jti"])) == answer["jti"]


def test_the_id_of_a_client_stays_and_its_jti_does_not(provider: Party) -> None:
    first, second = (fields_of(provider.token(CLIENT_CREDENTIALS)) for _ in range(2))
    assert first["id"] == second["id"]
    assert first["jti"] != second["jti"]


def test_client_credentials_may_be_narrowed_and_not_widened(provider: Party) -> None:
    narrowed = provider.token(CLIENT_CREDENTIALS | {"scope": "space_read"})
    assert fields_of(narrowed)["scope"] == "space_read"
    widened = provider.token(CLIENT_CREDENTIALS | {"scope": "space_read admin"})
    assert (widened.status_code, fields_of(widened)["error"]) == (400, "invalid_scope")


def test_a_refresh_adds_who_the_user_is(provider: Party) -> None:
    answer = fields_of(provider.refresh(provider.tokens(scope="message_read space_read")["refresh_token"]))
    assert list(answer) == [
        "access_token", "token_type", "expires_in", "refresh_token", "scope",
        "id", "displayName", "jti", "providerId", "permissions",
    ]  # fmt: skip
    assert (answer["token_type"], answer["scope"]) == ("bearer", "message_read space_read")
    assert (answer["id"], answer["displayName"]) == ("alice", "Alice Archer")
    assert answer["permissions"] == ["message_read", "space_read"]
    assert uuid.UUID(answer["jti"])
    assert isinstance(answer["providerId"], str)
    assert answer["providerId"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(CLIENT_CREDENTIALS, id="success"),
        pytest.param({"grant_type": "unheard"}, id="error"),
    ],
)
def test_no_answer_may_be_kept(provider: Party, fields: dict[str, str]) -> None:
    response = provider.token(fields)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert response.headers["Content-Type"].startswith("application/json")
    assert "Set-Cookie" not in response.headers


def _is_the_error(response_fields: dict[str, object], status: int, error: str) -> None:
    assert list(response_fields) == ERROR_KEYS
    assert response_fields["error"] == error
    assert response_fields["status"] == str(status)
    assert response_fields["path"] == "/oauth/token"
    assert all(isinstance(value, str) and value for value in response_fields.values())
    assert TIMESTAMP.fullmatch(str(response_fields["timestamp"]))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"", "invalid_request", id="empty body"),
        pytest.param(b"scope=x", "invalid_request", id="no grant_type"),
        pytest.param(b"grant_type=", "invalid_request", id="empty grant_type"),
        pytest.param(b"grant_type=password&username=a&password=b", "unsupported_grant_type", id="unknown grant_type"),
        pytest.param(b"grant_type=Client_Credentials", "unsupported_grant_type", id="grant_type in other letters"),
        pytest.param(b"grant_type=authorization_code", "invalid_request", id="no code"),
        pytest.param(b"grant_type=authorization_code&code=", "invalid_request", id="empty code"),
        pytest.param(b"grant_type=authorization_code&code=unheard", "invalid_grant", id="unknown code"),
        pytest.param(b"grant_type=authorization_code&code=%00%0A%F0%9F%98%80", "invalid_grant", id="odd code"),
        pytest.param(b"grant_type=refresh_token", "invalid_request", id="no refresh_token"),
        pytest.param(b"grant_type=refresh_token&refresh_token=x", "invalid_grant", id="unknown refresh_token"),
        pytest.param(b"grant_type=client_credentials&scope=admin", "invalid_scope", id="unregistered scope"),
        pytest.param(b"grant_type=client_credentials&grant_type=client_credentials", "invalid_request", id="twice"),
        pytest.param(b"grant_type=client_credentials&x=1&x=2", "invalid_request", id="unknown one twice"),
        pytest.param(b"grant_type=client_credentials&scope=%FF", "invalid_request", id="escaped bad utf-8"),
        pytest.param(b"grant_type=client_credentials&scope=\xff", "invalid_request", id="bad utf-8"),
        pytest.param(b"\x00\x01\x02", "invalid_request", id="rubbish"),
        pytest.param(b"&".join(b"a%d=1" % n for n in range(5000)), "invalid_request", id="5,000 fields"),
        pytest.param(b"grant_type=client_credentials&client_id=someone-else", "invalid_request", id="other client_id"),
    ],
)
def test_a_wrong_request_gets_a_400_of_the_contract(provider: Party, body: bytes, error: str) -> None:
    response = provider.post(body)
    assert response.status_code == 400
    _is_the_error(fields_of(response), 400, error)
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b", "text/plain", ""])
def test_only_a_form_body_counts(provider: Party, content_type: str) -> None:
    response = provider.post(b'{"grant_type": "client_credentials"}', content_type=content_type)
    assert response.status_code == 400
    _is_the_error(fields_of(response), 400, "invalid_request")


@pytest.mark.parametrize("content_type", [f"{FORM}; charset=UTF-8", FORM.upper(), f"{FORM} ;charset=utf-8"])
def test_a_charset_and_capitals_do_not_matter(provider: Party, content_type: str) -> None:
    assert provider.post(b"grant_type=client_credentials", content_type=content_type).status_code == 200


def test_parameters_in_the_query_are_ignored_and_not_in_the_path(provider: Party) -> None:
    response = provider.post(b"", query="?grant_type=client_credentials&secret=canary")
    _is_the_error(fields_of(response), 400, "invalid_request")
    assert provider.post(b"grant_type=client_credentials", query="?grant_type=unheard").status_code == 200


def test_an_empty_value_counts_as_absent(provider: Party) -> None:
    answer = fields_of(provider.post(b"grant_type=client_credentials&scope="))
    assert answer["scope"] == WATSONWORK_SCOPES


def test_get_is_405_in_the_same_shape(provider: Party) -> None:
    response = provider.session.get(
        f"{provider.url}/oauth/token?grant_type=client_credentials", headers={"Authorization": basic()}
    )
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    _is_the_error(fields_of(response), 405, "invalid_request")


def test_a_body_of_ten_megabytes_is_refused(provider: Party) -> None:
    """Over a socket the server may hang up while we are still sending; it must not take the body in."""
    try:
        response = provider.post(b"grant_type=client_credentials&x=" + b"x" * 10_000_000)
    except OSError:  # what requests raises is one
        assert provider.post(b"grant_type=client_credentials").status_code == 200
        return
    _is_the_error(fields_of(response), response.status_code, "invalid_request")
    assert response.status_code in (400, 413)


@pytest.mark.parametrize("moved", [0.0, 0.123, 0.999, 59.5])
def test_the_timestamp_is_now_with_milliseconds(provider: Party, clock: MovedClock, moved: float) -> None:
    clock.advance(moved)
    stamp = fields_of(provider.post(b""))["timestamp"]
    told = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs((told - datetime.fromtimestamp(clock.now, UTC)).total_seconds()) < 0.002


@pytest.fixture
def broken_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("canary of the inside")

    monkeypatch.setattr(ProviderStore, "issue", fail)


@pytest.mark.usefixtures("broken_store")
def test_a_failure_inside_is_a_500_of_the_contract_and_tells_nothing(provider: Party) -> None:
    response = provider.token(CLIENT_CREDENTIALS)
    assert response.status_code == 500
    _is_the_error(fields_of(response), 500, "server_error")
    assert "canary" not in response.text
    assert "Traceback" not in response.text


@pytest.mark.usefixtures("broken_store")
def test_a_failure_inside_is_explained_in_the_log(provider: Party, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("doorkey")  # not the root: Doorkey replaces its handlers
    logger.addHandler(caplog.handler)
    try:
        provider.token(CLIENT_CREDENTIALS)
    finally:
        logger.removeHandler(caplog.handler)
    assert "canary of the inside" in caplog.text


BAD_CREDENTIALS = [
    pytest.param(None, id="no header"),
    pytest.param("Basic", id="no credentials"),
    pytest.param("Basic ====", id="not base64"),
    pytest.param("Basic bm8tY29sb24=", id="no colon"),
    pytest.param("Basic /w==", id="not utf-8"),
    pytest.param("Bearer abc", id="another scheme"),
    pytest.param(basic("unheard"), id="unknown client"),
    pytest.param(basic(secret="wrong"), id="wrong secret"),
    pytest.param(basic(secret=""), id="empty secret"),
    pytest.param(basic("", ""), id="empty both"),
    pytest.param(basic("unheard", "\0"), id="unknown client with the stand-in secret"),
    pytest.param(basic(secret=CLIENT_SECRET + "x"), id="secret with more behind it"),
    pytest.param(basic(CLIENT_ID.upper()), id="client in other letters"),
]


@pytest.mark.parametrize("auth", BAD_CREDENTIALS)
def test_wrong_credentials_get_a_401_that_does_not_say_which(provider: Party, auth: str | None) -> None:
    response = provider.token(CLIENT_CREDENTIALS, auth=auth)
    assert response.status_code == 401
    _is_the_error(fields_of(response), 401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith('Basic realm="')
    reference = provider.token(CLIENT_CREDENTIALS, auth=basic(secret="another wrong one"))
    assert response.content == reference.content
    kept = [name for name in response.headers if name not in ("Date", "Content-Length")]
    assert {n: response.headers[n] for n in kept} == {n: reference.headers[n] for n in kept}


def test_credentials_are_looked_at_before_the_grant(provider: Party) -> None:
    response = provider.token({"grant_type": "unheard"}, auth=basic(secret="wrong"))
    assert response.status_code == 401


@pytest.mark.parametrize("encoded", [pytest.param(True, id="form-encoded"), pytest.param(False, id="as it is")])
def test_a_secret_with_every_odd_character_works(provider: Party, encoded: bool) -> None:
    assert provider.token(CLIENT_CREDENTIALS, auth=basic(encoded=encoded)).status_code == 200


def test_the_scheme_may_be_written_in_any_letters(provider: Party) -> None:
    assert provider.token(CLIENT_CREDENTIALS, auth="bAsIc" + basic().removeprefix("Basic")).status_code == 200


def test_two_ways_of_authenticating_at_once_are_a_400(provider: Party) -> None:
    response = provider.token(CLIENT_CREDENTIALS | {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    assert response.status_code == 400
    _is_the_error(fields_of(response), 400, "invalid_request")


def test_a_secret_in_the_body_alone_is_not_a_way_in(provider: Party) -> None:
    both = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    assert provider.token(CLIENT_CREDENTIALS | both, auth=None).status_code == 401


def test_two_authorization_headers_are_refused(provider: Party) -> None:
    """A server joins them with a comma before any WSGI app sees them."""
    response = provider.token(CLIENT_CREDENTIALS, auth=f"{basic()}, {basic()}")
    assert response.status_code == 400
    _is_the_error(fields_of(response), 400, "invalid_request")


def test_repeating_the_own_client_id_in_the_body_is_fine(provider: Party) -> None:
    assert provider.token(CLIENT_CREDENTIALS | {"client_id": CLIENT_ID}).status_code == 200
