"""Every proxy once for all tests of this folder: `front` is each of them in turn, `fronts` all by name."""

from collections.abc import Generator, Iterator

import pytest

from tests.proxies.every import PROXIES
from tests.proxies.fronts import Front, all_fronts


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the proxy wrote."""
    report = yield
    front = getattr(item, "funcargs", {}).get("front")
    if report.failed and isinstance(front, Front):
        report.sections.append((front.kind.name, front.proxy.log[-2000:]))
    return report


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Front | BaseException]]:
    with all_fronts(tmp_path_factory.mktemp("proxies")) as every:
        yield every


@pytest.fixture(params=[kind.name for kind in PROXIES])
def front(request: pytest.FixtureRequest, started: dict[str, Front | BaseException]) -> Front:
    """One proxy, running; why it does not run, when it does not."""
    found = started[request.param]
    if isinstance(found, BaseException):
        raise found
    return found


@pytest.fixture
def fronts(started: dict[str, Front | BaseException]) -> dict[str, Front]:
    return {name: found for name, found in started.items() if isinstance(found, Front)}
