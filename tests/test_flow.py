"""begin, read_state, check_callback: what leaves, and what may come back (oauth/flow.py)."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from doorkey.base64url import encode
from doorkey.errors import (
    AccessDenied,
    AuthorizationRefused,
    CallbackMalformed,
    DoorkeyError,
    IssuerMismatch,
    StateMismatch,
)
from doorkey.oauth.flow import (
    LOGIN_SECONDS,
    Begun,
    CheckedCallback,
    begin,
    check_callback,
    read_state,
    state_name,
)
from doorkey.oauth.http import Transport
from doorkey.oauth.trace import Trace
from tests.contract.party import challenge_of
from tests.test_provider import made

NOW = 1_800_000_000.0
ISSUER = "https://acme.example"


def begun(scope: tuple[str, ...] = (), **changes: str) -> Begun:
    counter = iter(range(1, 100))
    provider = made(**changes)
    return begin(
        replace(provider, scope=scope or provider.scope),
        redirect_uri="https://login.example.com/callback/acme",
        return_to="/reports",
        transport=Transport(),
        trace=Trace(),
        clock=lambda: NOW,
        random=lambda n: bytes([next(counter)]) * n,
    )


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def test_the_authorization_url_is_the_contracts() -> None:
    start = begun()
    assert start.url.startswith("https://acme.example/authorize?")
    assert query(start.url) == {
        "response_type": ["code"],
        "client_id": ["doorkey"],
        "redirect_uri": ["https://login.example.com/callback/acme"],
        "scope": ["read write"],
        "state": [start.state],
        "code_challenge": [challenge_of(encode(start.transaction.verifier))],
        "code_challenge_method": ["S256"],
    }


def test_the_transaction_holds_what_the_callback_needs() -> None:
    start = begun()
    transaction = start.transaction
    assert (transaction.provider, transaction.return_to, transaction.scope) == ("acme", "/reports", ("read", "write"))
    assert transaction.redirect_uri == "https://login.example.com/callback/acme"
    assert transaction.began_at == NOW
    assert start.state == encode(b"\x01" * 32)
    assert transaction.verifier == b"\x02" * 32
    assert transaction.nonce == b""


def test_no_secret_of_the_transaction_is_in_the_url() -> None:
    start = begun(("openid",))
    assert encode(start.transaction.verifier) not in start.url
    assert "canary" not in start.url


def test_a_nonce_is_sent_when_openid_is_asked() -> None:
    start = begun(("openid", "profile"))
    assert query(start.url)["nonce"] == [encode(start.transaction.nonce)]
    assert len(start.transaction.nonce) == 32


def test_without_a_scope_none_is_sent() -> None:
    assert "scope" not in query(begun(SCOPE="").url)


def test_pkce_can_be_turned_off_by_a_setting_only() -> None:
    assert not [name for name in query(begun(PKCE="off").url) if name.startswith("code_challenge")]


def test_more_parameters_are_added_and_an_endpoints_query_is_kept() -> None:
    start = begun(
        AUTHORIZATION_PARAMS="prompt=consent&acr=a%26b",
        AUTHORIZATION_ENDPOINT="https://acme.example/authorize?tenant=1",
    )
    found = query(start.url)
    assert (found["tenant"], found["prompt"], found["acr"]) == (["1"], ["consent"], ["a&b"])


def test_a_transaction_is_small_and_comes_back_from_bytes() -> None:
    transaction = begun(("openid",)).transaction
    content = msgspec.msgpack.encode(transaction)
    assert msgspec.msgpack.decode(content, type=type(transaction)) == transaction
    assert len(content) < 250


@pytest.mark.parametrize(
    ("after", "live"), [(-61, False), (-60, True), (0, True), (LOGIN_SECONDS - 1, True), (LOGIN_SECONDS, False)]
)
def test_a_transaction_lives_for_ten_minutes(after: int, live: bool) -> None:
    assert begun().transaction.is_live(NOW + after) is live


def test_the_name_of_a_state_does_not_tell_it() -> None:
    assert state_name("abc") == state_name("abc") != state_name("abd")
    assert "abc" not in state_name("abc")
    assert len(state_name("x" * 512)) == 32
    assert state_name("\ud800")


@pytest.mark.parametrize(
    "states", [[], [""], ["a", "a"], ["a", "b"], ["x" * 513]], ids=["none", "empty", "twice", "two", "too long"]
)
def test_a_callback_has_exactly_one_state(states: list[str]) -> None:
    with pytest.raises(StateMismatch):
        read_state(lambda name: states if name == "state" else [])
    assert read_state(lambda name: ["s" * 512]) == "s" * 512


def check(callback: str, **changes: str) -> tuple[CheckedCallback | DoorkeyError, Trace]:
    trace, given = Trace(), parse_qs(callback, keep_blank_values=True)
    try:
        return check_callback(made(**changes), begun().transaction, lambda name: given.get(name, []), trace), trace
    except DoorkeyError as error:
        return error, trace


@pytest.mark.parametrize(
    ("callback", "changes"),
    [
        pytest.param("code=c&state=s", {}, id="code"),
        pytest.param("code=c&state=s&iss=https://acme.example", {"ISSUER": ISSUER}, id="right issuer"),
        pytest.param("code=c&state=s", {"ISSUER": ISSUER}, id="issuer that says nothing"),
        pytest.param("code=c&state=s&iss=https://any.example", {}, id="no issuer configured"),
        pytest.param("code=c&state=s&scope=x&session_state=y", {}, id="more parameters"),
    ],
)
def test_these_callbacks_may_go_on(callback: str, changes: dict[str, str]) -> None:
    found, trace = check(callback, **changes)
    assert isinstance(found, CheckedCallback)
    assert (found.code, found.provider.id) == ("c", "acme")
    assert not trace.steps[0].failed


@pytest.mark.parametrize(
    ("callback", "kind"),
    [
        pytest.param("state=s", CallbackMalformed, id="nothing"),
        pytest.param("code=", CallbackMalformed, id="empty code"),
        pytest.param("code=a&code=b", CallbackMalformed, id="two codes"),
        pytest.param("code=a&code=a", CallbackMalformed, id="one code twice"),
        pytest.param("code=a&error=access_denied", CallbackMalformed, id="code and error"),
        pytest.param("error=a&error=b", CallbackMalformed, id="two errors"),
        pytest.param("error=access_denied", AccessDenied, id="denied"),
        pytest.param("error=invalid_scope&error_description=no", AuthorizationRefused, id="refused"),
        pytest.param("error=", AuthorizationRefused, id="empty error"),
        pytest.param("code=c&iss=https://evil.example", IssuerMismatch, id="foreign issuer"),
        pytest.param("code=c&iss=https://acme.example/", IssuerMismatch, id="slash more"),
        pytest.param("code=c&iss=https://acme.example&iss=https://acme.example", IssuerMismatch, id="issuer twice"),
        pytest.param("code=c&iss=", IssuerMismatch, id="empty issuer"),
        pytest.param("error=access_denied&iss=https://evil.example", IssuerMismatch, id="issuer is looked at first"),
    ],
)
def test_these_callbacks_end_here(callback: str, kind: type[DoorkeyError]) -> None:
    found, trace = check(callback, ISSUER=ISSUER)
    assert type(found) is kind
    assert trace.steps[0].failed


def test_what_the_provider_says_is_cleaned_and_kept() -> None:
    found, _ = check("error=access_denied&error_description=%1b%5b31mno%0d%0aX:%20y" + "z" * 500)
    assert isinstance(found, AccessDenied)
    assert found.provider_error is not None
    assert found.provider_error["error"] == "access_denied"
    assert found.provider_error["error_description"].isprintable()
    assert len(found.provider_error["error_description"]) == 200


def test_neither_trace_nor_error_holds_a_code() -> None:
    for callback in ("code=canary", "code=canary&code=canary", "code=canary&iss=https://evil.example"):
        found, trace = check(callback, ISSUER=ISSUER)
        shown = str(trace.as_data()) + (str(found) if isinstance(found, DoorkeyError) else "")
        assert "canary" not in shown
