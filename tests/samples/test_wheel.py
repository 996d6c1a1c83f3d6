"""What is in the wheel works without the repository, and costs a project nothing until it asks for a provider."""

import json
import zipfile
from pathlib import Path

import pytest

import doorkey
from tests.samples.conftest import EnvironmentOf
from tests.samples.environments import ROOT, Environment

HEAVY = ("flask", "werkzeug", "requests", "responses", "authlib", "joserfc", "uvicorn", "cryptography")

COLLECT = """
import json, sys
import pytest
code = pytest.main(["--collect-only", "--quiet"])
print(json.dumps({"code": int(code), "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def installed(environment_of: EnvironmentOf) -> Environment:
    return environment_of("requests")


def test_it_knows_its_version(installed: Environment, tmp_path: Path) -> None:
    done = installed.run("doorkey", "--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert doorkey.__version__ in done.stdout


@pytest.mark.parametrize("folder", ["templates", "static"])
def test_pages_are_inside(installed: Environment, tmp_path: Path, folder: str) -> None:
    """And where paths.py looks for them."""
    done = installed.run("python", "-c", f"from doorkey.paths import {folder.upper()} as f; print(f)", cwd=tmp_path)
    found = Path(done.stdout.strip())
    assert found.is_relative_to(installed.folder), done.stderr
    wanted = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert {path.relative_to(found) for path in found.rglob("*") if path.is_file()} == wanted
    assert wanted


def test_nothing_of_the_repository_but_the_package_is_inside(environment_of: EnvironmentOf) -> None:
    (wheel,) = environment_of("requests").folder.parent.glob("doorkey-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"doorkey"}
    assert not [name for name in names if "__pycache__" in name or "node_modules" in name]


def test_pytest_finds_the_plugin(installed: Environment, tmp_path: Path) -> None:
    look = "from importlib.metadata import entry_points as e; print([p.value for p in e(group='pytest11')])"
    assert installed.run("python", "-c", look, cwd=tmp_path).stdout.strip() == "['doorkey.pytest_plugin']"
    told = installed.run("pytest", "--markers", cwd=tmp_path).stdout
    assert "@pytest.mark.oauth_provider" in told
    assert "oauth_provider" in installed.run("pytest", "--fixtures", "-v", cwd=tmp_path).stdout


def test_a_project_that_uses_nothing_of_it_imports_nothing_of_it(installed: Environment, tmp_path: Path) -> None:
    done = installed.run("python", "-c", COLLECT, cwd=tmp_path)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout + done.stderr
    assert not {name for name in told["modules"] if name.partition(".")[0] in HEAVY}
    ours = {name for name in told["modules"] if name.partition(".")[0] == "doorkey"}
    assert ours == {"doorkey", "doorkey.pytest_plugin"}
