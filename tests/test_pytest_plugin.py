"""The plugin as pytest runs it: inner test runs that use its fixtures, its marker and its output."""

import subprocess
import sys
from pathlib import Path

import pytest

from doorkey.testing import failure_names

ROOT = Path(__file__).parents[1]
HEAVY = ("flask", "werkzeug", "requests", "responses", "authlib", "uvicorn", "cryptography", "joserfc")
WITHOUT_SLOW_PLUGINS = "-p no:schemathesis -p no:hypothesispytest"
"""They take longer to import than everything else that an inner run does, and have nothing to do with it."""

SMALL_APP = """
import secrets
import urllib.parse

import flask
import pytest
import requests

@pytest.fixture
def client(oauth_provider):
    app, known = flask.Flask("small"), oauth_provider.config()
    app.secret_key = "a key of these tests"

    @app.get("/login")
    def login():
        flask.session["state"] = secrets.token_urlsafe()
        asked = {name: known[name] for name in ("client_id", "scope")}
        asked |= {"response_type": "code", "state": flask.session["state"], "redirect_uri": "http://localhost/callback"}
        return flask.redirect(known["authorization_endpoint"] + "?" + urllib.parse.urlencode(asked))

    @app.get("/callback")
    def callback():
        if flask.request.args.get("state") != flask.session["state"] or "error" in flask.request.args:
            return "no", 400
        form = {"grant_type": "authorization_code", "redirect_uri": "http://localhost/callback"}
        form["code"] = flask.request.args["code"]
        credentials = (known["client_id"], known["client_secret"])
        answer = requests.post(known["token_endpoint"], data=form, auth=credentials, timeout=5)
        return ("yes", 200) if answer.ok else ("no", 502)

    return app.test_client()
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Somebody's project, with a small client in its conftest.py; the plugin is loaded as its entry point would."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_PLUGINS", "doorkey.pytest_plugin")
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_SLOW_PLUGINS)
    pytester.makeconftest(SMALL_APP)
    return pytester


def test_the_fixture(project: pytest.Pytester) -> None:
    project.makepyfile("""
        def test_login(client, oauth_provider):
            oauth_provider.add_user("alice", email="alice@example.com", groups=["admin"])
            assert oauth_provider.sign_in(client, user="alice").text == "yes"
            assert oauth_provider.requests.count("token") == 1
    """)
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_no_test_sees_what_another_left(project: pytest.Pytester) -> None:
    """Also when the one before failed half-way; both share what a process may share."""
    project.makepyfile("""
        import pytest, requests, time

        def leave_everything(oauth_provider, client):
            oauth_provider.add_user("erin")
            oauth_provider.add_client("doorkey-tests", access_token_format="jwt")
            oauth_provider.sign_in(client, user="erin")
            oauth_provider.next_response("token", status=500, times="always")
            oauth_provider.next_response(failure="discovery-openid-config")
            oauth_provider.clock.advance(100000)
            oauth_provider.rotate_keys()
            LEFT.append(oauth_provider.issue_token(sub="alice", scope="openid"))

        def look(oauth_provider, client):
            known, token = oauth_provider.config(), LEFT[-1]
            assert len(oauth_provider.requests) == 0
            assert abs(oauth_provider.clock.now - time.time()) < 60
            answer = requests.get(known["userinfo_endpoint"], headers=token.auth_header, timeout=5)
            assert answer.status_code == 401
            with pytest.raises(ValueError):
                oauth_provider.issue_token(sub="erin")
            assert oauth_provider.sign_in(client, user="alice").text == "yes"
            assert "." not in oauth_provider.issue_token(sub="alice").access_token
            assert len(oauth_provider.requests) == 4

        LEFT = []

        @pytest.mark.parametrize("passes", [True, False])
        @pytest.mark.parametrize("transport", [
            pytest.param(t, marks=pytest.mark.oauth_provider(transport=t)) for t in ("responses", "server")
        ])
        class TestIsolation:
            def test_leave(self, oauth_provider, client, transport, passes):
                leave_everything(oauth_provider, client)
                assert passes

            def test_look(self, oauth_provider, client, transport, passes):
                look(oauth_provider, client)
    """)
    project.runpytest_inprocess().assert_outcomes(passed=6, failed=2)


def test_the_marker(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest

        pytestmark = pytest.mark.oauth_provider(access_token_lifetime=60, users=["bob"])

        def test_of_the_module(oauth_provider, client):
            assert oauth_provider.issue_token(sub="bob").expires_in == 60
            with pytest.raises(ValueError):
                oauth_provider.sign_in(client, user="alice")

        @pytest.mark.oauth_provider(users=["alice"], lifetimes={"code": 1}, strict=False, redirect_uris=["https://a.test/"])
        def test_of_its_own(oauth_provider, client):
            assert oauth_provider.issue_token(sub="alice").expires_in == 60
            assert oauth_provider.sign_in(client).text == "yes"

        @pytest.mark.oauth_provider(transport="server")
        def test_with_a_port(oauth_provider, client):
            assert oauth_provider.url.startswith("http://127.0.0.1:")
            assert oauth_provider.sign_in(client).text == "yes"
    """)
    project.runpytest_inprocess("--strict-markers", "-W", "error").assert_outcomes(passed=3)
    assert "@pytest.mark.oauth_provider(transport=" in project.runpytest_inprocess("--markers").stdout.str()


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (
            "transprot='server', users=[]",
            "The marker oauth_provider does not know transprot; it knows transport, strict",
        ),
        ("'server'", "The marker oauth_provider does not know server; it knows transport"),
        ("transport='pigeon'", "oauth_provider: transport must be one of responses, server."),
        ("users=['']", "oauth_provider: sub must be"),
    ],
)
def test_a_wrong_marker_is_named(project: pytest.Pytester, mark: str, words: str) -> None:
    project.makepyfile(f"""
        import pytest

        @pytest.mark.oauth_provider({mark})
        def test_it(oauth_provider):
            pass
    """)
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    assert words in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_failures_and_variations_are_parametrized(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest

        def test_rejects(oauth_provider, oauth_failure): ...

        def test_accepts(oauth_provider, oauth_variation): ...

        @pytest.mark.parametrize("oauth_failure", ["invalid-state"])
        def test_rejects_one(client, oauth_provider, oauth_failure):
            oauth_provider.next_response(failure=oauth_failure)
            assert oauth_provider.sign_in(client).status_code == 400
    """)
    listed = project.runpytest_inprocess("--collect-only", "-q").stdout.str()
    assert [line.partition("[")[2][:-1] for line in listed.splitlines() if "::test_rejects[" in line] == failure_names(
        "reject"
    )
    assert [line.partition("[")[2][:-1] for line in listed.splitlines() if "::test_accepts[" in line] == failure_names(
        "accept"
    )
    wanted = len(failure_names("reject")) + len(failure_names("accept")) + 1
    project.runpytest_inprocess("-q", "-W", "error").assert_outcomes(passed=wanted)


FAILING = """
    def test_count(client, oauth_provider):
        known, token = oauth_provider.config(), oauth_provider.issue_token(sub="alice", scope="openid")
        headers, access, secret = token.auth_header, token.access_token, known["client_secret"]
        copied = {**known, "again": [access, secret]}
        told = open("secrets.txt", "w")
        print(access, token.refresh_token, token.id_token, secret, file=told, flush=True)
        told.close()
        oauth_provider.sign_in(client, user="alice")
        sent = oauth_provider.requests[-1]
        assert oauth_provider.requests.count("token") == 2

    def test_compare(oauth_provider):
        one, other = (oauth_provider.issue_token(sub="alice", scope="openid") for _ in range(2))
        open("others.txt", "w").write(f"{one.access_token} {other.access_token}")
        assert one.access_token == other.access_token

    def test_header(client, oauth_provider):
        token = oauth_provider.issue_token(sub="alice")
        open("header.txt", "w").write(token.access_token)
        assert client.get("/login", headers=token.auth_header).status_code == 401
"""


@pytest.mark.parametrize("options", [[], ["-l"], ["-l", "-vv", "--full-trace"], ["--tb=short", "-l", "-rA"]])
def test_what_a_failing_test_shows(project: pytest.Pytester, options: list[str]) -> None:
    """What was asked, and no secret."""
    project.makepyfile(FAILING)
    result = project.runpytest_subprocess(*options)
    result.assert_outcomes(failed=3)
    shown = result.stdout.str() + result.stderr.str()
    for name in ("secrets.txt", "others.txt", "header.txt"):
        for secret in (project.path / name).read_text().split():
            assert len(secret) > 20
            assert secret not in shown
    assert "requests to oauth_provider" in shown
    assert "POST /oauth/token grant_type=authorization_code" in shown
    assert "code=sha256:" in shown
    assert "assert 1 == 2" in shown


def test_a_test_that_passes_shows_nothing(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(client, oauth_provider): oauth_provider.sign_in(client)")
    assert "requests to oauth_provider" not in project.runpytest_inprocess("-rA").stdout.str()


def test_workers_of_xdist(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest

        @pytest.mark.parametrize("number", range(10))
        @pytest.mark.parametrize("transport", [
            pytest.param(t, marks=pytest.mark.oauth_provider(transport=t)) for t in ("responses", "server")
        ])
        def test_it(client, oauth_provider, transport, number):
            assert oauth_provider.sign_in(client, user="bob").text == "yes"
            assert oauth_provider.requests.count("token") == 1

        def test_rejects(oauth_provider, oauth_failure): ...
    """)
    result = project.runpytest_subprocess("-n", "2", "-W", "error")
    result.assert_outcomes(passed=20 + len(failure_names("reject")))


def test_the_package_responses_is_missing(project: pytest.Pytester) -> None:
    project.makepyfile(responses="raise ModuleNotFoundError('No module named responses', name='responses')")
    project.makepyfile("def test_it(oauth_provider): pass")
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    assert "oauth_provider: The package responses is missing: pip install responses" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


COLLECT = """
import sys
import pytest
code = pytest.main(["--collect-only", "-q", *sys.argv[1:]])
print(int(code), *sys.modules)
"""


def modules_after_collecting(folder: Path, *options: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    code, *modules = done.stdout.splitlines()[-1].split()
    assert int(code) == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout + done.stderr
    return set(modules)


def test_a_project_that_does_not_use_it_does_not_pay_for_it(tmp_path: Path) -> None:
    with_it = modules_after_collecting(tmp_path, "-p", "doorkey.pytest_plugin")
    assert not {name for name in with_it if name.partition(".")[0] in HEAVY}
    assert with_it - modules_after_collecting(tmp_path) == {"doorkey", "doorkey.pytest_plugin"}


def test_the_plugin_imports_pytest_only() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import doorkey.pytest_plugin; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert set(done.stdout.split()) == {"doorkey", "doorkey.pytest_plugin"}


def test_a_text_that_a_secret_is_looked_for_in_is_shown(project: pytest.Pytester) -> None:
    project.makepyfile("""
        def test_it(oauth_provider):
            token = oauth_provider.issue_token(sub="alice")
            assert token.access_token in "a page"

        def test_not(oauth_provider):
            token = oauth_provider.issue_token(sub="alice")
            page = f"a page with {token.access_token} in it"
            assert token.access_token not in page
    """)
    shown = project.runpytest_inprocess().stdout.str()
    assert "> in 'a page'" in shown
    assert "> not in 'a page with <sha256:" in shown
    assert "dk-dev-at-" not in shown


def test_other_fixtures_of_these_names_are_left_alone(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest

        @pytest.fixture
        def oauth_provider():
            return {"issuer": "https://idp.test"}

        def test_it(oauth_provider):
            assert oauth_provider == 1
    """)
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    assert "requests to oauth_provider" not in result.stdout.str()


def test_with_pytest_flask(project: pytest.Pytester) -> None:
    """Which makes `client` of `app`, and has it in a request all the time."""
    project.makeconftest(
        SMALL_APP.replace("def client(oauth_provider)", "def app(oauth_provider)").replace(".test_client()", "")
    )
    project.makepyfile("""
        def test_login(client, oauth_provider):
            assert oauth_provider.sign_in(client, user="alice").text == "yes"
            assert oauth_provider.requests.count("token") == 1
    """)
    project.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
