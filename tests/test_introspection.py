"""What a provider's answer about a token is taken for, and for how long (oauth/introspection.py)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from doorkey.errors import BearerInvalid, DoorkeyError, ProviderError, ProviderUnreachable
from doorkey.oauth import introspection
from doorkey.oauth.http import Transport
from doorkey.oauth.introspection import MOST_KEPT, Answers, Introspection, subject_of
from doorkey.oauth.provider_directory import ProviderDirectory
from doorkey.oauth.token import LONGEST_TOKEN
from tests.conftest import MovedClock
from tests.support.scripted_provider import ScriptedProvider
from tests.support.signing_provider import NOW, SigningProvider
from tests.test_provider import made

API = "https://api.example.com"
LEEWAY = 60
ABSENT: Any = None
GOOD = {"active": True, "aud": API, "sub": "user-1", "scope": "read", "exp": NOW + 300, "token_type": "Bearer"}
TOKEN = "canary-opaque-token"


def answer_of(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not ABSENT}


def asker(server: ScriptedProvider, clock: MovedClock, **settings: str) -> Introspection:
    given = {"INTROSPECTION_ENDPOINT": f"{server.url}/introspect", **settings}
    provider, transport = made(**given), Transport()
    directory = ProviderDirectory({"acme": provider}, transport, ttl=3600, clock=clock)
    return Introspection(provider, API, directory=directory, transport=transport, clock=clock, leeway=LEEWAY)


@pytest.fixture
def asking(stub: ScriptedProvider, clock: MovedClock) -> Introspection:
    stub.answer("/introspect", GOOD)
    return asker(stub, clock)


def calls(server: ScriptedProvider) -> int:
    return len(server.requests_to("/introspect"))


def refusal(asking: Introspection, token: str = TOKEN) -> str:
    with pytest.raises(BearerInvalid) as caught:
        asking.read(token)
    return caught.value.detail


# ---- the call ----


def test_the_provider_is_asked_with_our_credentials(asking: Introspection, stub: ScriptedProvider) -> None:
    assert asking.read(TOKEN)["sub"] == "user-1"
    (request,) = stub.requests_to("/introspect")
    assert (request.method, request.form) == ("POST", {"token": TOKEN, "token_type_hint": "access_token"})
    assert request.headers["Authorization"].startswith("Basic ")


def test_another_way_of_proving_ourselves_is_used_here_too(stub: ScriptedProvider, clock: MovedClock) -> None:
    stub.answer("/introspect", GOOD)
    asker(stub, clock, CLIENT_AUTH="client_secret_post").read(TOKEN)
    (request,) = stub.requests_to("/introspect")
    assert (request.form["client_id"], request.form["client_secret"]) == ("doorkey", "canary")
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("described", [True, False], ids=["sign-ins need no metadata", "sign-ins need metadata too"])
def test_the_endpoint_is_the_one_that_metadata_names(clock: MovedClock, described: bool) -> None:
    server = SigningProvider()
    server.describe(introspection_endpoint=f"{server.url}/introspect")
    server.answer("/introspect", answer_of(iss=server.issuer))
    endpoints = {} if described else {"AUTHORIZATION_ENDPOINT": "", "TOKEN_ENDPOINT": "", "USERINFO_ENDPOINT": ""}
    asking = asker(server, clock, INTROSPECTION_ENDPOINT="", ISSUER=server.issuer, **endpoints)
    assert asking.read(TOKEN)["sub"] == "user-1"
    threading.Thread(target=server.close, daemon=True).start()


def test_a_provider_without_the_endpoint_is_a_fault_and_no_refusal(stub: ScriptedProvider, clock: MovedClock) -> None:
    with pytest.raises(ProviderError, match="no introspection endpoint"):
        asker(stub, clock, INTROSPECTION_ENDPOINT="").read(TOKEN)


def test_a_huge_token_is_not_shown_to_anybody(asking: Introspection, stub: ScriptedProvider) -> None:
    assert refusal(asking, "x" * (LONGEST_TOKEN + 1)).startswith("longer than")
    assert calls(stub) == 0


# ---- the answer ----


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["https://other.example", API]},
        {"exp": ABSENT},
        {"exp": NOW + 1},
        {"nbf": NOW + LEEWAY, "iat": NOW + LEEWAY},
        {"token_type": "bEARER"},
        {"token_type": ABSENT},
        {"sub": ABSENT, "username": "una"},
        {"sub": ABSENT, "client_id": "robot"},
        {"iss": "https://whoever.example"},
    ],
    ids=json.dumps,
)
def test_a_good_answer(asking: Introspection, stub: ScriptedProvider, changes: dict[str, Any]) -> None:
    """The provider has no issuer here, so `iss` says nothing."""
    stub.answer("/introspect", answer_of(**changes))
    assert asking.read(TOKEN)["active"] is True


@pytest.mark.parametrize("active", [False, "true", 1, None, [True], {"active": True}, "missing"])
def test_active_is_literally_true_or_nothing(asking: Introspection, stub: ScriptedProvider, active: Any) -> None:
    answer = {**GOOD, "active": active} if active != "missing" else answer_of(active=ABSENT)
    stub.answer("/introspect", answer)
    assert refusal(asking) == "the provider says that it is not active"


BAD: list[tuple[str, dict[str, Any]]] = [
    ("aud", {"aud": ABSENT}),
    ("aud", {"aud": "https://other.example"}),
    ("aud", {"aud": ["https://other.example"]}),
    ("aud", {"aud": "doorkey"}),
    ("exp", {"exp": NOW}),
    ("exp", {"exp": NOW - 1}),
    ("exp", {"exp": "soon"}),
    ("exp", {"exp": True}),
    ("exp", {"exp": float("inf")}),
    ("iat", {"iat": NOW + LEEWAY + 1}),
    ("nbf", {"nbf": NOW + LEEWAY + 1}),
    ("token_type", {"token_type": "DPoP"}),
    ("token_type", {"token_type": 7}),
    ("sub", {"sub": ABSENT}),
    ("sub", {"sub": "", "username": "a\nb", "client_id": 7}),
    ("nonce", {"nonce": "n"}),
    ("typ", {"typ": "ID"}),
    ("typ", {"typ": "Refresh"}),
    ("token_use", {"token_use": "refresh_token"}),
    ("cnf", {"cnf": {"x5t#S256": "t"}}),
]


@pytest.mark.parametrize(("rule", "changes"), BAD, ids=lambda value: str(value)[:60])
def test_an_active_token_that_opens_nothing(
    asking: Introspection, stub: ScriptedProvider, rule: str, changes: dict[str, Any]
) -> None:
    stub.answer("/introspect", answer_of(**changes))
    assert refusal(asking).startswith(f"{rule} is ")


def test_a_token_of_another_issuer_behind_the_same_endpoint_is_refused(
    stub: ScriptedProvider, clock: MovedClock
) -> None:
    asking = asker(stub, clock, ISSUER="https://acme.example/a", JWKS_URI="https://acme.example/keys")
    stub.answer("/introspect", answer_of(iss="https://acme.example/b"))
    assert refusal(asking) == "iss is https://acme.example/b"
    stub.answer("/introspect", answer_of(iss="https://acme.example/a"))
    assert asking.read("another token")


def test_the_subject_goes_before_the_name_and_the_client() -> None:
    claims = {"client_id": "robot", "username": "una", "sub": "user-1"}
    assert [subject_of(dict(list(claims.items())[:count])) for count in range(4)] == ["", "robot", "una", "user-1"]


# ---- what is kept ----


def test_an_answer_is_kept_for_a_minute(asking: Introspection, stub: ScriptedProvider, clock: MovedClock) -> None:
    asking.read(TOKEN)
    stub.answer("/introspect", {"active": False})
    clock.advance(59.9)
    assert asking.read(TOKEN)
    clock.advance(0.1)
    assert refusal(asking)
    assert calls(stub) == 2


def test_an_answer_is_never_kept_beyond_the_end_of_the_token(
    asking: Introspection, stub: ScriptedProvider, clock: MovedClock
) -> None:
    stub.answer("/introspect", answer_of(exp=NOW + 20))
    asking.read(TOKEN)
    clock.advance(20)
    stub.answer("/introspect", answer_of(exp=NOW + 40))  # somebody made it live longer
    assert asking.read(TOKEN)["exp"] == NOW + 40
    assert calls(stub) == 2


def test_a_refusal_is_kept_for_ten_seconds(asking: Introspection, stub: ScriptedProvider, clock: MovedClock) -> None:
    stub.answer("/introspect", {"active": False})
    refusal(asking)
    stub.answer("/introspect", GOOD)
    clock.advance(9.9)
    refusal(asking)
    clock.advance(0.1)
    assert asking.read(TOKEN)
    assert calls(stub) == 2


def test_a_clock_that_is_put_back_makes_nothing_last(
    asking: Introspection, stub: ScriptedProvider, clock: MovedClock
) -> None:
    asking.read(TOKEN)
    clock.advance(-3600)
    stub.answer("/introspect", {"active": False})
    refusal(asking)


def test_each_token_has_an_answer_of_its_own(asking: Introspection, stub: ScriptedProvider) -> None:
    asking.read(TOKEN)
    stub.answer("/introspect", {"active": False})
    for other in (TOKEN + "x", TOKEN[:-1], TOKEN.upper()):
        refusal(asking, other)
    assert asking.read(TOKEN)
    assert calls(stub) == 4


@pytest.mark.parametrize(
    ("status", "answer"),
    [(401, {"error": "invalid_client"}), (500, {}), (302, GOOD), (204, b""), (200, "<html>"), (200, [GOOD]),
     (200, b'{"active":true,"active":true}'), (200, b"x" * 100_000)],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_what_is_no_answer_is_a_fault_that_is_not_kept(
    asking: Introspection, stub: ScriptedProvider, status: int, answer: Any
) -> None:
    stub.answer("/introspect", answer, status, headers={"Location": f"{stub.url}/userinfo"})
    with pytest.raises(ProviderError):
        asking.read(TOKEN)
    stub.answer("/introspect", GOOD)
    assert asking.read(TOKEN)
    assert not stub.requests_to("/userinfo")


def test_a_provider_that_is_down_is_a_fault_for_new_tokens_only(clock: MovedClock) -> None:
    server = SigningProvider()
    server.answer("/introspect", GOOD)
    asking = asker(server, clock)
    asking.read(TOKEN)
    server.stop()
    assert asking.read(TOKEN)
    clock.advance(60)
    for token in (TOKEN, "new"):
        with pytest.raises(ProviderUnreachable):
            asking.read(token)
    server.start_again()
    assert asking.read(TOKEN)
    server.stop()


def test_answers_are_bounded_and_made_up_tokens_push_out_one_another() -> None:
    answers, real = Answers(lambda: NOW, most=100), {"active": True}
    answers.get(b"real", lambda: real, 1)
    for number in range(105):
        answers.get(str(number).encode(), lambda: None, 1)
    assert len(answers) == 100
    assert answers.get(b"real", pytest.fail, 1) is real
    for number in range(105):
        answers.get(b"real %d" % number, lambda: real, 1)
    assert len(answers) == 100
    assert MOST_KEPT == 10_000


# ---- many at once ----


class Held:
    """An endpoint that answers when it is let go."""

    def __init__(self, server: ScriptedProvider, answer: dict[str, Any]):
        self.arrived, self.go = threading.Semaphore(0), threading.Event()
        self._body = json.dumps(answer).encode()
        server.answer_raw("/introspect", self._serve)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.arrived.release()
        assert self.go.wait(10)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(self._body), self._body))


@contextmanager
def reading(asking: Introspection, *tokens: str) -> Iterator[list[Any]]:
    """Each token is read in a thread of its own; afterwards what came of it stands in the list."""
    found: list[Any] = []

    def read(token: str) -> None:
        try:
            found.append(asking.read(token)["sub"])
        except DoorkeyError as error:
            found.append(type(error))

    threads = [threading.Thread(target=read, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    yield found
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("active", [True, False])
def test_a_token_that_comes_many_times_at_once_is_asked_about_once(
    asking: Introspection, stub: ScriptedProvider, active: bool
) -> None:
    held = Held(stub, {**GOOD, "active": active})
    with reading(asking, *[TOKEN] * 8) as found:
        assert held.arrived.acquire(timeout=10)
        held.go.set()
    assert found == ["user-1" if active else BearerInvalid] * 8
    assert calls(stub) == 1


def test_a_provider_that_hangs_does_not_get_every_thread(
    asking: Introspection, stub: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "ROOM_SECONDS", 0.01)
    held = Held(stub, GOOD)
    with reading(asking, *(f"token {number}" for number in range(introspection.MOST_CALLS))) as found:
        for _ in range(introspection.MOST_CALLS):
            assert held.arrived.acquire(timeout=10)
        with pytest.raises(ProviderUnreachable, match="many wait"):
            asking.read("one more")
        held.go.set()
    assert found == ["user-1"] * introspection.MOST_CALLS
    with suppress(ProviderError):  # the stand-in may be closing a connection that was kept
        asking.read("one more")
    assert asking.read("one more")
