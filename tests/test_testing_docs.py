"""docs/testing.md: its examples run, and its names exist."""

import re
from pathlib import Path

import pytest

from doorkey.devprovider.failures import FAILURES
from doorkey.pytest_plugin import OPTIONS
from doorkey.testing import OAuthProvider

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, str] = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_PLUGINS", "doorkey.pytest_plugin")
    pytester.makepyfile(myapp="from tests.support.strict_client import strict_client as create_app")
    pytester.makeconftest(EXAMPLES["conftest"])
    return pytester


def test_all_examples_are_found() -> None:
    assert PAGE.count("```python") == len(EXAMPLES) == 9


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "conftest"])
def test_an_example_runs(project: pytest.Pytester, name: str) -> None:
    project.makepyfile(**{name: EXAMPLES[name]})
    result = project.runpytest_inprocess("-q", "-W", "error", "-W", "ignore:EdDSA is deprecated")
    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed"}, result.stdout.str()
    assert outcomes["passed"] >= EXAMPLES[name].count("def test_")


def test_every_failure_is_named_and_every_name_exists() -> None:
    table = PAGE.partition("## Names of failures")[2]
    assert set(re.findall(r"`([\w-]+)`", table.partition("| Where")[2])) == set(FAILURES)
    for at, names in re.findall(r"^\| ([a-z_ ]+) \| [a-z ]*\| (.*) \|$", table, re.MULTILINE):
        assert {FAILURES[name].at for name in re.findall(r"`([\w-]+)`", names)} == {at.replace("any endpoint", "*")}


def test_the_page_names_every_option_and_member() -> None:
    members = [name for name in vars(OAuthProvider) if not name.startswith("_")]
    unsaid = {"start", "stop", "issuer", "app"}
    assert [name for name in OPTIONS if f"{name}=" not in PAGE] == []
    assert [name for name in members if name not in unsaid and name not in PAGE] == []
