"""Providers that are down: what starts, what goes on, what people see (oauth/provider_directory.py)."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from flask import Flask

from doorkey.errors import MetadataInvalid, ProviderUnreachable
from doorkey.factory import create_app
from doorkey.oauth.documents import PROBE_SECONDS
from doorkey.oauth.http import Transport
from doorkey.oauth.provider import Provider
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.settings import load
from doorkey.web.sign_in_page import LOOKING_SECONDS
from tests.conftest import MovedClock
from tests.support.person import Person
from tests.support.signing_provider import SigningProvider, openid_environ, signing_provider

TTL = 3600
OPENID = "/.well-known/openid-configuration"
UNREACHABLE = ProviderUnreachable.message
MakeApp = Callable[..., Flask]


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def other() -> Iterator[SigningProvider]:
    with signing_provider("client-of-other") as provider:
        yield provider


@pytest.fixture
def make_app(
    environ: dict[str, str],
    stub: SigningProvider,
    other: SigningProvider,
    clock: MovedClock,
    transport: Transport,
) -> MakeApp:
    """Doorkey with two providers; `changes` are settings of the first."""

    def make(**changes: str) -> Flask:
        settings = openid_environ(environ, {"stub": stub.issuer, "other": other.issuer}, **changes)
        return create_app(load(settings), clock=clock, transport=transport)

    return make


@pytest.fixture
def person(make_app: MakeApp) -> Person:
    return Person(make_app())


def troubles(person: Person, path: str = "/") -> list[str]:
    """The labels of the providers that the sign-in page has something to say of."""
    text = person.get(path).text
    return [id for id in ("stub", "other") if f"<strong>{id}:</strong>" in text]


def readiness(person: Person) -> tuple[int, dict[str, str]]:
    answer = person.get("/readyz")
    assert answer.get_json()["ready"] is (answer.status_code == 200)
    return answer.status_code, answer.get_json()["providers"]


def test_doorkey_starts_while_a_provider_is_down(make_app: MakeApp, stub: SigningProvider) -> None:
    stub.stop()
    person = Person(make_app())
    assert person.get("/healthz").status_code == 200
    assert readiness(person) == (200, {"stub": "ok", "other": "ok"})


def test_nothing_is_asked_before_somebody_comes(make_app: MakeApp, stub: SigningProvider) -> None:
    person = Person(make_app())
    person.get("/readyz")
    person.get("/session")
    assert stub.seen == []


@pytest.mark.parametrize("path", ["/", "/login"])
def test_the_sign_in_page_names_the_provider_that_is_down(person: Person, stub: SigningProvider, path: str) -> None:
    stub.stop()
    began = time.monotonic()
    page = person.get(path)
    assert time.monotonic() - began < LOOKING_SECONDS + 1
    assert page.status_code == 200
    assert troubles(person, path) == ["stub"]
    assert UNREACHABLE in page.text
    assert page.text.count('href="/login?provider=') == 2


def test_readyz_names_the_provider_that_is_down_and_stays_ready(person: Person, stub: SigningProvider) -> None:
    """Sessions go on, so a load balancer must not take Doorkey out of service."""
    stub.stop()
    person.get("/")
    assert readiness(person) == (200, {"stub": "provider_unreachable", "other": "ok"})


def test_the_page_is_right_again_soon_after_the_provider_is_back(
    person: Person, stub: SigningProvider, clock: MovedClock
) -> None:
    stub.stop()
    assert troubles(person) == ["stub"]
    stub.start_again()
    assert troubles(person) == ["stub"]
    clock.advance(PROBE_SECONDS)
    assert troubles(person) == []
    assert readiness(person) == (200, {"stub": "ok", "other": "ok"})


def test_people_can_sign_in_at_once_when_the_provider_is_back(person: Person, stub: SigningProvider) -> None:
    stub.stop()
    person.get("/")
    answer = person.get("/login?provider=stub")
    assert answer.status_code == 504
    assert "provider_unreachable" in answer.text
    assert 'href="/login?provider=stub"' in answer.text
    stub.start_again()
    assert stub.sign_in(person).status_code == 303
    assert readiness(person)[1]["stub"] == "ok"


def test_the_other_provider_is_not_affected(person: Person, stub: SigningProvider, other: SigningProvider) -> None:
    stub.stop()
    assert other.sign_in(person, "other").status_code == 303
    assert person.session()["user"] == "user-1"


def test_sessions_go_on_while_the_provider_is_down(make_app: MakeApp, stub: SigningProvider, person: Person) -> None:
    stub.sign_in(person)
    stub.stop()
    assert person.is_signed_in()
    assert person.get("/").status_code == 200
    restarted = Person(make_app())
    for name, value in person.cookies().items():
        restarted.client.set_cookie(name, value, domain="127.0.0.1")
    assert restarted.session()["user"] == "user-1"


def test_who_is_signed_in_makes_nobody_look(person: Person, stub: SigningProvider, other: SigningProvider) -> None:
    stub.sign_in(person)
    for path in ("/", "/session", "/readyz"):
        person.get(path)
    assert other.seen == []


def test_the_page_asks_each_provider_once_in_half_a_minute(
    person: Person, stub: SigningProvider, clock: MovedClock
) -> None:
    for _ in range(5):
        person.get("/")
        clock.advance(5)
    assert stub.fetches() == (1, 0)


def test_the_page_finds_out_that_a_provider_went_down(person: Person, stub: SigningProvider, clock: MovedClock) -> None:
    person.get("/")
    stub.answer(OPENID, "gone", 503)
    clock.advance(60)
    until = time.monotonic() + 10
    while 'class="trouble"' not in person.get("/").text:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert person.get("/login?provider=stub").status_code == 302  # by the old copy


def test_the_page_does_not_wait_for_a_provider_that_hangs(
    person: Person, stub: SigningProvider, other: SigningProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doorkey.web.sign_in_page.LOOKING_SECONDS", 0.2)
    go_on = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(10)

    stub.answer_raw(OPENID, hang)
    for _ in range(3):
        began = time.monotonic()
        assert person.get("/").status_code == 200
        assert time.monotonic() - began < 5
    go_on.set()
    until = time.monotonic() + 10
    while readiness(person)[1]["stub"] == "ok" or not other.seen:
        assert time.monotonic() < until
    assert stub.fetches() == other.fetches() == (1, 0)
    assert troubles(person) == ["stub"]


def test_a_document_that_contradicts_the_settings_is_named_too(person: Person, stub: SigningProvider) -> None:
    stub.describe(issuer=f"{stub.issuer}/")
    assert troubles(person) == ["stub"]
    assert readiness(person) == (200, {"stub": "metadata_invalid", "other": "ok"})
    assert person.get("/login?provider=stub").status_code == 502


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_a_document_that_lacks_what_is_needed_is_named_too(person: Person, stub: SigningProvider, name: str) -> None:
    """Signing in would fail just as well."""
    stub.describe(**{name: None})
    answer = person.get("/login?provider=stub")
    assert answer.status_code == 502
    assert name in answer.text
    assert troubles(person) == ["stub"]
    assert readiness(person)[1]["stub"] == "metadata_invalid"


def test_a_sign_in_survives_an_outage_of_the_metadata(
    make_app: MakeApp, person: Person, stub: SigningProvider, clock: MovedClock
) -> None:
    """What was known serves on, also after its time; whoever has just begun is not stopped either."""
    stub.sign_in(person)
    stub.answer(OPENID, "down", 503)
    clock.advance(TTL)
    begun = person.begin()
    stub.prepare(begun, iat=clock.now, exp=clock.now + 300)
    assert person.come_back(f"code=c&state={begun.state}").status_code == 303
    assert stub.fetches()[0] == 2


def test_metadata_is_read_once_for_a_sign_in_even_when_none_is_kept(
    environ: dict[str, str], stub: SigningProvider, clock: MovedClock, transport: Transport
) -> None:
    settings = {**openid_environ(environ, {"stub": stub.issuer}), "DOORKEY_METADATA_TTL": "0"}
    person = Person(create_app(load(settings), clock=clock, transport=transport))
    for number in (1, 2):
        clock.advance(1)
        assert stub.sign_in(person).status_code == 303
        assert stub.fetches() == (number, number)


def test_a_move_of_the_provider_reaches_a_running_sign_in_page(
    person: Person, stub: SigningProvider, clock: MovedClock
) -> None:
    person.begin()
    stub.describe(authorization_endpoint=f"{stub.url}/moved")
    assert person.begin().url.startswith(f"{stub.url}/authorize?")
    clock.advance(TTL)
    assert person.begin().url.startswith(f"{stub.url}/moved?")


@pytest.fixture
def described(
    environ: dict[str, str], stub: SigningProvider, clock: MovedClock, transport: Transport
) -> Callable[..., Provider]:
    """The provider as its settings (with `changes`) and its metadata say together."""

    def describe(**changes: str) -> Provider:
        given = load(openid_environ(environ, {"stub": stub.issuer}, **changes)).providers[0]
        provider = Provider.from_settings(given)
        directory = ProviderDirectory({provider.id: provider}, transport, ttl=TTL, clock=clock)
        return directory.describe(provider)

    return describe


def test_settings_win_over_the_document(described: Callable[..., Provider], stub: SigningProvider) -> None:
    found = described(TOKEN_ENDPOINT="https://own.example/token")
    assert found.token_endpoint == "https://own.example/token"
    assert found.authorization_endpoint == f"{stub.url}/authorize"
    assert found.described


def test_a_provider_that_settings_describe_is_not_asked(
    described: Callable[..., Provider], stub: SigningProvider
) -> None:
    names = ("AUTHORIZATION_ENDPOINT", "TOKEN_ENDPOINT", "JWKS_URI")
    assert described(**dict.fromkeys(names, f"{stub.url}/own")).jwks_uri == f"{stub.url}/own"
    assert stub.seen == []


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        pytest.param({"SCOPE": "read"}, "jwks_uri", id="no keys without ID tokens"),
        pytest.param({"ID_TOKEN_ALGS": "HS256"}, "jwks_uri", id="no keys where the secret signs"),
        pytest.param({"USERINFO": "auto"}, "userinfo_endpoint", id="no user info where it is not demanded"),
    ],
)
def test_only_what_is_needed_must_be_there(
    described: Callable[..., Provider], stub: SigningProvider, changes: dict[str, str], missing: str
) -> None:
    stub.describe(**{missing: None})
    assert getattr(described(**changes), missing) == ""
    with pytest.raises(MetadataInvalid, match=missing):
        described(USERINFO="always")


@pytest.mark.parametrize(
    ("offered", "method"),
    [
        (None, "client_secret_basic"),
        (["client_secret_post"], "client_secret_post"),
        (["client_secret_post", "client_secret_basic"], "client_secret_basic"),
        (["none"], "client_secret_basic"),
        (["private_key_jwt", "client_secret_jwt"], "client_secret_jwt"),
    ],
)
def test_the_client_proves_itself_as_the_document_offers(
    described: Callable[..., Provider], stub: SigningProvider, offered: list[str] | None, method: str
) -> None:
    """And never with less than its secret, whatever the document says."""
    stub.describe(token_endpoint_auth_methods_supported=offered)
    assert described().auth_method == method
    assert described(CLIENT_AUTH="client_secret_post").auth_method == "client_secret_post"
