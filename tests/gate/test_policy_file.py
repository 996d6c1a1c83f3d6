"""The policy file while Doorkey runs: changes are seen, half a file and a broken one change nothing and are told."""

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from doorkey.gate import policy_file
from doorkey.gate.policy_file import LOOK_SECONDS, SETTLED_SECONDS, PolicyFile, read_policy
from doorkey.gate.policy_text import LARGEST_FILE, PolicyError, load_policy
from tests.conftest import MovedClock

ONE = '[[rule]]\nname = "{}"\nallow = "anyone"\n'


class Desk:
    """A policy file, the clock of its folder and a watcher."""

    def __init__(self, file: Path, clock: MovedClock):
        self.file, self.clock = file, clock
        self.write(ONE.format("old"))
        self.policy = PolicyFile(str(file), providers=frozenset(["stub"]), ticks=clock, clock=clock)

    def write(self, text: str | bytes, *, age: float = 0.0) -> None:
        self.clock.advance(0.001)
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.stamp(age)

    def stamp(self, age: float = 0.0) -> None:
        when = int((self.clock() - age) * 1e9)
        os.utime(self.file, ns=(when, when))

    def later(self, seconds: float = LOOK_SECONDS + SETTLED_SECONDS) -> str:
        self.clock.advance(seconds)
        return self.now()

    def now(self) -> str:
        return ",".join(rule.name for rule in self.policy.current().rules.rules)


@pytest.fixture
def desk(tmp_path: Path, clock: MovedClock) -> Desk:
    return Desk(tmp_path / "policy.toml", clock)


def test_a_changed_file_counts_shortly_after(desk: Desk) -> None:
    desk.write(ONE.format("new"))
    assert desk.now() == "old"
    assert desk.later() == "new"
    assert (desk.policy.is_stale, desk.policy.reads) == (False, 2)


def test_the_file_is_looked_at_twice_a_second_and_not_at_every_check(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    real = policy_file._state

    def counted(path: Path) -> tuple[int, ...]:
        looks.append(path)
        return real(path)

    monkeypatch.setattr(policy_file, "_state", counted)
    for _ in range(100):
        desk.now()
    desk.later(LOOK_SECONDS)
    for _ in range(100):
        desk.now()
    assert len(looks) == 1


def test_a_file_that_is_still_being_written_is_left_alone(desk: Desk) -> None:
    """Half of it can be valid: fewer rules, which let more people in."""
    whole = ONE.format("first") + ONE.format("second")
    desk.clock.advance(LOOK_SECONDS)
    for length in range(len(ONE.format("first")), len(whole), 10):
        desk.write(whole[:length])
        assert desk.later(SETTLED_SECONDS - 0.01) == "old"
    desk.write(whole)
    assert desk.later() == "first,second"
    assert not desk.policy.is_stale


def test_a_file_that_was_replaced_counts(desk: Desk) -> None:
    other = desk.file.with_suffix(".new")
    other.write_text(ONE.format("new"))
    os.replace(other, desk.file)
    desk.stamp()
    assert desk.later() == "new"


def test_a_file_with_an_older_time_counts_too(desk: Desk) -> None:
    """As after a restore from a backup."""
    desk.write(ONE.format("new"), age=10_000)
    assert desk.later() == "new"


def test_a_link_that_points_elsewhere_now_counts(desk: Desk, tmp_path: Path) -> None:
    """As Kubernetes changes a config map."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(ONE.format(name))
    desk.file.unlink()
    desk.file.symlink_to(tmp_path / "a")
    desk.stamp()
    assert desk.later() == "a"
    desk.file.unlink()
    desk.file.symlink_to(tmp_path / "b")
    desk.stamp()
    assert desk.later() == "b"


BROKEN: dict[str, str | bytes] = {
    "cut off": '[[rule]]\nname = "ne',
    "a typo": '[[rule]]\nname = "new"\nalow = "anyone"\n',
    "an unknown provider": '[[rule]]\nname = "new"\nallow = "signed-in"\nprovider = "corp"\n',
    "not UTF-8": b'[[rule]]\nname = "\xff"\n',
    "too large": b"#" * (LARGEST_FILE + 1),
    "a number that is too long": "a = 1" + "0" * 5000,
    "deep": "a = " + "[" * 100_000,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_changes_nothing_and_is_complained_about(
    desk: Desk, text: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk.write(text)
    with caplog.at_level(logging.INFO, "doorkey"):
        assert desk.later() == "old"
        assert desk.policy.is_stale
        assert desk.later() == desk.later() == "old"
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1  # once, not twice a second
    assert str(desk.file) in errors[0].getMessage() + str(errors[0].__dict__)
    desk.write(ONE.format("new"))
    assert desk.later() == "new"
    assert desk.policy.problems == []


def test_a_file_that_went_away_changes_nothing_and_may_come_back(desk: Desk) -> None:
    desk.file.unlink()
    assert desk.later() == "old"
    assert desk.policy.is_stale
    desk.write(ONE.format("new"))
    assert desk.later() == "new"
    assert not desk.policy.is_stale


def test_a_folder_in_the_place_of_the_file_changes_nothing(desk: Desk) -> None:
    desk.file.unlink()
    desk.file.mkdir()
    assert desk.later() == "old"
    assert desk.policy.is_stale
    desk.file.rmdir()


def test_a_signal_makes_it_look_at_once(desk: Desk) -> None:
    desk.write(ONE.format("new"))
    assert desk.now() == "old"
    desk.policy.look_now()
    assert desk.now() == "new"


def test_a_signal_tries_a_broken_file_again(desk: Desk) -> None:
    desk.write(BROKEN["a typo"])
    assert desk.later() == "old"
    desk.policy.look_now()
    assert desk.now() == "old"
    assert desk.policy.is_stale


def test_a_check_does_not_wait_for_somebody_who_reads_the_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, done = threading.Event(), threading.Event()
    real = load_policy

    def slow(*given: Any, **more: Any) -> object:
        reading.set()
        assert done.wait(10)
        return real(*given, **more)

    monkeypatch.setattr("doorkey.gate.policy_file.load_policy", slow)
    desk.write(ONE.format("new"), age=1)
    desk.clock.advance(LOOK_SECONDS)
    reader = threading.Thread(target=desk.now)
    reader.start()
    assert reading.wait(10)
    assert desk.now() == "old"
    done.set()
    reader.join()
    assert desk.now() == "new"


def test_a_broken_file_at_the_start_is_refused(tmp_path: Path, clock: MovedClock) -> None:
    for text in (BROKEN["a typo"], BROKEN["cut off"], BROKEN["a number that is too long"]):
        (tmp_path / "p.toml").write_text(str(text))
        with pytest.raises(PolicyError):
            PolicyFile(str(tmp_path / "p.toml"), providers=frozenset(), ticks=clock, clock=clock)
    with pytest.raises(PolicyError):
        PolicyFile(str(tmp_path / "missing.toml"), providers=frozenset(), ticks=clock, clock=clock)


def test_no_file_means_no_rules(clock: MovedClock) -> None:
    policy = PolicyFile("", providers=frozenset(), ticks=clock, clock=clock)
    policy.look_now()
    assert policy.current().rules.rules == ()
    assert not policy.is_stale


def test_words_about_a_file_name_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.toml cannot be read: No such file"):
        read_policy(tmp_path / "nowhere.toml")
