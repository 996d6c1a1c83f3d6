"""Bearer tokens of others at the gate of a whole app: a JWT issuer, and a provider that is asked about opaque ones.

What such tokens may say is told in tests/test_access_token.py and tests/test_introspection.py.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from doorkey.factory import create_app
from doorkey.oauth.access_token import UNKNOWN_ISSUER
from doorkey.settings import load
from doorkey.testing import OAuthProvider
from tests.conftest import MovedClock
from tests.gate.test_bearer import ORIGIN, check, who
from tests.support.signing_provider import NOW, SigningProvider, jwk, key_for, openid_environ, signed, signing_provider

API = "https://api.example.com"
HOST = "https://app.example.com"
POLICY = """
[[rule]]
name = "reports"
host = "app.example.com"
allow = { scopes = ["reports:read"] }

[[rule]]
name = "mail"
path = "/mail"
allow = { domains = ["example.com"] }

[[rule]]
name = "corp"
path = "/corp"
allow = "signed-in"
provider = "corp"
"""
Make = Callable[..., Flask]
with_server = pytest.mark.oauth_provider(transport="server")


@pytest.fixture(scope="module")
def server() -> Iterator[SigningProvider]:
    with signing_provider() as provider:
        yield provider


@pytest.fixture
def issuer(server: SigningProvider) -> SigningProvider:
    """As it was at the start."""
    server.seen.clear()
    server.describe(introspection_endpoint=f"{server.url}/introspect")
    server.publish(jwk(server.key, kid="key-1"))
    server.answer("/introspect", {"active": False})
    return server


@pytest.fixture
def make(environ: dict[str, str], issuer: SigningProvider, clock: MovedClock, tmp_path: Path) -> Make:
    """An app that takes JWTs of `issuer`, and asks it about other tokens; both can be changed."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    usual = {
        "DOORKEY_BEARER_ISSUER": issuer.issuer,
        "DOORKEY_BEARER_AUDIENCE": API,
        "DOORKEY_BEARER_INTROSPECTION": "corp",
        "DOORKEY_POLICY_FILE": str(policy),
        "DOORKEY_ALLOWED_HOSTS": "app.example.com",
    }

    def app(**changes: str) -> Flask:
        return create_app(load({**openid_environ(environ, {"corp": issuer.issuer}), **usual, **changes}), clock=clock)

    return app


@pytest.fixture
def app(make: Make) -> Flask:
    return make()


def jwt(issuer: SigningProvider, **changes: Any) -> str:
    claims = {"iss": issuer.issuer, "aud": API, "sub": "una", "iat": NOW, "exp": NOW + 300, "client_id": "robot"}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return signed(claims, issuer.key, kid="key-1", typ="at+jwt")


def say(issuer: SigningProvider, **changes: Any) -> None:
    """What `issuer` answers about every opaque token."""
    answer = {"active": True, "aud": API, "sub": "una", "exp": NOW + 300, **changes}
    issuer.answer("/introspect", {name: value for name, value in answer.items() if value is not None})


def asked_about(issuer: SigningProvider) -> list[str]:
    return [request.form["token"] for request in issuer.requests_to("/introspect")]


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why, as the log says it."""
    told = [vars(record) for record in caplog.records]
    return [one["fields"]["detail"] for one in told if one.get("event") == "gate_refused"]


# ---- who it is ----


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_the_application_is_told_who_the_token_is_for(app: Flask, issuer: SigningProvider, kind: str) -> None:
    facts = {"email": "una@example.com", "name": "Una", "groups": ["ops", "dev"], "scope": "read"}
    say(issuer, **facts)
    answer = check(app, jwt(issuer, **facts) if kind == "jwt" else "opaque")
    told = {name: answer.headers[f"X-Doorkey-{name}"] for name in ("User", "Email", "Name", "Groups", "Provider")}
    assert told == {"User": "una", "Email": "una@example.com", "Name": "Una", "Groups": "ops,dev", "Provider": "corp"}
    assert answer.headers["X-Doorkey-Session"] == ""


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_an_address_that_was_not_verified_opens_nothing(app: Flask, issuer: SigningProvider, kind: str) -> None:
    for verified, status in ((True, 200), (False, 403)):
        facts = {"email": "una@example.com", "email_verified": verified}
        say(issuer, **facts)
        token = jwt(issuer, **facts) if kind == "jwt" else f"opaque-{verified}"
        assert check(app, token, url=f"{ORIGIN}/mail").status_code == status
        assert check(app, token).headers["X-Doorkey-Email"] == ("una@example.com" if verified else "")


def test_a_client_that_comes_for_itself_is_its_own_user(app: Flask, issuer: SigningProvider) -> None:
    say(issuer, sub=None, client_id="nightly-job")
    assert who(check(app, "opaque")) == "nightly-job"


def test_a_provider_whose_users_go_by_another_claim_vouches_for_that_one(make: Make, issuer: SigningProvider) -> None:
    app = make(DOORKEY_PROVIDER_CORP_CLAIM_USER="preferred_username")
    assert who(check(app, jwt(issuer, preferred_username="una.u"))) == "una.u"
    assert check(app, jwt(issuer)).status_code == 401


def test_an_issuer_where_nobody_signs_in_is_no_provider(make: Make, issuer: SigningProvider) -> None:
    """A rule that wants people of a provider does not take its tokens."""
    with signing_provider() as other:
        app = make(DOORKEY_BEARER_ISSUER=other.issuer)
        token = jwt(other)
        assert check(app, token).headers["X-Doorkey-Provider"] == UNKNOWN_ISSUER
        assert check(app, token, url=f"{ORIGIN}/corp").status_code == 403
        assert check(app, jwt(issuer)).status_code == 401
    say(issuer)
    assert who(check(app, "opaque", url=f"{ORIGIN}/corp")) == "una"


# ---- which reader ----


def test_a_jwt_of_the_issuer_is_shown_to_nobody(app: Flask, issuer: SigningProvider) -> None:
    assert who(check(app, jwt(issuer))) == "una"
    assert check(app, jwt(issuer, aud="other")).status_code == 401
    assert asked_about(issuer) == []


def test_everything_else_is_asked_about(app: Flask, issuer: SigningProvider) -> None:
    elsewhere = jwt(issuer, iss="https://other.example")
    others = ["opaque", elsewhere, "a.b.c", jwt(issuer) + ".a.b"]
    assert [check(app, token).status_code for token in others] == [401] * 4
    assert asked_about(issuer) == others
    say(issuer)
    assert who(check(app, "another")) == "una"


def test_without_introspection_nobody_is_asked(make: Make, issuer: SigningProvider) -> None:
    app = make(DOORKEY_BEARER_INTROSPECTION="")
    assert who(check(app, jwt(issuer))) == "una"
    for token in ("opaque", jwt(issuer, iss="https://other.example"), jwt(issuer) + ".a.b"):
        answer = check(app, token)
        assert (answer.status_code, answer.headers["X-Doorkey-Reason"]) == (401, "invalid_token")
    assert asked_about(issuer) == []


def test_without_an_issuer_jwts_are_asked_about_too(make: Make, issuer: SigningProvider) -> None:
    app, token = make(DOORKEY_BEARER_ISSUER=""), jwt(issuer)
    say(issuer)
    assert who(check(app, token)) == "una"
    assert asked_about(issuer) == [token]


def test_other_algorithms_are_a_setting(make: Make, issuer: SigningProvider) -> None:
    assert check(make(DOORKEY_BEARER_ALGS="ES256"), jwt(issuer)).status_code == 401


def test_why_a_token_was_refused_is_in_the_log_and_the_token_is_not(
    app: Flask, issuer: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    token = jwt(issuer, aud="https://other.example")
    with caplog.at_level(logging.INFO):
        assert "other.example" not in check(app, token).text
    assert refusals(caplog) == [f"aud is https://other.example, expected {API}"]
    assert not any(token in str(vars(record)) for record in caplog.records)


# ---- every request is judged anew ----


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_what_one_host_lets_in_another_judges_for_itself(app: Flask, issuer: SigningProvider, kind: str) -> None:
    """Only the answer about the token is kept, not what it opened."""
    say(issuer, scope="profile")
    token = jwt(issuer, scp=["profile"]) if kind == "jwt" else "opaque"
    assert who(check(app, token)) == "una"
    answer = check(app, token, url=f"{HOST}/")
    assert (answer.status_code, answer.headers["X-Doorkey-Reason"]) == (403, "not_allowed:reports")
    assert who(check(app, token)) == "una"
    assert len(asked_about(issuer)) == (0 if kind == "jwt" else 1)


def test_a_token_with_the_scope_passes_there(app: Flask, issuer: SigningProvider) -> None:
    say(issuer, scope="profile reports:read")
    for token in ("opaque", jwt(issuer, scope=["reports:read"])):
        assert who(check(app, token, url=f"{HOST}/")) == "una"


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_its_last_second_is_the_last(app: Flask, issuer: SigningProvider, clock: MovedClock, kind: str) -> None:
    say(issuer, exp=NOW + 20)
    token = jwt(issuer, exp=NOW + 20) if kind == "jwt" else "opaque"
    check(app, token)
    clock.advance(19.5)
    assert who(check(app, token)) == "una"
    clock.advance(0.5)
    assert check(app, token).status_code == 401


def test_keys_are_changed_under_way(app: Flask, issuer: SigningProvider) -> None:
    old, newer = jwt(issuer), key_for("RS256", 2)
    assert who(check(app, old)) == "una"
    issuer.publish(jwk(newer, kid="key-2"))
    claims = {"iss": issuer.issuer, "aud": API, "sub": "bob", "exp": NOW + 300}
    assert who(check(app, signed(claims, newer, kid="key-2"))) == "bob"
    assert check(app, old).status_code == 401


# ---- who cannot tell ----


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_while_the_provider_is_down_nobody_is_let_in_and_nobody_turned_away(make: Make, kind: str) -> None:
    own = SigningProvider()
    own.describe(introspection_endpoint=f"{own.url}/introspect")
    say(own)
    settings = {"DOORKEY_BEARER_ISSUER": own.issuer, "DOORKEY_PROVIDER_CORP_ISSUER": own.issuer}
    app, token = make(**settings), jwt(own) if kind == "jwt" else "opaque"
    own.stop()
    answer = check(app, token)
    assert (answer.status_code, answer.headers["X-Doorkey-Reason"]) == (503, "provider_unreachable")
    assert "WWW-Authenticate" not in answer.headers
    own.start_again()
    assert who(check(app, token)) == "una"
    threading.Thread(target=own.close, daemon=True).start()


def test_our_own_wrong_credentials_are_not_the_clients_fault(app: Flask, issuer: SigningProvider) -> None:
    issuer.answer("/introspect", {"error": "invalid_client"}, 401)
    assert check(app, "opaque").status_code == 503


# ---- the development provider, with real keys ----


@pytest.fixture
def behind(oauth_provider: OAuthProvider, environ: dict[str, str]) -> Make:
    """Makes an app that takes tokens of this provider for an audience."""
    issuer = oauth_provider.issuer
    robot = oauth_provider.add_client("gate")
    credentials = {"CLIENT_ID": "gate", "CLIENT_SECRET": robot.client_secret}
    given = openid_environ(environ, {"corp": issuer}, **credentials)
    bearer = {"DOORKEY_BEARER_ISSUER": issuer, "DOORKEY_BEARER_INTROSPECTION": "corp"}
    return lambda audience: create_app(load({**given, **bearer, "DOORKEY_BEARER_AUDIENCE": audience}))


@with_server
def test_tokens_of_a_real_provider_open_the_gate(behind: Make, oauth_provider: OAuthProvider) -> None:
    app = behind(oauth_provider.issuer)
    oauth_provider.add_user("una", groups=["ops"])
    issued = [oauth_provider.issue_token(sub="una", scope="openid read", format=form) for form in ("jwt", "opaque")]
    assert [who(check(app, token.access_token)) for token in issued] == ["una", "una"]
    assert [token.access_token.count(".") for token in issued] == [2, 0]
    robot = oauth_provider.issue_token(scope="read", format="opaque")
    assert who(check(app, robot.access_token)) == "doorkey-tests"
    late = [oauth_provider.issue_token(sub="una", format=form, expires_in=-5) for form in ("jwt", "opaque")]
    assert [check(app, token.access_token).status_code for token in late] == [401, 401]
    oauth_provider.rotate_keys()
    newer = oauth_provider.issue_token(sub="una", format="jwt")
    assert who(check(app, newer.access_token)) == "una"
    assert check(app, issued[0].access_token).status_code == 401


@with_server
def test_an_id_token_of_a_real_provider_does_not(
    behind: Make, oauth_provider: OAuthProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Although issuer, audience, time and signature are right."""
    app = behind("doorkey-tests")
    oauth_provider.add_user("una")
    issued = oauth_provider.issue_token(sub="una", scope="openid", format="jwt", claims={"aud": "doorkey-tests"})
    assert who(check(app, issued.access_token)) == "una"
    with caplog.at_level(logging.INFO):
        assert check(app, issued.id_token).status_code == 401
    assert refusals(caplog) == ["at_hash is wrong or missing"]
