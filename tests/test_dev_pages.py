"""The development provider's pages as forms over WSGI; tests/browser/test_dev_pages.py is about what people see."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.page_views import LOCAL_PROGRAMS
from doorkey.devprovider.realm import DevProvider, Realm
from doorkey.devprovider.users import Client, User
from tests.conftest import MovedClock

URL = "http://127.0.0.1:9000"
CALLBACK = "http://127.0.0.1:3000/callback"
NASTY = "<b>\"'&"


@pytest.fixture
def provider(clock: MovedClock) -> Flask:
    client = Client("mine", "s" * 32, (CALLBACK,), client_name=NASTY, scopes=("read",))
    users = (User("alice", "Alice Archer", "alice@example.com", ("staff",)), User("nasty", NASTY, about=NASTY))
    return create_provider_app(DevProvider([client], users=users), clock=clock)


@pytest.fixture
def realm(provider: Flask) -> Realm:
    found: Realm = provider.extensions["realm"]
    return found


@pytest.fixture
def browser(provider: Flask) -> FlaskClient:
    return provider.test_client()


def page(browser: FlaskClient, path: str) -> str:
    answer = browser.get(path, base_url=URL)
    assert answer.status_code == 200
    return answer.text


def field(text: str, name: str) -> str:
    """The value of the first hidden field of that name."""
    found = re.search(f'name="{name}" value="([^"]*)"', text)
    assert found
    return unescape(found[1])


def press(browser: FlaskClient, action: str, path: str = "/dev/", **fields: str) -> TestResponse:
    csrf = field(page(browser, path), "csrf")
    return browser.post(path, base_url=URL, data={"csrf": csrf, "action": action, **fields})


def authorize(**parameters: str) -> str:
    usual = {"client_id": "mine", "redirect_uri": CALLBACK, "response_type": "code", "state": "s"}
    return "/oauth/authorize?" + urlencode({**usual, **parameters})


# ---- the dashboard ----


def test_every_form_sends_a_known_action_and_the_csrf_value(provider: Flask, browser: FlaskClient) -> None:
    text = page(browser, "/dev/")
    forms = re.findall(r'<form[^>]* method="post" action="([^"#]*)#[a-z-]+">(.*?)</form>', text, re.S)
    assert len(forms) == text.count("<form")
    assert {action for action, _ in forms} == {"/dev/"}
    assert {field(body, "csrf") for _, body in forms} == {provider.extensions["csrf"]}
    assert {field(body, "action") for _, body in forms} == {
        *("fail", "clear", "advance", "forget", "mint", "log-out", "revoke", "rotate", "reset")
    }


def test_a_fragment_of_a_form_leads_somewhere(browser: FlaskClient) -> None:
    text = page(browser, "/dev/")
    known = set(re.findall(r' id="([a-z-]+)"', text)) | {"minted"}
    assert set(re.findall(r'action="/dev/#([a-z-]+)"', text)) <= known


@pytest.mark.parametrize("csrf", ["", "wrong"])
def test_a_form_without_the_csrf_value_does_nothing(browser: FlaskClient, realm: Realm, csrf: str) -> None:
    answer = browser.post("/dev/", base_url=URL, data={"csrf": csrf, "action": "fail", "spec": "invalid-iss"})
    assert answer.status_code == 403
    assert realm.script.waiting() == []


def test_a_form_of_another_site_does_nothing(provider: Flask, browser: FlaskClient, realm: Realm) -> None:
    data = {"csrf": provider.extensions["csrf"], "action": "fail", "spec": "invalid-iss"}
    answer = browser.post("/dev/", base_url=URL, data=data, headers={"Origin": "https://evil.test"})
    assert answer.status_code == 403
    assert realm.script.waiting() == []


def test_an_unknown_action_is_refused(browser: FlaskClient) -> None:
    assert press(browser, "explode").status_code == 400


@pytest.mark.parametrize(
    ("fields", "spec"),
    [
        ({"failure": "invalid-iss", "endpoint": "token", "times": "1"}, "invalid-iss"),
        ({"failure": "garbage", "endpoint": "userinfo", "times": "always"}, "userinfo:garbage"),
        ({"spec": "token:status=503*2"}, "token:status=503"),
    ],
)
def test_a_failure_is_armed_and_shown_and_cleared(
    browser: FlaskClient, realm: Realm, fields: dict[str, str], spec: str
) -> None:
    answer = press(browser, "fail", **fields)
    assert (answer.status_code, answer.location) == (302, "/dev/")
    assert [rule.text for rule in realm.script.waiting()] == [spec]
    assert f'data-cell="spec">{spec}<' in page(browser, "/dev/")
    press(browser, "clear")
    assert realm.script.waiting() == []


def test_every_failure_can_be_chosen(browser: FlaskClient) -> None:
    listed = browser.get("/dev/failures", base_url=URL).json
    assert listed is not None
    options = re.findall(r'<option value="([^"]+)">[^<]*: ', page(browser, "/dev/"))
    assert sorted(options) == sorted(failure["name"] for failure in listed["failures"])


def test_a_mistake_is_shown_beside_what_was_typed(browser: FlaskClient) -> None:
    answer = press(browser, "fail", spec='"><b>')
    assert answer.status_code == 400
    section = answer.text.partition('id="fail"')[2].partition("</section>")[0]
    assert 'role="alert"' in section
    assert field(section, "spec") == '"><b>'
    assert "<b>" not in section
    assert "notice done" not in answer.text


def test_a_minted_token_is_shown_once_and_works(browser: FlaskClient) -> None:
    answer = press(browser, "mint", sub="alice", client_id="mine", scope="read", format="opaque")
    found = re.search("dk-dev-at-[A-Za-z0-9_-]+", answer.text)
    assert found
    assert found[0] not in page(browser, "/dev/")
    user = browser.get("/oauth/userinfo", base_url=URL, headers={"Authorization": f"Bearer {found[0]}"}).json
    assert user is not None
    assert user["sub"] == "alice"


def test_a_token_for_the_client_itself_has_no_user(browser: FlaskClient) -> None:
    answer = press(browser, "mint", sub="", client_id="mine", scope="", format="")
    assert "the client itself" in answer.text.partition('id="tokens"')[2]
    assert "refresh_token" not in answer.text.partition('id="minted"')[2].partition("</section>")[0]


def test_the_clock_moves(browser: FlaskClient, realm: Realm) -> None:
    press(browser, "advance", seconds="-90")
    assert realm.clock.offset == -90
    assert "1:30 behind this machine" in page(browser, "/dev/")


def test_times_left_are_said_in_days_too(browser: FlaskClient) -> None:
    press(browser, "mint", sub="alice", client_id="mine")
    text = page(browser, "/dev/")
    assert ">1:00:00</td>" in text
    assert ">1 d 00:00:00</td>" in text


def test_tokens_of_a_user_are_revoked_and_everything_starts_again(browser: FlaskClient, realm: Realm) -> None:
    press(browser, "mint", sub="alice", client_id="mine")
    press(browser, "revoke", sub="alice")
    assert realm.store.live(realm.clock()) == []
    before = [key["kid"] for key in realm.keys.public()]
    press(browser, "rotate")
    assert [key["kid"] for key in realm.keys.public()] != before
    page(browser, authorize())
    press(browser, "forget")
    assert len(realm.log) == 0
    press(browser, "advance", seconds="60")
    press(browser, "reset")
    assert realm.clock.offset == 0


def test_what_a_request_said_is_shown_as_text(browser: FlaskClient) -> None:
    browser.get(authorize(state=NASTY, nonce="n" * 500), base_url=URL)
    text = page(browser, "/dev/")
    assert "<span>state=</span>&lt;b&gt;&#34;&#39;&amp;<" in text
    assert f"<span>nonce=</span>{'n' * 120}…<" in text
    assert NASTY not in text


def test_the_page_that_loads_itself_again_has_no_form(browser: FlaskClient) -> None:
    text = page(browser, "/dev/?watch=1")
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    assert "<form" not in text
    assert "http-equiv" not in page(browser, "/dev/")


def test_nothing_on_the_pages_is_inline(browser: FlaskClient) -> None:
    for path in ("/dev/", authorize(), "/oauth/device"):
        text = page(browser, path)
        assert re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=)", text) is None


# ---- the others ----


def test_forms_of_another_issuer_stay_with_it(browser: FlaskClient) -> None:
    browser.put("/tenant-a/dev/clients/mine", base_url=URL, json={"client_secret": "s", "redirect_uris": [CALLBACK]})
    for path in (authorize(), "/oauth/device", "/dev/"):
        actions = set(re.findall(r' action="([^"#]*)', page(browser, f"/tenant-a{path}")))
        assert len(actions) == 1
        assert actions.pop().startswith("/tenant-a/")
    assert press(browser, "clear", "/tenant-a/dev/").location == "/tenant-a/dev/"


def test_the_consent_page_offers_what_can_fail_in_a_sign_in(browser: FlaskClient) -> None:
    text = page(browser, authorize(login_hint="alice"))
    assert '<option value="invalid-state">' in text
    assert '<option value="garbage">' not in text
    assert re.search(r'class="button hinted"[^>]*value="alice"', text)
    assert text.count("hinted") == 1
    assert NASTY not in text


def test_without_users_the_consent_page_says_where_to_get_some(browser: FlaskClient) -> None:
    for name in ("alice", "nasty"):
        browser.delete(f"/dev/users/{name}", base_url=URL)
    assert "There are no users any more." in page(browser, authorize())
    assert "PUT /dev/users/NAME" in page(browser, "/dev/")


def test_a_device_page_offers_no_failures_and_names_no_address(browser: FlaskClient) -> None:
    begun = browser.post(
        "/oauth/device_authorization", base_url=URL, data={"scope": "read"}, auth=("mine", "s" * 32)
    ).json
    assert begun is not None
    text = page(browser, f"/oauth/device?user_code={begun['user_code']}")
    assert begun["user_code"] in text
    assert 'name="failure"' not in text
    assert "goes back to" not in text
    decided = {"ticket": field(text, "ticket"), "user": "alice", "scope": "read"}
    assert "The device may go on." in browser.post("/oauth/device", base_url=URL, data=decided).text


def test_a_posted_answer_may_go_to_its_client_and_on_to_local_programs_only(browser: FlaskClient) -> None:
    ticket = field(page(browser, authorize(response_mode="form_post", state=NASTY)), "ticket")
    answer = browser.post("/oauth/authorize", base_url=URL, data={"ticket": ticket, "user": "alice"})
    assert f'action="{CALLBACK}"' in answer.text
    assert field(answer.text, "state") == NASTY
    assert f"form-action 'self' http://127.0.0.1:3000 {LOCAL_PROGRAMS};" in answer.headers["Content-Security-Policy"]


def test_leaving_asks_first_and_shows_its_frames(browser: FlaskClient) -> None:
    metadata = {"client_secret": "s" * 32, "redirect_uris": [CALLBACK], "post_logout_redirect_uris": [CALLBACK]}
    heard_at = {"frontchannel_logout_uri": "http://127.0.0.1:3000/heard?a=1"}
    browser.put("/dev/clients/mine", base_url=URL, json={**metadata, **heard_at})
    ticket = field(page(browser, authorize(scope="openid")), "ticket")
    browser.post("/oauth/authorize", base_url=URL, data={"ticket": ticket, "user": "nasty", "scope": "openid"})
    back = {"client_id": "mine", "post_logout_redirect_uri": CALLBACK, "state": "1 2"}
    question = page(browser, f"/oauth/logout?{urlencode(back)}")
    assert NASTY not in question
    answer = browser.post("/oauth/logout", base_url=URL, data={"ticket": field(question, "ticket")})
    assert re.search(r'<iframe [^>]*src="http://127.0.0.1:3000/heard\?a=1" title="[^"]+"', answer.text)
    assert f'<meta http-equiv="refresh" content="2; url={CALLBACK}?state=1+2">' in answer.text
    assert "frame-src http://127.0.0.1:3000;" in answer.headers["Content-Security-Policy"]
