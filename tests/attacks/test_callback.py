"""Bad callbacks: wrong state, code, error, issuer or method, the wrong browser, and races."""

import itertools
import threading
from urllib.parse import urlencode

import pytest

from tests.support.attack_asserts import assert_refused, session_cookies_set_by
from tests.support.person import Person


@pytest.mark.parametrize(
    "query",
    [
        "code=c",
        "code=c&state=",
        "code=c&state=never-given-out",
        "code=c&state={state}&state={state}",
        "code=c&state={state}&state=other",
        "code=c&state=other&state={state}",
        "code=c&state={state}%20",
        "code=c&state={state}x",
        "code=c&State={state}",
        "code=c&state[]={state}",
        "code=c&state=" + "s" * 5000,
        "code=c&state=%00",
        "code=c&state=%ff%fe",
        "code=c&state=%ed%a0%80",
        "",
    ],
    ids=[
        "none", "empty", "foreign", "doubled", "doubled-other", "doubled-other-first", "space", "longer",
        "wrong-case", "array", "5000-characters", "nul", "not-utf-8", "surrogate", "no-query",
    ],
)  # fmt: skip
def test_it_refuses_a_callback_without_its_one_state_and_burns_nothing(query, person, stub):
    state = person.begin().state
    assert_refused(person, person.come_back(query.format(state=state)), 400)
    assert stub.requests_to("/token") == []
    assert person.come_back(f"code=c&state={state}").status_code == 303, "the real sign-in must still work"


def test_it_refuses_a_replayed_callback_without_a_second_token_request(person, stub):
    begun = person.begin()
    query = f"code=c&state={begun.state}"
    assert person.come_back(query).status_code == 303
    again = person.come_back(query)
    assert again.status_code == 400
    assert session_cookies_set_by(again) == []
    assert len(stub.requests_to("/token")) == 1


def test_it_refuses_a_replay_that_brings_the_transaction_cookie_again(app, stub):
    thief = Person(app)
    begun = thief.begin()
    jar = dict(thief.cookies())
    thief.come_back(f"code=c&state={begun.state}")
    other = Person(app)
    for name, value in jar.items():
        other.client.set_cookie(name, value, domain="127.0.0.1")
    answer = other.come_back(f"code=c2&state={begun.state}")
    assert_refused(other, answer, 400)
    assert "login_already_used" in answer.text
    assert len(stub.requests_to("/token")) == 1


@pytest.mark.parametrize(
    "query",
    ["", "code=", "code=a&code=b", "code=a&code=a", "code=&code=a", "Code=a", "access_token=a", "id_token=a"],
    ids=["none", "empty", "doubled", "same-twice", "empty-and-one", "wrong-case", "access-token", "id-token"],
)
def test_it_refuses_a_callback_without_exactly_one_code(query, person, stub):
    state = person.begin().state
    assert_refused(person, person.come_back(f"state={state}&{query}"), 400)
    assert stub.requests_to("/token") == []
    assert person.come_back(f"code=c&state={state}").status_code == 400, "the state was spent"


@pytest.mark.parametrize("query", ["error=access_denied", "error=access_denied&state=unknown", "error=x&error=y"])
def test_an_error_without_state_leaves_pending_sign_ins_alone_and_is_not_quoted(query, person, stub):
    state = person.begin().state
    answer = person.come_back(query + "&error_description=CALL-0900-NOW")
    assert_refused(person, answer, 400)
    assert "CALL-0900-NOW" not in answer.text
    assert "its words" not in answer.text
    assert person.come_back(f"code=c&state={state}").status_code == 303


@pytest.mark.parametrize(
    ("error", "status"),
    [("access_denied", 403), ("server_error", 502), ("invalid_scope", 502), ("", 502), ("no such error", 502)],
    ids=["denied", "server", "scope", "empty", "unknown"],
)
def test_an_error_with_valid_state_consumes_that_sign_in_only(error, status, person, stub):
    failing, waiting = person.begin().state, person.begin().state
    answer = person.come_back(urlencode({"error": error, "state": failing}))
    assert_refused(person, answer, status)
    assert person.come_back(f"code=c&state={failing}").status_code == 400
    assert stub.requests_to("/token") == []
    assert person.come_back(f"code=c&state={waiting}").status_code == 303


@pytest.mark.parametrize("extra", ["code=c", "error=again", "code=", "code=a&code=b"])
def test_it_refuses_an_error_beside_something_else(extra, person, stub):
    state = person.begin().state
    answer = person.come_back(f"error=access_denied&state={state}&{extra}")
    assert_refused(person, answer, 400)
    assert stub.requests_to("/token") == []


ISSUER = "https://issuer.example.test"


@pytest.mark.parametrize(
    "query",
    [
        "iss=https://evil.test",
        f"iss={ISSUER}/",
        "iss=https://ISSUER.example.test",
        f"iss={ISSUER}&iss={ISSUER}",
        f"iss={ISSUER}&iss=https://evil.test",
        "iss=",
    ],
    ids=["other", "slash", "upper-case", "doubled", "doubled-other", "empty"],
)
@pytest.mark.parametrize("answer", ["code=c", "error=access_denied"])
def test_it_refuses_another_issuer_before_it_reads_the_answer(query, answer, make_app, stub):
    person = Person(make_app(DOORKEY_PROVIDER_STUB_ISSUER=ISSUER))
    state = person.begin().state
    refused = person.come_back(f"{answer}&state={state}&{query}")
    assert_refused(person, refused, 400)
    assert "issuer_mismatch" in refused.text
    assert stub.requests_to("/token") == []


def test_it_accepts_the_configured_issuer(make_app):
    person = Person(make_app(DOORKEY_PROVIDER_STUB_ISSUER=ISSUER))
    assert person.come_back(urlencode({"code": "c", "state": person.begin().state, "iss": ISSUER})).status_code == 303


def test_a_head_request_makes_no_token_request_and_burns_nothing(person, stub):
    path = f"/callback/stub?code=c&state={person.begin().state}"
    head = person.client.head(path, base_url=person.origin)
    assert head.status_code in (200, 204)
    assert head.headers.getlist("Set-Cookie") == []
    assert stub.requests_to("/token") == []
    assert person.get(path).status_code == 303


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_other_methods_at_the_callback_are_refused(method, person, stub):
    path = f"/callback/stub?code=c&state={person.begin().state}"
    answer = person.client.open(path, method=method, base_url=person.origin)
    assert answer.status_code == 405
    assert stub.requests_to("/token") == []
    assert person.get(path).status_code == 303


@pytest.mark.parametrize("busy", [False, True], ids=["fresh-jar", "own-login-pending"])
def test_another_browser_cannot_use_a_callback_url(busy, app, stub):
    attacker, victim = Person(app), Person(app)
    if busy:
        victim.begin()
    state = attacker.begin().state
    assert_refused(victim, victim.come_back(f"code=c&state={state}"), 400)
    assert stub.requests_to("/token") == []
    assert attacker.come_back(f"code=c&state={state}").status_code == 303


def test_a_state_of_one_provider_is_refused_at_the_callback_of_another(person, stub):
    state = person.begin("stub").state
    assert_refused(person, person.come_back(f"code=c&state={state}", "other"), 400)
    assert stub.requests_to("/token") == []


@pytest.mark.parametrize("provider", ["nobody", "Stub", "stub%00", "..", "stub/x"])
def test_an_unknown_provider_is_a_404(provider, person):
    assert person.come_back("code=c&state=s", provider).status_code == 404
    assert person.get(f"/login?provider={provider}").status_code == 404


@pytest.mark.parametrize("seconds", [-120, 600, 86_400])
def test_a_sign_in_that_took_too_long_is_refused(seconds, person, stub, clock):
    state = person.begin().state
    clock.advance(seconds)
    assert_refused(person, person.come_back(f"code=c&state={state}"), 400)
    assert stub.requests_to("/token") == []


def test_ten_parallel_callbacks_make_one_token_request_and_one_session(app, stub):
    person = Person(app)
    begun = person.begin()
    jar = person.cookies()
    barrier, answers = threading.Barrier(10), []

    def come_back() -> None:
        tab = Person(app)
        for name, value in jar.items():
            tab.client.set_cookie(name, value, domain="127.0.0.1")
        barrier.wait()
        answers.append(tab.come_back(f"code=c&state={begun.state}"))

    threads = [threading.Thread(target=come_back) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 9
    assert sum(len(session_cookies_set_by(answer)) for answer in answers) == 1
    assert len(stub.requests_to("/token")) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::17], ids=lambda o: "".join(map(str, o)))
def test_five_tabs_finish_in_any_order(order, person, stub):
    states = [person.begin("stub" if n % 2 else "other").state for n in range(5)]
    for n in order:
        answer = person.come_back(f"code=c{n}&state={states[n]}", "stub" if n % 2 else "other")
        assert answer.status_code == 303, f"tab {n}"
    assert person.is_signed_in()
    assert len(stub.requests_to("/token")) == 5


def test_tabs_begun_in_parallel_without_cookies_all_succeed(app, stub):
    """A browser that restores five tabs sends five requests before any cookie has come."""
    tabs: list[tuple[str, dict[str, str]]] = []

    def begin() -> None:
        tab = Person(app)
        tabs.append((tab.begin().state, tab.cookies()))

    threads = [threading.Thread(target=begin) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    browser = Person(app)
    for _, jar in tabs:
        for name, value in jar.items():
            browser.client.set_cookie(name, value, domain="127.0.0.1")
    assert [browser.come_back(f"code=c&state={state}").status_code for state, _ in tabs] == [303] * 5


@pytest.mark.parametrize("query", ["session=x", "tx=x", "state=chosen", "sid=x&code=c", "code_challenge=x"])
def test_nothing_in_a_login_url_chooses_state_or_session(query, person):
    begun = person.begin(**dict(pair.split("=") for pair in query.split("&")))
    assert begun.state != "chosen"
    assert len(begun.state) == 43
    assert begun.params["code_challenge_method"] == "S256"
    assert begun.params["code_challenge"] != "x"


def test_a_refused_callback_shows_no_code_and_has_no_link_with_a_query(person):
    person.begin()
    answer = person.come_back("code=canary-code&state=canary-state")
    assert "canary" not in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
