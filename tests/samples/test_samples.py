"""Five small projects of other people test themselves with the installed plugin, each in an environment of its own."""

import re
import shutil
from pathlib import Path

import pytest

from tests.samples.conftest import SAMPLES, EnvironmentOf
from tests.samples.environments import HERE


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_passes_its_own_tests(name: str, environment_of: EnvironmentOf, tmp_path: Path) -> None:
    project = shutil.copytree(HERE / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = environment_of(name).run(
        "pytest", "-ra", "-W", "error", "--strict-markers", "--strict-config", "-p", "no:cacheprovider", cwd=project
    )
    assert done.returncode == 0, done.stdout + done.stderr
    closing = done.stdout.splitlines()[-1]
    assert re.search(rf"= {SAMPLES[name]} passed in ", closing), closing


def test_every_sample_is_known_here() -> None:
    assert {path.parent.name for path in HERE.glob("*/app.py")} == set(SAMPLES)
