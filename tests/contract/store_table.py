"""The contract suite's table of implementations: what holds for which session store, found out by running the suite.

`python -m tests.contract.stores` prints it in Markdown; what pytest says goes to standard error. A cell is how many
tests passed, of how many. Exit code 1 when any did not.
"""

import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.contract.store_places import ARRANGEMENTS

HERE = Path(__file__).parent
SUITE = [HERE / "test_session_store.py", *sorted(HERE.glob("test_store_*.py"))]


class Outcomes:
    """A plugin of pytest that counts by implementation and by what a file says that it `HOLDS`."""

    def __init__(self) -> None:
        self.holds: dict[str, None] = {}
        self.tests: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self._cells: dict[str, tuple[str, str]] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        assert isinstance(item, pytest.Function)
        holds = str(item.module.HOLDS)
        self.holds[holds] = None
        cell = self._cells[item.nodeid] = (str(item.callspec.params["kind"]), holds)
        self.tests[cell] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of the three phases of a test at most one fails, or the test and its end do."""
        if report.failed and report.nodeid in self._cells:
            self.failed[self._cells.pop(report.nodeid)] += 1

    def table(self) -> str:
        head = ["Implementation", "Arrangement", *self.holds]
        rows = [head, ["---"] * len(head), *(self._row(kind) for kind in ARRANGEMENTS)]
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)

    def _row(self, kind: str) -> list[str]:
        return [f"`{kind}`", ARRANGEMENTS[kind], *(self._cell((kind, holds)) for holds in self.holds)]

    def _cell(self, cell: tuple[str, str]) -> str:
        passed, tests = self.tests[cell] - self.failed[cell], self.tests[cell]
        return f"{passed} of {tests}" if passed == tests else f"**{passed} of {tests}**"


def main() -> int:
    outcomes = Outcomes()
    with redirect_stdout(sys.stderr):
        code = pytest.main(["-q", "-p", "no:cacheprovider", *map(str, SUITE)], plugins=[outcomes])
    sys.stdout.write(outcomes.table())
    return int(code)
