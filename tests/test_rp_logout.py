"""The address of a sign-out at the provider, and where it may lead (oauth/rp_logout.py)."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from doorkey.oauth.metadata import Metadata
from doorkey.oauth.provider import Provider
from doorkey.oauth.rp_logout import LONGEST_URL, end_session_url, origins, ways_out
from tests.test_provider import made

LEAVE = "https://acme.example/leave"
RETURN_TO = "https://login.example.com/logged-out"
ISSUER = "https://acme.example/tenant"
OPENID = {"ISSUER": ISSUER, "SCOPE": "openid"}


def leaving(end_session_endpoint: str = LEAVE, **changes: str) -> Provider:
    return made(**{**OPENID, "END_SESSION_ENDPOINT": end_session_endpoint, **changes})


def url_for(provider: Provider, id_token: str = "a.b.c", return_to: str = RETURN_TO) -> str:
    return end_session_url(provider, id_token=id_token, state="state-1", return_to=return_to)


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, strict_parsing=True, keep_blank_values=True)


FIELDS = {
    "id_token_hint": ["a.b.c"],
    "client_id": ["doorkey"],
    "post_logout_redirect_uri": [RETURN_TO],
    "state": ["state-1"],
}


def test_the_provider_is_told_whose_session_ends_and_where_to_go_then() -> None:
    url = url_for(leaving())
    assert url.partition("?")[0] == LEAVE
    assert query_of(url) == FIELDS


@pytest.mark.parametrize("query", ["p=policy-1", "a=1&b=2", "a=%20%2B"])
def test_a_query_of_the_endpoint_itself_stays_as_it_is(query: str) -> None:
    url = url_for(leaving(f"{LEAVE}?{query}"))
    assert url.startswith(f"{LEAVE}?{query}&id_token_hint=")
    assert query_of(url) == {**parse_qs(query), **FIELDS}


def test_every_value_is_encoded() -> None:
    odd = "https://www.example.com/bye?next=/a b&x=ä#"
    found = query_of(url_for(leaving(CLIENT_ID="a&b=c d+e"), return_to=odd))
    assert found["client_id"] == ["a&b=c d+e"]
    assert found["post_logout_redirect_uri"] == [odd]


@pytest.mark.parametrize(
    ("changes", "id_token"),
    [({"END_SESSION": "never"}, "a.b.c"), ({"END_SESSION_ENDPOINT": ""}, "a.b.c"), ({}, "")],
    ids=["never", "no endpoint", "no ID token"],
)
def test_otherwise_nobody_is_sent_there(changes: dict[str, str], id_token: str) -> None:
    assert end_session_url(leaving(**changes), id_token=id_token, state="s", return_to=RETURN_TO) == ""


def test_an_address_that_servers_would_refuse_goes_without_the_hint() -> None:
    without = len(url_for(leaving(), "x")) - 1
    fits, too_long = "x" * (LONGEST_URL - without), "x" * (LONGEST_URL - without + 1)
    assert len(url_for(leaving(), fits)) == LONGEST_URL
    assert query_of(url_for(leaving(), fits))["id_token_hint"] == [fits]
    for token in (too_long, "x" * 64 * 1024):
        url = url_for(leaving(), token)
        assert query_of(url) == {name: values for name, values in FIELDS.items() if name != "id_token_hint"}
        assert len(url) < 1000


def described(end_session_endpoint: str = "") -> Provider:
    """As its metadata says."""
    provider = replace(made(**OPENID, AUTHORIZATION_ENDPOINT=""), described=False)
    return provider.described_by(Metadata(issuer=ISSUER, location="", end_session_endpoint=end_session_endpoint))


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        pytest.param(leaving(), ("https://acme.example",), id="its own host"),
        pytest.param(
            leaving("https://sso.acme.example:8443/leave?x=1"),
            ("https://sso.acme.example:8443", "https://acme.example"),
            id="another host",
        ),
        pytest.param(
            leaving(ENDPOINT_HOSTS="login.acme.example,*.acme.example"),
            ("https://acme.example", "https://login.acme.example", "https://*.acme.example"),
            id="hosts that it forwards through",
        ),
        pytest.param(
            leaving(POST_LOGOUT_REDIRECT_URI="https://www.example.com:444/bye?x=1"),
            ("https://acme.example", "https://www.example.com:444"),
            id="an address for afterwards that is elsewhere",
        ),
        pytest.param(
            leaving(POST_LOGOUT_REDIRECT_URI="https://acme.example/bye"), ("https://acme.example",), id="each once"
        ),
        pytest.param(replace(made(**OPENID), described=False), ("https://acme.example",), id="nothing is known yet"),
        pytest.param(described(LEAVE), ("https://acme.example",), id="metadata names it"),
        pytest.param(described(), (), id="metadata names none"),
        pytest.param(leaving(END_SESSION="never", POST_LOGOUT_REDIRECT_URI="https://a.example/"), (), id="never"),
        pytest.param(made(), (), id="plain OAuth"),
    ],
)
def test_a_sign_out_may_lead_where_it_does_and_nowhere_else(provider: Provider, found: tuple[str, ...]) -> None:
    assert ways_out(provider) == found


def test_pages_of_the_provider_are_its_own_whatever_sign_outs_here_do() -> None:
    """For the frames in them."""
    assert origins(leaving(END_SESSION="never")) == ("https://acme.example",)
    assert origins(described()) == ("https://acme.example",)
    assert origins(leaving(POST_LOGOUT_REDIRECT_URI="https://www.example.com/")) == ("https://acme.example",)
