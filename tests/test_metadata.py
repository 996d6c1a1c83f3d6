"""What is read of a provider's metadata, where it is looked for, and what is refused (oauth/metadata.py)."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from doorkey.errors import DoorkeyError, MetadataInvalid, ProviderError, ProviderUnreachable, ResponseTooLarge
from doorkey.factory import create_app
from doorkey.oauth.http import LARGEST_DOCUMENT, Transport
from doorkey.oauth.metadata import Metadata, fetch_metadata, is_outage, locations, read_metadata
from doorkey.settings import load
from tests.support.person import Person
from tests.support.scripted_provider import Answer
from tests.support.signing_provider import SigningProvider, openid_environ, signing_provider

ISSUER = "https://op.example"
OPENID = "/.well-known/openid-configuration"
RFC_8414 = "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


def fetch(transport: Transport, issuer: str, *, openid: bool = True) -> Metadata:
    return fetch_metadata(issuer, openid=openid, hosts=(), known=(), transport=transport)


def read(document: dict[str, Any], *, hosts: Sequence[str] = (), known: Sequence[str] = ()) -> Metadata:
    whole = {"issuer": ISSUER, **document}
    return read_metadata(whole, issuer=ISSUER, location=ISSUER + OPENID, hosts=hosts, known=known)


@pytest.mark.parametrize(
    ("issuer", "openid", "rfc"),
    [
        pytest.param(ISSUER, ISSUER + OPENID, ISSUER + RFC_8414, id="a host"),
        pytest.param(f"{ISSUER}/", ISSUER + OPENID, ISSUER + RFC_8414, id="a slash at the end"),
        pytest.param(f"{ISSUER}:8443", f"{ISSUER}:8443{OPENID}", f"{ISSUER}:8443{RFC_8414}", id="a port"),
        pytest.param(f"{ISSUER}/a/b", f"{ISSUER}/a/b{OPENID}", f"{ISSUER}{RFC_8414}/a/b", id="a path"),
        pytest.param(f"{ISSUER}/a/b/", f"{ISSUER}/a/b{OPENID}", f"{ISSUER}{RFC_8414}/a/b", id="a path and a slash"),
    ],
)
def test_the_specification_that_fits_says_where_to_look_first(issuer: str, openid: str, rfc: str) -> None:
    assert locations(issuer, openid=True) == (openid, rfc)
    assert locations(issuer, openid=False) == (rfc, openid)


@pytest.mark.parametrize("path", ["", "/", "/realm", "/realm/"], ids=["bare", "slash", "path", "path and slash"])
@pytest.mark.parametrize("openid", [True, False], ids=["openid", "plain"])
@pytest.mark.parametrize("first", [True, False], ids=["at the first place", "at the second place"])
def test_the_document_is_found_at_either_place(
    transport: Transport, stub: SigningProvider, path: str, openid: bool, first: bool
) -> None:
    stub.answers.clear()
    issuer = stub.url + path
    paths = [urlsplit(url).path for url in locations(issuer, openid=openid)]
    stub.answer(paths[0 if first else 1], {"issuer": issuer})
    found = fetch(transport, issuer, openid=openid)
    assert found.issuer == issuer
    assert [seen.path for seen in stub.seen] == paths[: 1 if first else 2]
    assert found.location == stub.url + stub.seen[-1].path


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_the_second_place_is_tried_when_the_first_says_that_nothing_is_there(
    transport: Transport, stub: SigningProvider, status: int
) -> None:
    stub.answer(OPENID, {}, status)
    stub.answer(RFC_8414, {"issuer": stub.url})
    assert fetch(transport, stub.url).location == stub.url + RFC_8414


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 500, 503])
def test_any_other_answer_is_not_a_document(transport: Transport, stub: SigningProvider, status: int) -> None:
    """A redirect is never followed: it would let another host describe the provider."""
    document = stub.describe()
    stub.answer("/elsewhere", document)
    stub.answer(OPENID, document, status, {"Location": f"{stub.url}/elsewhere"})
    stub.answer(RFC_8414, document)
    with pytest.raises(MetadataInvalid, match=f"status {status}") as caught:
        fetch(transport, stub.url)
    assert [seen.path for seen in stub.seen] == [OPENID]
    assert ("redirects" in caught.value.hint) is (300 <= status < 400)


def test_nothing_at_both_places_says_what_to_check(transport: Transport, stub: SigningProvider) -> None:
    stub.answers.clear()
    with pytest.raises(MetadataInvalid, match="status 404") as caught:
        fetch(transport, stub.url)
    assert "Check" in caught.value.hint


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'[{"issuer":"x"}]', b'"x"', b"null", b"<html>", b'{"issuer":"\xff"}', b"[" * 100_000],
    ids=["empty", "list", "object in a list", "text", "null", "html", "not utf-8", "deep"],
)
def test_what_is_no_json_object_is_no_document(transport: Transport, stub: SigningProvider, body: bytes) -> None:
    stub.answer(OPENID, body)
    with pytest.raises(MetadataInvalid):
        fetch(transport, stub.url)


@pytest.mark.parametrize("name", ["issuer", "token_endpoint", "anything"])
def test_a_document_with_a_name_twice_is_refused(transport: Transport, stub: SigningProvider, name: str) -> None:
    """Two readers of it could believe different things."""
    document = json.dumps(stub.describe(anything=1))
    stub.answer(OPENID, document[:-1] + f', "{name}": ' + json.dumps(json.loads(document)[name]) + "}")
    with pytest.raises(MetadataInvalid, match="twice"):
        fetch(transport, stub.url)


@pytest.mark.parametrize("excess", [0, 1])
def test_a_document_may_have_256_kibibytes(transport: Transport, stub: SigningProvider, excess: int) -> None:
    document = json.dumps(stub.describe())
    stub.answer(OPENID, document + " " * (LARGEST_DOCUMENT - len(document) + excess))
    if not excess:
        assert fetch(transport, stub.url).issuer == stub.url
        return
    with pytest.raises(ResponseTooLarge):
        fetch(transport, stub.url)


@pytest.mark.parametrize(
    "issuer",
    [
        None, "", 1, True, [], {}, ["https://op.example"], "INVALID", "https://op.example/", "https://OP.example",
        "HTTPS://op.example", "http://op.example", "https://op.example:443", " https://op.example",
        "https://op.example.evil.example", "https://op.example/a", "https://op.example#", "https://op.example?",
    ],
    ids=repr,
)  # fmt: skip
def test_the_issuer_is_the_configured_one_to_the_character(issuer: Any) -> None:
    with pytest.raises(MetadataInvalid) as caught:
        read({"issuer": issuer, "token_endpoint": f"{ISSUER}/token"})
    assert "issuer" in caught.value.detail
    assert "another name" in caught.value.message


def test_a_document_without_issuer_is_refused() -> None:
    with pytest.raises(MetadataInvalid, match="issuer is nothing"):
        read_metadata({}, issuer=ISSUER, location=ISSUER, hosts=(), known=())


def test_a_slash_that_was_configured_is_part_of_the_issuer() -> None:
    with pytest.raises(MetadataInvalid):
        read_metadata({"issuer": ISSUER}, issuer=f"{ISSUER}/", location=ISSUER, hosts=(), known=())


BAD_ENDPOINTS = {
    "http": "http://op.example/x",
    "ftp": "ftp://op.example/x",
    "file": "file:///etc/passwd",
    "javascript": "javascript:alert(1)",
    "data": "data:text/html,x",
    "relative": "/token",
    "no scheme": "//op.example/token",
    "another host": "https://evil.example/token",
    "a host below": "https://api.op.example/token",
    "a host that ends alike": "https://notop.example/token",
    "another port": "https://op.example:8443/token",
    "user name": "https://user@op.example/token",
    "password": "https://user:pass@op.example/token",
    "the issuer as user name": "https://op.example@evil.example/token",
    "fragment": "https://op.example/token#x",
    "empty fragment": "https://op.example/token#",
    "backslash": "https://op.example\\@evil.example/token",
    "space": "https://op.example/to ken",
    "line end": "https://op.example/token\r\nX: y",
    "odd port": "https://op.example:x/token",
    "not ascii": "https://op.exämple/token",
    "empty": "",
    "null": None,
    "number": 1,
    "true": True,
    "list": ["https://op.example/token"],
    "object": {"url": "https://op.example/token"},
}
ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
)


@pytest.mark.parametrize("value", BAD_ENDPOINTS.values(), ids=BAD_ENDPOINTS)
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_an_endpoint_is_an_address_of_the_issuer(name: str, value: Any) -> None:
    with pytest.raises(MetadataInvalid) as caught:
        read({name: value})
    assert name in caught.value.detail
    assert name in caught.value.message


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_is_looked_at(name: str) -> None:
    with pytest.raises(MetadataInvalid, match=name):
        read({name: "https://evil.example/x"})
    assert getattr(read({name: f"{ISSUER}/x?tenant=1"}), name) == f"{ISSUER}/x?tenant=1"


@pytest.mark.parametrize(
    ("value", "hosts", "taken"),
    [
        ("https://api.example/x", ("api.example",), True),
        ("https://api.example:8443/x", ("api.example",), False),
        ("https://a.api.example/x", ("*.api.example",), True),
        ("https://OP.EXAMPLE/x", (), True),
        ("https://a.api.example/x", ("api.example",), False),
        ("https://api.example/x", ("*.api.example",), False),
        ("https://api.example.evil.example/x", ("api.example",), False),
        ("http://127.0.0.1/x", ("127.0.0.1",), False),
    ],
)
def test_settings_name_the_other_hosts_that_are_allowed(value: str, hosts: tuple[str, ...], taken: bool) -> None:
    if taken:
        assert read({"token_endpoint": value}, hosts=hosts).token_endpoint == value
        return
    with pytest.raises(MetadataInvalid):
        read({"token_endpoint": value}, hosts=hosts)


def test_the_error_says_which_setting_allows_another_host() -> None:
    with pytest.raises(MetadataInvalid) as caught:
        read({"token_endpoint": "https://api.example/x"})
    assert "ENDPOINT_HOSTS" in caught.value.hint
    assert "api.example" in caught.value.hint


@pytest.mark.parametrize("value", BAD_ENDPOINTS.values(), ids=BAD_ENDPOINTS)
def test_an_endpoint_that_settings_give_is_not_looked_at(value: Any) -> None:
    assert read({"token_endpoint": value}, known=("token_endpoint",)).token_endpoint == ""


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["RS256", "ES256"], ("RS256", "ES256")),
        ([], ()),
        (["RS256", 1, None, ["ES256"], {"a": 1}, True], ("RS256",)),
        ("RS256", None),
        (None, None),
        ({"RS256": True}, None),
        (5, None),
    ],
    ids=repr,
)
def test_a_list_of_names_is_read_as_far_as_it_is_one(value: Any, names: tuple[str, ...] | None) -> None:
    assert read({"id_token_signing_alg_values_supported": value}).id_token_signing_alg_values_supported == names


def test_a_list_that_is_absent_is_not_an_empty_one() -> None:
    """An empty list would say that the provider signs with nothing that we accept."""
    assert read({}).id_token_signing_alg_values_supported is None


@pytest.mark.parametrize("value", [False, None, 1, 0, "true", "false", "", [], [True], {}], ids=repr)
@pytest.mark.parametrize(
    "name", ["require_pushed_authorization_requests", "authorization_response_iss_parameter_supported"]
)
def test_a_flag_is_set_by_true_alone(name: str, value: Any) -> None:
    assert getattr(read({name: value}), name) is False
    assert getattr(read({name: True}), name) is True


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (ProviderUnreachable(), True),
        (ProviderError("hung up"), True),
        (ResponseTooLarge(), False),
        (MetadataInvalid("issuer is another"), False),
    ],
    ids=["unreachable", "hung up", "too large", "contradicts"],
)
def test_only_an_outage_lets_an_old_copy_serve(error: DoorkeyError, outage: bool) -> None:
    assert is_outage(error) is outage


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
def test_a_status_without_a_document_is_an_outage(transport: Transport, stub: SigningProvider, status: int) -> None:
    stub.answers.clear()
    stub.answers[OPENID] = Answer(status)
    with pytest.raises(MetadataInvalid) as caught:
        fetch(transport, stub.url)
    assert is_outage(caught.value)


MEDDLING = {
    "verify": False,
    "proxies": {"https": "http://127.0.0.1:9"},
    "code_challenge_method": "plain",
    "code_challenge_methods_supported": ["plain"],
    "client_id": "evil",
    "client_secret": "evil",
    "redirect_uri": "https://evil.example/",
    "response_type": "token",
    "response_types_supported": ["token"],
    "response_mode": "fragment",
    "response_modes_supported": ["fragment"],
    "scope": "everything",
    "scopes_supported": ["everything"],
    "pkce": False,
    "timeout": 0.000001,
    "headers": {"X-Evil": "1"},
    "userinfo": "never",
    "id_token_algs": ["none"],
    "endpoint_hosts": ["evil.example"],
    "email_endpoint": "https://evil.example/",
    "client_kwargs": {"code_challenge_method": None},
}


def test_a_document_can_switch_off_nothing(
    stub: SigningProvider, environ: dict[str, str], transport: Transport
) -> None:
    """Frameworks that take the document for options lose PKCE or TLS checks to it."""
    app = create_app(load(openid_environ(environ, {"stub": stub.url})), transport=transport)
    plain = Person(app).begin()
    stub.describe(**MEDDLING)
    app = create_app(load(openid_environ(environ, {"stub": stub.url})), transport=transport)
    begun = Person(app).begin()
    fresh = ("state", "nonce", "code_challenge")
    assert {name: value for name, value in begun.params.items() if name not in fresh} == {
        "response_type": "code",
        "client_id": "client-of-stub",
        "redirect_uri": "http://127.0.0.1:8000/callback/stub",
        "scope": "openid",
        "code_challenge_method": "S256",
    }
    assert parse_qs(urlsplit(begun.url).query).keys() == parse_qs(urlsplit(plain.url).query).keys()
    assert all("X-Evil" not in seen.headers for seen in stub.seen)
