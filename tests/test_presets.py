"""Presets are data that fits the settings table, and one of them is the contract's (presets.py)."""

import pytest

from doorkey.presets import PRESETS, WATSONWORK_SCOPES
from doorkey.settings import ProviderSettings, rows


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_is_one_that_its_setting_takes(name: str) -> None:
    parsers = {row.name: row.metadata["parse"] for row in rows(ProviderSettings)}
    for field, value in PRESETS[name].items():
        parsers[field](value)
    assert {"label", "authorization_endpoint", "token_endpoint"} <= set(PRESETS[name])


def test_no_preset_says_who_we_are() -> None:
    assert not [name for name, preset in PRESETS.items() if {"client_id", "client_secret"} & set(preset)]


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
