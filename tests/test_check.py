"""`doorkey check`: what it finds at a live development provider, and at ones with something wrong (cli/check.py)."""

import email.utils
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doorkey.cli import main
from doorkey.errors import IdTokenInvalid
from doorkey.oauth.provider_check import FAILED, NOTE, OK, WARNING
from doorkey.oauth.provider_probes import _clock_finding
from doorkey.testing import OAuthProvider
from tests.conftest import KEY, ORIGIN
from tests.support.pem import private_key
from tests.support.scripted_provider import ScriptedProvider

NOW = 1_800_000_000.0


@pytest.fixture
def live() -> Iterator[OAuthProvider]:
    """A development provider behind a real socket, which knows our client and where it comes back to."""
    with OAuthProvider(transport="server", redirect_uris=[f"{ORIGIN}/callback/acme"]) as provider:
        yield provider


@pytest.fixture
def environ(tmp_path: Path, live: OAuthProvider) -> dict[str, str]:
    prefix = "DOORKEY_PROVIDER_ACME_"
    return {
        "DOORKEY_CONFIG": "/dev/null",
        "DOORKEY_PUBLIC_URL": ORIGIN,
        "DOORKEY_SECRET_KEY": KEY,
        "DOORKEY_INSTANCE": str(tmp_path / "instance"),
        "DOORKEY_PROVIDERS": "acme",
        prefix + "ISSUER": live.issuer,
        prefix + "CLIENT_ID": live.config()["client_id"],
        prefix + "CLIENT_SECRET": live.config()["client_secret"],
    }


def check(environ: dict[str, str], *arguments: str, **changes: str) -> Result:
    changed = {f"DOORKEY_PROVIDER_ACME_{name}": value for name, value in changes.items()}
    return CliRunner().invoke(main, ["check", *arguments], env={**environ, **changed}, prog_name="doorkey")


def failures(result: Result) -> list[str]:
    return [line for line in result.stdout.splitlines() if line.startswith("  FAILED")]


def test_a_right_configuration_passes_and_the_redirect_uri_is_named(environ: dict[str, str]) -> None:
    result = check(environ)
    assert (result.exit_code, failures(result)) == (0, []), result.output
    for sentence in (
        f"Redirect URI to register there: {ORIGIN}/callback/acme",
        "Issuer is exactly the configured one",
        "The redirect URI is registered there",
        "takes our client (client_secret_basic)",
        "Its clock agrees with ours",
        "keys to check signatures with",
        "User info answers 401",
        "Tokens are revoked there",
        "Sessions can be written and read",
    ):
        assert sentence in result.stdout


def test_it_signs_nobody_in_and_leaves_no_token(environ: dict[str, str], live: OAuthProvider) -> None:
    check(environ)
    assert live.requests.count("token") == 1
    assert live.requests.count("userinfo") == 1


@pytest.mark.parametrize(
    ("changes", "says", "code"),
    [
        pytest.param({"CLIENT_SECRET": "wrong"}, "refuses our client", 4, id="secret"),
        pytest.param({"SCOPE": "openid what-is-that"}, "invalid_scope", 4, id="scope"),
        pytest.param({"USERINFO": "never"}, "not asked for user info", 0, id="no user info"),
        pytest.param({"ID_TOKEN_ALGS": "ES512"}, "None of its keys fits", 5, id="no fitting key"),
        pytest.param({"PUSHED_AUTHORIZATION": "always"}, "sign-ins that are announced", 0, id="pushed"),
        pytest.param({"ID_TOKEN_ALGS": "RS256 HS256"}, "with RS256, HS256", 0, id="two signatures"),
        pytest.param({"PKCE": "off"}, "PKCE is switched off", 0, id="PKCE"),
        pytest.param({"ID_TOKEN_ALGS": "HS256"}, "and ID_TOKEN_ALGS accepts HS256", 5, id="signature not offered"),
        pytest.param(
            {"AUTHORIZATION_PARAMS": "prompt=none"}, "nobody signs in who has no session", 0, id="prompt=none"
        ),
        pytest.param({"AUTHORIZATION_PARAMS": "max_age=1h"}, "RESOURCE and AUTHORIZATION_PARAMS", 4, id="max_age"),
        pytest.param({"RESPONSE_MODE": "form_post"}, "the answer is a form that goes to it", 0, id="form_post"),
        pytest.param({"CLIENT_SECRET": "", "CLIENT_AUTH": "none"}, "Doorkey is a public client", 4, id="public"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(
    environ: dict[str, str], changes: dict[str, str], says: str, code: int
) -> None:
    result = check(environ, **changes)
    assert says in result.stdout, result.output
    assert result.exit_code == code, result.output


def test_a_redirect_uri_that_is_not_registered_is_found(environ: dict[str, str]) -> None:
    result = check({**environ, "DOORKEY_PUBLIC_URL": "http://localhost:8000"})
    assert "refuses to begin a sign-in" in result.stdout
    assert result.exit_code == 4


@pytest.mark.parametrize(
    ("failure", "says", "code"),
    [
        ("discovery-issuer-mismatch", "calls itself by another name", 6),
        ("discovery-issuer-missing", "calls itself by another name", 6),
    ],
)
def test_another_issuer_ends_the_check(
    environ: dict[str, str], live: OAuthProvider, failure: str, says: str, code: int
) -> None:
    live.next_response("metadata", failure=failure)
    result = check(environ)
    assert says in result.stdout
    assert result.exit_code == code
    assert live.requests.count("token") == 0


def test_a_provider_that_is_down_is_said_to_be_and_the_others_are_checked(
    environ: dict[str, str], stub: ScriptedProvider
) -> None:
    stub.close()
    two = {
        "DOORKEY_PROVIDERS": "down,acme",
        "DOORKEY_PROVIDER_DOWN_ISSUER": stub.url,
        "DOORKEY_PROVIDER_DOWN_CLIENT_ID": "x",
        "DOORKEY_PROVIDER_DOWN_CLIENT_SECRET": "y",
    }
    result = check({**environ, **two})
    assert (
        f"could not be reached, or did not answer in time. ({stub.url}/.well-known/openid-configuration: "
        in result.stdout
    )
    assert "takes our client" in result.stdout
    assert result.exit_code == 5
    assert check({**environ, **two}, "acme").exit_code == 0


def test_a_private_key_is_named_with_the_address_of_its_key_set(environ: dict[str, str]) -> None:
    result = check({**environ, "DOORKEY_PROVIDER_ACME_CLIENT_SECRET": ""}, PRIVATE_KEY=private_key("EC"))
    assert f"Key set to register there: {ORIGIN}/.well-known/jwks.json" in result.stdout
    assert "PRIVATE KEY" not in result.output
    assert "private_key_jwt" in result.stdout


def test_json_gives_one_object_a_line(environ: dict[str, str]) -> None:
    result = check(environ, "--json", CLIENT_SECRET="wrong")
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    assert {finding["of"] for finding in findings} == {"doorkey", "acme"}
    (failed,) = [finding for finding in findings if finding["result"] == FAILED]
    assert (failed["error"], "CLIENT_SECRET" in failed["hint"]) == ("token_refused", True)


def test_an_unknown_provider_is_a_mistake_in_the_command(environ: dict[str, str]) -> None:
    result = check(environ, "amce")
    assert result.exit_code == 2
    assert "no provider amce in DOORKEY_PROVIDERS; there is acme" in result.stderr
    assert result.stdout == ""


def test_with_nothing_configured_the_development_provider_is_checked(tmp_path: Path) -> None:
    result = check({"DOORKEY_CONFIG": "/dev/null", "DOORKEY_INSTANCE": str(tmp_path)})
    assert (result.exit_code, failures(result)) == (0, []), result.output
    assert "the built-in development provider, and not yours" in result.stdout


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (0, OK),
        (1, OK),
        (-1, OK),
        (20, OK),
        (-20, OK),
        (40, WARNING),
        (-40, WARNING),
        (61, FAILED),
        (-90, FAILED),
        (7200, FAILED),
    ],
)
def test_the_clock_difference_is_measured(ahead: int, found: str) -> None:
    date = email.utils.formatdate(NOW + ahead, usegmt=True)
    finding = _clock_finding(date, NOW, NOW + 0.2, leeway=60)
    assert finding.result == found
    if abs(ahead) > 1:
        said = float(re.findall(r"([0-9.]+) s (?:ahead|behind)", finding.what)[0])
        assert abs(said - abs(ahead)) < 1
        assert ("ahead" in finding.what) is (ahead > 0)
    assert isinstance(finding.error, IdTokenInvalid) is (found == FAILED)


def test_a_terminal_gets_text_only(environ: dict[str, str], stub: ScriptedProvider) -> None:
    described = {
        "issuer": stub.url,
        "authorization_endpoint": f"{stub.url}/authorize",
        "token_endpoint": f"{stub.url}/token",
        "jwks_uri": f"{stub.url}/keys",
        "code_challenge_methods_supported": ["\x1b]0;owned\x07", "\ud800"],
        "token_endpoint_auth_methods_supported": ["\x1b[31m"],
        "id_token_signing_alg_values_supported": ["RS256", "\x9b31m"],
    }
    stub.answer("/.well-known/openid-configuration", described)
    stub.answer("/keys", {"keys": [{"kty": "\x1b[31m"}]})
    stub.answer("/token", {"error": "\x1b[2Jinvalid", "error_description": "\x07"}, 400)
    stub.answer("/authorize", "gone", 302, {"Location": f"{ORIGIN}/callback/acme?error=%1b%5b31m"})
    for arguments in ((), ("--json",)):
        result = check(environ, *arguments, ISSUER=stub.url)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert not [letter for letter in result.output if not letter.isprintable() and letter != "\n"]


@pytest.mark.parametrize("date", ["", "soon", "Tue, 99 Nov 2026 00:00:00 GMT", f"Mon, {9**30} Jan 2024 00:00:00 GMT"])
def test_a_provider_that_tells_no_time_is_no_failure(date: str) -> None:
    assert _clock_finding(date, NOW, NOW, leeway=60).result == NOTE
