"""Signing out takes a form of this session from this origin; it then ends the record and takes the cookies back."""

import pytest

from tests.support.person import Person


def signed_in(app, origin="http://127.0.0.1:8000"):
    person = Person(app, origin)
    person.sign_in()
    return person


@pytest.fixture
def una(app):
    return signed_in(app)


def test_the_home_page_has_a_working_sign_out_button(una):
    token = una.form_token("/")
    assert una.post("/logout", data={"csrf_token": token}).status_code == 303
    assert not una.is_signed_in()


WRONG = {
    "none": {},
    "empty": {"csrf_token": ""},
    "wrong": {"csrf_token": "A" * 43},
    "unicode": {"csrf_token": "tökén"},
    "nul": {"csrf_token": "\0"},
    "long": {"csrf_token": "A" * 50_000},
    "other-name": {"token": "{token}"},
    "truncated": {"csrf_token": "{token:.42}"},
    "longer": {"csrf_token": "{token}A"},
    "lower-case": {"csrf_token": "{lower}"},
    "cookie-value": {"csrf_token": "{cookie}"},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_a_form_without_the_right_token_is_refused(fields, una):
    token = una.form_token("/logout")
    names = {"token": token, "lower": token.lower(), "cookie": una.cookies()["doorkey"]}
    given = {name: value.format(**names) for name, value in fields.items()}
    assert una.post("/logout", data=given).status_code == 403
    assert una.is_signed_in()


@pytest.mark.parametrize("headers", [{"Origin": "null"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
def test_headers_alone_are_not_enough(headers, una):
    assert una.post("/logout", headers=headers).status_code == 403
    assert una.is_signed_in()


def test_a_token_in_the_query_or_in_json_does_not_count(una):
    token = una.form_token("/logout")
    assert una.post(f"/logout?csrf_token={token}").status_code == 403
    assert una.post("/logout", json={"csrf_token": token}).status_code == 403
    assert una.post("/logout", headers={"X-CSRF-Token": token}).status_code == 403
    assert una.is_signed_in()


def test_the_token_of_another_session_is_refused(app, una):
    otto = signed_in(app)
    assert una.post("/logout", data={"csrf_token": otto.form_token("/logout")}).status_code == 403
    assert una.is_signed_in()


def test_the_token_of_an_earlier_session_is_refused(una):
    old = una.form_token("/logout")
    una.sign_in()
    assert una.post("/logout", data={"csrf_token": old}).status_code == 403
    assert una.is_signed_in()


FOREIGN = {
    "origin-evil": {"Origin": "https://evil.test"},
    "origin-null-in-a-foreign-frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "origin-empty": {"Origin": ""},
    "origin-other-port": {"Origin": "http://127.0.0.1:9000"},
    "origin-other-scheme": {"Origin": "https://127.0.0.1:8000"},
    "origin-with-path": {"Origin": "http://127.0.0.1:8000/"},
    "origin-prefix": {"Origin": "http://127.0.0.1:8000.evil.test"},
    "origin-two": {"Origin": "http://127.0.0.1:8000, https://evil.test"},
    "site-cross": {"Sec-Fetch-Site": "cross-site"},
    "site-same-site": {"Sec-Fetch-Site": "same-site"},
    "site-unknown": {"Sec-Fetch-Site": "else"},
    "right-origin-cross-site": {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "cross-site"},
    "same-site-evil-origin": {"Origin": "https://evil.test", "Sec-Fetch-Site": "same-origin"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_a_form_from_elsewhere_is_refused_even_with_the_right_token(headers, una):
    token = una.form_token("/logout")
    assert una.post("/logout", data={"csrf_token": token}, headers=headers).status_code == 403
    assert una.is_signed_in()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=["old-browser", "no-referrer", "origin", "same-origin", "typed"],
)
def test_the_right_form_signs_out(headers, una):
    answer = una.post("/logout", data={"csrf_token": una.form_token("/logout")}, headers=headers)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/logged-out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert not una.is_signed_in()
    assert una.cookies() == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/logout", "/logged-out", "/logout?csrf_token={token}", "/logout?_method=POST"])
def test_no_other_method_signs_out(method, path, una):
    path = path.format(token=una.form_token("/logout"))
    headers = {"X-HTTP-Method-Override": "POST"}
    answer = una.client.open(path, method=method, base_url=una.origin, headers=headers)
    assert answer.status_code in (200, 405)
    assert una.is_signed_in()


def test_a_copied_cookie_is_dead_after_signing_out(app, una):
    copied = una.cookies()["doorkey"]
    thief = Person(app)
    thief.client.set_cookie("doorkey", copied, domain="127.0.0.1")
    assert thief.is_signed_in()
    una.post("/logout", data={"csrf_token": una.form_token("/logout")})
    assert not thief.is_signed_in()
    assert "una@example.com" not in thief.get("/").text


def test_signing_out_without_a_session_is_harmless_and_sets_nothing(person):
    answer = person.post("/logout")
    assert answer.status_code == 303
    assert answer.headers.getlist("Set-Cookie") == []


def test_signing_out_with_a_planted_cookie_beside_the_own_one_does_not_end_a_session(una):
    token = una.form_token("/logout")
    value = una.cookies()["doorkey"]
    answer = una.client.application.test_client(use_cookies=False).post(
        "/logout",
        data={"csrf_token": token},
        base_url=una.origin,
        headers={"Cookie": f"doorkey={value}; doorkey={'A' * 43}"},
    )
    assert answer.status_code == 303
    assert una.is_signed_in(), "which of two cookies is ours cannot be known"


def attributes(line: str) -> tuple[str, set[str]]:
    """The name of a Set-Cookie line, and its attributes without those that say when it ends."""
    first, *rest = [part.strip() for part in line.split(";")]
    return first.partition("=")[0], {part for part in rest if not part.startswith(("Max-Age", "Expires"))}


HOST = {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}


def test_cookies_are_deleted_with_the_attributes_they_were_set_with(secure):
    begun = secure.begin()
    set_at_sign_in = secure.come_back(f"code=c&state={begun.state}").headers.getlist("Set-Cookie")
    given = dict(attributes(line) for line in set_at_sign_in if "Max-Age=0" not in line)
    assert given == {"__Host-doorkey": HOST, "__Secure-doorkey-gate": {*HOST, "Domain=example.test"}}
    answer = secure.post("/logout", data={"csrf_token": secure.form_token("/logout")})
    taken = answer.headers.getlist("Set-Cookie")
    assert dict(attributes(line) for line in taken) == given
    assert all("Max-Age=0" in line for line in taken)


def test_session_cookies_end_with_the_browser(secure):
    begun = secure.begin()
    lines = secure.come_back(f"code=c&state={begun.state}").headers.getlist("Set-Cookie")
    kept = [line for line in lines if "Max-Age=0" not in line]
    assert len(kept) == 2
    assert not any("Max-Age" in line or "Expires" in line for line in kept)


def test_transaction_cookies_have_the_host_prefix_and_go_with_the_same_attributes(secure):
    answer = secure.get("/login?provider=stub")
    [line] = answer.headers.getlist("Set-Cookie")
    name, found = attributes(line)
    assert name.startswith("__Host-doorkey-login-")
    assert found == HOST
    assert "Max-Age=600" in line
    state = answer.headers["Location"].partition("state=")[2].partition("&")[0]
    lines = secure.come_back(f"code=c&state={state}").headers.getlist("Set-Cookie")
    assert (name, HOST) in [attributes(line) for line in lines if "Max-Age=0" in line]


def test_without_a_cookie_domain_there_is_one_cookie(make_app):
    person = Person(make_app(DOORKEY_PUBLIC_URL="https://login.example.test"), "https://login.example.test")
    begun = person.begin()
    lines = person.come_back(f"code=c&state={begun.state}").headers.getlist("Set-Cookie")
    assert [attributes(line) for line in lines if "Max-Age=0" not in line] == [("__Host-doorkey", HOST)]
