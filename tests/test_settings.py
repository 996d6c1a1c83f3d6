"""Reading the settings: where they come from, and that every mistake is told at once (settings.py)."""

import re
from pathlib import Path

import pytest

from doorkey.errors import SettingsError
from doorkey.presets import WATSONWORK_SCOPES
from doorkey.settings import PREFIX, ProviderSettings, Settings, load, rows

KEY = "a-key-for-tests-0123456789-abcdefghijkl"
PROVIDER = {
    "DOORKEY_PROVIDER_ACME_AUTHORIZATION_ENDPOINT": "https://acme.example/authorize",
    "DOORKEY_PROVIDER_ACME_TOKEN_ENDPOINT": "https://acme.example/token",
    "DOORKEY_PROVIDER_ACME_CLIENT_ID": "doorkey",
    "DOORKEY_PROVIDER_ACME_CLIENT_SECRET": "canary",
}
PRODUCTION = {
    "DOORKEY_PUBLIC_URL": "https://login.example.com",
    "DOORKEY_SECRET_KEY": KEY,
    "DOORKEY_PROVIDERS": "acme",
    **PROVIDER,
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No config.env of the developer's is read."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def problems_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.problems


@pytest.mark.parametrize("table", [Settings, ProviderSettings])
def test_every_default_is_accepted_by_its_own_parser(table: type) -> None:
    for row in rows(table):
        row.metadata["parse"](row.metadata["default"])
        assert row.metadata["help"], row.name
        assert row.metadata["name"] == row.name.upper()


@pytest.mark.parametrize("row", [pytest.param(row, id=row.metadata["name"]) for row in rows(Settings)])
def test_a_default_typed_out_is_the_same_as_none(row: object) -> None:
    metadata = row.metadata  # type: ignore[attr-defined]
    assert load({PREFIX + metadata["name"]: metadata["default"]}) == load({})


def test_nothing_configured_is_development_on_loopback() -> None:
    settings = load({})
    assert settings.development
    assert (settings.host, settings.port, settings.providers, settings.public_url) == ("127.0.0.1", 8000, (), "")
    assert (settings.session_idle, settings.session_absolute) == (3600, 12 * 3600)


def test_a_configured_provider_ends_development() -> None:
    settings = load(PRODUCTION)
    assert not settings.development
    provider = settings.providers[0]
    assert (provider.id, provider.client_id, provider.client_secret.reveal()) == ("acme", "doorkey", "canary")
    assert (provider.pkce, provider.userinfo, provider.claim_user) == (True, "auto", "sub")


def test_a_hyphen_in_a_provider_id_is_an_underscore_in_names() -> None:
    changed = {name.replace("ACME", "ACME_EU"): value for name, value in PRODUCTION.items()}
    assert load(changed | {"DOORKEY_PROVIDERS": "acme-eu"}).providers[0].client_id == "doorkey"


def test_a_provider_whose_name_begins_like_another_is_kept_apart() -> None:
    second = {name.replace("ACME", "ACME_EU"): value for name, value in PROVIDER.items()}
    environ = PRODUCTION | second | {"DOORKEY_PROVIDERS": "acme, acme-eu"}
    assert [provider.id for provider in load(environ).providers] == ["acme", "acme-eu"]


class TestSources:
    """Environment, config.env, NAME_FILE, and HOST and PORT as hosting platforms set them."""

    def test_config_env_in_the_working_folder_is_read(self, empty_folder: Path) -> None:
        (empty_folder / "config.env").write_text("# a comment\n\nDOORKEY_PORT=9001\nexport DOORKEY_HOST='localhost'\n")
        assert (load({}).port, load({}).host) == (9001, "localhost")

    def test_another_file_may_be_named(self, tmp_path: Path, empty_folder: Path) -> None:
        (empty_folder / "config.env").write_text("DOORKEY_PORT=9001\n")
        (tmp_path / "mine.env").write_text("DOORKEY_PORT=9002\n")
        assert load({"DOORKEY_CONFIG": str(tmp_path / "mine.env")}).port == 9002

    def test_the_environment_wins_over_the_file(self, empty_folder: Path) -> None:
        (empty_folder / "config.env").write_text("DOORKEY_PORT=9001\nDOORKEY_THREADS=7\n")
        settings = load({"DOORKEY_PORT": "9002"})
        assert (settings.port, settings.threads) == (9002, 7)

    @pytest.mark.parametrize("name", ["HOST", "PORT"])
    def test_host_and_port_work_without_prefix_in_both_places(self, name: str, empty_folder: Path) -> None:
        value = {"HOST": "::1", "PORT": "9003"}[name]
        assert str(getattr(load({name: value}), name.lower())) == value
        (empty_folder / "config.env").write_text(f"{name}={value}\n")
        assert str(getattr(load({}), name.lower())) == value

    def test_the_prefixed_name_wins_over_the_bare_one(self) -> None:
        assert load({"PORT": "9001", "DOORKEY_PORT": "9002"}).port == 9002

    @pytest.mark.parametrize("written", ["PORT", "DOORKEY_PORT"])
    def test_a_port_of_the_environment_wins_over_the_file_too(self, written: str, empty_folder: Path) -> None:
        """`PORT=9002 make run`, or a platform that sets PORT, beside a config.env."""
        (empty_folder / "config.env").write_text(f"{written}=9001\n")
        assert load({"PORT": "9002"}).port == 9002

    def test_other_names_of_the_environment_are_nobodys_business(self) -> None:
        assert load({"PATH": "/bin", "SECRET_KEY": "x", "XDOORKEY_PORT": "1"}) == load({})

    def test_a_secret_may_be_in_a_file_with_a_newline_at_its_end(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"from-a-file\r\n")
        environ = {name: value for name, value in PRODUCTION.items() if not name.endswith("_SECRET")}
        environ["DOORKEY_PROVIDER_ACME_CLIENT_SECRET_FILE"] = str(tmp_path / "secret")
        assert load(environ).providers[0].client_secret.reveal() == "from-a-file"

    def test_any_setting_may_be_in_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "port").write_text("9004\n")
        assert load({"DOORKEY_PORT_FILE": str(tmp_path / "port")}).port == 9004

    def test_a_name_and_its_file_at_once_are_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "port").write_text("9004")
        found = problems_of({"DOORKEY_PORT": "9005", "DOORKEY_PORT_FILE": str(tmp_path / "port")})
        assert found == ["DOORKEY_PORT and DOORKEY_PORT_FILE are both set; keep one"]

    def test_a_file_that_cannot_be_read_is_named_with_the_reason(self, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        found = problems_of(
            {"DOORKEY_PORT_FILE": str(tmp_path / "none"), "DOORKEY_HOST_FILE": str(tmp_path / "binary")}
        )
        assert len(found) == 2
        assert any("DOORKEY_PORT_FILE" in problem and "No such file" in problem for problem in found)
        assert any("DOORKEY_HOST_FILE" in problem and "UTF-8" in problem for problem in found)


class TestMistakesInTheFile:
    @pytest.mark.parametrize(
        ("line", "word"),
        [
            pytest.param("this is not a setting", "line 3", id="no equals sign"),
            pytest.param("DOORKEY_PORT", "line 3", id="name alone"),
            pytest.param("DOORKEY_PORT='open", "line 3", id="open quote"),
            pytest.param("SECRET_KEY=abc", "line 3: SECRET_KEY is not a setting", id="forgotten prefix"),
        ],
    )
    def test_a_bad_line_is_named_by_its_number(self, line: str, word: str, empty_folder: Path) -> None:
        (empty_folder / "config.env").write_text(f"# first\n\n{line}\nDOORKEY_THREADS=3\n")
        found = problems_of({})
        assert any(word in problem and "config.env" in problem for problem in found), found

    def test_a_value_never_stands_in_the_message_about_its_line(self, empty_folder: Path) -> None:
        (empty_folder / "config.env").write_text("CLIENT_SECRET=canary\nDOORKEY_SECRET_KEY='canary\n")
        assert "canary" not in str(problems_of({}))

    def test_a_named_file_that_is_not_there_is_a_problem(self) -> None:
        assert problems_of({"DOORKEY_CONFIG": "none.env"}) == ["DOORKEY_CONFIG: there is no file none.env"]

    def test_a_folder_in_its_place_is_a_problem(self, tmp_path: Path) -> None:
        assert len(problems_of({"DOORKEY_CONFIG": str(tmp_path)})) == 1

    def test_a_file_that_is_not_text_is_a_problem(self, empty_folder: Path) -> None:
        (empty_folder / "config.env").write_bytes(b"DOORKEY_HOST=\xff\xfe\n")
        assert any("UTF-8" in problem for problem in problems_of({}))


class TestEveryMistakeAtOnce:
    def test_all_problems_of_values_are_reported_together(self) -> None:
        found = problems_of({"DOORKEY_PORT": "x", "DOORKEY_SESSION_IDLE": "soon", "DOORKEY_NO_SUCH": "1"})
        assert [problem.partition(":")[0] for problem in found[:2]] == ["DOORKEY_SESSION_IDLE", "DOORKEY_PORT"]
        assert found[2:] == ["DOORKEY_NO_SUCH is not a setting"]
        with pytest.raises(SettingsError, match=r"SESSION_IDLE.*PORT.*NO_SUCH"):
            load({"DOORKEY_PORT": "x", "DOORKEY_SESSION_IDLE": "soon", "DOORKEY_NO_SUCH": "1"})

    def test_a_mistake_elsewhere_does_not_make_provider_settings_unknown(self) -> None:
        found = problems_of(PRODUCTION | {"DOORKEY_SESSION_IDLE": "soon"})
        assert [problem.partition(":")[0] for problem in found] == ["DOORKEY_SESSION_IDLE"]

    def test_mistakes_of_a_provider_are_told_beside_others(self) -> None:
        found = " ".join(problems_of(PRODUCTION | {"DOORKEY_PORT": "x", "DOORKEY_PROVIDER_ACME_PKCE": "maybe"}))
        assert "DOORKEY_PORT: " in found
        assert "DOORKEY_PROVIDER_ACME_PKCE: " in found

    def test_rules_between_settings_are_told_beside_bad_values(self) -> None:
        environ = {name: value for name, value in PRODUCTION.items() if name != "DOORKEY_SECRET_KEY"}
        found = " ".join(problems_of(environ | {"DOORKEY_PORT": "x"}))
        assert "DOORKEY_PORT: " in found
        assert "DOORKEY_SECRET_KEY is missing" in found

    @pytest.mark.parametrize("name", ["PRESET", "CLIENT_ID"])
    def test_no_problem_is_told_twice(self, name: str) -> None:
        found = problems_of(PRODUCTION | {f"DOORKEY_PROVIDER_ACME_{name}_FILE": "/nowhere"})
        assert len(found) == len(set(found)), found

    def test_a_setting_of_an_undeclared_provider_is_unknown_with_a_hint(self) -> None:
        found = problems_of(PRODUCTION | {"DOORKEY_PROVIDER_OTHER_CLIENT_ID": "x"})
        assert found == [
            "DOORKEY_PROVIDER_OTHER_CLIENT_ID is not a setting (is its provider listed in DOORKEY_PROVIDERS?)"
        ]

    def test_a_misspelt_setting_of_a_provider_is_unknown(self) -> None:
        assert len(problems_of(PRODUCTION | {"DOORKEY_PROVIDER_ACME_CLIENTID": "x"})) == 1

    def test_a_misspelt_name_is_told_and_its_value_is_not(self) -> None:
        assert "canary" not in str(problems_of({"DOORKEY_CLIENT_SECRET": "canary"}))


def _without(name: str) -> dict[str, str]:
    return {key: value for key, value in PRODUCTION.items() if key != name}


RULES = [
    pytest.param(
        PRODUCTION | {"DOORKEY_SESSION_IDLE": "2h", "DOORKEY_SESSION_ABSOLUTE": "1h"},
        "SESSION_ABSOLUTE must not be shorter", id="absolute under idle",
    ),
    pytest.param({"DOORKEY_HOST": "0.0.0.0"}, "reachable from other machines", id="development on every address"),
    pytest.param({"HOST": "::"}, "reachable from other machines", id="development on every IPv6 address"),
    pytest.param({"HOST": "my.laptop"}, "reachable from other machines", id="development under a name"),
    pytest.param({"DOORKEY_COOKIE_DOMAIN": "example.com"}, "COOKIE_DOMAIN needs DOORKEY_PUBLIC_URL", id="domain alone"),
    pytest.param(
        {"DOORKEY_PUBLIC_URL": "https://login.example.com", "DOORKEY_SECRET_KEY": KEY},
        "PROVIDERS is missing", id="no provider",
    ),
    pytest.param(_without("DOORKEY_PUBLIC_URL"), "PUBLIC_URL is missing", id="no public URL"),
    pytest.param(_without("DOORKEY_SECRET_KEY"), "SECRET_KEY is missing", id="no key"),
    pytest.param(PRODUCTION | {"DOORKEY_COOKIE_DOMAIN": "other.com"}, "is not a parent of", id="foreign cookie domain"),
    pytest.param(PRODUCTION | {"DOORKEY_COOKIE_DOMAIN": "ample.com"}, "is not a parent of", id="half a label"),
    pytest.param(
        PRODUCTION | {"DOORKEY_PUBLIC_URL": "http://127.0.0.1:8000", "DOORKEY_COOKIE_DOMAIN": "example.com"},
        "needs an https public URL", id="cookie domain over http",
    ),
    pytest.param(_without("DOORKEY_PROVIDER_ACME_CLIENT_ID"), "CLIENT_ID is missing", id="no client id"),
    pytest.param(_without("DOORKEY_PROVIDER_ACME_TOKEN_ENDPOINT"), "TOKEN_ENDPOINT is missing", id="no token endpoint"),
    pytest.param(
        _without("DOORKEY_PROVIDER_ACME_AUTHORIZATION_ENDPOINT"), "AUTHORIZATION_ENDPOINT is missing", id="no authorize"
    ),
    pytest.param(
        _without("DOORKEY_PROVIDER_ACME_CLIENT_SECRET") | {"DOORKEY_PROVIDER_ACME_CLIENT_AUTH": "client_secret_post"},
        "CLIENT_SECRET is missing", id="post without secret",
    ),
    pytest.param(
        PRODUCTION | {"DOORKEY_PROVIDER_ACME_USERINFO": "always"}, "USERINFO_ENDPOINT is missing", id="userinfo nowhere"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("environ", "words"), RULES)
def test_a_rule_between_settings_stops_the_start(environ: dict[str, str], words: str) -> None:
    found = problems_of(environ)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"HOST": "0.0.0.0", "DOORKEY_INSECURE_DEV_PROVIDER": "on"}, id="development in a container"),
        pytest.param(PRODUCTION | {"HOST": "0.0.0.0"}, id="production on every address"),
        pytest.param(PRODUCTION | {"DOORKEY_COOKIE_DOMAIN": ".example.com"}, id="parent cookie domain"),
        pytest.param(_without("DOORKEY_PROVIDER_ACME_CLIENT_SECRET"), id="public client"),
    ],
)
def test_these_are_fine_together(environ: dict[str, str]) -> None:
    load(environ)


def test_a_preset_fills_and_an_explicit_setting_wins() -> None:
    environ = {name: value for name, value in PRODUCTION.items() if not name.endswith("_ENDPOINT")}
    environ["DOORKEY_PROVIDER_ACME_PRESET"] = "watsonwork"
    provider = load(environ).providers[0]
    assert provider.token_endpoint == "https://api.watsonwork.ibm.com/oauth/token"
    assert (provider.label, " ".join(provider.scope)) == ("Watson Work", WATSONWORK_SCOPES)
    environ |= {
        "DOORKEY_PROVIDER_ACME_SCOPE": "message_read",
        "DOORKEY_PROVIDER_ACME_TOKEN_ENDPOINT": "https://x.example/t",
    }
    provider = load(environ).providers[0]
    assert (provider.scope, provider.token_endpoint) == (("message_read",), "https://x.example/t")
    assert provider.authorization_endpoint == "https://api.watsonwork.ibm.com/oauth/authorize"


def test_no_secret_is_in_the_words_of_the_settings() -> None:
    shown = repr(load(PRODUCTION)) + str(load(PRODUCTION))
    assert KEY not in shown
    assert "canary" not in shown


class TestTheExampleFile:
    """config.example.env shows every setting once, as a comment with its default."""

    @pytest.fixture
    def lines(self) -> list[str]:
        return (Path(__file__).parents[1] / "config.example.env").read_text(encoding="utf-8").splitlines()

    @pytest.mark.parametrize("row", [pytest.param(row, id=row.metadata["name"]) for row in rows(Settings)])
    def test_every_setting_is_there_once_with_its_default_under_a_line_of_help(
        self, row: object, lines: list[str]
    ) -> None:
        metadata = row.metadata  # type: ignore[attr-defined]
        found = [n for n, line in enumerate(lines) if re.match(rf"#\s?DOORKEY_{metadata['name']}=", line)]
        assert len(found) == 1
        assert lines[found[0]].partition("=")[2] == metadata["default"]
        assert re.match(r"# \S", lines[found[0] - 1])

    @pytest.mark.parametrize("row", [pytest.param(row, id=row.metadata["name"]) for row in rows(ProviderSettings)])
    def test_every_provider_setting_is_there_with_an_example_id(self, row: object, lines: list[str]) -> None:
        pattern = rf"#\s?DOORKEY_PROVIDER_[A-Z0-9_]+?_{row.metadata['name']}="  # type: ignore[attr-defined]
        assert [line for line in lines if re.match(pattern, line)]

    def test_it_can_be_used_as_it_is(self, lines: list[str], empty_folder: Path) -> None:
        (empty_folder / "config.env").write_text("\n".join(lines))
        assert load({}) == load({"DOORKEY_CONFIG": "/dev/null"})
