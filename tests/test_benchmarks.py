"""What measures nothing in benchmarks/: numbers, requests, rules, records, the document. No server is started."""

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import benchmarks
from benchmarks import doorkeys, load, measuring, peers, report, run, seeding, steady_load, targets
from benchmarks.depot import FULL, QUICK
from benchmarks.measuring import Sample, cpu, interleaved, median_of, percentile, ratio, spread
from benchmarks.process_section import memory_goal
from benchmarks.report import Goal, Machine, Picture, Section
from benchmarks.servers import BenchmarkFailed, Server, cpu_seconds, family, free_port, memory_mb, process_seconds
from doorkey.base64url import decode
from doorkey.sessions.ids import SessionIds
from doorkey.sessions.record import Record
from doorkey.sessions.seal import Keyring

ROOT = Path(__file__).parents[1]
MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")
PROGRAMS = [name for name in MODULES if "__main__" in (ROOT / f"benchmarks/{name}.py").read_text(encoding="utf-8")]
MACHINE = Machine("A processor", 2, "Debian, kernel 6", "3.11.7", {"nginx": "1.22.1"})
NOW = 1_700_000_000.0


def sample(cost: float, *parts: float) -> Sample:
    return Sample(cpu_us=cost, rate=1e6 / cost, p50=1.0, p99=2.0, parts_us=parts or (cost,))


def target(**changes: object) -> targets.Target:
    made = targets.Target("one", 1, (), ["doorkey=a", "doorkey=b"], path="/check/nginx")
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def section(**changes: object) -> Section:
    made = Section("checks", "One check", "Some words.", ("what", "µs"), (("nginx", "6.0"),))
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported_without_the_packages_for_pictures(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_the_map_of_the_package_names_every_module(name: str) -> None:
    assert re.search(rf"\b{name}\b", benchmarks.__doc__ or "")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_says_how_it_is_called(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert f"python -m benchmarks.{name}" in done.stdout


def test_functions_and_files_stay_small() -> None:
    for name in MODULES:
        lines = (ROOT / f"benchmarks/{name}.py").read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 350, name
        starts = [number for number, line in enumerate(lines) if re.match(r" *(async )?def |class |@", line)]
        assert all(end - begin <= 50 for begin, end in zip(starts, [*starts[1:], len(lines)], strict=True)), name


# Numbers


def test_a_ratio_is_taken_within_each_round() -> None:
    """A machine that is twice as slow in one round changes both, and so not the ratio."""
    ours = [sample(10), sample(20), sample(10)]
    base = [sample(30), sample(60), sample(31)]
    assert ratio(base, ours, cpu) == 3.0


def test_a_ratio_needs_as_many_rounds_of_both() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([sample(1), sample(2)], [sample(1)], cpu)


def test_the_median_and_the_spread_are_of_the_rounds() -> None:
    rounds = [sample(9), sample(10), sample(13)]
    assert median_of(rounds, cpu) == 10
    assert spread(rounds, cpu) == pytest.approx(0.2)


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (99.9, 100), (100, 100), (1, 1), (0, 1)])
def test_a_percentile_is_a_value_that_was_seen(percent: float, value: float) -> None:
    assert percentile(range(100, 0, -1), percent) == value


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_targets_are_hit_in_turn_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def hit(name: str) -> Sample:
        order.append(name)
        return sample(len(order))

    rounds = interleaved(["a", "b"], hit, count=2)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert [one.cpu_us for one in rounds["a"]] == [3, 5]
    assert [one.cpu_us for one in rounds["b"]] == [4, 6]
    json.dumps(measuring.raw(rounds))


# What wrk says, and what the steady client reads


def printed(**changes: object) -> str:
    found = {"requests": 1000, "microseconds": 500_000, "errors": 0, "p50": 250.0, "p99": 4000.0, **changes}
    return f"Running 1s test\n  1 threads\n{json.dumps(found)}\n"


def test_cost_is_the_time_of_all_processes_for_one_answer() -> None:
    found = load.sample(printed(), [0.03, 0.01])
    assert [found.cpu_us, *found.parts_us] == pytest.approx([40, 30, 10])
    assert (found.count, found.rate, found.p50, found.p99) == (1000, 2000, 0.25, 4.0)


@pytest.mark.parametrize("said", [printed(errors=1), printed(requests=0), "unable to connect", ""])
def test_one_wrong_answer_ends_a_run(said: str) -> None:
    with pytest.raises(BenchmarkFailed):
        load.sample(said, [0.1])


def test_requests_are_kept_apart_by_what_none_of_them_has(tmp_path: Path) -> None:
    requests = target().requests()
    path = load.write_requests(tmp_path / "requests.bin", requests)
    assert path.read_bytes().split(b"\0")[:-1] == requests
    assert "%z" in path.with_suffix(".lua").read_text()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", None),
        (b"HTTP/1.1 204 No Content\r\nServer: a\r\n\r\n", 204),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 401),
        (b"HTTP/1.1 200 OK\r\nContent-Le", None),
        (b"", None),
    ],
)
def test_an_answer_is_complete_when_its_body_is(answer: bytes, status: int | None) -> None:
    assert steady_load.complete(answer) == status


# Requests, rules, records


def test_a_request_has_twelve_headers_and_its_cookie_among_others() -> None:
    head = target().request("doorkey=a", "/app/a").decode()
    lines = head.removesuffix("\r\n\r\n").split("\r\n")
    assert lines[0] == "GET /check/nginx HTTP/1.1"
    assert len(lines) == 1 + 12
    assert next(line for line in lines if line.startswith("Cookie:")).count("=") == 4
    assert f"X-Original-URL: https://{targets.HOST}/app/a" in lines


@pytest.mark.parametrize("people", [2, 700])
def test_requests_use_all_cookies_and_many_paths(people: int) -> None:
    requests = target(cookies=[f"doorkey={number}" for number in range(people)]).requests()
    assert len(set(requests)) == max(people, targets.PATHS)
    assert len({re.search(rb"doorkey=\d+", one)[0] for one in requests}) == people  # type: ignore[index]
    assert len({re.search(rb"X-Original-URL: (\S+)", one)[1] for one in requests}) == targets.PATHS  # type: ignore[index]


@pytest.mark.parametrize("count", [4, 10, 10_000])
def test_there_are_as_many_rules_as_asked_for_and_those_that_decide_come_last(count: int) -> None:
    rules = tomllib.loads(doorkeys.rules(count))["rule"]
    assert len(rules) == count == len({rule["name"] for rule in rules})
    assert [rule["path"][0] for rule in rules[-4:]] == ["/closed", "/app/a", "/app/c", "/app"]
    assert not any(path.startswith(("/app", "/closed")) for rule in rules[:-4] for path in rule["path"])
    assert count < 1000 or {rule["host"] for rule in rules} == set(doorkeys.hosts())


def test_too_few_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="at least four"):
        doorkeys.rules(3)


def test_a_seeded_record_opens_with_its_cookie_and_has_a_usual_size() -> None:
    stored = seeding.sealed([7], NOW)[0]
    secret = decode(seeding.cookie(7).partition("=")[2])
    assert secret
    ids = SessionIds.of_gate(secret)
    keyring = Keyring([doorkeys.SECRET_KEY.encode()])
    content = keyring.open(stored.sealed, purpose="session record", bound_to=ids.record_id, secret=secret)
    assert content
    record = Record.from_bytes(content)
    assert record
    assert stored.record_id == ids.record_id
    assert record.identity.email == "person.7@example.com"
    assert len(record.identity.groups) == 7
    assert 1200 <= len(stored.sealed) <= 1500


def test_records_are_made_in_the_order_of_their_ids() -> None:
    ids = [SessionIds.of(seeding.session_secret(number)).record_id for number in seeding.in_order(50)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 50


@pytest.mark.parametrize(("size", "total"), [(10, 100), (100, 100), (30, 100), (1, 7)])
def test_a_smaller_store_has_exactly_its_number_of_the_same_sessions(size: int, total: int) -> None:
    held = [number for number in range(total) if seeding.holds(size, number, total)]
    assert len(held) == size
    assert set(seeding.cookies(size, 2000, total)) == {seeding.cookie(number) for number in held}


def test_cookies_are_different_sessions_from_everywhere() -> None:
    assert len(set(seeding.cookies(1000, 200, 10_000))) == 200


@pytest.mark.parametrize("effort", [FULL, QUICK])
def test_sessions_of_the_smaller_stores_divide_those_of_the_largest(effort: object) -> None:
    sizes = effort.sessions  # type: ignore[attr-defined]
    assert list(sizes) == sorted(sizes)
    assert all(sizes[-1] % size == 0 for size in sizes)


def test_the_nginx_example_is_used_as_it_is_but_for_ports_and_the_file() -> None:
    text = peers.deployed(8123, 8456, Path("/site"))
    assert "listen 127.0.0.1:8123 default_server;" in text
    assert "server 127.0.0.1:8456; keepalive" in text
    assert "auth_request /.doorkey/check;" in text
    assert "try_files /page.html" in text
    assert not re.search(r"ssl_certificate|listen 443|proxy_pass http://app", text)


# Processes


def test_cpu_and_memory_are_read_of_a_process_and_its_children() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert family(os.getpid())[0] == os.getpid()
        assert child.pid in family(os.getpid())
        assert process_seconds(os.getpid()) > 0
        assert cpu_seconds([Server("a child", 0, child, Path(os.devnull))]) < process_seconds(os.getpid())
        resident, proportional = memory_mb(os.getpid())
        assert 5 < proportional <= resident < 10_000
    finally:
        child.communicate(b"\n")


def test_memory_is_bounded_only_when_all_sessions_were_asked_about() -> None:
    grew = [(1, 50.0, 40.0), (500, 60.0, 50.0), (1000, 61.0, 51.0)]
    assert memory_goal(grew, 1000).reached is True
    assert memory_goal(grew, 2000).reached is None
    assert memory_goal([*grew, (2000, 80.0, 70.0)], 2000).reached is False
    assert memory_goal([(1, 95.0, 40.0), (500, 91.0, 50.0)], 1000).reached is False


def test_a_free_port_is_below_those_of_outgoing_connections() -> None:
    assert 20_000 <= free_port() < 32_000


# The document


def test_a_table_has_a_line_for_each_row_and_no_cell_makes_another() -> None:
    assert report.table(("a", "b"), [("1", "x|y")]) == "| a | b |\n|---|---|\n| 1 | x\\|y |"


def test_a_row_of_another_width_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 columns"):
        report.table(("a", "b"), [("1",)])


def test_missed_goals_are_said_plainly() -> None:
    goals = (Goal("one", "under 2", "1", True), Goal("two", "under 2", "3", False), Goal("three", "under 2", "", None))
    text = report.document([section(goals=goals)], MACHINE, "1 May 2026", 12.0)
    assert "| one | under 2 | 1 | reached |" in text
    assert "| two | under 2 | 3 | **missed** |" in text
    assert "| three | under 2 |  | not measured |" in text
    assert "Missed: two." in text
    assert "No goal was missed." in report.document([section()], MACHINE, "1 May 2026", 12.0)


def test_the_document_names_the_machine_the_date_and_what_was_shortened() -> None:
    picture = Picture("cost.svg", "What it costs", "", "", {"a": {"1": 1.0}})
    text = report.document([section(picture=picture)], MACHINE, "1 May 2026", 12.3, complete=False)
    for words in ("A processor", "2 cores", "kernel 6", "Python 3.11.7", "nginx 1.22.1", "1 May 2026", "12 minutes"):
        assert words in text
    assert report.SHORTENED in text
    assert report.SHORTENED not in report.document([section()], MACHINE, "1 May 2026", 12.3)
    assert "![What it costs](images/cost.svg)" in text
    assert not re.search(r"\n{3}| \n", text)


def test_a_busy_machine_is_named_as_one() -> None:
    busy = dataclasses.replace(MACHINE, load=7.9)
    assert "busy with something else when this began (load 7.9)" in report.document([], busy, "1 May 2026", 1.0)
    assert "busy" not in report.document([], MACHINE, "1 May 2026", 1.0)


def test_the_document_and_the_raw_numbers_are_written(tmp_path: Path) -> None:
    report.write_document(tmp_path / "performance.md", "# Words\n")
    report.write_raw(tmp_path / "raw.json", [section(raw={"a": [1.5]})], MACHINE, "1 May 2026")
    assert (tmp_path / "performance.md").read_text() == "# Words\n"
    assert json.loads((tmp_path / "raw.json").read_text())["sections"] == {"checks": {"a": [1.5]}}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["performance.md", "raw.json"]


@pytest.mark.parametrize(("factor", "words"), [(1.08, "+8 %"), (0.9, "-10 %"), (2.0, "+100 %")])
def test_growth_is_said_in_percent(factor: float, words: str) -> None:
    assert report.percent(factor) == words


def test_a_quick_run_writes_nothing_into_the_documents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "SECTIONS", {"gate": lambda depot: [section()]})
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "versions", dict)
    monkeypatch.setattr(sys, "argv", ["run", "--quick", "--raw", str(tmp_path / "raw.json")])
    run.main()
    assert capsys.readouterr().out.startswith("# What it costs")
    assert [path.name for path in tmp_path.iterdir()] == ["raw.json"]


def test_the_number_of_sessions_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--sessions", "50000"])
    assert run.effort_of(run.arguments()).sessions == (50, 5000, 50_000)
