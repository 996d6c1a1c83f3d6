"""The page of my sessions (web/my_sessions.py): what it lists, what its buttons end, and what it never says."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from doorkey.base64url import decode, encode
from doorkey.sessions.ids import SessionIds
from tests.conftest import KEY, MovedClock
from tests.support.person import Person
from tests.support.scripted_provider import ScriptedProvider

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/26.0 Mobile Safari/604.1"
PAGE, ALL = "/account/sessions", "/account/sessions/revoke-all"
NEWER_KEY = "a-newer-key-for-tests-0123456789-abcdef"


@dataclass(frozen=True)
class Shown:
    """One entry of the page."""

    public_id: str
    device: str
    is_this: bool
    seen: float
    seen_text: str
    began: float

    @classmethod
    def of(cls, entry: str) -> "Shown":
        heading = re.search(r"<h2>([^<]*?)( <span class=\"badge\">this browser</span>)?</h2>", entry)
        public_id = re.search(r'action="/account/sessions/([0-9a-f]{16})/revoke"', entry)
        times = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', entry)
        assert heading
        assert public_id
        (seen, seen_text), (began, _) = times
        moments = [datetime.fromisoformat(moment).timestamp() for moment in (seen, began)]
        return cls(public_id[1], heading[1], bool(heading[2]), moments[0], seen_text, moments[1])


def shown_to(person: Person) -> list[Shown]:
    response = person.get(PAGE)
    assert response.status_code == 200, response.text
    return [Shown.of(entry) for entry in re.findall(r"<li>.*?</li>", response.text, re.DOTALL)]


def ids(person: Person) -> SessionIds:
    return SessionIds.of(decode(person.cookies()["doorkey"]) or b"")


def signed_in(app: Flask, device: str = "", provider: str = "stub") -> Person:
    """Whoever the provider lets in, with a browser of their own."""
    somebody = Person(app)
    somebody.client.environ_base["HTTP_USER_AGENT"] = device
    somebody.sign_in(provider)
    assert somebody.is_signed_in()
    return somebody


def revoke(person: Person, public_id: str) -> TestResponse:
    return person.post(f"{PAGE}/{public_id}/revoke", data={"csrf_token": person.form_token(PAGE)})


def revoke_all(person: Person) -> TestResponse:
    return person.post(ALL, data={"csrf_token": person.form_token(PAGE)})


@pytest.fixture
def laptop(app: Flask) -> Person:
    return signed_in(app, FIREFOX)


@pytest.fixture
def phone(app: Flask, laptop: Person) -> Person:
    """Of the same person."""
    return signed_in(app, SAFARI)


# ---- what is listed ----


def test_all_my_browsers_are_listed_with_device_provider_and_times(app: Flask, clock: MovedClock) -> None:
    began = clock.now
    laptop = signed_in(app, FIREFOX)
    clock.advance(600)
    phone = signed_in(app, SAFARI)
    clock.advance(180)
    assert shown_to(laptop) == [
        Shown(ids(laptop).public_id, "Firefox on Linux", True, clock.now, "just now", began),
        Shown(ids(phone).public_id, "Safari on iPhone", False, began + 600, "3 minutes ago", began + 600),
    ]
    assert "2 browsers are signed in here as <strong><bdi>Una User</bdi></strong>" in laptop.get(PAGE).text
    assert "through <strong><bdi>stub</bdi></strong>" in laptop.get(PAGE).text


def test_this_one_comes_first_and_then_whoever_was_here_last(app: Flask, clock: MovedClock) -> None:
    people = []
    for _ in range(4):
        people.append(signed_in(app))
        clock.advance(100)
    people[1].get("/")
    listed = [shown.public_id for shown in shown_to(people[0])]
    assert listed == [ids(people[number]).public_id for number in (0, 1, 3, 2)]


def test_nobody_else_is_listed(app: Flask, stub: ScriptedProvider, laptop: Person) -> None:
    stub.answer("/userinfo", {"sub": "user-2", "name": "Una User", "email": "una@example.com"})
    other = signed_in(app)
    assert [shown.public_id for shown in shown_to(laptop)] == [ids(laptop).public_id]
    assert [shown.public_id for shown in shown_to(other)] == [ids(other).public_id]


def test_the_same_subject_at_another_provider_is_another_person(app: Flask, laptop: Person) -> None:
    there = signed_in(app, provider="other")
    assert [shown.public_id for shown in shown_to(laptop)] == [ids(laptop).public_id]
    assert revoke_all(laptop).status_code == 303
    assert there.is_signed_in()


def test_last_seen_is_never_more_than_a_minute_late(clock: MovedClock, laptop: Person, phone: Person) -> None:
    for _ in range(12):
        clock.advance(25)
        phone.get("/session")
        (entry,) = [shown for shown in shown_to(laptop) if not shown.is_this]
        assert 0 <= clock.now - entry.seen <= 60
        assert entry.seen_text == "just now"


def test_a_browser_that_comes_back_after_a_break_is_seen_now(clock: MovedClock, laptop: Person) -> None:
    clock.advance(1800)
    assert shown_to(laptop)[0].seen == clock.now


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(119, "just now"), (120, "2 minutes ago"), (3599, "59 minutes ago"), (3600, "1 hour ago"), (10_799, "2 hours ago"),
     (180_000, "2 days ago"), (-5, "just now")],
)  # fmt: skip
def test_last_seen_is_told_in_one_unit(
    make_app: Callable[..., Flask], clock: MovedClock, seconds: int, text: str
) -> None:
    app = make_app(DOORKEY_SESSION_IDLE="72h", DOORKEY_SESSION_ABSOLUTE="90h")
    signed_in(app)
    clock.advance(seconds)
    (entry,) = [shown for shown in shown_to(signed_in(app)) if not shown.is_this]
    assert entry.seen_text == text


def test_a_session_that_has_ended_is_not_listed(app: Flask, clock: MovedClock, laptop: Person) -> None:
    clock.advance(3000)
    laptop.get("/session")
    phone = signed_in(app)
    clock.advance(3000)
    phone.get("/session")
    clock.advance(700)  # the laptop has idled for longer than an hour, and nothing was swept
    assert [shown.public_id for shown in shown_to(phone)] == [ids(phone).public_id]


def test_of_whom_nothing_is_known_only_this_browser_is_listed_and_ended(make_app: Callable[..., Flask]) -> None:
    app = make_app(DOORKEY_PROVIDER_STUB_USERINFO="never")
    somebody, another = signed_in(app), signed_in(app)
    assert [shown.public_id for shown in shown_to(somebody)] == [ids(somebody).public_id]
    assert "stub did not say who you are" in somebody.get(PAGE).text
    assert revoke(somebody, ids(another).public_id).status_code == 303
    assert revoke_all(somebody).headers["Location"] == "/logged-out"
    assert not somebody.is_signed_in()
    assert another.is_signed_in()


def test_sessions_sealed_under_either_key_are_listed_and_ended(make_app: Callable[..., Flask]) -> None:
    before = make_app()
    old = signed_in(before)
    after = make_app(DOORKEY_SECRET_KEY=f"{NEWER_KEY},{KEY}")
    new = signed_in(after, FIREFOX)
    assert {shown.public_id for shown in shown_to(new)} == {ids(old).public_id, ids(new).public_id}
    assert revoke_all(new).status_code == 303
    assert not old.is_signed_in()


# ---- what is ended ----


def test_one_that_is_revoked_is_out_at_its_next_request_and_no_other_is(
    app: Flask, laptop: Person, phone: Person
) -> None:
    third = signed_in(app)
    response = revoke(laptop, ids(phone).public_id)
    assert (response.status_code, response.headers["Location"]) == (303, f"{PAGE}#ended")
    assert "Set-Cookie" not in response.headers
    assert not phone.is_signed_in()
    assert laptop.is_signed_in()
    assert third.is_signed_in()
    assert ids(phone).public_id not in laptop.get(PAGE).text


def test_revoking_this_one_is_signing_out(make_app: Callable[..., Flask], stub: ScriptedProvider) -> None:
    app = make_app(DOORKEY_PROVIDER_STUB_REVOCATION_ENDPOINT=f"{stub.url}/revoke")
    stub.answer("/revoke", {})
    laptop, phone = signed_in(app), signed_in(app)
    response = revoke(laptop, ids(laptop).public_id)
    assert (response.status_code, response.headers["Location"]) == (303, "/logged-out")
    assert "cache" in response.headers["Clear-Site-Data"]
    assert laptop.cookies() == {}
    assert phone.is_signed_in()
    assert [seen.form["token"] for seen in stub.requests_to("/revoke")] == ["canary-refresh-token"]


def test_signing_out_everywhere_ends_all_of_mine_here_too(app: Flask, laptop: Person, phone: Person) -> None:
    response = revoke_all(phone)
    assert (response.status_code, response.headers["Location"]) == (303, "/logged-out")
    assert phone.cookies() == {}
    assert not laptop.is_signed_in()
    assert shown_to(signed_in(app))[0].is_this


def test_signing_out_everywhere_is_offered_when_there_is_more_than_here(app: Flask, laptop: Person) -> None:
    assert ALL not in laptop.get(PAGE).text
    signed_in(app)
    assert ALL in laptop.get(PAGE).text


def test_one_that_is_over_already_is_what_was_wanted(laptop: Person, phone: Person) -> None:
    gone = ids(phone).public_id
    phone.sign_out()
    assert revoke(laptop, gone).status_code == 303
    assert laptop.is_signed_in()


@pytest.mark.parametrize("whose", ["nobody", "record id", "upper case", "somebody else"])
def test_an_id_that_is_none_of_mine_ends_nothing(
    app: Flask, stub: ScriptedProvider, laptop: Person, phone: Person, whose: str
) -> None:
    stub.answer("/userinfo", {"sub": "user-2"})
    other = signed_in(app)
    given = {
        "nobody": "0123456789abcdef",
        "record id": ids(phone).record_id.hex(),
        "upper case": ids(phone).public_id.upper() + "A",
        "somebody else": ids(other).public_id,
    }
    assert revoke(laptop, given[whose]).status_code == 303
    assert laptop.is_signed_in()
    assert phone.is_signed_in()
    assert other.is_signed_in()


# ---- who may ask ----

FORGED = {
    "no token": ({}, {}),
    "another token": ({"csrf_token": "A" * 43}, {}),
    "the token of another session of mine": ({"csrf_token": "{phone}"}, {}),
    "a foreign origin": ({"csrf_token": "{own}"}, {"Origin": "https://evil.example"}),
    "another site": ({"csrf_token": "{own}"}, {"Sec-Fetch-Site": "cross-site"}),
    "a sibling": ({"csrf_token": "{own}"}, {"Sec-Fetch-Site": "same-site"}),
}


@pytest.mark.parametrize("which", ["all", "this", "another"])
@pytest.mark.parametrize(("fields", "headers"), FORGED.values(), ids=FORGED)
def test_a_forged_form_is_refused_and_ends_nothing(
    laptop: Person, phone: Person, which: str, fields: dict[str, str], headers: dict[str, str]
) -> None:
    paths = {
        "all": ALL,
        "this": f"{PAGE}/{ids(laptop).public_id}/revoke",
        "another": f"{PAGE}/{ids(phone).public_id}/revoke",
    }
    tokens = {"own": ids(laptop).csrf_token, "phone": ids(phone).csrf_token}
    given = {name: value.format(**tokens) for name, value in fields.items()}
    assert laptop.post(paths[which], data=given, headers=headers).status_code == 403
    assert laptop.is_signed_in()
    assert phone.is_signed_in()


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_link_or_an_image_cannot_end_anything(laptop: Person, phone: Person, method: str) -> None:
    for path in (ALL, f"{PAGE}/{ids(phone).public_id}/revoke", f"{PAGE}/{ids(laptop).public_id}/revoke"):
        response = laptop.client.open(path, method=method.upper(), base_url=laptop.origin)
        assert response.status_code == 405
        assert "GET" not in response.headers["Allow"]
    assert laptop.is_signed_in()
    assert phone.is_signed_in()


def test_a_visitor_is_sent_to_the_start(person: Person) -> None:
    assert person.get(PAGE).headers["Location"] == "/"
    assert person.post(ALL).headers["Location"] == "/"
    assert person.post(f"{PAGE}/0123456789abcdef/revoke").headers["Location"] == "/"


def test_one_that_was_ended_elsewhere_can_end_nothing_any_more(laptop: Person, phone: Person) -> None:
    token = ids(phone).csrf_token
    revoke(laptop, ids(phone).public_id)
    assert phone.post(ALL, data={"csrf_token": token}).headers["Location"] == "/"
    assert laptop.is_signed_in()


# ---- what it never says or does ----


def test_a_store_that_is_away_is_503_and_ends_nothing(tmp_path: Path, laptop: Person, phone: Person) -> None:
    file = tmp_path / "instance" / "sessions.sqlite3"
    token = {"csrf_token": laptop.form_token(PAGE)}
    file.rename(file.with_suffix(".kept"))
    file.mkdir()
    answers = [laptop.get(PAGE), laptop.post(ALL, data=token), laptop.post(f"{PAGE}/{'0' * 16}/revoke", data=token)]
    file.rmdir()
    file.with_suffix(".kept").rename(file)
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "Set-Cookie" not in answer.headers
    assert laptop.is_signed_in()
    assert phone.is_signed_in()


def test_what_the_provider_says_is_text(make_app: Callable[..., Flask], stub: ScriptedProvider) -> None:
    nasty = "</bdi><script>alert(1)</script>\"'&amp;"
    stub.answer("/userinfo", {"sub": nasty, "name": nasty})
    app = make_app(DOORKEY_PROVIDER_STUB_LABEL=nasty)
    page = signed_in(app, nasty).get(PAGE).text
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;amp;") == 2


def test_nothing_secret_is_in_the_page(laptop: Person, phone: Person) -> None:
    page = laptop.get(PAGE).text
    secrets = [ids(phone).csrf_token, "canary"]
    for each in (ids(laptop), ids(phone)):
        secrets += [encode(each.session_secret), encode(each.gate_secret), each.gate_secret.hex()]
        secrets += [encode(each.record_id), each.record_id.hex()]
    assert [secret for secret in secrets if secret in page] == []
    assert ids(laptop).csrf_token in page
