"""`doorkey import-oauth2-proxy`: what it reads, writes and says. Who gets in then: test_oauth2_proxy_policy.py."""

import re
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from doorkey.cli.import_oauth2_proxy import command
from doorkey.cli.oauth2_proxy_options import BY_HAND, CARRIED, LIST, LOCKED, NEEDLESS, OPTIONS, REFUSED
from doorkey.gate.policy_text import load_policy
from doorkey.settings import load
from tests.support.oauth2_proxy import BASE, Importer, moved

ROOT = Path(__file__).parents[1]
TENANT = "6f1d2c3b-0a4e-4c55-9d1e-7b8a9c0d1e2f"
FORMS = {
    "its own file": BASE.replace('[".example.com"]', '[".example.com", "tool.example.org:8443"]'),
    "an environment file": """
        export OAUTH2_PROXY_PROVIDER=oidc
        OAUTH2_PROXY_OIDC_ISSUER_URL="https://sso.example.com"
        OAUTH2_PROXY_CLIENT_ID=web  # a comment
        OAUTH2_PROXY_CLIENT_SECRET='canary-client'
        OAUTH2_PROXY_COOKIE_SECRET=canary-cookie-16
        OAUTH2_PROXY_REDIRECT_URL=https://login.example.com/oauth2/callback
        OAUTH2_PROXY_WHITELIST_DOMAINS=.example.com,tool.example.org:8443
        OAUTH2_PROXY_EMAIL_DOMAINS=*
        """,
    "a manifest": """
        args:
        - --provider=oidc
        - "--oidc-issuer-url=https://sso.example.com"
        - --client-id=web
        - --client-secret=canary-client
        - --cookie-secret=canary-cookie-16
        - --redirect-url=https://login.example.com/oauth2/callback
        - --whitelist-domain=.example.com
        - --whitelist-domain=tool.example.org:8443
        - --email-domain=*
        """,
    "a command line": r"""
        oauth2-proxy --provider oidc --oidc-issuer-url https://sso.example.com \
          --client-id=web --client-secret canary-client --cookie-secret=canary-cookie-16 \
          -redirect-url=https://login.example.com/oauth2/callback --set-xauthrequest=false \
          --whitelist-domain=.example.com,tool.example.org:8443 --email-domain='*'
        """,
}


@pytest.fixture
def imported(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_configuration_gives_settings_that_load(imported: Importer, form: str) -> None:
    done = imported(FORMS[form])
    settings = done.settings
    provider = settings.providers[0]
    assert (done.code, "would not start" in done.out) == (0, False)
    assert (provider.id, provider.issuer, provider.client_id) == ("oidc", "https://sso.example.com", "web")
    assert provider.client_secret.reveal() == "canary-client"
    assert settings.public_url == "https://login.example.com"
    assert settings.allowed_hosts == ("login.example.com", "*.example.com", "tool.example.org:8443")
    assert settings.oauth2_proxy_paths
    assert settings.policy_file == str(done.folder / "policy.toml")


def test_the_current_environment_can_be_read(tmp_path: Path) -> None:
    environ = {"OAUTH2_PROXY_CLIENT_ID": "web", "OAUTH2_PROXY_EMAIL_DOMAINS": "example.com"}
    done = CliRunner().invoke(command, ["--env", "--out", str(tmp_path)], env=environ)
    assert done.exit_code == 0
    assert "DOORKEY_PROVIDER_GOOGLE_CLIENT_ID=web" in (tmp_path / "config.env").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "client_id = \n",
        "what is this",
        "--client-id=a b c",
        "OAUTH2_PROXY_X=1\nPATH=/bin",
        "a = 'x\n",
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_written(imported: Importer, text: str) -> None:
    done = imported(text)
    assert done.code == 2
    assert not done.folder.exists()


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary"):
        done = CliRunner().invoke(command, [str(tmp_path / name), "--out", str(tmp_path / "out")])
        assert (done.exit_code, "cannot read" in done.output) == (2, True)


def test_nothing_is_overwritten_unless_told(imported: Importer) -> None:
    first = imported(BASE)
    before = (first.folder / "config.env").read_text()
    again = imported(BASE)
    assert (again.code, "--force" in again.out) == (1, True)
    assert (first.folder / "config.env").read_text() == before
    assert imported(BASE, "--force").code == 0
    assert (first.folder / "config.env").read_text() != before  # another key
    assert sorted(path.name for path in first.folder.iterdir()) == ["config.env", "policy.toml"]


def test_secrets_are_for_this_user_only_and_never_printed(imported: Importer) -> None:
    done = imported(
        BASE
        + """
        basic_auth_password = "canary-basic"
        signature_key = "sha256:canary-signature"
        github_token = "canary-token"
        session_store_type = "redis"
        redis_connection_url = "redis://:canary-url@redis.example.com"
        redis_password = "canary/redis"
        jwt_key = "canary-pem"
        frobnicate = "canary-unknown"
        upstreams = ["http://user:canary-upstream@127.0.0.1:3000"]
        """
    )
    assert done.code == 0
    assert "canary" not in done.out
    assert stat.S_IMODE((done.folder / "config.env").stat().st_mode) == 0o600
    assert done.settings.session_store.password == "canary/redis"
    assert "canary-cookie" not in (done.folder / "config.env").read_text()


@pytest.mark.parametrize("secret", ["a b #c", "'", '"', "\\", "a\\'b", "x\\", '"quoted"', "#x", "'a'", "é ü"])
def test_every_secret_comes_back_from_the_file_as_it_was(imported: Importer, secret: str) -> None:
    text = BASE.replace('"canary-client"', "'''" + secret + "'''" if "'" not in secret else _basic(secret))
    assert imported(text).settings.providers[0].client_secret.reveal() == secret


def _basic(secret: str) -> str:
    return '"' + secret.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_a_value_that_something_else_puts_in_is_not_taken_for_a_value(imported: Importer) -> None:
    done = imported(BASE.replace('"canary-client"', '"$(CLIENT_SECRET)"').replace('["*"]', '["${DOMAIN}"]'))
    assert "$" not in (done.folder / "config.env").read_text()
    assert done.is_loud("client_secret")
    assert done.is_locked


PROVIDERS = [
    ('provider = "google"', "google", "https://accounts.google.com"),
    ('provider = "gitlab"', "gitlab", "https://gitlab.com"),
    ('provider = "gitlab"\noidc_issuer_url = "https://git.example.com"', "gitlab", "https://git.example.com"),
    ('provider = "keycloak-oidc"\noidc_issuer_url = "https://id.example.com/realms/a"', "keycloak", "https://id.example.com/realms/a"),
    (
        'provider = "keycloak"\nlogin_url = "https://id.example.com/auth/realms/a/protocol/openid-connect/auth"',
        "keycloak",
        "https://id.example.com/auth/realms/a",
    ),
    (f'provider = "azure"\nazure_tenant = "{TENANT}"', "entra", f"https://login.microsoftonline.com/{TENANT}/v2.0"),
    (
        'provider = "entra-id"\noidc_issuer_url = "https://login.microsoftonline.com/common/v2.0"\n'
        f'entra_id_allowed_tenants = ["{TENANT}"]',
        "entra",
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
    ),
    ('provider = "oidc"\noidc_issuer_url = "https://acme.okta.com/oauth2/default"', "okta", "https://acme.okta.com/oauth2/default"),
    ('provider = "adfs"\nlogin_url = "https://fs.example.com/adfs/oauth2/authorize"', "adfs", "https://fs.example.com/adfs"),
    ('provider = "github"', "github", "https://github.com/login/oauth"),
    ('provider = "digitalocean"', "digitalocean", ""),
    (
        'provider = "github"\nlogin_url = "https://ghe.example.com/login/oauth/authorize"\n'
        'redeem_url = "https://ghe.example.com/login/oauth/access_token"\nvalidate_url = "https://ghe.example.com/api/v3"',
        "github",
        "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "id", "issuer"), PROVIDERS)
def test_every_kind_of_provider_gives_settings_that_load(imported: Importer, lines: str, id: str, issuer: str) -> None:
    rest = "\n".join(line for line in BASE.splitlines() if not line.startswith(("provider", "oidc_issuer")))
    done = imported(lines + "\n" + rest)
    provider = done.settings.providers[0]
    assert (provider.id, provider.issuer) == (id, issuer)
    assert "would not start" not in done.out
    assert "https://login.example.com/oauth2/callback" in done.out


def test_a_provider_of_many_tenants_is_said_to_need_an_issuer(imported: Importer) -> None:
    done = imported(
        BASE.replace('"oidc"', '"azure"').replace('"https://sso.example.com"', '""') + 'azure_tenant = "common"'
    )
    assert "DOORKEY_PROVIDER_ENTRA_ISSUER" in done.out
    assert done.is_loud("azure_tenant")


STORES = [
    ('redis_connection_url = "rediss://u:p%40@r.example.com:6380/3"', "redis", ("u", "p@")),
    (
        'redis_use_sentinel = true\nredis_sentinel_master_name = "main"\nredis_password = "p&#/"\n'
        'redis_sentinel_connection_urls = ["redis://a.example.com:26379", "redis://b.example.com"]',
        "sentinel",
        ("", "p&#/"),
    ),
    (
        'redis_use_cluster = true\nredis_cluster_connection_urls = ["redis://a.example.com", "redis://b.example.com:7000"]',
        "cluster",
        ("", ""),
    ),
]


@pytest.mark.parametrize(("lines", "kind", "credentials"), STORES)
def test_every_arrangement_of_redis_is_carried_over(
    imported: Importer, lines: str, kind: str, credentials: tuple[str, str]
) -> None:
    store = imported(BASE + 'session_store_type = "redis"\n' + lines).settings.session_store
    assert (store.kind, (store.username, store.password)) == (kind, credentials)
    assert len(store.hosts) == (1 if kind == "redis" else 2)


@pytest.mark.parametrize(
    ("written", "seconds"), [("168h0m0s", 7 * 86400), ("1h30m", 5400), ("45s", 45), ("10m", 600), ("1.5h", 5400)]
)
def test_a_session_lasts_as_long_as_before(imported: Importer, written: str, seconds: int) -> None:
    settings = imported(BASE + f'cookie_expire = "{written}"').settings
    assert (settings.session_absolute, settings.session_idle) == (seconds, seconds)


@pytest.mark.parametrize("written", ["0", "0s", "forever", "9999999h", "-1h", "1d"])
def test_a_life_that_is_none_is_said_and_left_at_the_default(imported: Importer, written: str) -> None:
    done = imported(BASE + f'cookie_expire = "{written}"')
    assert done.settings.session_absolute == 12 * 3600
    assert done.is_loud("cookie_expire")


def test_tokens_for_our_own_client_id_open_nothing_for_programs(imported: Importer) -> None:
    done = imported(BASE + "skip_jwt_bearer_tokens = true")
    assert not done.settings.bearer_issuer
    assert done.is_loud("skip_jwt_bearer_tokens")
    pairs = (
        'skip_jwt_bearer_tokens = true\nextra_jwt_issuers = ["https://a.example.com=web", "https://b.example.com=api"]'
    )
    settings = imported(BASE + pairs, "--force").settings
    assert (settings.bearer_issuer, settings.bearer_audience) == ("https://b.example.com", "api")


@pytest.mark.parametrize("option", [name for name, option in OPTIONS.items() if option.fate == REFUSED])
def test_what_would_weaken_a_check_is_refused_aloud(option: str) -> None:
    value = '["x"]' if OPTIONS[option].kind == LIST else "true"
    assert moved(BASE + f"{option} = {value}").is_loud(option)


@pytest.mark.parametrize("value", ["false", "true", '["something"]', '"something"', '""', "[]", "3"])
def test_no_option_is_passed_over_in_silence(value: str) -> None:
    for name in (*OPTIONS, "frobnicate", "allowed_somebodies"):
        rest = "\n".join(line for line in BASE.splitlines() if not line.startswith(f"{name} ="))
        done = moved(f"{rest}\n{name} = {value}")
        assert done.lists(name) or value == "[]", name
        load_policy(done.policy_text)


def test_a_terminal_does_not_obey_what_stood_in_the_file() -> None:
    done = moved(BASE + '"group\\u001b[2J" = 1\nskip_auth_routes = ["^/[a]\\u001b[2J"]')
    assert done.is_loud("skip_auth_routes")
    assert done.is_locked
    assert "\x1b" not in done.out
    assert "\x1b" not in done.policy_text


def test_the_document_has_the_rows_of_the_table() -> None:
    text = (ROOT / "docs" / "oauth2-proxy.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([a-z ]+) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(name, option.fate, option.says) for name, option in OPTIONS.items()]


def test_the_table_has_no_fate_that_is_not_explained() -> None:
    text = (ROOT / "docs" / "oauth2-proxy.md").read_text()
    for fate in {option.fate for option in OPTIONS.values()}:
        assert fate in (CARRIED, BY_HAND, NEEDLESS, REFUSED, LOCKED)
        assert f"**{fate}**" in text


def test_a_mistake_that_stops_doorkey_is_told_at_once(imported: Importer) -> None:
    done = imported(BASE.replace('client_id = "web"', ""))
    assert "would not start yet: DOORKEY_PROVIDER_OIDC_CLIENT_ID is missing" in done.out
    with pytest.raises(Exception, match="CLIENT_ID"):
        load({"DOORKEY_CONFIG": str(done.folder / "config.env")})
