"""Holes that were found in the OpenID core, each as the attack that showed it."""

import json
import logging
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from doorkey.errors import DoorkeyError, ProviderUnreachable
from doorkey.factory import create_app
from doorkey.oauth import documents as module
from doorkey.oauth.documents import CROWD, MOST_DOCUMENTS, PROBE_SECONDS, Documents
from doorkey.oauth.http import Transport
from doorkey.settings import load
from tests.conftest import MovedClock
from tests.support.attack_asserts import assert_refused
from tests.support.cpu_time import cpu_seconds
from tests.support.person import Person
from tests.support.signing_provider import (
    SECRET,
    SigningProvider,
    jwk,
    key_for,
    openid_environ,
    signed,
    signing_provider,
)

Sign = Callable[..., Person]


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def configured(environ: dict[str, str], stub: SigningProvider, clock: MovedClock) -> Sign:
    """Somebody in front of a Doorkey whose provider is `stub`: `configured(CLAIM_USER="email")`."""

    def make(**changes: str) -> Person:
        app: Flask = create_app(load(openid_environ(environ, {"stub": stub.issuer}, **changes)), clock=clock)
        return Person(app)

    return make


# ---- one that hangs must not hold up the others ----


@pytest.fixture
def documents(clock: MovedClock) -> Documents[str]:
    return Documents(3600, clock)


def test_a_crowd_does_not_wait_for_a_provider_that_hangs(
    documents: Documents[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    answer, outcomes = threading.Event(), []

    def hang() -> str:
        assert answer.wait(20)
        return "late"

    def ask() -> None:
        try:
            outcomes.append(documents.get("d", hang))
        except DoorkeyError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(CROWD + 5)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while len(outcomes) < 5 and time.monotonic() < until:
        time.sleep(0.01)
    assert outcomes == ["provider_unreachable"] * 5
    answer.set()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == ["late"] * CROWD + ["provider_unreachable"] * 5
    assert documents.flights("d") == 1


@pytest.mark.parametrize(("slow", "asked"), [(0.0, 1), (60.0, 3)], ids=["slow", "quick"])
def test_a_failure_that_took_long_is_remembered_for_a_moment(
    documents: Documents[str], clock: MovedClock, monkeypatch: pytest.MonkeyPatch, slow: float, asked: int
) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", slow)

    def fail() -> str:
        raise ProviderUnreachable("it hung")

    for _ in range(3):
        with pytest.raises(ProviderUnreachable):
            documents.get("d", fail)
    assert documents.flights("d") == asked
    clock.advance(PROBE_SECONDS)
    assert documents.get("d", lambda: "back") == "back"


def test_who_has_little_time_left_waits_no_longer_and_spoils_it_for_nobody(documents: Documents[str]) -> None:
    answer = threading.Event()

    def slowly() -> str:
        assert answer.wait(20)
        return "the document"

    began = time.monotonic()
    with pytest.raises(ProviderUnreachable):
        documents.get("d", slowly, patience=0.05)
    assert time.monotonic() - began < 5
    answer.set()
    assert documents.get("d", slowly) == "the document"
    assert documents.flights("d") == 1


def test_everybody_who_meets_a_rotation_gets_the_new_keys(documents: Documents[str]) -> None:
    answer, outcomes = threading.Event(), []
    old = documents.get("d", lambda: "old")

    def renewed() -> str:
        assert answer.wait(20)
        return "new"

    def ask() -> None:
        outcomes.append(documents.renew("d", renewed, known=old))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while documents._entries["d"].flight is None or documents._entries["d"].flight.waiting < 4:
        assert time.monotonic() < until
        time.sleep(0.01)
    answer.set()
    for thread in threads:
        thread.join(10)
    assert outcomes == ["new"] * 4
    assert documents.flights("d") == 2


def test_a_thread_that_cannot_start_is_one_failure_and_no_more(
    documents: Documents[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no more threads")))
        with pytest.raises(RuntimeError):
            documents.get("d", lambda: "x")
    assert documents.get("d", lambda: "x") == "x"


def test_a_mistake_of_ours_reaches_everybody_who_waits_as_it_is(documents: Documents[str]) -> None:
    def mistake() -> str:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        documents.get("d", mistake)


def test_documents_do_not_pile_up_when_a_provider_names_a_new_address_each_time(documents: Documents[str]) -> None:
    for number in range(MOST_DOCUMENTS + 50):
        documents.get(f"https://op.example/keys/{number}", lambda: "keys")
    assert len(documents._entries) == MOST_DOCUMENTS


def test_a_name_with_many_addresses_gets_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full backlog: the machine answers no further connection."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        second.setblocking(False)
        second.connect_ex(full.getsockname())
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [address] * 8)
        began = time.monotonic()
        with pytest.raises(ProviderUnreachable):
            Transport(connect=0.4).get(f"http://127.0.0.1:{full.getsockname()[1]}/", {}, "test")
        assert time.monotonic() - began < 2


# ---- what a provider repeats, and what it puts into its own words ----


def test_a_secret_that_a_pushed_request_gets_back_is_not_shown(
    configured: Sign, stub: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    pair = b64encode(f"client-of-stub:{SECRET}".encode()).decode()
    stub.describe(pushed_authorization_request_endpoint=f"{stub.url}/par", require_pushed_authorization_requests=True)
    stub.answer("/par", {"error": "invalid_client", "error_description": f"Bad header: Basic {pair}, {SECRET}"}, 401)
    with caplog.at_level(logging.DEBUG):
        answer = configured().get("/login?provider=stub", headers={"Accept": "application/json"})
    assert answer.get_json()["error"] == "pushed_request_refused"
    for shown in (answer.text, *(json.dumps(vars(record), default=str) for record in caplog.records)):
        assert pair not in shown
        assert SECRET not in shown


@pytest.mark.parametrize(
    "query",
    ["redirect_uri=https://evil.test", "code_challenge=", "state=fixed", "nonce=x", "response_type=token", "iss=x"],
)
@pytest.mark.parametrize("pushed", [True, False])
def test_an_endpoint_cannot_say_what_doorkey_says(
    configured: Sign, stub: SigningProvider, query: str, pushed: bool
) -> None:
    stub.describe(
        authorization_endpoint=f"{stub.url}/authorize?{query}",
        pushed_authorization_request_endpoint=f"{stub.url}/par",
        require_pushed_authorization_requests=pushed,
    )
    person = configured()
    if query == "iss=x":  # no parameter of a request
        stub.answer("/par", {"request_uri": "urn:x", "expires_in": 60}, 201)
        assert person.begin().params["client_id"] == "client-of-stub"
        return
    answer = person.get("/login?provider=stub")
    assert answer.status_code == 502
    assert not stub.requests_to("/par")


def test_a_host_that_no_resolver_knows_is_a_problem_page(configured: Sign, stub: SigningProvider) -> None:
    stub.describe(authorization_endpoint=f"https://{'a' * 64}.example.test/authorize")
    answer = configured(ENDPOINT_HOSTS="*.example.test").get("/login?provider=stub")
    assert (answer.status_code, "metadata_invalid" in answer.text) == (502, True)


# ---- claims that cannot be what they say ----


@pytest.mark.parametrize("sid", ["\ud800", "x" * 30_000, "a\x00b", 5, [], ""])
def test_a_session_name_that_cannot_be_kept_is_left_out(configured: Sign, stub: SigningProvider, sid: object) -> None:
    stub.answer("/userinfo", {"sub": "user-1"})
    person = configured()
    assert stub.sign_in(person, sid=sid).status_code == 303
    assert person.is_signed_in()


@pytest.mark.parametrize("told", ["us\ud800r", "us?r ", "US?R"])
def test_a_broken_subject_is_not_taken_for_another(configured: Sign, stub: SigningProvider, told: str) -> None:
    stub.answer("/userinfo", {"sub": told, "oid": "o-1"})
    for person in (configured(), configured(CLAIM_USER="oid")):
        assert_refused(person, stub.sign_in(person, sub="us?r"), 502)


@pytest.mark.parametrize(
    "address",
    ["\u200badmin@example.com\u2060", "\x00admin@example.com", "admin@example.com\n", " admin@example.com", "a" * 400],
)
def test_an_address_is_not_repaired_into_somebody_elses(configured: Sign, stub: SigningProvider, address: str) -> None:
    stub.answer("/userinfo", {"sub": "user-1", "email": address})
    person = configured()
    assert stub.sign_in(person).status_code == 303
    assert person.session()["email"] == ""


@pytest.mark.parametrize("verified", [None, False, "false", 1, "yes", ""])
def test_an_address_that_nobody_vouches_for_is_no_user_name(
    configured: Sign, stub: SigningProvider, verified: object
) -> None:
    claims = {"sub": "user-1", "email": "admin@example.com"}
    stub.answer("/userinfo", {**claims, "email_verified": verified})
    other = configured(CLAIM_USER="email", CLAIM_EMAIL="work_email")
    assert_refused(other, stub.sign_in(other), 502)
    person = configured(CLAIM_USER="email")
    assert_refused(person, stub.sign_in(person), 502)
    for good in (claims, {**claims, "email_verified": True}, {**claims, "email_verified": "true"}):
        stub.answer("/userinfo", good)
        assert stub.sign_in(person).status_code == 303
        assert person.session()["user"] == "admin@example.com"


def test_thousands_of_small_claims_cost_little(configured: Sign, stub: SigningProvider) -> None:
    stub.answer("/userinfo", {"sub": "user-1", **{f"c{number}": number for number in range(4500)}})
    person = configured()
    assert stub.sign_in(person).status_code == 303
    # It was quadratic: that alone was half of this and more.
    assert cpu_seconds(lambda: stub.sign_in(person), times=2) < 2


def test_parameters_may_have_any_name_that_is_free(configured: Sign) -> None:
    begun = configured(AUTHORIZATION_PARAMS="url=x&self=y&uri=z&state_=1").begin()
    assert (begun.params["url"], begun.params["self"], begun.params["uri"]) == ("x", "y", "z")
    assert begun.url.count("client_id=") == 1


def test_what_always_has_to_be_asked_is_looked_up_where_only_that_is_missing(
    configured: Sign, stub: SigningProvider
) -> None:
    """Endpoints that are all set one by one but for the one that `always` needs."""
    stub.describe(pushed_authorization_request_endpoint=f"{stub.url}/par")
    stub.answer("/par", {"request_uri": "urn:x", "expires_in": 60}, 201)
    stub.answer("/userinfo", {"sub": "user-1", "groups": ["staff"]})
    own = {"AUTHORIZATION_ENDPOINT": f"{stub.url}/authorize", "TOKEN_ENDPOINT": f"{stub.url}/token"}
    person = configured(**own, JWKS_URI=f"{stub.url}/keys", USERINFO="always")
    assert stub.sign_in(person).status_code == 303
    assert person.session()["groups"] == ["staff"]
    pushing = configured(**own, JWKS_URI=f"{stub.url}/keys", PUSHED_AUTHORIZATION="always")
    assert pushing.begin().params == {"client_id": "client-of-stub", "request_uri": "urn:x"}


def test_user_info_may_be_signed_in_another_way_than_id_tokens(configured: Sign, stub: SigningProvider) -> None:
    key = key_for("ES256")
    stub.describe(userinfo_signing_alg_values_supported=["ES256"])
    stub.publish(jwk(stub.key, kid="key-1", alg="RS256"), jwk(key, kid="key-2", alg="ES256"))
    told = signed(
        {"iss": stub.issuer, "aud": "client-of-stub", "sub": "user-1", "name": "Una"}, key, "ES256", kid="key-2"
    )
    stub.answer("/userinfo", told, headers={"Content-Type": "application/jwt"})
    person = configured()
    assert stub.sign_in(person).status_code == 303
    assert person.session()["name"] == "Una"


def test_a_clock_that_steps_back_a_little_does_not_lose_a_posted_answer(
    configured: Sign, stub: SigningProvider, clock: MovedClock
) -> None:
    stub.answer("/userinfo", {"sub": "user-1"})
    person = configured(RESPONSE_MODE="form_post")
    begun = person.begin()
    stub.prepare(begun)
    posted = person.post("/callback/stub", data={"code": "canary-code", "state": begun.state})
    clock.advance(-1)
    assert person.get(posted.headers["Location"].removeprefix(person.origin)).status_code == 303
