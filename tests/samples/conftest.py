"""The environments that the samples run in. The samples themselves are not collected here."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.samples.environments import Environment, build_wheel, environments

SAMPLES = {"requests": 8, "httpx": 8, "authlib": 14, "oauthlib": 7, "flask_dance": 6}
"""How many tests each has."""

collect_ignore_glob = ["*/test_app.py"]

EnvironmentOf = Callable[[str], Environment]


@pytest.fixture(scope="session")
def environment_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvironmentOf]:
    """The environment of a sample; waits until it is made. They are large, so that none is kept."""
    folder = tmp_path_factory.mktemp("samples")
    with environments(build_wheel(folder), folder, list(SAMPLES)) as environment_of:
        yield environment_of
    shutil.rmtree(folder)
