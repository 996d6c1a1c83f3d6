"""No code, token, secret, verifier, state or cookie in logs, pages, our own Locations or the session file."""

import io
import json
import logging
import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from doorkey.events import JsonLines, TextLines
from doorkey.factory import create_app
from doorkey.settings import load
from tests.support import attack_provider as bad
from tests.support.person import Person

SECRETS = ["canary-code", "canary-access-token", "canary-refresh-token", "canary-client-secret", "canary-id-token"]
PEOPLE = ["Una User", "una@example.com", "user-1", "staff"]
TOKEN = {
    "access_token": "canary-access-token",
    "token_type": "bearer",
    "refresh_token": "canary-refresh-token",
    "id_token": "canary-id-token",
    "expires_in": 60,
}


@pytest.fixture
def log(app):
    """Everything any logger says, at DEBUG, in both of our formats."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, handlers = root.level, [logging.StreamHandler(stream) for _ in range(2)]
    for handler, formatter in zip(handlers, (JsonLines(), TextLines()), strict=True):
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    for handler in handlers:
        root.removeHandler(handler)


def live_and_fail(person: Person, stub) -> tuple[list[str], list]:
    """Sign in, fail in every way, sign out; all secrets that came up, and all answers of ours."""
    secrets, answers = list(SECRETS), []

    def sign_in(extra="") -> None:
        begun = person.begin()
        secrets.extend([begun.state, *person.cookies().values()])
        answers.append(person.come_back(f"code=canary-code&state={begun.state}{extra}"))
        secrets.extend(
            seen.form["code_verifier"] for seen in stub.requests_to("/token") if "code_verifier" in seen.form
        )
        secrets.extend(person.cookies().values())

    stub.answer("/token", TOKEN)
    sign_in()
    for path in ("/", "/session", "/logout", "/nothing"):
        answers.append(person.get(path))
    echo = " ".join([*SECRETS, "Basic " + "canary-client-secret"])
    for status in (200, 400, 401, 500):
        stub.answer("/token", {"error": "invalid_grant", "error_description": echo, "message": echo, **TOKEN}, status)
        sign_in()
    stub.answer("/token", {**TOKEN, "token_type": "canary-client-secret"})
    sign_in()
    for raw in (bad.says(b""), bad.says(b"canary-code canary-client-secret\r\n"), bad.compressed(b"canary-code")):
        stub.answer_raw("/token", raw)
        sign_in()
    stub.answer("/token", TOKEN)
    stub.answer(
        "/userinfo",
        {"error": "x", "error_description": echo.replace("canary-code", "").replace("canary-client-secret", "")},
        401,
    )
    stub.answer("/userinfo", {"error": "invalid_token", "error_description": "canary-access-token"}, 401)
    sign_in()
    sign_in("&error=access_denied")
    sign_in("&code=canary-code")
    stub.answer("/userinfo", {"sub": "user-1", "name": "Una User", "email": "una@example.com"})
    sign_in()
    token = person.form_token("/logout")
    secrets.append(token)
    answers.append(person.post("/logout", data={"csrf_token": "wrong"}))
    answers.append(person.post("/logout", data={"csrf_token": token}))
    answers.append(person.come_back("code=canary-code&state=canary-code"))
    return [secret for secret in set(secrets) if len(secret) >= 8], answers


def test_no_secret_reaches_a_log_line(person, stub, log):
    secrets, _ = live_and_fail(person, stub)
    text = log.getvalue()
    assert '"login_failed"' in text
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in text] == []


def test_no_secret_reaches_a_page_or_a_location(person, stub):
    secrets, answers = live_and_fail(person, stub)
    form_token = person.cookies()
    assert form_token == {}
    for answer in answers:
        text = answer.text + answer.headers.get("Location", "")
        assert [s for s in secrets if s in text and f'name="csrf_token" value="{s}"' not in text] == []
    assert {answer.headers.get("Location") for answer in answers} <= {None, "/", "/logged-out"}


def test_neither_secrets_nor_people_are_readable_in_the_session_file(person, stub, settings):
    secrets, _ = live_and_fail(person, stub)
    person.sign_in()
    folder = settings.instance
    content = b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("sessions"))
    assert len(content) > 4096
    for word in (*secrets, *PEOPLE):
        assert word.encode() not in content, word
        assert word.encode("utf-16-le") not in content, word
    from doorkey.base64url import decode
    from doorkey.sessions.ids import SessionIds

    secret = decode(person.cookies()["doorkey"])
    assert secret is not None
    assert secret not in content
    assert SessionIds.of(secret).gate_secret not in content
    assert SessionIds.of(secret).record_id in content, "otherwise this test looks into the wrong file"


def test_the_secret_and_tokens_have_no_readable_form(app):
    doorkey = app.extensions["doorkey"]
    assert "canary" not in repr(doorkey) + str(doorkey.settings) + repr(doorkey.providers)


def test_the_authorization_url_holds_no_secret(person):
    begun = person.begin()
    assert "canary-client-secret" not in begun.url
    assert set(begun.params) == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
    }  # fmt: skip


def test_each_sign_in_has_its_own_state_and_challenge(person, stub):
    begun = [person.begin() for _ in range(20)]
    assert len({b.state for b in begun}) == len({b.params["code_challenge"] for b in begun}) == 20
    person.come_back(f"code=c&state={begun[-1].state}")
    assert stub.requests_to("/token")[0].form["code_verifier"] not in {b.state for b in begun}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
@pytest.mark.parametrize("nested", ["instance", "a/b/instance"])
def test_session_files_are_for_the_owner_only(umask, nested, environ, tmp_path, transport, stub):
    before = os.umask(umask)
    try:
        given = {**environ, "DOORKEY_INSTANCE": str(tmp_path / "home" / nested)}
        (tmp_path / "home").mkdir(mode=0o755)
        Person(create_app(load(given), transport=transport)).sign_in()
    finally:
        os.umask(before)
    folder = tmp_path / "home" / nested
    assert modes(folder) == 0o700
    files = [path for path in folder.iterdir() if path.name.startswith("sessions")]
    assert {modes(path) for path in files} == {0o600}
    assert len(files) == 4
    for parent in Path(nested).parents:
        assert not modes(tmp_path / "home" / parent) & 0o022 or parent == Path("."), "others could replace the folder"


def test_the_key_that_development_makes_is_for_the_owner_only(tmp_path):
    before = os.umask(0)
    try:
        create_app(load({"DOORKEY_INSTANCE": str(tmp_path / "instance"), "DOORKEY_CONFIG": ""}))
    finally:
        os.umask(before)
    assert modes(tmp_path / "instance" / "secret_key") == 0o600
    assert modes(tmp_path / "instance") == 0o700


def modes(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


FORGED = "\nFAKE login_ok\r\n\x1b[2J\x1b]0;title\x07\u2028\u0085\x00{}"
PLACES = {
    "error_description": lambda person: person.come_back(
        f"error=access_denied&state={person.begin().state}&error_description={quote(FORGED)}"
    ),
    "error": lambda person: person.come_back(f"error={quote(FORGED)}&state={person.begin().state}"),
    "iss": lambda person: person.come_back(f"iss=x&iss={quote(FORGED)}&code=c&state={person.begin().state}"),
    "state": lambda person: person.come_back(f"code=c&state={quote(FORGED)}"),
    "path": lambda person: person.get("/" + quote(FORGED)),
    "provider": lambda person: person.get("/login?provider=" + quote(FORGED)),
    "provider-path": lambda person: person.get("/callback/" + quote(FORGED) + "?state=x"),
    "next": lambda person: person.get("/login?provider=stub&next=" + quote(FORGED)),
    "host": lambda person: person.get("/", environ_overrides={"HTTP_HOST": FORGED}),
    "user-agent": lambda person: person.get("/", environ_overrides={"HTTP_USER_AGENT": FORGED}),
    "cookie": lambda person: person.get("/session", environ_overrides={"HTTP_COOKIE": "doorkey=" + FORGED}),
    "forwarded-for": lambda person: person.get("/login", environ_overrides={"HTTP_X_FORWARDED_FOR": FORGED}),
    "method": lambda person: person.client.open("/", method="FAKE\x1b[2J", base_url=person.origin),
}


@pytest.mark.parametrize("visit", PLACES.values(), ids=PLACES)
def test_nobody_can_forge_a_log_line(visit, person, log):
    visit(person)
    assert_sound_log(log)


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_the_provider_cannot_forge_a_log_line(path, status, person, stub, log):
    stub.answer(path, {"error": FORGED, "error_description": FORGED, "message": FORGED, "status": FORGED}, status)
    person.sign_in()
    assert_sound_log(log)


def assert_sound_log(log) -> None:
    lines = log.getvalue().split("\n")
    assert lines.pop() == ""
    assert len(lines) >= 2
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= 8192
        if line.startswith("{"):
            assert json.loads(line)["event"] != "FAKE"
        assert not line.startswith("FAKE")


@pytest.mark.parametrize("name", ["Content-Type", "Location", "Server", "WWW-Authenticate"])
def test_provider_headers_bring_neither_secrets_nor_long_text_into_the_log(name, person, stub, log):
    stub.answer("/token", {"error": "x"}, 400, {name: "text/x; canary-code canary-client-secret " + "x" * 30_000})
    person.sign_in()
    assert_sound_log(log)
    assert "canary-client-secret" not in log.getvalue()
    assert "canary-code" not in log.getvalue()


def test_a_mistake_of_ours_shows_a_request_id_and_nothing_else(person, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("canary-internal /etc/doorkey")

    monkeypatch.setattr("doorkey.web.account.provider_buttons", broken)
    answer = person.get("/")
    assert answer.status_code == 500
    assert "canary-internal" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
