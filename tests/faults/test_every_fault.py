"""Every fault of all_faults.py costs nobody what was acknowledged to them.

Most of an experiment is waiting, so two run at the same time, from the first test on.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.faults.all_faults import FAULTS, Fault
from tests.faults.experiment import Outcome
from tests.faults.front_door_site import provider

AT_ONCE = 2


@pytest.fixture(scope="module")
def under_way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future]]:
    """The outcome of every fault that was selected."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    selected = [call.params["fault"] for call in calls if call and "fault" in call.params]
    with provider(tmp_path_factory.mktemp("provider")) as at, ThreadPoolExecutor(AT_ONCE) as pool:
        yield {fault.name: pool.submit(fault.run, tmp_path_factory.mktemp("fault"), at) for fault in selected}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_acknowledged_is_lost_or_brought_back_and_every_answer_is_right_or_503(
    fault: Fault, under_way: dict[str, Future]
) -> None:
    outcome: Outcome = under_way[fault.name].result()
    assert outcome.wrong == []
    assert (outcome.lost, outcome.resurrected) == (0, 0)
    assert outcome.answered > 30
    assert (outcome.refused > 0) == fault.refuses
