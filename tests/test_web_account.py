"""The home page and /session (web/account.py): small pieces, and the pages through pytest-flask's client."""

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient

from doorkey.base64url import encode
from doorkey.factory import create_app
from doorkey.oauth.token import Token
from doorkey.oauth.user_info import Identity
from doorkey.settings import load
from doorkey.web.account_view import ScopeRow, duration_text, expiry_view, moment_text, scope_rows
from tests.conftest import ORIGIN, MovedClock
from tests.test_provider import SETTINGS
from tests.test_token import NOW, read


@pytest.fixture
def app(tmp_path_factory: pytest.TempPathFactory, clock: MovedClock) -> Flask:
    changes = {"DOORKEY_PUBLIC_URL": ORIGIN, "DOORKEY_INSTANCE": str(tmp_path_factory.mktemp("instance"))}
    return create_app(load(SETTINGS | changes), clock=clock)


def sign_in(app: Flask, client: FlaskClient, identity: Identity, token: Token | None = None) -> None:
    opened = app.session_interface.sessions.start(identity, token or read())  # type: ignore[attr-defined]
    client.set_cookie("doorkey", encode(opened.ids.session_secret), domain="127.0.0.1")


def page(client: FlaskClient, path: str = "/") -> str:
    return client.get(path, base_url=ORIGIN).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a second"),
        (0.9, "less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (61, "1 minute 1 second"),
        (3572, "59 minutes 32 seconds"),
        (3600, "1 hour"),
        (2 * 86400 + 3 * 3600 + 59, "2 days 3 hours"),
        (86400, "1 day"),
    ],
)
def test_a_duration_is_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 January 1970, 00:00:00 UTC"), (1_795_535_814.9, "24 November 2026, 15:56:54 UTC")],
)
def test_a_moment_is_written_out(seconds: float, text: str) -> None:
    assert moment_text(seconds) == text


def test_scopes_are_shown_as_asked_and_then_what_came_on_top() -> None:
    token = msgspec.structs.replace(read(), scope_asked=("b", "a"), scope_granted=("extra", "a"))
    assert scope_rows(token) == [
        ScopeRow("b", True, False),
        ScopeRow("a", True, True),
        ScopeRow("extra", False, True),
    ]


@pytest.mark.parametrize(
    ("expires_in", "known", "expired", "left"),
    [(3600, True, False, "1 hour"), (0, True, True, "expired"), (-5, True, True, "expired"), (None, False, False, "")],
)
def test_an_expiry_is_known_live_or_over(expires_in: int | None, known: bool, expired: bool, left: str) -> None:
    view = expiry_view(read({"expires_in": expires_in}), NOW)
    assert (view.known, view.expired, view.left_text, view.now_epoch) == (known, expired, left, NOW)
    assert view.at_epoch == (None if expires_in is None else NOW + expires_in)
    assert bool(view.at_iso and view.at_text) is known
    assert view.issued_iso == "2027-01-15T08:00:00Z"


def test_a_visitor_sees_a_button_for_each_provider(client: FlaskClient) -> None:
    shown = page(client)
    assert 'href="/login?provider=acme"' in shown
    assert "Sign in with acme" in shown


def test_a_member_sees_who_they_are_the_scopes_and_the_expiry(app: Flask, client: FlaskClient) -> None:
    identity = Identity(provider="acme", sub="u-1", name="Una User", email="una@example.com", groups=("staff", "ops"))
    sign_in(app, client, identity, read({"scope": "read extra", "refresh_token": "canary"}, asked=("read", "write")))
    shown = page(client)
    for words in ("Una User", "u-1", "una@example.com", "staff", "ops", "acme", "read", "write", "extra"):
        assert words in shown
    assert "1 hour" in shown
    assert "15 January 2027, 09:00:00 UTC" in shown
    assert "canary" not in shown


def test_what_the_provider_says_is_text_and_never_markup(app: Flask, client: FlaskClient) -> None:
    nasty = "<script>alert(1)</script>\"'><img src=x>"
    sign_in(app, client, Identity(provider="acme", sub=nasty, name=nasty, email=nasty, groups=(nasty,)))
    shown = page(client)
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    ("expires_in", "words"),
    [(None, "with the session"), (0, "expired"), (3600, "1 hour")],
    ids=["unknown", "over", "live"],
)
def test_the_page_says_what_is_known_of_the_expiry(
    app: Flask, client: FlaskClient, expires_in: int | None, words: str
) -> None:
    sign_in(app, client, Identity(provider="acme", sub="u"), read({"expires_in": expires_in}))
    assert words in page(client)


def test_a_scope_that_was_not_confirmed_is_said_to_be_as_asked(app: Flask, client: FlaskClient) -> None:
    sign_in(app, client, Identity(provider="acme", sub="u"), read({"scope": None}))
    assert "did not say what it granted" in page(client)


def test_somebody_without_a_name_is_signed_in_all_the_same(app: Flask, client: FlaskClient) -> None:
    sign_in(app, client, Identity(provider="acme"))
    assert "The provider did not say who you are" in page(client)


def test_a_session_of_a_provider_that_was_removed_still_opens(app: Flask, client: FlaskClient) -> None:
    sign_in(app, client, Identity(provider="gone", sub="u"))
    assert "gone" in page(client)


def test_session_says_what_the_page_says_and_no_token(app: Flask, client: FlaskClient) -> None:
    token = read(
        {"access_token": "canary-at", "refresh_token": "canary-rt", "id_token": "canary.i.t"}, asked=("read", "x")
    )
    sign_in(app, client, Identity(provider="acme", sub="u", name="U", email="u@x", groups=("g",)), token)
    response = client.get("/session", base_url=ORIGIN)
    assert "canary" not in response.text
    assert response.get_json() == {
        "active": True, "user": "u", "name": "U", "email": "u@x", "groups": ["g"], "provider": "acme",
        "scope": "read write", "requested_scope": "read x", "scope_confirmed": True, "expires_at": int(NOW) + 3600,
        "expires_at_utc": "2027-01-15T09:00:00Z", "expired": False, "session_idle_ends_at": int(NOW) + 3600,
        "session_ends_at": int(NOW) + 43200, "refresh_error": None,
    }  # fmt: skip


def test_session_of_a_visitor_is_inactive_and_nothing_more(client: FlaskClient) -> None:
    response = client.get("/session", base_url=ORIGIN)
    assert (response.status_code, response.get_json()) == (200, {"active": False})
    assert response.headers["Cache-Control"] == "no-store"
    assert "Cookie" in response.headers["Vary"]
