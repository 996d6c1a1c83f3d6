"""Presets are data that fits the settings table, and docs/presets.md says how each is used (doorkey/presets.py)."""

import re
from pathlib import Path

import pytest

from doorkey.presets import ISSUER_FORMS, PRESETS, WATSONWORK_SCOPES
from doorkey.settings import ProviderSettings, Settings, load, rows
from tests.support.fake_vendor import KEY, environ
from tests.support.vendor_answers import VENDORS

PAGE = (Path(__file__).parents[1] / "docs" / "presets.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
BLOCKS = [
    pytest.param(title, block, id=f"{title} {number}")
    for title, section in SECTIONS.items()
    for number, block in enumerate(re.findall(r"```env\n(.*?)```", section, re.DOTALL), start=1)
]
AROUND = "Around every block"
ISSUERS = {vendor.preset: vendor.settings.get("ISSUER", "") for vendor in VENDORS.values()}


def named_in(text: str) -> list[str]:
    return re.findall(r"_PRESET=(\S+)", text)


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_is_one_that_its_setting_takes(name: str, tmp_path: Path) -> None:
    parsers = {row.name: row.metadata["parse"] for row in rows(ProviderSettings)}
    issuer = {"ISSUER": ISSUERS[name]} if name in ISSUER_FORMS else {}
    (provider,) = load(environ(name, tmp_path, **issuer)).providers
    for field, value in PRESETS[name].items():
        assert getattr(provider, field) == parsers[field](value), field


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_leads_somewhere(name: str) -> None:
    """By an issuer, or to an issuer that is asked for, or by endpoints."""
    preset = PRESETS[name]
    by_endpoints = {"authorization_endpoint", "token_endpoint"} <= set(preset)
    assert preset["label"]
    assert ("issuer" in preset or by_endpoints) != (name in ISSUER_FORMS)
    assert preset["scope"].startswith("openid ") != by_endpoints


@pytest.mark.parametrize("name", PRESETS)
def test_what_somebody_sets_wins_over_the_preset(name: str, tmp_path: Path) -> None:
    issuer = "https://id.example.org/tenant"
    (provider,) = load(environ(name, tmp_path, ISSUER=issuer, LABEL="Ours", SCOPE="openid", CLAIM_USER="x")).providers
    assert (provider.issuer, provider.label, provider.scope, provider.claim_user) == (issuer, "Ours", ("openid",), "x")


@pytest.mark.parametrize("table", [PRESETS, ISSUER_FORMS], ids=["presets", "forms"])
def test_names_are_sorted(table: dict[str, object]) -> None:
    assert list(table) == sorted(table)


def test_every_form_of_an_issuer_belongs_to_a_preset_and_starts_like_one() -> None:
    assert set(ISSUER_FORMS) < set(PRESETS)
    assert all(form.startswith("https://") for form in ISSUER_FORMS.values())


def test_no_preset_says_who_we_are() -> None:
    own = {"id", "preset", "client_id", "client_secret", "private_key"}
    assert not [name for name, preset in PRESETS.items() if own & set(preset)]


def test_watsonwork_is_the_contract() -> None:
    preset = PRESETS["watsonwork"]
    assert preset["authorization_endpoint"] == "https://api.watsonwork.ibm.com/oauth/authorize"
    assert preset["token_endpoint"] == "https://api.watsonwork.ibm.com/oauth/token"
    assert preset["client_auth"] == "client_secret_basic"
    assert preset["scope"] == (
        "message_create message_read transcript_read membership_list file_download file_upload space_change "
        "space_read space_list space_create profile_read profile_update settings_read settings_update"
    )
    assert len(WATSONWORK_SCOPES.split()) == 14


def test_every_preset_has_its_section_in_the_page_in_the_same_order() -> None:
    found = [name for title, section in SECTIONS.items() if title != AROUND for name in named_in(section)[:1]]
    assert found == list(PRESETS)


@pytest.mark.parametrize("title", [title for title in SECTIONS if title != AROUND])
def test_every_section_says_what_to_register_and_where_it_is_from(title: str) -> None:
    section = SECTIONS[title]
    (preset,) = set(named_in(section))
    assert set(re.findall(r"https://login\.example\.com/callback/[a-z0-9-]*", section)) == {
        f"https://login.example.com/callback/{preset}"
    }
    assert "Sources: " in section or preset == "watsonwork"


def from_page(block: str, tmp_path: Path) -> Settings:
    """`block` as it would stand in config.env, with the block that stands around every other one."""
    around = next(param.values[1] for param in BLOCKS if param.values[0] == AROUND)
    config = tmp_path / "config.env"
    config.write_text(f"{around}\n{block}", encoding="utf-8")
    return load({"DOORKEY_CONFIG": str(config), "DOORKEY_INSTANCE": str(tmp_path), "DOORKEY_SECRET_KEY": KEY})


@pytest.mark.parametrize(("title", "block"), [param for param in BLOCKS if param.values[0] != AROUND])
def test_every_block_of_the_page_can_be_used_as_it_stands(title: str, block: str, tmp_path: Path) -> None:
    settings = from_page(block, tmp_path)
    (provider,) = settings.providers
    assert settings.public_url == "https://login.example.com"
    assert (provider.id, provider.preset) == (named_in(block)[0], named_in(block)[0])
    assert provider.client_secret


@pytest.mark.parametrize("title", [title for title in SECTIONS if title != AROUND])
def test_every_setting_that_a_sentence_advises_is_taken(title: str, tmp_path: Path) -> None:
    prose = re.sub(r"```env\n.*?```", "", SECTIONS[title], flags=re.DOTALL)
    (preset,) = set(named_in(SECTIONS[title]))
    issuer = {"ISSUER": ISSUERS[preset]} if preset in ISSUER_FORMS else {}
    for name, value in re.findall(r"`([A-Z_]+)=([^`]+)`", prose):
        load(environ(preset, tmp_path, **{**issuer, name: value}))
