"""GET and POST /oauth/authorize: the page, the way back, and who is never sent anywhere."""

from urllib.parse import parse_qs, urlsplit

import pytest

from doorkey.presets import WATSONWORK_SCOPES
from tests.contract.party import REDIRECT_URI, STATE, Party, fields_of, query_of


def test_the_page_offers_every_user_the_scopes_and_a_way_to_deny(provider: Party) -> None:
    page = provider.authorize(scope="message_read space_read")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    for words in ("Alice Archer", "Bob Baker", "message_read", "space_read", "Deny", "Development provider"):
        assert words in page.text
    assert "transcript_read" not in page.text


def test_the_page_may_be_neither_kept_nor_framed(provider: Party) -> None:
    headers = provider.authorize().headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("scope", [pytest.param(None, id="absent"), pytest.param("", id="empty")])
def test_no_scope_means_the_registered_ones(provider: Party, scope: str | None) -> None:
    page = provider.authorize(scope=scope).text
    assert all(f'value="{name}"' in page for name in WATSONWORK_SCOPES.split())


def test_allowing_goes_back_with_code_state_and_issuer(provider: Party) -> None:
    page = provider.authorize(scope="message_read space_read")
    response = provider.decide(page, user="bob", scope=["message_read", "space_read"])
    assert response.status_code == 302
    assert response.headers["Location"].startswith(REDIRECT_URI + "?")
    answer = query_of(response)
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (STATE, provider.url)
    tokens = fields_of(provider.redeem(answer["code"]))
    assert tokens["scope"] == "message_read space_read"
    assert fields_of(provider.user_info(tokens["access_token"]))["sub"] == "bob"


def test_scopes_may_be_narrowed_on_the_page_and_not_widened(provider: Party) -> None:
    page = provider.authorize(scope="message_read space_read")
    answer = query_of(provider.decide(page, user="bob", scope=["space_read", "space_create"]))
    assert fields_of(provider.redeem(answer["code"]))["scope"] == "space_read"


def test_denying_goes_back_with_access_denied_and_state(provider: Party) -> None:
    response = provider.decide(provider.authorize(), deny="1")
    assert response.status_code == 302
    answer = query_of(response)
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", STATE, provider.url)
    assert "code" not in answer


def test_a_decision_counts_once(provider: Party) -> None:
    page = provider.authorize()
    assert provider.decide(page, user="alice").status_code == 302
    assert provider.decide(page, user="alice").status_code == 400


def test_a_decision_of_another_browser_is_refused(provider: Party) -> None:
    """Whoever lures somebody into sending a form decides nothing for them, with or without a cookie of their own."""
    page, elsewhere, without_cookie = provider.authorize(), provider.authorize(), provider.authorize(client_id=None)
    assert provider.decide(page, browser=elsewhere, user="alice").status_code == 403
    assert provider.decide(page, browser=without_cookie, user="alice").status_code == 403
    assert provider.decide(page, user="alice").status_code == 302


def test_a_forged_ticket_is_refused(provider: Party) -> None:
    page = provider.authorize()
    assert provider.decide(page, ticket="forged.ticket.value", user="alice").status_code == 403


def test_a_decision_without_a_user_is_refused(provider: Party) -> None:
    page = provider.authorize()
    assert provider.decide(page, user="nobody").status_code == 400
    assert provider.decide(page, user="alice").status_code == 302


def test_a_state_of_odd_characters_comes_back_unchanged(provider: Party) -> None:
    state = "a&b=c%41+ü €\"'<>\\/?#"
    answer = query_of(provider.decide(provider.authorize(state=state), user="alice"))
    assert answer["state"] == state


def test_prompt_none_signs_the_hinted_user_in_without_a_page(provider: Party) -> None:
    response = provider.authorize(prompt="none", login_hint="carol")
    assert response.status_code == 302
    tokens = fields_of(provider.redeem(query_of(response)["code"]))
    assert fields_of(provider.user_info(tokens["access_token"]))["sub"] == "carol"


@pytest.mark.parametrize("hint", [pytest.param(None, id="no hint"), pytest.param("nobody", id="unknown user")])
def test_prompt_none_without_a_known_user_is_login_required(provider: Party, hint: str | None) -> None:
    response = provider.authorize(prompt="none", login_hint=hint)
    answer = query_of(response)
    assert (response.status_code, answer["error"], answer["state"]) == (302, "login_required", STATE)


WRONG = [
    pytest.param({"response_type": None}, "invalid_request", id="no response_type"),
    pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
    pytest.param({"response_type": "code id_token"}, "unsupported_response_type", id="hybrid"),
    pytest.param({"response_type": ["code", "code"]}, "invalid_request", id="response_type twice"),
    pytest.param({"scope": "admin"}, "invalid_scope", id="unregistered scope"),
    pytest.param({"scope": ["message_read", "space_read"]}, "invalid_request", id="scope twice"),
    pytest.param({"code_challenge": "c" * 43, "code_challenge_method": "plain"}, "invalid_request", id="plain PKCE"),
    pytest.param({"code_challenge": "c" * 43}, "invalid_request", id="PKCE without method, which means plain"),
    pytest.param({"code_challenge_method": "S256"}, "invalid_request", id="PKCE without challenge"),
    pytest.param(
        {"code_challenge": "c" * 42, "code_challenge_method": "S256"}, "invalid_request", id="short challenge"
    ),
]


@pytest.mark.parametrize(("changes", "error"), WRONG)
def test_a_wrong_request_goes_back_with_error_and_state(
    provider: Party, changes: dict[str, str | list[str] | None], error: str
) -> None:
    response = provider.authorize(**changes)
    assert response.status_code == 302
    assert response.headers["Location"].startswith(REDIRECT_URI + "?")
    answer = query_of(response)
    assert (answer["error"], answer["state"], answer["iss"]) == (error, STATE, provider.url)
    assert answer["error_description"]


@pytest.mark.parametrize(
    "state", [pytest.param(None, id="absent"), pytest.param("", id="empty"), pytest.param(["a", "b"], id="twice")]
)
def test_a_missing_state_goes_back_without_one(provider: Party, state: str | list[str] | None) -> None:
    response = provider.authorize(state=state)
    answer = parse_qs(urlsplit(response.headers["Location"]).query)
    assert (response.status_code, answer["error"], "state" in answer) == (302, ["invalid_request"], False)


NEVER_SENT_ANYWHERE = [
    pytest.param({"client_id": None}, id="no client"),
    pytest.param({"client_id": "unheard"}, id="unknown client"),
    pytest.param({"client_id": ["contract-client", "contract-client"]}, id="client twice"),
    pytest.param({"redirect_uri": None}, id="no redirect_uri"),
    pytest.param({"redirect_uri": "https://evil.example/cb"}, id="foreign redirect_uri"),
    pytest.param({"redirect_uri": REDIRECT_URI + "/"}, id="slash more"),
    pytest.param({"redirect_uri": REDIRECT_URI + "?x=1"}, id="query more"),
    pytest.param({"redirect_uri": REDIRECT_URI + "/../evil"}, id="path traversal"),
    pytest.param({"redirect_uri": "http://127.0.0.1:8000@evil.example/callback/dev"}, id="user name"),
    pytest.param({"redirect_uri": "http://127.0.0.1:99999/callback/dev"}, id="impossible port"),
    pytest.param({"redirect_uri": "http://localhost:8000/callback/dev"}, id="localhost is not registered"),
    pytest.param({"redirect_uri": REDIRECT_URI.replace("http", "https")}, id="another scheme"),
    pytest.param({"redirect_uri": [REDIRECT_URI, REDIRECT_URI]}, id="redirect_uri twice"),
    pytest.param({"redirect_uri": 'http://127.0.0.1:8000/"ü\r\nX: y'}, id="forbidden characters"),
]


@pytest.mark.parametrize("changes", NEVER_SENT_ANYWHERE)
def test_an_unknown_client_or_redirect_uri_is_a_page(
    provider: Party, changes: dict[str, str | list[str] | None]
) -> None:
    response = provider.authorize(**changes)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_loopback_redirect_uri_may_have_any_port(provider: Party) -> None:
    """RFC 8252 section 7.3: native programs do not know their port beforehand."""
    uri = REDIRECT_URI.replace("8000", "54321")
    response = provider.authorize(redirect_uri=uri, prompt="none", login_hint="alice")
    assert response.headers["Location"].startswith(uri + "?code=")
    assert provider.redeem(query_of(response)["code"], redirect_uri=uri).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("evil.example", 400, id="a name that was rebound to loopback"),
        pytest.param("127.0.0.1.evil.example", 400, id="a name that looks like loopback"),
        pytest.param("127.0.0.1:8000", 200, id="loopback"),
    ],
)
def test_it_answers_under_loopback_names_only(provider: Party, host: str, status: int) -> None:
    page = provider.session.get(
        f"{provider.url}/oauth/authorize",
        params={"client_id": "contract-client", "redirect_uri": REDIRECT_URI, "response_type": "code", "state": "s"},
        headers={"Host": host},
    )
    assert page.status_code == status
