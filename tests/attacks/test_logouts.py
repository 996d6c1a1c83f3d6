"""Logout tokens of every odd kind, and frames of strangers (web/provider_logout.py).

What comes back after a sign-out is in test_logout_returns.py, signing out by force in test_forged_forms.py, requests
that are slower than a sign-out in test_sessions.py.
"""

import json
import threading
from urllib.parse import quote

import pytest

from doorkey.base64url import encode
from doorkey.oauth.id_token import LOGOUT_EVENT
from tests.support.leaving import ORIGIN, eventually, key_of, leaving
from tests.support.person import Person
from tests.support.signing_provider import NOW, jwk, key_for, sealed_with

EVENT = json.dumps({LOGOUT_EVENT: {}})
HEADER = json.dumps({"alg": "RS256", "kid": "RS256", "typ": "logout+jwt"}).encode()


@pytest.fixture
def here(environ, clock, transport):
    with leaving(environ, clock, transport=transport) as found:
        yield found


@pytest.fixture
def una(here):
    person = here.sign_in("user-1", "sid-1")
    here.forget_requests()
    return person


# ---- logout tokens ----


def claims_text(here, more, **changes):
    """The claims of a right logout token with `more` in the text, as a lenient reader might take it."""
    fields = {
        "iss": json.dumps(here.stub.issuer),
        "aud": '"client-of-stub"',
        "iat": str(NOW),
        "exp": str(NOW + 120),
        "jti": '"j"',
        "events": EVENT,
        **changes,
    }
    inside = ",".join(f'"{name}":{value}' for name, value in fields.items() if value is not None)
    return f"{{{inside}{more}}}".encode()


SID = ',"sid":"sid-1"'
ODD_CLAIMS = {
    "sid twice": (',"sid":"sid-2","sid":"sid-1"', {}),
    "iss twice": (SID + ',"iss":"https://evil.example"', {}),
    "iat of NaN": (SID, {"iat": "NaN"}),
    "iat of infinity": (SID, {"iat": "Infinity"}),
    "iat of 1e400": (SID, {"iat": "1e400"}),
    "iat of a text": (SID, {"iat": f'"{NOW}"'}),
    "iat of a bool": (SID, {"iat": "true"}),
    "iat of a list": (SID, {"iat": f"[{NOW}]"}),
    "iat below zero": (SID, {"iat": "-1"}),
    "exp of 1e400": (SID, {"exp": "1e400"}),
    "exp in a hundred years": (SID, {"exp": str(NOW + 100 * 365 * 86400)}),
    "exp of null": (SID, {"exp": "null"}),
    "aud of null": (SID, {"aud": "null"}),
    "aud of an object": (SID, {"aud": '{"client-of-stub":1}'}),
    "aud of many": (SID, {"aud": json.dumps(["client-of-stub"] * 500 + ["evil"])}),
    "events of a list": (SID, {"events": json.dumps([LOGOUT_EVENT])}),
    "events of a text": (SID, {"events": json.dumps(LOGOUT_EVENT)}),
    "event of null": (SID, {"events": json.dumps({LOGOUT_EVENT: None})}),
    "event of https": (SID, {"events": json.dumps({LOGOUT_EVENT.replace("http:", "https:"): {}})}),
    "nonce of null": (SID + ',"nonce":null', {}),
    "sid of null": (',"sid":null', {}),
    "sub of null beside a sid": (SID + ',"sub":null', {}),
    "sid with a NUL": (',"sid":"sid-1\\u0000"', {}),
    "sid of half a pair": (',"sid":"\\ud800"', {}),
    "sid with a space": (',"sid":"sid-1 "', {}),
    "jti of half a pair": (SID, {"jti": '"\\ud800"'}),
    "jti of spaces": (SID, {"jti": '"  "'}),
    "deep": (SID + ',"x":' + "[" * 5000 + "]" * 5000, {}),
    "a long number": (SID + ',"x":' + "9" * 5000, {}),
}


@pytest.mark.parametrize(("more", "changes"), ODD_CLAIMS.values(), ids=ODD_CLAIMS)
def test_claims_that_readers_disagree_about_end_nothing(here, una, more, changes):
    token = sealed_with(HEADER, claims_text(here, more, **changes), key_of("stub", "RS256"), "RS256")
    answer = here.deliver(token)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "logout_token_invalid")
    assert una.is_signed_in()


def test_the_text_without_oddities_would_have_ended_it(here, una):
    """That the rows above are refused for what is odd in them."""
    header = json.dumps({"alg": "RS256", "kid": "RS256", "typ": "logout+jwt"}).encode()
    assert (
        here.deliver(sealed_with(header, claims_text(here, SID), key_of("stub", "RS256"), "RS256")).status_code == 200
    )
    assert not una.is_signed_in()


EVIL = key_for("RS256", 66)
HEADERS = {
    "none": {"alg": "none"},
    "None": {"alg": "None"},
    "NONE with a typ": {"alg": "NONE", "typ": "logout+jwt"},
    "no alg": {"alg": None},
    "alg of a list": {"alg": ["RS256"]},
    "another alg for the same key": {"alg": "RS512"},
    "PS256 for the same key": {"alg": "PS256"},
    "jwk": {"jwk": jwk(EVIL)},
    "jku": {"jku": "https://evil.example/keys"},
    "x5u": {"x5u": "https://evil.example/cert"},
    "x5c": {"x5c": ["MIIB"]},
    "crit": {"crit": ["b64"], "b64": False},
    "a path as kid": {"kid": "../../dev/null"},
    "a query as kid": {"kid": "RS256' OR 1=1 --"},
    "a list as kid": {"kid": ["RS256"]},
    "a long kid": {"kid": "k" * 20_000},
    "typ of an access token": {"typ": "at+jwt"},
    "typ of a proof": {"typ": "dpop+jwt"},
    "typ of a list": {"typ": ["logout+jwt"]},
}


@pytest.mark.parametrize("changes", HEADERS.values(), ids=HEADERS)
def test_a_header_brings_no_key_and_no_other_way(here, una, changes):
    """Signed by a stranger's key; nobody looks anywhere for it but at the provider."""
    shown = {"alg": "RS256", "kid": "RS256", "typ": "logout+jwt", **changes}
    header = json.dumps({name: value for name, value in shown.items() if value is not None}).encode()
    answer = here.deliver(sealed_with(header, claims_text(here, SID), EVIL, "RS256"))
    assert (answer.status_code, answer.get_json()["error"]) == (400, "logout_token_invalid")
    assert una.is_signed_in()
    eventually(lambda: "logout" not in {thread.name for thread in threading.enumerate()}, "still at work")
    assert set(here.asked()) <= {"/keys"}
    assert una.is_signed_in()


def test_the_public_key_is_no_shared_secret(here, una):
    """Neither as PEM nor as JSON."""
    public = key_of("stub", "RS256")
    header = json.dumps({"alg": "HS256", "kid": "RS256", "typ": "logout+jwt"}).encode()
    for secret in (public.as_pem(private=False), json.dumps(public.as_dict(private=False)).encode()):
        assert here.deliver(sealed_with(header, claims_text(here, SID), secret, "HS256")).status_code == 400
    assert una.is_signed_in()


def test_an_id_token_signs_nobody_out_and_a_logout_token_signs_nobody_in(here, una):
    other = Person(here.app, ORIGIN)
    begun = other.begin("stub")
    nonce = begun.params["nonce"]
    id_token = here.token(sid="sid-1", sub="user-1", nonce=nonce, events=None, header={"typ": "JWT"})
    assert here.deliver(id_token).status_code == 400
    for changes in ({}, {"header": {"typ": "JWT"}}):
        here.stub.hand_out(here.token(sid="sid-1", sub="user-1", **changes))
        assert other.come_back(f"code=c&state={begun.state}", "stub").status_code == 502
        begun = other.begin("stub")
    assert not other.is_signed_in()
    assert una.is_signed_in()


@pytest.mark.parametrize("workers", [1, 2])
def test_many_that_arrive_together_are_one(here, una, workers):
    """At one process and at two: whoever is first carries it out; one that comes before it is done may do so too."""
    processes = [here.app, here.new_process()][:workers]
    for process in processes:
        assert here.deliver(here.token(sub="nobody"), app=process).status_code == 200
    token, start, answers = here.token(sub="user-1"), threading.Barrier(8), []

    def deliver(process):
        start.wait(10)
        answers.append(here.deliver(token, app=process).status_code)

    threads = [threading.Thread(target=deliver, args=(processes[number % workers],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(200) in (1, 2)
    assert set(answers) <= {200, 400, 503}, "503 where the disk was too busy"
    assert not una.is_signed_in()


def test_a_form_of_another_site_with_the_cookies_of_the_victim_does_nothing(here, una):
    """The address takes no cookies into account, neither to believe somebody nor to sign them out."""
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for form in ({}, {"logout_token": "x"}, {"logout_token": "", "csrf_token": una.form_token()}):
        answer = una.post("/backchannel-logout/stub", data=form, headers=headers)
        assert answer.status_code == 400
        assert answer.headers.getlist("Set-Cookie") == []
    assert una.is_signed_in()


def test_nothing_of_a_logout_token_is_told_or_logged(here, una, caplog):
    caplog.set_level("DEBUG")
    tokens = [here.token(sid="canary-sid", sub="canary-sub", jti="canary-jti", **more) for more in ({}, {"nonce": "n"})]
    answers = [here.deliver(token).text for token in tokens]
    said = "\n".join(answers) + str([vars(record) for record in caplog.records])
    assert "canary" not in said
    assert not [token for token in tokens if token.rpartition(".")[2] in said]


# ---- frames of strangers ----


def test_a_stranger_who_does_not_know_the_sid_ends_nothing(here, una):
    browser = una.client.application.test_client(use_cookies=False)
    for sid in ("", "*", "%", "sid", "sid-", "sid-1%00", "sid-1 ", "SID-1", "sid-2", encode(b"sid-1"), "sid-1' --"):
        path = f"/frontchannel-logout/stub?iss={quote(here.stub.issuer)}&sid={quote(sid)}"
        assert browser.get(path, base_url=ORIGIN).status_code in (200, 400)
    assert una.is_signed_in()


def test_a_frame_shows_nothing_and_sets_nothing_even_with_the_cookies(here, una):
    path = f"/frontchannel-logout/stub?iss={quote(here.stub.issuer)}&sid=<script>alert(1)</script>"
    answer = una.get(path)
    assert (answer.status_code, answer.headers.getlist("Set-Cookie")) == (200, [])
    assert "script" not in answer.text
    assert "user-1" not in answer.text
