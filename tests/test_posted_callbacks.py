"""Answers that a provider has the browser post: parked, then read where the cookies are (web/posted_callbacks.py)."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.factory import create_app
from doorkey.oauth.flow import state_name
from doorkey.oauth.http import Transport
from doorkey.settings import load
from doorkey.web.posted_callbacks import SECONDS
from tests.conftest import MovedClock
from tests.support.attack_asserts import assert_refused
from tests.support.person import Begun, Person
from tests.support.signing_provider import SigningProvider, openid_environ, signing_provider

ORIGIN = "http://127.0.0.1:8000"
CALLBACK = "/callback/stub"


@pytest.fixture(scope="module")
def transport() -> Transport:
    return Transport()


@pytest.fixture
def stub() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def make_app(
    environ: dict[str, str], stub: SigningProvider, clock: MovedClock, transport: Transport
) -> Callable[..., Flask]:
    """Doorkey with one provider that has answers posted, and `plain`, which does not."""

    def make(**changes: str) -> Flask:
        issuers = {"stub": stub.issuer, "plain": stub.issuer}
        settings = openid_environ(environ, issuers, RESPONSE_MODE="form_post")
        return create_app(load({**settings, **changes}), clock=clock, transport=transport)

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


def post(app: Flask, form: Any, path: str = CALLBACK, origin: str = ORIGIN, **options: Any) -> TestResponse:
    """What a browser sends when another site has it post a form: without any Lax cookie."""
    options = {"data": form, "headers": {"Origin": "https://op.example", "Sec-Fetch-Site": "cross-site"}, **options}
    return app.test_client(use_cookies=False).post(path, base_url=origin, **options)


def keep_cookies(person: Person, answer: TestResponse) -> None:
    """As the browser of `person`, which got `answer` in a window of its own."""
    for line in answer.headers.getlist("Set-Cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        person.client.set_cookie(name, value, domain="127.0.0.1")


def begin(person: Person, stub: SigningProvider) -> Begun:
    begun = person.begin()
    stub.prepare(begun)
    return begun


def park(person: Person, app: Flask, form: Any) -> str:
    """Post `form` (or a body) and keep what comes back; the path and query to go on at."""
    answer = post(app, form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 303, answer.text
    keep_cookies(person, answer)
    return answer.headers["Location"].removeprefix(ORIGIN)


def parked_cookies(person: Person) -> list[str]:
    return [name for name in person.cookies() if "doorkey-posted-" in name]


def test_the_provider_is_asked_to_have_the_answer_posted(person: Person) -> None:
    assert person.begin().params["response_mode"] == "form_post"
    assert "response_mode" not in person.begin("plain").params


def test_a_posted_answer_signs_in(person: Person, app: Flask, stub: SigningProvider) -> None:
    begun = begin(person, stub)
    answer = post(app, {"code": "canary-code", "state": begun.state, "iss": stub.issuer})
    assert answer.status_code == 303
    assert stub.requests_to("/token") == []
    keep_cookies(person, answer)
    done = person.get(answer.headers["Location"].removeprefix(ORIGIN))
    assert (done.status_code, done.headers["Location"]) == (303, "/")
    assert person.session()["user"] == "user-1"
    assert [seen.form["code"] for seen in stub.requests_to("/token")] == ["canary-code"]


def test_neither_address_nor_page_has_the_code_or_the_state(person: Person, app: Flask, stub: SigningProvider) -> None:
    """The address is kept in the browser's history and sent to nobody knows whom."""
    begun = begin(person, stub)
    answer = post(app, {"code": "canary-code", "state": begun.state})
    location = urlsplit(answer.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == ORIGIN + CALLBACK
    assert parse_qs(location.query) == {"posted": [state_name(begun.state)]}
    shown = f"{answer.text} {answer.headers}"
    assert "canary-code" not in shown
    assert begun.state not in shown
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_parked_answer_lasts_a_minute_and_no_script_reads_it(app: Flask, make_app: Callable[..., Flask]) -> None:
    line = post(app, {"code": "c", "state": "s"}).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=60"} <= set(line.split("; "))
    secure = make_app(DOORKEY_PUBLIC_URL="https://login.example.com")
    line = post(secure, {"code": "c", "state": "s"}, origin="https://login.example.com").headers["Set-Cookie"]
    assert line.startswith("__Host-doorkey-posted-")
    assert "Secure" in line.split("; ")


def test_nothing_of_it_stays_in_the_browser(person: Person, app: Flask, stub: SigningProvider) -> None:
    begun = begin(person, stub)
    place = park(person, app, {"code": "c", "state": begun.state})
    assert len(parked_cookies(person)) == 1
    person.get(place)
    assert parked_cookies(person) == []
    assert not [name for name in person.cookies() if "login" in name]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [("access_denied", 403, "access_denied"), ("login_required", 502, "authorization_refused")],
)
def test_a_posted_error_is_told(
    person: Person, app: Flask, stub: SigningProvider, error: str, status: int, code: str
) -> None:
    begun = begin(person, stub)
    form = {
        "error": error,
        "error_description": "words of the provider " + secrets.token_hex(3000),
        "state": begun.state,
    }
    answer = person.get(park(person, app, form))
    assert_refused(person, answer, status)
    assert code in answer.text
    assert "words of the provider" in answer.text
    assert parked_cookies(person) == []


REFUSED_LATER: dict[str, list[tuple[str, str]]] = {
    "no code": [],
    "an empty code": [("code", "")],
    "two codes": [("code", "a"), ("code", "b")],
    "one code twice": [("code", "a"), ("code", "a")],
    "code and error": [("code", "a"), ("error", "access_denied")],
    "two errors": [("error", "a"), ("error", "b")],
    "a foreign issuer": [("code", "a"), ("iss", "https://evil.example")],
    "two issuers": [("code", "a"), ("iss", "https://evil.example"), ("iss", "https://evil.example")],
}


@pytest.mark.parametrize("fields", REFUSED_LATER.values(), ids=REFUSED_LATER)
def test_posted_fields_are_judged_like_those_of_an_address(
    person: Person, app: Flask, stub: SigningProvider, fields: list[tuple[str, str]]
) -> None:
    begun = begin(person, stub)
    body = urlencode([*fields, ("state", begun.state)])
    place = park(person, app, body)
    assert_refused(person, person.get(place), 400)
    assert stub.requests_to("/token") == []


REFUSED_AT_ONCE: dict[str, dict[str, Any]] = {
    "no state": {"form": {"code": "c"}},
    "an empty state": {"form": {"code": "c", "state": ""}},
    "two states": {"form": "code=c&state=a&state=b", "content_type": "application/x-www-form-urlencoded"},
    "a long state": {"form": {"code": "c", "state": "s" * 513}},
    "nothing": {"form": b""},
    "the state in the address": {"form": {"code": "c"}, "path": f"{CALLBACK}?state=s"},
    "json": {"form": b'{"code":"c","state":"s"}', "content_type": "application/json"},
    "plain text": {"form": b"code=c&state=s", "content_type": "text/plain"},
    "no content type": {"form": b"code=c&state=s", "content_type": ""},
}


@pytest.mark.parametrize("options", REFUSED_AT_ONCE.values(), ids=REFUSED_AT_ONCE)
def test_what_cannot_be_an_answer_is_not_parked(app: Flask, options: dict[str, Any]) -> None:
    answer = post(app, **options)
    assert answer.status_code == 400
    assert "state_mismatch" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_an_answer_that_no_cookie_can_hold_says_what_to_do(app: Flask) -> None:
    answer = post(app, {"code": secrets.token_hex(8000), "state": "s"})
    assert answer.status_code == 400
    assert "callback_malformed" in answer.text
    assert "RESPONSE_MODE=query" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_body_beyond_all_measure_is_not_read(app: Flask) -> None:
    answer = post(app, {"code": "x" * 70_000, "state": "s"})
    assert answer.status_code == 413
    assert "Set-Cookie" not in answer.headers


def test_a_code_of_two_kilobytes_fits(person: Person, app: Flask, stub: SigningProvider) -> None:
    begun = begin(person, stub)
    code = secrets.token_hex(1000)
    assert person.get(park(person, app, {"code": code, "state": begun.state})).status_code == 303
    assert stub.requests_to("/token")[0].form["code"] == code


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_a_provider_that_was_not_asked_to_posts_in_vain(app: Flask, method: str) -> None:
    answer = app.test_client().open("/callback/plain", base_url=ORIGIN, method=method.upper(), data={"state": "s"})
    assert answer.status_code == 405
    allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
    assert {"GET", "HEAD"} <= allowed
    assert "PUT" not in allowed
    assert "Set-Cookie" not in answer.headers


def test_a_provider_that_nobody_knows_has_no_callback(app: Flask) -> None:
    assert post(app, {"code": "c", "state": "s"}, "/callback/unknown").status_code == 404


def test_head_spends_nothing(person: Person, app: Flask, stub: SigningProvider) -> None:
    """Some scanners look at every address before the browser does."""
    begun = begin(person, stub)
    place = park(person, app, {"code": "c", "state": begun.state})
    assert person.client.head(place, base_url=ORIGIN).status_code == 204
    assert person.get(place).status_code == 303


def test_a_parked_answer_serves_once(person: Person, app: Flask, stub: SigningProvider) -> None:
    begun = begin(person, stub)
    place = park(person, app, {"code": "c", "state": begun.state})
    cookies = person.cookies()
    assert person.get(place).status_code == 303
    again = Person(app)
    assert again.get(place).status_code == 400
    for name, value in cookies.items():
        again.client.set_cookie(name, value, domain="127.0.0.1")
    answer = again.get(place)
    assert answer.status_code == 400
    assert "login_already_used" in answer.text
    assert len(stub.requests_to("/token")) == 1


def test_another_browser_cannot_use_it(person: Person, app: Flask, stub: SigningProvider) -> None:
    """Whoever plants a parked answer of their own has not planted the sign-in that it belongs to."""
    begun = begin(person, stub)
    victim = Person(app)
    place = park(victim, app, {"code": "c", "state": begun.state})
    assert_refused(victim, victim.get(place), 400)
    assert stub.requests_to("/token") == []
    assert parked_cookies(victim) == []


@pytest.mark.parametrize(
    "alter",
    [
        lambda v: ("A" if v[0] != "A" else "B") + v[1:],
        lambda v: v[:40],
        lambda v: "",
        lambda v: "junk",
        lambda v: v + "A",
    ],
    ids=["other letters", "cut", "empty", "junk", "longer"],
)
def test_an_altered_answer_is_none(
    person: Person, app: Flask, stub: SigningProvider, alter: Callable[[str], str]
) -> None:
    place = park(person, app, {"code": "c", "state": begin(person, stub).state})
    name = parked_cookies(person)[0]
    person.client.set_cookie(name, alter(person.cookies()[name]), domain="127.0.0.1")
    assert_refused(person, person.get(place), 400)
    assert stub.requests_to("/token") == []


def test_an_answer_opens_only_under_its_own_name(person: Person, app: Flask, stub: SigningProvider) -> None:
    """One sign-in's parked answer, renamed for another one."""
    first, second = begin(person, stub), begin(person, stub)
    park(person, app, {"code": "c", "state": first.state})
    value = person.cookies()[parked_cookies(person)[0]]
    person.client.set_cookie(f"doorkey-posted-{state_name(second.state)}", value, domain="127.0.0.1")
    assert_refused(person, person.get(f"{CALLBACK}?posted={state_name(second.state)}"), 400)


@pytest.mark.parametrize(("passed", "status"), [(SECONDS - 1, 303), (SECONDS, 400), (-60, 303), (-61, 400)])
def test_a_parked_answer_is_good_for_a_minute(
    person: Person, app: Flask, stub: SigningProvider, clock: MovedClock, passed: float, status: int
) -> None:
    place = park(person, app, {"code": "c", "state": begin(person, stub).state})
    clock.advance(passed)
    assert person.get(place).status_code == status


@pytest.mark.parametrize(
    "query",
    ["posted=", "posted=junk", "posted=" + "0" * 32, "posted=%00", "posted=../x", "posted=" + "F" * 32, "posted=é"],
)
@pytest.mark.parametrize("provider", ["stub", "plain"])
def test_junk_names_no_answer(person: Person, stub: SigningProvider, query: str, provider: str) -> None:
    """And the rest of such an address is not looked at."""
    begun = person.begin(provider)
    answer = person.get(f"/callback/{provider}?{query}&code=c&state={begun.state}")
    assert_refused(person, answer, 400)
    assert "state_mismatch" in answer.text
    assert stub.requests_to("/token") == []


def test_an_address_adds_nothing_to_a_parked_answer(person: Person, app: Flask, stub: SigningProvider) -> None:
    place = park(person, app, {"code": "posted-code", "state": begin(person, stub).state})
    assert person.get(f"{place}&code=other&error=access_denied&iss=https://evil.example").status_code == 303
    assert stub.requests_to("/token")[0].form["code"] == "posted-code"
    place = park(person, app, {"code": "c", "state": begin(person, stub).state})
    assert person.get(f"{place}&{urlsplit(place).query}").status_code == 400


def test_a_parked_answer_ends_at_its_own_provider(person: Person, app: Flask, stub: SigningProvider) -> None:
    place = park(person, app, {"code": "c", "state": begin(person, stub).state})
    assert_refused(person, person.get(place.replace("/stub", "/plain")), 400)
    assert stub.requests_to("/token") == []
