"""Holes that were open once, in one place each, and must stay closed."""

import json
import logging
import time
from urllib.parse import urlencode

import pytest

from doorkey import events
from doorkey.errors import ProviderUnreachable
from doorkey.oauth.http import Transport
from tests.support.person import Person


def test_of_sign_ins_begun_within_a_second_the_newest_five_finish(app, clock):
    person = Person(app)
    begun = []
    for _ in range(20):
        begun.append(person.begin())
        clock.advance(0.01)
    answers = [person.come_back(urlencode({"code": "c", "state": one.state})).status_code for one in begun]
    assert answers == [400] * 15 + [303] * 5


def test_headers_that_nobody_can_read_do_not_reach_the_log(app, stub, capfd):
    def odd(handler):
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nbad header canary-token\r\nX: canary-more\r\nContent-Length: 2\r\n\r\n{}"
        )

    stub.answer_raw("/token", odd)
    handlers, level = logging.root.handlers[:], logging.root.level
    events.configure("json")
    try:
        assert Person(app).sign_in().status_code == 502
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    written = capfd.readouterr().err
    assert "login_failed" in written
    assert "canary" not in written
    assert max(len(line) for line in written.splitlines()) < 4000
    for line in written.splitlines():
        json.loads(line)


def test_all_calls_of_a_sign_in_share_one_deadline(stub):
    """A token that takes long leaves less time for the user."""
    stub.answer_raw("/slow", lambda handler: time.sleep(3))
    transport = Transport().within(0.6)
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(ProviderUnreachable):
            transport.get(stub.url + "/slow", {}, "test")
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("style", ["encoded", "plain"])
def test_credentials_that_a_provider_repeats_are_masked(style, app, stub):
    def repeat(handler):
        said = handler.headers["Authorization"].removeprefix("Basic ")
        body = json.dumps({"error": "invalid_client", "error_description": f"who is {said}"}).encode()
        handler.wfile.write(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    stub.answer_raw("/token", repeat)
    page = Person(app).sign_in()
    said = stub.requests_to("/token")[0].headers["Authorization"].removeprefix("Basic ")
    assert page.status_code == 502
    assert "who is ****" in page.text
    assert said not in page.text


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_a_decision_from_another_site_is_refused_by_the_development_provider(headers, dev_app):
    person = Person(dev_app)
    begun = person.begin("dev")
    page = person.get(begun.url.removeprefix(person.origin)).text
    ticket = page.split('name="ticket" value="')[1].split('"')[0]
    assert person.post("/oauth/authorize", data={"ticket": ticket, "user": "alice"}, headers=headers).status_code == 403
    assert person.post("/oauth/authorize", data={"ticket": ticket, "user": "alice"}).status_code == 302


def test_a_redirect_has_the_policy_of_what_is_no_page(person):
    policy = person.get("/login?provider=stub").headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


def test_who_signed_in_from_where_is_in_the_log(app, caplog):
    caplog.set_level(logging.INFO)
    assert Person(app).sign_in().status_code == 303
    fields = next(record.fields for record in caplog.records if getattr(record, "event", "") == "login_ok")
    assert fields == {"provider": "stub", "user": "user-1", "address": "127.0.0.1"}
