"""`provider`: one process for all tests here, as new before each of them."""

from collections.abc import Iterator

import pytest

from tests.failures.provider import Provider, running_provider


@pytest.fixture(scope="session")
def _provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture
def provider(_provider: Provider) -> Provider:
    _provider.reset()
    return _provider
