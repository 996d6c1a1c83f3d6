"""docs/providers.md shows what the tests with providers of other people find (tests/interop/tried.py)."""

import json
import re
from pathlib import Path

import pytest

from tests.interop import tried
from tests.interop.oidc_provider import HERE as NODE_PROVIDER

DJANGO_REQUIREMENTS = Path(__file__).parent / "django_provider" / "requirements.txt"


def test_the_document_shows_the_table_of_today() -> None:
    """After a change:  python -m tests.interop.tried"""
    text = tried.DOCUMENT.read_text(encoding="utf-8")
    assert tried.documented(text) == tried.table()
    assert tried.updated(text) == text


def test_the_versions_are_those_that_are_installed() -> None:
    packages = json.loads((NODE_PROVIDER / "package-lock.json").read_text())["packages"]
    assert f"oidc-provider {packages['node_modules/oidc-provider']['version']}" == tried.OIDC_PROVIDER
    pin = re.search(r"^(django-oauth-toolkit)==(\S+)", DJANGO_REQUIREMENTS.read_text(), re.MULTILINE)
    assert pin
    assert f"{pin[1]} {pin[2]}" == tried.DJANGO


def test_rows_are_told_apart_by_their_names() -> None:
    assert len({row.name for row in tried.ROWS}) == len(tried.ROWS)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in tried.ROWS])
def test_a_row_was_tried_somewhere(row: tried.Row) -> None:
    assert any(row.outcomes)
